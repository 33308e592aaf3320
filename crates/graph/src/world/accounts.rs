//! Namespaces, and which service accounts there are and act.

use bailiwick_core::{Kind, Str};
use bailiwick_model::{Object, ServiceAccount, Workload};

use super::holders::Given;
use super::index::{DEFAULT, Index, Woken};
use super::reads::Key;
use super::{Unit, World};
use crate::node::Node;

/// The token of a service account where it may be: in a pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Token {
    namespace: Str,
    name: Str,
    /// Whether it is; `None` leaves that to the service account.
    pub(crate) is_there: Option<bool>,
}

impl Token {
    /// The token that code in a pod, or root on its node, finds in it and that the API server accepts.
    pub(crate) fn of(workload: &Workload) -> Self {
        let pod = &workload.pod;
        let is_projected = pod.tokens.iter().any(|token| token.audience.is_empty());
        Self {
            namespace: workload.metadata.namespace.clone(),
            name: pod.service_account().into(),
            is_there: match is_projected {
                true => Some(true),
                false => pod.automount_service_account_token,
            },
        }
    }

    /// The service account.
    pub(crate) fn account(&self) -> Node {
        Node::service_account(&self.namespace, &self.name)
    }
}

impl World<'_> {
    /// Whether a token is where it may be. Pods of a service account that is not there yet get its token, too.
    pub(crate) fn is_there(&self, token: &Token) -> bool {
        let Token {
            namespace, name, ..
        } = token;
        token.is_there.unwrap_or_else(|| {
            self.note(Key::Automount(namespace, name));
            mounts_token(self.whole.service_accounts.get(namespace, name))
        })
    }
}

impl Index {
    pub(super) fn enter(&mut self, namespace: &Str, woken: &mut Woken) {
        if namespace.is_empty() {
            return;
        }
        if let Some(count) = self.namespaces.get_mut(namespace) {
            *count += 1;
            return;
        }
        let existed = self.has_account(namespace, DEFAULT);
        self.namespaces.insert(namespace.clone(), 1);
        self.namespace_changed(namespace, existed, woken);
    }

    pub(super) fn leave(&mut self, namespace: &Str, woken: &mut Woken) {
        let existed = self.has_account(namespace, DEFAULT);
        let Some(count) = self.namespaces.get_mut(namespace) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.namespaces.remove(namespace);
            self.namespace_changed(namespace, existed, woken);
        }
    }

    pub(super) fn namespace_changed(&mut self, namespace: &Str, existed: bool, woken: &mut Woken) {
        self.wake(Key::Namespaces, woken);
        self.wake(Key::Named(Kind::ServiceAccount, DEFAULT), woken);
        woken.units.push(Unit::Namespace(namespace.clone()));
        self.account_changed(namespace, &DEFAULT.into(), existed, woken);
    }

    pub(super) fn put_account(&mut self, namespace: &Str, name: &Str, woken: &mut Woken) {
        let existed = self.has_account(namespace, name);
        let namespaces = self.accounts.entry(name.clone()).or_default();
        namespaces.insert(namespace.clone());
        self.account_changed(namespace, name, existed, woken);
    }

    pub(super) fn take_account(&mut self, namespace: &Str, name: &Str, woken: &mut Woken) {
        let existed = self.has_account(namespace, name);
        if let Some(namespaces) = self.accounts.get_mut(name) {
            namespaces.remove(namespace);
            if namespaces.is_empty() {
                self.accounts.remove(name);
            }
        }
        self.account_changed(namespace, name, existed, woken);
    }

    pub(super) fn account_changed(
        &mut self,
        namespace: &Str,
        name: &Str,
        existed: bool,
        woken: &mut Woken,
    ) {
        let exists = self.has_account(namespace, name);
        if exists == existed {
            return;
        }
        woken
            .units
            .push(Unit::Account(namespace.clone(), name.clone()));
        let node = Node::service_account(namespace, name);
        if self.is_run_as(namespace, name) {
            self.count_account_roles(&node, exists, woken);
        }
        self.check_missing(&node, woken);
    }

    /// Whether this is a service account that exists and that something runs as.
    pub(super) fn acts(&self, node: &Node) -> bool {
        match node {
            Node::ServiceAccount { namespace, name } => {
                self.has_account(namespace, name) && self.is_run_as(namespace, name)
            }
            _ => false,
        }
    }

    /// Takes note that a service account has come to act, or acts no more.
    pub(super) fn count_account_roles(&mut self, node: &Node, more: bool, woken: &mut Woken) {
        for given in self.holders.entries_of(node).to_vec() {
            self.count_account_role(&given, more, woken);
        }
    }

    /// Whether there is this service account. Kubernetes makes one called `default` in every namespace.
    pub(super) fn has_account(&self, namespace: &str, name: &str) -> bool {
        let own = self.accounts.get(name);
        (name == DEFAULT && self.namespaces.contains_key(namespace))
            || own.is_some_and(|namespaces| namespaces.contains(namespace))
    }

    /// Looks once more whether a service account that bindings name exists.
    pub(super) fn check_missing(&mut self, node: &Node, woken: &mut Woken) {
        let Node::ServiceAccount { namespace, name } = node else {
            return;
        };
        let missing = self.holders.has(node) && !self.has_account(namespace, name);
        let changed = if missing {
            self.missing.insert(node.clone())
        } else {
            self.missing.remove(node)
        };
        if changed {
            self.wake(Key::Missing, woken);
            self.wake(Key::IsMissing(node), woken);
        }
    }

    pub(super) fn count_account_role(&mut self, given: &Given, more: bool, woken: &mut Woken) {
        let Some(role) = given
            .role
            .as_ref()
            .filter(|_| given.binding.namespace.is_empty())
        else {
            return;
        };
        let count = self.account_roles.entry(role.clone()).or_default();
        let before = *count;
        *count = if more {
            before + 1
        } else {
            before.saturating_sub(1)
        };
        let after = *count;
        if after == 0 {
            self.account_roles.remove(role);
        }
        if (before == 0) != (after == 0) {
            self.account_rules.take();
            self.wake(Key::AccountRoles, woken);
        }
    }

    /// Wakes the pods of a service account that gives them its token and did not, or the other way round.
    pub(super) fn remount(&self, old: Option<&Object>, new: Option<&Object>, woken: &mut Woken) {
        let (old, new) = (old.and_then(account_of), new.and_then(account_of));
        if let Some(account) = old.or(new)
            && mounts_token(old) != mounts_token(new)
        {
            let metadata = &account.metadata;
            self.wake(Key::Automount(&metadata.namespace, &metadata.name), woken);
        }
    }
}

/// Whether pods get the token of this service account unless they say otherwise.
fn mounts_token(account: Option<&ServiceAccount>) -> bool {
    let said = account.and_then(|account| account.automount_service_account_token);
    said.unwrap_or(true)
}

fn account_of(object: &Object) -> Option<&ServiceAccount> {
    match object {
        Object::ServiceAccount(account) => Some(account),
        _ => None,
    }
}
