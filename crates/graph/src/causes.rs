//! What it comes down to that somebody gets somewhere.
//!
//! [`Graph::fix`](Graph) looks for the smallest change and may take its time. This looks for a set of which no part can
//! be left out, in a time that grows with the graph, so that every scan can have it: the cut that closes the most of the
//! shortest paths first, until no path is left, and then without those cuts that others made superfluous.

use std::collections::BTreeSet;

use crate::condition::{Atom, AtomId, Clause, ConditionId};
use crate::fix::Cost;
use crate::graph::{Edge, EdgeId, Graph, NodeId};
use crate::search::Reach;
use tree::Tree;

pub(crate) use ways::{Cut, Ways};

mod tree;
mod ways;

/// Which edges rest on what.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// Conditions by atom.
    conditions: Vec<Vec<ConditionId>>,
    /// Edges by condition.
    edges: Vec<Vec<EdgeId>>,
}

/// The search for causes. What has been found to be one counts as mended from then on.
pub struct Causes<'g> {
    graph: &'g Graph,
    index: &'g Index,
    /// By atom: what it costs to take it away, where it may be.
    prices: Vec<Option<u64>>,
    /// By atom: its place in the order in which equals are taken away.
    ranks: Vec<usize>,
    /// By atom: how many cuts take it away.
    removed: Vec<u32>,
    /// By condition: whether it still holds.
    holds: Vec<bool>,
}

/// Some of the nodes, a bit each.
pub(crate) struct Nodes(Vec<u64>);

impl Graph {
    /// Which edges rest on what.
    pub fn index(&self) -> Index {
        let mut index = Index {
            conditions: vec![Vec::new(); self.atom_end()],
            edges: vec![Vec::new(); self.condition_end()],
        };
        for (id, condition) in self.conditions() {
            let atoms: BTreeSet<AtomId> = condition.atoms().copied().collect();
            for atom in atoms {
                if let Some(list) = index.conditions.get_mut(atom.0 as usize) {
                    list.push(id);
                }
            }
        }
        for (id, edge) in self.edge_entries() {
            for condition in edge.conditions() {
                if let Some(list) = index.edges.get_mut(condition.0 as usize) {
                    list.push(id);
                }
            }
        }
        index
    }
}

impl Index {
    /// The edges that rest on this atom, alone or with others.
    pub fn edges_on(&self, atom: AtomId) -> impl Iterator<Item = EdgeId> {
        let edges = |condition: &ConditionId| self.edges_of(*condition);
        self.conditions_on(atom).iter().flat_map(edges).copied()
    }

    fn conditions_on(&self, atom: AtomId) -> &[ConditionId] {
        let conditions = self.conditions.get(atom.0 as usize);
        conditions.map_or(&[], Vec::as_slice)
    }

    fn edges_of(&self, condition: ConditionId) -> &[EdgeId] {
        let edges = self.edges.get(condition.0 as usize);
        edges.map_or(&[], Vec::as_slice)
    }
}

impl<'g> Causes<'g> {
    /// A search in which `cost` says what it costs to take an atom away, where it may be.
    pub fn new(graph: &'g Graph, index: &'g Index, cost: Cost<'_>) -> Self {
        let atoms = || (0_u32..).map(AtomId).take(graph.atom_end());
        let mut ordered: Vec<(Option<(u8, &Atom)>, AtomId)> =
            atoms().map(|id| (order(graph, id), id)).collect();
        ordered.sort_unstable();
        let mut ranks = vec![0; ordered.len()];
        for (rank, (_, atom)) in ordered.into_iter().enumerate() {
            if let Some(slot) = ranks.get_mut(atom.0 as usize) {
                *slot = rank;
            }
        }
        Self {
            graph,
            index,
            prices: atoms().map(cost).collect(),
            ranks,
            removed: vec![0; graph.atom_end()],
            holds: vec![true; graph.condition_end()],
        }
    }

