mod evidence;
mod made;
mod shared;
mod step;

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use hashbrown::HashMap;

use crate::condition::{Atom, Clause, Condition, ConditionId};
use crate::edge::EdgeKind;
use crate::node::Node;
use crate::table::Table;
use shared::Shared;

pub(crate) use made::Made;
pub(crate) use shared::{Common, CommonId, LegGiven, SharedRole, SharedToken};
pub use step::{HeldBack, Step};

/// Position of a node in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// The position, for lists by node.
    pub fn position(self) -> usize {
        self.0 as usize
    }
}

/// Position of an edge in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EdgeId {
    /// For an edge that is shared the position of who has the share.
    share: Option<u32>,
    position: u32,
}

impl EdgeId {
    fn own(position: u32) -> Self {
        let share = None;
        Self { share, position }
    }

    fn shared(share: u32, position: u32) -> Self {
        let share = Some(share);
        Self { share, position }
    }
}

/// Who can become whom.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// Whether steps that several take are there once.
    is_shared: bool,
    nodes: Table<Node>,
    edges: Table<Own>,
    outgoing: Vec<Vec<u32>>,
    incoming: Vec<Vec<u32>>,
    /// Edges by what several have in common.
    shared: Shared,
    atoms: Table<Atom>,
    conditions: Table<Condition>,
    held_back: Vec<Option<HeldBack>>,
    free_held_back: Vec<usize>,
    made: Made,
    /// The nodes that are the rights of a role and that steps have come to lead to, or have ceased to.
    roles: Vec<NodeId>,
    /// How many steps to the rights of roles a node has.
    binds: HashMap<NodeId, u32>,
    /// The nodes that have come or ceased to have such steps.
    binders: Vec<NodeId>,
    /// Those of whom not every combination of roles was looked at, with how many parts say so.
    unfinished: BTreeMap<Node, u32>,
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
    /// By what it is taken, where it is shared.
    pub(crate) by: Option<By>,
}

/// Somebody's share in what several have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct By {
    common: CommonId,
    /// What gives it to him.
    condition: ConditionId,
}

/// A step that is there by itself.
#[derive(Clone, Copy, Debug)]
struct Own {
    from: NodeId,
    to: NodeId,
    kind: &'static EdgeKind,
    rule: u8,
    condition: ConditionId,
}

impl Edge {
    /// Everything that it rests on; all of these have to hold.
    pub(crate) fn conditions(self) -> impl Iterator<Item = ConditionId> {
        let by = self.by.map(|by| by.condition);
        std::iter::once(self.condition).chain(by)
    }
}

impl Own {
    fn edge(&self) -> Edge {
        Edge {
            from: self.from,
            to: self.to,
            kind: self.kind,
            rule: self.rule,
            condition: self.condition,
            by: None,
        }
    }
}

impl PartialEq for Own {
    fn eq(&self, other: &Self) -> bool {
        let ends = (self.from, self.to) == (other.from, other.to);
        let rest = (self.rule, self.condition) == (other.rule, other.condition);
        ends && rest && std::ptr::eq(self.kind, other.kind)
    }
}

impl Eq for Own {}

impl Hash for Own {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let kind = std::ptr::from_ref(self.kind);
        (self.from, self.to, kind, self.rule, self.condition).hash(state);
    }
}

impl Graph {
    /// One that will change.
    pub(crate) fn to_change() -> Self {
        Self {
            is_shared: true,
            ..Self::default()
        }
    }

    /// Whether steps that several take are there once, beside those who take them.
    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// The node's position; the node is new if it was not there.
    pub(crate) fn put(&mut self, node: Node) -> NodeId {
        let is_role = matches!(node, Node::Role { .. });
        let (position, is_new) = self.nodes.put(node);
        if position as usize == self.outgoing.len() {
            self.outgoing.push(Vec::new());
            self.incoming.push(Vec::new());
        }
        if is_role && is_new {
            self.roles.push(NodeId(position));
        }
        NodeId(position)
    }

