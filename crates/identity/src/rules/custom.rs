//! Rules as custom resources.

use bailiwick_model::{CustomContent, CustomKind};
use serde_json::{Value, json};

use super::decode::{KIND, MAX_LIST, NAMESPACE_KIND};
use super::{MAX_HINT_BYTES, RuleName};
use crate::KeyType;

const GROUP: &str = "bailiwick.dev";
const VERSION: &str = "v1alpha1";

/// The kinds of rules as the Kubernetes API serves them: those of the cluster, and those of one namespace.
pub const RULE_KINDS: [CustomKind; 2] = [
    CustomKind {
        group: GROUP,
        version: VERSION,
        kind: KIND,
        plural: "workloadidentities",
        namespaced: false,
    },
    CustomKind {
        group: GROUP,
        version: VERSION,
        kind: NAMESPACE_KIND,
        plural: "namespaceworkloadidentities",
        namespaced: true,
    },
];

/// Their CustomResourceDefinitions, as the API server takes them.
pub fn definitions() -> Vec<Value> {
    let definition = |kind: CustomKind| {
        kind.definition(&CustomContent {
            about: if kind.namespaced {
                "Gives pods of its namespace identities below /ns/<namespace>/."
            } else {
                "Gives identities to the workloads that it selects."
            },
            columns: &[
                ("Gives", ".spec.id"),
                ("Hint", ".spec.hint"),
                ("Pods", ".status.pods"),
            ],
            spec: spec(),
            in_force: json!({"pods": {
                "type": "integer", "format": "int64", "minimum": 0,
                "description": "How many pods it gives an identity.",
            }}),
        })
    };
    RULE_KINDS.into_iter().map(definition).collect()
}

impl RuleName {
    /// The name of the rule that a custom resource is; an empty namespace is the whole cluster.
    pub fn of_object(namespace: &str, name: &str) -> Self {
        Self {
            namespace: (!namespace.is_empty()).then(|| namespace.into()),
            name: name.into(),
        }
    }
}

/// The form of `spec`. What a field may hold beyond that is judged when a rule is read.
fn spec() -> Value {
    let text = || json!({"type": "string"});
    let texts = || json!({"type": "array", "maxItems": MAX_LIST, "items": text()});
    let ids = json!({
        "type": "array", "maxItems": MAX_LIST,
        "items": {"type": "integer", "format": "int64", "minimum": 0, "maximum": u32::MAX},
    });
    let unix = json!({"uids": ids, "gids": ids, "paths": texts()});
    let selector = json!({
        "pods": labels(), "namespaces": texts(), "namespaceLabels": labels(), "serviceAccounts": texts(),
        "images": texts(), "nodes": texts(), "nodeLabels": labels(), "unix": mapping(&unix, &[]),
    });
    let spec = json!({
        "selector": mapping(&selector, &[]),
        "id": {"type": "string", "pattern": "^/"},
        "dnsNames": texts(),
        "lifetime": text(),
        "jwtLifetime": text(),
        "hint": {"type": "string", "maxLength": MAX_HINT_BYTES},
        "claims": {"type": "object", "additionalProperties": text()},
        "keyType": {"type": "string", "enum": KeyType::ALL.map(KeyType::as_str)},
        "federatesWith": texts(),
        "priority": {"type": "integer", "format": "int64"},
        "fallback": {"type": "boolean"},
    });
    mapping(&spec, &["selector", "id"])
}

fn labels() -> Value {
    let texts = json!({"type": "array", "items": {"type": "string"}});
    let expression =
        json!({"key": {"type": "string"}, "operator": {"type": "string"}, "values": texts});
    let selector = json!({
        "matchLabels": {"type": "object", "additionalProperties": {"type": "string"}},
        "matchExpressions": {
            "type": "array", "maxItems": MAX_LIST, "items": mapping(&expression, &["key", "operator"]),
        },
    });
    mapping(&selector, &[])
}

/// A mapping with these fields. Others are kept: an API server that drops a misspelt part of a selector would have the
/// rule select more, where we refuse it.
fn mapping(properties: &Value, required: &[&str]) -> Value {
    let mut schema = json!({
        "type": "object", "properties": properties, "x-kubernetes-preserve-unknown-fields": true,
    });
    if let Some(fields) = schema.as_object_mut().filter(|_| !required.is_empty()) {
        fields.insert("required".to_owned(), json!(required));
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::super::decode;
    use super::*;

    /// Puts a field that nobody knows into the mapping at this place, and compares what the decoder then says to know
    /// with what the schema says.
    fn check(place: &[&str]) {
        let mut schema = &spec();
        let mut document = json!({
            "apiVersion": super::super::API_VERSION, "kind": KIND, "metadata": {"name": "r"},
            "spec": {"id": "/a", "selector": {"pods": {}}},
        });
        let mut inner = &mut document["spec"];
        for part in place {
            schema = &schema["properties"][part];
            inner = &mut inner[part];
            if schema["type"] == "array" {
                schema = &schema["items"];
                *inner = json!([{}]);
                inner = &mut inner[0];
            }
        }
        inner["nobody"] = json!(1);
        let document: bailiwick_model::Value = serde_json::from_value(document).unwrap();
        let error = decode(&document).unwrap_err().to_string();
        let (_, known) = error
            .split_once("no field `nobody`: there are ")
            .unwrap_or_else(|| panic!("{place:?}: {error}"));
        let mut known: Vec<&str> = known.split(", ").collect();
        known.sort_unstable();
        let mut said: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        said.sort_unstable();
        assert_eq!(said, known, "{place:?}");
    }

    #[test]
    fn the_schema_knows_the_fields_of_the_decoder() {
        check(&[]);
        check(&["selector"]);
        check(&["selector", "pods"]);
        check(&["selector", "pods", "matchExpressions"]);
        check(&["selector", "namespaceLabels"]);
        check(&["selector", "nodeLabels"]);
        check(&["selector", "unix"]);
    }

    #[test]
    fn the_version_is_that_of_the_documents() {
        assert_eq!(format!("{GROUP}/{VERSION}"), super::super::API_VERSION);
    }
}
