//! Which of several listeners counts that ask for the same connections.

use bailiwick_core::Kind;
use bailiwick_model::{Gateway, Listener, ListenerSet, ObjectMeta};

use super::gateway::is_taken;
use super::setting;
use crate::build::World;
use crate::condition::Atom;

/// The listener that counts in place of one: of its own resource another one that nothing tells from it, so that neither
/// counts, or of the Gateway or an older ListenerSet the first.
///
/// Source: Gateway API, "Distinct Listeners" and "Handling indistinct Listeners" in `apis/v1/gateway_types.go`,
/// `ListenerSetSpec` in `listenerset_types.go`; GEP-1713, "Listener and ListenerSet Conflicts".
pub(super) fn ahead(
    world: &World<'_>,
    gateway: &Gateway,
    set: Option<&ListenerSet>,
    position: usize,
) -> Option<Atom> {
    let own = Ranked::of_gateway(gateway);
    let Some(set) = set else {
        return own.twin(position);
    };
    let of_set = Ranked::of_set(set);
    if let Some(twin) = of_set.twin(position) {
        return Some(twin);
    }
    let mut counting: Vec<(&Listener, Atom)> = own.distinct().collect();
    for older in older(world, gateway, set) {
        let older = Ranked::of_set(older);
        let fresh = older
            .distinct()
            .filter(|(listener, _)| first(&counting, listener).is_none());
        let fresh: Vec<(&Listener, Atom)> = fresh.collect();
        counting.extend(fresh);
    }
    first(&counting, of_set.listeners.get(position)?).cloned()
}

/// The ListenerSets of a Gateway that come before one: those that are older, and of the same age those before it by name.
/// Manifests do not tell how old theirs are, so there nobody comes before anybody.
fn older<'a>(
    world: &World<'a>,
    gateway: &Gateway,
    set: &ListenerSet,
) -> impl Iterator<Item = &'a ListenerSet> {
    let age = |set: &ListenerSet| {
        let metadata = &set.metadata;
        (
            set.created.clone(),
            metadata.namespace.clone(),
            metadata.name.clone(),
        )
    };
    let mut sets: Vec<&ListenerSet> = match set.created.is_empty() {
        true => Vec::new(),
        false => world.sets_of(gateway),
    };
    let own = age(set);
    sets.retain(|other| !other.created.is_empty() && age(other) < own);
    sets.retain(|other| is_taken(world, gateway, other));
    sets.sort_by_key(|other| age(other));
    sets.into_iter()
}

/// The listeners of one resource.
struct Ranked<'a> {
    kind: Kind,
    metadata: &'a ObjectMeta,
    listeners: &'a [Listener],
}

impl<'a> Ranked<'a> {
    fn of_gateway(gateway: &'a Gateway) -> Self {
        Self {
            kind: Kind::Gateway,
            metadata: &gateway.metadata,
            listeners: &gateway.listeners,
        }
    }

    fn of_set(set: &'a ListenerSet) -> Self {
        Self {
            kind: Kind::ListenerSet,
            metadata: &set.metadata,
            listeners: &set.listeners,
        }
    }

    fn at(&self, position: usize) -> Atom {
        setting(
            self.kind,
            self.metadata,
            &format!("/spec/listeners/{position}"),
        )
    }

    /// Another one that nothing tells from the one at this position.
    fn twin(&self, position: usize) -> Option<Atom> {
        let own = self.listeners.get(position)?;
        let mut others = self.listeners.iter().enumerate();
        let (other, _) =
            others.find(|(other, listener)| *other != position && clash(own, listener))?;
        Some(self.at(other))
    }

    /// Those that have no such other.
    fn distinct(&self) -> impl Iterator<Item = (&'a Listener, Atom)> {
        let alone = (0..self.listeners.len()).filter(|position| self.twin(*position).is_none());
        alone.filter_map(|position| Some((self.listeners.get(position)?, self.at(position))))
    }
}

fn first<'c>(counting: &'c [(&Listener, Atom)], listener: &Listener) -> Option<&'c Atom> {
    let mut counting = counting.iter();
    let (_, at) = counting.find(|(other, _)| clash(other, listener))?;
    Some(at)
}

/// Whether connections cannot be told to be for one and not the other. Of protocols of which the standard does not speak
/// nobody knows.
fn clash(one: &Listener, other: &Listener) -> bool {
    let named = ["HTTP", "HTTPS", "TLS"];
    let pair = [&*one.protocol, &*other.protocol];
    one.port == other.port
        && match pair {
            ["TCP", "TCP"] | ["UDP", "UDP"] => true,
            ["TCP", name] | [name, "TCP"] => named.contains(&name),
            [name, same] => name == same && named.contains(&name) && one.hostname == other.hostname,
        }
}
