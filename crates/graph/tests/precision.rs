//! No step that a real API server refuses: on the objects that it makes by itself, and with three operators
//! (`examples/operators`). Rights are asked for, settings are looked up where the graph says they are, and what depends on
//! admission is tried with `dryRun=All`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test, also where it is no test function"
)]

mod replay;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use bailiwick_core::Kind;
use bailiwick_graph::{Area, Atom, Graph, Node};
use bailiwick_input::{Defaults, LoadOptions, Source, load};
use bailiwick_model::Snapshot;
use bailiwick_testkit::directory::{Fields, apply};
use bailiwick_testkit::servers::Cluster;
use serde_json::{Value, json};

use crate::replay::{assert_allowed, reviews};

/// Pods that the controllers make of the example: one a Deployment and StatefulSet, one a node of the DaemonSet.
const PODS: usize = 15 + NODES.len();

const NODES: [&str; 3] = ["m1", "w1", "w2"];

#[test]
fn nothing_that_a_real_api_server_refuses() {
    let cluster = Cluster::builder().start().unwrap();
    cluster.wait_for_aggregation().unwrap();
    report("fresh cluster", &cluster);
    nodes(&cluster);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/operators");
    assert_eq!(apply(&cluster, &example, Fields::Strict).unwrap(), [""; 0]);
    bind_pods(&cluster);
    cluster.wait_for_aggregation().unwrap();
    report("with operators", &cluster);
}

/// Checks every step of the cluster's graph and prints how many there were.
fn report(what: &str, cluster: &Cluster) {
    let snapshot = snapshot(cluster);
    let asked = assert_allowed(cluster, &reviews(&snapshot));
    let graph = Graph::new(&snapshot, BTreeMap::new());
    let settings = assert_settings(cluster, &graph);
    let (tried, held_back) = try_pods(cluster, &graph);
    let accounts = try_accounts(cluster, &graph, &snapshot);
    let labels = try_labels(cluster, &graph);
    let full = graph.find(&Node::Cluster).unwrap();
    let reaching = graph.reaching(full);
    let is_subject = |node: &Node| {
        matches!(
            node,
            Node::User { .. } | Node::Group { .. } | Node::ServiceAccount { .. }
        )
    };
    let sources = reaching
        .nodes()
        .filter(|(id, _)| is_subject(graph.node(*id).unwrap()));
    println!(
        "{what}: {} steps, {} subjects reach full control; 0 refused of {asked} reviews, {settings} settings, \
         {tried} pods with their node's disk (and {held_back} refused as the graph says), {accounts} pods of service accounts, \
         {labels} changes of labels",
        graph.edge_count(),
        sources.count(),
    );
}

/// Everything that Bailiwick reads, as the API server has stored it.
fn snapshot(cluster: &Cluster) -> Snapshot {
    let kinds = Kind::ALL.into_iter().filter(|kind| !kind.is_custom());
    let kinds = kinds.map(|kind| match kind.group() {
        "" => kind.resource().to_owned(),
        group => format!("{}.{group}", kind.resource()),
    });
    let kinds: Vec<String> = kinds.collect();
    let all = cluster
        .admin()
        .kubectl(&["get", "-A", "-o", "json", &kinds.join(",")]);
    let output = all.unwrap();
    output.clone().success().unwrap();
    let mut file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    file.write_all(output.stdout.as_bytes()).unwrap();
    let options = LoadOptions {
        defaults: Defaults::None,
        ..LoadOptions::default()
    };
    let loaded = load(&[Source::Path(file.path().to_owned())], &options);
    assert_eq!(loaded.findings, []);
    let mut snapshot = loaded.snapshot;
    snapshot.cluster.stored = true;
    snapshot.cluster.minor = Some(37);
    snapshot
}

fn nodes(cluster: &Cluster) {
    for name in NODES {
        let plane = name.starts_with('m');
        let role = "node-role.kubernetes.io/control-plane";
        let (labels, taints) = if plane {
            (
                json!({role: ""}),
                json!([{"key": role, "effect": "NoSchedule"}]),
            )
        } else {
            (json!({}), json!([]))
        };
        let node = json!({
            "metadata": {"name": name, "labels": labels},
            "spec": {"taints": taints, "providerID": format!("aws:///a/{name}")},
        });
        let reply = cluster.admin().post("/api/v1/nodes", &node).unwrap();
        assert_eq!(reply.status, 201, "{}", reply.body);
    }
}

/// Waits for the pods and puts each on a node, as a scheduler would.
fn bind_pods(cluster: &Cluster) {
    let admin = cluster.admin();
    let start = Instant::now();
    let pods = || {
        let list = admin.get("/api/v1/pods").unwrap().json().unwrap();
        list["items"].as_array().unwrap().clone()
    };
    while pods().len() < PODS {
        let count = pods().len();
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{count} pods of {PODS}"
        );
        thread::sleep(Duration::from_millis(100));
    }
    for (number, pod) in pods().iter().enumerate() {
        let own = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution\
                   /nodeSelectorTerms/0/matchFields/0/values/0";
        let node = pod.pointer(own).and_then(Value::as_str);
        let node = node.unwrap_or(NODES[1 + number % 2]);
        let (namespace, name) = (&pod["metadata"]["namespace"], &pod["metadata"]["name"]);
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}/binding",
            namespace.as_str().unwrap(),
            name.as_str().unwrap()
        );
        let target = json!({
            "metadata": {"name": name},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        });
        let reply = admin.post(&path, &target).unwrap();
        assert_eq!(reply.status, 201, "{}", reply.body);
    }
}

