//! What it comes down to that somebody gets somewhere.
//!
//! [`Graph::fix`](Graph) looks for the smallest change and may take its time. This looks for a set of which no part can
//! be left out, in a time that grows with the graph, so that every scan can have it: the cut that closes the most of the
//! shortest paths first, until no path is left, and then without those cuts that others made superfluous.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};

use crate::condition::{Atom, AtomId, Clause, ConditionId};
use crate::fix::Cost;
use crate::graph::{Edge, EdgeId, Graph, NodeId};
use crate::search::{Path, Reach};

/// Rounds of cutting shortest paths. Each closes at least one more cause, and most graphs need three or four.
const MOST_ROUNDS: usize = 64;

/// Which edges rest on what.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// Conditions by atom.
    conditions: Vec<Vec<ConditionId>>,
    /// Edges by condition.
    edges: Vec<Vec<EdgeId>>,
}

/// How something leads to a goal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lead {
    /// The path of least effort that rests on it; it starts with the first step that does.
    pub path: Path,
    /// The first steps of all paths of that effort.
    pub first: Vec<EdgeId>,
    /// Everybody who takes such a first step to this goal, with the effort from there.
    pub holders: BTreeSet<(NodeId, u32)>,
}

/// The search for causes. What has been found to be one counts as mended from then on.
pub struct Causes<'g, 'c> {
    graph: &'g Graph,
    index: &'g Index,
    cost: Cost<'c>,
    /// What is taken away, with the number of cuts that do.
    removed: HashMap<AtomId, usize>,
    /// Whether each condition still holds.
    holds: Vec<bool>,
}

/// What can be taken away to close a path: all of these atoms, in order.
type Cut = Vec<AtomId>;

/// Paths, and what would close them.
#[derive(Default)]
struct Ways {
    /// Positions of cuts.
    ids: HashMap<Cut, usize>,
    /// Cuts with the paths that they close.
    cuts: Vec<(Cut, Vec<usize>)>,
    /// Whether each path is open.
    open: Vec<bool>,
}

impl Ways {
    fn put(&mut self, cut: Cut) -> usize {
        if let Some(&id) = self.ids.get(&cut) {
            return id;
        }
        self.ids.insert(cut.clone(), self.cuts.len());
        self.cuts.push((cut, Vec::new()));
        self.cuts.len() - 1
    }

    /// Adds a path that these cuts close, each for itself.
    fn closed_by(&mut self, cuts: &[usize]) {
        for &id in cuts {
            if let Some((_, closes)) = self.cuts.get_mut(id) {
                closes.push(self.open.len());
            }
        }
        self.open.push(true);
    }
}

impl Graph {
    /// Which edges rest on what.
    pub fn index(&self) -> Index {
        let mut index = Index {
            conditions: vec![Vec::new(); self.atom_end()],
            edges: vec![Vec::new(); self.condition_end()],
        };
        for (id, condition) in self.conditions() {
            let atoms: BTreeSet<AtomId> = condition
                .clauses
                .iter()
                .flatten()
                .flatten()
                .copied()
                .collect();
            for atom in atoms {
                if let Some(list) = index.conditions.get_mut(atom.0 as usize) {
                    list.push(id);
                }
            }
        }
        for (id, edge) in self.edge_entries() {
            if let Some(list) = index.edges.get_mut(edge.condition.0 as usize) {
                list.push(id);
            }
        }
        index
    }

