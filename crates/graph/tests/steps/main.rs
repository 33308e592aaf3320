//! Steps taken for real: the attacker of an edge's example does on a running API server what the edge says, and is
//! refused once the one word is changed.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test, also where it is no test function"
)]

mod acts;
mod certificates;
mod constrained;
mod levers;
mod platform;
mod refused;
mod reviewed;
mod served;
mod stage;
mod trust;
mod variants;

use bailiwick_graph::EDGES;
use bailiwick_testkit::servers::Cluster;

use crate::acts::{ACTS, Act, secret_shown};
use crate::stage::Stage;

fn acts() -> impl Iterator<Item = &'static (&'static str, Act)> {
    ACTS.iter().chain(platform::ACTS).chain(levers::ACTS)
}

#[test]
fn who_has_an_edge_takes_the_step_and_who_has_not_is_refused() {
    let stage = Stage::new(&Cluster::builder());
    for (id, act) in acts() {
        stage.check(id, act);
    }
    println!("{} edges", acts().count());
}

/// Of 1.34 in what its gates are, as the server emulates it.
#[test]
fn exec_by_get_worked_until_1_34() {
    let websocket = |stage: &Stage| {
        let headers = [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ];
        let path = "/api/v1/namespaces/shop/pods/web/exec?command=id&stdout=true";
        let reply = stage.eve.request("GET", path, &headers, None).unwrap();
        reply.status != 403
    };
    let old = Stage::new(&Cluster::builder().emulated_version("1.34"));
    old.check("exec-by-get", &websocket);
    let new = Stage::new(&Cluster::builder());
    new.put("exec-by-get", false);
    assert!(!websocket(&new));
}

#[test]
fn secrets_are_shown_by_these_writes_and_by_no_others() {
    let stage = Stage::new(&Cluster::builder());
    stage.put("secrets-echo", false);
    let path = "/api/v1/namespaces/shop/secrets";
    let of_key = |query: &str| format!("{path}/key?{query}");
    let check = |method: &str, path: &str, body: Option<&str>, expected: bool| {
        let admin = stage.cluster.admin();
        let headers = [("content-type", "application/merge-patch+json")];
        let reply = admin.request(method, path, &headers, body).unwrap();
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.body);
        assert_eq!(
            secret_shown(&reply),
            expected,
            "{method} {path}: {}",
            reply.body
        );
    };
    for dry in ["dryRun=All", ""] {
        check("PATCH", &of_key(dry), Some("{}"), true);
    }
    check(
        "DELETE",
        &of_key("dryRun=All&propagationPolicy=Foreground"),
        None,
        true,
    );
    check(
        "DELETE",
        &of_key("dryRun=All&propagationPolicy=Orphan"),
        None,
        true,
    );
    check(
        "DELETE",
        &of_key("dryRun=All&propagationPolicy=Background"),
        None,
        false,
    );
    check("DELETE", &of_key("dryRun=All"), None, false);
    check("DELETE", &format!("{path}?dryRun=All"), None, true);
}

/// Edges of which the request is sent, but nothing is there to answer it (no kubelet, no server of one's own): the
/// proof is that the authorizer lets it pass, and not with the word changed.
const AUTHORIZED: &[&str] = &[
    "api-service-nodes",
    "api-service-operators",
    "api-service-reviews",
    "aws-auth",
    "deputy-node",
    "dns",
    "exec",
    "exec-by-get",
    "kubeadm-config",
    "kubelet-config",
    "lease",
    "mutating-policy",
    "nodes-proxy",
    "pod-certificate",
    "port-forward",
    "proxy",
    "read-logs",
    "traffic",
    "trust-bundle",
];

#[test]
fn matrix() {
    let mut text = String::new();
    for kind in EDGES {
        let versions = match (kind.versions.since, kind.versions.until) {
            (None, None) => "all".to_owned(),
            (Some(since), _) => format!("1.{since} on"),
            (None, Some(until)) => format!("to 1.{until}"),
        };
        let is_taken = acts().any(|(id, _)| *id == kind.id) || served::TAKEN.contains(&kind.id);
        let proof = match (is_taken, kind.needs_rights()) {
            _ if AUTHORIZED.contains(&kind.id) => "authorized by a real API server",
            (true, _) => "step on a real API server",
            (false, true) => "reviews",
            (false, false) => "objects",
        };
        text += &format!(
            "{:28} {:9} effort {}  example and its opposite  {proof}\n",
            kind.id, versions, kind.effort
        );
    }
    insta::assert_snapshot!(text);
}
