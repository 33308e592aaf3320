//! Aggregated ClusterRoles against upstream's controller: its code (the oracle) and a running controller-manager.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::time::{Duration, Instant};

use bailiwick_model::{Delta, Interner, Object, Origin, Snapshot, decode, defaults};
use bailiwick_rbac::aggregation::aggregate;
use bailiwick_testkit::oracle::Oracle;
use bailiwick_testkit::servers::Cluster;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

/// A ClusterRole with `labels` that gathers by `selectors` and holds a rule for each of `verbs`.
fn role(name: &str, labels: &[&str], selectors: &[Value], verbs: &[&str]) -> Value {
    let labels: serde_json::Map<_, _> = labels
        .iter()
        .map(|label| label.split_once('=').unwrap_or((label, "")))
        .map(|(key, value)| (key.to_owned(), json!(value)))
        .collect();
    let rules: Vec<Value> = verbs
        .iter()
        .map(|verb| json!({"apiGroups": [""], "resources": ["pods"], "verbs": [verb]}))
        .collect();
    let mut role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": name, "labels": labels}, "rules": rules,
    });
    if !selectors.is_empty() {
        role["aggregationRule"] = json!({"clusterRoleSelectors": selectors});
    }
    role
}

fn with(label: &str) -> Value {
    let (key, value) = label.split_once('=').unwrap_or((label, ""));
    json!({"matchLabels": {key: value}})
}

fn snapshot(roles: &[Value]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let mut names = Interner::default();
    for role in roles {
        let value = serde_json::from_value(role.clone()).unwrap();
        let decoded = decode(value, &mut names);
        assert_eq!(decoded.issues, [], "{role}");
        snapshot.apply(Delta::Upsert(
            Box::new(decoded.object.unwrap()),
            Origin::Live,
        ));
    }
    snapshot
}

/// `name: verb verb` of every role after aggregation, and the circular ones.
fn aggregated(roles: &[Value]) -> (Vec<String>, Vec<String>) {
    let mut snapshot = snapshot(roles);
    let aggregation = aggregate(&snapshot);
    for delta in aggregation.deltas(&snapshot) {
        snapshot.apply(delta);
    }
    if aggregation.circular.is_empty() {
        assert_eq!(
            aggregate(&snapshot).roles,
            [],
            "a second pass changes nothing"
        );
    }
    let lines = snapshot.roles.iter().map(|role| {
        let verbs = role
            .rules
            .iter()
            .map(|rule| format!(" {}", rule.verbs.join(",")));
        format!("{}:{}", role.metadata.name, verbs.collect::<String>())
    });
    let circular = aggregation.circular.iter().map(ToString::to_string);
    (lines.collect(), circular.collect())
}

/// The same lines from roles as JSON.
fn lines(roles: &[Value]) -> Vec<String> {
    let mut lines: Vec<String> = roles
        .iter()
        .map(|role| {
            let rules = role["rules"].as_array().cloned().unwrap_or_default();
            let verbs = rules.iter().map(|rule| {
                let verbs = rule["verbs"].as_array().unwrap();
                let verbs: Vec<&str> = verbs.iter().map(|verb| verb.as_str().unwrap()).collect();
                format!(" {}", verbs.join(","))
            });
            let name = role["metadata"]["name"].as_str().unwrap();
            format!("{name}:{}", verbs.collect::<String>())
        })
        .collect();
    lines.sort();
    lines
}

