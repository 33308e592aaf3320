//! From a cluster to its graph.

mod acting;
#[cfg(test)]
mod acting_tests;
mod bound;
mod follow;
mod held;
mod link;
mod parts;
mod shares;
#[cfg(test)]
mod tests;
mod uses;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use bailiwick_core::{ObjectRef, Str};
use bailiwick_model::Snapshot;
use hashbrown::{HashMap, HashSet};

pub(crate) use crate::world::{Item, World};
pub(crate) use acting::is_acting;
pub(crate) use held::{Held, Holding, On};
pub(crate) use link::Link;
pub(crate) use parts::Parts;
pub(crate) use uses::{
    KindRule, RuleSet, Use, UseOf, Wanted, kind_rules, short, uses, uses_in_short,
};

use crate::condition::{Atom, AtomId};
use crate::edge::{EdgeKind, Rule};
use crate::graph::{Common, CommonId, Graph, NodeId};
use crate::node::Node;
use crate::world::{Entry, Given, Index, Key, RoleId, Unit};

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

/// What a role is good for, each use with the atom of its rule.
#[derive(Default)]
struct Uses<'a> {
    /// By itself, whoever has it, where that is shared.
    of_role: Vec<Found<'a>>,
    /// Beside what its holder is or has.
    shared: Vec<Found<'a>>,
}

/// Rules of edges, all of their kinds.
struct Only {
    kinds: Vec<&'static EdgeKind>,
    /// By position, whether it is one of them.
    rules: Vec<bool>,
    /// The same: roles that are good for none of them are left aside.
    set: RuleSet,
    /// The role whose change has them looked at.
    changed: Option<RoleId>,
}

impl Only {
    /// Those that the change of a role concerns, with all others of their kinds.
    fn new(rules: &BTreeSet<usize>, role: Option<&ObjectRef>, index: &Index) -> Self {
        let all = &index.rules;
        let kinds = rules.iter();
        let kinds = kinds.filter_map(|&rule| Some(all.get(rule)?.0));
        let changed = role.and_then(|role| index.number_of(role));
        let mut only = Self {
            kinds: kinds.collect(),
            rules: Vec::new(),
            set: RuleSet::default(),
            changed,
        };
        only.kinds.dedup_by_key(|kind| kind.id);
        only.rules = all.iter().map(|(kind, ..)| only.is_kind(kind)).collect();
        let meant = || (0..).zip(all).filter(|(_, (kind, ..))| only.is_kind(kind));
        let set = meant().map(|(rule, _)| rule).collect::<RuleSet>();
        // How somebody takes the steps of the role depends on all that others of his roles limit to names.
        let is_of_role = meant().any(|(_, (.., rule))| rule.is_of_role());
        let of_changed = changed.filter(|_| is_of_role);
        let of_changed = of_changed.map(|role| index.rules_of(role));
        only.set = set.union(of_changed.unwrap_or_default());
        only
    }

    /// Whether a role has to do with them.
    fn concerns(&self, role: RoleId, index: &Index) -> bool {
        Some(role) == self.changed || self.set.meets(index.rules_of(role))
    }

    fn is_kind(&self, kind: &EdgeKind) -> bool {
        self.kinds.iter().any(|own| std::ptr::eq(*own, kind))
    }

    fn has(&self, found: UseOf) -> bool {
        let rule = self.rules.get(usize::from(found.rule));
        rule.copied().unwrap_or_default()
    }
}

