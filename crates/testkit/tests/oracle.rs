//! The oracle says what upstream says, and what the live API server says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a helper of a test fails the test"
)]

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use bailiwick_testkit::judge::JudgeError;
use bailiwick_testkit::oracle::{Impersonation, Objects, Oracle, Person, ReviewSpec, Target};
use bailiwick_testkit::servers::Cluster;
use serde_json::{Value, json};

fn rule(groups: &[&str], resources: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": groups, "resources": resources, "verbs": verbs})
}

fn cluster_role(name: &str, rules: &[Value]) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": name}, "rules": rules,
    })
}

fn binding(namespace: Option<&str>, name: &str, role: (&str, &str), subject: Value) -> Value {
    let kind = if namespace.is_some() {
        "RoleBinding"
    } else {
        "ClusterRoleBinding"
    };
    let mut subject = subject;
    if subject["kind"] != "ServiceAccount" {
        subject["apiGroup"] = json!("rbac.authorization.k8s.io");
    }
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role.0, "name": role.1},
        "subjects": [subject],
    })
}

/// A small cluster: readers of pods, a service account by default namespace, a dangling role.
fn objects() -> Vec<Value> {
    vec![
        cluster_role(
            "oracle-reader",
            &[
                rule(&[""], &["pods"], &["get"]),
                rule(&[""], &["*"], &["get", "list"]),
            ],
        ),
        cluster_role("oracle-scaler", &[rule(&["*"], &["*/scale"], &["update"])]),
        cluster_role(
            "oracle-impersonator",
            &[rule(&[""], &["users"], &["impersonate"])],
        ),
        cluster_role(
            "oracle-paths",
            &[json!({"nonResourceURLs": ["/logs/*"], "verbs": ["get"]})],
        ),
        binding(
            Some("default"),
            "oracle-a",
            ("ClusterRole", "oracle-reader"),
            json!({"kind": "ServiceAccount", "name": "robot", "namespace": "default"}),
        ),
        binding(
            Some("default"),
            "oracle-b",
            ("ClusterRole", "oracle-reader"),
            json!({"kind": "Group", "name": "dev \"quoted\""}),
        ),
        binding(
            Some("default"),
            "oracle-c",
            ("Role", "missing"),
            json!({"kind": "User", "name": "anna"}),
        ),
        binding(
            None,
            "oracle-d",
            ("ClusterRole", "oracle-scaler"),
            json!({"kind": "User", "name": "anna"}),
        ),
        binding(
            None,
            "oracle-e",
            ("ClusterRole", "oracle-impersonator"),
            json!({"kind": "User", "name": "anna"}),
        ),
        binding(
            None,
            "oracle-f",
            ("ClusterRole", "oracle-paths"),
            json!({"kind": "User", "name": "anna"}),
        ),
    ]
}

fn loaded() -> Oracle {
    let mut oracle = Oracle::start().unwrap();
    oracle.load(&Objects::by_kind(objects())).unwrap();
    oracle
}

/// Requests on [`objects`] with the answer that the rules above give.
fn requests() -> Vec<(ReviewSpec, bool)> {
    let on = |verb: &str, resource: &str, namespace: &str| json!({"verb": verb, "resource": resource, "namespace": namespace});
    let scale = json!({"verb": "update", "group": "apps", "resource": "deployments", "subresource": "scale", "namespace": "default"});
    let robot = "system:serviceaccount:default:robot";
    let quoted = ["dev \"quoted\""];
    vec![
        (
            ReviewSpec::resource(robot, &[], on("get", "pods", "default")),
            true,
        ),
        (
            ReviewSpec::resource(robot, &[], on("delete", "pods", "default")),
            false,
        ),
        (
            ReviewSpec::resource(robot, &[], on("get", "pods", "kube-system")),
            false,
        ),
        (
            ReviewSpec::resource(robot, &[], on("get", "pods", "")),
            false,
        ),
        (
            ReviewSpec::resource("bert", &quoted, on("list", "secrets", "default")),
            true,
        ),
        (
            ReviewSpec::resource("bert", &["dev"], on("list", "secrets", "default")),
            false,
        ),
        (
            ReviewSpec::resource("anna", &[], on("get", "pods", "default")),
            false,
        ),
        (ReviewSpec::resource("anna", &[], scale), true),
        (
            ReviewSpec::resource("anna", &[], on("update", "deployments", "default")),
            false,
        ),
        (ReviewSpec::path("anna", &[], "get", "/logs/x/y"), true),
        (ReviewSpec::path("anna", &[], "get", "/logs"), false),
    ]
}

