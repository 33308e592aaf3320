//! Roles by their numbers: what they are good for, and who has them.

use bailiwick_core::ObjectRef;

use super::holders::HolderId;
use crate::build::{RuleSet, UseOf};
use crate::table::Table;

/// Number of a role that somebody is bound to, or that is good for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RoleId(u32);

/// Roles by their numbers.
#[derive(Default)]
pub(super) struct Roles {
    numbers: Table<ObjectRef>,
    of_roles: Vec<OfRole>,
    /// By number the rules of edges for which a role is good, apart from the rest: most are looked at for nothing else.
    rules: Vec<RuleSet>,
}

/// What is known of a role.
#[derive(Default)]
struct OfRole {
    /// What it is good for, in short.
    uses: Box<[UseOf]>,
    /// Whom bindings give it, in order, once for each entry.
    holders: Vec<HolderId>,
}

impl Roles {
    /// What a role is good for, in short, in the order of the rules of edges.
    pub(super) fn uses(&self, role: RoleId) -> &[UseOf] {
        let of_role = self.of_roles.get(role.0 as usize);
        of_role.map_or(&[], |of_role| &of_role.uses)
    }

    /// The rules of edges for which a role is good.
    pub(super) fn rules(&self, role: RoleId) -> RuleSet {
        let rules = self.rules.get(role.0 as usize);
        rules.copied().unwrap_or_default()
    }

    /// The role of a number.
    pub(super) fn role(&self, role: RoleId) -> Option<&ObjectRef> {
        self.numbers.value(role.0)
    }

    pub(super) fn find(&self, role: &ObjectRef) -> Option<RoleId> {
        self.numbers.find(role).map(RoleId)
    }

    /// Whom bindings give a role, in order, each once.
    pub(super) fn holders(&self, role: RoleId) -> impl Iterator<Item = HolderId> {
        let of_role = self.of_roles.get(role.0 as usize);
        let holders = of_role.map_or(&[][..], |of_role| &of_role.holders);
        let each = holders.chunk_by(|one, next| one == next);
        each.filter_map(|entries| entries.first().copied())
    }

    pub(super) fn set_uses(&mut self, role: &ObjectRef, uses: Box<[UseOf]>) {
        let number = self.enter(role);
        if let Some(rules) = self.rules.get_mut(number as usize) {
            *rules = uses.iter().map(|found| found.rule).collect();
        }
        if let Some(of_role) = self.of_roles.get_mut(number as usize) {
            let before = std::mem::replace(&mut of_role.uses, uses);
            if before.is_empty() && !of_role.uses.is_empty() {
                self.numbers.hold(number);
            } else if !before.is_empty() && of_role.uses.is_empty() {
                self.numbers.release(number);
            }
        }
        self.numbers.sweep();
    }

    /// Takes note that an entry of a binding gives a role.
    pub(super) fn give(&mut self, role: &ObjectRef, to: HolderId) -> RoleId {
        let number = self.enter(role);
        self.numbers.hold(number);
        if let Some(of_role) = self.of_roles.get_mut(number as usize) {
            let at = of_role.holders.partition_point(|holder| *holder < to);
            of_role.holders.insert(at, to);
        }
        RoleId(number)
    }

    /// Takes note that one gives it no more.
    pub(super) fn take(&mut self, RoleId(number): RoleId, from: HolderId) {
        if let Some(of_role) = self.of_roles.get_mut(number as usize)
            && let Ok(at) = of_role.holders.binary_search(&from)
        {
            of_role.holders.remove(at);
            self.numbers.release(number);
            self.numbers.sweep();
        }
    }

    fn enter(&mut self, role: &ObjectRef) -> u32 {
        let (number, _) = self.numbers.put(role.clone());
        if self.of_roles.len() <= number as usize {
            self.of_roles
                .resize_with(number as usize + 1, OfRole::default);
            self.rules.resize(number as usize + 1, RuleSet::default());
        }
        number
    }
}
