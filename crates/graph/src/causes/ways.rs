//! Paths with what would close them, and the choice of what does.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hashbrown::HashMap;

use crate::condition::{AtomId, ConditionId};

/// What can be taken away to close a path: all of these atoms, in order.
pub(crate) type Cut = Vec<AtomId>;

/// Paths, and what would close them. What is known of cuts stays from one lot of paths to the next.
#[derive(Default)]
pub(crate) struct Ways {
    /// Positions of cuts.
    ids: HashMap<Cut, usize>,
    cuts: Vec<Cut>,
    /// By condition the cuts that close it, each for itself, as long as nothing of it is taken away.
    of_conditions: HashMap<ConditionId, Vec<usize>>,
    /// By cut, the paths that it closes.
    closes: Vec<Vec<usize>>,
    /// The cuts that close any.
    used: Vec<usize>,
    /// By path, the cuts that close it, each for itself.
    closed_by: Vec<Vec<usize>>,
}

impl Ways {
    /// The position of a cut.
    pub(crate) fn put(&mut self, cut: Cut) -> usize {
        if let Some(&id) = self.ids.get(&cut) {
            return id;
        }
        self.ids.insert(cut.clone(), self.cuts.len());
        self.cuts.push(cut);
        self.closes.push(Vec::new());
        self.cuts.len() - 1
    }

    /// Adds the cuts that close a condition to those that close a path; `cuts` says where that is not known.
    pub(super) fn add(
        &mut self,
        condition: ConditionId,
        to: &mut Vec<usize>,
        cuts: impl FnOnce() -> Vec<Cut>,
    ) {
        if let Some(known) = self.of_conditions.get(&condition) {
            return to.extend_from_slice(known);
        }
        let known: Vec<usize> = cuts().into_iter().map(|cut| self.put(cut)).collect();
        to.extend_from_slice(&known);
        self.of_conditions.insert(condition, known);
    }

    /// Has the cuts of a condition be looked for anew.
    pub(super) fn forget(&mut self, condition: ConditionId) {
        self.of_conditions.remove(&condition);
    }

    /// Drops the paths.
    pub(super) fn clear(&mut self) {
        self.closed_by.clear();
        for id in self.used.drain(..) {
            if let Some(closes) = self.closes.get_mut(id) {
                closes.clear();
            }
        }
    }

    /// Adds a path that these cuts close, each for itself.
    pub(crate) fn closed_by(&mut self, cuts: Vec<usize>) {
        for &id in &cuts {
            if let Some(closes) = self.closes.get_mut(id) {
                if closes.is_empty() {
                    self.used.push(id);
                }
                closes.push(self.closed_by.len());
            }
        }
        self.closed_by.push(cuts);
    }

    /// Cuts that close every one of the paths, the one that closes the most for its price first; of equals the first in
    /// order.
    pub(crate) fn choose(
        &self,
        price: impl Fn(&Cut) -> u64,
        order: impl Fn(&Cut) -> Vec<usize>,
    ) -> Vec<Cut> {
        let worth = |id: usize, open: usize| {
            let price = self.cuts.get(id).map_or(1, |cut| price(cut).max(1));
            (open as u64).saturating_mul(1_000_000) / price
        };
        let mut open: Vec<usize> = self.closes.iter().map(Vec::len).collect();
        let candidates = self.used.iter().filter_map(|&id| {
            let paths = open.get(id).copied()?;
            Some((worth(id, paths), Reverse(order(self.cuts.get(id)?)), id))
        });
        let mut heap: BinaryHeap<(u64, Reverse<Vec<usize>>, usize)> = candidates.collect();
        let mut is_closed = vec![false; self.closed_by.len()];
        let mut chosen = Vec::new();
        while let Some((before, rank, id)) = heap.pop() {
            let left = open.get(id).copied().unwrap_or_default();
            let now = worth(id, left);
            if left == 0 {
                continue;
            }
            if now < before {
                heap.push((now, rank, id));
                continue;
            }
            for &path in self.closes.get(id).into_iter().flatten() {
                let was_closed = is_closed
                    .get_mut(path)
                    .map(|it| std::mem::replace(it, true));
                if was_closed == Some(false) {
                    for &cut in self.closed_by.get(path).into_iter().flatten() {
                        if let Some(open) = open.get_mut(cut) {
                            *open -= 1;
                        }
                    }
                }
            }
            chosen.extend(self.cuts.get(id).cloned());
        }
        chosen
    }
}
