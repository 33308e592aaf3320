//! Questions of applications over AuthZEN: evaluations and searches.

use serde_json::{Value, json};

use crate::client::{Client, EVALUATION, EVALUATIONS, entities, home, question, search};
use crate::program::{Home, Program, verify};

/// Editors write what is active, admins all, everybody reads.
const RECORDS: &str = r#"
permit (principal is app::Subject, action, resource is app::Resource) when {
  principal.application == "shop" && context.action == "read"
};
permit (principal is app::Subject, action, resource is app::Resource) when {
  context.action == "write" && resource.hasTag("status") && resource.getTag("status").contains("active")
};
permit (principal is app::Subject, action, resource is app::Resource) when {
  principal.hasTag("role") && principal.getTag("role").contains("admin")
};
"#;

fn records() -> (Home, Program) {
    home(&entities(), RECORDS)
}

#[test]
fn evaluations_of_an_application() {
    let (home, program) = records();
    let shop = Client::new(&home, &program, Some("shop"));
    let check = |question: &Value, expected: bool| {
        let answer = shop.post(EVALUATION, question);
        assert_eq!(
            (answer.status, &answer.body["decision"]),
            (200, &json!(expected)),
            "{question}"
        );
        assert!(answer.body["context"]["id"].is_string());
    };
    check(&question("alice", "read", "record-2"), true);
    check(&question("alice", "write", "record-1"), true);
    check(&question("alice", "write", "record-2"), false);
    check(&question("alice", "delete", "record-1"), false);
    check(&question("bob", "delete", "record-2"), true);
    check(&question("nobody", "read", "nothing"), true);
    // What the question says counts more than what is known.
    let mut demoted = question("bob", "delete", "record-2");
    demoted["subject"]["properties"] = json!({"role": "reader"});
    demoted["unknown"] = json!(7);
    check(&demoted, false);

    let several = |semantic: &str, actions: &[&str]| {
        let items: Vec<Value> = actions
            .iter()
            .map(|action| json!({"action": {"name": action}}))
            .collect();
        let mut body = question("alice", "read", "record-2");
        body["evaluations"] = json!(items);
        body["options"] = json!({"evaluations_semantic": semantic});
        let answer = shop.post(EVALUATIONS, &body);
        let list = answer.body["evaluations"].as_array().unwrap().clone();
        list.iter()
            .map(|item| item["decision"].as_bool().unwrap())
            .collect::<Vec<bool>>()
    };
    let actions = ["read", "write", "read", "delete"];
    assert_eq!(several("execute_all", &actions), [true, false, true, false]);
    assert_eq!(several("deny_on_first_deny", &actions), [true, false]);
    assert_eq!(
        several("permit_on_first_permit", &actions[1..]),
        [false, true]
    );
    // No list: one question.
    assert_eq!(
        shop.post(EVALUATIONS, &question("alice", "read", "r")).body["decision"],
        true
    );
    let mut broken = question("alice", "read", "record-1");
    broken["evaluations"] = json!([{"action": 7}, {"action": {"name": "read"}}]);
    let answer = shop.post(EVALUATIONS, &broken);
    let list = &answer.body["evaluations"];
    assert_eq!(
        (answer.status, &list[0]["decision"], &list[1]["decision"]),
        (200, &json!(false), &json!(true))
    );
    assert_eq!(list[0]["context"]["error"]["status"], 400);
    // A field is replaced as a whole: properties of the shared subject do not reach another subject.
    let mut whole = question("bob", "delete", "record-2");
    whole["subject"]["properties"] = json!({"role": "admin"});
    whole["evaluations"] = json!([{}, {"subject": {"type": "user", "id": "alice"}}]);
    let list = shop.post(EVALUATIONS, &whole).body["evaluations"].clone();
    assert_eq!(
        (&list[0]["decision"], &list[1]["decision"]),
        (&json!(true), &json!(false))
    );
}

