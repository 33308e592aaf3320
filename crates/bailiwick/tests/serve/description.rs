//! The description of the doors, and decisions explained.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::client::{Client, EVALUATION, REVIEW, review};
use crate::program::{Home, Program};
use crate::token;

const DESCRIPTION: &str = "/openapi.json";

/// Everything is open to `CN=all`, for the application `shop`; `CN=other` explains what is of another one.
fn start() -> (Home, Program) {
    let home = Home::new(&["all", "other", "cluster", "stranger"]);
    home.write(
        "manifests.yaml",
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}",
    );
    let entities = json!({"applications": {"shop": {
        "subjects": [{"type": "user", "id": "alice"}, {"type": "user", "id": "bob"}],
        "resources": [{"type": "record", "id": "record-1"}],
        "actions": ["read", "write"],
    }}});
    home.write("entities.yaml", &entities.to_string());
    let policy = "permit (principal is app::Subject, action, resource is app::Resource) when { [\"read\", \"GET\"].contains(context.action) };";
    home.write("policy.cedar", policy);
    home.configure("127.0.0.1:0", "accessReview: {mode: explain}\nauthzen: {base: 'https://pdp.example.org', entities: entities.yaml}\n\
         extAuthz: {jwt: {header: x-claims}}\npolicies: [policy.cedar]\n");
    let config = std::fs::read_to_string(home.path("serve.yaml")).unwrap();
    let callers = "callers:\n\
        - {name: all, certificate: CN=all, doors: [accessReview, evaluation, search, extAuthz, explain], application: shop}\n\
        - {name: other, certificate: CN=other, doors: [explain], application: bank}\n\
        - {name: cluster, certificate: CN=cluster, doors: [explain], application: kubernetes}\n";
    home.write("serve.yaml", &config.replace("callers:\n", callers));
    let program = home.serve();
    (home, program)
}

/// Whether a value is as a schema says, as far as the schemas of the description go; gives the first place that is not.
fn fits(schemas: &Value, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/components/schemas/").unwrap();
        return fits(schemas, &schemas[name], value, place);
    }
    for key in schema.as_object().unwrap().keys() {
        let known = [
            "type",
            "required",
            "properties",
            "additionalProperties",
            "items",
            "enum",
            "description",
            "examples",
        ];
        assert!(
            known.contains(&key.as_str()),
            "{place}: `{key}` is not checked here"
        );
    }
    let wrong = |what: &str| Err(format!("{place}: {what}: {value}"));
    if let Some(values) = schema["enum"].as_array() {
        return if values.contains(value) {
            Ok(())
        } else {
            wrong("none of the values")
        };
    }
    let fine = match schema["type"].as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64(),
        other => panic!("{place}: the type `{other}` is not checked here"),
    };
    if !fine {
        return wrong("another type");
    }
    for key in schema["required"].as_array().into_iter().flatten() {
        if value.get(key.as_str().unwrap()).is_none() {
            return wrong(&format!("{key} is missing"));
        }
    }
    for (key, field) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(key) {
            Some(schema) => fits(schemas, schema, field, &format!("{place}.{key}"))?,
            None if schema["additionalProperties"] == false => {
                return wrong(&format!("`{key}` is not described"));
            }
            None => {}
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        fits(
            schemas,
            &schema["items"],
            item,
            &format!("{place}[{index}]"),
        )?;
    }
    Ok(())
}

