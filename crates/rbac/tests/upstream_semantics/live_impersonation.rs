//! The identities that a real API server gives to those who impersonate.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bailiwick_core::UserInfo;
use bailiwick_rbac::Engine;
use bailiwick_testkit::notation::{snapshot, user};
use serde_json::{Value, json};

use crate::impersonation::{self, WHO_AM_I};
use crate::live::{SYNC_LIMIT, Server, flat, start};

const QUESTION: &str = r#"{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}"#;

#[test]
fn a_real_api_server_impersonates_as_we_do() {
    let rows: Vec<[&str; 3]> = impersonation::rows().collect();
    let users: BTreeSet<&str> = rows
        .iter()
        .map(|[who, ..]| *who)
        .filter(|who| !who.contains('+'))
        .collect();
    let mut server = start(&users.into_iter().collect::<Vec<_>>(), &[]);
    server.create(impersonation::CLUSTER);
    server.sync();
    let mut found = Vec::new();
    for (number, [who, target, _]) in rows.iter().enumerate() {
        let identity = match who.contains("system:masters") {
            true => server.admin(),
            false => server.cluster.user(who).unwrap(),
        };
        let agent = format!("row-{number}");
        let headers = impersonation::headers(&impersonation::identity(target));
        let mut headers = flat(&headers);
        headers.extend([("content-type", "application/json"), ("user-agent", &agent)]);
        let reply = identity
            .request("POST", WHO_AM_I, &headers, Some(QUESTION))
            .unwrap();
        found.push((agent, reply));
    }
    let modes = modes(&server, rows.len());
    for ([who, target, expected], (agent, reply)) in rows.iter().zip(found) {
        let context = format!("{who} as {target}: {} {}", reply.status, reply.body);
        let answer = match reply.status {
            201 => {
                let info = &reply.json().unwrap()["status"]["userInfo"];
                format!(
                    "{} {}",
                    modes[&agent],
                    impersonation::show(&identity_of(info))
                )
            }
            status => status.to_string(),
        };
        assert_eq!(answer, *expected, "{context}");
    }
    println!("{} attempts, 0 differences", rows.len());
    associated_node(&server);
}

/// The mode of each successful attempt, which the audit log alone tells.
fn modes(server: &Server, rows: usize) -> BTreeMap<String, String> {
    let start = Instant::now();
    loop {
        let mut modes = BTreeMap::new();
        for event in server.cluster.audit_events().unwrap() {
            let agent = event["userAgent"].as_str().unwrap_or_default().to_owned();
            let constraint = event["authenticationMetadata"]["impersonationConstraint"].as_str();
            let mode = constraint.map_or("legacy", |verb| verb.trim_start_matches("impersonate:"));
            modes.insert(agent, mode.to_owned());
        }
        // Refusals are logged, too, so that the last row is there when all are.
        if modes
            .keys()
            .filter(|agent| agent.starts_with("row-"))
            .count()
            >= rows
        {
            return modes;
        }
        assert!(
            start.elapsed() < SYNC_LIMIT,
            "the audit log holds {modes:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn identity_of(info: &Value) -> UserInfo {
    let strings = |value: &Value| -> Vec<String> {
        serde_json::from_value(value.clone()).unwrap_or_default()
    };
    UserInfo {
        name: info["username"].as_str().unwrap_or_default().to_owned(),
        uid: info["uid"].as_str().unwrap_or_default().to_owned(),
        groups: strings(&info["groups"]),
        extra: serde_json::from_value(info["extra"].clone()).unwrap_or_default(),
    }
}

/// A service account whose token is bound to a node may be that node, and no other.
fn associated_node(server: &Server) {
    let engine = Engine::new(snapshot(impersonation::CLUSTER));
    let admin = server.admin();
    for (path, body) in [
        (
            "/api/v1/nodes",
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}),
        ),
        (
            "/api/v1/namespaces/shop/serviceaccounts",
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "agent"}}),
        ),
    ] {
        let reply = admin.post(path, &body).unwrap();
        assert_eq!(reply.status, 201, "{}", reply.body);
    }
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Node", "name": "n1"}},
    });
    let reply = admin
        .post("/api/v1/namespaces/shop/serviceaccounts/agent/token", &body)
        .unwrap();
    let answer = reply.json().unwrap();
    let token = answer["status"]["token"]
        .as_str()
        .unwrap_or_else(|| panic!("{}", reply.body));
    let mut requestor = user("system:serviceaccount:shop:agent");
    let key = "authentication.kubernetes.io/node-name";
    requestor
        .extra
        .insert(key.to_owned(), vec!["n1".to_owned()]);
    let anybody = server.cluster.user("nobody").unwrap();
    for (node, expected) in [
        (
            "system:node:n1",
            "associated-node system:node:n1+system:nodes+system:authenticated",
        ),
        ("system:node:n2", "403"),
    ] {
        let target = impersonation::identity(node);
        assert_eq!(
            impersonation::answer(&engine, &requestor, &target),
            expected
        );
        let arguments = [
            "create", "--raw", WHO_AM_I, "-f", "-", "--as", node, "--token", token,
        ];
        let output = anybody.kubectl_with_input(&arguments, QUESTION).unwrap();
        if expected == "403" {
            assert!(output.stderr.contains("(Forbidden)"), "{output:?}");
            continue;
        }
        let answer: Value =
            serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let shown = impersonation::show(&identity_of(&answer["status"]["userInfo"]));
        assert_eq!(format!("associated-node {shown}"), expected);
    }
}
