//! Who is bound to what.

use std::collections::BTreeMap;
use std::sync::Arc;

use bailiwick_core::ObjectRef;
use bailiwick_model::{Binding, BindingSubject, PolicyRule, Role, Store};
use bailiwick_rbac::Right;

use super::Unit;
use super::holders::{Entry, Given};
use super::index::{Index, Woken, by_name};
use super::reads::Key;
use super::regained::Regained;
use super::rights::READ_LOGS;
use super::roles::RoleId;
use crate::build::{RuleSet, Use, UseOf, is_acting, uses, uses_in_short};
use crate::node::Node;

impl Index {
    pub(super) fn give(&mut self, binding: &Binding, woken: &mut Woken) {
        for (node, given) in entries(binding) {
            if self.acts(&node) {
                self.count_account_role(&given, true, woken);
            }
            let holder = self.holders.enter(&node);
            let role = given.role.as_ref();
            let number = role.map(|role| self.roles.give(role, holder));
            let given = Arc::new(given);
            let is_first = self.holders.give(holder, Entry { given, number });
            self.bound_changed(&node, is_first, woken);
        }
    }

    pub(super) fn take_back(&mut self, binding: &Binding, woken: &mut Woken) {
        for (node, given) in entries(binding) {
            if self.acts(&node) {
                self.count_account_role(&given, false, woken);
            }
            let Some((holder, entry, was_last)) = self.holders.take(&node, &given) else {
                continue;
            };
            if let Some(role) = entry.number {
                self.roles.take(role, holder);
            }
            self.bound_changed(&node, was_last, woken);
        }
    }

    pub(super) fn bound_changed(&mut self, node: &Node, appeared_or_gone: bool, woken: &mut Woken) {
        self.wake(Key::Bound(node), woken);
        if !appeared_or_gone {
            return;
        }
        self.wake(Key::IsBound(node), woken);
        self.wake(Key::Subjects, woken);
        self.check_inherited(node);
        if is_of_bootstrap_token(node) {
            self.wake(Key::BootstrapGroups, woken);
        }
        let mut subject = |node: &Node| {
            woken.units.push(Unit::Subject(node.clone()));
            woken.units.push(Unit::Holder(node.clone()));
        };
        subject(node);
        by_name(&self.memberships, node).iter().for_each(subject);
        self.check_missing(node, woken);
    }

    /// The number of a role that somebody is bound to, or that is good for something.
    pub(crate) fn number_of(&self, role: &ObjectRef) -> Option<RoleId> {
        self.roles.find(role)
    }

    /// The role of a number.
    pub(crate) fn role_at(&self, role: RoleId) -> Option<&ObjectRef> {
        self.roles.role(role)
    }

    /// What a role is good for, in short, in the order of the rules of edges.
    pub(crate) fn uses_of(&self, role: RoleId) -> &[UseOf] {
        self.roles.uses(role)
    }

    /// The rules of edges for which a role is good.
    pub(crate) fn rules_of(&self, role: RoleId) -> RuleSet {
        self.roles.rules(role)
    }

    pub(super) fn put_role(&mut self, role: &Role, woken: &mut Woken) {
        self.change_role(None, Some(role), woken);
    }

    /// Takes note of what a role was and what it is.
    pub(super) fn change_role(
        &mut self,
        old: Option<&Role>,
        new: Option<&Role>,
        woken: &mut Woken,
    ) {
        let Some(role) = new.or(old).map(Role::object_ref) else {
            return;
        };
        let rules = |role: Option<&Role>, wanted: &dyn Fn(&PolicyRule) -> bool| {
            role.is_some_and(|role| role.rules.iter().any(wanted))
        };
        if role.namespace.is_empty() {
            let first = self.everything.first().cloned();
            if rules(new, &|rule| Right::EVERYTHING.names(rule).is_some()) {
                self.everything.insert(role.name.clone());
            } else {
                self.everything.remove(&role.name);
            }
            if self.everything.first() != first.as_ref() {
                self.wake(Key::Everything, woken);
            }
        }
        if self.account_roles.contains_key(&role) {
            self.account_rules.take();
            self.wake(Key::AccountRoles, woken);
        }
        let short = new.map(|role| uses_in_short(role, &self.wanted));
        self.roles.set_uses(&role, short.unwrap_or_default());
        if rules(new, &|rule| is_acting(rule, &self.rules)) {
            self.acting.insert(role);
        } else {
            self.acting.remove(&role);
        }
    }

