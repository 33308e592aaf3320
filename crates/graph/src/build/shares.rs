//! What somebody takes by what others have, too: by roles alone, where it is there once, beside those who have them.

use std::collections::{BTreeMap, BTreeSet};

use bailiwick_core::{ObjectRef, Str};
use bailiwick_rbac::Names;

use super::uses::short;
use super::{Builder, Link};
use crate::condition::Clause;
use crate::graph::{Common, LegGiven, SharedRole, SharedToken};
use crate::node::Node;
use crate::world::{Given, Key, RoleId};

/// A role that somebody has.
pub(super) struct Had<'h> {
    pub(super) role: &'h ObjectRef,
    pub(super) number: Option<RoleId>,
    /// Where it is bound; empty is the whole cluster.
    pub(super) scope: &'h Str,
    /// The entry of a binding that gives it.
    pub(super) by: Option<&'h Given>,
}

/// The rules of edges, by their positions, that are not shared, by where roles are bound.
pub(super) type Limited<'h> = BTreeMap<&'h Str, BTreeSet<usize>>;

impl<'a> Builder<'_, 'a, '_> {
    /// Whether a role of somebody limits to names what leads somewhere by itself, as far as it is looked at.
    pub(super) fn is_limited(&self, node: &Node) -> bool {
        self.looked_at(node).any(|given| {
            let mut uses = self.uses_by_itself(given.number);
            uses.any(|found| found.is_limited && self.is_looked_at(found))
        })
    }

    /// The roles of a subject, for what they allow alone.
    pub(super) fn had<'h>(&self, subject: &'h Node) -> Vec<Had<'h>>
    where
        'a: 'h,
    {
        if let Node::Role { role, namespace } = subject {
            return vec![Had {
                role,
                number: self.world.index.number_of(role),
                scope: namespace,
                by: None,
            }];
        }
        let had = self.looked_at(subject).filter_map(|given| {
            Some(Had {
                role: given.role.as_ref()?,
                number: given.number,
                scope: &given.binding.namespace,
                by: Some(given),
            })
        });
        had.collect()
    }

    /// By the place where roles are bound the rules of edges that one of these roles limits to names there. What such a
    /// step rests on depends on whether another role gives the right on everything in the same place, so that it is not
    /// shared.
    pub(super) fn limited<'h>(&self, had: &[Had<'h>]) -> Limited<'h> {
        let mut limited = Limited::new();
        for &Had {
            role,
            number,
            scope,
            ..
        } in had
        {
            self.note_of_whole(Key::Limits(role));
            let uses = self.uses_by_itself(number);
            let uses = uses.filter(|found| found.is_limited);
            for rule in uses.map(|found| usize::from(found.rule)) {
                limited.entry(scope).or_default().insert(rule);
            }
        }
        limited
    }

    /// Has a subject take the steps of its roles, but for those of rules that are limited where the role is bound. Where
    /// a role has changed, that is another matter for this one alone.
    pub(super) fn share(&mut self, subject: &Node, had: &[Had<'_>], limited: &Limited<'_>) {
        let mut by_role: BTreeMap<(&ObjectRef, &Str), (Option<RoleId>, Clause)> = BTreeMap::new();
        let changed = self.only.as_ref().map(|only| only.changed);
        let is_meant = |had: &&Had<'_>| changed.is_none_or(|changed| had.number == changed);
        for had in had.iter().filter(is_meant) {
            let (number, causes) = by_role.entry((had.role, had.scope)).or_default();
            *number = had.number;
            causes.extend(had.by.map(|given| vec![self.graph.atom(given.atom())]));
        }
        for ((role, namespace), (number, mut causes)) in by_role {
            causes.sort();
            let clauses = Some(causes).filter(|causes| !causes.is_empty());
            let clauses: Vec<Clause> = clauses.into_iter().collect();
            let condition = self.graph.condition(clauses.into());
            let rules = self.uses_by_itself(number);
            let rules = rules.map(|found| usize::from(found.rule));
            let is_limited =
                |rule: &usize| limited.get(namespace).is_some_and(|own| own.contains(rule));
            let mut without: Vec<usize> = rules.filter(is_limited).collect();
            without.dedup();
            let holder = self.graph.put(subject.clone());
            let role = self.graph.common(Common::Role(SharedRole {
                role: role.clone(),
                namespace: namespace.clone(),
                without,
            }));
            self.graph.share(holder, role, condition);
        }
    }

    /// The steps of everybody who has a role where it is bound.
    pub(super) fn of_role(&mut self, shared: &SharedRole) {
        let SharedRole {
            role,
            namespace,
            without,
        } = shared;
        self.world.note(Key::Uses(role));
        self.world.note(Key::SharedUses(role));
        let keep = |rule| !without.contains(&rule);
        let number = self.world.index.number_of(role);
        let holdings = self.by_itself((number, namespace), None, &keep);
        let id = self.graph.common(Common::Role(shared.clone()));
        let mut beside = Vec::new();
        self.hold((number, namespace), None, None, &mut beside);
        let rules = &self.world.index.rules;
        let legs = beside.iter().filter_map(|holding| {
            let is_of_several = rules.get(holding.rule)?.2.is_of_several();
            (is_of_several && holding.names == Names::All).then_some(LegGiven {
                rule: short(holding.rule),
                leg: short(holding.leg),
                by: *holding.cause.last()?,
            })
        });
        self.graph.give_legs(id, legs);
        let node = Node::Role {
            role: role.clone(),
            namespace: namespace.clone(),
        };
        self.link_as(&node, (Some(id), None), &holdings);
    }

    /// The step of everybody who has the token of a service account, where there is one.
    pub(super) fn of_token(&mut self, shared: &SharedToken) {
        if !self.world.is_there(&shared.token) {
            return;
        }
        let rules = &self.world.index.rules;
        let mut rules = rules.iter().map(|&(kind, number, _)| (kind, number));
        let Some((kind, number)) = rules.find(|(kind, number)| (kind.id, *number) == shared.by)
        else {
            return;
        };
        let id = self.graph.common(Common::Token(shared.clone()));
        let account = shared.token.account();
        let mut link = Link::new(self.graph, kind, number).by_common(Some(id));
        link.always(&account, account.clone());
    }
}
