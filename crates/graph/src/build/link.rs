use crate::condition::{Atom, AtomId, Cause, Clause, Condition};
use crate::edge::EdgeKind;
use crate::graph::{Graph, HeldBack, RoleId};
use crate::node::Node;

/// Where edges of one kind go.
pub(crate) struct Link<'g> {
    graph: &'g mut Graph,
    kind: &'static EdgeKind,
    rule: u8,
    /// The role whose holders all take these edges, where it is one.
    role: Option<RoleId>,
}

impl<'g> Link<'g> {
    pub(crate) fn new(graph: &'g mut Graph, kind: &'static EdgeKind, rule: u8) -> Self {
        let role = None;
        Self {
            graph,
            kind,
            rule,
            role,
        }
    }

    /// The same for everybody who has this role, if there is one: its node stands for them.
    pub(crate) fn of_role(self, role: Option<RoleId>) -> Self {
        Self { role, ..self }
    }

    /// An edge that is there as long as its condition holds.
    pub(crate) fn edge(&mut self, from: &Node, to: Node, condition: Condition) {
        let to = self.graph.put(to);
        let condition = self.graph.condition(condition);
        let kind = (self.kind, self.rule);
        if let Some(role) = self.role {
            return self.graph.link_shared(role, to, kind, condition);
        }
        let from = self.graph.put(from.clone());
        self.graph.link(from, to, kind, condition);
    }

    /// An edge that is there as long as its condition holds and one of these settings is there.
    pub(crate) fn edge_if(
        &mut self,
        from: &Node,
        to: Node,
        mut condition: Condition,
        settings: impl IntoIterator<Item = Atom>,
    ) {
        let settings = settings.into_iter();
        let clause: Clause = settings.map(|atom| vec![self.graph.atom(atom)]).collect();
        if !clause.is_empty() {
            condition.clauses.push(clause);
        }
        self.edge(from, to, condition);
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

    /// An edge that is there as long as one of these causes is, each with all of its settings.
    pub(crate) fn by_any(&mut self, from: &Node, to: Node, causes: Vec<Vec<Atom>>) {
        let causes = causes.into_iter().map(|settings| {
            let atoms = settings.into_iter().map(|atom| self.graph.atom(atom));
            atoms.collect()
        });
        let clauses = vec![causes.collect()];
        self.edge(from, to, Condition { clauses });
    }

    /// These causes, each with these settings besides.
    pub(crate) fn joined(&mut self, causes: &[Cause], settings: &[Atom]) -> Clause {
        let settings = settings.iter().map(|atom| self.graph.atom(atom.clone()));
        let settings: Cause = settings.collect();
        let joined = causes
            .iter()
            .map(|cause| cause.iter().chain(&settings).copied().collect());
        joined.collect()
    }

    /// What a position in the table of settings stands for.
    pub(crate) fn setting(&self, id: AtomId) -> Option<Atom> {
        self.graph.atom_of(id).cloned()
    }

    /// An edge that would be there if not for a setting.
    pub(crate) fn held_back(&mut self, from: &Node, to: Node, by: Atom, why: &'static str) {
        self.graph.hold_back(HeldBack {
            from: from.clone(),
            to,
            kind: self.kind,
            by,
            why,
        });
    }
}
