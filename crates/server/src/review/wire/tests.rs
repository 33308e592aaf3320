use bailiwick_core::Decision;

use super::*;

fn check(body: &str, expected: Result<(&str, &str), &str>) {
    let found = Review::parse(body.as_bytes()).and_then(Review::question);
    let found = found.map(|(user, request)| {
        (
            format!("{} {}", user.name, user.groups.join(",")),
            request.to_string(),
        )
    });
    match expected {
        Ok((user, request)) => {
            assert_eq!(found, Ok((user.to_owned(), request.to_owned())), "{body}");
        }
        Err(part) => {
            let error = found.unwrap_err();
            assert!(error.contains(part), "{body}: {error}");
        }
    }
}

fn v1(spec: &str) -> String {
    format!(r#"{{"apiVersion":"{V1}","kind":"SubjectAccessReview","metadata":{{}},"spec":{spec}}}"#)
}

#[test]
fn what_the_api_server_sends() {
    check(
        &v1(
            r#"{"user":"anna","groups":["dev","system:authenticated"],"extra":{"k":["v"],"n":null},
            "resourceAttributes":{"namespace":"shop","verb":"get","version":"v1","resource":"pods","subresource":"log","name":"web"}}"#,
        ),
        Ok((
            "anna dev,system:authenticated",
            "get pods/log \"web\" in namespace \"shop\"",
        )),
    );
    check(
        &v1(r#"{"nonResourceAttributes":{"path":"/healthz","verb":"get"},"groups":null}"#),
        Ok((" ", "get /healthz")),
    );
    let beta = r#"{"apiVersion":"authorization.k8s.io/v1beta1","kind":"SubjectAccessReview",
        "spec":{"user":"anna","group":["dev"],"groups":["not", "read"],"nonResourceAttributes":{"path":"/x","verb":"get"}}}"#;
    check(beta, Ok(("anna dev", "get /x")));
}

#[test]
fn what_cannot_be_decided() {
    check(&v1("{}"), Err("exactly one"));
    let both = r#"{"resourceAttributes":{"verb":"get"},"nonResourceAttributes":{"verb":"get"}}"#;
    check(&v1(both), Err("exactly one"));
    let groups = serde_json::to_string(&vec!["g"; 513]).unwrap();
    check(
        &v1(&format!(
            r#"{{"groups":{groups},"nonResourceAttributes":{{}}}}"#
        )),
        Err("the user has 513 groups; 512 are looked at"),
    );
    let values = serde_json::to_string(&vec!["v"; 256]).unwrap();
    check(
        &v1(&format!(
            r#"{{"resourceAttributes":{{"labelSelector":{{"requirements":[{{"key":"a","operator":"In","values":{values}}}]}}}}}}"#
        )),
        Err("the selectors have 257 terms"),
    );
}

#[test]
fn what_is_no_review() {
    check("", Err("EOF"));
    check("[]", Err("invalid"));
    check(
        r#"{"apiVersion":"v1","kind":"Pod","spec":{}}"#,
        Err("`v1` is no version"),
    );
    check(
        r#"{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview","spec":{}}"#,
        Err("this is a `SelfSubjectAccessReview`"),
    );
    check(&v1(r#"{"user":7}"#), Err("invalid type"));
    // Two answers to one question are none.
    check(&v1(r#"{"user":"a","user":"b"}"#), Err("duplicate field"));
}

#[test]
fn an_unknown_operator_leaves_a_wider_request() {
    let spec = r#"{"resourceAttributes":{"verb":"list","fieldSelector":{"rawSelector":"a=b","requirements":[
        {"key":"a","operator":"In","values":["x"]},{"key":"b","operator":"Gt","values":["1"]}]}}}"#;
    let (_, request) = Review::parse(v1(spec).as_bytes())
        .unwrap()
        .question()
        .unwrap();
    let Request::Resource(request) = request else {
        panic!("{request}");
    };
    let keys: Vec<&str> = request
        .field_selector
        .iter()
        .map(|term| term.key.as_str())
        .collect();
    assert_eq!(keys, ["a"]);
}

fn decided(reason: Reason, problems: &[&str]) -> Decided {
    Decided {
        id: DecisionId { run: 1, number: 2 },
        decision: Decision {
            effect: Effect::NoOpinion,
            reason,
            problems: problems.iter().map(ToString::to_string).collect(),
        },
        revision: "7".into(),
    }
}

fn check_status(status: &Status<'_>, expected: &str) {
    assert_eq!(serde_json::to_string(status).unwrap(), expected);
}

#[test]
fn answers() {
    let nothing = decided(Reason::NoGrant, &["role a is missing", "role b is missing"]);
    check_status(
        &Status::of(&nothing, Effect::NoOpinion),
        r#"{"allowed":false,"reason":"nothing allows it (decision 0000000000000001-2)","evaluationError":"role a is missing; role b is missing"}"#,
    );
    check_status(
        &Status::of(&decided(Reason::Masters, &[]), Effect::Allow),
        r#"{"allowed":true,"reason":"a member of system:masters may do everything (decision 0000000000000001-2)"}"#,
    );
    let message = "bad\nnews".to_owned();
    check_status(
        &Status::of(&decided(Reason::Refused { message }, &[]), Effect::Deny),
        r#"{"allowed":false,"denied":true,"reason":"bad news (decision 0000000000000001-2)","evaluationError":"bad\nnews"}"#,
    );
    for effect in [
        Effect::Allow,
        Effect::Deny,
        Effect::NoOpinion,
        Effect::Conditional,
    ] {
        let status = Status::of(&nothing, effect);
        assert!(!(status.allowed && status.denied), "{effect:?}");
        assert!(!status.reason.to_string().starts_with("bailiwick"));
    }
    assert!(Status::unrecorded(nothing.id).denied);
}

#[test]
fn a_reason_is_one_line_of_bounded_length() {
    let check = |message: String, expected: &str| {
        let decided = decided(Reason::Refused { message }, &[]);
        let status = Status::of(&decided, Effect::NoOpinion);
        let expected = format!("{expected} (decision 0000000000000001-2)");
        assert_eq!(status.reason.to_string(), expected);
    };
    check(
        format!("{}\u{1b}[2J", "x".repeat(5_000)),
        &"x".repeat(1_024),
    );
    check("ö".repeat(5_000), &"ö".repeat(1_024));
    check("a\u{1b}[2Jb".to_owned(), "a [2Jb");
}
