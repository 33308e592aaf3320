//! The program over go-spiffe answers, refuses and says why.

use bailiwick_testkit::judge::JudgeError;
use bailiwick_testkit::spiffe::Spiffe;
use serde_json::{Value, json};

#[test]
fn ids_and_bundles_are_judged() {
    let mut spiffe = Spiffe::start().unwrap();
    let mut check = |op, arguments: Value, expected: Result<Value, &str>| match (
        spiffe.ask(op, arguments),
        expected,
    ) {
        (Ok(answer), Ok(expected)) => assert_eq!(answer, expected),
        (Err(JudgeError::Refused { message, .. }), Err(expected)) => {
            assert!(message.contains(expected), "{message}");
        }
        (answer, expected) => panic!("{answer:?} is not {expected:?}"),
    };
    let id = |text: &str| json!({"text": text});
    let parsed = json!({"trustDomain": "example.org", "path": "/shop"});
    check("spiffeid", id("spiffe://example.org/shop"), Ok(parsed));
    check("spiffeid", id("spiffe://Example.org"), Err("lowercase"));
    let bundle = |text: &str| json!({"trustDomain": "example.org", "text": text});
    let read = json!({"trustDomain": "example.org", "x509": [], "jwt": [], "sequence": 7});
    let text = r#"{"keys": [], "spiffe_sequence": 7}"#;
    check("bundle", bundle(text), Ok(read));
    check("bundle", bundle("{"), Err("unable to parse"));
    check("dial", json!({"accept": "nobody"}), Err("names no peer"));
    check("what", json!({}), Err("unknown op"));
}

#[test]
fn a_missing_socket_is_an_answer() {
    let mut spiffe = Spiffe::start().unwrap();
    let error = spiffe
        .ask(
            "validate_jwt",
            json!({"socket": "nowhere", "token": "", "audience": "a"}),
        )
        .unwrap_err();
    assert!(error.to_string().contains("socket"), "{error}");
}
