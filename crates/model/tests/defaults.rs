//! The service accounts that are added to manifests are those that a fresh cluster has.

#![allow(
    clippy::unwrap_used,
    reason = "a test, also where it is no test function"
)]

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use bailiwick_model::{Object, defaults};
use bailiwick_testkit::servers::Cluster;

/// How long the controllers may take for their first round on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn a_controller_manager_makes_these_service_accounts() {
    let objects = defaults(37).unwrap().into_iter();
    let accounts = objects.filter_map(|object| match object {
        Object::ServiceAccount(account) => Some(account.metadata),
        _ => None,
    });
    let mut expected: BTreeSet<String> = accounts
        .map(|metadata| format!("{}/{}", metadata.namespace, metadata.name))
        .collect();
    expected.extend(NAMESPACES.map(|namespace| format!("{namespace}/default")));
    assert!(expected.len() > 35, "{expected:?}");

    let cluster = Cluster::builder().start().unwrap();
    let there = || -> BTreeSet<String> {
        let list = cluster.admin().get("/api/v1/serviceaccounts").unwrap();
        let list = list.json().unwrap();
        let items = list.pointer("/items").unwrap().as_array().unwrap().iter();
        let text =
            |item: &serde_json::Value, at| item.pointer(at).unwrap().as_str().unwrap().to_owned();
        items
            .map(|item| {
                format!(
                    "{}/{}",
                    text(item, "/metadata/namespace"),
                    text(item, "/metadata/name")
                )
            })
            .collect()
    };
    let start = Instant::now();
    while start.elapsed() < LIMIT && !there().is_superset(&expected) {
        thread::sleep(Duration::from_millis(200));
    }
    // Those of controllers that nobody expects come in the same seconds.
    thread::sleep(Duration::from_secs(3));
    assert_eq!(there(), expected);
}

/// Each has the service account `default`, which no manifest has to name.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];
