//! What answers questions in constant time: strings as symbols, the bindings of each subject in each namespace, roles
//! as compiled rules, and the bindings of each role.
//!
//! A role has a slot when it is defined *or* referred to, so that a role which appears later comes alive without a
//! touch of the bindings that wait for it. Every list is in the order of the bindings' namespaces and names: answers
//! do not depend on the order in which the objects arrived.

mod blocks;
mod postings;
mod rule;
mod slots;
mod symbols;
mod wanted;

use std::cmp::Ordering;

use bailiwick_core::Subject;
use bailiwick_model::{Binding, BindingSubject, Role, Snapshot};
use hashbrown::HashTable;
use smallvec::SmallVec;

use blocks::Blocks;
use postings::Postings;
pub(crate) use postings::{BindingId, Given, RoleId, SubjectKey};
use rule::Mask;
pub(crate) use rule::Rules;
use slots::AS_NAMED;
pub(crate) use slots::{BindingSlot, NO_ROLE, RoleSlot};
pub(crate) use symbols::{Symbol, Symbols};
pub(crate) use wanted::Wanted;

/// The index of the roles and bindings of a snapshot.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    pub(crate) symbols: Symbols,
    postings: Postings,
    bindings: Vec<BindingSlot>,
    /// The subjects of bindings that have several.
    subjects: Blocks<SubjectKey>,
    free_bindings: Vec<BindingId>,
    binding_by_name: HashTable<BindingId>,
    roles: Vec<RoleSlot>,
    /// The rules of each role, apart from the rest because decisions read nothing else; `None` where nobody defines
    /// the role.
    rules: Vec<Option<Rules>>,
    /// What the rules of each role can match at all, side by side, so that passing over a role reads nothing else.
    masks: Vec<Mask>,
    free_roles: Vec<RoleId>,
    role_by_name: HashTable<RoleId>,
    /// Bindings whose `roleRef` can name no role.
    without_role: Vec<BindingId>,
}

impl Index {
    pub(crate) fn new(snapshot: &Snapshot) -> Self {
        let mut index = Self {
            symbols: Symbols::new(),
            postings: Postings::default(),
            bindings: Vec::with_capacity(snapshot.bindings.len()),
            subjects: Blocks::default(),
            free_bindings: Vec::new(),
            binding_by_name: HashTable::with_capacity(snapshot.bindings.len()),
            roles: Vec::with_capacity(snapshot.roles.len()),
            rules: Vec::with_capacity(snapshot.roles.len()),
            masks: Vec::with_capacity(snapshot.roles.len()),
            free_roles: Vec::new(),
            role_by_name: HashTable::with_capacity(snapshot.roles.len()),
            without_role: Vec::new(),
        };
        snapshot.roles.iter().for_each(|role| index.put_role(role));
        snapshot
            .bindings
            .iter()
            .for_each(|binding| index.put_binding(binding));
        index
    }

    /// Whether there is no binding.
    pub(crate) fn is_empty(&self) -> bool {
        self.binding_by_name.is_empty()
    }

    pub(crate) fn binding(&self, id: BindingId) -> Option<&BindingSlot> {
        self.bindings.get(id as usize)
    }

    pub(crate) fn role(&self, id: RoleId) -> Option<&RoleSlot> {
        self.roles.get(id as usize)
    }

    /// The subjects of a binding, each in its place.
    pub(crate) fn subjects<'a>(&'a self, binding: &'a BindingSlot) -> &'a [SubjectKey] {
        binding.subjects(&self.subjects)
    }

    /// The rules of a role; `None` where nobody defines it.
    pub(crate) fn rules(&self, id: RoleId) -> Option<&Rules> {
        self.rules.get(id as usize)?.as_ref()
    }

    /// Whether a role has to be looked at for what is wanted: a rule may match, or nobody defines the role.
    pub(crate) fn may_allow(&self, id: RoleId, wanted: &Wanted<'_>) -> bool {
        self.masks
            .get(id as usize)
            .is_none_or(|mask| mask.meets(wanted))
    }

    /// Every role that somebody defines, with its rules.
    pub(crate) fn defined_roles(&self) -> impl Iterator<Item = (&RoleSlot, &Rules)> {
        let both = self.roles.iter().zip(&self.rules);
        both.filter_map(|(slot, rules)| Some((slot, rules.as_ref()?)))
    }

