use std::cmp::Ordering;

use hashbrown::HashTable;

use super::symbols::Symbol;

/// Position of a binding in the index.
pub(crate) type BindingId = u32;

/// A subject as requests carry it: a user name (service accounts have one) or a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SubjectKey(u32);

impl SubjectKey {
    /// A subject that applies to nobody.
    pub(crate) const NOBODY: Self = Self(u32::MAX);

    pub(crate) fn user(name: Symbol) -> Self {
        Self::new(name, 0)
    }

    pub(crate) fn group(name: Symbol) -> Self {
        Self::new(name, 1)
    }

    fn new(name: Symbol, bit: u32) -> Self {
        if name == Symbol::UNKNOWN {
            Self::NOBODY
        } else {
            Self(name.0 << 1 | bit)
        }
    }

    pub(crate) fn is_group(self) -> bool {
        self.0 & 1 == 1
    }

    pub(crate) fn name(self) -> Symbol {
        if self == Self::NOBODY {
            Symbol::UNKNOWN
        } else {
            Symbol(self.0 >> 1)
        }
    }
}

/// The bindings of each subject in each namespace, cluster-wide ones under [`Symbol::EMPTY`]; each list in the order
/// that the caller keeps, so that it does not depend on the order in which bindings arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Postings {
    table: HashTable<Posting>,
    lists: Vec<Vec<BindingId>>,
    free: Vec<u32>,
}

/// Most subjects have one binding in a namespace: it stands here, without a list.
#[derive(Clone, Copy, Debug)]
struct Posting {
    subject: SubjectKey,
    namespace: Symbol,
    /// A binding, or [`LIST`] and the position of a list.
    value: u32,
}

const LIST: u32 = 1 << 31;

impl Posting {
    fn list(self) -> Option<usize> {
        (self.value & LIST != 0).then_some((self.value & !LIST) as usize)
    }
}

fn hash(subject: SubjectKey, namespace: Symbol) -> u64 {
    hash_pair(subject.0, namespace.0)
}

/// Spreads two symbols over 64 bits by Fibonacci hashing, folded because the table reads both ends.
pub(super) fn hash_pair(a: u32, b: u32) -> u64 {
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    let spread = (u64::from(a) << 32 | u64::from(b)).wrapping_mul(GOLDEN);
    (spread ^ spread >> 32).wrapping_mul(GOLDEN)
}

impl Postings {
    /// The bindings of `subject` in `namespace`.
    pub(crate) fn of(&self, subject: SubjectKey, namespace: Symbol) -> &[BindingId] {
        let found = self.table.find(hash(subject, namespace), |posting| {
            posting.subject == subject && posting.namespace == namespace
        });
        match found {
            None => &[],
            Some(posting) => match posting.list() {
                None => std::slice::from_ref(&posting.value),
                Some(list) => self.lists.get(list).map_or(&[], Vec::as_slice),
            },
        }
    }

    /// Adds a binding; once is as good as twice.
    pub(crate) fn insert(
        &mut self,
        subject: SubjectKey,
        namespace: Symbol,
        binding: BindingId,
        order: impl Fn(BindingId, BindingId) -> Ordering,
    ) {
        let entry = self.table.entry(
            hash(subject, namespace),
            |posting| posting.subject == subject && posting.namespace == namespace,
            |posting| hash(posting.subject, posting.namespace),
        );
        let mut occupied = match entry {
            hashbrown::hash_table::Entry::Occupied(occupied) => occupied,
            hashbrown::hash_table::Entry::Vacant(vacant) => {
                vacant.insert(Posting {
                    subject,
                    namespace,
                    value: binding,
                });
                return;
            }
        };
        let posting = occupied.get_mut();
        if let Some(list) = posting.list() {
            if let Some(list) = self.lists.get_mut(list) {
                insert_sorted(list, binding, order);
            }
        } else if posting.value != binding {
            let mut list = vec![posting.value];
            insert_sorted(&mut list, binding, order);
            let position = match self.free.pop() {
                Some(position) => {
                    if let Some(slot) = self.lists.get_mut(position as usize) {
                        *slot = list;
                    }
                    position
                }
                None => {
                    self.lists.push(list);
                    self.lists.len() as u32 - 1
                }
            };
            posting.value = LIST | position;
        }
    }

    /// Takes a binding out, where it is in.
    pub(crate) fn remove(
        &mut self,
        subject: SubjectKey,
        namespace: Symbol,
        binding: BindingId,
        order: impl Fn(BindingId, BindingId) -> Ordering,
    ) {
        let Ok(mut occupied) = self.table.find_entry(hash(subject, namespace), |posting| {
            posting.subject == subject && posting.namespace == namespace
        }) else {
            return;
        };
        let posting = occupied.get_mut();
        let Some(position) = posting.list() else {
            if posting.value == binding {
                occupied.remove();
            }
            return;
        };
        let Some(list) = self.lists.get_mut(position) else {
            return;
        };
        remove_sorted(list, binding, order);
        if let [last] = **list {
            posting.value = last;
            *list = Vec::new();
            self.free.push(position as u32);
        }
    }

    /// Number of subjects in namespaces, and of bindings listed for them.
    pub(crate) fn count(&self) -> (usize, usize) {
        let bindings = |posting: &Posting| match posting.list() {
            None => 1,
            Some(list) => self.lists.get(list).map_or(0, Vec::len),
        };
        (self.table.len(), self.table.iter().map(bindings).sum())
    }

    pub(crate) fn bytes(&self) -> usize {
        self.table.allocation_size()
            + self.lists.capacity() * size_of::<Vec<BindingId>>()
            + self.free.capacity() * size_of::<u32>()
            + self
                .lists
                .iter()
                .map(|list| list.capacity() * size_of::<BindingId>())
                .sum::<usize>()
    }
}

/// Adds `binding` where `order` wants it; loading in order only ever looks at the last one.
pub(crate) fn insert_sorted(
    list: &mut Vec<BindingId>,
    binding: BindingId,
    order: impl Fn(BindingId, BindingId) -> Ordering,
) {
    match list.last().map(|&last| order(last, binding)) {
        None | Some(Ordering::Less) => list.push(binding),
        Some(Ordering::Equal) => {}
        Some(Ordering::Greater) => {
            if let Err(position) = list.binary_search_by(|&other| order(other, binding)) {
                list.insert(position, binding);
            }
        }
    }
}

/// Takes `binding` out; gives back memory that has become much too large.
pub(crate) fn remove_sorted(
    list: &mut Vec<BindingId>,
    binding: BindingId,
    order: impl Fn(BindingId, BindingId) -> Ordering,
) {
    if let Ok(position) = list.binary_search_by(|&other| order(other, binding)) {
        list.remove(position);
    }
    if list.len() < list.capacity() / 4 {
        list.shrink_to(list.len() * 2);
    }
}
