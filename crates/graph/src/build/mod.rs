//! From a cluster to its graph.

mod held;
mod link;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bailiwick_core::{ObjectRef, Str};
use bailiwick_model::{Role, Snapshot};

pub(crate) use crate::world::World;
pub(crate) use held::Held;
pub(crate) use held::Holding;
pub(crate) use link::Link;

use crate::condition::Atom;
use crate::edge::{EdgeKind, Reach, Rule};
use crate::edges::EDGES;
use crate::graph::Graph;
use crate::node::Node;
use crate::right::Names;

/// What a rule of a role is good for: a leg of an edge.
struct Use<'a> {
    kind: &'static EdgeKind,
    leg: usize,
    rule: u32,
    names: Names<'a>,
}

impl Graph {
    /// The graph of a cluster. `memberships` tells the groups of users, which no object of the cluster does; a service
    /// account goes by its user name.
    pub fn new(snapshot: &Snapshot, memberships: BTreeMap<Str, Vec<Str>>) -> Self {
        let world = World::new(snapshot, memberships);
        let kinds: Vec<&'static EdgeKind> = EDGES
            .iter()
            .copied()
            .filter(|kind| kind.versions.hold(world.minor()))
            .collect();
        let mut builder = Builder {
            world: &world,
            kinds,
            uses: HashMap::new(),
            graph: Self::default(),
        };
        builder.objects();
        builder.subjects();
        builder.roles();
        builder.graph
    }
}

struct Builder<'w, 'a> {
    world: &'w World<'a>,
    kinds: Vec<&'static EdgeKind>,
    uses: HashMap<ObjectRef, Vec<Use<'a>>>,
    graph: Graph,
}

impl<'a> Builder<'_, 'a> {
    fn objects(&mut self) {
        for kind in &self.kinds {
            if let Rule::Objects(link) = &kind.rule {
                link(self.world, &mut Link::new(&mut self.graph, kind));
            }
        }
    }

    fn subjects(&mut self) {
        let mut subjects: Vec<&Node> = self.world.subjects().collect();
        subjects.sort();
        for subject in subjects {
            let mut holdings = Vec::new();
            for &(binding, position) in self.world.bindings_of(subject) {
                let Some(role) = binding.role() else { continue };
                let atom = Atom::Subject {
                    binding: binding.object_ref(),
                    position,
                };
                self.hold(
                    &role,
                    &binding.metadata.namespace,
                    Some(&atom),
                    None,
                    &mut holdings,
                );
            }
            self.inherit(subject, &mut holdings);
            self.link(subject, &holdings);
        }
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
        let kinds = &self.kinds;
        let uses = self
            .uses
            .entry(role.clone())
            .or_insert_with(|| uses(held, kinds));
        for found in uses.iter() {
            let reach = leg(found.kind, found.leg).map(|leg| leg.reach);
            if reach == Some(Reach::Cluster) && !scope.is_empty() {
                continue;
            }
            let rule = Atom::Rule {
                role: role.clone(),
                position: found.rule,
            };
            let atoms = binding.cloned().into_iter().chain([rule]);
            holdings.push(Holding {
                kind: found.kind,
                leg: found.leg,
                scope: scope.clone(),
                names: found.names,
                cause: atoms.map(|atom| self.graph.atom(atom)).collect(),
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
        for kind in &self.kinds {
            let Rule::Rights { legs, link } = &kind.rule else {
                continue;
            };
            let of_kind: Vec<&Holding<'a>> = holdings
                .iter()
                .filter(|holding| std::ptr::eq(holding.kind, *kind))
                .collect();
            for held in Held::all(subject, legs.len(), &of_kind) {
                link(&held, self.world, &mut Link::new(&mut self.graph, kind));
            }
        }
    }
}

fn leg(kind: &'static EdgeKind, leg: usize) -> Option<&'static crate::edge::Leg> {
    match &kind.rule {
        Rule::Rights { legs, .. } => legs.get(leg),
        Rule::Objects(_) => None,
    }
}

/// What the rules of a role are good for.
fn uses<'a>(role: &'a Role, kinds: &[&'static EdgeKind]) -> Vec<Use<'a>> {
    let mut uses = Vec::new();
    for kind in kinds {
        let Rule::Rights { legs, .. } = &kind.rule else {
            continue;
        };
        for (number, leg) in legs.iter().enumerate() {
            for (position, rule) in (0..).zip(role.rules.iter()) {
                let names = leg
                    .rights
                    .iter()
                    .filter_map(|right| right.names(rule))
                    .next();
                match names {
                    Some(Names::Only(_)) if !leg.by_name => {}
                    Some(names) => uses.push(Use {
                        kind,
                        leg: number,
                        rule: position,
                        names,
                    }),
                    None => {}
                }
            }
        }
    }
    uses
}