#[test]
fn what_is_described_is_answered_and_what_is_answered_is_described() {
    let (home, program) = start();
    let all = Client::new(&home, &program, Some("all"));
    let described = all.send("GET", DESCRIPTION, &[], "").body;
    let schemas = &described["components"]["schemas"];
    for (name, schema) in schemas.as_object().unwrap() {
        for example in schema["examples"].as_array().into_iter().flatten() {
            fits(schemas, schema, example, name).unwrap();
            assert!(
                fits(schemas, schema, &json!(7), name).is_err(),
                "{name} is checked"
            );
        }
    }
    let decided = all.post(EVALUATION, &schemas["Question"]["examples"][0]);
    let id = decided.body["context"]["id"].as_str().unwrap().to_owned();
    let claims = token::encoded(&json!({"sub": "alice"}));
    let headers = [
        ("content-type", "application/json"),
        ("x-claims", claims.as_str()),
    ];
    let mut seen = BTreeMap::new();
    for (path, operations) in described["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let method = method.to_uppercase();
            let target = path.replace("{id}", &id).replace("{path}", "records/7");
            let asks = operation
                .pointer("/requestBody/content/application~1json/schema/$ref")
                .and_then(Value::as_str);
            let bodies = match asks.and_then(|name| name.rsplit('/').next()) {
                None => vec![String::new()],
                Some(name) => {
                    let examples = schemas[name]["examples"].as_array().unwrap();
                    examples.iter().map(Value::to_string).collect()
                }
            };
            for body in bodies {
                let answer = all.send(&method, &target, &headers, &body);
                let documented = operation["responses"].get(answer.status.to_string());
                assert!(
                    documented.is_some(),
                    "{method} {target}: {} {}",
                    answer.status,
                    answer.body
                );
                let closed = path.starts_with("/ext_authz/") && method != "GET";
                assert_eq!(
                    answer.status,
                    if closed { 403 } else { 200 },
                    "{method} {target}: {}",
                    answer.body
                );
                let schema = operation.pointer("/responses/200/content/application~1json/schema");
                if let Some(schema) = schema.filter(|_| !closed) {
                    fits(schemas, schema, &answer.body, &format!("{method} {target}")).unwrap();
                }
                *seen.entry(path.clone()).or_insert(0) += 1;
            }
        }
        // Another method than those that are described is refused.
        let other = if operations.get("get").is_some() {
            "POST"
        } else {
            "GET"
        };
        if operations.as_object().unwrap().len() == 1 {
            let target = path.replace("{id}", &id);
            assert_eq!(
                all.send(other, &target, &headers, "").status,
                405,
                "{other} {path}"
            );
        }
    }
    assert_eq!(seen.len(), 10, "{seen:?}");
    for path in [
        "/",
        "/openapi",
        "/openapi.json/",
        "/explain/v1",
        "/explain",
        "/access/v1/search",
        "/access/v1",
        "/ext_authz",
        "/ext_authzen/x",
        "/metrics",
        "/healthz",
    ] {
        assert_eq!(all.send("GET", path, &headers, "").status, 404, "{path}");
    }
    assert_eq!(
        Client::new(&home, &program, Some("stranger"))
            .send("GET", DESCRIPTION, &[], "")
            .status,
        403
    );
}

#[test]
fn doors_that_are_closed_are_not_described() {
    let home = Home::new(&["asker"]);
    home.write(
        "manifests.yaml",
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}",
    );
    home.configure(
        "127.0.0.1:0",
        "authzen: {base: 'https://pdp.example.org'}\n",
    );
    let program = home.serve();
    let asker = Client::new(&home, &program, Some("asker"));
    let paths = asker.send("GET", DESCRIPTION, &[], "").body["paths"].clone();
    assert!(
        paths.get(EVALUATION).is_some()
            && paths.get(REVIEW).is_none()
            && paths.get("/ext_authz/{path}").is_none()
    );
}

#[test]
fn a_decision_is_explained_to_its_application_alone() {
    let (home, program) = start();
    let client = |name| Client::new(&home, &program, Some(name));
    let (all, other, cluster) = (client("all"), client("other"), client("cluster"));
    let question = json!({
        "subject": {"type": "user", "id": "alice", "properties": {"email": "alice@example.org"}},
        "action": {"name": "write"}, "resource": {"type": "record", "id": "record-1"},
    });
    let of_shop = all.post(EVALUATION, &question).body["context"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = json!({"user": "anna", "nonResourceAttributes": {"path": "/x", "verb": "get"}});
    let reason = all.post(REVIEW, &review(&path)).body["status"]["reason"]
        .as_str()
        .unwrap()
        .to_owned();
    let of_cluster = reason
        .rsplit(' ')
        .next()
        .unwrap()
        .trim_end_matches(')')
        .to_owned();
    let explain =
        |client: &Client, id: &str| client.send("GET", &format!("/explain/v1/{id}"), &[], "");
    let explained = explain(&all, &of_shop);
    assert_eq!(explained.status, 200, "{}", explained.body);
    assert_eq!(
        (&explained.body["says"], &explained.body["id"]),
        (&json!("nothing allows it"), &json!(of_shop))
    );
    assert_eq!(
        (&explained.body["effect"], &explained.body["answered"]),
        (&json!("noOpinion"), &json!("deny"))
    );
    assert!(
        !explained.body.to_string().contains("example.org"),
        "no properties in the log"
    );
    assert_eq!(
        explain(&cluster, &of_cluster).body["input"]["of"],
        "kubernetes"
    );
    for (client, id) in [
        (&other, &of_shop),
        (&other, &of_cluster),
        (&all, &of_cluster),
        (&cluster, &of_shop),
    ] {
        let refused = explain(client, id);
        assert_eq!(refused.status, 404, "{}", refused.body);
    }
    assert_eq!(
        explain(&all, "00c5f2a19d03e8b7-1f").status,
        404,
        "no such decision"
    );
    for id in ["", "x", "..", "00c5f2a19d03e8b7-1F", &format!("{of_shop}/")] {
        assert_eq!(explain(&all, id).status, 400, "{id}");
    }
}
