//! What the API server takes and refuses, and that decoding says the same. Each line of `verdicts.jsonl` is one
//! object with the server's verdict:
//!
//! - `taken`: created as it is;
//! - `dropped`: refused by strict validation, which is kubectl's default, for a field that it does not know; without
//!   it created, with the field dropped;
//! - `refused`: refused either way.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use bailiwick_core::Kind;
use bailiwick_model::{DecodedKind, Interner, Value, decode};
use bailiwick_testkit::servers::Cluster;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    case: String,
    verdict: String,
    object: Value,
}

fn cases() -> Vec<Case> {
    include_str!("verdicts.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn decoding_gives_the_verdicts_of_the_api_server() {
    let mut wrong = Vec::new();
    for Case {
        case,
        verdict,
        object,
    } in cases()
    {
        let decoded = decode(object, &mut Interner::default());
        let lost = decoded.issues.iter().any(|issue| issue.lost);
        assert_eq!(
            lost,
            decoded.object.is_none(),
            "{case}: an object is lost exactly where an issue says so"
        );
        let unknown = decoded
            .issues
            .iter()
            .any(|issue| issue.id == "unknown-field");
        let own = match (lost, unknown) {
            (true, _) => "refused",
            (false, true) => "dropped",
            (false, false) => "taken",
        };
        assert!(
            own != "taken" || decoded.issues.is_empty(),
            "{case}: nothing is wrong, but {:?}",
            decoded.issues
        );
        if own != verdict {
            wrong.push(format!(
                "{case}: {verdict} by the server, {own} by us: {:?}",
                decoded.issues
            ));
        }
        if decoded.object.is_some() {
            assert!(matches!(decoded.kind, DecodedKind::Read(_)), "{case}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The verdict of a real server, which is asked only what it would do.
fn verdict(cluster: &Cluster, object: &serde_json::Value) -> &'static str {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
    };
    let kind = text("/kind");
    let (version, plural) = match kind.parse::<Kind>() {
        Ok(kind) => (text("/apiVersion"), kind.resource().to_owned()),
        Err(_) => (text("/apiVersion"), format!("{}s", kind.to_lowercase())),
    };
    let base = if version.contains('/') {
        "/apis"
    } else {
        "/api"
    };
    let namespace = match text("/metadata/namespace") {
        "default" => "/namespaces/default",
        _ => "",
    };
    let created = |validation: &str| {
        let path =
            format!("{base}/{version}{namespace}/{plural}?dryRun=All&fieldValidation={validation}");
        let reply = cluster.admin().post(&path, object).unwrap();
        assert!(
            matches!(reply.status, 201 | 400 | 404 | 422),
            "{object}: {} {}",
            reply.status,
            reply.body
        );
        reply.status == 201
    };
    match (created("Strict"), created("Ignore")) {
        (true, _) => "taken",
        (false, true) => "dropped",
        (false, false) => "refused",
    }
}

#[test]
fn a_running_api_server_gives_these_verdicts() {
    let cluster = Cluster::shared().unwrap();
    let mut wrong = Vec::new();
    for line in include_str!("verdicts.jsonl").lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let own = verdict(&cluster, &line["object"]);
        if own != line["verdict"] {
            wrong.push(format!("{}: {own}", line["case"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
