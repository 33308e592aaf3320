//! `bailiwick audit` over a log that the store wrote.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::fs;
use std::path::Path;
use std::process::Command;

use bailiwick_audit::{
    DecisionId, DecisionRecord, Door, Durability, Event, Input, Log as _, SubjectRef,
};
use bailiwick_core::{Effect, Reason, ResourceRequest};
use bailiwick_store::{Options, Store};

/// A log with two decisions. Gives the hash of its last record.
fn log(path: &Path) -> String {
    let store = Store::open(path, Options::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    for (number, name) in (1..).zip(["anna", "evil\u{1b}[2J"]) {
        let record = DecisionRecord {
            id: DecisionId { run: 1, number },
            door: Door::AccessReview,
            caller: "kube-apiserver".into(),
            request_id: None,
            subject: SubjectRef {
                name: name.into(),
                ..SubjectRef::default()
            },
            input: Input::Kubernetes {
                request: ResourceRequest::new("get", "", "secrets")
                    .in_namespace("shop")
                    .into(),
            },
            effect: Effect::NoOpinion,
            answered: None,
            reason: Reason::NoGrant,
            problems: vec![],
            revision: "7".into(),
            micros: 12,
        };
        let event = Event::Decision(Box::new(record)).encode().unwrap();
        runtime
            .block_on(store.append(event, Durability::Written))
            .unwrap();
    }
    store.close();
    store.health().head.to_string()
}

fn check(args: &[&str], code: i32, expected: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_bailiwick"))
        .arg("audit")
        .args(args)
        .output()
        .unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
    for part in expected {
        assert!(text.contains(part), "{args:?}: no `{part}` in {text}");
    }
    text
}

#[test]
fn a_log_is_verified_and_read() {
    let directory = tempfile::tempdir().unwrap();
    let head = log(directory.path());
    let path = directory.path().to_str().unwrap();
    let intact =
        "intact: 4 records (1 to 4) in 1 segments, 2 decisions, 0 issues, 0 denials, 0 gaps";
    check(&["verify", path], 0, &[intact, &head]);
    check(&["verify", path, "--head", &head], 0, &[intact]);
    let other = "0".repeat(64);
    check(
        &["verify", path, "--head", &other],
        1,
        &["BROKEN", "its end is missing"],
    );
    check(&["verify", path, "--head", "abc"], 2, &["64 letters"]);
    check(&["verify", path, "-o", "json"], 0, &["\"intact\": true"]);
    let sentence = "noopinion anna get secrets in namespace \"shop\" (nothing allows it, kube-apiserver, 12 µs)";
    let tail = check(
        &["tail", path, "--lines", "3"],
        0,
        &[sentence, "segment ended: shutdown"],
    );
    assert_eq!(tail.lines().count(), 3);
    assert!(
        !tail.contains('\u{1b}'),
        "a name acts on the terminal: {tail:?}"
    );
    check(&["tail", path, "--json"], 0, &["\"kind\":\"opened\""]);
    // A line that somebody has broken is told, and the exit code says so too.
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        let text = fs::read_to_string(entry.path()).unwrap();
        let text = text.replace("\"kind\":\"decision\"", "\"kind\":\"decision");
        fs::write(copy.path().join(entry.file_name()), text).unwrap();
    }
    let broken = copy.path().to_str().unwrap();
    check(
        &["tail", broken],
        1,
        &["a line that is no record", "segment ended: shutdown"],
    );
    check(
        &["tail", broken, "--lines", "1"],
        0,
        &["segment ended: shutdown"],
    );
    check(
        &["show", path, "0000000000000001-1"],
        0,
        &["name: anna", "because: noGrant"],
    );
    check(
        &["show", path, "0000000000000001-9"],
        2,
        &["has no decision"],
    );
    check(&["show", path, "nonsense"], 2, &["is no decision id"]);
    check(
        &["verify", "/nonexistent"],
        2,
        &["`/nonexistent` cannot be read"],
    );

    let segment = directory.path().join("00000000000000000001.log");
    let text = fs::read_to_string(&segment).unwrap();
    fs::write(&segment, text.replace("\"anna\"", "\"otto\"")).unwrap();
    check(
        &["verify", path],
        1,
        &[
            "fault: 00000000000000000001.log:2: record 2 was changed",
            "BROKEN",
        ],
    );
    fs::remove_file(&segment).unwrap();
    check(&["verify", path], 2, &["holds no log"]);
}
