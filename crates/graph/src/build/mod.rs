//! From a cluster to its graph.

mod acting;
mod held;
mod link;

use std::collections::{BTreeMap, BTreeSet};

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
use crate::graph::Graph;
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
        };
        builder.objects();
        builder.subjects();
        builder.roles();
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
        let mut subjects: Vec<&Node> = self.world.subjects().collect();
        subjects.sort();
        let acting = self.acting_rules();
        for subject in subjects {
            let holdings = self.holdings(subject);
            self.link(subject, &holdings);
            self.acting(subject, &acting);
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

    /// Roles that somebody can give to himself are as good as subjects that have them.
    fn roles(&mut self) {
        let mut done = BTreeSet::new();
        loop {
            let waiting: Vec<Node> = self
                .graph
                .nodes()
                .map(|(_, node)| node)
                .filter(|node| matches!(node, Node::Role { .. }) && !done.contains(*node))
                .cloned()
                .collect();
            if waiting.is_empty() {
                return;
            }
            for node in waiting {
                if let Node::Role { role, namespace } = &node {
                    let mut holdings = Vec::new();
                    self.hold(role, namespace, None, None, &mut holdings);
                    self.link(&node, &holdings);
                }
                done.insert(node);
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
            let Some((kind, number, Rule::Rights { legs, link })) = self.rules.get(rule) else {
                continue;
            };
            for held in Held::all(subject, legs.len(), &holdings) {
                link(
                    &held,
                    self.world,
                    &mut Link::new(&mut self.graph, kind, *number),
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
        let Rule::Rights { legs, .. } = rule else {
            continue;
        };
        for (leg, rights) in legs.iter().enumerate() {
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
