//! The smallest change that closes every path to a target.
//!
//! One grant backs many edges, and some edges need two, so this is a hitting set over paths: NP-hard. Small ones are
//! solved exactly by branch and bound; of large ones the best set found within the given work is told with a lower bound
//! that holds for every set.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::condition::{AtomId, Cause, Clause};
use crate::graph::{Edge, Graph, NodeId};
use crate::search::Path;

/// What closes every path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fix {
    /// What to take away, in order.
    pub atoms: Vec<AtomId>,
    /// What that costs.
    pub cost: u64,
    /// What any set costs at least. Equal to `cost` where this one is proven to be the cheapest.
    pub at_least: u64,
}

/// Why there is no [`Fix`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoFix {
    /// A path that rests on nothing that may be taken away.
    Open(Path),
    /// The work ended before any set was found.
    OutOfWork {
        /// What any set costs at least.
        at_least: u64,
    },
}

/// What taking an atom away costs; `None` where it must stay.
pub type Cost<'c> = &'c dyn Fn(AtomId) -> Option<u64>;

impl Graph {
    /// The cheapest set of atoms without which nothing in `sources` reaches `target`.
    ///
    /// `work` bounds the number of sets that are looked at; each takes a few searches through the part of the graph
    /// that lies between sources and target.
    pub fn fix(
        &self,
        sources: &[NodeId],
        target: NodeId,
        cost: Cost<'_>,
        work: usize,
    ) -> Result<Fix, NoFix> {
        let mut search = Search::new(self, sources, target, cost, work);
        let at_least = match search.bound(&Choice::default()) {
            Bound::Cost(cost) => cost,
            Bound::Open(path) => return Err(NoFix::Open(path)),
        };
        search.branch(&mut Choice::default(), 0);
        let exhausted = search.work == 0 || search.left_out.get();
        match search.best {
            Some((cost, atoms)) => Ok(Fix {
                atoms: atoms.into_iter().collect(),
                cost,
                at_least: if exhausted { at_least } else { cost },
            }),
            None => Err(NoFix::OutOfWork { at_least }),
        }
    }

    /// The path of least effort that is left of those that a set of atoms closes where this one stays; `None` where the
    /// others close all.
    pub fn path_closed_by(
        &self,
        atom: AtomId,
        set: &[AtomId],
        sources: &[NodeId],
        target: NodeId,
    ) -> Option<Path> {
        let removed = |own: AtomId| own != atom && set.contains(&own);
        let open = |edge: &Edge| self.holds(edge, &removed);
        let reaching = self.reaching_over(target, &open, &|_| false);
        let efforts = sources
            .iter()
            .filter_map(|&from| Some((reaching.effort(from)?, from)));
        let (_, from) = efforts.min()?;
        self.path(from, &reaching)
    }
}

struct Search<'g, 'c> {
    graph: &'g Graph,
    sources: HashSet<NodeId>,
    target: NodeId,
    /// The nodes between sources and target; no other matters.
    between: HashSet<NodeId>,
    cost: Cost<'c>,
    /// Sets that may still be looked at.
    work: usize,
    best: Option<(u64, BTreeSet<AtomId>)>,
    /// Whether ways to close a path were left out because there were too many.
    left_out: Cell<bool>,
}

/// Ways to close one clause of one path that are looked at.
const MOST_HITS: usize = 256;

/// Atoms that are decided.
#[derive(Clone, Debug, Default)]
struct Choice {
    removed: BTreeSet<AtomId>,
    kept: BTreeSet<AtomId>,
}

enum Bound {
    /// No set costs less.
    Cost(u64),
    /// No set closes this path.
    Open(Path),
}

impl<'g, 'c> Search<'g, 'c> {
    fn new(
        graph: &'g Graph,
        sources: &[NodeId],
        target: NodeId,
        cost: Cost<'c>,
        work: usize,
    ) -> Self {
        let sources: HashSet<NodeId> = sources
            .iter()
            .copied()
            .filter(|&source| source != target)
            .collect();
        let starts: Vec<NodeId> = sources.iter().copied().collect();
        let (forth, back) = (graph.reach(&starts), graph.reaching(target));
        let between = forth
            .nodes()
            .map(|(node, _)| node)
            .filter(|&node| back.effort(node).is_some());
        let between = between.collect();
        let (best, left_out) = (None, Cell::new(false));
        Self {
            graph,
            sources,
            target,
            between,
            cost,
            work,
            best,
            left_out,
        }
    }

