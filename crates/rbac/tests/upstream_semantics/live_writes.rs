//! Roles and bindings written to a real API server by the users of the table.

use std::collections::BTreeSet;

use bailiwick_model::Object;
use bailiwick_rbac::Engine;
use bailiwick_testkit::notation::{snapshot, user};
use bailiwick_testkit::servers::Reply;
use serde_json::{Value, json};

use crate::escalation::{self, How, Row};
use crate::live::{Server, body, collection, path, start};

const MERGE: &str = "application/merge-patch+json";

#[test]
fn a_real_api_server_judges_writes_as_we_do() {
    let rows: Vec<Row> = escalation::rows().collect();
    let users: BTreeSet<&str> = rows
        .iter()
        .map(|row| row.who)
        .filter(|who| !who.contains('+'))
        .collect();
    let mut server = start(&users.into_iter().collect::<Vec<_>>(), &["writers"]);
    let before = server.create(escalation::CLUSTER);
    let engine = Engine::new(snapshot(escalation::CLUSTER));
    for row in &rows {
        server.sync();
        let mut who = user(row.who);
        who.groups.push("system:authenticated".to_owned());
        let ours = escalation::judged(&engine, &who, row.how, &row.object);
        let (kind, missing) = escalation::shown(&ours);
        let reply = write(&server, row);
        let context = format!("{}: {} {}", row.text, reply.status, reply.body);
        let message = || {
            reply.json().unwrap()["message"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        match kind {
            "missing" => {
                assert_eq!(reply.status, 403, "{context}");
                assert_eq!(escalation::missing_in(&message()), missing, "{context}");
            }
            "aggregates" => {
                assert_eq!(reply.status, 403, "{context}");
                assert!(
                    message().contains("must have cluster-admin privileges"),
                    "{context}"
                );
            }
            "no role" => assert_eq!(reply.status, 404, "{context}"),
            _ => {
                assert!([200, 201].contains(&reply.status), "{context}");
                undo(&server, row, &before);
            }
        }
    }
    println!("{} writes, 0 differences", rows.len());
}

fn write(server: &Server, row: &Row) -> Reply {
    let who = match row.who.contains("system:masters") {
        true => server.admin(),
        false => server.cluster.user(row.who).unwrap(),
    };
    let (mut body, path) = (body(&row.object), path(&row.object));
    let send = |method, path: &str, kind, body: &Value| {
        who.request(
            method,
            path,
            &[("content-type", kind)],
            Some(&body.to_string()),
        )
        .unwrap()
    };
    match row.how {
        How::Post => who.post(&collection(&row.object), &body).unwrap(),
        How::PutNew => send("PUT", &path, "application/json", &body),
        How::Put => {
            body["metadata"]["labels"] = json!({"edited": "yes"});
            send("PUT", &path, "application/json", &body)
        }
        How::Finalizer => send(
            "PATCH",
            &path,
            MERGE,
            &json!({"metadata": {"finalizers": ["example.com/hold"]}}),
        ),
        How::Nothing => send("PATCH", &path, MERGE, &json!({})),
    }
}

/// Puts back what was there before a row.
fn undo(server: &Server, row: &Row, before: &[Object]) {
    let headers = |kind| [("content-type", kind)];
    match before
        .iter()
        .find(|object| path(object) == path(&row.object))
    {
        None => server.delete(&row.object),
        Some(old) => {
            let body = body(old).to_string();
            let reply = server
                .admin()
                .request("PUT", &path(old), &headers("application/json"), Some(&body))
                .unwrap();
            assert_eq!(reply.status, 200, "{}", reply.body);
        }
    }
}