    /// What still leads to one of the targets.
    pub fn reaching(&self, targets: &[NodeId]) -> Reach {
        let open = |condition: ConditionId| self.holds(condition);
        self.graph.reaching_any_over(targets, &open)
    }

    /// The causes by which those in `sources` reach one of the targets: without all of them nobody does, apart from
    /// those whose ways rest on nothing that may be taken away, and without any of them somebody does.
    pub fn of(&mut self, sources: &[NodeId], targets: &[NodeId]) -> Vec<Vec<AtomId>> {
        let mut chosen: Vec<Cut> = Vec::new();
        let mut tree = Tree::new(self.graph, targets, self.reaching(targets));
        let mut left = Nodes::of(self.graph, sources.iter().copied());
        let mut ways = Ways::default();
        loop {
            // Whoever gets there over another source gets there no more once the other does not.
            let mut inner = tree.innermost(&left);
            if inner.is_empty() {
                break;
            }
            while !inner.is_empty() {
                self.find(&mut ways, &mut inner, &mut left, &tree);
                let cuts = ways.choose(|cut| self.price(cut), |cut| self.order(cut));
                let mut closed = Vec::new();
                for cut in cuts {
                    for condition in self.resting_on(&cut) {
                        ways.forget(condition);
                    }
                    closed.extend(self.take(&cut));
                    chosen.push(cut);
                }
                tree.close(&closed, &|edge| self.is_open(edge));
                inner.retain(|&source| !tree.way(source).any(|edge| left.has(edge.to)));
            }
        }
        self.without_superfluous(chosen, sources, &tree)
    }

    /// Takes these atoms away, and no others.
    pub(crate) fn set(&mut self, atoms: &BTreeSet<AtomId>) {
        let mut changed = Vec::new();
        for (atom, by) in (0..).map(AtomId).zip(&mut self.removed) {
            let now = u32::from(atoms.contains(&atom));
            if std::mem::replace(by, now) != now {
                changed.push(atom);
            }
        }
        self.update(&changed);
    }

    /// Takes everything away that may be.
    pub(crate) fn take_all(&mut self) {
        let all = (0..).map(AtomId).zip(&self.prices);
        let all = all.filter(|(_, price)| price.is_some());
        self.set(&all.map(|(atom, _)| atom).collect());
    }

    /// The place of an atom in the order in which equals are taken away.
    pub(crate) fn rank(&self, atom: AtomId) -> Option<usize> {
        self.ranks.get(atom.0 as usize).copied()
    }

    pub(crate) fn is_open(&self, edge: &Edge) -> bool {
        edge.conditions().all(|condition| self.holds(condition))
    }

    fn holds(&self, condition: ConditionId) -> bool {
        let known = self.holds.get(condition.0 as usize);
        known.copied().unwrap_or(true)
    }

    fn is_removed(&self, atom: AtomId) -> bool {
        self.removed.get(atom.0 as usize).is_some_and(|&by| by > 0)
    }

    pub(crate) fn price_of(&self, atom: AtomId) -> Option<u64> {
        self.prices.get(atom.0 as usize).copied().flatten()
    }

