//! Who gets somewhere else when what a role is good for beside others changes.

use bailiwick_core::Str;
use hashbrown::HashMap;

use super::index::{Index, Woken, by_name};
use super::roles::RoleId;
use super::{Entry, World};
use crate::build::{RuleSet, UseOf, short};
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

/// Legs of a rule of an edge that are held, as bits.
#[derive(Clone, Copy, Default)]
struct Legs {
    any: u32,
    /// Whether a role limits one to names.
    is_limited: bool,
}

/// A place where somebody has roles.
struct Place<'h> {
    /// Empty is the whole cluster.
    scope: &'h Str,
    /// Whether the role that has changed is one of them.
    is_meant: bool,
}

/// Where somebody has roles that are good for what is looked at.
#[derive(Default)]
struct Places<'h> {
    all: Vec<Place<'h>>,
    /// What the others give there: by the rules of edges that are looked at, place for place.
    legs: Vec<Legs>,
}

impl Places<'_> {
    /// They, with what is given there by one of so many rules.
    fn of_rule(&self, at: usize, count: usize) -> impl Iterator<Item = (&Place<'_>, Legs)> + Clone {
        let legs = self.legs.iter().skip(at).step_by(count).copied();
        self.all.iter().zip(legs)
    }
}

/// The rules of edges that a change has looked at.
struct LookedAt {
    set: RuleSet,
    /// By the position of a rule its place among those that are looked at.
    places: Vec<Option<usize>>,
    count: usize,
}

impl LookedAt {
    fn new(regained: &[Regained], rules: usize) -> Self {
        let mut places = vec![None; rules];
        for (place, regained) in regained.iter().enumerate() {
            if let Some(slot) = places.get_mut(regained.rule) {
                *slot = Some(place);
            }
        }
        Self {
            set: regained
                .iter()
                .map(|regained| short(regained.rule))
                .collect(),
            places,
            count: regained.len(),
        }
    }

    fn concerns(&self, role: RoleId, index: &Index) -> bool {
        self.set.meets(index.rules_of(role))
    }

    fn place_of(&self, found: UseOf) -> Option<usize> {
        self.places.get(usize::from(found.rule)).copied().flatten()
    }
}

