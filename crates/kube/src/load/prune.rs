//! JSON to [`Value`] without what is not needed: those stretches are skipped, never built. In lists of a cluster they
//! are most of the bytes.

use std::fmt;

use bailiwick_core::Kind;
use bailiwick_model::{Map, Value};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What to keep of a JSON value.
#[derive(Clone, Copy)]
pub(crate) enum Keep {
    /// Everything.
    All,
    /// Nothing.
    Nothing,
    /// Of a mapping: for the named keys what stands here, for all others everything.
    Except(&'static [(&'static str, Keep)]),
    /// Of a list: of every item what stands here.
    Each(&'static Keep),
}

/// What `kubectl apply` wrote down of earlier contents. Of a Secret that is its values.
const LAST_APPLIED: (&str, Keep) = (
    "kubectl.kubernetes.io/last-applied-configuration",
    Keep::Nothing,
);

const METADATA: (&str, Keep) = (
    "metadata",
    Keep::Except(&[
        ("managedFields", Keep::Nothing),
        ("annotations", Keep::Except(&[LAST_APPLIED])),
    ]),
);
const STATUS: (&str, Keep) = ("status", Keep::Nothing);

const OBJECT: Keep = Keep::Except(&[METADATA, STATUS]);
/// A kubelet tells which kernel and container runtime it has, and hundreds of images.
const NODE: Keep = Keep::Except(&[
    METADATA,
    (
        "status",
        Keep::Except(&[
            ("addresses", Keep::Nothing),
            ("allocatable", Keep::Nothing),
            ("capacity", Keep::Nothing),
            ("conditions", Keep::Nothing),
            ("daemonEndpoints", Keep::Nothing),
            ("images", Keep::Nothing),
            ("volumesAttached", Keep::Nothing),
            ("volumesInUse", Keep::Nothing),
        ]),
    ),
]);
const SECRET: Keep = Keep::Except(&[
    METADATA,
    ("data", Keep::Nothing),
    ("stringData", Keep::Nothing),
]);
const CUSTOM_RESOURCE: Keep = Keep::Except(&[
    METADATA,
    STATUS,
    (
        "spec",
        Keep::Except(&[(
            "versions",
            Keep::Each(&Keep::Except(&[("schema", Keep::Nothing)])),
        )]),
    ),
]);

impl Keep {
    /// What is needed of an object of this kind.
    pub(crate) fn of(kind: Option<Kind>) -> Self {
        match kind {
            Some(Kind::Secret) => SECRET,
            Some(Kind::Node) => NODE,
            Some(Kind::CustomResourceDefinition) => CUSTOM_RESOURCE,
            Some(_) => OBJECT,
            // Of kinds of our own we write the status.
            None => Self::Except(&[METADATA]),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Keep {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self {
            Self::All => Value::deserialize(deserializer),
            Self::Nothing => IgnoredAny::deserialize(deserializer).map(|_| Value::Null),
            Self::Except(fields) => deserializer.deserialize_any(Fields(fields)),
            Self::Each(item) => deserializer.deserialize_any(Items(*item)),
        }
    }
}

struct Fields(&'static [(&'static str, Keep)]);

impl<'de> Visitor<'de> for Fields {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::default();
        while let Some(key) = entries.next_key::<String>()? {
            let keep = self
                .0
                .iter()
                .find(|(name, _)| *name == key)
                .map_or(Keep::All, |(_, keep)| *keep);
            let value = entries.next_value_seed(keep)?;
            if !matches!(keep, Keep::Nothing) {
                map.insert(key, value);
            }
        }
        Ok(Value::Object(map))
    }
}

struct Items(Keep);

impl<'de> Visitor<'de> for Items {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut kept = Vec::new();
        while let Some(item) = items.next_element_seed(self.0)? {
            kept.push(item);
        }
        Ok(Value::Array(kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, json: &str, expected: &str) {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let value = Keep::of(Some(kind)).deserialize(&mut deserializer).unwrap();
        assert_eq!(value.to_string(), expected);
    }

    #[test]
    fn only_what_is_needed_is_built() {
        check(
            Kind::Role,
            r#"{"metadata":{"name":"a","managedFields":[{"x":1}],"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{}","b":"c"}},"rules":[{"verbs":["get"]}],"status":{"y":2}}"#,
            r#"{"metadata":{"name":"a","annotations":{"b":"c"}},"rules":[{"verbs":["get"]}]}"#,
        );
        check(
            Kind::Secret,
            r#"{"data":{"k":"planted"},"stringData":{"k":"planted"},"type":"t"}"#,
            r#"{"type":"t"}"#,
        );
        check(
            Kind::CustomResourceDefinition,
            r#"{"spec":{"group":"g","versions":[{"name":"v1","schema":{"deep":[]},"served":true}]}}"#,
            r#"{"spec":{"group":"g","versions":[{"name":"v1","served":true}]}}"#,
        );
        check(Kind::Role, r#"{"metadata":null}"#, r#"{"metadata":null}"#);
    }
}