#[test]
fn decisions_name_every_grant() {
    let mut oracle = loaded();
    let (specs, wanted): (Vec<_>, Vec<_>) = requests().into_iter().unzip();
    for (decision, (spec, allowed)) in oracle
        .authorize_batch(&specs, true)
        .unwrap()
        .iter()
        .zip(specs.iter().zip(&wanted))
    {
        assert_eq!(decision.allowed, *allowed, "{spec:?}");
        assert_eq!(decision.grants.is_empty(), !allowed, "{spec:?}");
        assert_eq!(*decision, oracle.authorize(spec).unwrap(), "{spec:?}");
    }
    let robot = oracle.authorize(&specs[0]).unwrap();
    let rules: Vec<usize> = robot.grants.iter().map(|grant| grant.rule).collect();
    let grant = &robot.grants[0];
    assert_eq!(rules, [0, 1], "both rules of the role grant");
    assert_eq!(
        (grant.binding.kind.as_str(), grant.binding.name.as_str()),
        ("RoleBinding", "oracle-a")
    );
    assert_eq!(
        (
            grant.subject.namespace.as_str(),
            grant.subject.name.as_str()
        ),
        ("default", "robot")
    );
    let quoted = oracle.authorize(&specs[4]).unwrap();
    assert_eq!(quoted.grants[0].subject.name, "dev \"quoted\"");
    let dangling = oracle.authorize(&specs[6]).unwrap();
    assert!(
        dangling.reason.contains("\"missing\" not found"),
        "{}",
        dangling.reason
    );
}

#[test]
fn the_live_server_agrees() {
    let cluster = Cluster::shared().unwrap();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects()});
    cluster.admin().apply(&list.to_string()).unwrap();
    let mut oracle = loaded();
    for (spec, allowed) in requests() {
        assert_eq!(
            oracle.authorize(&spec).unwrap().allowed,
            allowed,
            "oracle: {spec:?}"
        );
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec});
        let ask = || {
            let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
            cluster.admin().post(path, &review).unwrap().json().unwrap()["status"].clone()
        };
        // The authorizer sees a new binding through its watch, a moment later.
        let start = Instant::now();
        while ask()["allowed"] != allowed && start.elapsed() < Duration::from_secs(5) {
            thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(ask()["allowed"], allowed, "server: {spec:?}");
    }
}

#[test]
fn rules_cover_and_escalation() {
    let mut oracle = loaded();
    let anna = Person {
        name: "anna".to_owned(),
        ..Person::default()
    };
    let rules = oracle.rules(&anna, "default").unwrap();
    assert_eq!(rules.rules.len(), 3);
    assert!(
        rules.error.contains("\"missing\" not found"),
        "{}",
        rules.error
    );
    for (granted, allowed) in [
        (rule(&["apps"], &["deployments/scale"], &["update"]), true),
        (rule(&["apps"], &["deployments"], &["update"]), false),
    ] {
        let granted = json!([granted]);
        let escalation = oracle.escalation(&anna, "default", &granted).unwrap();
        assert_eq!(
            escalation.allowed, allowed,
            "{granted} {}",
            escalation.message
        );
        let owner = json!([rule(&["*"], &["*/scale"], &["update"])]);
        let coverage = oracle.covers(&owner, &granted).unwrap();
        assert_eq!(
            (coverage.covered, coverage.uncovered.is_empty()),
            (allowed, allowed)
        );
    }
}

#[test]
fn who_can_is_upstreams() {
    let (spec, _) = requests().swap_remove(7);
    let subjects = loaded().subjects(&spec).unwrap();
    let names: Vec<&str> = subjects
        .subjects
        .iter()
        .filter_map(|subject| subject["name"].as_str())
        .collect();
    assert_eq!(names, ["system:masters", "anna"]);
}

#[test]
fn requests_are_read_as_the_server_reads_them() {
    let mut oracle = Oracle::start().unwrap();
    for (method, url, verb, namespace, resource, subresource, name) in [
        (
            "GET",
            "/api/v1/namespaces/n/pods/p/log",
            "get",
            "n",
            "pods",
            "log",
            "p",
        ),
        (
            "GET",
            "/api/v1/namespaces/n",
            "get",
            "n",
            "namespaces",
            "",
            "n",
        ),
        (
            "GET",
            "/apis/apps/v1/deployments?watch=1",
            "watch",
            "",
            "deployments",
            "",
            "",
        ),
        (
            "GET",
            "/api/v1/pods?fieldSelector=metadata.name%3Dp",
            "list",
            "",
            "pods",
            "",
            "p",
        ),
        ("HEAD", "/version", "head", "", "", "", ""),
    ] {
        let info = oracle.request_info(method, url).unwrap();
        let read = [
            &info.verb,
            &info.namespace,
            &info.resource,
            &info.subresource,
            &info.name,
        ];
        assert_eq!(
            read,
            [verb, namespace, resource, subresource, name],
            "{method} {url}"
        );
    }
}

