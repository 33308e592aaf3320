//! The documents as custom resources, out of the types that read them.

use bailiwick_model::CustomContent;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::kind::DocumentKind;
use crate::specs::{DelegationSpec, PolicySpec, RelationsSpec, RevocationSpec, SchemaSpec};

/// The CustomResourceDefinition of each kind of document, as the API server takes it.
pub fn definitions() -> Vec<Value> {
    DocumentKind::ALL.map(definition).into()
}

fn definition(kind: DocumentKind) -> Value {
    let (spec, about, columns): (Value, _, &[_]) = match kind {
        DocumentKind::ClusterPolicy => (
            spec_of::<PolicySpec>(),
            "Policies of the cluster, which can deny and grant.",
            &[],
        ),
        DocumentKind::Policy => (
            spec_of::<PolicySpec>(),
            "Policies of a namespace. They narrow what is granted there, and grant what a Delegation lets them.",
            &[],
        ),
        DocumentKind::RelationSchema => (
            spec_of::<SchemaSpec>(),
            "Types of objects, how they can be related, and what that allows.",
            &[],
        ),
        DocumentKind::ClusterRelations => (
            spec_of::<RelationsSpec>(),
            "Relations of the cluster: who has what to do with which object.",
            &[],
        ),
        DocumentKind::Relations => (
            spec_of::<RelationsSpec>(),
            "Relations of a namespace, which grant what a Delegation lets them.",
            &[],
        ),
        DocumentKind::Delegation => (
            spec_of::<DelegationSpec>(),
            "What policies and relations of namespaces may grant there.",
            &[("Namespaces", ".spec.namespaces")],
        ),
        DocumentKind::Revocation => (
            spec_of::<RevocationSpec>(),
            "Whom to refuse, whatever allows it.",
            &[
                ("User", ".spec.user"),
                ("Group", ".spec.group"),
                ("Expires", ".spec.expires"),
                ("Reason", ".spec.reason"),
            ],
        ),
    };
    kind.custom().definition(&CustomContent {
        about,
        columns,
        spec,
        in_force: json!({"revision": {
            "type": "string",
            "description": "Names what is in force: the same contents have the same name. Missing where nothing is.",
        }}),
    })
}

fn spec_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<T>();
    structural(schema.to_value())
}

/// What a structural schema may say. That other fields are refused says its kind: what is not named is not known.
fn structural(schema: Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(key, value)| {
                let closed = key == "additionalProperties" && *value == Value::Bool(false);
                !closed && !matches!(key.as_str(), "$schema" | "title" | "default" | "components")
            });
            let mut kept: Map<String, Value> =
                kept.map(|(key, value)| (key, below(value))).collect();
            if let Some(Value::Object(properties)) = kept.get_mut("properties") {
                let all = std::mem::take(properties).into_iter();
                *properties = all
                    .map(|(name, schema)| (name, structural(schema)))
                    .collect();
            }
            Value::Object(kept)
        }
        other => other,
    }
}

/// Below a keyword stand schemas or plain values; the names of properties are neither.
fn below(value: Value) -> Value {
    match value {
        Value::Object(fields)
            if fields.contains_key("type") && fields.get("type").is_some_and(Value::is_string) =>
        {
            structural(Value::Object(fields))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_say_what_the_types_say() {
        let all = definitions();
        let check = |plural: &str, pointer: &str, expected: Value| {
            let name = format!("{plural}.bailiwick.dev");
            let one = all.iter().find(|one| one["metadata"]["name"] == *name);
            let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
            let found = one.unwrap().pointer(&format!("{spec}{pointer}"));
            assert_eq!(
                found,
                Some(&expected),
                "{plural}{pointer}: {:#}",
                one.unwrap()
            );
        };
        check("revocations", "/properties/user/type", json!("string"));
        check("revocations", "/properties/user/nullable", json!(true));
        check(
            "revocations",
            "/properties/expires/format",
            json!("date-time"),
        );
        check("policies", "/required", json!(["cedar"]));
        check(
            "policies",
            "/properties/links/items/required",
            json!(["name", "template"]),
        );
        check(
            "relationschemas",
            "/properties/types/additionalProperties/properties/actions/additionalProperties/type",
            json!("string"),
        );
        check(
            "delegations",
            "/properties/rules/items/properties/nonResourceURLs/items/type",
            json!("string"),
        );
        let keys = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/conditions/items/required";
        let required = all[0].pointer(keys).unwrap().as_array().unwrap();
        assert!(required.contains(&json!("type")), "{required:?}");
        let text = serde_json::to_string(&all).unwrap();
        for word in [
            "$ref",
            "\"additionalProperties\":false",
            "\"default\"",
            "\"title\"",
        ] {
            assert!(!text.contains(word), "{word} in {text}");
        }
        for one in &all {
            let namespaced = one["spec"]["scope"] == "Namespaced";
            let kind: DocumentKind = one["spec"]["names"]["kind"]
                .as_str()
                .unwrap()
                .parse()
                .unwrap();
            assert_eq!(namespaced, kind.is_namespaced());
        }
    }
}
