//! Who is bound to what, as edges ask it.

use std::collections::BTreeSet;
use std::sync::Arc;

use bailiwick_core::{Kind, ObjectRef, Str};
use bailiwick_model::{PolicyRule, Role};
use bailiwick_rbac::Right;

use super::bound::is_of_bootstrap_token;
use super::{Bound, Entry, Key, World};
use crate::node::Node;

/// The rights to read logs of pods, and those of nodes.
pub(crate) const READ_LOGS: [Right; 2] = [
    Right::new("", "pods/log", &["get"]),
    Right::cluster("", "nodes/log", &["get"]),
];

impl<'a> World<'a> {
    /// The entries of bindings that name this node.
    pub(crate) fn bindings_of(&self, node: &Node) -> &'a [Entry] {
        self.note(Key::Bound(&as_bound(node)));
        self.given_to(node)
    }

    /// The same for those who have noted already what matters to them.
    pub(crate) fn given_to(&self, node: &Node) -> &'a [Entry] {
        self.index.holders.entries_of(&as_bound(node))
    }

    /// Whether a binding names this node.
    pub(crate) fn is_bound(&self, node: &Node) -> bool {
        self.note(Key::IsBound(&as_bound(node)));
        self.index.holders.has(&as_bound(node))
    }

    /// The node that bindings name where this one is meant.
    pub(crate) fn bound_as<'n>(&self, node: &'n Node) -> std::borrow::Cow<'n, Node> {
        as_bound(node)
    }

    /// The roles that somebody has, by being bound or by his groups.
    pub(crate) fn roles_of(&self, node: &Node) -> Vec<Bound> {
        let own = |role: &ObjectRef, namespace: &Str| Bound {
            role: role.clone(),
            namespace: namespace.clone(),
            by: None,
            group: None,
        };
        match node {
            Node::Role { role, namespace } => return vec![own(role, namespace)],
            Node::Bound {
                by,
                role,
                namespace,
            } => {
                let mut bound = self.roles_of(by);
                bound.push(own(role, namespace));
                return bound;
            }
            _ => {}
        }
        let mut bound = self.bound_of(node);
        bound.retain(|bound| self.role(&bound.role).is_some());
        bound
    }

    /// The roles to which somebody is bound, by himself or by his groups, whether they exist or not.
    fn bound_of(&self, node: &Node) -> Vec<Bound> {
        let by = |node: &Node, group: Option<&Str>| {
            let bound = self.bindings_of(node).iter().filter_map(|given| {
                Some(Bound {
                    role: given.role.clone()?,
                    namespace: given.binding.namespace.clone(),
                    by: Some(given.atom()),
                    group: group.cloned(),
                })
            });
            bound.collect::<Vec<_>>()
        };
        let groups = self.groups_of(node);
        let of_groups = groups
            .iter()
            .flat_map(|name| by(&Node::Group { name: name.clone() }, Some(name)));
        let user = self.user_of_identity(node);
        let of_user = user.iter().flat_map(|user| by(user, Some(&Str::default())));
        of_groups.chain(of_user).chain(by(node, None)).collect()
    }

    /// The roles that somebody has, for what of [`READ_LOGS`] they give.
    pub(crate) fn roles_for_logs(&self, node: &Node) -> Vec<(Bound, &'a Role)> {
        let bound = self.bound_of(node).into_iter();
        let there = bound.filter_map(|bound| {
            self.note(Key::Logs(&bound.role));
            let role = self.role_as_noted(&bound.role)?;
            Some((bound, role))
        });
        there.collect()
    }

    /// The rules that service accounts have by ClusterRoleBindings of their own, each once.
    pub(crate) fn rules_of_accounts(&self) -> Arc<[PolicyRule]> {
        self.note(Key::AccountRoles);
        let mut known = self.index.account_rules.borrow_mut();
        let rules = known.get_or_insert_with(|| {
            let roles = self.index.account_roles.keys();
            let roles = roles.filter_map(|role| self.whole.roles.get(&role.namespace, &role.name));
            let rules: BTreeSet<&PolicyRule> = roles.flat_map(|role| &role.rules).collect();
            rules.into_iter().cloned().collect()
        });
        rules.clone()
    }

    /// Whether a binding names this service account and it does not exist. One that could not be read may.
    pub(crate) fn is_missing(&self, account: &Node) -> bool {
        let Node::ServiceAccount { namespace, .. } = account else {
            return false;
        };
        self.note(Key::IsMissing(account));
        self.index.missing.contains(account) && !self.is_hidden(Kind::ServiceAccount, namespace)
    }

    /// The service accounts of a scope that have this name, that bindings name and that do not exist.
    pub(crate) fn missing_accounts(&self, scope: &Str, name: &Str) -> Vec<Node> {
        let here = Node::service_account(scope, name);
        let named =
            |node: &&Node| matches!(node, Node::ServiceAccount { name: own, .. } if own == name);
        let mut found: Vec<Node> = if scope.is_empty() {
            self.note(Key::Missing);
            self.index.missing.iter().filter(named).cloned().collect()
        } else {
            vec![here]
        };
        found.retain(|account| self.is_missing(account));
        found
    }

    /// The groups of bootstrap tokens that bindings name, in order.
    pub(crate) fn bootstrap_groups(&self) -> impl Iterator<Item = Node> + use<'a> {
        self.note(Key::BootstrapGroups);
        let groups = self.index.inherited.iter();
        groups.filter(|node| is_of_bootstrap_token(node)).cloned()
    }

    /// The first ClusterRole that allows everything; who may bind any role needs no other.
    pub(crate) fn role_of_everything(&self) -> Option<&'a Role> {
        self.note(Key::Everything);
        let name = self.index.everything.first()?;
        self.whole.roles.get("", name)
    }

    /// The role, where it exists.
    pub(crate) fn role(&self, role: &ObjectRef) -> Option<&'a Role> {
        self.snapshot.roles.get(&role.namespace, &role.name)
    }

    /// The role for those who have noted already what matters to them of what it is good for.
    pub(crate) fn role_as_noted(&self, role: &ObjectRef) -> Option<&'a Role> {
        self.whole.roles.get(&role.namespace, &role.name)
    }
}

/// The node that bindings name where this one is meant.
fn as_bound(node: &Node) -> std::borrow::Cow<'_, Node> {
    match node {
        Node::UserName { name } => std::borrow::Cow::Owned(Node::User { name: name.clone() }),
        node => std::borrow::Cow::Borrowed(node),
    }
}