impl World<'_> {
    /// Wakes those who have the role that has changed and to whom that makes a difference.
    ///
    /// A step that is there without the role stays. What it rests on is looked up in the roles of whoever takes it.
    pub(crate) fn wake_holders(&self, woken: &mut Woken) {
        let role = woken.role.as_ref();
        let Some(role) = role.and_then(|role| self.index.roles.find(role)) else {
            return;
        };
        let regained = std::mem::take(&mut woken.regained);
        if regained.is_empty() {
            return;
        }
        let looked_at = LookedAt::new(&regained, self.index.rules.len());
        let for_others = self.legs_for_others(&looked_at);
        let mut places = Places::default();
        for holder in self.index.roles.holders(role) {
            let Some(bound) = self.index.holders.node(holder) else {
                continue;
            };
            let entries = self.index.holders.entries(holder);
            self.look_at(entries, role, &looked_at, &mut places);
            let named = by_name(&self.index.memberships, bound);
            for holder in std::iter::once(bound).chain(&named) {
                let by_others = self.legs_by_others(holder, &for_others);
                for (position, regained) in regained.iter().enumerate() {
                    let by_others = by_others.iter().filter_map(|legs| legs.get(position));
                    let by_others = by_others.fold(0, |all, legs| all | legs);
                    let of_rule = places.of_rule(position, looked_at.count);
                    if self.matters(*regained, of_rule, by_others) {
                        woken.holders.push((holder.clone(), regained.rule));
                    }
                }
            }
        }
    }

    /// Finds out where bindings give roles that are good for what is looked at, and what those give but for one.
    fn look_at<'h>(
        &self,
        entries: &'h [Entry],
        but: RoleId,
        looked_at: &LookedAt,
        places: &mut Places<'h>,
    ) {
        places.all.clear();
        places.legs.clear();
        for given in entries {
            let Some(role) = given.number else { continue };
            if role != but && !looked_at.concerns(role, self.index) {
                continue;
            }
            let scope = &given.binding.namespace;
            // They stand in the order of their places.
            if places.all.last().is_none_or(|place| place.scope != scope) {
                let is_meant = false;
                places.all.push(Place { scope, is_meant });
                let count = places.legs.len() + looked_at.count;
                places.legs.resize(count, Legs::default());
            }
            if role == but {
                let place = places.all.last_mut();
                place.into_iter().for_each(|place| place.is_meant = true);
                continue;
            }
            let start = places.legs.len() - looked_at.count;
            for found in self.index.uses_of(role) {
                let at = looked_at.place_of(*found);
                let Some(legs) = at.and_then(|at| places.legs.get_mut(start + at)) else {
                    continue;
                };
                if found.counts_in(scope, &self.index.rules) {
                    legs.any |= found.bit();
                    legs.is_limited |= found.is_limited;
                }
            }
        }
    }

    /// What those have of what is looked at, wherever that is, who have it for others: none who have nothing of it.
    fn legs_for_others(&self, looked_at: &LookedAt) -> HashMap<&Node, Vec<u32>> {
        let inherited = self.index.inherited.iter();
        let legs = inherited.filter_map(|node| {
            let mut legs = vec![0; looked_at.count];
            let roles = self.given_to(node).iter().filter_map(|given| given.number);
            let roles = roles.filter(|&role| looked_at.concerns(role, self.index));
            for found in roles.flat_map(|role| self.index.uses_of(role)) {
                let at = looked_at.place_of(*found);
                if let Some(legs) = at.and_then(|at| legs.get_mut(at)) {
                    *legs |= found.bit();
                }
            }
            legs.iter().any(|legs| *legs != 0).then_some((node, legs))
        });
        legs.collect()
    }

    /// What somebody has by others.
    fn legs_by_others<'o>(
        &self,
        holder: &Node,
        for_others: &'o HashMap<&Node, Vec<u32>>,
    ) -> Vec<&'o [u32]> {
        if for_others.is_empty() {
            return Vec::new();
        }
        let groups = self.groups_of(holder).into_iter();
        let groups = groups.map(|name| Node::Group { name });
        let others = groups.chain(self.user_of_identity(holder));
        let legs =
            others.filter_map(|node| for_others.get(&*self.bound_as(&node)).map(Vec::as_slice));
        legs.collect()
    }

    /// Whether a step of somebody may come or go by it, lead elsewhere, or say itself what it rests on.
    fn matters<'p>(
        &self,
        Regained {
            rule,
            legs,
            is_limited,
        }: Regained,
        places: impl Iterator<Item = (&'p Place<'p>, Legs)> + Clone,
        by_others: u32,
    ) -> bool {
        let Some((_, _, of_edge)) = self.index.rules.get(rule) else {
            return false;
        };
        let full = of_edge.all_legs();
        // What others give may come together with it anywhere.
        let own = places.clone().map(|(_, here)| here.any);
        if own.fold(by_others | legs, |all, here| all | here) != full {
            return false;
        }
        if by_others != 0 || is_limited || !of_edge.is_of_several() {
            return true;
        }
        let mut whole = places.clone().filter(|(place, _)| place.scope.is_empty());
        let whole = whole.next();
        let is_everywhere = whole.is_some_and(|(whole, _)| whole.is_meant);
        let everywhere = whole.map(|(_, legs)| legs).unwrap_or_default();
        let mut places = places;
        places.any(|(place, here)| {
            let is_concerned = place.is_meant || is_everywhere && here.any != 0;
            let without = here.any | everywhere.any;
            let is_looked_up = !here.is_limited && !everywhere.is_limited;
            let stays = is_looked_up && without == full && here.any != 0;
            is_concerned && without | legs == full && !stays
        })
    }
}
