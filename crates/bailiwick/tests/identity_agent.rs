//! Agents of nodes with a real API server, and workloads in cgroups as a kubelet makes them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "a test that cannot go on ends, and not every test uses all of the shared module"
)]

mod program;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use bailiwick_testkit::servers::{Cluster, Shared};
use bailiwick_testkit::spiffe::Spiffe;
use program::{PROGRAM, Process, run, said, until_said};
use serde_json::{Value, json};

const DOMAIN: &str = "td.example";
const RULES: &str = "\
apiVersion: bailiwick.dev/v1alpha1
kind: WorkloadIdentity
metadata: {name: all}
spec: {selector: {namespaces: [agent-shop]}, id: '/ns/{namespace}/sa/{serviceAccount}'}
";
const MANIFESTS: &str = "\
{apiVersion: v1, kind: Namespace, metadata: {name: agent-shop}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: agent-house}}
---
{apiVersion: v1, kind: Node, metadata: {name: agent-node-1}}
---
{apiVersion: v1, kind: Node, metadata: {name: agent-node-2}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: server, namespace: agent-house}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: agent, namespace: agent-house}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: web, namespace: agent-shop}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: db, namespace: agent-shop}}
";

/// A cgroup as a kubelet makes it for a container of a pod; it goes with this.
struct PodCgroup(Vec<PathBuf>);

impl PodCgroup {
    /// Nothing where this process may make none.
    fn make(uid: &str) -> Option<Self> {
        let roots = [
            "/sys/fs/cgroup/unified",
            "/sys/fs/cgroup",
            "/sys/fs/cgroup/systemd",
        ];
        let root = roots.into_iter().map(Path::new);
        let root = root
            .filter(|root| root.join("cgroup.procs").exists())
            .find(|root| fs::create_dir_all(root.join("kubepods/burstable")).is_ok())?;
        let pod = root.join(format!("kubepods/burstable/pod{uid}"));
        let container =
            pod.join("8f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8");
        fs::create_dir_all(&container).ok()?;
        Some(Self(vec![container, pod]))
    }

    /// Runs a program in it.
    fn run(&self, args: &[&str]) -> Output {
        Command::new("sh")
            .args(["-c", "echo $$ > \"$0\" && exec \"$@\""])
            .arg(self.0[0].join("cgroup.procs"))
            .arg(PROGRAM)
            .args(args)
            .output()
            .unwrap()
    }
}

impl Drop for PodCgroup {
    fn drop(&mut self) {
        for folder in &self.0 {
            let _ = fs::remove_dir(folder);
        }
    }
}

struct House {
    cluster: Shared,
    dir: tempfile::TempDir,
    address: String,
    server: Option<Process>,
    kubeconfig: PathBuf,
}

