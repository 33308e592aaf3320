//! Who gets somewhere else when what a role is good for beside others changes.

use bailiwick_core::Str;

use super::index::{Woken, by_name};
use super::roles::RoleId;
use super::{Key, World};
use crate::node::Node;

/// What has changed of what a role is good for beside others, as to one rule of an edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Regained {
    /// The rule, by its position in the list of all.
    pub(super) rule: usize,
    /// The legs that the role gave or gives, as bits.
    pub(super) legs: u32,
    /// Whether it limits or limited any to names.
    pub(super) is_limited: bool,
}

/// Legs of a rule of an edge, as bits: those that are held on any object, and those that are held on all.
#[derive(Clone, Copy, Default)]
struct Legs {
    any: u32,
    all: u32,
}

/// A place where somebody has roles.
struct Place<'h> {
    /// Empty is the whole cluster.
    scope: &'h Str,
    /// Whether the role that has changed is one of them.
    is_meant: bool,
    /// What the others give there, by the rules of edges that are looked at.
    legs: Vec<Legs>,
}

/// What a change is to somebody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Matters {
    Not,
    /// His step is there without it, and rests on more or less.
    AsEvidence,
    /// A step may come or go, or lead elsewhere.
    AsStep,
}

impl World<'_> {
    /// Wakes those who have the role that has changed and to whom that makes a difference.
    ///
    /// A step that is there without the role stays. What it rests on is looked up in the roles of whoever takes it, so
    /// that those alone are woken who have looked at it for themselves.
    pub(crate) fn wake_holders(&self, woken: &mut Woken) {
        let role = woken.role.as_ref();
        let Some(role) = role.and_then(|role| self.index.roles.find(role)) else {
            return;
        };
        let regained = std::mem::take(&mut woken.regained);
        if regained.is_empty() {
            return;
        }
        let mut at = vec![None; self.index.rules.len()];
        for (position, regained) in regained.iter().enumerate() {
            if let Some(slot) = at.get_mut(regained.rule) {
                *slot = Some(position);
            }
        }
        for bound in self.index.roles.holders(role) {
            let named = by_name(&self.index.memberships, bound);
            let named = Some(named).filter(|named| named != bound);
            let places = self.places(bound, role, &at, regained.len());
            for holder in std::iter::once(bound).chain(&named) {
                let of_groups = self.legs_of_groups(holder, &at, regained.len());
                for (position, regained) in regained.iter().enumerate() {
                    let groups = of_groups.get(position).copied().unwrap_or_default();
                    match self.matters(*regained, position, &places, groups) {
                        Matters::Not => {}
                        Matters::AsEvidence => {
                            let key = Key::Evidence(holder, regained.rule);
                            self.index.wake_rule(regained.rule, key, woken);
                        }
                        Matters::AsStep => woken.holders.push(holder.clone()),
                    }
                }
            }
        }
        woken.holders.dedup();
    }

    /// Where somebody has roles, and what those give but for one. `at` is where the rules of edges that are looked at
    /// stand among them.
    fn places(
        &self,
        holder: &Node,
        but: RoleId,
        at: &[Option<usize>],
        rules: usize,
    ) -> Vec<Place<'_>> {
        let mut places: Vec<Place<'_>> = Vec::new();
        for given in self.given_to(holder) {
            let Some(role) = given.number else { continue };
            let scope = &given.binding.namespace;
            // They stand in the order of their places.
            if places.last().is_none_or(|place| place.scope != scope) {
                places.push(Place {
                    scope,
                    is_meant: false,
                    legs: vec![Legs::default(); rules],
                });
            }
            let Some(place) = places.last_mut() else {
                continue;
            };
            if role == but {
                place.is_meant = true;
                continue;
            }
            for found in self.index.roles.uses(role) {
                let at = at.get(usize::from(found.rule)).copied().flatten();
                let Some(legs) = at.and_then(|at| place.legs.get_mut(at)) else {
                    continue;
                };
                if found.counts_in(scope, &self.index.rules) {
                    legs.any |= found.bit();
                    legs.all |= if found.is_limited { 0 } else { found.bit() };
                }
            }
        }
        places
    }

    /// What somebody has by others, wherever that is.
    fn legs_of_groups(&self, holder: &Node, at: &[Option<usize>], rules: usize) -> Vec<u32> {
        let mut legs = vec![0; rules];
        let groups = self.groups_of(holder).into_iter();
        let groups = groups.map(|name| Node::Group { name });
        for node in groups.chain(self.user_of_identity(holder)) {
            let roles = self.given_to(&node).iter().filter_map(|given| given.number);
            for found in roles.flat_map(|role| self.index.roles.uses(role)) {
                let at = at.get(usize::from(found.rule)).copied().flatten();
                if let Some(legs) = at.and_then(|at| legs.get_mut(at)) {
                    *legs |= found.bit();
                }
            }
        }
        legs
    }

    fn matters(
        &self,
        Regained {
            rule,
            legs,
            is_limited,
        }: Regained,
        at: usize,
        places: &[Place<'_>],
        of_groups: u32,
    ) -> Matters {
        let Some((_, _, of_edge)) = self.index.rules.get(rule) else {
            return Matters::Not;
        };
        let full = of_edge.all_legs();
        let of = |place: &Place<'_>| place.legs.get(at).copied().unwrap_or_default();
        // What a group gives may come together with it anywhere.
        let anywhere = places
            .iter()
            .fold(of_groups, |all, place| all | of(place).any);
        if anywhere | legs != full {
            return Matters::Not;
        }
        if of_groups != 0 || is_limited || !of_edge.is_of_several() {
            return Matters::AsStep;
        }
        let whole = places.iter().find(|place| place.scope.is_empty());
        let is_everywhere = whole.is_some_and(|whole| whole.is_meant);
        let everywhere = whole.map(of).unwrap_or_default();
        let matters = places.iter().map(|place| {
            let here = of(place);
            let is_concerned = place.is_meant || is_everywhere && here.any != 0;
            if !is_concerned || here.any | everywhere.any | legs != full {
                Matters::Not
            } else if (here.all | everywhere.all) == full && here.any != 0 {
                Matters::AsEvidence
            } else {
                Matters::AsStep
            }
        });
        matters.max().unwrap_or(Matters::Not)
    }
}