#[test]
fn what_is_no_question() {
    let (home, program) = records();
    let shop = Client::new(&home, &program, Some("shop"));
    let json = [("content-type", "application/json")];
    for field in ["subject", "action", "resource"] {
        let mut without = question("alice", "read", "record-1");
        without.as_object_mut().unwrap().remove(field);
        let answer = shop.post(EVALUATION, &without);
        assert_eq!(answer.status, 400, "{field}");
        assert!(answer.body.to_string().contains(field));
    }
    for (pointer, value) in [
        ("/subject/type", json!(7)),
        ("/subject/id", json!(null)),
        ("/action/name", json!([])),
        ("/resource", json!("record-1")),
        ("/subject", json!([])),
    ] {
        let mut wrong = question("alice", "read", "record-1");
        *wrong.pointer_mut(pointer).unwrap() = value;
        assert_eq!(shop.post(EVALUATION, &wrong).status, 400, "{pointer}");
    }
    for body in ["", "{", "null", "7"] {
        assert_eq!(
            shop.send("POST", EVALUATION, &json, body).status,
            400,
            "{body:?}"
        );
    }
    let whole = question("alice", "read", "record-1").to_string();
    let kind = |kind| {
        shop.send("POST", EVALUATION, &[("content-type", kind)], &whole)
            .status
    };
    assert_eq!(
        (kind("text/plain"), kind("application/json; charset=utf-8")),
        (400, 200)
    );
    let named = [json[0], ("x-request-id", "r-7")];
    let answer = shop.send("POST", EVALUATION, &named, &whole);
    assert_eq!(answer.headers["x-request-id"], "r-7");
    let answer = shop.send("POST", EVALUATION, &named, "{");
    assert_eq!(answer.status, 400);
    assert_eq!(answer.headers["x-request-id"], "r-7");
    let found = shop.send(
        "GET",
        "/.well-known/authzen-configuration",
        &[("host", "evil.example")],
        "",
    );
    assert_eq!(
        found.body["policy_decision_point"],
        "https://pdp.example.org"
    );
    let endpoint = &found.body["access_evaluation_endpoint"];
    assert_eq!(endpoint, "https://pdp.example.org/access/v1/evaluation");
}

#[test]
fn searches_of_an_application() {
    let (home, program) = records();
    let shop = Client::new(&home, &program, Some("shop"));
    let check = |what: &str, pointer: &str, mut question: Value, expected: Value| {
        // What is looked for is passed over.
        assert_eq!(
            search(&shop, what, &question)["results"],
            expected,
            "{question}"
        );
        question
            .pointer_mut(pointer)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .remove("id");
        assert_eq!(
            search(&shop, what, &question)["results"],
            expected,
            "{question}"
        );
    };
    let (alice, bob) = (
        json!({"type": "user", "id": "alice"}),
        json!({"type": "user", "id": "bob"}),
    );
    let record = |name: &str| json!({"type": "record", "id": name});
    check(
        "subject",
        "/subject",
        question("x", "delete", "record-1"),
        json!([bob]),
    );
    check(
        "subject",
        "/subject",
        question("x", "write", "record-1"),
        json!([alice, bob]),
    );
    check(
        "resource",
        "/resource",
        question("alice", "write", "x"),
        json!([record("record-1")]),
    );
    let mut other = question("alice", "read", "x");
    other["resource"]["type"] = json!("unknown");
    check("resource", "/resource", other, json!([]));
    let mut actions = question("alice", "x", "record-1");
    actions.as_object_mut().unwrap().remove("action");
    let found = search(&shop, "action", &actions);
    assert_eq!(
        found["results"],
        json!([{"name": "read"}, {"name": "write"}])
    );
    // In pages.
    let mut paged = question("alice", "read", "x");
    paged["page"] = json!({"limit": 1});
    let first = search(&shop, "resource", &paged);
    assert_eq!(first["results"], json!([record("record-1")]));
    assert_eq!(
        (&first["page"]["count"], &first["page"]["total"]),
        (&json!(1), &json!(2))
    );
    paged["page"]["token"] = first["page"]["next_token"].clone();
    let second = search(&shop, "resource", &paged);
    assert_eq!(
        (&second["results"], &second["page"]["next_token"]),
        (&json!([record("record-2")]), &json!(""))
    );
    paged["subject"]["id"] = json!("bob");
    assert_eq!(shop.post("/access/v1/search/resource", &paged).status, 400);
    assert_eq!(
        shop.post("/access/v1/search/resource", &json!({"page": {"limit": 1}}))
            .status,
        400
    );
    drop(program);
    assert_eq!(verify(&home.log()).1, "[]");
}
