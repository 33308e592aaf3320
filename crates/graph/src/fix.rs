//! The smallest change that closes every path to a target.
//!
//! One grant backs many edges, and some edges need two, so this is a hitting set over paths, and there are more paths than
//! anybody could list. It is solved for a few of them; what its solution leaves open gives more paths, until nothing is open
//! (the implicit hitting set algorithm: Moreno-Centeno and Karp, 2013). Each of these solutions costs at most what the
//! smallest change does. Where the work ends first, the best set found is told with that lower bound.

mod cover;

use std::collections::BTreeSet;

use hashbrown::HashMap;

use crate::causes::{Causes, Cut, Nodes};
use crate::condition::{AtomId, Clause};
use crate::graph::{Edge, EdgeId, Graph, NodeId};
use crate::search::Path;
use cover::Choices;

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

/// What taking an atom away costs; `None` where it must stay.
pub type Cost<'c> = &'c dyn Fn(AtomId) -> Option<u64>;

impl Graph {
    /// The cheapest set of atoms without which nothing in `sources` reaches `target`. Where there is none, a path that
    /// rests on nothing that may be taken away.
    ///
    /// `work` bounds how many sets are looked at; a search through the graph counts as one for every 200 of its edges. It is
    /// spent in the same way by every machine.
    pub fn fix(
        &self,
        sources: &[NodeId],
        target: NodeId,
        cost: Cost<'_>,
        work: u64,
    ) -> Result<Fix, Path> {
        let index = self.index();
        let mut causes = Causes::new(self, &index, cost);
        causes.take_all();
        let mut search = Search::new(self, causes, sources, target, work);
        if let Some(path) = search.open_paths().into_iter().next() {
            return Err(path);
        }
        search.causes.set(&BTreeSet::new());
        let found = search.causes.of(sources, &[target]);
        let mut best: BTreeSet<AtomId> = found.into_iter().flatten().collect();
        search.causes.set(&best);
        search.close(&mut best);
        let (mut at_least, mut patience) = (0, SETS_A_ROUND);
        loop {
            let known = search.paths.len();
            let mut cover =
                cover::cheapest(&search.paths, &search.causes, patience, &mut search.work);
            at_least = cover.at_least.max(at_least);
            if at_least >= search.causes.price(&best) {
                break;
            }
            search.causes.set(&cover.atoms);
            if search.close(&mut cover.atoms)
                && search.causes.price(&cover.atoms) < search.causes.price(&best)
            {
                best = cover.atoms;
            }
            if search.work == 0 || search.paths.len() == known && patience == u64::MAX {
                break;
            }
            if search.paths.len() == known {
                patience = u64::MAX;
            }
        }
        if search.work == 0 {
            // What was learned last counts for the bound all the same.
            at_least = cover::bound(&search.paths, &search.causes).max(at_least);
        }
        let cost = search.causes.price(&best);
        Ok(Fix {
            atoms: best.into_iter().collect(),
            cost,
            at_least: at_least.min(cost),
        })
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

struct Search<'g> {
    graph: &'g Graph,
    /// What is taken away at present.
    causes: Causes<'g>,
    sources: Vec<NodeId>,
    is_source: Nodes,
    target: NodeId,
    /// The nodes between sources and target; no other matters.
    between: Nodes,
    /// What a search through them counts as.
    work_of_search: u64,
    work: u64,
    /// What closes each of the paths that are known.
    paths: BTreeSet<Choices>,
    /// By edge: what closes it, each for itself.
    cuts: HashMap<EdgeId, Vec<Cut>>,
}

/// Ways to close one clause that are looked at.
const MOST_HITS: usize = 256;

/// Sets that are looked at for paths that have to do with each other, as long as there are more paths to learn of.
const SETS_A_ROUND: u64 = 1_000;

/// Edges that are looked at in the time of one set, roughly.
const EDGES_A_SET: u64 = 200;

impl<'g> Search<'g> {
    fn new(
        graph: &'g Graph,
        causes: Causes<'g>,
        sources: &[NodeId],
        target: NodeId,
        work: u64,
    ) -> Self {
        let sources: BTreeSet<NodeId> =
            sources.iter().copied().filter(|&it| it != target).collect();
        let sources: Vec<NodeId> = sources.into_iter().collect();
        let (forth, back) = (graph.reach(&sources), graph.reaching(target));
        let nodes = forth.nodes().map(|(node, _)| node);
        let between: Vec<NodeId> = nodes.filter(|&node| back.effort(node).is_some()).collect();
        let edges: usize = between
            .iter()
            .map(|&node| graph.incoming(node).count())
            .sum();
        Self {
            graph,
            causes,
            is_source: Nodes::of(graph, sources.iter().copied()),
            sources,
            target,
            between: Nodes::of(graph, between),
            work_of_search: 1 + edges as u64 / EDGES_A_SET,
            work,
            paths: BTreeSet::new(),
            cuts: HashMap::new(),
        }
    }

