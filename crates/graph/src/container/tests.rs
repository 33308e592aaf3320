use crate::edges::testing::cluster;
use crate::{Graph, Node};

const POD: &str = "ClusterRoleBinding root gives ClusterRole/cluster-admin to sa:shop/web
   ---
   {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web}, spec: {nodeName: n1, SHARE
     serviceAccountName: web, containers: [{name: web, image: web}, {name: log, image: log, securityContext: {privileged: true}}]}}";

/// Where the steps of a container lead, in order, or why there is none.
fn reached(text: &str, key: &str) -> Vec<String> {
    let snapshot = cluster(text, 37);
    let mut graph = Graph::new(&snapshot, Default::default());
    let node: Node = key.parse().unwrap();
    let Node::Container { pod, name } = &node else {
        panic!("{key} is no container");
    };
    let id = match graph.add_container(&snapshot, pod, name) {
        Ok(id) => id,
        Err(error) => return vec![error.to_string()],
    };
    let steps = graph.edges_from(id).filter_map(|edge| graph.step(edge));
    let mut steps: Vec<String> = steps
        .map(|step| format!("{} {}", step.kind.id, step.to))
        .collect();
    steps.sort();
    steps.dedup();
    assert!(
        graph
            .edges()
            .any(|step| *step.to == node && step.kind.id == "contains"),
        "the pod's whole has it"
    );
    steps
}

#[track_caller]
fn check(share: &str, key: &str, there: &[&str], not_there: &[&str]) {
    let steps = reached(&POD.replace("SHARE", share), key);
    for step in there {
        assert!(
            steps.iter().any(|own| own == step),
            "{key}: {step} of {steps:?}"
        );
    }
    for step in not_there {
        assert!(
            !steps.iter().any(|own| own == step),
            "{key}: {step} of {steps:?}"
        );
    }
}

const TOKEN: &str = "mounted-token service account shop/web";
const NODE: &str = "privileged-container node n1";
const POD_STEP: &str = "share-processes Pod shop/web";

#[test]
fn what_another_container_may_do_is_not_this_ones() {
    check("", "container:shop/web/log", &[TOKEN, NODE], &[POD_STEP]);
    check("", "container:shop/web/web", &[TOKEN], &[NODE, POD_STEP]);
}

#[test]
fn shared_processes_lead_to_the_pod() {
    let shared = "shareProcessNamespace: true,";
    check(
        shared,
        "container:shop/web/log",
        &[POD_STEP, TOKEN, NODE],
        &[],
    );
    check(
        shared,
        "container:shop/web/web",
        &[TOKEN],
        &[POD_STEP, NODE],
    );
}

#[test]
fn settings_of_a_template_are_those_of_its_pods() {
    let template = "---
   {apiVersion: apps/v1, kind: StatefulSet, metadata: {namespace: shop, name: db, uid: u}, spec: {serviceName: db,
     selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {
      containers: [{name: db, image: db}, {name: log, image: log, securityContext: {privileged: true}}]}}}}";
    let pod = format!(
        "{template}
   {{apiVersion: v1, kind: Pod, metadata: {{namespace: shop, name: db-0, labels: {{app: db}}, ownerReferences: [{{
     apiVersion: apps/v1, kind: StatefulSet, name: db, uid: u, controller: true}}]}}, spec: {{nodeName: n1,
      containers: [{{name: db, image: db}}, {{name: log, image: log, securityContext: {{privileged: true}}}}]}}}}"
    );
    let some = "privileged-container some node";
    for (text, key, step, expected) in [
        (&*pod, "container:shop/db-0/log", NODE, true),
        (&*pod, "container:shop/db-0/db", NODE, false),
        (template, "container:statefulset:shop/db/log", some, true),
        (template, "container:statefulset:shop/db/db", some, false),
    ] {
        let steps = reached(text, key);
        assert_eq!(
            steps.iter().any(|own| own == step),
            expected,
            "{key}: {steps:?}"
        );
    }
}

#[test]
fn says_what_there_is() {
    let pod = POD.replace("SHARE", "");
    let missing = reached(&pod, "container:shop/web/db");
    assert_eq!(
        missing,
        ["Pod shop/web has no container `db`; it has log, web"]
    );
    let missing = reached(&pod, "container:shop/api/db");
    assert!(
        missing[0].starts_with("there is no Pod shop/api"),
        "{missing:?}"
    );
}