/// Asserts that the settings on which steps rest are there. Gives how many there are.
fn assert_settings(cluster: &Cluster, graph: &Graph) -> usize {
    // What these rest on may be left out, and means yes then: the step vanishes where somebody sets it.
    const LEFT_OUT: [&str; 3] = ["ephemeral-container-node", "mounted-token", "new-pod-node"];
    let mut settings = BTreeSet::new();
    for step in graph
        .edges()
        .filter(|step| !LEFT_OUT.contains(&step.kind.id))
    {
        settings.extend(step.evidence.iter().flatten().flatten().copied().cloned());
    }
    for setting in &settings {
        let object = setting.object();
        let root = match object.kind.group() {
            "" => "/api/v1".to_owned(),
            group => format!("/apis/{group}/v1"),
        };
        let place = match &*object.namespace {
            "" => String::new(),
            namespace => format!("/namespaces/{namespace}"),
        };
        let resource = object.kind.resource();
        let reply = cluster
            .admin()
            .get(&format!("{root}{place}/{resource}/{}", object.name));
        let reply = reply.unwrap();
        assert_eq!(reply.status, 200, "{object}");
        let stored = reply.json().unwrap();
        let found = stored.pointer(&setting.pointer());
        assert!(found.is_some(), "{object} {}: {stored}", setting.pointer());
        if let Atom::Subject { .. } = setting {
            assert!(found.unwrap()["name"].is_string(), "{object}");
        }
    }
    settings.len()
}

/// Tries a pod that reaches for its node in every namespace: it passes exactly where there is a step.
fn try_pods(cluster: &Cluster, graph: &Graph) -> (usize, usize) {
    let pod = json!({
        "metadata": {"name": "tried"},
        "spec": {
            "nodeName": "m1",
            "hostPID": true,
            "volumes": [{"name": "root", "hostPath": {"path": "/"}}],
            "containers": [{"name": "a", "image": "a", "volumeMounts": [{"name": "root", "mountPath": "/root"}]}],
        },
    });
    let status = |node: &Node| {
        let Node::Area {
            area: Area::NewPods,
            namespace,
        } = node
        else {
            return None;
        };
        let path = format!("/api/v1/namespaces/{namespace}/pods?dryRun=All");
        Some(cluster.admin().post(&path, &pod).unwrap().status)
    };
    let (mut tried, mut held_back) = (0, 0);
    for step in graph.edges().filter(|step| step.kind.id == "new-pod-node") {
        assert_eq!(status(step.from), Some(201), "{}", step.from);
        tried += 1;
    }
    for held in graph
        .held_back()
        .filter(|held| held.kind.id == "new-pod-node")
    {
        assert_eq!(status(&held.from), Some(403), "{}", held.from);
        held_back += 1;
    }
    (tried, held_back)
}

/// Tries a pod of each service account that a new pod is said to be.
fn try_accounts(cluster: &Cluster, graph: &Graph, snapshot: &Snapshot) -> usize {
    let mut tried = 0;
    for step in graph.edges().filter(|step| step.kind.id == "contains") {
        let (
            Node::Area {
                area: Area::ServiceAccounts,
                ..
            },
            Node::ServiceAccount { namespace, name },
        ) = (step.from, step.to)
        else {
            continue;
        };
        // Of a namespace that there is not yet only bindings speak.
        if snapshot.namespaces.get("", namespace).is_none() {
            continue;
        }
        let pod = json!({
            "metadata": {"name": "tried"},
            "spec": {
                "serviceAccountName": name,
                "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{"name": "a", "image": "a", "securityContext": {
                    "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
                }}],
            },
        });
        let path = format!("/api/v1/namespaces/{namespace}/pods?dryRun=All");
        let reply = cluster.admin().post(&path, &pod).unwrap();
        assert_eq!(reply.status, 201, "{}: {}", step.to, reply.body);
        tried += 1;
    }
    tried
}

/// Tries, as whoever is said to be able to, to take a namespace out of Pod Security.
fn try_labels(cluster: &Cluster, graph: &Graph) -> usize {
    let label =
        json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}});
    let mut tried = 0;
    for step in graph
        .edges()
        .filter(|step| step.kind.id == "namespace-label")
    {
        let bindings = step.evidence.iter().flatten().flatten();
        let namespace = bindings
            .filter(|atom| matches!(atom, Atom::Subject { .. }))
            .map(|atom| atom.object().namespace.to_string())
            .find(|namespace| !namespace.is_empty());
        let namespace = namespace.unwrap_or_else(|| "shop".to_owned());
        let (user, group) = match step.from {
            Node::User { name } => (name.to_string(), String::new()),
            Node::Group { name } => ("somebody".to_owned(), name.to_string()),
            Node::ServiceAccount { namespace, name } => (
                format!("system:serviceaccount:{namespace}:{name}"),
                String::new(),
            ),
            _ => continue,
        };
        let mut headers = vec![
            ("impersonate-user", &*user),
            ("content-type", "application/merge-patch+json"),
        ];
        if !group.is_empty() {
            headers.push(("impersonate-group", &*group));
        }
        let path = format!("/api/v1/namespaces/{namespace}?dryRun=All");
        let admin = cluster.admin();
        let reply = admin
            .request("PATCH", &path, &headers, Some(&label.to_string()))
            .unwrap();
        assert_eq!(reply.status, 200, "{}: {}", step.from, reply.body);
        tried += 1;
    }
    tried
}
