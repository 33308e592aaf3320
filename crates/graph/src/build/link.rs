use crate::condition::{Atom, AtomId, Cause, Clause, Condition};
use crate::edge::EdgeKind;
use crate::graph::{Common, CommonId, Graph, HeldBack, SharedToken};
use crate::node::Node;
use crate::world::{Token, World};

/// Where edges of one kind go.
pub(crate) struct Link<'g> {
    graph: &'g mut Graph,
    kind: &'static EdgeKind,
    rule: u8,
    /// What all who take these edges have, where they are shared.
    common: Option<CommonId>,
}

impl<'g> Link<'g> {
    pub(crate) fn new(graph: &'g mut Graph, kind: &'static EdgeKind, rule: u8) -> Self {
        Self {
            graph,
            kind,
            rule,
            common: None,
        }
    }

    /// The same for everybody who has this, if there is one: a node stands for them.
    pub(crate) fn by_common(self, common: Option<CommonId>) -> Self {
        Self { common, ..self }
    }

    /// An edge that is there as long as its condition holds.
    pub(crate) fn edge(&mut self, from: &Node, to: Node, condition: Condition) {
        let to = self.graph.put(to);
        let condition = self.graph.condition(condition);
        let kind = (self.kind, self.rule);
        if let Some(common) = self.common {
            return self.graph.link_shared(common, to, kind, condition);
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

    /// An edge to a service account from where its token may be, as long as it is there and each of these settings.
    pub(crate) fn token(
        &mut self,
        from: &Node,
        token: Token,
        settings: impl IntoIterator<Item = Atom>,
        world: &World<'_>,
    ) {
        if token.is_there == Some(false) {
            return;
        }
        if !self.graph.is_shared() {
            if world.is_there(&token) {
                self.by(from, token.account(), settings);
            }
            return;
        }
        let condition = self.all_of(settings);
        let condition = self.graph.condition(condition);
        let holder = self.graph.put(from.clone());
        let by = (self.kind.id, self.rule);
        let common = Common::Token(SharedToken { token, by });
        let common = self.graph.common(common);
        self.graph.share(holder, common, condition);
    }

    /// An edge that is there as long as each of these settings is.
    pub(crate) fn by(&mut self, from: &Node, to: Node, settings: impl IntoIterator<Item = Atom>) {
        let condition = self.all_of(settings);
        self.edge(from, to, condition);
    }

    fn all_of(&mut self, settings: impl IntoIterator<Item = Atom>) -> Condition {
        let settings = settings.into_iter();
        let clauses = settings.map(|atom| vec![vec![self.graph.atom(atom)]]);
        clauses.collect::<Vec<Clause>>().into()
    }

    /// An edge that is there as long as one of these causes is, each with all of its settings.
    pub(crate) fn by_any(&mut self, from: &Node, to: Node, causes: Vec<Vec<Atom>>) {
        let causes = causes.into_iter().map(|settings| {
            let atoms = settings.into_iter().map(|atom| self.graph.atom(atom));
            atoms.collect()
        });
        let causes = causes.collect();
        self.edge(from, to, vec![causes].into());
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
