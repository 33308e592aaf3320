//! What becomes of documents stands in their status.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::api_server::until;
use crate::following::{CORE, Stage, document, free_address};
use crate::program::Home;

/// A document as it lies in the cluster.
fn stored(stage: &Stage, path: &str) -> Value {
    let reply = stage
        .cluster
        .admin()
        .get(&format!("{CORE}/{path}"))
        .unwrap();
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json().unwrap()
}

fn condition(stage: &Stage, path: &str) -> Value {
    stored(stage, path)["status"]["conditions"][0].clone()
}

/// Waits until a document of this generation is said to be in force, or not, and gives its status.
fn told(stage: &Stage, path: &str, generation: u64, accepted: &str) -> Value {
    let as_wanted = || {
        let condition = condition(stage, path);
        condition["status"] == accepted && condition["observedGeneration"] == generation
    };
    until(
        as_wanted,
        &format!("{path} of generation {generation} is not {accepted}"),
    );
    stored(stage, path)["status"].clone()
}

fn patch(stage: &Stage, path: &str, spec: &Value) {
    let body = json!({"spec": spec}).to_string();
    let headers = [("content-type", "application/merge-patch+json")];
    let path = format!("{CORE}/{path}");
    let reply = stage
        .cluster
        .admin()
        .request("PATCH", &path, &headers, Some(&body));
    assert_eq!(reply.unwrap().status, 200);
}

fn kubectl(stage: &Stage, arguments: &[&str]) -> String {
    let output = stage.cluster.admin().kubectl(arguments).unwrap();
    output.success().unwrap()
}

#[test]
fn a_document_says_whether_it_is_in_force_and_why_not() {
    let stage = Stage::new("guard");
    let policy = |text: &str| json!({"cedar": text});
    let good = "forbid (principal == k8s::User::\"ben\", action, resource);";
    let path = "clusterpolicies/no-ben";
    stage.create(
        "clusterpolicies",
        &document("ClusterPolicy", "no-ben", &policy(good)),
    );
    let first = told(&stage, path, 1, "True");
    let revision = first["revision"].as_str().unwrap();
    assert_eq!(revision.len(), 12, "{first}");
    kubectl(
        &stage,
        &[
            "wait",
            "--for=condition=Accepted",
            "clusterpolicy/no-ben",
            "--timeout=10s",
        ],
    );
    // A broken version: where it is broken, and what counts instead.
    patch(
        &stage,
        path,
        &policy(&format!("{good}\nforbid (principal ==")),
    );
    let broken = told(&stage, path, 2, "False");
    assert_eq!(broken["revision"], revision, "{broken}");
    let message = broken["conditions"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("line 2, column")
            && message.contains("its last good version stays in force"),
        "{message}"
    );
    let table = kubectl(&stage, &["get", "clusterpolicies", "-o", "wide"]);
    assert!(
        table.contains("ACCEPTED") && table.contains("False") && table.contains("line 2, column"),
        "{table}"
    );
    // What waits for something else is told when that has come, though nobody touched it.
    let tuples = json!({"tuples": ["namespaces:shop#lister@user:anna"]});
    stage.create(
        "clusterrelations",
        &document("ClusterRelations", "anna", &tuples),
    );
    let waiting = told(&stage, "clusterrelations/anna", 1, "False");
    assert!(waiting["revision"].is_null(), "{waiting}");
    assert_eq!(waiting["conditions"][0]["reason"], "Conflict", "{waiting}");
    let types = json!({"types": {"namespaces": {
        "relations": {"lister": "[user]"}, "actions": {"list pods": "lister"},
    }}});
    stage.create(
        "relationschemas",
        &document("RelationSchema", "namespaces", &types),
    );
    told(&stage, "relationschemas/namespaces", 1, "True");
    told(&stage, "clusterrelations/anna", 1, "True");
    patch(&stage, path, &policy(good));
    let mended = told(&stage, path, 3, "True");
    assert_eq!(mended["revision"], revision, "the same text");
    // The status is ours alone.
    let fields = stored(&stage, path)["metadata"]["managedFields"].clone();
    let ours = fields
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["subresource"] == "status");
    let managers: Vec<&Value> = ours.map(|one| &one["manager"]).collect();
    assert_eq!(managers, [&json!("bailiwick-serve")], "{fields}");
}

#[test]
fn replicas_do_not_answer_each_other() {
    let stage = Stage::new("guard");
    let names: Vec<String> = (0..20).map(|number| format!("user-{number}")).collect();
    for name in &names {
        let spec = json!({"user": name, "reason": "gone"});
        stage.create("revocations", &document("Revocation", name, &spec));
    }
    // One that only the first replica has a good version of: the second sees it in another way.
    let path = "clusterpolicies/no-ben";
    let good = json!({"cedar": "forbid (principal == k8s::User::\"ben\", action, resource);"});
    stage.create(
        "clusterpolicies",
        &document("ClusterPolicy", "no-ben", &good),
    );
    told(&stage, path, 1, "True");
    patch(&stage, path, &json!({"cedar": "forbid (principal =="}));
    told(&stage, path, 2, "False");
    for name in &names {
        told(&stage, &format!("revocations/{name}"), 1, "True");
    }
    let second = Home::new(&["api"]);
    second.configure(
        "127.0.0.1:0",
        &format!(
            "accessReview: {{mode: guard}}\noperations: {}\n",
            free_address()
        ),
    );
    let mut replica = second.serve_cluster(stage.cluster.admin().kubeconfig());
    replica.wait_for("ClusterPolicy no-ben is refused");
    let versions = || {
        let mut paths: Vec<String> = names
            .iter()
            .map(|name| format!("revocations/{name}"))
            .collect();
        paths.push(path.to_owned());
        let version = |path: &String| stored(&stage, path)["metadata"]["resourceVersion"].clone();
        paths.iter().map(version).collect::<Vec<Value>>()
    };
    let start = Instant::now();
    let mut before = versions();
    loop {
        std::thread::sleep(Duration::from_secs(3));
        let now = versions();
        if now == before {
            break;
        }
        before = now;
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "the replicas go on writing"
        );
    }
    // Both go on to tell what is new.
    patch(&stage, path, &good);
    told(&stage, path, 3, "True");
}
