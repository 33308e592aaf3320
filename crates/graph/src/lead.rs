//! How something in the cluster leads to a goal, and who makes use of it.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashSet;

use crate::causes::{Index, Nodes};
use crate::condition::AtomId;
use crate::graph::{Edge, EdgeId, Graph, NodeId};
use crate::search::{Path, Reach};

/// First steps of one holder by an atom that are looked at, and other steps of his that could make them needless.
const MOST_TRIED: usize = 64;

/// What leads to a goal, ready for many questions.
pub struct Toward<'g> {
    graph: &'g Graph,
    reach: Reach,
    /// The steps that lead there by where they start, those with the least effort from there first.
    ways: Vec<(NodeId, u32, EdgeId)>,
    /// By node, who gets there over it with no more effort than by any other way.
    over: Vec<Vec<NodeId>>,
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

impl<'g> Toward<'g> {
    /// The goal is any of the targets.
    pub fn new(graph: &'g Graph, targets: &[NodeId]) -> Self {
        let reach = graph.reaching_any(targets);
        let (mut ways, mut over) = (Vec::new(), vec![Vec::new(); graph.node_end()]);
        for (id, edge) in graph.edge_entries() {
            let Some(rest) = reach.effort(edge.to) else {
                continue;
            };
            let effort = rest.saturating_add(edge.kind.effort);
            ways.push((edge.from, effort, id));
            if reach.effort(edge.from) == Some(effort)
                && let Some(list) = over.get_mut(edge.to.0 as usize)
            {
                list.push(edge.from);
            }
        }
        ways.sort_unstable();
        for list in &mut over {
            list.sort_unstable();
            list.dedup();
        }
        Self {
            graph,
            reach,
            ways,
            over,
        }
    }

    /// How these atoms lead there: by the path of least effort whose first step rests on one of them.
    pub fn lead(&self, index: &Index, atoms: &[AtomId]) -> Option<Lead> {
        let mut by_holder: BTreeMap<NodeId, BTreeSet<(u32, EdgeId, AtomId)>> = BTreeMap::new();
        for &atom in atoms {
            for id in index.edges_on(atom) {
                if let Some((edge, effort)) = self.way(id) {
                    let own = by_holder.entry(edge.from).or_default();
                    own.insert((effort, id, atom));
                }
            }
        }
        let mut ways = Vec::new();
        for (from, own) in by_holder {
            let own = own.into_iter().take(MOST_TRIED);
            let mut of_use = own.filter(|&(effort, id, atom)| self.is_of_use(atom, id, effort));
            let Some((effort, id, _)) = of_use.next() else {
                continue;
            };
            ways.push((effort, from, id));
            let others = of_use.take_while(|way| way.0 == effort);
            ways.extend(others.map(|(_, id, _)| (effort, from, id)));
        }
        let &(effort, from, id) = ways.iter().min()?;
        let rest = self.graph.path(self.graph.edge(id)?.to, &self.reach)?;
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

    /// Those who have no shorter way there than this one, and the holders; the search ends after `most` of them.
    pub fn users(&self, lead: &Lead, most: usize) -> Vec<NodeId> {
        let mut users: Vec<NodeId> = lead.holders.iter().map(|&(node, _)| node).collect();
        let mut found = Nodes::of(self.graph, users.iter().copied());
        let shortest = lead
            .holders
            .iter()
            .filter(|&&(node, effort)| self.reach.effort(node) == Some(effort));
        let mut waiting: Vec<NodeId> = shortest.map(|&(node, _)| node).collect();
        while let Some(node) = waiting.pop() {
            for &from in self.over.get(node.0 as usize).into_iter().flatten() {
                if users.len() >= most {
                    return users;
                }
                if found.insert(from) {
                    users.push(from);
                    waiting.push(from);
                }
            }
        }
        users
    }

    /// An edge that leads there, with the effort from its start.
    fn way(&self, id: EdgeId) -> Option<(Edge, u32)> {
        let edge = self.graph.edge(id)?;
        let rest = self.reach.effort(edge.to)?;
        Some((edge, rest.saturating_add(edge.kind.effort)))
    }

    /// Whether somebody needs the atom for a step: not who gets there as easily by what the step takes besides.
    fn is_of_use(&self, atom: AtomId, id: EdgeId, effort: u32) -> bool {
        let Some(edge) = self.graph.edge(id) else {
            return false;
        };
        let start = self.ways.partition_point(|way| way.0 < edge.from);
        let own = self.ways.get(start..).unwrap_or_default().iter();
        let as_easy = own.take_while(|way| way.0 == edge.from && way.1 <= effort);
        let as_easy: Vec<Edge> = as_easy
            .take(MOST_TRIED)
            .filter_map(|&(.., id)| self.graph.edge(id))
            .collect();
        let clauses = self.graph.clauses_of(edge);
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
                    .any(|edge| self.graph.holds(edge, &|atom| !left(atom)))
            })
        })
    }
}

impl Graph {
    /// Of the atoms for which `gone` says so those without which an edge is gone, as far as one of its clauses tells;
    /// nothing where it stays without all of them.
    pub fn closing(&self, id: EdgeId, gone: &dyn Fn(AtomId) -> bool) -> Vec<AtomId> {
        let clauses = self.edge(id).map(|edge| self.clauses_of_all(&edge));
        let is_hit = |cause: &Vec<AtomId>| cause.iter().any(|&atom| gone(atom));
        let mut clauses = clauses.into_iter().flatten();
        let closed = clauses.find(|clause| clause.iter().all(is_hit));
        let atoms = closed.into_iter().flatten().flatten();
        atoms.filter(|&atom| gone(atom)).collect()
    }

    /// What gives the first steps of a path together with this atom.
    pub fn causes_with(&self, lead: &Lead, atom: AtomId) -> impl Iterator<Item = Vec<AtomId>> {
        let edges = lead.first.iter().filter_map(|&id| self.edge(id));
        let clauses = edges.flat_map(|edge| self.joined_clauses(&edge));
        clauses.flatten().filter(move |cause| cause.contains(&atom))
    }
}

#[cfg(test)]
mod tests;
