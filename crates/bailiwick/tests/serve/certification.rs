//! The certification scenario of AuthZEN 1.0: one test a sub-level, each case under the name of its section. Cases are
//! written anew from the scenario's text (`certification/authorization-api-1_0-scenario.md` of openid/authzen).

mod search;

use serde_json::{Value, json};

use crate::client::{Client, EVALUATION, EVALUATIONS, entities, home};
use crate::program::{Home, Program};

const SUBJECTS: &str = "/access/v1/search/subject";
const RESOURCES: &str = "/access/v1/search/resource";
const ACTIONS: &str = "/access/v1/search/action";
const METADATA: &str = "/.well-known/authzen-configuration";

/// The rules of section c-1-4.
const FIXTURE: &str = r#"
permit (principal is app::Subject, action, resource is app::Resource) when {
  context.action == "read" && ["alice", "bob"].contains(principal.id)
};
permit (principal is app::Subject, action, resource is app::Resource) when {
  context.action == "write" && principal.id == "alice" && resource.hasTag("status") && resource.getTag("status").contains("active")
};
permit (principal is app::Subject, action, resource is app::Resource) when {
  context.action == "write" && principal.hasTag("role") && principal.getTag("role").contains("admin") &&
  resource.hasTag("status") && resource.getTag("status").contains("archived")
};
permit (principal is app::Subject, action, resource is app::Resource) when {
  context.action == "delete" && principal.id == "alice" &&
  context.properties.hasTag("soft") && context.properties.getTag("soft").contains("true")
};
"#;

/// A decision point with the fixture, and its harness.
struct Harness {
    client: Client,
    _program: Program,
    _home: Home,
}

impl Harness {
    fn new() -> Self {
        let (home, program) = home(&entities(), FIXTURE);
        let client = Client::new(&home, &program, Some("shop"));
        Self {
            client,
            _program: program,
            _home: home,
        }
    }

    /// The body of an answer with status 200 and the right type.
    fn ask(&self, section: &str, path: &str, body: &Value) -> Value {
        let answer = self.client.post(path, body);
        assert_eq!(answer.status, 200, "{section}: {}", answer.body);
        assert_eq!(
            answer.headers["content-type"], "application/json",
            "{section}"
        );
        answer.body
    }

    fn decides(&self, section: &str, body: &Value, expected: bool) {
        let answer = self.ask(section, EVALUATION, body);
        assert_eq!(answer["decision"], expected, "{section}");
        assert!(
            answer.get("context").is_none_or(Value::is_object),
            "{section}"
        );
    }

    fn batch(&self, section: &str, body: &Value, expected: &[Option<bool>]) {
        let answer = self.ask(section, EVALUATIONS, body);
        let found: Vec<bool> = answer["evaluations"]
            .as_array()
            .unwrap_or_else(|| panic!("{section}: {answer}"))
            .iter()
            .map(|item| item["decision"].as_bool().unwrap())
            .collect();
        assert_eq!(found.len(), expected.len(), "{section}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                expected.is_none_or(|expected| *found == expected),
                "{section}: {answer}"
            );
        }
        assert!(answer.get("decision").is_none(), "{section}");
    }

    /// What a search finds, of which `least` has to be a part.
    fn finds(&self, section: &str, path: &str, body: &Value, least: &[Value]) -> Vec<Value> {
        let answer = self.ask(section, path, body);
        let found = answer["results"]
            .as_array()
            .unwrap_or_else(|| panic!("{section}: {answer}"))
            .clone();
        for expected in least {
            assert!(
                found.contains(expected),
                "{section}: {expected} is missing in {answer}"
            );
        }
        found
    }

    fn refuses(&self, section: &str, path: &str, body: &Value) {
        let answer = self.client.post(path, body);
        assert_eq!(answer.status, 400, "{section} {body}: {}", answer.body);
    }
}

fn alice() -> Value {
    json!({"type": "user", "id": "alice"})
}

fn bob() -> Value {
    json!({"type": "user", "id": "bob"})
}

fn admin() -> Value {
    json!({"type": "user", "id": "bob", "properties": {"role": "admin"}})
}

fn record(number: u8) -> Value {
    json!({"type": "record", "id": format!("record-{number}")})
}

