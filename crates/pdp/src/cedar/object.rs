use std::collections::{BTreeMap, BTreeSet, HashSet};

use bailiwick_model::Value;
use cedar_policy_core::ast::{Entity, EntityUID, PartialValue};
use smol_str::SmolStr;

use super::application::scalar;
use super::kubernetes::strings;

/// The objects that a write is about, once they are known. One that is not there has no fields.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    request: Fields,
    stored: Fields,
}

/// Fields by path, with every value that stands there.
type Fields = BTreeMap<String, BTreeSet<String>>;

/// Fields and values of one object, beyond which it is refused. Pods of a few hundred lines have some hundred.
const MOST_FIELDS: usize = 50_000;

/// An object that policies cannot be asked about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the object has more than {MOST_FIELDS} fields: policies that read it cannot be evaluated")]
pub struct TooManyFields;

impl Objects {
    /// The object in the request and the one that is stored; either may be absent.
    pub fn new(request: Option<&Value>, stored: Option<&Value>) -> Result<Self, TooManyFields> {
        let read = |object: Option<&Value>| {
            let mut reader = Reader {
                fields: Fields::new(),
                left: MOST_FIELDS,
            };
            if let Some(object) = object {
                reader.read(String::new(), object)?;
            }
            Ok(reader.fields)
        };
        Ok(Self {
            request: read(request)?,
            stored: read(stored)?,
        })
    }

    /// The entity of the one or the other.
    pub(crate) fn entity(&self, name: &str, uid: EntityUID) -> Entity {
        let fields = match name {
            "request" => &self.request,
            _ => &self.stored,
        };
        let tags = fields
            .iter()
            .map(|(path, values)| (SmolStr::new(path), PartialValue::from(strings(values))));
        Entity::new_with_attr_partial_value(uid, [], HashSet::new(), HashSet::new(), tags)
    }
}

struct Reader {
    fields: Fields,
    left: usize,
}

impl Reader {
    /// The depth is bounded by the value, which nests no deeper than `MAX_DEPTH`.
    fn read(&mut self, path: String, value: &Value) -> Result<(), TooManyFields> {
        self.left = self.left.checked_sub(1).ok_or(TooManyFields)?;
        match value {
            Value::Object(map) => {
                for (key, value) in map.iter() {
                    self.read(field(&path, key), value)?;
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.read(format!("{path}[]"), item)?;
                }
            }
            Value::Null => return Ok(()),
            _ => {}
        }
        if !path.is_empty() {
            self.fields.entry(path).or_default().extend(scalar(value));
        }
        Ok(())
    }
}

/// The path of a field: `spec.replicas`; keys that hold a dot stand in brackets, as in `metadata.labels[acme.io/team]`.
fn field(path: &str, key: &str) -> String {
    match (path, key.contains(['.', '[', ']'])) {
        ("", false) => key.to_owned(),
        (path, true) => format!("{path}[{key}]"),
        (path, false) => format!("{path}.{key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_named_by_their_path() {
        let object: Value = serde_json::from_str(
            r#"{"metadata":{"labels":{"acme.io/team":"a"}},"spec":{"replicas":3,"hostPID":true,"none":null,
                "containers":[{"image":"x"},{"image":"y","args":["1","2"]}],"empty":{}}}"#,
        )
        .unwrap();
        let fields = Objects::new(Some(&object), None).unwrap().request;
        let shown: Vec<String> = fields
            .iter()
            .map(|(path, values)| {
                format!(
                    "{path}={}",
                    Vec::from_iter(values.iter().map(String::as_str)).join(",")
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "metadata=",
                "metadata.labels=",
                "metadata.labels[acme.io/team]=a",
                "spec=",
                "spec.containers=",
                "spec.containers[]=",
                "spec.containers[].args=",
                "spec.containers[].args[]=1,2",
                "spec.containers[].image=x,y",
                "spec.empty=",
                "spec.hostPID=true",
                "spec.replicas=3",
            ]
        );
    }

    #[test]
    fn an_endless_object_is_refused() {
        let object = Value::Array(vec![Value::Bool(true); MOST_FIELDS + 1]);
        assert_eq!(
            Objects::new(Some(&object), None).unwrap_err(),
            TooManyFields
        );
    }
}
