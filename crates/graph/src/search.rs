//! Paths through the graph.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use crate::condition::ConditionId;
use crate::edges::CONTAINS;
use crate::graph::{Edge, EdgeId, Graph, NodeId};
use crate::node::Node;

/// Steps from one node to another, each starting where the one before ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Where it starts.
    pub from: NodeId,
    /// The steps.
    pub edges: Vec<EdgeId>,
    /// The effort of all steps together.
    pub effort: u32,
}

/// How far each node is from the nodes that were asked about, or on the way to them.
#[derive(Clone, Debug)]
pub struct Reach {
    /// Effort and the edge to take, by node; the edge is missing at the nodes that were asked about.
    by_node: Vec<Option<(u32, Option<EdgeId>)>>,
}

/// States that one search for several paths may visit. Far more than any search has needed; beyond it the search ends
/// with the paths that it has.
const MOST_STATES: usize = 2_000_000;

/// A node on a path in the making: how it was reached, and the effort so far.
#[derive(Clone, Copy)]
struct State {
    node: NodeId,
    /// The edge that led here and the state where it starts.
    by: Option<(EdgeId, usize)>,
    effort: u32,
    /// What tells the way here from others.
    way: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

impl Graph {
    /// What can be reached from `sources`, with the least effort for each node.
    pub fn reach(&self, sources: &[NodeId]) -> Reach {
        self.spread(sources, Direction::Forward, &|_| true, &|_| false)
    }

    /// What can reach `target`, with the least effort for each node.
    pub fn reaching(&self, target: NodeId) -> Reach {
        self.spread(&[target], Direction::Backward, &|_| true, &|_| false)
    }

    /// What can reach one of the targets, with the least effort for each node.
    pub fn reaching_any(&self, targets: &[NodeId]) -> Reach {
        self.spread(targets, Direction::Backward, &|_| true, &|_| false)
    }

    /// The same over edges whose condition `open` lets pass.
    pub(crate) fn reaching_any_over(
        &self,
        targets: &[NodeId],
        open: &dyn Fn(ConditionId) -> bool,
    ) -> Reach {
        let open = |edge: &Edge| edge.conditions().all(open);
        self.spread(targets, Direction::Backward, &open, &|_| false)
    }

    /// What reaches `target` over edges and nodes that `open` lets pass, until a node that `found` says yes to.
    pub(crate) fn reaching_over(
        &self,
        target: NodeId,
        open: &dyn Fn(&Edge) -> bool,
        found: &dyn Fn(NodeId) -> bool,
    ) -> Reach {
        self.spread(&[target], Direction::Backward, open, found)
    }

    /// Dijkstra's algorithm.
    fn spread(
        &self,
        starts: &[NodeId],
        direction: Direction,
        open: &dyn Fn(&Edge) -> bool,
        found: &dyn Fn(NodeId) -> bool,
    ) -> Reach {
        let mut reach = Reach {
            by_node: vec![None; self.node_end()],
        };
        let mut heap = BinaryHeap::new();
        for &start in starts {
            reach.set(start, (0, None));
            heap.push(Reverse((0, start)));
        }
        while let Some(Reverse((effort, node))) = heap.pop() {
            if reach.effort(node) != Some(effort) {
                continue;
            }
            if found(node) {
                break;
            }
            let mut visit = |id: EdgeId, edge: &Edge, next: NodeId| {
                let further = effort.saturating_add(edge.kind.effort);
                let better = reach.effort(next).is_none_or(|known| further < known);
                if better && open(edge) {
                    reach.set(next, (further, Some(id)));
                    heap.push(Reverse((further, next)));
                }
            };
            match direction {
                Direction::Forward => {
                    self.outgoing(node)
                        .for_each(|(id, edge)| visit(id, &edge, edge.to));
                }
                Direction::Backward => {
                    self.incoming(node)
                        .for_each(|(id, edge)| visit(id, &edge, edge.from));
                }
            }
        }
        reach
    }

    /// The path of least effort from `source` to where `reaching` leads.
    pub fn path(&self, source: NodeId, reaching: &Reach) -> Option<Path> {
        let effort = reaching.effort(source)?;
        let mut path = Path {
            from: source,
            edges: Vec::new(),
            effort,
        };
        let mut node = source;
        while let Some(id) = reaching.next(node) {
            path.edges.push(id);
            node = self.edge(id)?.to;
        }
        Some(path)
    }

    /// The path of least effort to `end` from those whom `reach` starts from.
    pub fn path_to(&self, end: NodeId, reach: &Reach) -> Option<Path> {
        let effort = reach.effort(end)?;
        let (mut from, mut edges) = (end, Vec::new());
        while let Some(id) = reach.next(from) {
            edges.push(id);
            from = self.edge(id)?.from;
        }
        edges.reverse();
        Some(Path {
            from,
            edges,
            effort,
        })
    }

    /// Whether this comes with something else that is reached from `source` as easily, by a step that takes no effort and
    /// is always there: a pod with every pod of its namespace, a group with its member.
    pub fn comes_with_another(&self, node: NodeId, source: NodeId, reach: &Reach) -> bool {
        let effort = reach.effort(node);
        self.incoming(node).any(|(_, edge)| {
            let always = edge.kind.effort == 0 && self.clauses_of(edge).is_empty();
            always && edge.from != source && reach.effort(edge.from) == effort
        })
    }

