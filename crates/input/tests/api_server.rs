//! Odd scalars through kubectl to a running API server, against what we make of the same text.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use bailiwick_input::{Defaults, LoadOptions, Source, documents, load};
use bailiwick_testkit::servers::Cluster;
use serde_json::Value;

const ODD: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: odd
  namespace: default
  annotations: {on: a, 010: b, 1e3: c, 1.0: d, plain: 'no', date: 2001-01-01, minutes: 1:30, huge: 1e400}
spec:
  replicas: 010
  revisionHistoryLimit: 0x1F
  minReadySeconds: 1e1
  progressDeadlineSeconds: 1_000
  paused: on
  selector: {matchLabels: &labels {app: odd}}
  template:
    metadata: {labels: *labels}
    spec:
      hostIPC: off
      hostPID: n
      enableServiceLinks: yes
      terminationGracePeriodSeconds: 9223372036854775807
      containers:
      - {name: c, image: i, ports: [{containerPort: 0o10}, {containerPort: 0b11}, {containerPort: 08}]}
";

#[test]
fn scalars_mean_what_they_mean_to_kubectl() {
    let cluster = Cluster::shared().unwrap();
    let created = cluster
        .admin()
        .kubectl_with_input(&["create", "-f", "-", "-o", "json"], ODD)
        .unwrap()
        .success()
        .unwrap();
    let theirs: Value = serde_json::from_str(&created).unwrap();
    let (ours, findings) = documents("odd", ODD.as_bytes().to_vec());
    assert!(findings.is_empty(), "{findings:?}");
    let ours = serde_json::to_value(&ours.first().unwrap().value).unwrap();
    let mut fields = Vec::new();
    leaves(&ours, "", &mut fields);
    assert!(fields.len() > 25);
    for (pointer, value) in fields {
        // What is false is left out of the answer.
        let theirs = theirs
            .pointer(&pointer)
            .cloned()
            .unwrap_or(Value::Bool(false));
        assert_eq!(theirs, value, "{pointer}");
    }
}

fn leaves(value: &Value, pointer: &str, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                leaves(
                    value,
                    &format!("{pointer}/{}", key.replace('/', "~1")),
                    found,
                );
            }
        }
        Value::Array(items) => {
            for (position, value) in items.iter().enumerate() {
                leaves(value, &format!("{pointer}/{position}"), found);
            }
        }
        leaf => found.push((pointer.to_owned(), leaf.clone())),
    }
}

#[test]
fn what_the_server_refuses_is_lost_and_the_rest_is_kept() {
    let cluster = Cluster::shared().unwrap();
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: x\nrules:\n- apiGroups: ['']\n  resources: [pods]\n  verbs: [get]\n";
    for (part, odd) in [
        ("name: x", "name: x"),
        ("name: x", "name: 010"),
        ("name: x", "name: !!str 010"),
        ("name: x", "name: no"),
        ("name: x", "name: 1e3"),
        ("name: x", "name: 1.2.3"),
        ("name: x", "name: 2001-01-01"),
        ("name: x", "name: 18446744073709551615"),
        ("name: x", "name: x\n  labels: {a: 1e3}"),
        ("name: x", "name: x\n  labels: {1e3: a}"),
        ("[get]", "[no]"),
        ("[get]", "['no']"),
        ("[get]", "[~]"),
        ("[get]", "[get, 1]"),
        ("[get]", "get"),
        ("[get]", "[]"),
        ("['']", "[on]"),
        ("verbs: [get]", "verbs: [get]\n  verbs: [list]"),
        ("kind: Role", "kind: [Role]"),
        ("kind: Role", "%YAML 1.1\nkind: Role"),
        ("  verbs", "\tverbs"),
        ("rules:", "rules: &r [*r]\nx:"),
    ] {
        let text = role.replace(part, odd);
        let answer = cluster
            .admin()
            .kubectl_with_input(&["create", "--dry-run=server", "-f", "-"], &text)
            .unwrap()
            .success();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.yaml");
        std::fs::write(&path, &text).unwrap();
        let options = LoadOptions {
            defaults: Defaults::None,
            ..LoadOptions::default()
        };
        let loaded = load(&[Source::Path(path)], &options);
        let lost = loaded.findings.iter().any(|finding| finding.input_lost);
        assert_eq!(
            answer.is_err(),
            lost,
            "{text}\n{answer:?}\n{:?}",
            loaded.findings
        );
        assert_eq!(loaded.snapshot.roles.is_empty(), lost, "{text}");
    }
}
