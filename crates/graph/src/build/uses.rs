//! What the rules of a role are good for.

use bailiwick_model::{PolicyRule, Role};
use bailiwick_rbac::{Names, Right};

use crate::edge::{EdgeKind, Rule};
use crate::edges::EDGES;

/// A kind of edge and one of its rules with its position there.
pub(crate) type KindRule = (&'static EdgeKind, u8, &'static Rule);

/// What a rule of a role is good for: a leg of an edge.
#[derive(Clone, Copy)]
pub(crate) struct Use<'a> {
    /// Position of the edge's rule in the list of all.
    pub(crate) rule: usize,
    pub(crate) leg: usize,
    pub(crate) right: &'static Right,
    /// The rule of the role.
    pub(crate) given: &'a PolicyRule,
    /// Its position there.
    pub(crate) position: u32,
    pub(crate) names: Names<'a>,
}

/// The rules of all edges that work in this version.
pub(crate) fn kind_rules(minor: Option<u16>) -> Vec<KindRule> {
    let kinds = EDGES.iter().filter(|kind| kind.versions.hold(minor));
    let rules = kinds.flat_map(|kind| {
        (0..)
            .zip(kind.rules)
            .map(|(number, rule)| (*kind, number, rule))
    });
    rules.collect()
}

/// What the rules of a role are good for.
pub(crate) fn uses<'a>(role: &'a Role, rules: &[KindRule]) -> Vec<Use<'a>> {
    let mut uses = Vec::new();
    for (number, (_, _, rule)) in rules.iter().enumerate() {
        for (leg, rights) in rule.legs().iter().enumerate() {
            for (position, given) in (0..).zip(role.rules.iter()) {
                uses.extend(rights.iter().filter_map(|right| {
                    Some(Use {
                        rule: number,
                        leg,
                        right,
                        given,
                        position,
                        names: right.names(given)?,
                    })
                }));
            }
        }
    }
    uses
}

impl Use<'_> {
    /// Whether it counts for those who have it by a group, too: steps with several legs may take some of each.
    pub(crate) fn is_shared(&self, rules: &[KindRule]) -> bool {
        rules
            .get(self.rule)
            .is_some_and(|(_, _, rule)| rule.is_shared())
    }
}

impl PartialEq for Use<'_> {
    /// Whether edges see no difference.
    fn eq(&self, other: &Self) -> bool {
        let place = |found: &Self| (found.rule, found.leg, found.position);
        place(self) == place(other)
            && std::ptr::eq(self.right, other.right)
            && self.names == other.names
            && self
                .right
                .verbs_of(self.given)
                .eq(other.right.verbs_of(other.given))
    }
}