    /// How these atoms lead to a goal: by the path of least effort whose first step rests on one of them. The goal is
    /// what [`Graph::reaching_any`] says of it.
    pub fn lead(&self, index: &Index, atoms: &[AtomId], goal: &Reach) -> Option<Lead> {
        let mut by_holder: BTreeMap<NodeId, BTreeSet<(u32, EdgeId, AtomId)>> = BTreeMap::new();
        for &atom in atoms {
            for id in index.edges_on(atom) {
                if let Some((edge, effort)) = self.way(id, goal) {
                    by_holder
                        .entry(edge.from)
                        .or_default()
                        .insert((effort, id, atom));
                }
            }
        }
        let mut ways = Vec::new();
        for (from, own) in by_holder {
            let mut of_use = own
                .into_iter()
                .take(MOST_TRIED)
                .filter(|&(effort, id, atom)| {
                    self.edge(id)
                        .is_some_and(|edge| self.is_of_use(atom, edge, effort, goal))
                });
            let Some((effort, id, _)) = of_use.next() else {
                continue;
            };
            ways.push((effort, from, id));
            ways.extend(
                of_use
                    .take_while(|way| way.0 == effort)
                    .map(|(_, id, _)| (effort, from, id)),
            );
        }
        let &(effort, from, id) = ways.iter().min()?;
        let rest = self.path(self.edge(id)?.to, goal)?;
        let edges = std::iter::once(id).chain(rest.edges).collect();
        let holders = ways.iter().map(|&(effort, from, _)| (from, effort));
        let first = ways.iter().filter(|way| way.0 == effort);
        Some(Lead {
            path: Path {
                from,
                edges,
                effort,
            },
            first: first.map(|&(.., id)| id).collect(),
            holders: holders.collect(),
        })
    }

    /// What gives the first steps of a path together with this atom.
    pub fn causes_with<'g>(
        &'g self,
        lead: &Lead,
        atom: AtomId,
    ) -> impl Iterator<Item = &'g [AtomId]> {
        let edges = lead.first.iter().filter_map(|&id| self.edge(id));
        let clauses = edges.flat_map(|edge| &self.condition_of(edge).clauses);
        let causes = clauses.flatten().filter(move |cause| cause.contains(&atom));
        causes.map(Vec::as_slice)
    }

    /// Those who have no shorter way to the goal than this one, and the holders; the search ends after `most` of them.
    pub fn users(&self, lead: &Lead, goal: &Reach, most: usize) -> Vec<NodeId> {
        let mut found: HashSet<NodeId> = lead.holders.iter().map(|&(node, _)| node).collect();
        let shortest = |&(node, effort): &(NodeId, u32)| {
            (goal.effort(node) == Some(effort)).then_some((node, effort))
        };
        let mut waiting: Vec<(NodeId, u32)> = lead.holders.iter().filter_map(shortest).collect();
        while let Some((node, effort)) = waiting.pop() {
            for (_, edge) in self.incoming(node) {
                let effort = effort.saturating_add(edge.kind.effort);
                let is_shortest = goal.effort(edge.from) == Some(effort);
                if found.len() < most && is_shortest && found.insert(edge.from) {
                    waiting.push((edge.from, effort));
                }
            }
        }
        found.into_iter().collect()
    }
}

/// First steps of one holder by an atom that are looked at, and other steps of his that could make them needless.
const MOST_TRIED: usize = 64;

impl Graph {
    /// An edge that leads to the goal, with the effort from its start.
    fn way(&self, id: EdgeId, goal: &Reach) -> Option<(&Edge, u32)> {
        let edge = self.edge(id)?;
        let rest = goal.effort(edge.to)?;
        Some((edge, rest.saturating_add(edge.kind.effort)))
    }

    /// Whether somebody needs the atom for a step to the goal: not who gets there as easily by what the step takes besides.
    fn is_of_use(&self, atom: AtomId, edge: &Edge, effort: u32, goal: &Reach) -> bool {
        let outgoing = self.outgoing(edge.from);
        let ways = outgoing.filter_map(|(id, _)| self.way(id, goal));
        let as_easy: Vec<&Edge> = ways
            .filter(|way| way.1 <= effort)
            .map(|way| way.0)
            .take(MOST_TRIED)
            .collect();
        let clauses = &self.condition_of(edge).clauses;
        clauses.iter().enumerate().any(|(leg, clause)| {
            let others = clauses
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != leg);
            let others: HashSet<AtomId> = others
                .flat_map(|(_, clause)| clause.iter().flatten())
                .copied()
                .collect();
            let mut with = clause.iter().filter(|cause| cause.contains(&atom));
            with.any(|cause| {
                let left =
                    |own: AtomId| own != atom && (others.contains(&own) || cause.contains(&own));
                !as_easy
                    .iter()
                    .any(|edge| self.condition_of(edge).holds(&|atom| !left(atom)))
            })
        })
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

impl<'g, 'c> Causes<'g, 'c> {
    /// A search in which `cost` says what it costs to take an atom away, where it may be.
    pub fn new(graph: &'g Graph, index: &'g Index, cost: Cost<'c>) -> Self {
        Self {
            graph,
            index,
            cost,
            removed: HashMap::new(),
            holds: vec![true; graph.condition_end()],
        }
    }