    /// Up to `count` ways from `source` to `target` that visit no node twice, those of least effort first.
    ///
    /// Ways are told apart by their steps and by what these lead to, not by what the steps rest on, nor by where a way
    /// passes from everything of a kind to each of it. Who is on a way and has the target without effort takes no other
    /// step there.
    ///
    /// A best-first search in which what is left of each path is known exactly, so that it visits little beyond the
    /// paths that it finds.
    pub fn paths(&self, source: NodeId, target: NodeId, count: usize) -> Vec<Path> {
        let left = self.reaching(target);
        let mut found = Vec::new();
        let Some(least) = left.effort(source) else {
            return found;
        };
        let mut states = vec![State {
            node: source,
            by: None,
            effort: 0,
            way: Ways::START,
        }];
        let mut ways = Ways::default();
        let mut seen = HashSet::from([(source, Ways::START)]);
        let mut heap = BinaryHeap::from([Reverse((least, 0_usize))]);
        while let Some(Reverse((_, state))) = heap.pop() {
            let Some(&State {
                node, effort, way, ..
            }) = states.get(state)
            else {
                break;
            };
            if node == target {
                found.push(unwind(source, &states, state));
                if found.len() == count {
                    break;
                }
                continue;
            }
            let is_there = node != source && left.effort(node) == Some(0);
            let visited = visited(&states, state);
            for (id, edge) in self.steps_from(node) {
                let Some(rest) = left.effort(edge.to) else {
                    continue;
                };
                let further = edge.kind.effort.saturating_add(rest);
                if visited.contains(&edge.to)
                    || is_there && further > 0
                    || states.len() >= MOST_STATES
                {
                    continue;
                }
                let way = ways.after(way, self.mark(&edge));
                if !seen.insert((edge.to, way)) {
                    continue;
                }
                heap.push(Reverse((effort.saturating_add(further), states.len())));
                states.push(State {
                    node: edge.to,
                    by: Some((id, state)),
                    effort: effort.saturating_add(edge.kind.effort),
                    way,
                });
            }
        }
        found
    }

    /// What a step adds to what tells its way from others.
    fn mark(&self, edge: &Edge) -> Mark {
        let ends = self.node(edge.from).zip(self.node(edge.to));
        let (by_kind, by_end) = ends.map_or((true, true), |(from, to)| {
            tells_apart(edge.kind.id, from, to)
        });
        Mark {
            kind: by_kind.then_some(edge.kind.id),
            to: by_end.then_some(edge.to),
        }
    }
}

/// Whether the kind of a step, and whether what it leads to, tell its way from others that [`Graph::paths`] finds.
///
/// A right to new pods of the cluster leads to every service account of it, and so to those of each namespace, or to new
/// pods of each namespace, and so to every service account there: one way, which the graph has twice.
pub fn tells_apart(edge: &str, from: &Node, to: &Node) -> (bool, bool) {
    let passes_on = from.is_area() && to.is_area();
    (edge != CONTAINS.id, !passes_on)
}

/// What tells one step of a way from another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Mark {
    kind: Option<&'static str>,
    to: Option<NodeId>,
}

/// Numbers of ways, equal for those that are not told apart.
#[derive(Default)]
struct Ways(HashMap<(usize, Mark), usize>);

impl Ways {
    /// The way without a step.
    const START: usize = 0;

    fn after(&mut self, way: usize, mark: Mark) -> usize {
        if mark.kind.is_none() && mark.to.is_none() {
            return way;
        }
        let next = self.0.len() + 1;
        *self.0.entry((way, mark)).or_insert(next)
    }
}

fn unwind(source: NodeId, states: &[State], end: usize) -> Path {
    let edges: Vec<EdgeId> = back(states, end)
        .filter_map(|state| Some(state.by?.0))
        .collect();
    let effort = states.get(end).map_or(0, |state| state.effort);
    Path {
        from: source,
        edges: edges.into_iter().rev().collect(),
        effort,
    }
}

fn visited(states: &[State], end: usize) -> HashSet<NodeId> {
    back(states, end).map(|state| state.node).collect()
}

/// A state and those before it.
fn back(states: &[State], end: usize) -> impl Iterator<Item = &State> {
    std::iter::successors(states.get(end), |state| states.get(state.by?.1))
}

impl Reach {
    /// The least effort between this node and those that were asked about; `None` where there is no way.
    pub fn effort(&self, node: NodeId) -> Option<u32> {
        self.by_node
            .get(node.0 as usize)
            .copied()
            .flatten()
            .map(|(effort, _)| effort)
    }

    /// The edge to take at this node.
    pub(crate) fn next(&self, node: NodeId) -> Option<EdgeId> {
        self.by_node
            .get(node.0 as usize)
            .copied()
            .flatten()
            .and_then(|(_, edge)| edge)
    }

    /// The nodes with a way, those that were asked about included.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, u32)> {
        (0..)
            .map(NodeId)
            .zip(&self.by_node)
            .filter_map(|(node, known)| Some((node, (*known)?.0)))
    }

    fn set(&mut self, node: NodeId, value: (u32, Option<EdgeId>)) {
        if let Some(known) = self.by_node.get_mut(node.0 as usize) {
            *known = Some(value);
        }
    }
}
