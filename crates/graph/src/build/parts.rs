//! The parts of a graph, and what they were made from.

use std::collections::BTreeSet;

use crate::graph::Made;
use crate::table::Table;
use crate::world::{Mark, Unit};

/// The parts of which a graph is made, and what they were made from.
#[derive(Default)]
pub(crate) struct Parts {
    units: Table<Unit>,
    /// By position in `units`.
    made: Vec<Part>,
    /// Who has read what.
    readers: BTreeSet<(Mark, u32)>,
}

#[derive(Default)]
pub(crate) struct Part {
    pub(super) made: Made,
    pub(super) reads: Box<[Mark]>,
}

impl Parts {
    pub(crate) fn has(&self, unit: &Unit) -> bool {
        self.units.find(unit).is_some()
    }

    /// Those who have read what has changed.
    pub(crate) fn readers_of(&self, marks: impl IntoIterator<Item = Mark>) -> Vec<Unit> {
        let readers = |mark: Mark| self.readers.range((mark, 0)..=(mark, u32::MAX));
        let readers = marks.into_iter().flat_map(readers);
        let mut parts: Vec<u32> = readers.map(|&(_, part)| part).collect();
        parts.sort_unstable();
        parts.dedup();
        let units = parts.into_iter().filter_map(|part| self.units.value(part));
        units.cloned().collect()
    }

    /// Puts a part in the place of what was there. Gives what that had made.
    pub(crate) fn replace(&mut self, unit: &Unit, part: Part) -> Made {
        let (position, is_new) = self.units.put(unit.clone());
        if is_new {
            self.units.hold(position);
        }
        if self.made.len() <= position as usize {
            self.made.resize_with(position as usize + 1, Part::default);
        }
        let Some(slot) = self.made.get_mut(position as usize) else {
            return Made::default();
        };
        let old = std::mem::replace(slot, part);
        for mark in missing(&slot.reads, &old.reads) {
            self.readers.remove(&(mark, position));
        }
        for mark in missing(&old.reads, &slot.reads) {
            self.readers.insert((mark, position));
        }
        old.made
    }

    /// A part that is there, to be made anew in part. What it has read besides is added.
    ///
    /// What it has read before is kept, although it may matter no more: at worst the part is woken for nothing, until it
    /// is made anew as a whole.
    pub(crate) fn enter(&mut self, unit: &Unit, reads: &[Mark]) -> Option<&mut Part> {
        let position = self.units.find(unit)?;
        let part = self.made.get_mut(position as usize)?;
        let more: Vec<Mark> = missing(&part.reads, reads).collect();
        if !more.is_empty() {
            self.readers
                .extend(more.iter().map(|&mark| (mark, position)));
            let mut all: Vec<Mark> = part.reads.iter().copied().chain(more).collect();
            all.sort_unstable();
            part.reads = all.into();
        }
        Some(part)
    }

    pub(crate) fn take(&mut self, unit: &Unit) -> Made {
        let Some(position) = self.units.find(unit) else {
            return Made::default();
        };
        let made = self.replace(unit, Part::default());
        self.units.release(position);
        self.units.sweep();
        made
    }
}

/// Those of `marks` that are not in `from`; both are sorted.
fn missing<'m>(from: &'m [Mark], marks: &'m [Mark]) -> impl Iterator<Item = Mark> + 'm {
    let is_missing = move |mark: &Mark| from.binary_search(mark).is_err();
    marks.iter().copied().filter(is_missing)
}