    /// Takes more away, on top of `atoms`, until nothing is open, and learns the paths that were. `false` where the work
    /// ended first, or more is open than what is known of the paths would tell.
    fn close(&mut self, atoms: &mut BTreeSet<AtomId>) -> bool {
        loop {
            let open = self.open_paths();
            if open.is_empty() {
                return true;
            }
            let open: Vec<Choices> = open.iter().map(|path| self.choices(path)).collect();
            let mut more = cover::greedy(&open, &self.causes);
            more.retain(|atom| !atoms.contains(atom));
            self.paths.extend(open);
            if more.is_empty() || self.work == 0 {
                return false;
            }
            atoms.extend(more);
            self.causes.set(atoms);
        }
    }

    /// Of each source that still has one the path of least effort, but for those that pass another source.
    fn open_paths(&mut self) -> Vec<Path> {
        self.work = self.work.saturating_sub(self.work_of_search);
        let open = |edge: &Edge| self.between.has(edge.from) && self.causes.is_open(edge);
        let reaching = self.graph.reaching_over(self.target, &open, &|_| false);
        let mut reached: Vec<(u32, NodeId)> = self
            .sources
            .iter()
            .filter_map(|&node| Some((reaching.effort(node)?, node)))
            .collect();
        reached.sort_unstable();
        let paths = reached.into_iter().filter_map(|(_, source)| {
            let mut at = source;
            while let Some(edge) = reaching.next(at).and_then(|id| self.graph.edge(id)) {
                at = edge.to;
                if self.is_source.has(at) {
                    return None;
                }
            }
            self.graph.path(source, &reaching)
        });
        paths.collect()
    }

    /// What closes a path, each for itself.
    fn choices(&mut self, path: &Path) -> Choices {
        let mut all = Vec::new();
        for &id in &path.edges {
            if !self.cuts.contains_key(&id) {
                let clauses = self
                    .graph
                    .edge(id)
                    .map(|edge| self.graph.clauses_of_all(&edge));
                let clauses = clauses.unwrap_or_default();
                let cuts = clauses
                    .iter()
                    .flat_map(|clause| self.hits(clause))
                    .collect();
                self.cuts.insert(id, cuts);
            }
            all.extend(self.cuts.get(&id).into_iter().flatten().cloned());
        }
        cover::least(all)
    }

    /// The sets of atoms with one of each cause. Where there are too many, any atom of the clause in their place: fewer
    /// atoms than these do not close it.
    fn hits(&self, clause: &Clause) -> Vec<Cut> {
        let free = |cause: &Vec<AtomId>| -> Cut {
            let atoms = cause.iter().copied();
            atoms
                .filter(|&atom| self.causes.price_of(atom).is_some())
                .collect()
        };
        let causes: Vec<Cut> = clause.iter().map(free).collect();
        if causes.iter().any(Vec::is_empty) {
            return Vec::new();
        }
        let mut sets = BTreeSet::from([BTreeSet::new()]);
        for cause in &causes {
            let mut next = BTreeSet::new();
            for set in sets {
                if cause.iter().any(|atom| set.contains(atom)) {
                    next.insert(set);
                    continue;
                }
                next.extend(cause.iter().map(|&atom| {
                    let mut set = set.clone();
                    set.insert(atom);
                    set
                }));
            }
            if next.len() > MOST_HITS {
                let atoms: BTreeSet<AtomId> = causes.into_iter().flatten().collect();
                return atoms.into_iter().map(|atom| vec![atom]).collect();
            }
            sets = next;
        }
        sets.into_iter()
            .map(|set| set.into_iter().collect())
            .collect()
    }
}

#[cfg(test)]
pub(crate) mod tests;
