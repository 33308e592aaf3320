//! Every field that a running server's OpenAPI documents know passes decoding without a complaint.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use bailiwick_core::Kind;
use bailiwick_model::{Interner, decode};
use bailiwick_testkit::servers::Cluster;
use serde_json::{Map, Value, json};

/// A value with every field that the schema has, down to `depth` levels.
fn filled(schemas: &Value, schema: &Value, depth: usize) -> Value {
    if depth == 0 {
        return Value::Null;
    }
    let reference = schema["$ref"]
        .as_str()
        .or(schema["allOf"][0]["$ref"].as_str());
    if let Some(reference) = reference {
        let name = reference.rsplit('/').next().unwrap();
        return filled(schemas, &schemas[name], depth);
    }
    match schema["type"].as_str() {
        Some("object") => {
            let properties = schema["properties"]
                .as_object()
                .cloned()
                .unwrap_or_default();
            let mut map: Map<String, Value> = properties
                .iter()
                .map(|(key, schema)| (key.clone(), filled(schemas, schema, depth - 1)))
                .collect();
            if schema["additionalProperties"].is_object() {
                let value = filled(schemas, &schema["additionalProperties"], depth - 1);
                map.insert("a".to_owned(), value);
            }
            Value::Object(map)
        }
        Some("array") => json!([filled(schemas, &schema["items"], depth - 1)]),
        Some("boolean") => json!(true),
        Some("integer" | "number") => json!(700),
        Some("string") if schema["format"] == "date-time" => json!("2026-01-31T12:00:00Z"),
        Some("string") => json!("a"),
        _ => Value::Null,
    }
}

#[test]
fn every_field_of_the_api_passes() {
    let cluster = Cluster::shared().unwrap();
    for kind in Kind::ALL.into_iter().filter(|kind| !kind.is_custom()) {
        let path = match kind.group() {
            "" => "api/v1".to_owned(),
            group => format!("apis/{group}/v1"),
        };
        let reply = cluster.admin().get(&format!("/openapi/v3/{path}")).unwrap();
        let document = reply.json().unwrap();
        let schemas = &document["components"]["schemas"];
        let wanted = json!([{"group": kind.group(), "kind": kind.as_str(), "version": "v1"}]);
        let (_, schema) = schemas
            .as_object()
            .unwrap()
            .iter()
            .find(|(_, schema)| schema["x-kubernetes-group-version-kind"] == wanted)
            .unwrap();
        let mut object = filled(schemas, schema, 14);
        object["kind"] = json!(kind.as_str());
        object["apiVersion"] = match kind.group() {
            "" => json!("v1"),
            group => json!(format!("{group}/v1")),
        };
        let decoded = decode(
            serde_json::from_value(object.clone()).unwrap(),
            &mut Interner::default(),
        );
        let complaints: Vec<_> = decoded
            .issues
            .iter()
            .filter(|issue| matches!(issue.id, "unknown-field" | "wrong-type"))
            .collect();
        assert!(complaints.is_empty(), "{kind}: {complaints:#?}");
        let fields = object.as_object().unwrap().len();
        assert!(fields > 2, "{kind} has only {fields} fields: {object}");
    }
}
