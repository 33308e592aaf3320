use crate::condition::{Atom, Condition};
use crate::edge::EdgeKind;
use crate::graph::Graph;
use crate::node::Node;

/// Where edges of one kind go.
pub(crate) struct Link<'g> {
    graph: &'g mut Graph,
    kind: &'static EdgeKind,
}

impl<'g> Link<'g> {
    pub(crate) fn new(graph: &'g mut Graph, kind: &'static EdgeKind) -> Self {
        Self { graph, kind }
    }

    /// An edge that is there as long as its condition holds.
    pub(crate) fn edge(&mut self, from: &Node, to: Node, condition: Condition) {
        let from = self.graph.put(from.clone());
        let to = self.graph.put(to);
        let condition = self.graph.condition(condition);
        self.graph.link(from, to, self.kind, condition);
    }

    /// An edge that is always there: a part of something, or what Kubernetes does by itself.
    pub(crate) fn always(&mut self, from: &Node, to: Node) {
        self.edge(from, to, Condition::default());
    }

    /// An edge that is there as long as each of these settings is.
    pub(crate) fn by(&mut self, from: &Node, to: Node, settings: impl IntoIterator<Item = Atom>) {
        let clauses = settings
            .into_iter()
            .map(|atom| vec![vec![self.graph.atom(atom)]])
            .collect();
        self.edge(from, to, Condition { clauses });
    }
}
