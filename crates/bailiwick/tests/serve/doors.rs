//! Who may come in, and what is said at the doors.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::ExtendedKeyUsagePurpose;
use serde_json::{Value, json};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsProvider};

use crate::program::{Home, Program, verify};

/// An answer: status, headers, and the body as JSON or as text.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
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
        self.try_send(method, path, headers, body).unwrap()
    }

    /// Says where the connection ends instead of an answer.
    pub(crate) fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, ureq::Error> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = self.agent.run(request.body(body.to_owned()).unwrap())?;
        let text = response.body_mut().read_to_string()?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        })
    }

    /// A message of gRPC and its answer. HTTP/1 does: what counts comes before the trailers.
    pub(crate) fn grpc(&self, path: &str, message: &[u8]) -> Vec<u8> {
        let request = self
            .agent
            .post(format!("{}{path}", self.base))
            .content_type("application/grpc");
        let mut response = request.send(message).unwrap();
        assert_eq!(
            (
                response.status().as_u16(),
                response.headers().get("grpc-status")
            ),
            (200, None)
        );
        response.body_mut().read_to_vec().unwrap()
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

pub(crate) fn home(entities: &Value, policy: &str) -> (Home, Program) {
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

pub(crate) const REVIEW: &str = "/kubernetes/authorize";
pub(crate) const EVALUATION: &str = "/access/v1/evaluation";
pub(crate) const EVALUATIONS: &str = "/access/v1/evaluations";

pub(crate) fn review(spec: &Value) -> Value {
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

pub(crate) fn question(subject: &str, action: &str, resource: &str) -> Value {
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

pub(crate) fn search(client: &Client, what: &str, question: &Value) -> Value {
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

/// Two worlds: roles alone, and a policy that narrows them.
#[test]
fn searches_over_the_cluster() {
    let home = Home::new(&["api", "asker"]);
    let role = |kind: &str, name: &str, rules: &str| {
        format!(
            "---\n{{apiVersion: rbac.authorization.k8s.io/v1, kind: {kind}, metadata: {{name: {name}{}}}, rules: [{rules}]}}\n",
            if kind == "Role" {
                ", namespace: shop"
            } else {
                ""
            }
        )
    };
    let binding = |kind: &str, of: &str, name: &str, subjects: &str| {
        format!(
            "---\n{{apiVersion: rbac.authorization.k8s.io/v1, kind: {kind}, metadata: {{name: {name}{}}}, \
                 roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {of}, name: {name}}}, subjects: [{subjects}]}}\n",
            if kind == "RoleBinding" {
                ", namespace: shop"
            } else {
                ""
            }
        )
    };
    let manifests = [
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\n{apiVersion: v1, kind: Namespace, metadata: {name: bank}}\n".to_owned(),
        role("ClusterRole", "reader", "{apiGroups: [''], resources: [pods], verbs: [get, list]}"),
        binding("ClusterRoleBinding", "ClusterRole", "reader", "{kind: Group, name: dev}, {kind: User, name: anna}, {kind: User, name: eve}"),
        role("Role", "keeper", "{apiGroups: [''], resources: [secrets], resourceNames: [key], verbs: [get]}"),
        binding("RoleBinding", "Role", "keeper", "{kind: User, name: anna}, {kind: ServiceAccount, name: web}"),
        role("ClusterRole", "probe", "{nonResourceURLs: [/metrics, /logs/*], verbs: [get]}"),
        binding("ClusterRoleBinding", "ClusterRole", "probe", "{kind: User, name: anna}"),
    ];
    home.write("manifests.yaml", &manifests.concat());
    home.revoke(Some(("eve", "left")));
    let doors = "authzen: {base: 'https://pdp.example.org'}\npolicies: [revocations.yaml]\n";
    home.configure("127.0.0.1:0", doors);
    let text = std::fs::read_to_string(home.path("serve.yaml")).unwrap();
    home.write(
        "serve.yaml",
        &text.replace(
            "doors: [evaluation], application: kubernetes",
            "doors: [evaluation, search], application: kubernetes",
        ),
    );
    let program = home.serve();
    let asker = Client::new(&home, &program, Some("asker"));
    let check = |what: &str, question: &Value, expected: &Value| {
        let found = search(&asker, what, question);
        assert_eq!(&found["results"], expected, "{what} {question}");
        assert_eq!(found["context"]["complete"], true);
        // Whatever is found is allowed when it is asked for by itself.
        for result in expected.as_array().unwrap() {
            let mut one = question.clone();
            match what {
                "action" => one["action"] = result.clone(),
                what => {
                    one[what]["id"] = result["id"].clone();
                    if let Some(namespace) = result.pointer("/properties/namespace") {
                        one[what]["properties"]["namespace"] = namespace.clone();
                    }
                }
            }
            assert_eq!(asker.post(EVALUATION, &one).body["decision"], true, "{one}");
        }
    };
    let who = |kind: &str, verb: &str, resource: &Value| json!({"subject": {"type": kind}, "action": {"name": verb}, "resource": resource});
    let pods = json!({"type": "pods", "id": "web", "properties": {"namespace": "bank"}});
    let key = json!({"type": "secrets", "id": "key", "properties": {"namespace": "shop"}});
    check(
        "subject",
        &who("user", "get", &pods),
        &json!([{"type": "user", "id": "anna"}]),
    );
    check(
        "subject",
        &who("group", "list", &pods),
        &json!([{"type": "group", "id": "dev"}]),
    );
    check(
        "subject",
        &who("serviceaccount", "get", &key),
        &json!([{"type": "serviceaccount", "id": "shop/web"}]),
    );
    check("subject", &who("user", "delete", &pods), &json!([]));
    check("subject", &who("spaceship", "get", &pods), &json!([]));
    let anna = json!({"type": "user", "id": "anna"});
    let what = |subject: &Value, verb: &str, kind: &str| json!({"subject": subject, "action": {"name": verb}, "resource": {"type": kind}});
    let named = |namespace: &str, id: &str| json!({"type": "secrets", "id": id, "properties": {"namespace": namespace}});
    check(
        "resource",
        &what(&anna, "get", "secrets"),
        &json!([named("shop", "key")]),
    );
    // The empty name is every name: everywhere, and in each namespace.
    let found = search(&asker, "resource", &what(&anna, "get", "pods"))["results"].clone();
    let places: Vec<&Value> = found
        .as_array()
        .unwrap()
        .iter()
        .filter(|found| found["id"] == "")
        .collect();
    assert_eq!(places.len(), 3, "{found}");
    check(
        "resource",
        &what(&anna, "get", "path"),
        &json!([{"type": "path", "id": "/metrics"}]),
    );
    check(
        "resource",
        &what(&json!({"type": "user", "id": "eve"}), "get", "pods"),
        &json!([]),
    );
    let how = |subject: &Value, resource: &Value| json!({"subject": subject, "resource": resource});
    check(
        "action",
        &how(&anna, &pods),
        &json!([{"name": "get"}, {"name": "list"}]),
    );
    check(
        "action",
        &how(&anna, &json!({"type": "path", "id": "/logs/kubelet"})),
        &json!([{"name": "get"}]),
    );
    check(
        "action",
        &how(&json!({"type": "serviceaccount", "id": "shop/web"}), &key),
        &json!([{"name": "get"}]),
    );
    check(
        "action",
        &how(&json!({"type": "group", "id": "nobody"}), &pods),
        &json!([]),
    );
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