    /// The bindings of a subject: the cluster-wide ones, and those in `namespace` unless that is none.
    pub(crate) fn lists(&self, subject: SubjectKey, namespace: Symbol) -> [&[Given]; 2] {
        let own = match namespace {
            Symbol::EMPTY | Symbol::UNKNOWN => &[],
            namespace => self.postings.of(subject, namespace),
        };
        [self.postings.of(subject, Symbol::EMPTY), own]
    }

    /// The bindings whose role nobody defines, or that can name none.
    pub(crate) fn dangling_bindings(&self) -> impl Iterator<Item = &BindingSlot> {
        let undefined = (self.roles.iter().zip(&self.rules))
            .filter(|(_, rules)| rules.is_none())
            .map(|(slot, _)| slot);
        let waiting = undefined.flat_map(|role| &role.bindings);
        waiting
            .chain(&self.without_role)
            .filter_map(|&id| self.binding(id))
    }

    pub(crate) fn size(&self) -> crate::engine::Size {
        let (string_table_bytes, string_bytes) = self.symbols.bytes();
        let (subjects, postings) = self.postings.count();
        let waiting = |slot: &RoleSlot| slot.bindings.capacity() * size_of::<BindingId>();
        crate::engine::Size {
            bindings: self.binding_by_name.len(),
            roles: self.role_by_name.len(),
            strings: self.symbols.len(),
            subjects,
            postings,
            list_room: self.postings.room() + self.subjects.room(),
            binding_bytes: self.bindings.capacity() * size_of::<BindingSlot>()
                + self.subjects.bytes()
                + self.binding_by_name.allocation_size()
                + (self.free_bindings.capacity() + self.without_role.capacity())
                    * size_of::<BindingId>()
                + self.postings.bytes()
                + self.roles.iter().map(waiting).sum::<usize>(),
            role_bytes: self.roles.capacity() * size_of::<RoleSlot>()
                + self.role_by_name.allocation_size()
                + self.rules.capacity() * size_of::<Option<Rules>>()
                + self.masks.capacity() * size_of::<Mask>()
                + self.rules.iter().flatten().map(Rules::bytes).sum::<usize>(),
            string_table_bytes,
            string_bytes,
        }
    }

    /// The order of all lists: cluster-wide first, then by namespace and name.
    pub(crate) fn order(&self, a: BindingId, b: BindingId) -> Ordering {
        order(&self.bindings, &self.symbols, a, b)
    }

