//! CustomResourceDefinitions by the group that they are for.

use std::collections::{BTreeMap, BTreeSet};

use bailiwick_core::Str;
use bailiwick_model::CustomResource;

use super::World;
use super::index::{Index, Woken};
use super::reads::Key;

/// Names of definitions by their groups.
pub(super) type Definitions = BTreeMap<Str, BTreeSet<Str>>;

impl Index {
    pub(super) fn define(&mut self, definition: &CustomResource, woken: &mut Woken) {
        let names = self.definitions.entry(definition.group.clone());
        let name = definition.metadata.name.clone();
        names.or_default().insert(name);
        self.wake(Key::DefinitionsOf(&definition.group), woken);
    }

    pub(super) fn define_no_more(&mut self, definition: &CustomResource, woken: &mut Woken) {
        if let Some(names) = self.definitions.get_mut(&definition.group) {
            names.remove(&definition.metadata.name);
            if names.is_empty() {
                self.definitions.remove(&definition.group);
            }
        }
        self.wake(Key::DefinitionsOf(&definition.group), woken);
    }
}

impl<'a> World<'a> {
    /// The CustomResourceDefinitions of a group.
    pub(crate) fn definitions_of(&self, group: &str) -> impl Iterator<Item = &'a CustomResource> {
        self.note(Key::DefinitionsOf(group));
        let names = self.index.definitions.get(group);
        let names = names.into_iter().flatten();
        names.filter_map(|name| self.snapshot.custom_resources.get("", name))
    }
}
