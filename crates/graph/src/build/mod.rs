//! From a cluster to its graph.

mod acting;
mod bound;
mod held;
mod link;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bailiwick_core::{ObjectRef, Str};
use bailiwick_model::{PolicyRule, Role, Snapshot};
use bailiwick_rbac::{Names, Right, Scope};
use hashbrown::HashMap;

pub(crate) use crate::world::World;
pub(crate) use held::{Held, Holding, On};
pub(crate) use link::Link;

use crate::condition::{Atom, AtomId};
use crate::edge::{EdgeKind, Rule};
use crate::edges::EDGES;
use crate::graph::{Graph, NodeId};
use crate::node::Node;

/// What a rule of a role is good for: a leg of an edge.
struct Use<'a> {
    /// Position in [`Builder::rules`].
    rule: usize,
    leg: usize,
    right: &'static Right,
    given: &'a PolicyRule,
    /// The rule.
    atom: AtomId,
    names: Names<'a>,
}

impl Graph {
    /// The graph of a cluster. `memberships` tells the groups of users, which no object of the cluster does; a service
    /// account goes by its user name.
    pub fn new(snapshot: &Snapshot, memberships: BTreeMap<Str, Vec<Str>>) -> Self {
        let world = World::new(snapshot, memberships);
        let kinds = EDGES
            .iter()
            .filter(|kind| kind.versions.hold(world.minor()));
        let rules = kinds.flat_map(|kind| {
            (0..)
                .zip(kind.rules)
                .map(|(number, rule)| (*kind, number, rule))
        });
        let mut builder = Builder {
            world: &world,
            rules: rules.collect(),
            uses: HashMap::new(),
            graph: Self::default(),
            seen: 0,
        };
        builder.objects();
        builder.subjects();
        builder.roles();
        builder.bound();
        builder.graph
    }
}

/// A kind of edge and one of its rules with its position there.
type KindRule = (&'static EdgeKind, u8, &'static Rule);

struct Builder<'w, 'a> {
    world: &'w World<'a>,
    /// The rules of all edges that work in this version.
    rules: Vec<KindRule>,
    uses: HashMap<ObjectRef, Vec<Use<'a>>>,
    graph: Graph,
    /// How many nodes [`Builder::roles`] has seen.
    seen: u32,
}

impl<'a> Builder<'_, 'a> {
    fn objects(&mut self) {
        for (kind, number, rule) in &self.rules {
            if let Rule::Objects(link) = rule {
                link(self.world, &mut Link::new(&mut self.graph, kind, *number));
            }
        }
    }

    fn subjects(&mut self) {
        let acting = self.acting_rules();
        for subject in self.world.everybody() {
            let holdings = self.holdings(&subject);
            self.link(&subject, &holdings);
            self.acting(&subject, &acting);
        }
    }

    /// What a subject holds by its own bindings and by its groups.
    fn holdings(&mut self, subject: &Node) -> Vec<Holding<'a>> {
        let mut holdings = Vec::new();
        for &(binding, position) in self.world.bindings_of(subject) {
            let Some(role) = binding.role() else { continue };
            let atom = Atom::Subject {
                binding: binding.object_ref(),
                position,
            };
            let scope = &binding.metadata.namespace;
            self.hold(&role, scope, Some(&atom), None, &mut holdings);
        }
        self.inherit(subject, &mut holdings);
        holdings
    }

    /// Roles that somebody can give to himself are as good as subjects that have them. Links those that are new.
    fn roles(&mut self) {
        while let Some(node) = self.graph.node(NodeId(self.seen)) {
            self.seen += 1;
            if let Node::Role { role, namespace } = node {
                let (node, role, namespace) = (node.clone(), role.clone(), namespace.clone());
                let mut holdings = Vec::new();
                self.hold(&role, &namespace, None, None, &mut holdings);
                self.link(&node, &holdings);
            }
        }
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
        let Some(held) = world.role(role) else { return };
        let (rules, graph) = (&self.rules, &mut self.graph);
        let binding = binding.map(|atom| graph.atom(atom.clone()));
        let uses = self
            .uses
            .entry(role.clone())
            .or_insert_with(|| uses(held, rules, graph));
        for found in uses.iter() {
            if found.right.scope == Scope::Cluster && !scope.is_empty() {
                continue;
            }
            holdings.push(Holding {
                rule: found.rule,
                leg: found.leg,
                right: found.right,
                given: found.given,
                scope: scope.clone(),
                names: found.names,
                cause: binding.into_iter().chain([found.atom]).collect(),
                group: group.cloned(),
                part: 0,
            });
        }
    }

    /// Adds what the groups of a subject hold, for steps whose legs come from several of them.
    fn inherit(&mut self, subject: &Node, holdings: &mut Vec<Holding<'a>>) {
        for group in self.world.groups_of(subject) {
            for &(binding, position) in self.world.bindings_of(&Node::Group {
                name: group.clone(),
            }) {
                let Some(role) = binding.role() else { continue };
                let atom = Atom::Subject {
                    binding: binding.object_ref(),
                    position,
                };
                let scope = &binding.metadata.namespace;
                self.hold(&role, scope, Some(&atom), Some(&group), holdings);
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
            let Some(&(kind, number, of_edge)) = self.rules.get(rule) else {
                continue;
            };
            let Some(link) = of_edge.link() else { continue };
            let legs = of_edge.legs().len();
            let all = match of_edge {
                Rule::Roles { .. } => Held::together(subject, legs, &holdings),
                _ => Held::all(subject, legs, &holdings),
            };
            for held in all {
                link(
                    &held,
                    self.world,
                    &mut Link::new(&mut self.graph, kind, number),
                );
            }
        }
    }
}

/// What the rules of a role are good for.
fn uses<'a>(role: &'a Role, rules: &[KindRule], graph: &mut Graph) -> Vec<Use<'a>> {
    let atom = |(position, given)| {
        let role = role.object_ref();
        (given, graph.atom(Atom::Rule { role, position }))
    };
    let given: Vec<(&PolicyRule, AtomId)> = (0..).zip(role.rules.iter()).map(atom).collect();
    let mut uses = Vec::new();
    for (number, (_, _, rule)) in rules.iter().enumerate() {
        for (leg, rights) in rule.legs().iter().enumerate() {
            for &(given, atom) in &given {
                uses.extend(rights.iter().filter_map(|right| {
                    Some(Use {
                        rule: number,
                        leg,
                        right,
                        given,
                        atom,
                        names: right.names(given)?,
                    })
                }));
            }
        }
    }
    uses
}
