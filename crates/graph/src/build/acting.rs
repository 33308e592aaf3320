//! Constrained impersonation: what somebody can do as another, and no more.

use std::collections::{BTreeMap, BTreeSet};

use bailiwick_core::{Str, Subject, names};
use bailiwick_model::PolicyRule;
use bailiwick_rbac::{Names, Right, Scope};

use super::{Builder, Holding, KindRule, Link, World};
use crate::condition::{Atom, AtomId, Clause, Condition};
use crate::edge::{EdgeKind, Leg, Rule, Whom};
use crate::host::node_user;
use crate::node::Node;
use crate::world::Key;

/// The edge by which a node gets what its pods use.
const NODE_AUTHORIZER: &str = "node-authorizer";

const READ_SECRETS: Right = Right::new("", "secrets", &["get", "list", "watch"]);
const CREATE_TOKENS: Right = Right::new("", "serviceaccounts/token", &["create"]);

/// A rule that somebody has, where it holds, and what gives it.
struct Grant<'a> {
    rule: &'a PolicyRule,
    namespace: Str,
    cause: Vec<AtomId>,
}

/// Somebody who acts as somebody else.
struct Acts {
    by: Node,
    target: Node,
    condition: Condition,
    /// Kind of edge and position of its rule.
    edge: (&'static EdgeKind, u8),
}

impl<'a> Builder<'_, 'a, '_> {
    /// Links a subject to those as whom it may act, and these to what both of them may do.
    pub(super) fn acting(&mut self, subject: &Node) {
        if !self.may_act(subject) {
            return;
        }
        let world = self.world;
        for (kind, number, rule) in &world.index.rules {
            let Rule::Acting { mode, whom, legs } = rule else {
                continue;
            };
            let Some((first, further)) = legs.split_first() else {
                continue;
            };
            let grants = self.grants(subject, mode);
            let further: Vec<Clause> = further.iter().map(|leg| on_any(leg, &grants)).collect();
            if further.iter().any(Vec::is_empty) {
                continue;
            }
            for grant in &grants {
                for right in first.iter() {
                    for (by, target) in acts(subject, *whom, right, grant, world) {
                        let mut clauses = vec![vec![grant.cause.clone()]];
                        clauses.extend(further.iter().cloned());
                        let acts = Acts {
                            by,
                            target,
                            condition: Condition::from(clauses),
                            edge: (*kind, *number),
                        };
                        self.act(&acts, mode, &grants);
                    }
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

    fn act(&mut self, acts: &Acts, mode: &str, grants: &[Grant<'a>]) {
        let holdings: Vec<Holding<'a>> = self
            .all_holdings(&acts.target)
            .into_iter()
            .flat_map(|holding| grants.iter().filter_map(move |on| both(&holding, on, mode)))
            .collect();
        let of_node = self.of_node(&acts.target, mode, grants);
        if holdings.is_empty() && of_node.is_empty() {
            return;
        }
        let acting = Node::Acting {
            by: Box::new(acts.by.clone()),
            target: Box::new(acts.target.clone()),
        };
        let (kind, number) = acts.edge;
        let mut link = Link::new(self.graph, kind, number);
        link.edge(&acts.by, acting.clone(), acts.condition.clone());
        let authorizer = self.world.index.rules.iter();
        let mut authorizer = authorizer.filter(|(kind, ..)| kind.id == NODE_AUTHORIZER);
        if let Some((kind, number, _)) = authorizer.next() {
            let mut link = Link::new(self.graph, kind, *number);
            for (to, causes) in of_node {
                let clauses = vec![causes];
                link.edge(&acting, to, clauses.into());
            }
        }
        self.link(&acting, &holdings);
    }

    /// Everything that somebody holds.
    fn all_holdings(&mut self, subject: &Node) -> Vec<Holding<'a>> {
        let mut holdings = self.holdings(subject);
        for given in self.world.bindings_of(subject) {
            if let Some(role) = &given.role {
                let place = (given.number, &given.binding.namespace);
                self.world.note(Key::Uses(role));
                holdings.extend(self.by_itself(place, Some(given), &|_| true));
            }
        }
        holdings
    }

    /// What is left, by these rules, of what the Node authorizer gives to a node beside RBAC.
    fn of_node(&self, target: &Node, mode: &str, grants: &[Grant<'a>]) -> Vec<(Node, Clause)> {
        let Node::User { name } = target else {
            return Vec::new();
        };
        let Some(node) = name.strip_prefix(names::NODE_USER_PREFIX) else {
            return Vec::new();
        };
        let mut uses: BTreeMap<Node, Clause> = BTreeMap::new();
        for workload in self.world.workloads_on(node) {
            let token = self.world.token_for_node(workload);
            let account = Some(token.account()).filter(|_| self.world.is_there(&token));
            let secrets = self.world.secrets_for_node(workload);
            for used in account.into_iter().chain(secrets) {
                let (right, namespace, name) = match &used {
                    Node::Secret { namespace, name } => (READ_SECRETS, namespace, name),
                    Node::ServiceAccount { namespace, name } => (CREATE_TOKENS, namespace, name),
                    _ => continue,
                };
                let gives = |on: &&Grant<'_>| {
                    let inside = on.namespace.is_empty() || on.namespace == *namespace;
                    let mut verbs = right.verbs.iter();
                    inside
                        && verbs.any(|verb| {
                            let on_verb = format!("impersonate-on:{mode}:{verb}");
                            let found = right.names_by(on.rule, verb, &on_verb);
                            found.is_some_and(|names| names.hold(name))
                        })
                };
                let causes = grants.iter().filter(gives).map(|on| on.cause.clone());
                uses.entry(used.clone()).or_default().extend(causes);
            }
        }
        uses.retain(|_, causes| {
            causes.sort();
            causes.dedup();
            !causes.is_empty()
        });
        uses.into_iter().collect()
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
        Rule::Acting { legs, .. } => Some(legs.iter().copied().flatten()),
        _ => None,
    });
    is_limited(rule) && acting.any(|mut rights| rights.any(|right| right.names(rule).is_some()))
}

/// Whether a rule does not give everything anyhow.
fn is_limited(rule: &PolicyRule) -> bool {
    Right::EVERYTHING.names(rule).is_none()
}

/// What gives a leg on anything: a user name that is neither a node's nor a service account's.
fn on_any(leg: Leg, grants: &[Grant<'_>]) -> Clause {
    let gives = |grant: &&Grant<'_>| {
        let mut rights = leg.iter().filter(|right| is_in_scope(right, grant));
        rights.any(|right| match right.names(grant.rule) {
            Some(Names::All) => true,
            Some(Names::Only(names)) => names.iter().any(|name| is_plain(name)),
            None => false,
        })
    };
    grants
        .iter()
        .filter(gives)
        .map(|grant| grant.cause.clone())
        .collect()
}

fn is_in_scope(right: &Right, grant: &Grant<'_>) -> bool {
    right.scope == Scope::Namespace || grant.namespace.is_empty()
}

/// Whether the mode for users takes a name: not that of a service account or node.
fn is_plain(name: &str) -> bool {
    let user = Node::of(&Subject::User {
        name: name.to_owned(),
    });
    matches!(user, Node::User { .. }) && !name.starts_with(names::NODE_USER_PREFIX)
}

/// Who may act by a rule, and as whom. That is the subject itself, but for a group whose members act each as the nodes
/// of their own pods.
fn acts(
    subject: &Node,
    whom: Whom,
    right: &Right,
    grant: &Grant<'_>,
    world: &World<'_>,
) -> Vec<(Node, Node)> {
    let Some(names) = right
        .names(grant.rule)
        .filter(|_| is_in_scope(right, grant))
    else {
        return Vec::new();
    };
    // Four groups and more are asked for at once under this name, as are nodes of one's own pods.
    let of_star = || names.hold("*");
    let found: Vec<Node> = match whom {
        Whom::OwnNodes if of_star() => return own_nodes(subject, world),
        Whom::OwnNodes => Vec::new(),
        Whom::Nodes => {
            let nodes = world.snapshot.nodes.iter().map(|node| &node.metadata.name);
            let nodes = nodes.filter(|name| names.hold(name));
            nodes.filter_map(|name| node_user(name)).collect()
        }
        Whom::Users => {
            let users = world.subjects().into_iter().filter_map(|node| match node {
                Node::User { name } if names.hold(&name) && is_plain(&name) => {
                    Some(world.user_by_name(&name))
                }
                _ => None,
            });
            users.collect()
        }
        Whom::Groups => {
            let is_meant = |node: &Node| match node {
                Node::Group { name } => (names.hold(name) || of_star()) && !node.is_masters(),
                _ => false,
            };
            world.subjects().into_iter().filter(is_meant).collect()
        }
        Whom::Accounts => {
            let is_meant = |node: &Node| match node {
                Node::ServiceAccount { namespace, name } => {
                    let inside = grant.namespace.is_empty() || grant.namespace == *namespace;
                    inside && names.hold(name)
                }
                _ => false,
            };
            world.subjects().into_iter().filter(is_meant).collect()
        }
    };
    found
        .into_iter()
        .map(|target| (subject.clone(), target))
        .collect()
}

/// The service accounts that are this subject or in it, each with the nodes on which their pods run.
fn own_nodes(subject: &Node, world: &World<'_>) -> Vec<(Node, Node)> {
    let namespaces = match subject {
        Node::ServiceAccount { namespace, .. } => vec![namespace.clone()],
        Node::Group { .. } => world.namespaces_in(&Str::default()),
        _ => Vec::new(),
    };
    let mut found = BTreeSet::new();
    for workload in namespaces
        .iter()
        .flat_map(|namespace| world.workloads_in(namespace))
    {
        let name = workload.pod.service_account().into();
        let account = Node::service_account(&workload.metadata.namespace, &name);
        let is_meant = match subject {
            Node::Group { name } => world.groups_of(&account).contains(name),
            own => account == *own,
        };
        if let Some(user) = node_user(&workload.node_name).filter(|_| is_meant) {
            found.insert((account, user));
        }
    }
    found.into_iter().collect()
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