/// Manifests and what the controller leaves.
fn cases() -> Vec<(Vec<Value>, Vec<&'static str>)> {
    vec![
        // Sources by name, not by the order of the manifests; a rule that is there already is left out.
        (
            vec![
                role("z", &["to"], &[], &["list", "get"]),
                role("a", &["to"], &[], &["get"]),
                role("all", &[], &[with("to")], &["hand-written"]),
            ],
            vec!["a: get", "all: get list", "z: list get"],
        ),
        // Selectors in their order.
        (
            vec![
                role("a", &["one"], &[], &["get"]),
                role("b", &["two"], &[], &["list"]),
                role("all", &[], &[with("two"), with("one"), with("two")], &[]),
            ],
            vec!["a: get", "all: list get", "b: list"],
        ),
        // Nests, and never takes from itself.
        (
            vec![
                role("admin", &["to"], &[with("to")], &["own"]),
                role("edit", &["to"], &[with("to-edit")], &[]),
                role("x", &["to-edit"], &[], &["get"]),
            ],
            vec!["admin: get", "edit: get", "x: get"],
        ),
        // Where nothing is found, what somebody wrote by hand stays.
        (
            vec![
                role("kept", &["to"], &[with("nobody")], &["hand-written"]),
                role("above", &[], &[with("to")], &["other"]),
                role("empty", &[], &[with("void")], &["stays"]),
                role("void", &["void"], &[], &[]),
            ],
            vec![
                "above: hand-written",
                "empty: stays",
                "kept: hand-written",
                "void:",
            ],
        ),
        // Every operator.
        (
            vec![
                role("a", &["k=1", "src"], &[], &["a"]),
                role("b", &["k=2", "src"], &[], &["b"]),
                role("c", &["src"], &[], &["c"]),
                role(
                    "in",
                    &["self"],
                    &[
                        json!({"matchExpressions": [{"key": "k", "operator": "In", "values": ["1", "3"]}]}),
                    ],
                    &[],
                ),
                role(
                    "notin",
                    &["self"],
                    &[json!({"matchExpressions": [
                        {"key": "k", "operator": "NotIn", "values": ["1"]},
                        {"key": "src", "operator": "Exists"},
                        {"key": "self", "operator": "DoesNotExist"},
                    ]})],
                    &[],
                ),
                role(
                    "exists",
                    &["self"],
                    &[json!({"matchExpressions": [{"key": "k", "operator": "Exists"}]})],
                    &[],
                ),
                role(
                    "both",
                    &["self"],
                    &[
                        json!({"matchLabels": {"k": "2"}, "matchExpressions": [{"key": "k", "operator": "Exists"}]}),
                    ],
                    &[],
                ),
            ],
            vec![
                "a: a",
                "b: b",
                "both: b",
                "c: c",
                "exists: a b",
                "in: a",
                "notin: b c",
            ],
        ),
    ]
}

#[test]
fn what_the_controller_leaves() {
    for (roles, expected) in cases() {
        let (lines, circular) = aggregated(&roles);
        assert_eq!(lines, expected);
        assert!(circular.is_empty());
    }
    assert_eq!(aggregated(&[role("a", &[], &[], &["get"])]).0, ["a: get"]);
}

#[test]
fn circles_end_and_are_named() {
    let (lines, circular) = aggregated(&[
        role("a", &["a"], &[with("b"), with("x")], &["1"]),
        role("b", &["b"], &[with("a")], &["2"]),
        role("c", &[], &[with("a")], &["3"]),
        role("x", &["x"], &[], &["get"]),
    ]);
    assert_eq!(circular, ["a", "b"]);
    assert_eq!(lines, ["a: 2 get", "b: 2 get", "c: 2 get", "x: get"]);
    let everything = json!({});
    let many: Vec<Value> = (0..60)
        .map(|n| {
            role(
                &format!("r{n}"),
                &[],
                std::slice::from_ref(&everything),
                &[&format!("v{n}")],
            )
        })
        .collect();
    assert_eq!(aggregated(&many).1.len(), 60);
}

#[test]
fn a_long_chain_is_no_deep_recursion() {
    let roles: Vec<Value> = (0..3000)
        .map(|n| {
            let own = format!("l{n}");
            match n {
                0 => role("r0", &[&own], &[], &["get"]),
                _ => role(
                    &format!("r{n}"),
                    &[&own],
                    &[with(&format!("l{}", n - 1))],
                    &[],
                ),
            }
        })
        .collect();
    let (lines, circular) = aggregated(&roles);
    assert!(circular.is_empty());
    assert!(lines.iter().all(|line| line.ends_with(": get")));
}

#[test]
fn a_selector_that_makes_no_sense_changes_nothing() {
    let mut snapshot = snapshot(&[
        role("a", &["to"], &[], &["get"]),
        role("all", &[], &[with("to")], &["own"]),
    ]);
    let mut bad = snapshot.roles.get("", "all").unwrap().clone();
    let mut selectors = bad.aggregation.take().unwrap().into_vec();
    selectors[0].match_expressions = [bailiwick_model::Requirement {
        key: "to".into(),
        operator: "in".into(),
        values: ["x".into()].into(),
    }]
    .into();
    bad.aggregation = Some(selectors.into());
    snapshot.apply(Delta::Upsert(Box::new(Object::Role(bad)), Origin::Live));
    assert_eq!(aggregate(&snapshot).roles, []);
}

#[test]
fn default_roles_nest() {
    let mut snapshot = Snapshot::default();
    for object in defaults(37).unwrap() {
        snapshot.apply(Delta::Upsert(
            Box::new(object),
            Origin::Default { minor: 37 },
        ));
    }
    let aggregation = aggregate(&snapshot);
    let names: Vec<&str> = aggregation
        .roles
        .iter()
        .map(|change| &*change.role)
        .collect();
    assert_eq!(names, ["admin", "edit", "view"]);
    let rules = |name: usize| &aggregation.roles[name].rules;
    assert!(rules(2).iter().all(|rule| rules(1).contains(rule)));
    assert!(rules(1).iter().all(|rule| rules(0).contains(rule)));
}

