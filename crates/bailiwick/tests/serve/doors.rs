//! Who may come in, and what is said at the doors.

use std::sync::Arc;

use bailiwick_testkit::generate::Rng;
use rcgen::ExtendedKeyUsagePurpose;
use serde_json::{Value, json};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsProvider};

use crate::program::{Home, Program, verify};

/// An answer: status, headers, and the body as JSON or as text.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: ureq::http::HeaderMap,
    pub(crate) body: Value,
}

/// Somebody who asks, with a certificate or without.
pub(crate) struct Client {
    agent: ureq::Agent,
    base: String,
}

impl Client {
    pub(crate) fn new(home: &Home, program: &Program, name: Option<&str>) -> Self {
        Self::at(home, &program.address, name)
    }

    pub(crate) fn at(home: &Home, address: &str, name: Option<&str>) -> Self {
        let read = |name: String| std::fs::read(home.path(&name)).unwrap();
        let authority = Certificate::from_pem(&read("ca.crt".into())).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(provider)
            .root_certs(RootCerts::new_with_certs(&[authority]));
        if let Some(name) = name.map(|name| name.replace([':', '/'], "_")) {
            let certificate = Certificate::from_pem(&read(format!("{name}.crt"))).unwrap();
            let key = PrivateKey::from_pem(&read(format!("{name}.key"))).unwrap();
            tls = tls.client_cert(Some(ClientCert::new_with_certs(&[certificate], key)));
        }
        let agent = ureq::Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            .build()
            .new_agent();
        Self {
            agent,
            base: format!("https://{address}"),
        }
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = self
            .agent
            .run(request.body(body.to_owned()).unwrap())
            .unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        }
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(
            "POST",
            path,
            &[("content-type", "application/json")],
            &body.to_string(),
        )
    }
}

const DOORS: &str = "\
accessReview: {mode: guard}
authzen: {base: 'https://pdp.example.org/', entities: entities.yaml}
policies: [policies]
";

fn home(entities: &Value, policy: &str) -> (Home, Program) {
    let home = Home::new(&["api", "shop", "asker", "stranger"]);
    home.write(
        "manifests.yaml",
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}",
    );
    home.write(
        "entities.yaml",
        &json!({"applications": {"shop": entities}}).to_string(),
    );
    std::fs::create_dir(home.path("policies")).unwrap();
    let document = json!({
        "apiVersion": "bailiwick.dev/v1alpha1", "kind": "ClusterPolicy",
        "metadata": {"name": "shop"}, "spec": {"cedar": policy},
    });
    home.write("policies/shop.json", &document.to_string());
    home.configure("127.0.0.1:0", DOORS);
    let program = home.serve();
    (home, program)
}

const REVIEW: &str = "/kubernetes/authorize";
const EVALUATION: &str = "/access/v1/evaluation";
const EVALUATIONS: &str = "/access/v1/evaluations";

fn review(spec: &Value) -> Value {
    json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec})
}

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
    let entities = json!({
        "subjects": [
            {"type": "user", "id": "alice"},
            {"type": "user", "id": "bob", "properties": {"role": "admin"}},
        ],
        "resources": [
            {"type": "record", "id": "record-1", "properties": {"status": "active"}},
            {"type": "record", "id": "record-2", "properties": {"status": "archived"}},
        ],
        "actions": ["read", "write", "delete"],
    });
    home(&entities, RECORDS)
}

