use std::cmp::Ordering;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::blocks::Blocks;
use super::symbols::Symbol;

/// Position of a binding in the index.
pub(crate) type BindingId = u32;

/// Position of a role in the index.
pub(crate) type RoleId = u32;

/// A binding in a list of a subject, with the role that it gives, which decisions look at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) binding: BindingId,
    pub(crate) role: RoleId,
}

/// A subject as requests carry it: a user name (service accounts have one) or a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

    /// Not a subject: where a list of subjects starts.
    pub(super) fn start(start: u32) -> Self {
        Self(start)
    }

    pub(super) fn as_start(self) -> u32 {
        self.0
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
    blocks: Blocks<Given>,
}

/// Most subjects have one binding in a namespace: it stands here, without a list.
#[derive(Clone, Copy, Debug)]
struct Posting {
    subject: SubjectKey,
    namespace: Symbol,
    /// The only binding; where there are more, [`LIST`] and the start of their block stand for the binding, and their
    /// number for the role.
    given: Given,
}

const LIST: u32 = 1 << 31;

impl Posting {
    /// Start and length of the list.
    fn list(self) -> Option<(u32, u32)> {
        let Given { binding, role } = self.given;
        (binding & LIST != 0).then_some((binding & !LIST, role))
    }

    fn set_list(&mut self, start: u32, len: u32) {
        self.given = Given {
            binding: LIST | start,
            role: len,
        };
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
    pub(crate) fn of(&self, subject: SubjectKey, namespace: Symbol) -> &[Given] {
        let found = self.table.find(hash(subject, namespace), |posting| {
            posting.subject == subject && posting.namespace == namespace
        });
        match found.map(|posting| (posting, posting.list())) {
            None => &[],
            Some((posting, None)) => std::slice::from_ref(&posting.given),
            Some((_, Some((start, len)))) => self.blocks.slice(start, len),
        }
    }

    /// Adds a binding; once is as good as twice.
    pub(crate) fn insert(
        &mut self,
        subject: SubjectKey,
        namespace: Symbol,
        given: Given,
        order: impl Fn(BindingId, BindingId) -> Ordering,
    ) {
        let entry = self.table.entry(
            hash(subject, namespace),
            |posting| posting.subject == subject && posting.namespace == namespace,
            |posting| hash(posting.subject, posting.namespace),
        );
        let mut occupied = match entry {
            Entry::Occupied(occupied) => occupied,
            Entry::Vacant(vacant) => {
                vacant.insert(Posting {
                    subject,
                    namespace,
                    given,
                });
                return;
            }
        };
        let posting = occupied.get_mut();
        let (start, len) = match posting.list() {
            Some(list) => list,
            None if posting.given == given => return,
            None => (self.blocks.add(&[posting.given]), 1),
        };
        let Err(position) = position(self.blocks.slice(start, len), given, order) else {
            return;
        };
        let start = self.blocks.insert(start, len, position, given);
        posting.set_list(start, len + 1);
    }

    /// Takes a binding out, where it is in.
    pub(crate) fn remove(
        &mut self,
        subject: SubjectKey,
        namespace: Symbol,
        given: Given,
        order: impl Fn(BindingId, BindingId) -> Ordering,
    ) {
        let Ok(mut occupied) = self.table.find_entry(hash(subject, namespace), |posting| {
            posting.subject == subject && posting.namespace == namespace
        }) else {
            return;
        };
        let posting = occupied.get_mut();
        let Some((start, len)) = posting.list() else {
            if posting.given == given {
                occupied.remove();
            }
            return;
        };
        let Ok(position) = position(self.blocks.slice(start, len), given, order) else {
            return;
        };
        let start = self.blocks.remove(start, len, position);
        posting.set_list(start, len - 1);
        if let [last] = *self.blocks.slice(start, len - 1) {
            self.blocks.end(start, 1);
            posting.given = last;
        }
    }

    /// Number of subjects in namespaces, and of bindings listed for them.
    pub(crate) fn count(&self) -> (usize, usize) {
        let bindings = |posting: &Posting| posting.list().map_or(1, |(_, len)| len as usize);
        (self.table.len(), self.table.iter().map(bindings).sum())
    }

    /// Number of bindings that blocks have room for; 0 when nobody has more than one.
    pub(crate) fn room(&self) -> usize {
        self.blocks.room()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.table.allocation_size() + self.blocks.bytes()
    }
}

/// Where a binding stands in a list, or would; loading in order only ever looks at the last one.
fn position(
    list: &[Given],
    given: Given,
    order: impl Fn(BindingId, BindingId) -> Ordering,
) -> Result<usize, usize> {
    match list.last() {
        Some(last) if order(last.binding, given.binding).is_lt() => Err(list.len()),
        _ => list.binary_search_by(|other| order(other.binding, given.binding)),
    }
}
