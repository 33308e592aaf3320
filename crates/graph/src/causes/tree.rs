//! A way to the targets for everything that has one, kept while edges close.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use hashbrown::HashMap;

use super::Nodes;
use crate::graph::{Edge, EdgeId, Graph, NodeId};
use crate::search::Reach;

/// A way to the targets for everything that has one. At first each is of the least effort. Where an edge on it closes,
/// the nodes behind keep to what is left of their ways, so that what a change costs does not grow with their number.
pub(super) struct Tree<'g> {
    graph: &'g Graph,
    /// How far everything was at first.
    reaching: Reach,
    /// By node: the edge to take.
    next: Vec<Option<EdgeId>>,
    targets: Nodes,
    /// By node, where somebody has asked: the edges that may still lead on, those that led there with the least effort at
    /// first in front.
    ways: HashMap<NodeId, VecDeque<EdgeId>>,
    /// Those who had a way and have none any more.
    lost: Nodes,
}

impl<'g> Tree<'g> {
    /// The ways that a search has found.
    pub(super) fn new(graph: &'g Graph, targets: &[NodeId], reaching: Reach) -> Self {
        let mut next = vec![None; graph.node_end()];
        for (node, _) in reaching.nodes() {
            if let Some(slot) = next.get_mut(node.0 as usize) {
                *slot = reaching.next(node);
            }
        }
        Self {
            graph,
            reaching,
            next,
            targets: Nodes::of(graph, targets.iter().copied()),
            ways: HashMap::new(),
            lost: Nodes::of(graph, []),
        }
    }

    /// Whether there is a way from here.
    pub(super) fn has(&self, node: NodeId) -> bool {
        self.targets.has(node) || self.next(node).is_some()
    }

    /// The edges of the way from here; none for a target, and for what has no way.
    pub(super) fn way(&self, node: NodeId) -> impl Iterator<Item = Edge> {
        let mut at = node;
        std::iter::from_fn(move || {
            let edge = self.graph.edge(self.next(at)?)?;
            at = edge.to;
            Some(edge)
        })
    }

    /// Of these nodes with a way those whose ways pass no other, in the order of their distance.
    pub(super) fn innermost(&self, of: &Nodes) -> Vec<NodeId> {
        let mut inside: Vec<NodeId> = self.targets.all().collect();
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(&node) = inside.get(at) {
            at += 1;
            for behind in self.behind(node) {
                if of.has(behind) {
                    found.push(behind);
                } else {
                    inside.push(behind);
                }
            }
        }
        found
    }

    /// Leads those whose way takes one of these edges another way, where there is one over edges that are `open`. What is
    /// closed stays closed.
    pub(super) fn close(&mut self, edges: &[EdgeId], open: &dyn Fn(&Edge) -> bool) {
        let mut waiting = VecDeque::new();
        for &id in edges {
            if let Some(edge) = self.graph.edge(id)
                && self.next(edge.from) == Some(id)
            {
                self.set(edge.from, None);
                waiting.push_back((edge.from, false));
            }
        }
        let mut stuck = Vec::new();
        while let Some((node, again)) = waiting.pop_front() {
            if let Some((_, id)) = self.best(node, open) {
                self.set(node, Some(id));
            } else if !again {
                // Its other ways may go over some that wait, too.
                waiting.push_back((node, true));
            } else {
                stuck.push(node);
                let behind: Vec<NodeId> = self.behind(node).collect();
                for node in behind {
                    self.set(node, None);
                    waiting.push_back((node, false));
                }
            }
        }
        if !stuck.is_empty() {
            self.lead_again(&stuck, open);
        }
    }

    /// Finds ways for these, where there are any: over those who were behind them, and over one another.
    fn lead_again(&mut self, nodes: &[NodeId], open: &dyn Fn(&Edge) -> bool) {
        let mut heap = BinaryHeap::new();
        for &node in nodes {
            if let Some((effort, id)) = self.best(node, open) {
                heap.push(Reverse((effort, node, id)));
            }
        }
        for &node in nodes {
            self.lost.insert(node);
        }
        while let Some(Reverse((effort, node, id))) = heap.pop() {
            if !self.lost.remove(node) {
                continue;
            }
            self.set(node, Some(id));
            for (id, edge) in self.graph.incoming(node) {
                if self.lost.has(edge.from) && open(&edge) {
                    let effort = effort.saturating_add(edge.kind.effort);
                    heap.push(Reverse((effort, edge.from, id)));
                }
            }
        }
    }

    /// The first of the ways from here that leads on, with its effort.
    fn best(&mut self, node: NodeId, open: &dyn Fn(&Edge) -> bool) -> Option<(u32, EdgeId)> {
        let mut ways = match self.ways.remove(&node) {
            Some(ways) => ways,
            None => self.ways_at_first(node),
        };
        let is_over = |id: &EdgeId| {
            let edge = self.graph.edge(*id);
            edge.is_none_or(|edge| !open(&edge) || self.lost.has(edge.to))
        };
        while ways.front().is_some_and(is_over) {
            ways.pop_front();
        }
        let best = ways.iter().find_map(|&id| {
            let edge = self.graph.edge(id).filter(open)?;
            let rest = self.effort(edge.to)?;
            Some((rest.saturating_add(edge.kind.effort), id))
        });
        self.ways.insert(node, ways);
        best
    }

    fn ways_at_first(&self, node: NodeId) -> VecDeque<EdgeId> {
        let ways = self.graph.outgoing(node).filter_map(|(id, edge)| {
            let rest = self.reaching.effort(edge.to)?;
            Some((rest.saturating_add(edge.kind.effort), id))
        });
        let mut ways: Vec<(u32, EdgeId)> = ways.collect();
        ways.sort_unstable();
        ways.into_iter().map(|(_, id)| id).collect()
    }

    /// Those whose ways lead to this node next.
    fn behind(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        let incoming = self.graph.incoming(node);
        let next = incoming.filter(|(id, edge)| self.next(edge.from) == Some(*id));
        next.map(|(_, edge)| edge.from)
    }

    /// The effort of the way from here; `None` where it breaks off.
    fn effort(&self, node: NodeId) -> Option<u32> {
        let (mut at, mut effort) = (node, 0_u32);
        while !self.targets.has(at) {
            let edge = self.graph.edge(self.next(at)?)?;
            effort = effort.saturating_add(edge.kind.effort);
            at = edge.to;
        }
        Some(effort)
    }

    fn next(&self, node: NodeId) -> Option<EdgeId> {
        self.next.get(node.0 as usize).copied().flatten()
    }

    fn set(&mut self, node: NodeId, next: Option<EdgeId>) {
        if let Some(slot) = self.next.get_mut(node.0 as usize) {
            *slot = next;
        }
    }
}