#[test]
fn impersonation_passes_both_filters() {
    let mut oracle = loaded();
    let mut request = Impersonation {
        user: Person {
            name: "anna".to_owned(),
            ..Person::default()
        },
        headers: BTreeMap::from([("Impersonate-User".to_owned(), vec!["bert".to_owned()])]),
        request: Target {
            method: "GET".to_owned(),
            url: "/api/v1/pods".to_owned(),
        },
        legacy: false,
    };
    for (legacy, first_verb) in [
        (false, "impersonate-on:user-info:list"),
        (true, "impersonate"),
    ] {
        request.legacy = legacy;
        let answer = oracle.impersonate(&request).unwrap();
        assert!(answer.allowed, "{answer:?}");
        assert_eq!(answer.user.unwrap().name, "bert");
        let check = answer.checks[0].resource_attributes.as_ref().unwrap();
        assert_eq!(check["verb"], first_verb);
    }
    request.headers.insert(
        "Impersonate-Group".to_owned(),
        vec!["system:masters".to_owned()],
    );
    for legacy in [false, true] {
        request.legacy = legacy;
        let answer = oracle.impersonate(&request).unwrap();
        assert_eq!((answer.allowed, answer.code), (false, 403), "{answer:?}");
    }
}

#[test]
fn aggregation_settles() {
    let selecting = |name: &str, label: &str, labels: Value| {
        let selectors = json!([{"matchLabels": {"to": label}}]);
        json!({"metadata": {"name": name, "labels": labels}, "aggregationRule": {"clusterRoleSelectors": selectors}, "rules": [rule(&["lost"], &["lost"], &["get"])]})
    };
    let mut leaf = cluster_role("leaf", &[rule(&[""], &["pods"], &["get"])]);
    leaf["metadata"]["labels"] = json!({"to": "edit"});
    let roles = [
        selecting("admin", "admin", json!({})),
        selecting("edit", "edit", json!({"to": "admin"})),
        leaf.clone(),
    ];
    let settled = Oracle::start().unwrap().aggregate(&roles).unwrap();
    for role in &settled {
        assert_eq!(role["rules"], leaf["rules"], "{role}");
    }
    assert_eq!(settled.len(), 3);
    let misnamed = selecting("a/b/c", "edit", json!({}));
    let refused = Oracle::start().unwrap().aggregate(&[misnamed]);
    assert!(
        matches!(refused, Err(JudgeError::Refused { .. })),
        "{refused:?}"
    );
}

#[test]
fn documents_are_read_as_kubectl_reads_them() {
    let mut oracle = Oracle::start().unwrap();
    for (text, json) in [
        ("a: 010", r#"{"a":8}"#),
        ("a: no", r#"{"a":false}"#),
        ("a: 18446744073709551615", r#"{"a":18446744073709551615}"#),
        ("on: 1", r#"{"true":1}"#),
        ("a: 1\na: 2", r#"{"a":2}"#),
    ] {
        assert_eq!(oracle.yaml(text).unwrap(), json, "{text}");
    }
    let Err(JudgeError::Refused { message, .. }) = oracle.yaml("a: [") else {
        panic!("broken YAML is refused")
    };
    assert!(message.contains("yaml"), "{message}");
    let stream = oracle
        .documents("a: 1\n---\nb: 2\n---\nb: [\n---\nc: 3\n")
        .unwrap();
    assert_eq!(stream.documents, [r#"{"a":1}"#, r#"{"b":2}"#]);
    assert!(!stream.error.is_empty());
}

#[test]
fn unknown_fields_are_named() {
    let text = "apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: x}
rules: [{resourcenames: [a], verbs: [get]}]";
    let decoded = Oracle::start().unwrap().decode(text).unwrap();
    assert_eq!(decoded.strict, ["unknown field \"rules[0].resourcenames\""]);
    assert_eq!(
        decoded.object.unwrap()["rules"],
        json!([{"verbs": ["get"]}])
    );
}

#[test]
fn decisions_are_timed() {
    let (specs, wanted): (Vec<_>, Vec<_>) = requests().into_iter().unzip();
    let benchmark = loaded().bench(&specs, 50).unwrap();
    assert_eq!(benchmark.per_request.len(), specs.len());
    assert_eq!(
        benchmark.allowed,
        wanted.iter().filter(|&&allowed| allowed).count()
    );
    assert!(benchmark.overall.p50 > 0 && benchmark.overall.p50 <= benchmark.overall.p99);
}
