//! What an edge rests on, and what would have to be taken away for it to vanish.

use std::hash::{BuildHasher, Hash};

use bailiwick_core::ObjectRef;
use hashbrown::{DefaultHashBuilder, HashTable};
use serde::Serialize;

/// Something in the cluster that can be changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(tag = "atom", rename_all = "camelCase")]
pub enum Atom {
    /// A subject of a binding.
    Subject {
        /// The binding.
        binding: ObjectRef,
        /// Position in its `subjects`.
        position: u32,
    },
    /// A rule of a role.
    Rule {
        /// The role.
        role: ObjectRef,
        /// Position in its `rules`.
        position: u32,
    },
    /// A setting of an object.
    Field {
        /// The object.
        object: ObjectRef,
        /// JSON pointer to the setting; empty is the object itself.
        pointer: String,
    },
}

/// Position of an [`Atom`] in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AtomId(pub(crate) u32);

/// One thing that gives a right: all of its atoms have to be there.
pub(crate) type Cause = Vec<AtomId>;

/// Causes any of which will do.
pub(crate) type Clause = Vec<Cause>;

/// Position of a condition in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ConditionId(pub(crate) u32);

/// When an edge is there: each clause has a cause left. Without clauses it always is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Condition {
    pub(crate) clauses: Vec<Clause>,
}

impl Condition {
    /// Whether the edge is still there once the atoms for which `removed` says so are gone.
    pub(crate) fn holds(&self, removed: &impl Fn(AtomId) -> bool) -> bool {
        self.clauses.iter().all(|clause| {
            clause
                .iter()
                .any(|cause| !cause.iter().any(|&atom| removed(atom)))
        })
    }
}

/// Values that are there once, by position.
#[derive(Clone, Debug)]
pub(crate) struct Table<T> {
    hasher: DefaultHashBuilder,
    /// Positions by the values that stand there.
    positions: HashTable<u32>,
    values: Vec<T>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            positions: HashTable::new(),
            values: Vec::new(),
        }
    }
}

impl<T: Eq + Hash> Table<T> {
    /// Position of the value, new or not.
    pub(crate) fn put(&mut self, value: T) -> u32 {
        if let Some(position) = self.find(&value) {
            return position;
        }
        // More than u32::MAX different values do not fit into the memory of any machine that reads this.
        let position = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        let hash = self.hasher.hash_one(&value);
        self.values.push(value);
        let (hasher, values) = (&self.hasher, &self.values);
        let hash_at = |&at: &u32| {
            values
                .get(at as usize)
                .map_or(0, |value| hasher.hash_one(value))
        };
        self.positions.insert_unique(hash, position, hash_at);
        position
    }

    /// Position of the value, where it is there.
    pub(crate) fn find(&self, value: &T) -> Option<u32> {
        let hash = self.hasher.hash_one(value);
        let same = |&at: &u32| self.values.get(at as usize) == Some(value);
        self.positions.find(hash, same).copied()
    }

    /// The value at a position that [`Table::put`] gave.
    pub(crate) fn value(&self, position: u32) -> Option<&T> {
        self.values.get(position as usize)
    }

    /// All values in the order of their positions.
    pub(crate) fn values(&self) -> &[T] {
        &self.values
    }
}