    /// What taking all of these away costs.
    pub(crate) fn price<'a>(&self, atoms: impl IntoIterator<Item = &'a AtomId>) -> u64 {
        let prices = atoms.into_iter().filter_map(|&atom| self.price_of(atom));
        prices.fold(0, u64::saturating_add)
    }

    pub(crate) fn order(&self, cut: &Cut) -> Vec<usize> {
        let ranks = cut.iter().map(|atom| self.ranks.get(atom.0 as usize));
        ranks.flatten().copied().collect()
    }

    /// What would close the ways of these sources. One that has no way, or one that nothing may close, is no longer
    /// left.
    fn find(&self, ways: &mut Ways, sources: &mut Vec<NodeId>, left: &mut Nodes, tree: &Tree<'_>) {
        ways.clear();
        let cuts_of = |clauses: &[Clause]| clauses.iter().flat_map(|it| self.cuts(it)).collect();
        sources.retain(|&source| {
            let mut own = Vec::new();
            for edge in tree.way(source) {
                // What several roles give to somebody rests on more than the condition of one.
                if edge.by.is_some() {
                    let cuts: Vec<Cut> = cuts_of(&self.graph.clauses_of_all(&edge));
                    own.extend(cuts.into_iter().map(|cut| ways.put(cut)));
                    continue;
                }
                let clauses = || cuts_of(&self.graph.condition_of(&edge).clauses);
                ways.add(edge.condition, &mut own, clauses);
            }
            own.sort_unstable();
            own.dedup();
            if own.is_empty() {
                left.remove(source);
                return false;
            }
            ways.closed_by(own);
            true
        });
    }

    /// What closes a clause: an atom that every cause has, or else one of each.
    fn cuts(&self, clause: &Clause) -> Vec<Cut> {
        let left = clause
            .iter()
            .filter(|cause| !cause.iter().any(|&atom| self.is_removed(atom)));
        let mut causes = left.map(|cause| {
            let free = cause.iter().copied();
            let mut free: Cut = free.filter(|&atom| self.price_of(atom).is_some()).collect();
            free.sort_unstable();
            free.dedup();
            free
        });
        let Some(first) = causes.next() else {
            return Vec::new();
        };
        let rest: Vec<Cut> = causes.collect();
        let common = first
            .iter()
            .filter(|atom| rest.iter().all(|cause| cause.contains(*atom)));
        let common: Vec<Cut> = common.map(|&atom| vec![atom]).collect();
        if !common.is_empty() {
            return common;
        }
        let mut cut = BTreeSet::new();
        for cause in std::iter::once(&first).chain(&rest) {
            if !cause.iter().any(|atom| cut.contains(atom)) {
                let Some(&cheapest) = cause.iter().min_by_key(|&&atom| self.price_of(atom)) else {
                    return Vec::new();
                };
                cut.insert(cheapest);
            }
        }
        vec![cut.into_iter().collect()]
    }

    /// Takes the atoms away. Gives the edges that close by it.
    fn take(&mut self, cut: &Cut) -> Vec<EdgeId> {
        self.count(cut, |by| by + 1);
        let closed = self.update(cut).into_iter();
        let index = self.index;
        closed
            .flat_map(|condition| index.edges_of(condition))
            .copied()
            .collect()
    }

    fn restore(&mut self, cut: &Cut) {
        self.count(cut, |by| by.saturating_sub(1));
        self.update(cut);
    }

    fn count(&mut self, cut: &Cut, change: impl Fn(u32) -> u32) {
        for atom in cut {
            if let Some(by) = self.removed.get_mut(atom.0 as usize) {
                *by = change(*by);
            }
        }
    }

    /// The conditions that rest on one of these atoms, in order.
    fn resting_on(&self, atoms: &[AtomId]) -> Vec<ConditionId> {
        let all = atoms
            .iter()
            .flat_map(|&atom| self.index.conditions_on(atom));
        let mut conditions: Vec<ConditionId> = all.copied().collect();
        conditions.sort_unstable();
        conditions.dedup();
        conditions
    }

    /// Looks again at what rests on these atoms. Gives what no longer holds, and did.
    fn update(&mut self, atoms: &[AtomId]) -> Vec<ConditionId> {
        let mut closed = Vec::new();
        for id in self.resting_on(atoms) {
            let condition = self.graph.condition_at(id);
            let holds =
                condition.is_none_or(|condition| condition.holds(&|atom| self.is_removed(atom)));
            if let Some(known) = self.holds.get_mut(id.0 as usize) {
                if *known && !holds {
                    closed.push(id);
                }
                *known = holds;
            }
        }
        closed
    }

    /// The cuts without those that close nothing that the others do not close. They are put back, so that only what
    /// stays counts as mended. `tree` holds those who get there without any of them.
    fn without_superfluous(
        &mut self,
        chosen: Vec<Cut>,
        sources: &[NodeId],
        tree: &Tree<'_>,
    ) -> Vec<Cut> {
        let all = self.graph.nodes().map(|(node, _)| node);
        let mut there = Nodes::of(self.graph, all.filter(|&node| tree.has(node)));
        let sources = sources.iter().copied();
        let sources = sources.filter(|&source| !there.has(source));
        let sources = Nodes::of(self.graph, sources.collect::<Vec<_>>());
        let mut kept = Vec::new();
        // What was chosen last closed the least.
        for cut in chosen.into_iter().rev() {
            self.restore(&cut);
            if self.lets_in(&cut, &mut there, &sources) {
                self.take(&cut);
                kept.push(cut);
            }
        }
        kept.reverse();
        kept
    }

    /// Whether one of the sources gets there now that the cut is undone. Where none does, those who do are added.
    fn lets_in(&self, cut: &Cut, there: &mut Nodes, sources: &Nodes) -> bool {
        let restored = cut.iter().flat_map(|&atom| self.index.edges_on(atom));
        let restored = restored.filter_map(|id| self.graph.edge(id));
        let mut waiting: Vec<NodeId> = restored
            .filter(|edge| self.is_open(edge) && there.has(edge.to))
            .map(|edge| edge.from)
            .collect();
        let mut joined = Vec::new();
        while let Some(node) = waiting.pop() {
            if sources.has(node) {
                for node in joined {
                    there.remove(node);
                }
                return true;
            }
            if there.insert(node) {
                joined.push(node);
                let incoming = self.graph.incoming(node);
                let open = incoming.filter(|(_, edge)| self.is_open(edge));
                waiting.extend(open.map(|(_, edge)| edge.from));
            }
        }
        false
    }
}

