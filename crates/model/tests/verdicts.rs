//! What the API server takes and refuses, and that decoding says the same. Each line of `verdicts.jsonl` is one
//! object with the server's verdict:
//!
//! - `taken`: created as it is;
//! - `dropped`: refused by strict validation, which is kubectl's default, for a field that it does not know; without
//!   it created, with the field dropped;
//! - `refused`: refused either way.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use bailiwick_model::{DecodedKind, Interner, Value, decode};
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
