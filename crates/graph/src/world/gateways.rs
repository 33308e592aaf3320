//! Gateways that routes need not name, and ListenerSets by the Gateway that they name.

use bailiwick_model::{Gateway, ListenerSet, Object};

use super::World;
use super::index::{Index, Woken};
use super::reads::Key;

impl Index {
    pub(super) fn put_gateway(&mut self, gateway: &Gateway, woken: &mut Woken) {
        if gateway.is_default {
            let metadata = &gateway.metadata;
            let name = (metadata.namespace.clone(), metadata.name.clone());
            self.default_gateways.insert(name);
            self.wake(Key::DefaultGateways, woken);
        }
    }

    pub(super) fn take_gateway(&mut self, gateway: &Gateway, woken: &mut Woken) {
        let metadata = &gateway.metadata;
        let name = (metadata.namespace.clone(), metadata.name.clone());
        if self.default_gateways.remove(&name) {
            self.wake(Key::DefaultGateways, woken);
        }
    }

    pub(super) fn put_set(&mut self, set: &ListenerSet, woken: &mut Woken) {
        let metadata = &set.metadata;
        let name = (metadata.namespace.clone(), metadata.name.clone());
        self.sets
            .entry(set.gateway.clone())
            .or_default()
            .insert(name);
        self.wake(Key::SetsOf(&set.gateway.0, &set.gateway.1), woken);
    }

    pub(super) fn take_set(&mut self, set: &ListenerSet, woken: &mut Woken) {
        let metadata = &set.metadata;
        let name = (metadata.namespace.clone(), metadata.name.clone());
        if let Some(sets) = self.sets.get_mut(&set.gateway) {
            sets.remove(&name);
            if sets.is_empty() {
                self.sets.remove(&set.gateway);
            }
        }
        self.wake(Key::SetsOf(&set.gateway.0, &set.gateway.1), woken);
    }
}

/// Whether nothing that is kept here differs; `None` for other kinds.
pub(super) fn is_same(old: &Object, new: &Object) -> Option<bool> {
    match (old, new) {
        (Object::Gateway(old), Object::Gateway(new)) => Some(old.is_default == new.is_default),
        (Object::ListenerSet(old), Object::ListenerSet(new)) => Some(old.gateway == new.gateway),
        _ => None,
    }
}

impl<'a> World<'a> {
    /// The Gateways that take the routes which ask for no Gateway by name.
    pub(crate) fn default_gateways(&self) -> impl Iterator<Item = &'a Gateway> {
        self.note(Key::DefaultGateways);
        let names = self.index.default_gateways.iter();
        names.filter_map(|(namespace, name)| self.snapshot.gateways.get(namespace, name))
    }

    /// The ListenerSets that name a Gateway, whether it takes them or not.
    pub(crate) fn sets_of(&self, gateway: &Gateway) -> Vec<&'a ListenerSet> {
        let metadata = &gateway.metadata;
        self.note(Key::SetsOf(&metadata.namespace, &metadata.name));
        let name = (metadata.namespace.clone(), metadata.name.clone());
        let names = self.index.sets.get(&name).into_iter().flatten();
        let sets =
            names.filter_map(|(namespace, name)| self.snapshot.listener_sets.get(namespace, name));
        sets.collect()
    }
}