impl House {
    fn new() -> Self {
        let cluster = Cluster::shared().unwrap();
        cluster.admin().apply(MANIFESTS).unwrap();
        for (namespace, name, node) in [
            ("agent-house", "agent-1", 1),
            ("agent-house", "agent-2", 2),
            ("agent-shop", "web", 1),
            ("agent-shop", "db", 2),
        ] {
            make_pod(&cluster, namespace, name, node);
        }
        let (_, role) = run(&["identity", "server", "--print-role", "agent-house/server"]);
        cluster.admin().apply(&role).unwrap();
        let server = cluster.service_account("agent-house", "server").unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("rules.yaml"), RULES).unwrap();
        let mut house = Self {
            kubeconfig: server.kubeconfig().to_owned(),
            cluster,
            dir,
            address: "127.0.0.1:0".into(),
            server: None,
        };
        house.start();
        let (_, roots) = run(&house.placed(&["identity", "authority", "--roots"]));
        fs::write(house.path("roots.pem"), roots).unwrap();
        house
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// Arguments with the folder of the authority.
    fn placed<'a>(&self, args: &[&'a str]) -> Vec<&'a str> {
        let data: &'static str = Box::leak(self.path("data").into_boxed_str());
        [args, &["--data", data, "--trust-domain", DOMAIN]].concat()
    }

    /// Starts the server at its address of before.
    fn start(&mut self) {
        let (rules, ca) = (self.path("rules.yaml"), self.cluster.ca());
        let args = self.placed(&["identity", "server", "--listen"]);
        let mut child = Command::new(PROGRAM)
            .args([&args[..3], &[&self.address], &args[3..]].concat())
            .args(["--rules", &rules, "--log-format", "json"])
            .args(["--agent-account", "agent-house/agent", "--node-ca"])
            .arg(ca)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        self.server = Some(Process(child));
        for line in lines.by_ref() {
            let line = line.unwrap();
            let event: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
            if event["message"] == "giving identities" {
                self.address = event["address"].as_str().unwrap().to_owned();
            }
            if event["message"] == "the cluster is read" {
                break;
            }
        }
        // Somebody has to go on reading.
        std::thread::spawn(move || lines.for_each(drop));
    }

    /// An agent, and its socket.
    fn agent(&self, name: &str, proof: &[&str]) -> (Process, String) {
        let socket = self.path(&format!("{name}.sock"));
        let log = fs::File::create(self.path(&format!("{name}.log"))).unwrap();
        let child = Command::new(PROGRAM)
            .args(["agent", "--server", &self.address, "--trust-domain", DOMAIN])
            .args([
                "--trust-bundle",
                &self.path("roots.pem"),
                "--socket",
                &socket,
            ])
            .args(proof)
            .env_remove("KUBECONFIG")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        (Process(child), socket)
    }

    /// A token of a service account, in a file.
    fn token(&self, name: &str, namespace: &str, account: &str, spec: &Value) -> String {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
        let body =
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
        let answer = self
            .cluster
            .admin()
            .post(&path, &body)
            .unwrap()
            .json()
            .unwrap();
        let token = answer["status"]["token"].as_str();
        let file = self.path(name);
        fs::write(&file, token.unwrap_or_else(|| panic!("{answer}"))).unwrap();
        file
    }

    fn uid(&self, namespace: &str, name: &str) -> String {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
        let pod = self.cluster.admin().get(&path).unwrap().json().unwrap();
        pod["metadata"]["uid"].as_str().unwrap().to_owned()
    }

    fn bound(&self, namespace: &str, name: &str) -> Value {
        let uid = self.uid(namespace, name);
        json!({"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid})
    }
}

fn make_pod(cluster: &Cluster, namespace: &str, name: &str, node: u8) {
    let account = match namespace {
        "agent-house" => "agent",
        _ => name,
    };
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "nodeName": format!("agent-node-{node}"), "serviceAccountName": account,
            "containers": [{"name": "c", "image": "img"}],
        },
    });
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let reply = cluster.admin().post(&path, &pod).unwrap();
    assert_eq!(reply.status, 201, "{}", reply.body);
}

fn delete_pod(cluster: &Cluster, namespace: &str, name: &str) {
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}?gracePeriodSeconds=0");
    let reply = cluster.admin().request("DELETE", &path, &[], None).unwrap();
    assert_eq!(reply.status, 200, "{}", reply.body);
}

