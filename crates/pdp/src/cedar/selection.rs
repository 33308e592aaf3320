//! The selectors of a request: what they say, word by word, and what they imply.
//!
//! A request that is limited by selectors sees no more than what they select. So a policy that allows what a selector
//! selects may look at what the request's selectors *imply*: the values that are left of a label. `team in (a, b)`
//! together with `team != b` leaves `a`, and a policy that allows `a` and `c` allows the request.

use std::collections::{BTreeMap, BTreeSet};

use bailiwick_core::{Requirement, ResourceRequest, SelectorOperator};
use cedar_policy_core::ast::{Entity, PartialValue, Value};
use smol_str::SmolStr;

use super::kubernetes::{string, strings};
use super::types::{Type, Types};

/// Adds what the selectors of a request say to its resource.
pub(crate) fn read(
    request: &ResourceRequest,
    types: &Types,
    attributes: &mut Vec<(SmolStr, PartialValue)>,
    entities: &mut Vec<Entity>,
) {
    let selectors = [
        ("labels", "labelSelector", &request.label_selector),
        ("fields", "fieldSelector", &request.field_selector),
    ];
    for (implied, said, requirements) in selectors {
        if requirements.is_empty() {
            continue;
        }
        let words: Vec<Value> = match implied {
            "labels" => requirements.iter().flat_map(label_words).collect(),
            _ => requirements.iter().flat_map(field_words).collect(),
        };
        attributes.push((SmolStr::new_static(said), Value::set(words, None).into()));
        let uid = types.uid(Type::Selection, implied);
        attributes.push((
            SmolStr::new_static(implied),
            Value::new(uid.clone(), None).into(),
        ));
        entities.push(implication(requirements).entity(uid));
    }
}

/// A label's requirement under each name that its operator goes by.
fn label_words(requirement: &Requirement) -> Vec<Value> {
    operators(requirement)
        .iter()
        .map(|operator| {
            Value::record(
                [
                    ("key", string(&requirement.key)),
                    ("operator", string(operator)),
                    ("values", strings(&requirement.values)),
                ],
                None,
            )
        })
        .collect()
}

/// A field's requirement; a field is compared with one value.
fn field_words(requirement: &Requirement) -> Vec<Value> {
    let value = requirement.values.first().map_or("", String::as_str);
    operators(requirement)
        .iter()
        .map(|operator| {
            Value::record(
                [
                    ("field", string(&requirement.key)),
                    ("operator", string(operator)),
                    ("value", string(value)),
                ],
                None,
            )
        })
        .collect()
}

fn operators(requirement: &Requirement) -> &'static [&'static str] {
    use SelectorOperator as Is;
    match (requirement.operator, requirement.values.as_slice()) {
        (Is::In, [_]) => &["=", "==", "in"],
        (Is::In, _) => &["in"],
        (Is::NotIn, [_]) => &["!=", "notin"],
        (Is::NotIn, _) => &["notin"],
        (Is::Exists, _) => &["exists"],
        (Is::DoesNotExist, _) => &["!"],
    }
}

/// What a conjunction of requirements implies.
#[derive(Debug, Default, PartialEq)]
struct Implied<'a> {
    /// The only values that a label can have.
    left: BTreeMap<&'a str, BTreeSet<&'a str>>,
    present: BTreeSet<&'a str>,
    absent: BTreeSet<&'a str>,
}

fn implication(requirements: &[Requirement]) -> Implied<'_> {
    let mut implied = Implied::default();
    for requirement in requirements {
        let key = requirement.key.as_str();
        let values = || requirement.values.iter().map(String::as_str);
        match requirement.operator {
            SelectorOperator::In => {
                let listed: BTreeSet<&str> = values().collect();
                implied.present.insert(key);
                implied
                    .left
                    .entry(key)
                    .and_modify(|left| left.retain(|value| listed.contains(value)))
                    .or_insert(listed);
            }
            SelectorOperator::Exists => {
                implied.present.insert(key);
            }
            SelectorOperator::DoesNotExist => {
                implied.absent.insert(key);
            }
            SelectorOperator::NotIn => {}
        }
    }
    // Once all lists are known, for requirements come in any order.
    for requirement in requirements {
        if requirement.operator == SelectorOperator::NotIn
            && let Some(left) = implied.left.get_mut(requirement.key.as_str())
        {
            left.retain(|value| !requirement.values.iter().any(|other| other == value));
        }
    }
    implied
}

impl Implied<'_> {
    fn entity(&self, uid: cedar_policy_core::ast::EntityUID) -> Entity {
        let set = |name, values: &BTreeSet<&str>| {
            (
                SmolStr::new_static(name),
                PartialValue::from(strings(values)),
            )
        };
        Entity::new_with_attr_partial_value(
            uid,
            [set("present", &self.present), set("absent", &self.absent)],
            Default::default(),
            Default::default(),
            self.left
                .iter()
                .map(|(key, values)| (SmolStr::new(key), PartialValue::from(strings(values)))),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_imply_what_is_left() {
        use SelectorOperator::{DoesNotExist, Exists, In, NotIn};
        let check = |requirements: &[(&str, SelectorOperator, &[&str])], expected: &str| {
            let requirements: Vec<Requirement> = requirements
                .iter()
                .map(|(key, operator, values)| Requirement {
                    key: (*key).to_owned(),
                    operator: *operator,
                    values: values.iter().map(|&value| value.to_owned()).collect(),
                })
                .collect();
            let Implied {
                left,
                present,
                absent,
            } = implication(&requirements);
            assert_eq!(
                format!("{left:?} {present:?} {absent:?}"),
                expected,
                "{requirements:?}"
            );
        };
        check(&[("team", In, &["a"])], r#"{"team": {"a"}} {"team"} {}"#);
        check(
            &[("team", NotIn, &["b"]), ("team", In, &["a", "b"])],
            r#"{"team": {"a"}} {"team"} {}"#,
        );
        check(
            &[("team", In, &["a", "b"]), ("team", In, &["b", "c"])],
            r#"{"team": {"b"}} {"team"} {}"#,
        );
        check(&[("team", NotIn, &["a"])], "{} {} {}");
        check(
            &[("team", Exists, &[]), ("temp", DoesNotExist, &[])],
            r#"{} {"team"} {"temp"}"#,
        );
    }
}