fn question(subject: &str, action: &str, resource: &str) -> Value {
    json!({
        "subject": {"type": "user", "id": subject},
        "action": {"name": action},
        "resource": {"type": "record", "id": resource},
    })
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

fn search(client: &Client, what: &str, question: &Value) -> Value {
    let answer = client.post(&format!("/access/v1/search/{what}"), question);
    assert_eq!(answer.status, 200, "{question}: {}", answer.body);
    answer.body
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

/// The effect that the review door and AuthZEN give to the same question is the same.
#[test]
fn two_doors_one_answer() {
    let home = Home::new(&["api", "asker"]);
    let mut rng = Rng::new(7);
    let (users, groups) = (["anna", "otto"], ["dev", "ops"]);
    let (verbs, resources) = (["get", "list", "delete"], ["pods", "secrets", "configmaps"]);
    let mut manifests = String::new();
    for number in 0..6 {
        let verb = verbs[rng.below(3)];
        let resource = resources[rng.below(3)];
        let (kind, name) = match rng.below(2) {
            0 => ("User", users[rng.below(2)]),
            _ => ("Group", groups[rng.below(2)]),
        };
        manifests += &format!(
            "---\n{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {{name: r{number}}}, \
             rules: [{{apiGroups: [''], resources: [{resource}], verbs: [{verb}]}}]}}\n---\n\
             {{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {{name: r{number}}}, \
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: r{number}}}, \
             subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: {kind}, name: {name}}}]}}\n"
        );
    }
    home.write("manifests.yaml", &manifests);
    home.revoke(Some(("otto", "left")));
    let doors = "accessReview: {mode: authority}\nauthzen: {base: 'https://pdp.example.org'}\n\
                 policies: [revocations.yaml]\n";
    home.configure("127.0.0.1:0", doors);
    let program = home.serve();
    let (api, asker) = (
        Client::new(&home, &program, Some("api")),
        Client::new(&home, &program, Some("asker")),
    );
    let mut allowed = 0;
    for user in users {
        for group in groups {
            for verb in verbs {
                for resource in resources {
                    let attributes = json!({"verb": verb, "resource": resource, "namespace": "shop", "version": "v1"});
                    let spec =
                        json!({"user": user, "groups": [group], "resourceAttributes": attributes});
                    let one = api.post(REVIEW, &review(&spec)).body["status"]["allowed"].clone();
                    let two = asker.post(
                        EVALUATION,
                        &json!({
                            "subject": {"type": "user", "id": user, "properties": {"groups": [group]}},
                            "action": {"name": verb},
                            "resource": {"type": resource, "id": "", "properties": {"namespace": "shop", "version": "v1"}},
                        }),
                    );
                    assert_eq!(one, two.body["decision"], "{spec}");
                    allowed += usize::from(one == true);
                }
            }
        }
    }
    assert!((1..30).contains(&allowed), "{allowed} of 36");
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

const CONFORMANCE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../shared/conformance/authzen"
);

fn scenario(name: &str) -> Option<Value> {
    let text = std::fs::read_to_string(format!("{CONFORMANCE}/{name}.json")).ok();
    if text.is_none() {
        println!(
            "skipped: conformance data not present in {CONFORMANCE} (see openid/authzen, interop)"
        );
    }
    text.map(|text| serde_json::from_str(&text).unwrap())
}

/// The todo application of the working group's interoperability event.
const TODO: &str = r#"
permit (principal is app::Subject, action, resource) when {
  ["can_read_user", "can_read_todos"].contains(context.action)
};
permit (principal is app::Subject, action, resource) when {
  ["can_create_todo", "can_update_todo", "can_delete_todo"].contains(context.action) &&
  principal.hasTag("roles") && principal.getTag("roles").contains("admin")
};
permit (principal is app::Subject, action, resource) when {
  context.action == "can_create_todo" && principal.hasTag("roles") && principal.getTag("roles").contains("editor")
};
permit (principal is app::Subject, action, resource is app::Resource) when {
  ["can_update_todo", "can_delete_todo"].contains(context.action) &&
  principal.hasTag("roles") && principal.getTag("roles").contains("editor") &&
  principal.hasTag("email") && resource.hasTag("ownerID") &&
  resource.getTag("ownerID").containsAny(principal.getTag("email"))
};
"#;

#[test]
fn the_todo_scenario_of_the_working_group() {
    let Some(cases) = scenario("todo-1_0-02") else {
        return;
    };
    let person = |letter: char, email: &str, role: &str| {
        let id = format!("CiRmZD{letter}2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs");
        json!({"type": "user", "id": id, "properties": {"email": email, "roles": [role]}})
    };
    let entities = json!({"subjects": [
        person('A', "rick@the-citadel.com", "admin"),
        person('E', "morty@the-citadel.com", "editor"),
        person('I', "summer@the-smiths.com", "editor"),
        person('M', "beth@the-smiths.com", "viewer"),
        person('Q', "jerry@the-smiths.com", "viewer"),
    ]});
    let (home, program) = home(&entities, TODO);
    let shop = Client::new(&home, &program, Some("shop"));
    for case in cases["evaluation"].as_array().unwrap() {
        let answer = shop.post(EVALUATION, &case["request"]);
        assert_eq!(answer.body["decision"], case["expected"], "{case}");
    }
    for case in cases["evaluations"].as_array().unwrap() {
        let answer = shop.post(EVALUATIONS, &case["request"]);
        let found = answer.body["evaluations"].as_array().unwrap().iter();
        let found: Vec<Value> = found
            .map(|item| json!({"decision": item["decision"]}))
            .collect();
        assert_eq!(json!(found), case["expected"], "{case}");
    }
}

/// Three views of one relation: who may do what is taken from the search for actions, and the searches for subjects
/// and for resources have to say the same.
#[test]
fn the_search_scenarios_of_the_working_group_agree() {
    let names = ["search-action", "search-subject", "search-resource", "idp"];
    let found: Vec<Value> = names.into_iter().filter_map(scenario).collect();
    let [actions, subjects, resources, idp] = found.as_slice() else {
        return;
    };
    let (mut people, mut things) = (
        std::collections::BTreeSet::new(),
        std::collections::BTreeMap::new(),
    );
    for case in actions["evaluation"].as_array().unwrap() {
        let person = case["request"]["subject"]["id"].as_str().unwrap();
        people.insert(person.to_owned());
        let thing = case["request"]["resource"]["id"].as_str().unwrap();
        let may: &mut serde_json::Map<String, Value> = things.entry(thing.to_owned()).or_default();
        for action in case["expected"]["results"].as_array().unwrap() {
            let list = may
                .entry(action["name"].as_str().unwrap())
                .or_insert(json!([]));
            list.as_array_mut().unwrap().push(json!(person));
        }
    }
    let subject = |id: &String| json!({"type": "user", "id": id});
    let resource = |(id, may): (&String, &serde_json::Map<String, Value>)| json!({"type": "record", "id": id, "properties": may});
    let entities = json!({
        "subjects": people.iter().map(subject).collect::<Vec<_>>(),
        "resources": things.iter().map(resource).collect::<Vec<_>>(),
        "actions": ["view", "edit", "delete"],
    });
    let policy = "permit (principal is app::Subject, action, resource is app::Resource) when {
        resource.hasTag(context.action) && resource.getTag(context.action).contains(principal.id)
    };";
    let (home, program) = home(&entities, policy);
    let shop = Client::new(&home, &program, Some("shop"));
    let check = |what: &str, cases: &Value| {
        for case in cases.as_array().unwrap() {
            let sorted = |list: &Value| {
                let mut list: Vec<String> = list
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(Value::to_string)
                    .collect();
                list.sort_unstable();
                list
            };
            let found = search(&shop, what, &case["request"]);
            assert_eq!(
                sorted(&found["results"]),
                sorted(&case["expected"]["results"]),
                "{case}"
            );
        }
    };
    check("action", &actions["evaluation"]);
    check("subject", &subjects["evaluation"]);
    check("resource", &resources["evaluation"]);
    check("resource", &idp["search"]);
}
