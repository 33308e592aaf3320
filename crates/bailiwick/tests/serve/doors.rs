//! Who may come in, and what is said at the doors.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use rcgen::ExtendedKeyUsagePurpose;
use serde_json::{Value, json};

use crate::client::{Client, EVALUATION, REVIEW, home, review};
use crate::program::verify;

#[test]
fn only_who_is_listed_comes_in_and_nobody_else_is_recorded() {
    let (home, program) = home(&json!({}), "");
    let paths = json!({"nonResourceAttributes": {"path": "/x", "verb": "get"}});
    let check = |client: Option<&str>, path: &str, expected: u16, says: &str| {
        let client = Client::new(&home, &program, client);
        let answer = client.post(path, &review(&paths));
        assert_eq!(answer.status, expected, "{path} {}", answer.body);
        assert!(answer.body.to_string().contains(says), "{}", answer.body);
        assert_eq!(
            answer.headers.contains_key("www-authenticate"),
            expected == 401
        );
    };
    check(None, REVIEW, 401, "who asks?");
    check(
        Some("stranger"),
        REVIEW,
        403,
        "does not name this certificate",
    );
    check(Some("shop"), REVIEW, 403, "not open to this caller");
    check(Some("api"), EVALUATION, 403, "not open to this caller");
    check(
        Some("asker"),
        "/access/v1/search/subject",
        403,
        "not open to this caller",
    );
    check(Some("api"), "/", 404, "no door");
    check(
        Some("api"),
        &format!("{REVIEW}?timeout=3s"),
        200,
        "decision",
    );
    let got = Client::new(&home, &program, Some("api"));
    let got = got.send("PUT", REVIEW, &[], "");
    assert_eq!(got.status, 405);
    assert_eq!(got.headers["allow"], "POST");
    let stranger = Client::new(&home, &program, Some("stranger"));
    let statuses: Vec<u16> = (0..60)
        .map(|_| stranger.post(REVIEW, &json!({})).status)
        .collect();
    assert!(statuses.contains(&429), "{statuses:?}");
    assert_eq!(program.terminate(), Some(0));
    let report = bailiwick_store::verify(&home.log(), None).unwrap();
    assert_eq!((report.is_intact(), report.decisions), (true, 1));
}

/// Nothing on the other side says what is wrong: Envoy tells its users 403, kubectl that the webhook failed.
#[test]
fn who_cannot_connect_or_may_not_ask_is_found_in_the_log() {
    let (home, mut program) = home(&json!({}), "");
    let mut plain = TcpStream::connect(&program.address).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let said = program.wait_for("TLS handshake failed");
    assert!(said.contains("address=127.0.0.1:"), "{said}");
    assert!(said.contains("why=\"received corrupt message"), "{said}");
    let stranger = Client::new(&home, &program, Some("stranger"));
    assert_eq!(stranger.post(REVIEW, &json!({})).status, 403);
    let said = program.wait_for("refused address=");
    assert!(said.contains("certificate=\"CN=stranger\""), "{said}");
    assert!(
        said.contains("why=\"the list of callers does not name"),
        "{said}"
    );
    // Who only looks whether somebody listens is no trouble.
    drop(TcpStream::connect(&program.address).unwrap());
    stranger.post(REVIEW, &json!({}));
    program.wait_for_nth("refused address=", 1);
    let said = program.said();
    assert_eq!(said.matches("TLS handshake failed").count(), 1, "{said}");
    assert_eq!(program.terminate(), Some(0));
}

#[test]
fn a_question_that_cannot_be_decided_is_answered_and_denied() {
    let (home, program) = home(&json!({}), "");
    let api = Client::new(&home, &program, Some("api"));
    let check = |spec: &Value, error: &str| {
        let answer = api.post(REVIEW, &review(spec));
        let status = &answer.body["status"];
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(
            (&status["allowed"], &status["denied"]),
            (&json!(false), &json!(true))
        );
        let text = status["evaluationError"].as_str().unwrap();
        assert!(text.contains(error), "{text}");
    };
    check(&json!({}), "exactly one");
    let path = json!({"path": "/x", "verb": "get"});
    check(
        &json!({"groups": vec!["g"; 600], "nonResourceAttributes": path}),
        "600 groups",
    );
    check(
        &json!({"user": "x".repeat(70_000), "nonResourceAttributes": path}),
        "larger than 64 KiB",
    );
    for body in [
        "",
        "{",
        "[]",
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"spec\":{}}",
    ] {
        assert_eq!(api.send("POST", REVIEW, &[], body).status, 400, "{body}");
    }
    let beta = json!({"apiVersion": "authorization.k8s.io/v1beta1", "kind": "SubjectAccessReview",
        "spec": {"user": "anna", "group": ["dev"], "nonResourceAttributes": path}});
    let answer = api.post(REVIEW, &beta);
    assert_eq!(answer.body["apiVersion"], "authorization.k8s.io/v1beta1");
    assert_eq!(answer.body["status"]["allowed"], false);
    assert_eq!(answer.body["status"].get("denied"), None);
    drop(program);
    assert_eq!(verify(&home.log()).1, "[]");
}

#[test]
fn a_new_certificate_is_taken_and_a_broken_one_is_not() {
    let (home, mut program) = home(&json!({}), "");
    home.write("server.key", "not a key");
    program.wait_for("new certificate refused; the old one stays");
    let path = json!({"nonResourceAttributes": {"path": "/x", "verb": "get"}});
    let answer = Client::new(&home, &program, Some("api")).post(REVIEW, &review(&path));
    assert_eq!(answer.status, 200);
    home.issue("server", ExtendedKeyUsagePurpose::ServerAuth);
    program.wait_for("new certificate in use");
    let answer = Client::new(&home, &program, Some("api")).post(REVIEW, &review(&path));
    assert_eq!(answer.status, 200);
}

#[test]
fn a_certificate_that_ends_ends_what_its_connection_may() {
    let (home, program) = home(&json!({}), "permit (principal, action, resource);");
    let end = SystemTime::now() + Duration::from_secs(4);
    home.issue_until("shop", ExtendedKeyUsagePurpose::ClientAuth, Some(end));
    let client = Client::new(&home, &program, Some("shop"));
    let question = json!({
        "subject": {"type": "user", "id": "anna"}, "action": {"name": "read"},
        "resource": {"type": "record", "id": "1"},
    });
    let answer = client.post(EVALUATION, &question);
    assert_eq!(answer.status, 200, "{}", answer.body);
    std::thread::sleep(Duration::from_secs(6));
    // The connection is the same: a new one would not come to be.
    let answer = client.post(EVALUATION, &question);
    assert_eq!(answer.status, 401, "{}", answer.body);
    let says = "has expired; connect again with a new one";
    assert!(answer.body.to_string().contains(says), "{}", answer.body);
    assert!(answer.headers.contains_key("www-authenticate"));
    home.issue("shop", ExtendedKeyUsagePurpose::ClientAuth);
    let client = Client::new(&home, &program, Some("shop"));
    assert_eq!(client.post(EVALUATION, &question).status, 200);
}
