//! Steps that many take by one thing, a role or a service account: they are there once, beside those who have it, and not
//! once for each of them.
//!
//! So what changes costs as many steps as it gives, whoever has it. Graphs that change have such steps; others spell them
//! out. Whoever looks at the graph sees no difference: such a step is an edge from each of those who have the thing, and
//! rests on what gives it to them as well.

use std::hash::{Hash, Hasher};

use bailiwick_core::{ObjectRef, Str};
use hashbrown::HashSet;

use super::{By, Edge, EdgeId, Graph, NodeId};
use crate::condition::{AtomId, ByRoles, Cause, Clause, ConditionId};
use crate::edge::EdgeKind;
use crate::table::Table;
use crate::world::Token;

/// Position of what several have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CommonId(u32);

/// What several have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Common {
    /// A role.
    Role(SharedRole),
    /// The token of a service account.
    Token(SharedToken),
}

/// A role where it is bound.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SharedRole {
    pub(crate) role: ObjectRef,
    /// Empty is the whole cluster.
    pub(crate) namespace: Str,
    /// The rules of edges, by their positions, whose steps are left to those who have it.
    pub(crate) without: Vec<usize>,
}

/// The token of a service account, in one of the ways in which somebody gets it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SharedToken {
    pub(crate) token: Token,
    /// The id of the kind of edge, and the position of its rule.
    pub(crate) by: (&'static str, u8),
}

/// Such steps, and who takes them.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared {
    commons: Table<Common>,
    steps: Table<SharedStep>,
    shares: Table<Share>,
    /// Positions of steps by what they are taken by.
    steps_of: Vec<Vec<u32>>,
    /// Positions of steps by the node to which they lead.
    steps_to: Vec<Vec<u32>>,
    /// Positions of shares by what is shared.
    shares_in: Vec<Vec<u32>>,
    /// Positions of shares by who has them.
    shares_of: Vec<Vec<u32>>,
    /// By role what it gives of steps that take several rights.
    legs_of: Vec<Box<[LegGiven]>>,
    /// What somebody has come to have, or has no more.
    touched: Vec<CommonId>,
}

/// A step that everybody takes who has something.
#[derive(Clone, Copy, Debug)]
struct SharedStep {
    common: CommonId,
    to: NodeId,
    kind: &'static EdgeKind,
    rule: u8,
    condition: ConditionId,
}

/// A leg of a rule of an edge, on all objects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LegGiven {
    /// The rule, by its position in the list of all.
    pub(crate) rule: u16,
    pub(crate) leg: u16,
    /// The rule of the role.
    pub(crate) by: AtomId,
}

/// Somebody who has something that others have, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Share {
    holder: NodeId,
    common: CommonId,
    /// What gives it to him.
    condition: ConditionId,
}

impl PartialEq for SharedStep {
    fn eq(&self, other: &Self) -> bool {
        let place = |step: &Self| (step.common, step.to, step.rule, step.condition);
        place(self) == place(other) && std::ptr::eq(self.kind, other.kind)
    }
}

impl Eq for SharedStep {}

impl Hash for SharedStep {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let kind = std::ptr::from_ref(self.kind);
        (self.common, self.to, kind, self.rule, self.condition).hash(state);
    }
}

impl SharedStep {
    fn taken_by(&self, share: &Share) -> Edge {
        Edge {
            from: share.holder,
            to: self.to,
            kind: self.kind,
            rule: self.rule,
            condition: self.condition,
            by: Some(By {
                common: share.common,
                condition: share.condition,
            }),
        }
    }
}

impl Graph {
    /// The position of what is shared; it is new if it was not there.
    pub(crate) fn common(&mut self, common: Common) -> CommonId {
        CommonId(self.shared.commons.put(common).0)
    }