    /// The bindings of a role in one namespace; the cluster-wide ones for [`Symbol::EMPTY`].
    pub(crate) fn bindings_in<'a>(&self, role: &'a RoleSlot, namespace: Symbol) -> &'a [BindingId] {
        let wanted = self.symbols.text(namespace);
        let text = |&id: &BindingId| {
            self.binding(id)
                .map_or("", |slot| self.symbols.text(slot.namespace))
        };
        let start = role.bindings.partition_point(|id| text(id) < wanted);
        let end = role.bindings.partition_point(|id| text(id) <= wanted);
        role.bindings.get(start..end).unwrap_or_default()
    }

    /// Adds a role, or puts it in the place of the one with its name.
    pub(crate) fn put_role(&mut self, role: &Role) {
        let rules = Rules::new(&role.rules, &mut self.symbols);
        let id = self.role_slot(&role.metadata.namespace, &role.metadata.name);
        if let Some(mask) = self.masks.get_mut(id as usize) {
            *mask = rules.mask();
        }
        let slot = self.rules.get_mut(id as usize);
        if let Some(old) = slot.and_then(|slot| slot.replace(rules)) {
            old.release(&mut self.symbols);
        }
    }

    /// Takes a role's rules away.
    pub(crate) fn remove_role(&mut self, namespace: &str, name: &str) {
        let Some(id) = self.find_role(namespace, name) else {
            return;
        };
        if let Some(old) = self.rules.get_mut(id as usize).and_then(Option::take) {
            if let Some(mask) = self.masks.get_mut(id as usize) {
                *mask = Mask::ALL;
            }
            old.release(&mut self.symbols);
            self.drop_role_if_unused(id);
        }
    }

    /// Adds a binding, or puts it in the place of the one with its name.
    pub(crate) fn put_binding(&mut self, binding: &Binding) {
        let metadata = &binding.metadata;
        self.remove_binding(&metadata.namespace, &metadata.name);
        let role = match binding.role() {
            Some(role) => self.role_slot(&role.namespace, &role.name),
            None => NO_ROLE,
        };
        let namespace = self.symbols.intern_shared(&metadata.namespace);
        let mut as_named = AS_NAMED;
        let subjects: SmallVec<[SubjectKey; 8]> = binding
            .subjects
            .iter()
            .map(|subject| self.subject_key(subject, &metadata.namespace, &mut as_named))
            .collect();
        let subject = match *subjects {
            [only] => only,
            _ => SubjectKey::start(self.subjects.add(&subjects)),
        };
        let id = self.add_binding(BindingSlot {
            namespace,
            role,
            subject,
            subjects: subjects.len() as u32 | as_named,
            name: metadata.name.clone(),
        });
        let Self {
            bindings,
            symbols,
            postings,
            roles,
            without_role,
            ..
        } = self;
        let order = |a, b| order(bindings, symbols, a, b);
        let given = Given { binding: id, role };
        for &subject in usable(&subjects) {
            postings.insert(subject, namespace, given, order);
        }
        let of_role = match roles.get_mut(role as usize) {
            Some(slot) => &mut slot.bindings,
            None => without_role,
        };
        insert_sorted(of_role, id, order);
    }

    /// Takes a binding away.
    pub(crate) fn remove_binding(&mut self, namespace: &str, name: &str) {
        let Some(id) = self.find_binding(namespace, name) else {
            return;
        };
        let Self {
            bindings,
            subjects,
            symbols,
            postings,
            roles,
            without_role,
            ..
        } = self;
        let order = |a, b| order(bindings, symbols, a, b);
        let Some(slot) = bindings.get(id as usize) else {
            return;
        };
        let given = Given {
            binding: id,
            role: slot.role,
        };
        for &subject in usable(slot.subjects(subjects)) {
            postings.remove(subject, slot.namespace, given, order);
        }
        let of_role = match roles.get_mut(slot.role as usize) {
            Some(role) => &mut role.bindings,
            None => without_role,
        };
        remove_sorted(of_role, id, order);
        let role = slot.role;
        self.free_binding(id);
        self.drop_role_if_unused(role);
    }

    /// Whom a subject of a binding in `namespace` applies to, with a use of its name. `as_named` loses its bit where
    /// the name does not say how the subject is spelled.
    fn subject_key(
        &mut self,
        subject: &BindingSubject,
        namespace: &str,
        as_named: &mut u32,
    ) -> SubjectKey {
        let (name, spelled) = match subject.subject(namespace) {
            None => return SubjectKey::NOBODY,
            Some(Subject::Group { .. }) => {
                return SubjectKey::group(self.symbols.intern_shared(&subject.name));
            }
            Some(user @ Subject::User { .. }) => (self.symbols.intern_shared(&subject.name), user),
            Some(account) => {
                let name = account.user_name().unwrap_or_default();
                (self.symbols.intern(&name), account)
            }
        };
        if Subject::from_user_name(self.symbols.text(name)) != spelled {
            *as_named = 0;
        }
        SubjectKey::user(name)
    }
}

/// The subjects that apply to somebody.
fn usable(subjects: &[SubjectKey]) -> impl Iterator<Item = &SubjectKey> {
    subjects.iter().filter(|&&key| key != SubjectKey::NOBODY)
}

/// Adds `id` where `order` wants it; loading in order only ever looks at the last one.
fn insert_sorted(
    list: &mut Vec<BindingId>,
    id: BindingId,
    order: impl Fn(BindingId, BindingId) -> Ordering,
) {
    match list.last() {
        Some(&last) if order(last, id).is_ge() => {
            if let Err(position) = list.binary_search_by(|&other| order(other, id)) {
                list.insert(position, id);
            }
        }
        _ => list.push(id),
    }
}

/// Takes `id` out; gives back memory that has become much too large.
fn remove_sorted(
    list: &mut Vec<BindingId>,
    id: BindingId,
    order: impl Fn(BindingId, BindingId) -> Ordering,
) {
    if let Ok(position) = list.binary_search_by(|&other| order(other, id)) {
        list.remove(position);
    }
    if list.len() < list.capacity() / 4 {
        list.shrink_to(list.len() * 2);
    }
}

fn order(bindings: &[BindingSlot], symbols: &Symbols, a: BindingId, b: BindingId) -> Ordering {
    match (bindings.get(a as usize), bindings.get(b as usize)) {
        (Some(a), Some(b)) if a.namespace == b.namespace => a.name.cmp(&b.name),
        (Some(a), Some(b)) => symbols.text(a.namespace).cmp(symbols.text(b.namespace)),
        _ => a.cmp(&b),
    }
}