/// Among equals a rule goes first, since other rules of its role stay, then a subject, then a setting.
fn order(graph: &Graph, id: AtomId) -> Option<(u8, &Atom)> {
    let atom = graph.atom_of(id)?;
    let kind = match atom {
        Atom::Rule { .. } => 0,
        Atom::Subject { .. } => 1,
        Atom::Field { .. } => 2,
    };
    Some((kind, atom))
}

impl Nodes {
    pub(crate) fn of(graph: &Graph, nodes: impl IntoIterator<Item = NodeId>) -> Self {
        let mut all = Self(vec![0; graph.node_end().div_ceil(64)]);
        for node in nodes {
            all.insert(node);
        }
        all
    }

    pub(crate) fn has(&self, node: NodeId) -> bool {
        let (word, bit) = Self::place(node);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Whether it is new.
    pub(crate) fn insert(&mut self, node: NodeId) -> bool {
        let (word, bit) = Self::place(node);
        let word = self.0.get_mut(word);
        word.is_some_and(|word| std::mem::replace(word, *word | bit) & bit == 0)
    }

    /// Whether it was there.
    fn remove(&mut self, node: NodeId) -> bool {
        let (word, bit) = Self::place(node);
        let word = self.0.get_mut(word);
        word.is_some_and(|word| std::mem::replace(word, *word & !bit) & bit != 0)
    }

    fn all(&self) -> impl Iterator<Item = NodeId> {
        let words = (0..).step_by(64).zip(&self.0);
        let words = words.filter(|(_, word)| **word != 0);
        let nodes = words.flat_map(|(first, _)| (first..first + 64).map(NodeId));
        nodes.filter(|&node| self.has(node))
    }

    /// The position of its word, and its bit there.
    fn place(node: NodeId) -> (usize, u64) {
        ((node.0 / 64) as usize, 1 << (node.0 % 64))
    }
}

#[cfg(test)]
mod tests;