    /// Adds a step, or somebody who adds one that is there. One from a node to itself leads nowhere and is left out.
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
        let (position, is_new) = self.edges.put(Own {
            from,
            to,
            kind,
            rule,
            condition,
        });
        self.edges.hold(position);
        self.made.edges.push(position);
        if !is_new {
            return;
        }
        self.nodes.hold(from.0);
        self.nodes.hold(to.0);
        if let Some(Node::Role { .. }) = self.node(to) {
            *self.binds.entry(from).or_default() += 1;
            self.binders.push(from);
        }
        self.conditions.hold(condition.0);
        if let Some(list) = self.outgoing.get_mut(from.0 as usize) {
            list.push(position);
        }
        if let Some(list) = self.incoming.get_mut(to.0 as usize) {
            list.push(position);
        }
    }

    pub(crate) fn hold_back(&mut self, step: HeldBack) {
        let position = self.free_held_back.pop().unwrap_or_else(|| {
            self.held_back.push(None);
            self.held_back.len() - 1
        });
        if let Some(slot) = self.held_back.get_mut(position) {
            *slot = Some(step);
        }
        self.made.held_back.push(position);
    }

    /// Notes that there may be more steps from somebody than are there.
    pub(crate) fn leave_unfinished(&mut self, node: Node) {
        *self.unfinished.entry(node.clone()).or_default() += 1;
        self.made.unfinished.push(node);
    }

    /// Those from whom there may be more steps: they can bind roles in more ways together than are looked at.
    pub fn unfinished(&self) -> impl Iterator<Item = &Node> {
        self.unfinished.keys()
    }

    /// The rights of roles that may have come or lost a step to them since this was last asked.
    pub(crate) fn take_roles(&mut self) -> Vec<NodeId> {
        std::mem::take(&mut self.roles)
    }

    /// Whether a step from anything but the rights of roles leads to those of this one, directly or over others. What
    /// only leads round in a circle is reached by nobody.
    pub(crate) fn is_role_reached(&self, role: NodeId) -> bool {
        let mut known = vec![role];
        let mut next = 0;
        while let Some(&node) = known.get(next) {
            next += 1;
            for (_, edge) in self.listed(&self.incoming, node) {
                if !matches!(self.node(edge.from), Some(Node::Role { .. })) {
                    return true;
                }
                if !known.contains(&edge.from) {
                    known.push(edge.from);
                }
            }
        }
        false
    }

    /// Drops every edge that nobody puts in any more.
    pub(crate) fn sweep_edges(&mut self) {
        self.sweep_shared();
        for (position, edge) in self.edges.sweep() {
            let ends = [
                (&mut self.outgoing, edge.from),
                (&mut self.incoming, edge.to),
            ];
            for (lists, node) in ends {
                if let Some(list) = lists.get_mut(node.0 as usize)
                    && let Some(at) = list.iter().position(|&other| other == position)
                {
                    list.swap_remove(at);
                }
                self.nodes.release(node.0);
            }
            self.conditions.release(edge.condition.0);
            if let Some(Node::Role { .. }) = self.nodes.value(edge.to.0) {
                self.roles.push(edge.to);
                self.binders.push(edge.from);
                let count = self.binds.entry(edge.from).or_default();
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.binds.remove(&edge.from);
                }
            }
        }
    }

    /// Whether a step leads from a node to the rights of a role.
    pub(crate) fn is_binder(&self, node: &Node) -> bool {
        let found = self.nodes.find(node).map(NodeId);
        found.is_some_and(|id| self.binds.contains_key(&id))
    }

    /// The nodes that have come or ceased to have such steps since this was last asked.
    pub(crate) fn take_binders(&mut self) -> Vec<NodeId> {
        std::mem::take(&mut self.binders)
    }

    /// Has [`Graph::take_roles`] give these once more.
    pub(crate) fn put_roles(&mut self, roles: Vec<NodeId>) {
        self.roles = roles;
    }

    /// Drops what no edge needs any more. Positions that were given out for it mean nothing from then on.
    pub(crate) fn sweep(&mut self) {
        self.sweep_edges();
        self.sweep_commons();
        for (_, condition) in self.conditions.sweep() {
            for &atom in condition.atoms() {
                self.atoms.release(atom.0);
            }
        }
        self.atoms.sweep();
        self.nodes.sweep();
    }

    /// Steps that are not there because a setting stands in their way.
    pub fn held_back(&self) -> impl Iterator<Item = &HeldBack> {
        self.held_back.iter().flatten()
    }

    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.nodes().count()
    }

    /// One more than the last position of a node.
    pub(crate) fn node_end(&self) -> usize {
        self.nodes.end()
    }

    /// Number of edges. What is shared by those who have a role counts once, and so does everybody who has one.
    pub fn edge_count(&self) -> usize {
        self.edges.len() + self.shared_count()
    }

    /// All nodes from which or to which an edge leads.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        let nodes = self.nodes.values();
        let nodes = nodes.map(|(position, node)| (NodeId(position), node));
        nodes.filter(|(id, _)| self.is_linked(*id))
    }

    /// The node's position, where it is there.
    pub fn find(&self, node: &Node) -> Option<NodeId> {
        let found = self.nodes.find(node).map(NodeId);
        found.filter(|&id| self.is_linked(id))
    }

    /// Whether anything leads from a node or to it. Somebody may have a role that leads nowhere.
    fn is_linked(&self, node: NodeId) -> bool {
        let lists = [&self.outgoing, &self.incoming].into_iter();
        let mut lists = lists.filter_map(|lists| lists.get(node.0 as usize));
        lists.any(|list| !list.is_empty()) || self.is_linked_by_shares(node)
    }

    /// The node.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.value(id.0)
    }

    pub(crate) fn edge(&self, id: EdgeId) -> Option<Edge> {
        match id.share {
            Some(share) => self.shared_edge(share, id.position),
            None => self.edges.value(id.position).map(Own::edge),
        }
    }

    pub(crate) fn outgoing(&self, node: NodeId) -> impl Iterator<Item = (EdgeId, Edge)> {
        self.own_outgoing(node).chain(self.shared_from(node))
    }

    /// The edges from a node but for those that are shared.
    pub(crate) fn own_outgoing(&self, node: NodeId) -> impl Iterator<Item = (EdgeId, Edge)> {
        self.listed(&self.outgoing, node)
    }

    pub(crate) fn incoming(&self, node: NodeId) -> impl Iterator<Item = (EdgeId, Edge)> {
        self.listed(&self.incoming, node)
            .chain(self.shared_to(node))
    }

    fn listed<'g>(
        &'g self,
        lists: &'g [Vec<u32>],
        node: NodeId,
    ) -> impl Iterator<Item = (EdgeId, Edge)> + 'g {
        let list = lists.get(node.0 as usize).map_or(&[][..], Vec::as_slice);
        let ids = list.iter().map(|&position| EdgeId::own(position));
        ids.filter_map(|id| Some((id, self.edge(id)?)))
    }

    /// Where an edge starts and where it ends.
    pub fn ends(&self, id: EdgeId) -> Option<(NodeId, NodeId)> {
        self.edge(id).map(|edge| (edge.from, edge.to))
    }

    /// The edges that start at a node; of those that several roles give to it one.
    pub fn edges_from(&self, node: NodeId) -> impl Iterator<Item = EdgeId> {
        self.steps_from(node).map(|(id, _)| id)
    }

    /// The same, with what they are.
    pub(crate) fn steps_from(&self, node: NodeId) -> impl Iterator<Item = (EdgeId, Edge)> {
        self.distinct(self.outgoing(node))
    }

    pub(crate) fn edge_entries(&self) -> impl Iterator<Item = (EdgeId, Edge)> {
        let own = self.edges.values();
        let own = own.map(|(position, edge)| (EdgeId::own(position), edge.edge()));
        own.chain(self.shared_edges())
    }

    /// All edges, for those who list or draw them; of those that several roles give to somebody one.
    pub fn edges(&self) -> impl Iterator<Item = Step<'_>> {
        let edges = self.distinct(self.edge_entries());
        edges.filter_map(|(id, _)| self.step(id))
    }

    /// An edge with what it rests on. Where several roles give it, it rests on any of them.
    pub fn step(&self, id: EdgeId) -> Option<Step<'_>> {
        let edge = self.edge(id)?;
        let clauses = self.clauses_of_all(&edge);
        let clause = |clause: &Clause| clause.iter().map(|cause| self.atoms_of(cause)).collect();
        Some(Step {
            from: self.node(edge.from)?,
            to: self.node(edge.to)?,
            kind: edge.kind,
            rule: edge.rule,
            evidence: clauses.iter().map(clause).collect(),
        })
    }
}
