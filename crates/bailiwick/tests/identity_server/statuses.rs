//! What becomes of rules in the cluster stands in their status.

use std::time::{Duration, Instant};

use bailiwick_testkit::servers::Identity;

use super::*;

const CORE: &str = "/apis/bailiwick.dev/v1alpha1";

struct Stage {
    cluster: Cluster,
    dir: tempfile::TempDir,
}

impl Stage {
    /// A cluster of its own, since the rules of others would count here.
    fn new() -> Self {
        let cluster = Cluster::builder().start().unwrap();
        cluster.admin().apply(&run(&["crds"]).1).unwrap();
        cluster
            .admin()
            .apply(&MANIFESTS.replace("issue", "told"))
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let files = rule("", "of-a-file", &all("/file/{pod}"));
        fs::write(dir.path().join("rules.json"), files).unwrap();
        Self { cluster, dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// The role that a server prints; of a replica without rights to statuses all but those.
    fn role(&self, statuses: bool) -> Identity {
        let (_, role) = run(&["identity", "server", "--print-role", "told/server"]);
        let plural = "workloadidentities/status, namespaceworkloadidentities/status";
        assert!(role.contains(plural), "{role}");
        let role = match statuses {
            true => role,
            false => role.replace("verbs: [patch]", "verbs: [get]"),
        };
        self.cluster.admin().apply(&role).unwrap();
        self.cluster.service_account("told", "server").unwrap()
    }

    fn server(&self, data: &str, account: &Identity) -> (Process, mpsc::Receiver<String>) {
        let (process, _, said) = server_heard(
            account.kubeconfig(),
            &self.path(data),
            &self.path("rules.json"),
            &[],
        );
        (process, said)
    }

    fn put(&self, namespace: &str, name: &str, spec: &Value) {
        self.cluster
            .admin()
            .apply(&rule(namespace, name, spec))
            .unwrap();
    }

    fn stored(&self, path: &str) -> Value {
        let reply = self.cluster.admin().get(&format!("{CORE}/{path}")).unwrap();
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json().unwrap()
    }

    /// Waits for the status of this generation.
    fn told(&self, path: &str, generation: u64, reason: &str, pods: u64) -> String {
        let end = Instant::now() + Duration::from_secs(120);
        loop {
            let status = self.stored(path)["status"].clone();
            let condition = &status["conditions"][0];
            let accepted = if reason == "InForce" { "True" } else { "False" };
            if status["observedGeneration"] == generation
                && condition["observedGeneration"] == generation
                && condition["type"] == "Accepted"
                && condition["reason"] == reason
                && condition["status"] == accepted
                && status["pods"] == pods
            {
                return condition["message"].as_str().unwrap().to_owned();
            }
            assert!(
                Instant::now() < end,
                "{path}: no {reason} of generation {generation} with {pods} pods: {status}"
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

fn all(id: &str) -> Value {
    json!({"selector": {"pods": {}}, "id": id})
}

#[test]
fn a_rule_says_whether_it_is_in_force_and_why_not() {
    let stage = Stage::new();
    let account = stage.role(true);
    let _first = stage.server("one", &account);
    let _second = stage.server("two", &account);
    let web = "workloadidentities/web";
    stage.put("", "web", &all("/pods/{pod}"));
    assert_eq!(stage.told(web, 1, "InForce", 1), "");
    // A broken version: which field it is, and what counts instead.
    let mut broken = all("/pods/{pod}");
    broken["selector"]["namespases"] = json!(["told"]);
    stage.put("", "web", &broken);
    let message = stage.told(web, 2, "Invalid", 1);
    for part in [
        "namespases",
        "spec.selector",
        "its last good version stays in force",
    ] {
        assert!(message.contains(part), "{message}");
    }
    stage.put("", "never", &all("/{nothing}"));
    let message = stage.told("workloadidentities/never", 1, "Invalid", 0);
    assert!(
        message.contains("is no fact") && message.contains("it gives nothing"),
        "{message}"
    );
    broken["selector"]
        .as_object_mut()
        .unwrap()
        .remove("namespases");
    broken["selector"]["namespaces"] = json!(["told"]);
    stage.put("", "web", &broken);
    stage.told(web, 3, "InForce", 1);

    // Two that contradict each other: both say so, though nobody touched the first.
    let mut other = all("/pods/{pod}");
    other["lifetime"] = json!("2h");
    stage.put("told", "other", &all("/ns/told/x"));
    let own = "namespaces/told/namespaceworkloadidentities/other";
    stage.told(own, 1, "InForce", 1);
    stage.put("", "longer", &other);
    for path in [web, "workloadidentities/longer"] {
        let generation = if path == web { 3 } else { 1 };
        let message = stage.told(path, generation, "Conflict", 0);
        for part in ["told/web", "`longer` and `web`", "lifetimes"] {
            assert!(message.contains(part), "{message}");
        }
    }
    // The pod that they fit has nothing at all.
    stage.told(own, 1, "InForce", 0);
    other["lifetime"] = json!("1h");
    stage.put("", "longer", &other);
    stage.told(web, 3, "InForce", 1);
    stage.told("workloadidentities/longer", 2, "InForce", 1);

    // One that fits and gives nothing, and one that a file stands before.
    stage.put("", "labelled", &all("/{label:team}"));
    let message = stage.told("workloadidentities/labelled", 1, "Incomplete", 0);
    assert!(
        message.contains("told/web") && message.contains("team"),
        "{message}"
    );
    stage.put("", "of-a-file", &all("/more"));
    stage.told("workloadidentities/of-a-file", 1, "FileGoesFirst", 1);

    // What a person sees.
    let seen = |arguments: &[&str]| {
        stage
            .cluster
            .admin()
            .kubectl(arguments)
            .unwrap()
            .success()
            .unwrap()
    };
    let table = seen(&["get", "workloadidentities", "-o", "wide"]);
    let header = table.lines().next().unwrap();
    for column in ["GIVES", "PODS", "ACCEPTED", "MESSAGE", "AGE"] {
        assert!(header.contains(column), "{table}");
    }
    let row = table.lines().find(|line| line.starts_with("web ")).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells[..4], ["web", "/pods/{pod}", "1", "True"], "{table}");
    let text = seen(&["describe", "workloadidentity", "never"]);
    assert!(
        text.contains("Invalid") && text.contains("Observed Generation"),
        "{text}"
    );

    // The replicas do not answer each other: where nothing changes, nothing is written.
    let versions = || {
        let list = stage.stored("workloadidentities");
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|item| item["metadata"]["resourceVersion"].clone())
            .collect::<Vec<_>>()
    };
    let end = Instant::now() + Duration::from_secs(120);
    let mut before = versions();
    loop {
        std::thread::sleep(Duration::from_secs(5));
        let now = versions();
        if now == before {
            break;
        }
        before = now;
        assert!(Instant::now() < end, "the replicas go on writing");
    }
}

#[test]
fn without_the_right_to_tell_it_rules_count_all_the_same() {
    let stage = Stage::new();
    let account = stage.role(false);
    let (_server, said) = stage.server("data", &account);
    stage.put("", "web", &all("/pods/{pod}"));
    let line = said
        .iter()
        .find(|line| line.contains("its status cannot be written"));
    let line = line.unwrap();
    assert!(
        line.contains("WorkloadIdentity web") && line.contains("forbidden"),
        "{line}"
    );
    // The next version counts as the first did, and is said to the end.
    stage.put("", "web", &all("/other/{pod}"));
    said.iter()
        .find(|line| line.contains("\"rules\":3"))
        .unwrap();
    assert!(stage.stored("workloadidentities/web")["status"].is_null());
}

#[test]
fn a_signer_tells_it_as_a_server_does() {
    let stage = Stage::new();
    let signer = ["identity", "signer", "--name", "td.example/told"];
    let (_, role) = run(&[&signer[..], &["--print-role", "told/server"]].concat());
    assert!(role.contains("workloadidentities/status"), "{role}");
    stage.cluster.admin().apply(&role).unwrap();
    let account = stage.cluster.service_account("told", "server").unwrap();
    let (data, rules) = (stage.path("data"), stage.path("rules.json"));
    let child = Command::new(PROGRAM)
        .args(signer)
        .args([
            "--trust-domain",
            "td.example",
            "--data",
            &data,
            "--rules",
            &rules,
        ])
        .arg("--kubeconfig")
        .arg(account.kubeconfig())
        .stderr(fs::File::create(stage.path("signer.log")).unwrap())
        .spawn()
        .unwrap();
    let _signer = Process(child);
    let web = "workloadidentities/web";
    stage.put("", "web", &all("/pods/{pod}"));
    assert_eq!(stage.told(web, 1, "InForce", 1), "");
    stage.put("", "web", &all("/{nothing}"));
    let message = stage.told(web, 2, "Invalid", 1);
    assert!(
        message.contains("its last good version stays in force"),
        "{message}"
    );
    stage.put("", "web", &all("/pods/{pod}"));
    stage.told(web, 3, "InForce", 1);
    let mut other = all("/pods/{pod}");
    other["lifetime"] = json!("2h");
    stage.put("", "longer", &other);
    for (path, generation) in [(web, 3), ("workloadidentities/longer", 1)] {
        let message = stage.told(path, generation, "Conflict", 0);
        assert!(message.contains("`longer` and `web`"), "{message}");
    }
    // Deleted and made anew, broken: nothing of the old one is in force.
    let gone = format!("{CORE}/workloadidentities/longer");
    let admin = stage.cluster.admin();
    assert_eq!(
        admin.request("DELETE", &gone, &[], None).unwrap().status,
        200
    );
    stage.put("", "longer", &all("/{nothing}"));
    let message = stage.told("workloadidentities/longer", 1, "Invalid", 0);
    assert!(message.contains("it gives nothing"), "{message}");
    stage.told(web, 3, "InForce", 1);
}
