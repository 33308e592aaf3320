//! The words that policies speak of: what to ask about to see where two sets of them differ.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy_core::ast::{EntityUID, Expr, ExprKind, Literal, PatternElem};

use super::policy::Policy;
use super::scope::{attribute, texts};

/// Entities and texts that occur in policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    entities: BTreeMap<String, BTreeSet<String>>,
    texts: BTreeMap<String, BTreeSet<String>>,
}

impl Words {
    /// The ids of a type's entities, such as `k8s::Group`.
    pub(crate) fn entities(&self, kind: &str) -> impl Iterator<Item = &str> {
        let found = self.entities.get(kind);
        found.into_iter().flatten().map(String::as_str)
    }

    /// The texts that an attribute is compared with.
    pub(crate) fn texts(&self, attribute: &str) -> impl Iterator<Item = &str> {
        let found = self.texts.get(attribute);
        found.into_iter().flatten().map(String::as_str)
    }

    /// Adds an entity.
    pub(crate) fn entity(&mut self, kind: &str, id: &str) {
        let ids = self.entities.entry(kind.to_owned()).or_default();
        ids.insert(id.to_owned());
    }

    /// Adds other words.
    pub fn extend(&mut self, other: Self) {
        for (kind, ids) in other.entities {
            self.entities.entry(kind).or_default().extend(ids);
        }
        for (attribute, texts) in other.texts {
            self.texts.entry(attribute).or_default().extend(texts);
        }
    }

    fn uid(&mut self, uid: &EntityUID) {
        self.entity(&uid.entity_type().to_string(), uid.eid().as_ref());
    }

    fn text(&mut self, attribute: &str, text: &str) {
        let texts = self.texts.entry(attribute.to_owned()).or_default();
        texts.insert(text.to_owned());
    }

    /// Adds the words of a policy.
    pub(crate) fn add(&mut self, policy: &Policy) {
        let ast = policy.ast();
        for constraint in [
            ast.principal_constraint().as_inner().get_euid().cloned(),
            ast.resource_constraint().as_inner().get_euid().cloned(),
        ] {
            constraint.iter().for_each(|uid| self.uid(uid));
        }
        let actions = ast.action_constraint();
        actions.iter_euids().for_each(|uid| self.uid(uid));
        let conditions = ast.non_scope_constraints();
        for part in conditions.into_iter().flat_map(Expr::subexpressions) {
            let mut values = Vec::new();
            if let Some((_, name)) = texts(part, &mut values) {
                values.iter().for_each(|value| self.text(name, value));
            }
            match part.expr_kind() {
                ExprKind::Lit(Literal::EntityUID(uid)) => self.uid(uid),
                ExprKind::Like { expr, pattern } => {
                    if let Some((_, name)) = attribute(expr) {
                        let elements = pattern.get_elems().iter();
                        let text = elements.map(|element| match element {
                            PatternElem::Char(letter) => *letter,
                            PatternElem::Wildcard => 'x',
                        });
                        self.text(name, &text.collect::<String>());
                    }
                }
                _ => {}
            }
        }
    }
}