    /// What still leads to one of the targets.
    pub fn reaching(&self, targets: &[NodeId]) -> Reach {
        let open = |condition: ConditionId| self.is_open(condition);
        self.graph.reaching_any_over(targets, &open)
    }

    /// The causes by which those in `sources` reach one of the targets: without all of them nobody does, apart from
    /// those whose ways rest on nothing that may be taken away, and without any of them somebody does.
    pub fn of(&mut self, sources: &[NodeId], targets: &[NodeId]) -> Vec<Vec<AtomId>> {
        let mut chosen: Vec<Cut> = Vec::new();
        for _ in 0..MOST_ROUNDS {
            let reaching = self.reaching(targets);
            let cuts = self.choose(self.ways(sources, &reaching));
            if cuts.is_empty() {
                break;
            }
            for cut in cuts {
                self.take(&cut);
                chosen.push(cut);
            }
        }
        self.without_superfluous(chosen, sources, targets)
    }

    fn is_open(&self, condition: ConditionId) -> bool {
        self.holds
            .get(condition.0 as usize)
            .copied()
            .unwrap_or(true)
    }

    /// For each source that gets there, what would close its shortest path; nothing where nothing may be taken away.
    fn ways(&self, sources: &[NodeId], reaching: &Reach) -> Ways {
        let mut ways = Ways::default();
        let mut known: HashMap<ConditionId, Vec<usize>> = HashMap::new();
        for path in sources
            .iter()
            .filter_map(|&source| self.graph.path(source, reaching))
        {
            let edges = path.edges.iter().filter_map(|&id| self.graph.edge(id));
            let mut own = Vec::new();
            for edge in edges {
                let cuts = known.entry(edge.condition).or_insert_with(|| {
                    let clauses = self.graph.condition_of(edge).clauses.iter();
                    let cuts = clauses.flat_map(|clause| self.cuts(clause));
                    cuts.map(|cut| ways.put(cut)).collect()
                });
                own.extend_from_slice(cuts);
            }
            own.sort_unstable();
            own.dedup();
            ways.closed_by(&own);
        }
        ways
    }

    /// What closes a clause: an atom that every cause has, or else one of each.
    fn cuts(&self, clause: &Clause) -> Vec<Cut> {
        let left = clause
            .iter()
            .filter(|cause| !cause.iter().any(|atom| self.removed.contains_key(atom)));
        let mut causes = left.map(|cause| {
            let free = cause
                .iter()
                .copied()
                .filter(|&atom| (self.cost)(atom).is_some());
            free.collect::<BTreeSet<AtomId>>()
        });
        let Some(first) = causes.next() else {
            return Vec::new();
        };
        let rest: Vec<BTreeSet<AtomId>> = causes.collect();
        let common = first
            .iter()
            .filter(|atom| rest.iter().all(|cause| cause.contains(*atom)));
        let common: Vec<Cut> = common.map(|&atom| vec![atom]).collect();
        if !common.is_empty() {
            return common;
        }
        let mut cut = BTreeSet::new();
        for cause in std::iter::once(&first).chain(&rest) {
            if cause.is_disjoint(&cut) {
                let Some(&cheapest) = cause.iter().min_by_key(|&&atom| (self.cost)(atom)) else {
                    return Vec::new();
                };
                cut.insert(cheapest);
            }
        }
        vec![cut.into_iter().collect()]
    }

    /// Cuts that close every one of the ways, the one that closes the most for its price first.
    fn choose(&self, mut ways: Ways) -> Vec<Cut> {
        let cuts = ways.cuts.iter().enumerate();
        let mut heap: BinaryHeap<_> = cuts
            .map(|(id, (cut, closes))| {
                (self.worth(cut, closes.len()), Reverse(self.order(cut)), id)
            })
            .collect();
        let mut chosen = Vec::new();
        while let Some((worth, order, id)) = heap.pop() {
            let Some((cut, closes)) = ways.cuts.get_mut(id) else {
                continue;
            };
            closes.retain(|&way| ways.open.get(way) == Some(&true));
            if closes.is_empty() {
                continue;
            }
            let now = self.worth(cut, closes.len());
            if now < worth {
                heap.push((now, order, id));
                continue;
            }
            for &way in closes.iter() {
                if let Some(open) = ways.open.get_mut(way) {
                    *open = false;
                }
            }
            chosen.push(cut.clone());
        }
        chosen
    }