#[test]
fn pods_get_identities_through_the_agents_of_their_nodes() {
    let mut house = House::new();
    let audience = json!(["td.example/agent"]);
    let agent_1 = house.bound("agent-house", "agent-1");
    let web = house.bound("agent-shop", "web");
    let health = |socket: &str, more: &[&str]| {
        run(&[&["agent", "healthcheck", "--socket", socket], more].concat())
    };

    // Tokens that prove no node.
    let bad = [
        (
            "audience",
            "agent-house",
            "agent",
            json!({"audiences": [DOMAIN], "boundObjectRef": agent_1}),
            "for the audience",
        ),
        (
            "unbound",
            "agent-house",
            "agent",
            json!({"audiences": audience}),
            "not bound to a pod",
        ),
        (
            "workload",
            "agent-shop",
            "web",
            json!({"audiences": audience, "boundObjectRef": web}),
            "not that of agents",
        ),
    ];
    for (name, namespace, account, spec, part) in bad {
        let file = house.token(name, namespace, account, &spec);
        let (_agent, socket) = house.agent(name, &["--token-file", &file]);
        until_said(|| health(&socket, &[]), 1, part);
    }

    // The agent of the first node, by the token of its pod.
    let spec = json!({"audiences": audience, "boundObjectRef": agent_1});
    let token = house.token("token", "agent-house", "agent", &spec);
    let (_agent, socket) = house.agent("agent", &["--token-file", &token]);
    until_said(|| health(&socket, &["--fresh"]), 0, "healthy");
    let listed = run(&house.placed(&["identity", "agents", "-o", "json"])).1;
    assert!(
        listed.contains("agent-node-1") && listed.contains("token of its pod"),
        "{listed}"
    );
    let fetch = ["identity", "fetch", "--socket", &socket];
    let (code, text) = run(&fetch);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("runs in no pod"), "{text}");

    // A node by its certificate, which kubelets have; and one of another name.
    let kubelet = house
        .cluster
        .certificate_user("system:node:agent-node-2", Some("system:nodes"));
    let (certificate, key) = files_of(kubelet.unwrap().kubeconfig());
    let proof = ["--cert", &certificate, "--key", &key];
    let (node_2, socket_2) = house.agent("node-2", &proof);
    until_said(|| health(&socket_2, &["--fresh"]), 0, "healthy");
    let somebody = house.cluster.certificate_user("somebody", None).unwrap();
    let (certificate, key) = files_of(somebody.kubeconfig());
    let (_stranger, strange) = house.agent("stranger", &["--cert", &certificate, "--key", &key]);
    until_said(|| health(&strange, &[]), 1, "unhealthy");
    drop(node_2);

    // What the agent refused by itself is in the log of the server.
    let log = format!("{}/log", house.path("data"));
    let tail = ["audit", "tail", &log, "--lines", "1000", "--json"];
    let records = until_said(|| run(&tail), 0, "the process runs in no pod");
    let refused = records.lines().find(|line| line.contains("runs in no pod"));
    let refused: Value = serde_json::from_str(refused.unwrap()).unwrap();
    assert_eq!(refused["kind"], "denial", "{refused}");
    assert_eq!(refused["workload"]["node"], "agent-node-1", "{refused}");
    assert!(refused["times"]["count"].as_u64() >= Some(1), "{refused}");

    let Some(cgroup) = PodCgroup::make(&house.uid("agent-shop", "web")) else {
        println!("NOT TESTED: this user makes no cgroups, so that no process runs in a pod");
        return;
    };
    let in_pod = |cgroup: &PodCgroup, more: &[&str]| said(cgroup.run(&[&fetch[..], more].concat()));
    let id = "spiffe://td.example/ns/agent-shop/sa/web";
    until_said(|| in_pod(&cgroup, &[]), 0, id);
    let jwt = until_said(|| in_pod(&cgroup, &["--audience", "db"]), 0, ".");
    assert_eq!(jwt.trim().split('.').count(), 3, "{jwt}");

    // A pod of another node, whatever this node says; one that comes; one that goes.
    let db = PodCgroup::make(&house.uid("agent-shop", "db")).unwrap();
    until_said(|| in_pod(&db, &[]), 2, "knows of no pod");
    delete_pod(&house.cluster, "agent-shop", "db");
    make_pod(&house.cluster, "agent-shop", "db", 1);
    let new = PodCgroup::make(&house.uid("agent-shop", "db")).unwrap();
    until_said(
        || in_pod(&new, &[]),
        0,
        "spiffe://td.example/ns/agent-shop/sa/db",
    );
    until_said(|| in_pod(&db, &[]), 2, "knows of no pod");
    delete_pod(&house.cluster, "agent-shop", "db");
    until_said(|| in_pod(&new, &[]), 2, "knows of no pod");

    // A client that others wrote, in the pod.
    let procs = cgroup.0[0].join("cgroup.procs");
    let own = std::process::id().to_string();
    let home = procs.ancestors().nth(5).unwrap().join("cgroup.procs");
    fs::write(&procs, &own).unwrap();
    let mut go = Spiffe::start().unwrap();
    fs::write(home, &own).unwrap();
    let question = json!({"socket": format!("unix://{socket}")});
    let fetched = go.ask("fetch_x509", question).unwrap();
    assert_eq!(fetched["svids"][0]["spiffeId"], id);
    drop(go);

    // Without the server everything goes on, and the agent says how old it is.
    let before = in_pod(&cgroup, &["-o", "json"]).1;
    house.server = None;
    until_said(|| health(&socket, &[]), 0, "healthy, stale for");
    until_said(|| health(&socket, &["--fresh"]), 1, "stale for");
    assert_eq!(in_pod(&cgroup, &["-o", "json"]), (Some(0), before));
    house.start();
    until_said(|| health(&socket, &["--fresh"]), 0, "healthy");

    // A join token, for one agent and one time.
    let (code, text) = run(&house.placed(&["identity", "agent-token", "--node", "agent-node-2"]));
    assert_eq!(code, Some(0), "{text}");
    let join = house.path("join");
    fs::write(&join, text.lines().next().unwrap()).unwrap();
    let keep = house.path("keep");
    let proof = ["--join-token-file", &join, "--keep", &keep];
    let (joined, socket_2) = house.agent("joined", &proof);
    until_said(|| health(&socket_2, &["--fresh"]), 0, "healthy");
    let (_replayed, replayed) = house.agent("replayed", &["--join-token-file", &join]);
    until_said(|| health(&replayed, &[]), 1, "was used, or has run out");
    drop(joined);
    let (_again, socket_2) = house.agent("again", &proof);
    until_said(|| health(&socket_2, &["--fresh"]), 0, "healthy");
    let (code, text) = run(&house.placed(&["identity", "evict", "agent-nod-2"]));
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("no agent of the node `agent-nod-2` is known here"),
        "{text}"
    );
    let (code, text) = run(&house.placed(&["identity", "evict", "agent-node-2"]));
    assert_eq!(code, Some(0), "{text}");
    until_said(|| health(&socket_2, &["--fresh"]), 1, "another join token");

    // A ban takes everything.
    let ban = ["identity", "ban", "node:agent-node-1", "--why", "stolen"];
    run(&house.placed(&ban));
    until_said(|| in_pod(&cgroup, &[]), 2, "banned: stolen");
    until_said(|| health(&socket, &["--fresh"]), 1, "banned: stolen");

    let records = until_said(|| run(&tail), 0, "\"step\":\"evicted\"");
    for part in [
        "\"step\":\"joined\",\"by\":\"token of its pod\",\"proof\":{\"credential\":\"JTI=",
        "\"step\":\"joined\",\"by\":\"certificate of the node\"",
        "\"step\":\"joined\",\"by\":\"join token\"",
        "\"step\":\"invited\"",
        "\"agent\":\"spiffe://td.example/bailiwick/agent/agent-node-1/",
        "not that of agents",
        // What the agent refused of a pod that runs on another node, and of that node by its word alone.
        "\"claimedPod\":\"",
    ] {
        assert!(records.contains(part), "no `{part}` in {records}");
    }
}

/// Certificate and key of a kubeconfig that names files.
fn files_of(kubeconfig: &Path) -> (String, String) {
    let text = fs::read_to_string(kubeconfig).unwrap();
    let file = |name: &str| {
        let (_, after) = text.split_once(name).unwrap();
        let start = after.find('/').unwrap();
        let after = &after[start..];
        let end = after.find(['"', '\n', ',', '}', ' ']).unwrap();
        after[..end].to_owned()
    };
    (file("client-certificate"), file("client-key"))
}
