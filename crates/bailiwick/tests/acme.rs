//! The example company on a real API server: what `can` says about the manifests, and about the cluster that they were
//! put into, is what the API server says, and `fix` says the same of both.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test, also where it is no test function"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
use std::{fs, thread};

use bailiwick_testkit::directory::{Fields, acme, apply};
use bailiwick_testkit::servers::{Cluster, Identity};
use serde_json::{Value, json};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

/// Where the questions are asked; the empty one is the whole cluster.
const NAMESPACES: &[&str] = &["", "ingress", "kube-system", "ml", "payments", "shop"];

/// Verb, API group, resource with subresource, name: what the example gives, and what only looks like it.
const QUESTIONS: &[[&str; 4]] = &[
    ["get", "", "secrets", ""],
    ["list", "", "secrets", ""],
    ["get", "", "secrets", "default-certificate"],
    ["get", "", "secrets", "ledger-database"],
    ["patch", "", "secrets", "any"],
    ["get", "", "configmaps", "feature-flags"],
    ["update", "", "configmaps", "feature-flags"],
    ["create", "", "pods", ""],
    ["delete", "", "pods", "any"],
    ["create", "", "pods/exec", "any"],
    ["get", "", "pods/log", "any"],
    ["get", "", "pods/*", "any"],
    ["create", "", "pods/eviction", "any"],
    ["get", "", "nodes/proxy", "any"],
    ["get", "", "nodes/metrics", "any"],
    ["list", "", "nodes", ""],
    ["get", "", "namespaces", "shop"],
    ["patch", "", "namespaces", "shop"],
    ["patch", "", "namespaces", "payments"],
    ["get", "core", "pods", "any"],
    ["create", "", "serviceaccounts/token", "vault-login"],
    ["create", "", "serviceaccounts/token", "any"],
    ["impersonate", "", "users", "oidc:petra@acme.example"],
    ["impersonate", "", "groups", "oidc:employees"],
    [
        "impersonate",
        "authentication.k8s.io",
        "userextras/scopes",
        "any",
    ],
    ["update", "apps", "deployments/scale", "web"],
    ["update", "apps", "statefulsets/scale", "web"],
    ["create", "apps", "deployments", ""],
    ["create", "extensions", "deployments", ""],
    ["patch", "apps", "statefulsets", "runner"],
    ["create", "batch", "jobs", ""],
    [
        "escalate",
        "rbac.authorization.k8s.io",
        "clusterroles",
        "any",
    ],
    ["bind", "rbac.authorization.k8s.io", "clusterroles", "view"],
    ["bind", "rbac.authorization.k8s.io", "clusterroles", "admin"],
    ["create", "rbac.authorization.k8s.io", "rolebindings", ""],
    [
        "approve",
        "certificates.k8s.io",
        "signers",
        "kubernetes.io/kube-apiserver-client",
    ],
    [
        "approve",
        "certificates.k8s.io",
        "signers",
        "kubernetes.io/kubelet-serving",
    ],
    [
        "patch",
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        "any",
    ],
    ["list", "monitoring.coreos.com", "servicemonitors", ""],
    ["create", "monitoring.coreos.com", "servicemonitors", ""],
    ["create", "gitops.acme.example", "applications", ""],
    ["*", "*", "*", ""],
];

/// URLs that are no resources.
const PATHS: &[&str] = &[
    "/metrics",
    "/healthz",
    "/readyz/etcd",
    "/version",
    "/apis/apps/v1",
];

#[test]
fn the_api_server_agrees_about_the_example() {
    let cluster = Cluster::builder().start().unwrap();
    apply(&cluster, &acme(), Fields::Warn).unwrap();
    wait_for_rules(&cluster, "view", "secrets");
    wait_for_rules(&cluster, "admin", "servicemonitors");
    wait_for_rules(&cluster, "monitoring:reader", "prometheuses");

    let answered = ask(cluster.admin(), &reviews(&subjects(cluster.admin())));
    let allowed = answered
        .iter()
        .filter(|review| review["status"]["allowed"] == json!(true))
        .count();
    assert!(
        allowed > 500 && answered.len() - allowed > 500,
        "{allowed} of {}",
        answered.len()
    );
    println!("{} reviews, {allowed} of them allowed", answered.len());
    let file = cluster.dir().join("answered.jsonl");
    let lines: Vec<String> = answered.iter().map(Value::to_string).collect();
    fs::write(&file, lines.join("\n")).unwrap();

    let example = acme();
    compare(&file, &["-f", example.to_str().unwrap()], &cluster);
    compare(&file, &[], &cluster);

    wait_for_controllers(&cluster);
    let live = changes(&[], &cluster);
    println!("{} changes close every path", live.len());
    assert_eq!(changes(&["-f", example.to_str().unwrap()], &cluster), live);
}

/// What `fix` would take away: kind, namespace and name of the object, and where in it.
fn changes(input: &[&str], cluster: &Cluster) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_bailiwick"))
        .args(["fix", "-o", "json"])
        .args(input)
        .env("KUBECONFIG", cluster.admin().kubeconfig())
        .env("HOME", cluster.dir())
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let changes = answer["changes"].as_array().unwrap().iter();
    let named: BTreeSet<String> = changes
        .map(|change| format!("{} {}", change["object"], change["pointer"]))
        .collect();
    assert!(!named.is_empty(), "{input:?}");
    named
}

