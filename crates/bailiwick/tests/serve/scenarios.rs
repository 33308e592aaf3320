//! The scenarios of the working group's interoperability events.

use serde_json::{Value, json};

use crate::client::{Client, EVALUATION, EVALUATIONS, home, search};

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

/// The same application behind a gateway, which asks about methods and routes.
const ROUTES: &str = r#"
permit (principal is app::Subject, action, resource is app::Resource) when { context.action == "GET" };
permit (principal is app::Subject, action, resource is app::Resource) when {
  principal.hasTag("roles") && principal.getTag("roles").containsAny(["admin", "editor"]) && resource.id like "/todos*"
};
"#;

#[test]
fn the_gateway_scenario_of_the_working_group() {
    let Some(cases) = scenario("api-gateways") else {
        return;
    };
    let person = |number: usize, role: &str| {
        let id = format!(
            "CiRmZD{}2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs",
            ["A", "E", "I", "M", "Q"][number]
        );
        json!({"type": "identity", "id": id, "properties": {"roles": [role]}})
    };
    let roles = ["admin", "editor", "editor", "viewer", "viewer"];
    let people: Vec<Value> = roles
        .iter()
        .enumerate()
        .map(|(number, role)| person(number, role))
        .collect();
    let (home, program) = home(&json!({"subjects": people}), ROUTES);
    let shop = Client::new(&home, &program, Some("shop"));
    for case in cases["evaluation"].as_array().unwrap() {
        let answer = shop.post(EVALUATION, &case["request"]);
        assert_eq!(answer.body["decision"], case["expected"], "{case}");
    }
}
