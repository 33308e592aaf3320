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
    pub(crate) fn readers_of(&self, marks: impl IntoIterator<Item = Mark>) -> BTreeSet<Unit> {
        let readers = |mark: Mark| self.readers.range((mark, 0)..=(mark, u32::MAX));
        let readers = marks.into_iter().flat_map(readers);
        let units = readers.filter_map(|&(_, part)| self.units.value(part));
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
        if old.reads != slot.reads {
            for &mark in &old.reads {
                self.readers.remove(&(mark, position));
            }
            self.readers
                .extend(slot.reads.iter().map(|&mark| (mark, position)));
        }
        old.made
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
