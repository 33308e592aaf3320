//! The parts that a graph is made of, in their order, and those that a change makes anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::parts::Part;
use super::{Builder, Only};
use crate::graph::NodeId;
use crate::node::Node;
use crate::world::{Key, Unit, Woken};

impl Builder<'_, '_, '_> {
    /// Makes every part.
    pub(crate) fn everything(&mut self) {
        for unit in self.world.units() {
            self.part(&unit);
        }
        self.new_roles();
        self.graph.take_binders();
        for subject in self.world.everybody() {
            if self.may_bind(&subject) {
                self.part(&Unit::Bound(subject));
            }
        }
        self.settle(BTreeSet::new());
    }

    /// Makes anew what has read what has changed, makes what has come, and drops what has gone.
    pub(crate) fn change(&mut self, woken: &Woken) {
        let Some(parts) = self.parts.as_deref() else {
            return;
        };
        let units = parts.readers_of(woken.marks.iter().copied());
        let mut units: BTreeSet<Unit> = units.into_iter().collect();
        // What rules of edges alone have woken; holders are made anew in part.
        let mut in_part: BTreeMap<Unit, BTreeSet<usize>> = BTreeMap::new();
        for &(mark, rule) in &woken.marks_of_rules {
            for unit in parts.readers_of([mark]) {
                if matches!(&unit, Unit::Holder(node) if !is_role(node)) {
                    in_part.entry(unit).or_default().insert(rule);
                } else {
                    units.insert(unit);
                }
            }
        }
        for (holder, rule) in &woken.holders {
            let unit = Unit::Holder(holder.clone());
            in_part.entry(unit).or_default().insert(*rule);
        }
        let came_or_went = woken.units.iter();
        units.extend(
            came_or_went
                .filter(|unit| self.world.exists(unit) != parts.has(unit))
                .cloned(),
        );
        in_part.retain(|unit, _| !units.contains(unit) && parts.has(unit));
        let mut by_rules: BTreeMap<BTreeSet<usize>, Vec<Unit>> = BTreeMap::new();
        for (unit, rules) in in_part {
            by_rules.entry(rules).or_default().push(unit);
        }
        // They depend on all others.
        let mut bound = BTreeSet::new();
        for (rules, units) in by_rules {
            let only = Only::new(&rules, woken.role.as_ref(), self.world.index);
            self.only = Some(Arc::new(only));
            self.uses_of_rules.clear();
            for unit in units {
                self.part_of_rules(&unit);
                if let Unit::Holder(node) = unit
                    && self.is_bound(&node)
                {
                    bound.insert(node);
                }
            }
        }
        self.only = None;
        for unit in units {
            match &unit {
                Unit::Bound(_) => {}
                Unit::Holder(Node::Role { .. }) | Unit::Shared(_) => self.part(&unit),
                _ if self.world.exists(&unit) => self.part(&unit),
                _ => self.drop(&unit),
            }
            if let Unit::Holder(node) | Unit::Bound(node) = unit {
                bound.insert(node);
            }
        }
        self.settle(bound);
    }

    /// Makes a part, or makes it anew.
    fn part(&mut self, unit: &Unit) {
        let outer = self.graph.take_made();
        // It looks at what it leads to itself, so that nothing may be left of what was.
        if let (Some(parts), Unit::Bound(_)) = (&mut self.parts, unit) {
            let old = parts.replace(unit, Part::default());
            self.graph.unmake(&old);
            self.graph.sweep_edges();
        }
        let world = self.world;
        if self.parts.is_none() {
            self.make(unit);
            self.graph.take_made();
        } else {
            let ((), reads) = world.reads_of(|| self.make(unit));
            let made = self.graph.take_made();
            let part = Part { made, reads };
            let old = self.parts.as_mut().map(|parts| parts.replace(unit, part));
            self.graph.unmake(&old.unwrap_or_default());
        }
        self.graph.put_made(outer);
    }

    /// Makes anew of what somebody gets to by rights what it is by the rules of edges that are looked at.
    fn part_of_rules(&mut self, unit: &Unit) {
        let Some(only) = self.only.clone() else {
            return;
        };
        let outer = self.graph.take_made();
        let world = self.world;
        let ((), reads) = world.reads_of(|| self.make(unit));
        let made = self.graph.take_made();
        if let Some(part) = self
            .parts
            .as_mut()
            .and_then(|parts| parts.enter(unit, &reads))
        {
            let old = self.graph.take_of(&mut part.made, &made, &only.kinds);
            part.made.extend(made);
            self.graph.unmake(&old);
        }
        self.graph.put_made(outer);
    }

    /// Whether somebody with the roles that he can bind to himself is a part, or may be.
    fn is_bound(&self, node: &Node) -> bool {
        let parts = self.parts.as_ref();
        let is_made = parts.is_some_and(|parts| parts.has(&Unit::Bound(node.clone())));
        is_made || self.may_bind(node)
    }

    fn drop(&mut self, unit: &Unit) {
        if let Some(parts) = &mut self.parts {
            self.graph.unmake(&parts.take(unit));
        }
    }

    /// Makes the rights of roles to which steps have come to lead. These may lead to those of others.
    pub(super) fn new_roles(&mut self) {
        let mut left = Vec::new();
        loop {
            let roles = self.graph.take_roles();
            if roles.is_empty() {
                break;
            }
            for role in roles {
                match self.role_part(role) {
                    Some(unit) if self.graph.is_role_reached(role) => {
                        self.roles.insert(role);
                        self.part(&unit);
                    }
                    _ => left.push(role),
                }
            }
        }
        self.graph.put_roles(left);
    }

    /// The part of the rights of a role, where it is not made yet.
    fn role_part(&self, role: NodeId) -> Option<Unit> {
        let unit = Unit::Holder(self.graph.node(role)?.clone());
        let made = match &self.parts {
            Some(parts) => parts.has(&unit),
            None => self.roles.contains(&role),
        };
        (!made).then_some(unit)
    }

    /// Drops the rights of roles to which no step leads any more.
    fn old_roles(&mut self) {
        loop {
            self.graph.sweep_edges();
            self.new_roles();
            let roles = self.graph.take_roles();
            let dead = |role: &NodeId| !self.graph.is_role_reached(*role);
            let dead: Vec<NodeId> = roles.into_iter().filter(dead).collect();
            let Some(parts) = &self.parts else { return };
            let unit = |role: &NodeId| Some(Unit::Holder(self.graph.node(*role)?.clone()));
            let dead: Vec<Unit> = dead.iter().filter_map(unit).collect();
            let dead: Vec<Unit> = dead.into_iter().filter(|unit| parts.has(unit)).collect();
            if dead.is_empty() {
                return;
            }
            for unit in dead {
                self.drop(&unit);
            }
        }
    }

    /// Brings what depends on other parts to its end: the rights of roles, and these people with the roles that they
    /// can bind.
    fn settle(&mut self, mut bound: BTreeSet<Node>) {
        loop {
            self.old_roles();
            for binder in self.graph.take_binders() {
                self.follow_binder(binder, &mut bound);
            }
            if bound.is_empty() {
                break;
            }
            for node in std::mem::take(&mut bound) {
                let unit = Unit::Bound(node.clone());
                if self.world.exists(&unit) && self.may_bind(&node) {
                    self.part(&unit);
                } else {
                    self.drop(&unit);
                }
            }
        }
        self.commons();
        self.graph.sweep();
    }

    /// Makes the steps by what somebody has come to have, and drops those by what nobody has any more.
    fn commons(&mut self) {
        self.graph.sweep_edges();
        for common in self.graph.take_commons() {
            let Some((shared, is_had)) = self.graph.common_at(common) else {
                continue;
            };
            let unit = Unit::Shared(shared.clone());
            let is_made = self.parts.as_ref().is_some_and(|parts| parts.has(&unit));
            match (is_had, is_made) {
                (true, false) => self.part(&unit),
                (false, true) => self.drop(&unit),
                _ => {}
            }
        }
    }

    /// Adds those for whom it matters which roles somebody can bind. What he can bind with roles that he has bound to
    /// himself matters to him alone, who has looked at it when he made it.
    fn follow_binder(&self, binder: NodeId, bound: &mut BTreeSet<Node>) {
        let (Some(parts), Some(node)) = (&self.parts, self.graph.node(binder)) else {
            return;
        };
        if let Node::Bound { .. } = node {
            return;
        }
        let readers = parts.readers_of([self.world.mark(Key::Binds(node))]);
        bound.extend(readers.into_iter().filter_map(|unit| match unit {
            Unit::Bound(node) => Some(node),
            _ => None,
        }));
        if let Node::Group { name } = node {
            let everybody = self.world.everybody().into_iter();
            bound.extend(everybody.filter(|other| self.world.groups_of(other).contains(name)));
        }
        if self.world.exists(&Unit::Bound(node.clone())) {
            bound.insert(node.clone());
        }
    }
}

fn is_role(node: &Node) -> bool {
    matches!(node, Node::Role { .. })
}