/// Makes the parts of a graph.
pub(crate) struct Builder<'w, 'a, 'g> {
    world: &'w World<'a>,
    /// What roles are good for.
    uses: HashMap<RoleId, Rc<Uses<'a>>>,
    /// The same as to the rules of edges that a change concerns.
    uses_of_rules: HashMap<RoleId, Rc<Uses<'a>>>,
    /// The rules of edges that are looked at; `None` is all of them.
    only: Option<Arc<Only>>,
    /// What a role is good for of which nothing is looked at.
    nothing: Rc<Uses<'a>>,
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
            uses_of_rules: HashMap::new(),
            only: None,
            nothing: Rc::default(),
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
            Unit::Shared(Common::Role(role)) => self.of_role(role),
            Unit::Shared(Common::Token(token)) => self.of_token(token),
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
        let mut holdings = self.holdings_in_all(node);
        if self.graph.is_shared() && (self.only.is_none() || self.is_limited(node)) {
            let had = self.had(node);
            let limited = self.limited(&had);
            for had in &had {
                let Some(own) = limited.get(had.scope) else {
                    continue;
                };
                for &rule in own {
                    self.note_of_whole(Key::UsesOf(had.role, rule));
                }
                let place = (had.number, had.scope);
                let keep = |rule| own.contains(&rule);
                holdings.extend(self.by_itself(place, had.by, &keep));
            }
            self.share(node, &had, &limited);
        }
        let is_role = matches!(node, Node::Role { .. });
        let holder = (self.graph.is_shared() && !is_role).then(|| self.graph.put(node.clone()));
        self.link_as(node, (None, holder), &holdings);
        if self.only.is_none() {
            self.acting(node);
        }
    }

    /// Notes what every look at a whole part reads: where some rules of edges alone are looked at, it has been noted.
    fn note_of_whole(&self, key: Key<'_>) {
        if self.only.is_none() {
            self.world.note(key);
        }
    }

    /// What a subject holds by its own bindings and by its groups, or by being what a role gives, but for what leads
    /// somewhere by one role alone.
    fn holdings(&mut self, subject: &Node) -> Vec<Holding<'a>> {
        let mut holdings = Vec::new();
        if let Node::Role { role, namespace } = subject {
            self.world.note(Key::SharedUses(role));
            let role = self.world.index.number_of(role);
            self.hold((role, namespace), None, None, &mut holdings);
            return holdings;
        }
        for given in self.world.bindings_of(subject) {
            let Some(role) = &given.role else { continue };
            self.world.note(Key::SharedUses(role));
            let scope = &given.binding.namespace;
            self.hold((given.number, scope), Some(given), None, &mut holdings);
        }
        self.inherit(subject, &mut holdings);
        holdings
    }

    /// The same for those who are woken where what a role is good for matters to them ([`World::wake_holders`]).
    fn holdings_in_all(&mut self, subject: &Node) -> Vec<Holding<'a>> {
        if matches!(subject, Node::Role { .. }) {
            return self.holdings(subject);
        }
        let mut holdings = Vec::new();
        self.note_of_whole(Key::Bound(&self.world.bound_as(subject)));
        for given in self.looked_at(subject) {
            let scope = &given.binding.namespace;
            self.hold((given.number, scope), Some(given), None, &mut holdings);
        }
        self.inherit(subject, &mut holdings);
        holdings
    }

    fn is_looked_at(&self, found: UseOf) -> bool {
        self.only.as_ref().is_none_or(|only| only.has(found))
    }

    /// The entries of bindings that name somebody, as far as their roles are looked at.
    fn looked_at(&self, subject: &Node) -> impl Iterator<Item = &'a Entry> + use<'a> {
        let index = self.world.index;
        let only = self.only.clone();
        let entries = self.world.given_to(subject).iter();
        entries.filter(move |given| {
            let concerns =
                |only: &Arc<Only>| given.number.is_some_and(|role| only.concerns(role, index));
            only.as_ref().is_none_or(concerns)
        })
    }

    /// Adds what a role is good for where it is bound, but for what it is by itself.
    fn hold(
        &mut self,
        (role, scope): (Option<RoleId>, &Str),
        by: Option<&Given>,
        group: Option<&Str>,
        holdings: &mut Vec<Holding<'a>>,
    ) {
        let rules = &self.world.index.rules;
        // Atoms of rules stand before those of bindings: among equals a rule is taken away first.
        let uses = self.uses_of(role);
        if uses.shared.is_empty() {
            return;
        }
        let binding = by.map(|given| self.graph.atom(given.atom()));
        let uses = uses.shared.iter();
        let uses = uses.filter(|(found, _)| group.is_none() || found.is_shared(rules));
        let uses = uses.filter(|(found, _)| found.counts_in(scope));
        holdings.extend(uses.map(|found| held(found, scope, binding, group)));
    }

    /// What a role is good for by itself where it is bound, as to the rules of edges that `keep` names.
    fn by_itself(
        &mut self,
        (role, scope): (Option<RoleId>, &Str),
        by: Option<&Given>,
        keep: &dyn Fn(usize) -> bool,
    ) -> Vec<Holding<'a>> {
        let binding = by.map(|given| self.graph.atom(given.atom()));
        let uses = self.uses_of(role);
        let uses = uses.of_role.iter();
        let uses = uses.filter(|(found, _)| found.counts_in(scope) && keep(found.rule));
        uses.map(|found| held(found, scope, binding, None))
            .collect()
    }

    /// What a role is good for by itself, in short, in the order of the rules of edges.
    fn uses_by_itself(&self, role: Option<RoleId>) -> impl Iterator<Item = UseOf> + use<'a> {
        let index = self.world.index;
        let uses = role.map_or(&[][..], |role| index.uses_of(role));
        let uses = uses.iter().copied();
        uses.filter(|found| found.is_of_role(&index.rules))
    }

    /// What a role is good for, as far as it is looked at.
    fn uses_of(&mut self, role: Option<RoleId>) -> Rc<Uses<'a>> {
        let Some(role) = role else {
            return Rc::clone(&self.nothing);
        };
        let is_shared = self.graph.is_shared();
        let (world, graph) = (self.world, &mut *self.graph);
        let (known, only) = match &self.only {
            Some(only) => (&mut self.uses_of_rules, Some(only)),
            None => (&mut self.uses, None),
        };
        let rules = &world.index.rules;
        let short = world.index.uses_of(role).iter();
        let mut short = short
            .filter(|found| only.is_none_or(|only| only.has(**found)))
            .peekable();
        // Of most roles nothing is looked at.
        if short.peek().is_none() {
            return Rc::clone(&self.nothing);
        }
        let of_rules = || {
            let Some(role) = world.index.role_at(role) else {
                return Uses::default();
            };
            let Some(held) = world.role_as_noted(role) else {
                return Uses::default();
            };
            let with_atom = |found: Use<'a>| {
                let (role, position) = (role.clone(), found.position);
                (found, graph.atom(Atom::Rule { role, position }))
            };
            let of_role = |(found, _): &Found<'_>| is_shared && found.is_of_role(rules);
            let uses = short.filter_map(|found| found.of(held, rules));
            let (of_role, shared) = uses.map(with_atom).partition(of_role);
            Uses { of_role, shared }
        };
        let uses = known.entry(role);
        Rc::clone(uses.or_insert_with(|| Rc::new(of_rules())))
    }

    /// Adds what the groups of a subject hold, for steps whose legs come from several of them.
    fn inherit(&mut self, subject: &Node, holdings: &mut Vec<Holding<'a>>) {
        let groups = self.world.groups_of(subject).into_iter();
        let mut from: Vec<(Node, Str)> = groups
            .map(|name| (Node::Group { name: name.clone() }, name))
            .collect();
        // A user that somebody is by a map goes as a group of him alone.
        let user = self.world.user_of_identity(subject);
        from.extend(user.map(|user| (user, Str::default())));
        for (node, group) in from {
            self.note_of_whole(Key::Inherited(&self.world.bound_as(&node)));
            let mapping = self.world.mapping(subject, &node);
            let mapping: Vec<AtomId> = mapping
                .into_iter()
                .map(|atom| self.graph.atom(atom))
                .collect();
            for given in self.looked_at(&node) {
                let scope = &given.binding.namespace;
                let start = holdings.len();
                // Who is in a group has noted what matters.
                self.hold((given.number, scope), Some(given), Some(&group), holdings);
                for holding in holdings.get_mut(start..).unwrap_or_default() {
                    holding.cause.extend(&mapping);
                }
            }
        }
    }

    /// Links a subject to where what it holds leads.
    fn link(&mut self, subject: &Node, holdings: &[Holding<'a>]) {
        self.link_as(subject, (None, None), holdings);
    }

    /// The same, or everybody who has a role, whom its node stands for. For a `holder` the graph looks up by which of
    /// his roles he has what takes several rights.
    fn link_as(
        &mut self,
        subject: &Node,
        (role, holder): (Option<CommonId>, Option<NodeId>),
        holdings: &[Holding<'a>],
    ) {
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
            let holder = holder.filter(|_| of_edge.is_of_several());
            for mut held in all {
                if let Some(holder) = holder {
                    held.look_up(holder, short(rule));
                }
                let mut edges = Link::new(self.graph, kind, number).by_common(role);
                link(&held, self.world, &mut edges);
            }
        }
    }
}

/// What a role is good for, with the atom of the rule that says so.
type Found<'a> = (Use<'a>, AtomId);

/// Of somebody who has the role by an entry of a binding, which may name a group of his.
fn held<'a>(
    (found, rule): &Found<'a>,
    scope: &Str,
    binding: Option<AtomId>,
    group: Option<&Str>,
) -> Holding<'a> {
    Holding {
        rule: found.rule,
        leg: found.leg,
        right: found.right,
        given: found.given,
        scope: scope.clone(),
        names: found.names,
        cause: binding.into_iter().chain([*rule]).collect(),
        group: group.cloned(),
        part: 0,
    }
}
