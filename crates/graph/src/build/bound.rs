//! What somebody can do with roles that he binds to himself, together with what he has already.

use std::collections::BTreeMap;

use bailiwick_core::{ObjectRef, Str};
use bailiwick_rbac::{Names, Right};
use hashbrown::HashMap;

use super::uses::bit;
use super::{Builder, Held, Holding, KindRule, Link};
use crate::condition::ConditionId;
use crate::edge::{EdgeKind, Rule};
use crate::graph::NodeId;
use crate::node::Node;
use crate::world::Key;

/// A role and where it is bound; empty is the whole cluster.
type Bindable = (ObjectRef, Str);

/// The ways in which somebody can bind a role: kind of edge, position of its rule, and what it rests on.
type Ways = Vec<((&'static EdgeKind, u8), ConditionId)>;

/// Combinations of one subject's roles that are looked at. Who may bind by name so many that it does not do has named
/// hundreds of roles that all give parts of the same steps. The graph says of whom that holds.
const MOST_COMBINATIONS: usize = 10_000;

/// Legs of the rules of edges, as bits: those that are held on any object, and those that are held on all.
#[derive(Clone, Copy, Default)]
struct Legs {
    any: u32,
    all: u32,
}

/// By the rule of an edge and the scope.
type Masks = HashMap<(usize, Str), Legs>;

/// What a role is good for beside what there is already.
#[derive(Clone, Copy, Default)]
struct Gain {
    /// A step.
    step: bool,
    /// A part of one that lacks another still.
    part: bool,
}

/// Somebody with the roles that he has bound to himself.
struct With<'n, 'a> {
    node: &'n Node,
    holdings: &'n [Holding<'a>],
    /// How many roles these are.
    roles: u8,
}

impl<'a> Builder<'_, 'a, '_> {
    /// Links somebody who can bind roles to what a role and his other rights give together.
    ///
    /// A step that needs several rights may need some of each. So there is a node for somebody with a role where that
    /// leads further than either, and then for him with two: as many as a step has legs.
    pub(super) fn bound(&mut self, subject: &Node) {
        let rules = self.world.index.rules.iter();
        let most = rules.map(|rule| rule.2.legs().len()).max();
        let most = u8::try_from(most.unwrap_or_default()).unwrap_or(u8::MAX);
        let mut bindable = BTreeMap::new();
        for node in self.with_groups(subject) {
            self.bindable(&node, &mut bindable);
        }
        self.leave_out_everything(&mut bindable);
        if bindable.is_empty() {
            return;
        }
        let holdings = self.holdings(subject);
        let with = With {
            node: subject,
            holdings: &holdings,
            roles: 0,
        };
        let mut left = Some(MOST_COMBINATIONS);
        self.combine(&with, &bindable, most, &mut left);
        if left.is_none() {
            self.graph.leave_unfinished(subject.clone());
        }
    }

    /// Whether somebody can bind any role, by himself or by his groups.
    pub(super) fn may_bind(&self, subject: &Node) -> bool {
        let mut groups = self.world.groups_of(subject).into_iter();
        let in_group = |name| self.graph.is_binder(&Node::Group { name });
        self.graph.is_binder(subject) || groups.any(in_group)
    }

    fn with_groups(&self, subject: &Node) -> Vec<Node> {
        let groups = self.world.groups_of(subject).into_iter();
        let groups = groups.map(|name| Node::Group { name });
        std::iter::once(subject.clone()).chain(groups).collect()
    }

    /// Adds the roles that a node can bind.
    fn bindable(&self, node: &Node, roles: &mut BTreeMap<Bindable, Ways>) {
        self.world.note(Key::Binds(node));
        let Some(id) = self.graph.find(node).filter(|_| self.graph.is_binder(node)) else {
            return;
        };
        for (_, edge) in self.graph.own_outgoing(id) {
            if let Some(Node::Role { role, namespace }) = self.graph.node(edge.to) {
                let ways = roles.entry((role.clone(), namespace.clone())).or_default();
                ways.push(((edge.kind, edge.rule), edge.condition));
            }
        }
    }

    /// Beside a role that allows everything where it is bound, no other matters there.
    fn leave_out_everything(&self, roles: &mut BTreeMap<Bindable, Ways>) {
        let is_everything = |role: &ObjectRef| {
            let rules = self.world.role(role).map_or(&[][..], |role| &role.rules);
            let mut rules = rules.iter();
            rules.any(|rule| Right::EVERYTHING.names(rule).is_some())
        };
        let whole: Vec<Str> = roles
            .keys()
            .filter(|(role, _)| is_everything(role))
            .map(|(_, namespace)| namespace.clone())
            .collect();
        let covered = |namespace: &Str| whole.iter().any(|own| own.is_empty() || own == namespace);
        roles.retain(|(_, namespace), _| !covered(namespace));
    }

    fn combine(
        &mut self,
        with: &With<'_, 'a>,
        bindable: &BTreeMap<Bindable, Ways>,
        most: u8,
        left: &mut Option<usize>,
    ) {
        let own = self.masks(with.holdings);
        for (key, ways) in bindable {
            let (role, namespace) = key;
            if with.roles == most {
                return;
            }
            // Nothing is left once one more is asked for than there may be.
            *left = left.and_then(|left| left.checked_sub(1));
            if left.is_none() {
                return;
            }
            let mut added = Vec::new();
            self.world.note(Key::SharedUses(role));
            let number = self.world.index.number_of(role);
            self.hold((number, namespace), None, None, &mut added);
            let gain = self.gain(&own, &self.masks(&added));
            let node = Node::Bound {
                by: Box::new(with.node.clone()),
                role: role.clone(),
                namespace: namespace.clone(),
            };
            let roles = with.roles + 1;
            added.iter_mut().for_each(|holding| holding.part = roles);
            added.extend(with.holdings.iter().cloned());
            if gain.step {
                self.link_together(&node, roles, &added);
                self.new_roles();
            }
            let mut next = BTreeMap::new();
            let of_role = Node::Role {
                role: role.clone(),
                namespace: namespace.clone(),
            };
            self.bindable(&of_role, &mut next);
            self.bindable(&node, &mut next);
            next.retain(|key, _| !bindable.contains_key(key));
            if gain.part {
                let later = bindable.range(key..).skip(1);
                next.extend(later.map(|(key, ways)| (key.clone(), ways.clone())));
            }
            let bound = With {
                node: &node,
                holdings: &added,
                roles,
            };
            self.combine(&bound, &next, most, left);
            let leads = |id: &NodeId| self.graph.own_outgoing(*id).next().is_some();
            if self.graph.find(&node).filter(leads).is_some() {
                let from = self.graph.put(with.node.clone());
                let to = self.graph.put(node);
                for &(by, condition) in ways {
                    self.graph.link(from, to, by, condition);
                }
            }
        }
    }

    /// Links somebody with roles to where these and his other rights lead together.
    fn link_together(&mut self, node: &Node, newest: u8, holdings: &[Holding<'a>]) {
        let mut by_rule: BTreeMap<usize, Vec<&Holding<'a>>> = BTreeMap::new();
        for holding in holdings {
            by_rule.entry(holding.rule).or_default().push(holding);
        }
        for (number, holdings) in by_rule {
            let Some(&(kind, position, rule)) = self.world.index.rules.get(number) else {
                continue;
            };
            let Some(link) = rule.link().filter(|_| rule.is_shared()) else {
                continue;
            };
            for held in Held::together(node, rule.legs().len(), &holdings) {
                if matches!(rule, Rule::Roles { .. }) || held.is_of_parts(newest) {
                    let mut edges = Link::new(self.graph, kind, position);
                    link(&held, self.world, &mut edges);
                }
            }
        }
    }

    fn masks(&self, holdings: &[Holding<'_>]) -> Masks {
        let mut masks = Masks::new();
        for holding in holdings {
            let shared = |rule: &KindRule| rule.2.is_shared();
            if self.world.index.rules.get(holding.rule).is_some_and(shared) {
                let scope = holding.scope.clone();
                let legs = masks.entry((holding.rule, scope)).or_default();
                legs.any |= bit(holding.leg);
                if holding.names == Names::All {
                    legs.all |= bit(holding.leg);
                }
            }
        }
        masks
    }

    /// What a role that holds `added` is good for beside `own`.
    fn gain(&self, own: &Masks, added: &Masks) -> Gain {
        let in_scope = |masks: &Masks, rule: usize, scope: &Str| {
            let of = |scope: Str| masks.get(&(rule, scope)).copied().unwrap_or_default();
            let (here, everywhere) = (of(scope.clone()), of(Str::default()));
            Legs {
                any: here.any | everywhere.any,
                all: here.all | everywhere.all,
            }
        };
        let mut gain = Gain::default();
        for (rule, scope) in added.keys().chain(own.keys()) {
            let Some(&(_, _, of_edge)) = self.world.index.rules.get(*rule) else {
                continue;
            };
            let full = of_edge.all_legs();
            let (own, added) = (in_scope(own, *rule, scope), in_scope(added, *rule, scope));
            let both = own.any | added.any;
            if let Rule::Roles { .. } = of_edge {
                gain.step |= both == full;
            }
            if own.all == full || added.all == full || added.any & !own.all == 0 {
                continue;
            }
            gain.step |= both == full && own.any & !added.all != 0;
            // Legs that are limited to names may be those of different objects: another role may hold what is missing.
            gain.part |= own.all | added.all != full;
        }
        gain
    }
}
