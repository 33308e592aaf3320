//! The role that `bailiwick print-role` prints.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test fails the test"
)]

#[allow(dead_code, reason = "the other tests use the rest of it")]
mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bailiwick_kube::{LoadKinds, LoadOptions, smallest_cluster_role};
use bailiwick_testkit::servers::{self, Identity};

use support::load::{connect, load};

#[test]
fn the_printed_role_is_enough_and_no_rule_too_many() {
    let server = servers::Cluster::builder().start().unwrap();
    server.wait_for_aggregation().unwrap();
    let admin = server.admin();
    // What everybody has by default would hide that a rule is missing.
    for binding in [
        "system:basic-user",
        "system:cluster-trust-bundle-discovery",
        "system:discovery",
        "system:public-info-viewer",
    ] {
        admin
            .kubectl(&["delete", "clusterrolebinding", binding])
            .unwrap()
            .success()
            .unwrap();
    }
    admin
        .apply(
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: reader, namespace: default}\n---\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: reader}\n\
             roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: bailiwick-reader}\n\
             subjects: [{kind: ServiceAccount, name: reader, namespace: default}]\n",
        )
        .unwrap();
    let role = smallest_cluster_role(&LoadKinds::all());
    admin.apply(&role).unwrap();
    let identity = server.service_account("default", "reader").unwrap();

    settled(&identity, &BTreeSet::new());
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/bailiwick-reader";
    let stored = admin.get(path).unwrap().json().unwrap();
    let rules = stored["rules"].as_array().unwrap();
    assert!(rules.len() >= 6, "{rules:?}");
    for (index, rule) in rules.iter().enumerate() {
        // Each resource, and each path, by itself: none may be left out.
        let list = if rule["resources"].is_array() {
            "resources"
        } else {
            "nonResourceURLs"
        };
        for word in rule[list].as_array().unwrap() {
            let mut less = stored.clone();
            less["metadata"]
                .as_object_mut()
                .unwrap()
                .remove("resourceVersion");
            less["rules"][index][list]
                .as_array_mut()
                .unwrap()
                .retain(|other| other != word);
            if less["rules"][index][list].as_array().unwrap().is_empty() {
                less["rules"].as_array_mut().unwrap().remove(index);
            }
            let headers = [("content-type", "application/json")];
            let reply = admin
                .request("PUT", path, &headers, Some(&less.to_string()))
                .unwrap();
            assert_eq!(reply.status, 200, "{}", reply.body);
            settled(
                &identity,
                &BTreeSet::from([word.as_str().unwrap().to_owned()]),
            );
        }
    }
}

/// What a session with every request that there is cannot read.
fn unreadable(identity: &Identity) -> BTreeSet<String> {
    let cluster = connect(identity);
    let loaded = load(&cluster, &LoadOptions::new(LoadKinds::all()));
    let gaps = loaded.snapshot.gaps.iter().flat_map(|gap| &gap.kinds);
    let mut missing: BTreeSet<String> = gaps.map(|kind| kind.resource().to_owned()).collect();
    if cluster.minor().is_none() {
        missing.insert("/version".to_owned());
    }
    if cluster.whoami().is_err() {
        missing.insert("selfsubjectreviews".to_owned());
    }
    if let Err(error) = cluster.api_table() {
        let text = error.to_string();
        let path = ["/apis", "/api"]
            .into_iter()
            .find(|path| text.contains(&format!("path \"{path}\"")));
        missing.insert(path.unwrap_or(&text).to_owned());
    }
    missing
}

/// Waits until the authorizer has seen the role: exactly this must be missing.
fn settled(identity: &Identity, expected: &BTreeSet<String>) {
    let start = Instant::now();
    loop {
        let missing = unreadable(identity);
        if missing == *expected {
            return;
        }
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{missing:?} instead of {expected:?}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}
