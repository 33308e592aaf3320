//! Decoding of whatever somebody may send.

use bailiwick_core::Kind;
use bailiwick_model::{DecodedKind, Interner, Value, decode};
use proptest::prelude::*;

/// A text that no message may hold.
const HIDDEN: &str = "hunter2";

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<u64>().prop_map(Value::UInt),
        (i64::MIN..0).prop_map(Value::Int),
        (-1e300_f64..1e300).prop_map(Value::Float),
        Just(Value::String(HIDDEN.to_owned())),
        "\\PC{0,8}".prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 48, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            mapping(inner),
        ]
    })
}

/// A mapping whose keys are mostly ones that decoding looks for.
fn mapping(values: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        8 => prop::sample::select(vec![
            "apiVersion", "kind", "metadata", "name", "namespace", "labels", "annotations", "ownerReferences",
            "controller", "uid", "finalizers", "creationTimestamp", "generation", "rules", "verbs", "apiGroups",
            "resources", "resourceNames", "nonResourceURLs", "aggregationRule", "clusterRoleSelectors", "matchLabels",
            "matchExpressions", "key", "operator", "values", "roleRef", "subjects", "data", "stringData", "type",
            "spec", "template", "jobTemplate", "containers", "env", "envFrom", "volumes", "projected", "sources",
            "serviceAccountToken", "serviceAccountName", "secret", "secretName", "imagePullSecrets", "secrets", "resourceVersion",
            "automountServiceAccountToken", "group", "names", "plural", "scope", "versions", "served", "subresources",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
    ];
    prop::collection::vec((key, values), 0..6)
        .prop_map(|entries| Value::Object(bailiwick_model::Map::last_wins(entries)))
}

fn api_version(kind: Kind) -> String {
    match kind.group() {
        "" => "v1".to_owned(),
        group => format!("{group}/v1"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_value_breaks_decoding(value in anything(), kind in prop::sample::select(Kind::ALL.to_vec())) {
        decode(value.clone(), &mut Interner::default());
        let Value::Object(mut map) = value else { return Ok(()) };
        map.insert("apiVersion".to_owned(), Value::String(api_version(kind)));
        map.insert("kind".to_owned(), Value::String(kind.to_string()));
        if let Some((namespace, name)) = kind.only() {
            let metadata = serde_json::json!({"namespace": namespace, "name": name});
            map.insert("metadata".to_owned(), serde_json::from_value(metadata).unwrap());
        }
        let decoded = decode(Value::Object(map), &mut Interner::default());
        prop_assert_eq!(decoded.kind, DecodedKind::Read(kind));
        prop_assert_eq!(decoded.object.is_none(), decoded.issues.iter().any(|issue| issue.lost));
        if let Some(object) = &decoded.object {
            prop_assert_eq!(object.kind(), kind);
            prop_assert_eq!(Some(object.object_ref()), decoded.about);
        }
    }

    #[test]
    fn contents_of_a_secret_are_in_no_message_and_in_no_object(
        fields in prop::collection::vec((prop::sample::select(vec!["data", "stringData", "immutable", "x"]), anything()), 0..5),
        labels in anything(),
        named in any::<bool>(),
    ) {
        let mut map = bailiwick_model::Map::default();
        map.insert("apiVersion".to_owned(), Value::String("v1".to_owned()));
        map.insert("kind".to_owned(), Value::String("Secret".to_owned()));
        let mut metadata = bailiwick_model::Map::default();
        if named {
            metadata.insert("name".to_owned(), Value::String("s".to_owned()));
        }
        metadata.insert("annotations".to_owned(), labels);
        map.insert("metadata".to_owned(), Value::Object(metadata));
        for (key, value) in fields {
            map.insert(key.to_owned(), value);
        }
        let mut names = Interner::default();
        let decoded = decode(Value::Object(map), &mut names);
        for issue in &decoded.issues {
            prop_assert!(!issue.message.contains(HIDDEN), "{}", issue.message);
            prop_assert!(!issue.help.as_deref().unwrap_or_default().contains(HIDDEN));
        }
        let kept = format!("{:?} {:?}", decoded.object, names);
        prop_assert!(!kept.contains(HIDDEN), "{}", kept);
    }
}