    fn branch(&mut self, choice: &mut Choice, spent: u64) {
        if self.work == 0 {
            return;
        }
        self.work -= 1;
        let Some(path) = self.open_path(&|atom| choice.removed.contains(&atom)) else {
            let better = self.best.as_ref().is_none_or(|(cost, _)| spent < *cost);
            if better {
                self.best = Some((spent, choice.removed.clone()));
            }
            return;
        };
        let Bound::Cost(rest) = self.bound(choice) else {
            return;
        };
        if self
            .best
            .as_ref()
            .is_some_and(|(cost, _)| spent.saturating_add(rest) >= *cost)
        {
            return;
        }
        let mut tried = Vec::new();
        for (price, atoms) in self.cuts(&path, choice) {
            choice.removed.extend(&atoms);
            self.branch(choice, spent.saturating_add(price));
            for atom in &atoms {
                choice.removed.remove(atom);
            }
            // Sets with this atom have all been looked at: the ways that follow may leave it in place.
            if let [atom] = *atoms
                && choice.kept.insert(atom)
            {
                tried.push(atom);
            }
        }
        for atom in tried {
            choice.kept.remove(&atom);
        }
    }

    /// A lower bound for what is still to be removed: paths that share no atom each need one of their own.
    fn bound(&self, choice: &Choice) -> Bound {
        let mut used = choice.removed.clone();
        let mut total = 0_u64;
        while let Some(path) = self.open_path(&|atom| used.contains(&atom)) {
            let cuts = self.cuts(
                &path,
                &Choice {
                    removed: used.clone(),
                    kept: choice.kept.clone(),
                },
            );
            let Some(&(mut cheapest, _)) = cuts.first() else {
                return Bound::Open(path);
            };
            let atoms = self.atoms(&path);
            if self.left_out.get() {
                // The cheapest may be among those left out; it takes one atom at least.
                cheapest = atoms
                    .iter()
                    .filter_map(|&atom| (self.cost)(atom))
                    .min()
                    .unwrap_or(0);
            }
            total = total.saturating_add(cheapest);
            used.extend(atoms);
        }
        Bound::Cost(total)
    }

    fn open_path(&self, removed: &impl Fn(AtomId) -> bool) -> Option<Path> {
        let open =
            |edge: &Edge| self.between.contains(&edge.from) && self.graph.holds(edge, removed);
        let is_source = |node| self.sources.contains(&node);
        let reaching = self.graph.reaching_over(self.target, &open, &is_source);
        let reached = self
            .sources
            .iter()
            .filter_map(|&node| Some((reaching.effort(node)?, node)));
        let (_, nearest) = reached.min()?;
        self.graph.path(nearest, &reaching)
    }

    /// Every atom that the path rests on and that may be taken away.
    fn atoms(&self, path: &Path) -> BTreeSet<AtomId> {
        let clauses = self.clauses(path);
        let atoms = clauses.into_iter().flatten().flatten();
        atoms.filter(|&atom| (self.cost)(atom).is_some()).collect()
    }

    fn clauses(&self, path: &Path) -> Vec<Clause> {
        let edges = path.edges.iter().filter_map(|&id| self.graph.edge(id));
        edges
            .flat_map(|edge| self.graph.clauses_of_all(&edge))
            .collect()
    }

    /// The ways to close a path, the cheapest first: of some clause on it every cause that is left has to go.
    fn cuts(&self, path: &Path, choice: &Choice) -> Vec<(u64, Vec<AtomId>)> {
        let mut cuts = BTreeMap::new();
        for clause in self.clauses(path) {
            let left = clause
                .iter()
                .filter(|cause| !cause.iter().any(|atom| choice.removed.contains(atom)));
            for atoms in self.hits(left, choice) {
                let price = atoms
                    .iter()
                    .filter_map(|&atom| (self.cost)(atom))
                    .sum::<u64>();
                cuts.insert(atoms.into_iter().collect::<Vec<_>>(), price);
            }
        }
        let mut cuts: Vec<(u64, Vec<AtomId>)> = cuts
            .into_iter()
            .map(|(atoms, price)| (price, atoms))
            .collect();
        cuts.sort();
        cuts
    }

    /// The sets of atoms with one of each cause.
    fn hits<'a>(
        &self,
        causes: impl Iterator<Item = &'a Cause>,
        choice: &Choice,
    ) -> BTreeSet<BTreeSet<AtomId>> {
        let mut sets = BTreeSet::from([BTreeSet::new()]);
        for cause in causes {
            let free =
                |atom: &&AtomId| (self.cost)(**atom).is_some() && !choice.kept.contains(*atom);
            let free: Vec<AtomId> = cause.iter().filter(free).copied().collect();
            let mut next = BTreeSet::new();
            for set in sets {
                if free.iter().any(|atom| set.contains(atom)) {
                    next.insert(set);
                    continue;
                }
                for &atom in &free {
                    let mut set = set.clone();
                    set.insert(atom);
                    next.insert(set);
                }
            }
            self.left_out
                .set(self.left_out.get() || next.len() > MOST_HITS);
            sets = next.into_iter().take(MOST_HITS).collect();
        }
        sets
    }
}

#[cfg(test)]
pub(crate) mod tests;