/// Waits until the controllers have made their service accounts, and the pods of the example.
fn wait_for_controllers(cluster: &Cluster) {
    let count = |path: &str| {
        let list = cluster.admin().get(path).unwrap().json().unwrap();
        list["items"].as_array().unwrap().len()
    };
    let counts = || {
        [
            count("/api/v1/namespaces/kube-system/serviceaccounts"),
            count("/api/v1/pods"),
        ]
    };
    let mut last = counts();
    for _ in 0..60 {
        thread::sleep(std::time::Duration::from_secs(3));
        let now = counts();
        if now == last && now[0] > 30 {
            return;
        }
        last = now;
    }
    panic!("the controllers do not come to rest: {last:?}");
}

/// Lets the program answer the reviews that the API server has answered, which then are what it expects.
fn compare(file: &Path, input: &[&str], cluster: &Cluster) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_bailiwick"))
        .args(["can", "--reviews", file.to_str().unwrap()])
        .args(input)
        .env("KUBECONFIG", cluster.admin().kubeconfig())
        .env("HOME", cluster.dir())
        .output()
        .unwrap();
    let expected = fs::read_to_string(file).unwrap().lines().count();
    assert_eq!(
        String::from_utf8(stdout).unwrap().lines().count(),
        expected,
        "{input:?}"
    );
    assert!(
        status.success(),
        "{input:?} {status}: {}",
        String::from_utf8_lossy(&stderr)
    );
}

/// Users and their groups: everybody whom a binding of the example names, and some whom none does.
fn subjects(admin: &Identity) -> BTreeSet<(String, Vec<String>)> {
    let everybody = "system:authenticated".to_owned();
    let mut subjects = BTreeSet::from([
        ("nobody".to_owned(), vec![everybody.clone()]),
        (
            "system:anonymous".to_owned(),
            vec!["system:unauthenticated".to_owned()],
        ),
        account("ml", "default"),
        account("shop", "checkout-v1"),
    ]);
    for kind in ["rolebindings", "clusterrolebindings"] {
        let list = admin
            .get(&format!("{RBAC}/{kind}"))
            .unwrap()
            .json()
            .unwrap();
        for binding in list["items"].as_array().unwrap() {
            let own = binding["metadata"]["namespace"]
                .as_str()
                .unwrap_or_default();
            for subject in binding["subjects"].as_array().into_iter().flatten() {
                let name = subject["name"].as_str().unwrap();
                match subject["kind"].as_str().unwrap() {
                    _ if name.starts_with("system:") => {}
                    "User" => drop(subjects.insert((name.to_owned(), vec![everybody.clone()]))),
                    "Group" => {
                        let groups = vec![name.to_owned(), everybody.clone()];
                        subjects.insert((format!("somebody of {name}"), groups));
                    }
                    _ => {
                        let namespace = subject["namespace"].as_str().unwrap_or(own);
                        subjects.insert(account(namespace, name));
                    }
                }
            }
        }
    }
    subjects
}

fn account(namespace: &str, name: &str) -> (String, Vec<String>) {
    let groups = [
        "system:serviceaccounts",
        &format!("system:serviceaccounts:{namespace}"),
        "system:authenticated",
    ];
    (
        format!("system:serviceaccount:{namespace}:{name}"),
        groups.map(str::to_owned).to_vec(),
    )
}

fn reviews(subjects: &BTreeSet<(String, Vec<String>)>) -> Vec<Value> {
    let mut reviews = Vec::new();
    for (user, groups) in subjects {
        let mut ask = |key: &str, attributes: Value| {
            reviews.push(json!({
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SubjectAccessReview",
                "spec": {"user": user, "groups": groups, key: attributes},
            }));
        };
        for namespace in NAMESPACES {
            for [verb, group, resource, name] in QUESTIONS {
                let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
                ask(
                    "resourceAttributes",
                    json!({
                        "verb": verb, "group": group, "resource": resource, "subresource": subresource,
                        "name": name, "namespace": namespace,
                    }),
                );
            }
        }
        for path in PATHS {
            ask(
                "nonResourceAttributes",
                json!({"verb": "get", "path": path}),
            );
        }
    }
    reviews
}

/// The reviews with the API server's answers.
fn ask(admin: &Identity, reviews: &[Value]) -> Vec<Value> {
    let threads = 4;
    let part = reviews.len().div_ceil(threads);
    let answer = |review: &Value| {
        let reply = admin.post(REVIEWS, review).unwrap();
        assert_eq!(reply.status, 201, "{}", reply.body);
        reply.json().unwrap()
    };
    thread::scope(|scope| {
        let parts: Vec<_> = reviews
            .chunks(part)
            .map(|part| scope.spawn(|| part.iter().map(answer).collect::<Vec<_>>()))
            .collect();
        parts
            .into_iter()
            .flat_map(|part| part.join().unwrap())
            .collect()
    })
}

/// Waits until the controller has copied a rule about this resource into an aggregated ClusterRole.
fn wait_for_rules(cluster: &Cluster, role: &str, resource: &str) {
    for _ in 0..600 {
        let reply = cluster
            .admin()
            .get(&format!("{RBAC}/clusterroles/{role}"))
            .unwrap();
        let rules = reply.json().unwrap()["rules"].take();
        let has = |rule: &Value| {
            rule["resources"]
                .as_array()
                .is_some_and(|all| all.contains(&json!(resource)))
        };
        if rules.as_array().is_some_and(|rules| rules.iter().any(has)) {
            return;
        }
        thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("ClusterRole {role} never got its rules about {resource}");
}