    /// Wakes who looks at what a role is good for, if that has changed.
    pub(super) fn reuse<'r>(
        &self,
        old: Option<&'r Role>,
        new: Option<&'r Role>,
        was_acting: bool,
        woken: &mut Woken,
    ) {
        let Some(role) = new.or(old).map(Role::object_ref) else {
            return;
        };
        // By the positions of rules, those that give nothing of the kind aside.
        let logs = |role: Option<&'r Role>| {
            let rules = role.map_or(&[][..], |role| &role.rules).iter().enumerate();
            let names = rules.map(|(at, rule)| (at, READ_LOGS.map(|right| right.names(rule))));
            let given = names.filter(|(_, names)| names.iter().any(Option::is_some));
            given.collect::<Vec<_>>()
        };
        if logs(old) != logs(new) {
            self.wake(Key::Logs(&role), woken);
        }
        let of = |role| uses(role, &self.wanted);
        let (old, new) = (
            old.map(of).unwrap_or_default(),
            new.map(of).unwrap_or_default(),
        );
        let acting = was_acting != self.acting.contains(&role);
        for (rule, sides) in self.differing(&old, &new, true) {
            self.wake(Key::Uses(&role), woken);
            self.wake_rule(rule, Key::UsesOf(&role, rule), woken);
            let [before, after] = sides.map(|side| side.iter().any(|found| found.is_limited()));
            if before != after {
                self.wake(Key::Limits(&role), woken);
            }
        }
        for (rule, sides) in self.differing(&old, &new, false) {
            let uses = || sides.iter().flatten();
            woken.regained.push(Regained {
                rule,
                legs: uses().fold(0, |all, found| all | found.bit()),
                is_limited: uses().any(|found| found.is_limited()),
            });
        }
        if acting || !woken.regained.is_empty() {
            self.wake(Key::SharedUses(&role), woken);
        }
        let shared = |uses: &[Use<'_>]| uses.iter().any(|found| found.is_shared(&self.rules));
        let is_shared = acting || shared(&old) || shared(&new);
        let number = self.roles.find(&role);
        let holders = number.iter().flat_map(|&role| self.roles.holders(role));
        for node in holders.filter_map(|holder| self.holders.node(holder)) {
            if acting {
                self.wake(Key::Bound(node), woken);
            }
            if is_shared && self.inherited.contains(node) {
                self.wake(Key::Inherited(node), woken);
            }
        }
        woken.role = Some(role);
    }

    /// The rules of edges for which what a role is good for differs, by itself or beside others, each with what the one
    /// and the other is good for.
    fn differing<'u>(
        &self,
        old: &'u [Use<'u>],
        new: &'u [Use<'u>],
        by_itself: bool,
    ) -> impl Iterator<Item = (usize, [Vec<&'u Use<'u>>; 2])> + use<'u> {
        let mut by_rule: BTreeMap<usize, [Vec<&Use<'_>>; 2]> = BTreeMap::new();
        for (side, uses) in [old, new].into_iter().enumerate() {
            let uses = uses.iter();
            for found in uses.filter(|found| found.is_of_role(&self.rules) == by_itself) {
                let sides = by_rule.entry(found.rule).or_default();
                if let Some(side) = sides.get_mut(side) {
                    side.push(found);
                }
            }
        }
        by_rule.into_iter().filter(|(_, [old, new])| old != new)
    }

    /// Whether others may have what this one has: groups that somebody is in, and what identities of AWS are.
    fn is_inherited(&self, node: &Node) -> bool {
        let has_members = |name: &str| name.starts_with("system:") || self.groups.contains(name);
        matches!(node, Node::Group { name } if has_members(name)) || self.mapped_to.contains(node)
    }

    /// Looks once more whether bindings give to this one what others may have.
    pub(super) fn check_inherited(&mut self, node: &Node) {
        if self.holders.has(node) && self.is_inherited(node) {
            self.inherited.insert(node.clone());
        } else {
            self.inherited.remove(node);
        }
    }

    /// Wakes the members of the groups to which a binding gives something that counts for them.
    pub(super) fn inherit(&self, binding: &Binding, roles: &Store<Role>, woken: &mut Woken) {
        let Some(role) = binding.role() else { return };
        let Some(held) = roles.get(&role.namespace, &role.name) else {
            return;
        };
        let shared = uses(held, &self.wanted)
            .iter()
            .any(|found| found.is_shared(&self.rules));
        if !shared && !self.acting.contains(&role) {
            return;
        }
        for (node, _) in entries(binding) {
            if self.is_inherited(&node) {
                self.wake(Key::Inherited(&node), woken);
            }
        }
    }
}

/// The entries of a binding that apply to somebody.
fn entries(binding: &Binding) -> Vec<(Node, Given)> {
    let (object, role) = (binding.object_ref(), binding.role());
    let entries = (0..).zip(binding.subjects.iter());
    let entry = |(position, subject): (u32, &BindingSubject)| {
        let node = Node::of(&subject.subject(&binding.metadata.namespace)?);
        let (binding, role) = (object.clone(), role.clone());
        let given = Given {
            binding,
            position,
            role,
        };
        Some((node, given))
    };
    entries.filter_map(entry).collect()
}

/// Whether this is a group in which a bootstrap token can be.
pub(super) fn is_of_bootstrap_token(node: &Node) -> bool {
    let Node::Group { name } = node else {
        return false;
    };
    let below = name.strip_prefix("system:bootstrappers");
    below.is_some_and(|below| below.is_empty() || below.starts_with(':'))
}
