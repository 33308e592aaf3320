//! From a cluster to its graph.

mod acting;
#[cfg(test)]
mod acting_tests;
mod bound;
mod follow;
mod held;
mod link;
mod parts;
#[cfg(test)]
mod tests;
mod uses;

use std::collections::BTreeMap;

use bailiwick_core::{ObjectRef, Str};
use bailiwick_model::Snapshot;
use bailiwick_rbac::Scope;
use hashbrown::{HashMap, HashSet};

pub(crate) use crate::world::{Item, World};
pub(crate) use acting::is_acting;
pub(crate) use held::{Held, Holding, On};
pub(crate) use link::Link;
pub(crate) use parts::Parts;
pub(crate) use uses::{KindRule, Use, Wanted, kind_rules, uses};

use crate::condition::{Atom, AtomId};
use crate::edge::Rule;
use crate::graph::{Graph, NodeId};
use crate::node::Node;
use crate::world::{Index, Key, Unit};

impl Graph {
    /// The graph of a cluster. `memberships` tells the groups of users, which no object of the cluster does; a service
    /// account goes by its user name.
    pub fn new(snapshot: &Snapshot, memberships: BTreeMap<Str, Vec<Str>>) -> Self {
        let index = Index::new(snapshot, memberships);
        let world = World::new(snapshot, &index);
        let mut graph = Self::default();
        Builder::new(&world, &mut graph, None).everything();
        graph
    }
}

/// Makes the parts of a graph.
pub(crate) struct Builder<'w, 'a, 'g> {
    world: &'w World<'a>,
    /// What roles are good for, each use with the atom of its rule.
    uses: HashMap<ObjectRef, Vec<(Use<'a>, AtomId)>>,
    graph: &'g mut Graph,
    /// Where parts are kept for a graph that will change.
    parts: Option<&'g mut Parts>,
    /// The rights of roles that are made, where parts are not kept.
    roles: HashSet<NodeId>,
}

impl<'w, 'a, 'g> Builder<'w, 'a, 'g> {
    pub(crate) fn new(
        world: &'w World<'a>,
        graph: &'g mut Graph,
        parts: Option<&'g mut Parts>,
    ) -> Self {
        Self {
            world,
            uses: HashMap::new(),
            graph,
            parts,
            roles: HashSet::new(),
        }
    }

    /// Puts into the graph what belongs to a part; nothing for a part that is not there.
    fn make(&mut self, unit: &Unit) {
        let world = self.world;
        match unit {
            Unit::Holder(node) => self.holder(node),
            Unit::Bound(node) => self.bound(node),
            Unit::Rule(rule) => {
                if let Some((kind, number, Rule::Objects(link))) = world.index.rules.get(*rule) {
                    link(world, &mut Link::new(self.graph, kind, *number));
                }
            }
            unit => {
                let Some(item) = world.item(unit) else { return };
                for (kind, number, rule) in &world.index.rules {
                    if let Rule::Each(link) = rule {
                        link(&item, world, &mut Link::new(self.graph, kind, *number));
                    }
                }
            }
        }
    }

    /// What somebody gets to by rights. Roles that somebody can give to himself are as good as subjects that have them.
    fn holder(&mut self, node: &Node) {
        let holdings = self.holdings(node);
        self.link(node, &holdings);
        self.acting(node);
    }

    /// What a subject holds by its own bindings and by its groups, or by being what a role gives.
    fn holdings(&mut self, subject: &Node) -> Vec<Holding<'a>> {
        let mut holdings = Vec::new();
        if let Node::Role { role, namespace } = subject {
            self.hold(role, namespace, None, None, &mut holdings);
            return holdings;
        }
        for given in self.world.bindings_of(subject) {
            let Some(role) = &given.role else { continue };
            let (scope, atom) = (&given.binding.namespace, given.atom());
            self.hold(role, scope, Some(&atom), None, &mut holdings);
        }
        self.inherit(subject, &mut holdings);
        holdings
    }

    /// Adds what a role is good for where it is bound.
    fn hold(
        &mut self,
        role: &ObjectRef,
        scope: &Str,
        binding: Option<&Atom>,
        group: Option<&Str>,
        holdings: &mut Vec<Holding<'a>>,
    ) {
        let world = self.world;
        let held = match group {
            None => world.role_to_use(role),
            // Who is in a group has noted what matters.
            Some(_) => world.role_of_group(role),
        };
        let Some(held) = held else { return };
        let rules = &world.index.rules;
        let graph = &mut *self.graph;
        let found = self.uses.entry(role.clone());
        let found =
            found.or_insert_with(|| with_atoms(uses(held, &world.index.wanted), role, graph));
        let binding = binding.map(|atom| graph.atom(atom.clone()));
        for &(found, atom) in found.iter() {
            if found.right.scope == Scope::Cluster && !scope.is_empty() {
                continue;
            }
            if group.is_some() && !found.is_shared(rules) {
                continue;
            }
            holdings.push(Holding {
                rule: found.rule,
                leg: found.leg,
                right: found.right,
                given: found.given,
                scope: scope.clone(),
                names: found.names,
                cause: binding.into_iter().chain([atom]).collect(),
                group: group.cloned(),
                part: 0,
            });
        }
    }

    /// Adds what the groups of a subject hold, for steps whose legs come from several of them.
    fn inherit(&mut self, subject: &Node, holdings: &mut Vec<Holding<'a>>) {
        for group in self.world.groups_of(subject) {
            let node = Node::Group {
                name: group.clone(),
            };
            self.world.note(Key::Inherited(&node));
            for given in self.world.given_to(&node) {
                let Some(role) = &given.role else { continue };
                let (scope, atom) = (&given.binding.namespace, given.atom());
                self.hold(role, scope, Some(&atom), Some(&group), holdings);
            }
        }
    }

    /// Links a subject to where what it holds leads.
    fn link(&mut self, subject: &Node, holdings: &[Holding<'a>]) {
        let mut by_rule: BTreeMap<usize, Vec<&Holding<'a>>> = BTreeMap::new();
        for holding in holdings {
            by_rule.entry(holding.rule).or_default().push(holding);
        }
        for (rule, holdings) in by_rule {
            let Some(&(kind, number, of_edge)) = self.world.index.rules.get(rule) else {
                continue;
            };
            let Some(link) = of_edge.link() else { continue };
            let legs = of_edge.legs().len();
            let all = match of_edge {
                Rule::Roles { .. } => Held::together(subject, legs, &holdings),
                _ => Held::all(subject, legs, &holdings),
            };
            for held in all {
                let mut edges = Link::new(self.graph, kind, number);
                link(&held, self.world, &mut edges);
            }
        }
    }
}

fn with_atoms<'a>(
    uses: Vec<Use<'a>>,
    role: &ObjectRef,
    graph: &mut Graph,
) -> Vec<(Use<'a>, AtomId)> {
    let with_atom = |found: Use<'a>| {
        let (role, position) = (role.clone(), found.position);
        (found, graph.atom(Atom::Rule { role, position }))
    };
    uses.into_iter().map(with_atom).collect()
}