fn stated(number: u8, status: &str) -> Value {
    json!({"type": "record", "id": format!("record-{number}"), "properties": {"status": status}})
}

fn asked(subject: Value, action: &str, resource: Value) -> Value {
    let action = with(json!({}), "name", action.into());
    with(
        with(with(json!({}), "subject", subject), "action", action),
        "resource",
        resource,
    )
}

fn with(mut body: Value, key: &str, value: Value) -> Value {
    body[key] = value;
    body
}

fn without(mut body: Value, pointer: &str, key: &str) -> Value {
    body.pointer_mut(pointer)
        .unwrap()
        .as_object_mut()
        .unwrap()
        .remove(key);
    body
}

fn times() -> Value {
    json!({"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"})
}

#[test]
fn basic_core_c_2() {
    let harness = Harness::new();
    let fine = || asked(alice(), "read", record(1));
    harness.decides("c-2-2-1", &fine(), true);
    harness.decides("c-1-4 rule 2", &asked(alice(), "write", record(1)), true);
    harness.decides("c-1-4 rule 3", &asked(bob(), "read", record(1)), true);
    harness.decides("c-2-2-2", &asked(bob(), "write", record(1)), false);
    harness.decides("c-2-2-3", &with(fine(), "context", times()), true);
    let more = json!({"department": "Sales", "role": "manager"});
    let mut richer = with(
        fine(),
        "action",
        json!({"name": "read", "properties": {"method": "GET"}}),
    );
    richer["subject"]["properties"] = more;
    richer["resource"]["properties"] = json!({"owner": "alice", "tags": [1, null, {"deep": true}]});
    harness.decides("c-2-2-8", &richer, true);
    let unknown = with(
        with(fine(), "foo", json!("bar")),
        "futureField",
        json!({"nested": true}),
    );
    harness.decides("c-2-2-9", &unknown, true);
    for key in ["subject", "action", "resource"] {
        harness.refuses("c-2-4-1", EVALUATION, &without(fine(), "", key));
    }
    for (entity, key) in [
        ("subject", "type"),
        ("subject", "id"),
        ("action", "name"),
        ("resource", "type"),
        ("resource", "id"),
    ] {
        harness.refuses(
            "c-2-4-2",
            EVALUATION,
            &without(fine(), &format!("/{entity}"), key),
        );
    }
    let raw = |kind: &str, body: &str| {
        harness
            .client
            .send("POST", EVALUATION, &[("content-type", kind)], body)
            .status
    };
    assert_eq!(raw("text/plain", &fine().to_string()), 400, "c-2-4-3");
    assert_eq!(raw("application/json", "{ \"subject\": "), 400, "c-2-4-4");
    assert_eq!(raw("application/json", ""), 400, "c-2-4-5");
    harness.refuses(
        "c-2-4-6",
        EVALUATION,
        &with(fine(), "subject", json!("alice")),
    );
    harness.refuses(
        "c-2-4-6",
        EVALUATION,
        &with(fine(), "action", json!({"name": 123})),
    );
    let named = [
        ("content-type", "application/json"),
        ("x-request-id", "6b0e-7"),
    ];
    let echoed = harness
        .client
        .send("POST", EVALUATION, &named, &fine().to_string());
    assert_eq!(echoed.headers["x-request-id"], "6b0e-7", "c-2-5-1");
    for _ in 0..5 {
        harness.decides("c-2-5-2, c-2-6", &fine(), true);
    }
}

#[test]
fn basic_properties_c_2_2() {
    let harness = Harness::new();
    harness.decides(
        "c-2-2-4",
        &asked(alice(), "write", stated(2, "archived")),
        false,
    );
    harness.decides(
        "c-2-2-5",
        &asked(admin(), "write", stated(2, "archived")),
        true,
    );
    let delete = |soft: bool| {
        with(
            asked(alice(), "", record(1)),
            "action",
            json!({"name": "delete", "properties": {"soft": soft}}),
        )
    };
    harness.decides("c-2-2-6", &delete(true), true);
    harness.decides("c-2-2-7", &delete(false), false);
}

