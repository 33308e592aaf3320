//! Constrained impersonation: what somebody can do as another, and no more.

use bailiwick_core::Str;
use bailiwick_model::PolicyRule;
use bailiwick_rbac::{Names, Right, Scope};

use super::{Builder, Holding, KindRule, Link, World};
use crate::condition::{Atom, AtomId, Condition};
use crate::edge::{EdgeKind, Rule};
use crate::node::Node;

/// A rule that somebody has, where it holds, and what gives it.
struct Grant<'a> {
    rule: &'a PolicyRule,
    namespace: Str,
    cause: Vec<AtomId>,
}

impl<'a> Builder<'_, 'a, '_> {
    /// Links a subject to those as whom it may act, and these to what both of them may do.
    pub(super) fn acting(&mut self, subject: &Node) {
        if !self.may_act(subject) {
            return;
        }
        let world = self.world;
        for (kind, number, rule) in &world.index.rules {
            let Rule::Acting { mode, leg } = rule else {
                continue;
            };
            let grants = self.grants(subject, mode);
            for grant in &grants {
                for target in leg.iter().flat_map(|right| targets(right, grant, world)) {
                    self.act(subject, &target, (*kind, *number), grant, (mode, &grants));
                }
            }
        }
    }

    /// Whether a role of the subject or of its groups lets anybody act as somebody else. What that depends on is noted
    /// with what the subject holds.
    fn may_act(&self, subject: &Node) -> bool {
        let world = self.world;
        let acts = |node: &Node| {
            let mut roles = world
                .given_to(node)
                .iter()
                .filter_map(|given| given.role.as_ref());
            roles.any(|role| world.index.acting.contains(role))
        };
        let mut groups = world.groups_of(subject).into_iter();
        acts(subject) || groups.any(|name| acts(&Node::Group { name }))
    }

    fn act(
        &mut self,
        subject: &Node,
        target: &Node,
        (kind, number): (&'static EdgeKind, u8),
        by: &Grant<'a>,
        (mode, grants): (&str, &[Grant<'a>]),
    ) {
        let holdings: Vec<Holding<'a>> = self
            .holdings(target)
            .into_iter()
            .flat_map(|holding| grants.iter().filter_map(move |on| both(&holding, on, mode)))
            .map(|mut holding| {
                holding.cause.extend(&by.cause);
                holding
            })
            .collect();
        if holdings.is_empty() {
            return;
        }
        let acting = Node::Acting {
            by: Box::new(subject.clone()),
            target: Box::new(target.clone()),
        };
        let clauses = vec![vec![by.cause.clone()]];
        let mut link = Link::new(self.graph, kind, number);
        link.edge(subject, acting.clone(), Condition { clauses });
        self.link(&acting, &holdings);
    }

    /// The rules of a subject that have to do with this mode. One that allows everything leads further by itself.
    fn grants(&mut self, subject: &Node, mode: &str) -> Vec<Grant<'a>> {
        let world = self.world;
        let mut grants = Vec::new();
        for bound in world.roles_of(subject) {
            let Some(role) = world.role(&bound.role) else {
                continue;
            };
            for (position, rule) in (0..).zip(role.rules.iter()) {
                let concerns = |verb: &Str| {
                    &**verb == "*" || (verb.starts_with("impersonate") && verb.contains(mode))
                };
                if !rule.verbs.iter().any(concerns) || !is_limited(rule) {
                    continue;
                }
                let atom = Atom::Rule {
                    role: bound.role.clone(),
                    position,
                };
                let atoms = bound.by.clone().into_iter().chain([atom]);
                grants.push(Grant {
                    rule,
                    namespace: bound.namespace.clone(),
                    cause: atoms.map(|atom| self.graph.atom(atom)).collect(),
                });
            }
        }
        grants
    }
}

/// Whether a rule lets somebody act as somebody else under constraints.
pub(crate) fn is_acting(rule: &PolicyRule, rules: &[KindRule]) -> bool {
    let mut acting = rules.iter().filter_map(|(_, _, rule)| match rule {
        Rule::Acting { leg, .. } => Some(*leg),
        _ => None,
    });
    is_limited(rule) && acting.any(|leg| leg.iter().any(|right| right.names(rule).is_some()))
}

/// Whether a rule does not give everything anyhow.
fn is_limited(rule: &PolicyRule) -> bool {
    Right::EVERYTHING.names(rule).is_none()
}

/// As whom a rule lets somebody act.
fn targets(right: &Right, grant: &Grant<'_>, world: &World<'_>) -> Vec<Node> {
    if right.scope == Scope::Cluster && !grant.namespace.is_empty() {
        return Vec::new();
    }
    let is_named = |names: Names<'_>, name: &Str| match names {
        Names::All => true,
        Names::Only(names) => names.contains(name),
    };
    let Some(names) = right.names(grant.rule) else {
        return Vec::new();
    };
    let subjects = world.subjects().filter_map(|node| match &node {
        // Names of nodes and of service accounts are refused here.
        Node::User { name } if right.scope == Scope::Cluster && is_named(names, name) => {
            (!name.starts_with("system:node:")).then(|| world.user_by_name(name))
        }
        Node::ServiceAccount { namespace, name } if right.scope == Scope::Namespace => {
            let inside = grant.namespace.is_empty() || grant.namespace == *namespace;
            (inside && is_named(names, name)).then(|| node.clone())
        }
        _ => None,
    });
    subjects.collect()
}

/// What is left of a right of another if one may use it by this rule alone.
fn both<'a>(holding: &Holding<'a>, on: &Grant<'a>, mode: &str) -> Option<Holding<'a>> {
    let scope = match (&*holding.scope, &*on.namespace) {
        (_, "") => holding.scope.clone(),
        ("", _) if holding.right.scope == Scope::Namespace => on.namespace.clone(),
        (own, other) if own == other => holding.scope.clone(),
        _ => return None,
    };
    let right = holding.right;
    let mut verbs = right.verbs_of(holding.given);
    let names = verbs.find_map(|verb| {
        let on_verb = format!("impersonate-on:{mode}:{verb}");
        right.names_by(on.rule, verb, &on_verb)
    })?;
    let names = match (holding.names, names) {
        (names, Names::All) | (Names::All, names) => names,
        (Names::Only(own), Names::Only(other)) if own == other => holding.names,
        _ => return None,
    };
    let cause = holding.cause.iter().chain(&on.cause).copied().collect();
    Some(Holding {
        scope,
        names,
        cause,
        group: None,
        part: 0,
        ..*holding
    })
}