    /// Adds a step of everybody who has this.
    pub(crate) fn link_shared(
        &mut self,
        common: CommonId,
        to: NodeId,
        (kind, rule): (&'static EdgeKind, u8),
        condition: ConditionId,
    ) {
        let shared = &mut self.shared;
        let (position, is_new) = shared.steps.put(SharedStep {
            common,
            to,
            kind,
            rule,
            condition,
        });
        shared.steps.hold(position);
        self.made.steps.push(position);
        if !is_new {
            return;
        }
        shared.commons.hold(common.0);
        self.nodes.hold(to.0);
        self.conditions.hold(condition.0);
        enter(&mut shared.steps_of, common.0, position);
        enter(&mut shared.steps_to, to.0, position);
    }

    /// Has somebody take the steps of what he shares with others.
    pub(crate) fn share(&mut self, holder: NodeId, common: CommonId, condition: ConditionId) {
        let shared = &mut self.shared;
        let (position, is_new) = shared.shares.put(Share {
            holder,
            common,
            condition,
        });
        shared.shares.hold(position);
        self.made.shares.push(position);
        if !is_new {
            return;
        }
        shared.commons.hold(common.0);
        self.nodes.hold(holder.0);
        self.conditions.hold(condition.0);
        if listed(&shared.shares_in, common.0).is_empty() {
            shared.touched.push(common);
        }
        enter(&mut shared.shares_in, common.0, position);
        enter(&mut shared.shares_of, holder.0, position);
    }

    /// Says anew what a role gives of steps that take several rights.
    pub(crate) fn give_legs(&mut self, common: CommonId, legs: impl Iterator<Item = LegGiven>) {
        let legs: Box<[LegGiven]> = legs.collect();
        legs.iter().for_each(|given| self.atoms.hold(given.by.0));
        let all = &mut self.shared.legs_of;
        if all.len() <= common.0 as usize {
            all.resize_with(common.0 as usize + 1, Box::default);
        }
        if let Some(slot) = all.get_mut(common.0 as usize) {
            let before = std::mem::replace(slot, legs);
            for given in &before {
                self.atoms.release(given.by.0);
            }
        }
    }

    /// What gives somebody the legs of a rule of an edge: his roles where it counts.
    pub(super) fn clauses_by_roles(&self, of: &ByRoles) -> Vec<Clause> {
        let mut clauses: Vec<Clause> = Vec::new();
        let shared = &self.shared;
        let shares = listed(&shared.shares_of, of.holder.0).iter();
        for share in shares.filter_map(|&share| shared.shares.value(share)) {
            let Some(Common::Role(role)) = shared.commons.value(share.common.0) else {
                continue;
            };
            if !role.namespace.is_empty() && role.namespace != of.scope {
                continue;
            }
            let legs = shared.legs_of.get(share.common.0 as usize);
            let legs = legs.into_iter().flatten();
            for given in legs.filter(|given| given.rule == of.rule) {
                let leg = usize::from(given.leg);
                if clauses.len() <= leg {
                    clauses.resize_with(leg + 1, Clause::new);
                }
                let causes = self.written(share.condition).first().into_iter().flatten();
                let joined = |by: &Cause| by.iter().copied().chain([given.by]).collect();
                if let Some(clause) = clauses.get_mut(leg) {
                    clause.extend(causes.map(joined));
                }
            }
        }
        for clause in &mut clauses {
            clause.sort();
            clause.dedup();
        }
        clauses
    }

    /// The role in which a share is.
    pub(super) fn role_of_share(&self, share: u32) -> Option<&ObjectRef> {
        let share = self.shared.shares.value(share)?;
        match self.shared.commons.value(share.common.0)? {
            Common::Role(shared) => Some(&shared.role),
            Common::Token(_) => None,
        }
    }

    /// What somebody has come to have since this was last asked, or has no more.
    pub(crate) fn take_commons(&mut self) -> Vec<CommonId> {
        std::mem::take(&mut self.shared.touched)
    }

    /// The role, and whether anybody has it.
    pub(crate) fn common_at(&self, common: CommonId) -> Option<(&Common, bool)> {
        let is_had = !listed(&self.shared.shares_in, common.0).is_empty();
        Some((self.shared.commons.value(common.0)?, is_had))
    }

    /// Drops the steps and shares that nobody puts in any more.
    pub(super) fn sweep_shared(&mut self) {
        let shared = &mut self.shared;
        for (position, step) in shared.steps.sweep() {
            forget(&mut shared.steps_of, step.common.0, position);
            forget(&mut shared.steps_to, step.to.0, position);
            self.nodes.release(step.to.0);
            self.conditions.release(step.condition.0);
            shared.commons.release(step.common.0);
        }
        for (position, share) in shared.shares.sweep() {
            forget(&mut shared.shares_in, share.common.0, position);
            forget(&mut shared.shares_of, share.holder.0, position);
            self.nodes.release(share.holder.0);
            self.conditions.release(share.condition.0);
            shared.commons.release(share.common.0);
            shared.touched.push(share.common);
        }
    }

    pub(super) fn sweep_commons(&mut self) {
        for (position, _) in self.shared.commons.sweep() {
            self.give_legs(CommonId(position), std::iter::empty());
        }
    }

    pub(super) fn release_shared(&mut self, steps: &[u32], shares: &[u32]) {
        steps.iter().for_each(|&at| self.shared.steps.release(at));
        shares.iter().for_each(|&at| self.shared.shares.release(at));
    }

    /// The edge that a share and a step make.
    pub(super) fn shared_edge(&self, share: u32, step: u32) -> Option<Edge> {
        let step = self.shared.steps.value(step)?;
        Some(step.taken_by(self.shared.shares.value(share)?))
    }

    /// The edges from a node by what it shares.
    pub(super) fn shared_from(&self, node: NodeId) -> impl Iterator<Item = (EdgeId, Edge)> {
        let shares = listed(&self.shared.shares_of, node.0).iter();
        let edges = shares.flat_map(|&share| self.edges_by(share));
        edges.filter(move |(_, edge)| edge.to != node)
    }

    /// The edges to a node from those who have what leads there.
    pub(super) fn shared_to(&self, node: NodeId) -> impl Iterator<Item = (EdgeId, Edge)> {
        let steps = listed(&self.shared.steps_to, node.0).iter();
        let edges = steps.flat_map(move |&step| {
            let common = self.shared.steps.value(step).map(|step| step.common.0);
            let shares = common.map_or(&[][..], |common| listed(&self.shared.shares_in, common));
            let edge = move |&share: &u32| {
                Some((EdgeId::shared(share, step), self.shared_edge(share, step)?))
            };
            shares.iter().filter_map(edge)
        });
        edges.filter(move |(_, edge)| edge.from != node)
    }

    /// All such edges, those that several roles give to somebody once for each.
    pub(super) fn shared_edges(&self) -> impl Iterator<Item = (EdgeId, Edge)> {
        let shares = self.shared.shares.values();
        let edges = shares.flat_map(|(share, _)| self.edges_by(share));
        edges.filter(|(_, edge)| edge.from != edge.to)
    }

    /// The steps that several take, and who takes them.
    pub(super) fn shared_count(&self) -> usize {
        self.shared.steps.len() + self.shared.shares.len()
    }

    fn edges_by(&self, share: u32) -> impl Iterator<Item = (EdgeId, Edge)> {
        let by = self.shared.shares.value(share);
        let steps = by.map_or(&[][..], |by| listed(&self.shared.steps_of, by.common.0));
        steps.iter().filter_map(move |&step| {
            let edge = self.shared.steps.value(step)?.taken_by(by?);
            Some((EdgeId::shared(share, step), edge))
        })
    }

    /// Whether a step that several take starts or ends here.
    pub(super) fn is_linked_by_shares(&self, node: NodeId) -> bool {
        self.shared_from(node).next().is_some() || self.shared_to(node).next().is_some()
    }

    /// Of several edges by which the same step is given to somebody, by roles that are bound in one place or by tokens, one.
    pub(super) fn distinct(
        &self,
        edges: impl Iterator<Item = (EdgeId, Edge)>,
    ) -> impl Iterator<Item = (EdgeId, Edge)> {
        let mut known = HashSet::new();
        edges.filter(move |(_, edge)| {
            let Some(by) = edge.by else { return true };
            let kind = std::ptr::from_ref(edge.kind);
            let place = (edge.from, edge.to, self.scope_of(by));
            known.insert((place, kind, edge.rule, self.settings_of(edge)))
        })
    }

    /// What an edge rests on, where several roles give the step with what each of them does.
    pub(crate) fn clauses_of_all(&self, edge: &Edge) -> Vec<Clause> {
        let Some(by) = edge.by else {
            return self.condition_of(edge).into_owned().clauses;
        };
        let scope = self.scope_of(by);
        let same = self.shared_from(edge.from).filter(|(_, other)| {
            let step = |edge: &Edge| (edge.to, edge.rule);
            step(other) == step(edge)
                && std::ptr::eq(other.kind, edge.kind)
                && other.by.is_some_and(|by| self.scope_of(by) == scope)
                && self.settings_of(other) == self.settings_of(edge)
        });
        // Where one of them is always there, so is the step.
        let first: Option<Vec<Clause>> = same.map(|(_, other)| self.first_clause(&other)).collect();
        let first = first.map(|clauses| {
            let mut causes = clauses.concat();
            causes.sort();
            causes.dedup();
            causes
        });
        let settings = self.settings_of(edge).iter().cloned();
        first.into_iter().chain(settings).collect()
    }

    /// What an edge rests on, what gives something together with what that gives.
    pub(crate) fn joined_clauses(&self, edge: &Edge) -> Vec<Clause> {
        if edge.by.is_none() {
            return self.condition_of(edge).into_owned().clauses;
        }
        let settings = self.settings_of(edge).iter().cloned();
        self.first_clause(edge)
            .into_iter()
            .chain(settings)
            .collect()
    }

    /// What gives somebody a step: what gives him that by which it is taken, each with what gives that the step. `None`
    /// where neither rests on anything.
    fn first_clause(&self, edge: &Edge) -> Option<Clause> {
        let by = edge.by.map(|by| self.written(by.condition));
        let by = by.and_then(<[Clause]>::first);
        let own = self.written(edge.condition).first();
        let (Some(by), Some(own)) = (by, own) else {
            return by.or(own).cloned();
        };
        let joined = |by: &Cause| {
            let causes = own.iter();
            let causes = causes.map(|own| by.iter().chain(own).copied().collect());
            causes.collect::<Vec<Cause>>()
        };
        Some(by.iter().flat_map(joined).collect())
    }

    /// Where a role is bound: what holds in one place and what holds in another are steps of their own. Tokens have no such
    /// place.
    fn scope_of(&self, by: By) -> Option<&Str> {
        match self.shared.commons.value(by.common.0)? {
            Common::Role(role) => Some(&role.namespace),
            Common::Token(_) => None,
        }
    }

    /// What such an edge rests on beside the right.
    fn settings_of(&self, edge: &Edge) -> &[Clause] {
        self.written(edge.condition).get(1..).unwrap_or_default()
    }

    /// The clauses of a condition that are not looked up: of what is shared, all.
    fn written(&self, condition: ConditionId) -> &[Clause] {
        let condition = self.conditions.value(condition.0);
        condition.map_or(&[], |condition| &condition.clauses)
    }
}

fn listed(lists: &[Vec<u32>], position: u32) -> &[u32] {
    lists.get(position as usize).map_or(&[], Vec::as_slice)
}

fn enter(lists: &mut Vec<Vec<u32>>, list: u32, position: u32) {
    let list = list as usize;
    if lists.len() <= list {
        lists.resize_with(list + 1, Vec::new);
    }
    if let Some(list) = lists.get_mut(list) {
        list.push(position);
    }
}

fn forget(lists: &mut [Vec<u32>], list: u32, position: u32) {
    if let Some(list) = lists.get_mut(list as usize)
        && let Some(at) = list.iter().position(|&other| other == position)
    {
        list.swap_remove(at);
    }
}

#[cfg(test)]
mod tests;
