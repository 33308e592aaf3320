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
        let mut of_groups = HashMap::new();
        let mut places = Places::default();
        for holder in self.index.roles.holders(role) {
            let Some(bound) = self.index.holders.node(holder) else {
                continue;
            };
            let entries = self.index.holders.entries(holder);
            self.look_at(entries, role, &looked_at, &mut places);
            let named = by_name(&self.index.memberships, bound);
            for holder in std::iter::once(bound).chain(&named) {
                let by_groups = self.legs_of_groups(holder, &looked_at, &mut of_groups);
                for (position, regained) in regained.iter().enumerate() {
                    let groups = by_groups.get(position).copied().unwrap_or_default();
                    let of_rule = places.of_rule(position, looked_at.count);
                    if self.matters(*regained, of_rule, groups) {
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

    /// What somebody has by others, wherever that is.
    fn legs_of_groups(
        &self,
        holder: &Node,
        looked_at: &LookedAt,
        known: &mut HashMap<Node, Box<[u32]>>,
    ) -> Vec<u32> {
        let mut legs = vec![0; looked_at.count];
        let groups = self.groups_of(holder).into_iter();
        let groups = groups.map(|name| Node::Group { name });
        for node in groups.chain(self.user_of_identity(holder)) {
            let of_node = known.entry_ref(&node);
            let of_node = of_node.or_insert_with(|| self.legs_anywhere(&node, looked_at));
            for (legs, more) in legs.iter_mut().zip(of_node) {
                *legs |= *more;
            }
        }
        legs
    }

    /// What bindings give to somebody, wherever that is.
    fn legs_anywhere(&self, node: &Node, looked_at: &LookedAt) -> Box<[u32]> {
        let mut legs = vec![0; looked_at.count];
        let roles = self.given_to(node).iter().filter_map(|given| given.number);
        let roles = roles.filter(|&role| looked_at.concerns(role, self.index));
        for found in roles.flat_map(|role| self.index.uses_of(role)) {
            let at = looked_at.place_of(*found);
            if let Some(legs) = at.and_then(|at| legs.get_mut(at)) {
                *legs |= found.bit();
            }
        }
        legs.into()
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
        of_groups: u32,
    ) -> bool {
        let Some((_, _, of_edge)) = self.index.rules.get(rule) else {
            return false;
        };
        let full = of_edge.all_legs();
        // What a group gives may come together with it anywhere.
        let own = places.clone().map(|(_, here)| here.any);
        if own.fold(of_groups | legs, |all, here| all | here) != full {
            return false;
        }
        if of_groups != 0 || is_limited || !of_edge.is_of_several() {
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
