use bailiwick_core::ObjectRef;

use crate::condition::{Atom, AtomId, Condition, ConditionId, Table};
use crate::edge::EdgeKind;
use crate::node::Node;

/// Position of a node in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) u32);

/// Position of an edge in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EdgeId(pub(crate) u32);

/// Who can become whom.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Table<Node>,
    edges: Vec<Edge>,
    outgoing: Vec<Vec<EdgeId>>,
    incoming: Vec<Vec<EdgeId>>,
    atoms: Table<Atom>,
    conditions: Table<Condition>,
    held_back: Vec<HeldBack>,
}

/// A step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) kind: &'static EdgeKind,
    /// Position of the rule that it comes from in those of its kind.
    pub(crate) rule: u8,
    pub(crate) condition: ConditionId,
}

impl Graph {
    /// The node's position; the node is new if it was not there.
    pub(crate) fn put(&mut self, node: Node) -> NodeId {
        let position = self.nodes.put(node);
        if position as usize == self.outgoing.len() {
            self.outgoing.push(Vec::new());
            self.incoming.push(Vec::new());
        }
        NodeId(position)
    }

    /// Adds a step. One from a node to itself leads nowhere and is left out.
    pub(crate) fn link(
        &mut self,
        from: NodeId,
        to: NodeId,
        (kind, rule): (&'static EdgeKind, u8),
        condition: ConditionId,
    ) {
        if from == to {
            return;
        }
        let id = EdgeId(u32::try_from(self.edges.len()).unwrap_or(u32::MAX));
        self.edges.push(Edge {
            from,
            to,
            kind,
            rule,
            condition,
        });
        if let Some(list) = self.outgoing.get_mut(from.0 as usize) {
            list.push(id);
        }
        if let Some(list) = self.incoming.get_mut(to.0 as usize) {
            list.push(id);
        }
    }

    pub(crate) fn atom(&mut self, atom: Atom) -> AtomId {
        AtomId(self.atoms.put(atom))
    }

    pub(crate) fn condition(&mut self, condition: Condition) -> ConditionId {
        ConditionId(self.conditions.put(condition))
    }

    pub(crate) fn hold_back(&mut self, step: HeldBack) {
        self.held_back.push(step);
    }

    /// Steps that are not there because a setting stands in their way.
    pub fn held_back(&self) -> &[HeldBack] {
        &self.held_back
    }

    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.nodes.values().len()
    }

    /// Number of edges.
    pub fn edge_count(&self) -> usize {
        self.edges.len()
    }

    /// All nodes.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        (0..).map(NodeId).zip(self.nodes.values())
    }

    /// The node's position, where it is there.
    pub fn find(&self, node: &Node) -> Option<NodeId> {
        self.nodes.find(node).map(NodeId)
    }

    /// The node.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.value(id.0)
    }

    pub(crate) fn edge(&self, id: EdgeId) -> Option<&Edge> {
        self.edges.get(id.0 as usize)
    }

    pub(crate) fn outgoing(&self, node: NodeId) -> impl Iterator<Item = (EdgeId, &Edge)> {
        self.listed(&self.outgoing, node)
    }

    pub(crate) fn incoming(&self, node: NodeId) -> impl Iterator<Item = (EdgeId, &Edge)> {
        self.listed(&self.incoming, node)
    }

    fn listed<'g>(
        &'g self,
        lists: &'g [Vec<EdgeId>],
        node: NodeId,
    ) -> impl Iterator<Item = (EdgeId, &'g Edge)> {
        let list = lists.get(node.0 as usize).map_or(&[][..], Vec::as_slice);
        list.iter().filter_map(|&id| Some((id, self.edge(id)?)))
    }

    /// Where an edge starts and where it ends.
    pub fn ends(&self, id: EdgeId) -> Option<(NodeId, NodeId)> {
        self.edge(id).map(|edge| (edge.from, edge.to))
    }

    /// The edges that start at a node.
    pub fn edges_from(&self, node: NodeId) -> impl Iterator<Item = EdgeId> {
        self.outgoing(node).map(|(id, _)| id)
    }

    /// What an edge rests on.
    pub(crate) fn condition_of(&self, edge: &Edge) -> &Condition {
        static ALWAYS: Condition = Condition {
            clauses: Vec::new(),
        };
        self.conditions.value(edge.condition.0).unwrap_or(&ALWAYS)
    }

    /// An atom.
    pub fn atom_of(&self, id: AtomId) -> Option<&Atom> {
        self.atoms.value(id.0)
    }

    /// All edges, for those who list or draw them.
    pub fn edges(&self) -> impl Iterator<Item = Step<'_>> {
        (0..)
            .map(EdgeId)
            .take(self.edges.len())
            .filter_map(|id| self.step(id))
    }

    /// An edge with what it rests on.
    pub fn step(&self, id: EdgeId) -> Option<Step<'_>> {
        let edge = self.edge(id)?;
        Some(Step {
            from: self.node(edge.from)?,
            to: self.node(edge.to)?,
            kind: edge.kind,
            rule: edge.rule,
            evidence: self
                .condition_of(edge)
                .clauses
                .iter()
                .map(|clause| {
                    clause
                        .iter()
                        .map(|cause| self.atoms_of(cause))
                        .collect::<Vec<_>>()
                })
                .collect(),
        })
    }

    fn atoms_of(&self, cause: &[AtomId]) -> Vec<&Atom> {
        cause
            .iter()
            .filter_map(|&atom| self.atom_of(atom))
            .collect()
    }
}

/// An edge, for people and machines.
#[derive(Clone, Debug)]
pub struct Step<'g> {
    /// Whence.
    pub from: &'g Node,
    /// Whither.
    pub to: &'g Node,
    /// How.
    pub kind: &'static EdgeKind,
    /// Position of the rule that it comes from in those of its kind.
    pub(crate) rule: u8,
    /// What it rests on: of each group one entry has to be there, with all of its atoms.
    pub evidence: Vec<Vec<Vec<&'g Atom>>>,
}

/// A step that is not there because of a setting.
#[derive(Clone, Debug)]
pub struct HeldBack {
    /// Whence it would lead.
    pub from: Node,
    /// Whither.
    pub to: Node,
    /// How.
    pub kind: &'static EdgeKind,
    /// The setting that stands in its way.
    pub by: Atom,
    /// What that setting does, in a sentence without its end.
    pub why: &'static str,
}

impl Atom {
    /// The object that would be changed.
    pub fn object(&self) -> &ObjectRef {
        match self {
            Self::Subject { binding, .. } => binding,
            Self::Rule { role, .. } => role,
            Self::Field { object, .. } => object,
        }
    }

    /// JSON pointer to what would be changed.
    pub fn pointer(&self) -> String {
        match self {
            Self::Subject { position, .. } => format!("/subjects/{position}"),
            Self::Rule { position, .. } => format!("/rules/{position}"),
            Self::Field { pointer, .. } => pointer.clone(),
        }
    }
}
