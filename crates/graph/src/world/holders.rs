//! Those whom bindings name, by their numbers, and what these give to them.

use std::ops::Deref;
use std::sync::Arc;

use bailiwick_core::ObjectRef;

use super::roles::RoleId;
use crate::condition::Atom;
use crate::node::Node;
use crate::table::Table;

/// Number of somebody whom a binding names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HolderId(u32);

/// An entry of a binding: who is bound to what.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// The binding.
    pub(crate) binding: ObjectRef,
    /// The position of the subject in it.
    pub(crate) position: u32,
    /// The role, where it is one that can be.
    pub(crate) role: Option<ObjectRef>,
}

/// The same as it is kept for whom it names.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(super) given: Arc<Given>,
    /// The number of the role.
    pub(crate) number: Option<RoleId>,
}

/// Those whom bindings name.
#[derive(Default)]
pub(super) struct Holders {
    numbers: Table<Node>,
    /// By number what bindings give, in order.
    entries: Vec<Vec<Entry>>,
}

impl Holders {
    /// What bindings give to somebody, in order.
    pub(super) fn entries_of(&self, node: &Node) -> &[Entry] {
        let number = self.numbers.find(node);
        number.map_or(&[], |number| self.entries(HolderId(number)))
    }

    /// The same by number.
    pub(super) fn entries(&self, HolderId(number): HolderId) -> &[Entry] {
        let entries = self.entries.get(number as usize);
        entries.map_or(&[], Vec::as_slice)
    }

    pub(super) fn has(&self, node: &Node) -> bool {
        !self.entries_of(node).is_empty()
    }

    /// Who has this number.
    pub(super) fn node(&self, holder: HolderId) -> Option<&Node> {
        self.numbers.value(holder.0)
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.numbers.values().map(|(_, node)| node)
    }

    /// The number of somebody whom an entry names that is about to be put in.
    pub(super) fn enter(&mut self, node: &Node) -> HolderId {
        let (number, _) = self.numbers.put(node.clone());
        if self.entries.len() <= number as usize {
            self.entries.resize_with(number as usize + 1, Vec::new);
        }
        self.numbers.hold(number);
        HolderId(number)
    }

    /// Puts in an entry. Says whether it is the first.
    pub(super) fn give(&mut self, HolderId(holder): HolderId, entry: Entry) -> bool {
        let Some(list) = self.entries.get_mut(holder as usize) else {
            return false;
        };
        let at = list.partition_point(|other| other.place() < entry.place());
        list.insert(at, entry);
        list.len() == 1
    }

    /// Takes an entry out. Gives whose it was, what it was, and whether it was the last.
    pub(super) fn take(&mut self, node: &Node, given: &Given) -> Option<(HolderId, Entry, bool)> {
        let number = self.numbers.find(node)?;
        let list = self.entries.get_mut(number as usize)?;
        let at = list.binary_search_by(|other| other.place().cmp(&given.place()));
        let entry = list.remove(at.ok()?);
        let was_last = list.is_empty();
        if was_last {
            *list = Vec::new();
        }
        self.numbers.release(number);
        self.numbers.sweep();
        Some((HolderId(number), entry, was_last))
    }
}

impl Deref for Entry {
    type Target = Given;

    fn deref(&self) -> &Given {
        &self.given
    }
}

impl Given {
    /// What tells it from all others.
    fn place(&self) -> (&ObjectRef, u32) {
        (&self.binding, self.position)
    }

    /// The entry itself.
    pub(crate) fn atom(&self) -> Atom {
        Atom::Subject {
            binding: self.binding.clone(),
            position: self.position,
        }
    }
}