    fn worth(&self, cut: &Cut, ways: usize) -> u64 {
        let price: u64 = cut.iter().filter_map(|&atom| (self.cost)(atom)).sum();
        (ways as u64).saturating_mul(1_000_000) / price.max(1)
    }

    /// Among equals a rule goes first, since other rules of its role stay, then a subject, then a setting.
    fn order(&self, cut: &Cut) -> Vec<(u8, &'g Atom)> {
        let rank = |atom: &Atom| match atom {
            Atom::Rule { .. } => 0,
            Atom::Subject { .. } => 1,
            Atom::Field { .. } => 2,
        };
        let atoms = cut.iter().filter_map(|&atom| self.graph.atom_of(atom));
        atoms.map(|atom| (rank(atom), atom)).collect()
    }

    fn take(&mut self, cut: &[AtomId]) {
        for &atom in cut {
            *self.removed.entry(atom).or_default() += 1;
        }
        self.update(cut);
    }

    fn restore(&mut self, cut: &[AtomId]) {
        for atom in cut {
            let cuts = self.removed.remove(atom).unwrap_or_default();
            if cuts > 1 {
                self.removed.insert(*atom, cuts - 1);
            }
        }
        self.update(cut);
    }

    fn update(&mut self, atoms: &[AtomId]) {
        for &atom in atoms {
            for &id in self.index.conditions_on(atom) {
                let condition = self.graph.condition_at(id);
                let holds = condition.is_none_or(|condition| {
                    condition.holds(&|atom| self.removed.contains_key(&atom))
                });
                if let Some(known) = self.holds.get_mut(id.0 as usize) {
                    *known = holds;
                }
            }
        }
    }

    /// The cuts without those that close nothing that the others do not close. They are put back, so that only what
    /// stays counts as mended.
    fn without_superfluous(
        &mut self,
        chosen: Vec<Cut>,
        sources: &[NodeId],
        targets: &[NodeId],
    ) -> Vec<Cut> {
        let mut there: HashSet<NodeId> = self
            .reaching(targets)
            .nodes()
            .map(|(node, _)| node)
            .collect();
        let sources: HashSet<NodeId> = sources
            .iter()
            .copied()
            .filter(|source| !there.contains(source))
            .collect();
        let mut kept = Vec::new();
        // What was chosen last closed the least.
        for cut in chosen.into_iter().rev() {
            self.restore(&cut);
            match self.joins(&cut, &there, &sources) {
                Some(more) => there.extend(more),
                None => {
                    self.take(&cut);
                    kept.push(cut);
                }
            }
        }
        kept.reverse();
        kept
    }

    /// Who gets there besides, now that the cut is undone; `None` where one of the sources does.
    fn joins(
        &self,
        cut: &[AtomId],
        there: &HashSet<NodeId>,
        sources: &HashSet<NodeId>,
    ) -> Option<HashSet<NodeId>> {
        let mut joined = HashSet::new();
        let restored = cut.iter().flat_map(|&atom| self.index.edges_on(atom));
        let restored = restored.filter_map(|id| self.graph.edge(id));
        let mut waiting: Vec<NodeId> = restored
            .filter(|edge| self.is_open(edge.condition) && there.contains(&edge.to))
            .map(|edge| edge.from)
            .collect();
        while let Some(node) = waiting.pop() {
            if there.contains(&node) || !joined.insert(node) {
                continue;
            }
            if sources.contains(&node) {
                return None;
            }
            let incoming = self.graph.incoming(node);
            let open = incoming.filter(|(_, edge)| self.is_open(edge.condition));
            waiting.extend(open.map(|(_, edge)| edge.from));
        }
        Some(joined)
    }
}

#[cfg(test)]
mod tests;
