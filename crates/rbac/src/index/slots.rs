//! Bindings and roles in their slots, found by name.

use bailiwick_core::{Kind, Str};

use super::blocks::Blocks;
use super::rule::Mask;
use super::symbols::{Symbol, Symbols};
use super::{BindingId, Index, RoleId, SubjectKey, postings};

/// A binding. Two fit into a line of the processor's cache.
#[derive(Clone, Debug)]
#[repr(align(32))]
pub(crate) struct BindingSlot {
    pub(crate) namespace: Symbol,
    /// [`NO_ROLE`] where its `roleRef` can name none.
    pub(crate) role: RoleId,
    /// The only subject; where there are more, the start of their list stands for it.
    pub(super) subject: SubjectKey,
    /// Number of subjects, each in its place, and [`AS_NAMED`].
    pub(super) subjects: u32,
    pub(crate) name: Str,
}

/// The user names of all service accounts among the subjects say how the binding spells them.
pub(super) const AS_NAMED: u32 = 1 << 31;

/// The `roleRef` names no role that could exist.
pub(crate) const NO_ROLE: RoleId = u32::MAX;

/// A role that is defined, referred to, or both.
#[derive(Clone, Debug)]
pub(crate) struct RoleSlot {
    /// [`Symbol::EMPTY`] for a ClusterRole.
    pub(crate) namespace: Symbol,
    pub(crate) name: Symbol,
    /// The bindings that refer to it.
    pub(super) bindings: Vec<BindingId>,
}

/// Slots are freed when unused, and freed ones used again.
impl Index {
    pub(super) fn find_binding(&self, namespace: &str, name: &str) -> Option<BindingId> {
        let namespace = self.symbols.find(namespace);
        self.binding_by_name
            .find(hash_binding(&self.symbols, namespace, name), |&id| {
                self.binding(id)
                    .is_some_and(|slot| slot.namespace == namespace && *slot.name == *name)
            })
            .copied()
    }

    pub(super) fn add_binding(&mut self, slot: BindingSlot) -> BindingId {
        let hash = hash_binding(&self.symbols, slot.namespace, &slot.name);
        let id = put(&mut self.bindings, &mut self.free_bindings, slot);
        let Self {
            bindings, symbols, ..
        } = self;
        self.binding_by_name.insert_unique(hash, id, |&id| {
            bindings
                .get(id as usize)
                .map_or(0, |slot| hash_binding(symbols, slot.namespace, &slot.name))
        });
        id
    }

    pub(super) fn free_binding(&mut self, id: BindingId) {
        let Some(slot) = self.bindings.get_mut(id as usize) else {
            return;
        };
        let hash = hash_binding(&self.symbols, slot.namespace, &slot.name);
        for subject in slot.subjects(&self.subjects) {
            self.symbols.release(subject.name());
        }
        if slot.count() != 1 {
            self.subjects.end(slot.subject.as_start(), slot.count());
        }
        // An empty list has no block to be freed twice.
        (slot.subject, slot.subjects) = (SubjectKey::NOBODY, 1);
        self.symbols.release(slot.namespace);
        slot.name = Str::default();
        if let Ok(found) = self.binding_by_name.find_entry(hash, |&other| other == id) {
            found.remove();
        }
        self.free_bindings.push(id);
    }

    pub(super) fn find_role(&self, namespace: &str, name: &str) -> Option<RoleId> {
        let (namespace, name) = (self.symbols.find(namespace), self.symbols.find(name));
        self.role_by_name
            .find(hash_role(namespace, name), |&id| {
                self.role(id)
                    .is_some_and(|slot| slot.namespace == namespace && slot.name == name)
            })
            .copied()
    }

    /// The slot of a role, made where it is missing.
    pub(super) fn role_slot(&mut self, namespace: &Str, name: &Str) -> RoleId {
        if let Some(id) = self.find_role(namespace, name) {
            return id;
        }
        let slot = RoleSlot {
            namespace: self.symbols.intern_shared(namespace),
            name: self.symbols.intern_shared(name),
            bindings: Vec::new(),
        };
        let hash = hash_role(slot.namespace, slot.name);
        let id = put(&mut self.roles, &mut self.free_roles, slot);
        self.rules.resize_with(self.roles.len(), || None);
        self.masks.resize(self.roles.len(), Mask::ALL);
        let roles = &self.roles;
        self.role_by_name.insert_unique(hash, id, |&id| {
            roles
                .get(id as usize)
                .map_or(0, |slot| hash_role(slot.namespace, slot.name))
        });
        id
    }

    pub(super) fn drop_role_if_unused(&mut self, id: RoleId) {
        let Some(slot) = self.roles.get(id as usize) else {
            return;
        };
        if self.rules(id).is_some() || !slot.bindings.is_empty() {
            return;
        }
        let hash = hash_role(slot.namespace, slot.name);
        self.symbols.release(slot.namespace);
        self.symbols.release(slot.name);
        if let Ok(found) = self.role_by_name.find_entry(hash, |&other| other == id) {
            found.remove();
        }
        self.free_roles.push(id);
    }
}

impl BindingSlot {
    /// Every subject, in its place.
    pub(super) fn subjects<'a>(&'a self, several: &'a Blocks<SubjectKey>) -> &'a [SubjectKey] {
        match self.count() {
            1 => std::slice::from_ref(&self.subject),
            number => several.slice(self.subject.as_start(), number),
        }
    }

    fn count(&self) -> u32 {
        self.subjects & !AS_NAMED
    }

    /// Whether [`bailiwick_core::Subject::from_user_name`] spells every user and service account among the subjects as the binding does.
    pub(crate) fn is_as_named(&self) -> bool {
        self.subjects & AS_NAMED != 0
    }

    pub(crate) fn kind(&self) -> Kind {
        match self.namespace {
            Symbol::EMPTY => Kind::ClusterRoleBinding,
            _ => Kind::RoleBinding,
        }
    }
}

impl RoleSlot {
    /// The bindings that refer to it.
    pub(crate) fn bindings(&self) -> &[BindingId] {
        &self.bindings
    }

    pub(crate) fn kind(&self) -> Kind {
        match self.namespace {
            Symbol::EMPTY => Kind::ClusterRole,
            _ => Kind::Role,
        }
    }
}

fn put<T>(slots: &mut Vec<T>, free: &mut Vec<u32>, value: T) -> u32 {
    match free.pop() {
        Some(id) => {
            if let Some(slot) = slots.get_mut(id as usize) {
                *slot = value;
            }
            id
        }
        None => {
            slots.push(value);
            slots.len() as u32 - 1
        }
    }
}

fn hash_binding(symbols: &Symbols, namespace: Symbol, name: &str) -> u64 {
    symbols.hash(name) ^ hash_role(namespace, Symbol::EMPTY)
}

fn hash_role(namespace: Symbol, name: Symbol) -> u64 {
    postings::hash_pair(namespace.0, name.0)
}