#[test]
fn batch_core_c_3() {
    let harness = Harness::new();
    let (yes, no) = (Some(true), Some(false));
    let items = |shared: Value, items: Value| with(shared, "evaluations", items);
    let reads = json!({"subject": alice(), "action": {"name": "read"}});
    let two = json!([{"resource": record(1)}, {"resource": record(2)}]);
    harness.batch("c-3-2-1", &items(reads.clone(), two), &[yes, None]);
    let both = json!([{"action": {"name": "read"}}, {"action": {"name": "write"}}]);
    harness.batch(
        "c-3-2-2",
        &items(json!({"subject": bob(), "resource": record(1)}), both),
        &[yes, no],
    );
    let whole = json!([
        asked(alice(), "read", record(1)),
        asked(bob(), "write", record(1))
    ]);
    harness.batch("c-3-2-5", &items(json!({}), whole), &[yes, no]);
    let contexts = json!([
        {"resource": record(1)},
        {"resource": record(2), "context": {"time": "2025-06-27T19:00-07:00", "source": "batch-override"}},
    ]);
    harness.batch(
        "c-3-2-6",
        &with(items(reads.clone(), contexts), "context", times()),
        &[yes, None],
    );
    let twenty: Vec<Value> = (0..20).map(|number| json!({"resource": record(1), "action": {"name": if number % 3 == 0 { "read" } else { "x" }}})).collect();
    let expected: Vec<Option<bool>> = (0..20).map(|number| Some(number % 3 == 0)).collect();
    harness.batch(
        "c-3-3-1, c-3-3-2, c-3-3-3",
        &items(reads.clone(), json!(twenty)),
        &expected,
    );
    let broken = with(
        items(reads, json!([{"resource": record(1)}, {}])),
        "options",
        json!({"evaluations_semantic": "execute_all"}),
    );
    harness.batch("c-3-4-1", &broken, &[yes, no]);
    let single = asked(alice(), "read", record(1));
    assert_eq!(
        harness.ask("c-3-4-2", EVALUATIONS, &single)["decision"],
        true
    );
    assert_eq!(
        harness.ask("c-3-4-3", EVALUATIONS, &items(single, json!([])))["decision"],
        true
    );
}

#[test]
fn batch_properties_c_3_2() {
    let harness = Harness::new();
    let (yes, no) = (Some(true), Some(false));
    let shared = json!({"subject": alice(), "action": {"name": "write"}});
    let stated_both =
        json!([{"resource": stated(1, "active")}, {"resource": stated(2, "archived")}]);
    harness.batch(
        "c-3-2-3",
        &with(shared.clone(), "evaluations", stated_both),
        &[yes, no],
    );
    let archived = json!({"action": {"name": "write"}, "resource": stated(2, "archived")});
    let people = json!([{"subject": alice()}, {"subject": admin()}]);
    harness.batch(
        "c-3-2-4",
        &with(archived, "evaluations", people),
        &[no, yes],
    );
    let inherited = with(shared, "resource", stated(1, "active"));
    let items = json!([{}, {"resource": stated(2, "archived")}]);
    harness.batch(
        "c-3-2-7",
        &with(inherited, "evaluations", items),
        &[yes, no],
    );
}

#[test]
fn discovery_c_6() {
    let harness = Harness::new();
    let answer = harness.client.send("GET", METADATA, &[], "");
    assert_eq!(
        (
            answer.status,
            answer.headers["content-type"].to_str().unwrap()
        ),
        (200, "application/json"),
        "c-6-2"
    );
    let text = |key: &str| {
        answer.body[key]
            .as_str()
            .unwrap_or_else(|| panic!("{key}"))
            .to_owned()
    };
    let base = text("policy_decision_point");
    assert_eq!(base, "https://pdp.example.org", "c-6-3, c-6-5");
    for (key, path) in [
        ("access_evaluation_endpoint", EVALUATION),
        ("access_evaluations_endpoint", EVALUATIONS),
        ("search_subject_endpoint", SUBJECTS),
        ("search_resource_endpoint", RESOURCES),
        ("search_action_endpoint", ACTIONS),
    ] {
        assert_eq!(text(key), format!("{base}{path}"), "c-6-3, c-6-4");
    }
    assert!(
        answer.body.get("capabilities").is_none_or(Value::is_array),
        "c-6-5"
    );
}