fn made_up() -> impl Strategy<Value = Vec<Value>> {
    let keys = || prop::sample::subsequence(vec!["p", "q", "r=1", "r=2", "s"], 0..3);
    let requirement = (
        prop::sample::select(vec!["p", "q", "r", "s"]),
        prop::sample::select(vec!["In", "NotIn", "Exists", "DoesNotExist"]),
        prop::sample::subsequence(vec!["", "1", "2"], 1..3),
    )
        .prop_map(|(key, operator, values)| match operator {
            "In" | "NotIn" => json!({"key": key, "operator": operator, "values": values}),
            _ => json!({"key": key, "operator": operator}),
        });
    let selector =
        (keys(), prop::collection::vec(requirement, 0..2)).prop_map(|(labels, expressions)| {
            let labels: serde_json::Map<_, _> = labels
                .iter()
                .map(|label| label.split_once('=').unwrap_or((label, "")))
                .map(|(key, value)| (key.to_owned(), json!(value)))
                .collect();
            json!({"matchLabels": labels, "matchExpressions": expressions})
        });
    let selectors = prop_oneof![
        2 => Just(Vec::new()),
        1 => prop::collection::vec(selector, 1..3),
    ];
    let verbs = prop::sample::subsequence(vec!["get", "list", "watch", "bind"], 0..4);
    prop::collection::vec((keys(), selectors, verbs), 1..8).prop_map(|roles| {
        let roles = roles.into_iter().enumerate();
        roles
            .map(|(n, (labels, selectors, verbs))| {
                role(&format!("r{n}"), &labels, &selectors, &verbs)
            })
            .collect()
    })
}

#[test]
fn as_the_code_of_the_controller_leaves_it() {
    let mut oracle = Oracle::start().unwrap();
    for (roles, expected) in cases() {
        assert_eq!(lines(&oracle.aggregate(&roles).unwrap()), expected);
    }
    let (mut compared, mut gathered) = (0, 0);
    let oracle = std::cell::RefCell::new(oracle);
    let counts = std::cell::RefCell::new((&mut compared, &mut gathered));
    TestRunner::new(Config::with_cases(3000))
        .run(&made_up(), |roles| {
            let (own, circular) = aggregated(&roles);
            // What comes of a circle depends on the order of visits.
            if circular.is_empty() {
                let upstream = oracle.borrow_mut().aggregate(&roles).unwrap();
                prop_assert_eq!(&own, &lines(&upstream));
                let mut counts = counts.borrow_mut();
                *counts.0 += 1;
                *counts.1 += usize::from(own != lines(&roles));
            }
            Ok(())
        })
        .unwrap();
    assert!(
        compared > 1000 && gathered > 500,
        "{compared} compared, {gathered} changed"
    );
}

#[test]
fn as_a_running_controller_manager_leaves_it() {
    let cluster = Cluster::shared().unwrap();
    for (number, (roles, _)) in cases().into_iter().enumerate() {
        // Names and labels of this test alone: all tests share the cluster.
        let own = |text: &str| format!("aggregation-{number}-{text}");
        let roles: Vec<Value> = roles
            .into_iter()
            .map(|mut role| {
                role["metadata"]["name"] = json!(own(role["metadata"]["name"].as_str().unwrap()));
                let text = role.to_string();
                let mut renamed = text;
                for key in [
                    "to-edit", "to", "one", "two", "nobody", "void", "src", "self", "k",
                ] {
                    renamed =
                        renamed.replace(&format!("\"{key}\":"), &format!("\"{}\":", own(key)));
                    renamed = renamed.replace(
                        &format!("\"key\":\"{key}\""),
                        &format!("\"key\":\"{}\"", own(key)),
                    );
                }
                serde_json::from_str(&renamed).unwrap()
            })
            .collect();
        let expected = aggregated(&roles).0;
        for role in &roles {
            let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
            assert_eq!(
                cluster.admin().post(path, role).unwrap().status,
                201,
                "{role}"
            );
        }
        let stored = || -> Vec<String> {
            let found: Vec<Value> = roles
                .iter()
                .map(|role| {
                    let name = role["metadata"]["name"].as_str().unwrap();
                    let path = format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}");
                    cluster.admin().get(&path).unwrap().json().unwrap()
                })
                .collect();
            lines(&found)
        };
        let start = Instant::now();
        while stored() != expected && start.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(100));
        }
        // What is right must also stay: the controller comes by on every change.
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(stored(), expected);
    }
}
