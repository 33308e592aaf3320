//! The cluster with what edges want to look up.

mod index;
mod reads;
mod unit;
mod view;
mod volumes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bailiwick_core::{Kind, ObjectRef, Str, Subject};
use bailiwick_model::{
    AdmissionBinding, AdmissionPolicy, PersistentVolume, PolicyRule, Role, Snapshot, Workload,
};

pub(crate) use self::index::{Given, Index, Woken};
pub(crate) use self::reads::{Key, Mark};
pub(crate) use self::unit::{Item, Unit};

use self::index::{DEFAULT, Fact, by_name};
use self::reads::Reads;
use self::view::View;
use crate::admission::in_force;
use crate::condition::Atom;
use crate::node::Node;

/// The cluster with what edges want to look up. What they look up is noted, so that what came of it is made anew when
/// that changes.
pub(crate) struct World<'a> {
    /// The cluster.
    pub(crate) snapshot: View<'a>,
    whole: &'a Snapshot,
    pub(crate) index: &'a Index,
    reads: &'a Reads,
}

/// The kinds of which pods are made, and pods.
const WORKLOADS: [Kind; 8] = [
    Kind::Pod,
    Kind::Deployment,
    Kind::ReplicaSet,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::Job,
    Kind::CronJob,
    Kind::ReplicationController,
];

/// A role that somebody has.
pub(crate) struct Bound {
    /// The role.
    pub(crate) role: ObjectRef,
    /// Where it holds; empty is the whole cluster.
    pub(crate) namespace: Str,
    /// The entry of the binding; `None` for a role that he has bound to himself.
    pub(crate) by: Option<Atom>,
    /// The group of the subject that is bound; `None` where it is himself.
    pub(crate) group: Option<Str>,
}

impl<'a> World<'a> {
    /// `index` is that of the snapshot.
    pub(crate) fn new(snapshot: &'a Snapshot, index: &'a Index) -> Self {
        Self {
            snapshot: View::new(snapshot, &index.reads),
            whole: snapshot,
            index,
            reads: &index.reads,
        }
    }

    /// What `work` reads, besides what it gives.
    pub(crate) fn reads_of<T>(&self, work: impl FnOnce() -> T) -> (T, Box<[Mark]>) {
        self.reads.of(work)
    }

    /// Notes that something is read.
    pub(crate) fn note(&self, key: Key<'_>) {
        self.reads.note(key);
    }

    /// The minor version of Kubernetes, where it is known.
    pub(crate) fn minor(&self) -> Option<u16> {
        self.snapshot.cluster().minor
    }

    /// The answer to a question about the whole cluster. Who asks is asked again when the answer changes, not whenever
    /// something changes that it came from. `name` belongs to the question.
    pub(crate) fn fact(&self, name: &'static str, ask: fn(&World<'_>) -> bool) -> bool {
        self.note(Key::Fact(name));
        if let Some(fact) = self.index.facts.borrow().get(name) {
            return fact.answer;
        }
        let (answer, reads) = self.reads_of(|| ask(self));
        let fact = Fact { ask, answer, reads };
        self.index.facts.borrow_mut().insert(name, fact);
        answer
    }

    /// The admission policies that can stop something, each with a binding that puts it in force.
    pub(crate) fn policies_in_force(&self) -> Vec<(&'a AdmissionPolicy, &'a AdmissionBinding)> {
        let snapshot = &self.snapshot;
        let validating = in_force(
            snapshot.validating_policies.iter(),
            snapshot.validating_policy_bindings.iter(),
        );
        let mutating = in_force(
            snapshot.mutating_policies.iter(),
            snapshot.mutating_policy_bindings.iter(),
        );
        validating.into_iter().chain(mutating).collect()
    }

    /// A key in short.
    pub(crate) fn mark(&self, key: Key<'_>) -> Mark {
        self.index.mark(key)
    }

    /// Asks again what may have changed, and wakes those who rely on what has.
    pub(crate) fn ask_again(&self, woken: &mut Woken) {
        let is_woken =
            |fact: &Fact, woken: &Woken| fact.reads.iter().any(|mark| woken.marks.contains(mark));
        let facts = self.index.facts.borrow();
        let asked = facts.iter().filter(|(_, fact)| is_woken(fact, woken));
        let asked: Vec<_> = asked
            .map(|(name, fact)| (*name, fact.ask, fact.answer))
            .collect();
        drop(facts);
        for (name, ask, before) in asked {
            let (answer, reads) = self.reads_of(|| ask(self));
            let fact = Fact { ask, answer, reads };
            self.index.facts.borrow_mut().insert(name, fact);
            if answer != before {
                self.index.wake(Key::Fact(name), woken);
            }
        }
    }

    /// Everybody whom a binding names, in order. Users whose groups are known are there twice: as themselves and by name.
    pub(crate) fn subjects(&self) -> BTreeSet<Node> {
        self.note(Key::Subjects);
        let held = self.index.held.keys();
        let both = held.flat_map(|node| {
            let named = by_name(&self.index.memberships, node);
            let named = Some(named).filter(|named| named != node);
            [node.clone()].into_iter().chain(named)
        });
        both.collect()
    }

    /// Those, in order, and users of whom nothing but their groups is known.
    pub(crate) fn everybody(&self) -> BTreeSet<Node> {
        let mut all = self.subjects();
        all.extend(self.users_with_groups());
        all
    }

    /// Whom somebody is who has this user name, but not the groups that come with the user's login.
    pub(crate) fn user_by_name(&self, name: &Str) -> Node {
        let user = Node::of(&Subject::User {
            name: name.to_string(),
        });
        by_name(&self.index.memberships, &user)
    }

    /// Whether there is an object of this kind in this namespace, of this name if one is given. What could not be read
    /// may be there.
    pub(crate) fn has(&self, kind: Kind, namespace: &str, name: Option<&str>) -> bool {
        let is_there = match name {
            Some(name) => self.snapshot.workload(kind, namespace, name).is_some(),
            None => self.snapshot.workloads_in(kind, namespace).next().is_some(),
        };
        is_there || self.is_hidden(kind, namespace)
    }

    /// The namespaces that have an object of this kind, which has a pod template, and name. What could not be read may
    /// be there in any.
    pub(crate) fn namespaces_with_template(&self, kind: Kind, name: &str) -> Vec<Str> {
        let everywhere = Str::default();
        if self.is_hidden(kind, "") {
            let all = self.namespaces_in(&everywhere).into_iter();
            return all
                .filter(|namespace| self.has(kind, namespace, Some(name)))
                .collect();
        }
        self.namespaces_with(kind, &everywhere, name)
    }

    /// The namespaces of a scope that have an object of this kind and name: a Secret, a Service or a workload.
    pub(crate) fn namespaces_with(&self, kind: Kind, scope: &str, name: &str) -> Vec<Str> {
        let has = |namespace: &str| match kind {
            Kind::Secret => self.whole.secrets.get(namespace, name).is_some(),
            Kind::Service => self.whole.services.get(namespace, name).is_some(),
            kind => {
                let store = self.whole.workloads.get(&kind);
                store.is_some_and(|store| store.get(namespace, name).is_some())
            }
        };
        if !scope.is_empty() {
            self.note(Key::Object(kind, scope, name));
            return Some(scope.into())
                .filter(|_| has(scope))
                .into_iter()
                .collect();
        }
        self.note(Key::Named(kind, name));
        let key = (kind, Str::from(name));
        if let Some(known) = self.index.named.borrow().get(&key) {
            return known.to_vec();
        }
        let all = self.index.namespaces.keys();
        let found: Vec<Str> = all.filter(|namespace| has(namespace)).cloned().collect();
        let mut named = self.index.named.borrow_mut();
        named.insert(key, found.as_slice().into());
        found
    }

    /// What runs under this name in a scope.
    pub(crate) fn workloads_named(&self, scope: &str, name: &str) -> Vec<&'a Workload> {
        let kinds = WORKLOADS.into_iter();
        let kinds = kinds.filter(|&kind| self.index.runs(kind));
        let mut found: Vec<(Str, Kind)> = kinds
            .flat_map(|kind| {
                let namespaces = self.namespaces_with(kind, scope, name);
                namespaces
                    .into_iter()
                    .map(move |namespace| (namespace, kind))
            })
            .collect();
        found.sort();
        // Of several kinds under one name the first.
        found.dedup_by(|one, before| one.0 == before.0);
        let found = found.into_iter();
        found
            .filter_map(|(namespace, kind)| self.snapshot.workload(kind, &namespace, name))
            .collect()
    }

    /// Whether objects of this kind may be there that could not be read.
    pub(crate) fn is_hidden(&self, kind: Kind, namespace: &str) -> bool {
        self.snapshot.is_hidden(kind, namespace)
    }

    /// The entries of bindings that name this node.
    pub(crate) fn bindings_of(&self, node: &Node) -> &'a [Arc<Given>] {
        self.note(Key::Bound(&as_bound(node)));
        self.given_to(node)
    }

    /// The same for those who have noted already what matters to them.
    pub(crate) fn given_to(&self, node: &Node) -> &'a [Arc<Given>] {
        let given = self.index.held.get(&*as_bound(node));
        given.map_or(&[], Vec::as_slice)
    }

    /// Whether a binding names this node.
    pub(crate) fn is_bound(&self, node: &Node) -> bool {
        self.note(Key::IsBound(&as_bound(node)));
        self.index.held.contains_key(&*as_bound(node))
    }

    /// The roles that somebody has, by being bound or by his groups.
    pub(crate) fn roles_of(&self, node: &Node) -> Vec<Bound> {
        let own = |role: &ObjectRef, namespace: &Str| Bound {
            role: role.clone(),
            namespace: namespace.clone(),
            by: None,
            group: None,
        };
        match node {
            Node::Role { role, namespace } => return vec![own(role, namespace)],
            Node::Bound {
                by,
                role,
                namespace,
            } => {
                let mut bound = self.roles_of(by);
                bound.push(own(role, namespace));
                return bound;
            }
            _ => {}
        }
        let by = |node: &Node, group: Option<&Str>| {
            let bound = self.bindings_of(node).iter().filter_map(|given| {
                Some(Bound {
                    role: given.role.clone()?,
                    namespace: given.binding.namespace.clone(),
                    by: Some(given.atom()),
                    group: group.cloned(),
                })
            });
            let there = bound.filter(|bound| self.role(&bound.role).is_some());
            there.collect::<Vec<_>>()
        };
        let groups = self.groups_of(node);
        let of_groups = groups
            .iter()
            .flat_map(|name| by(&Node::Group { name: name.clone() }, Some(name)));
        of_groups.chain(by(node, None)).collect()
    }

    /// The rules that service accounts have by ClusterRoleBindings of their own, each once.
    pub(crate) fn rules_of_accounts(&self) -> Arc<[PolicyRule]> {
        self.note(Key::AccountRoles);
        let mut known = self.index.account_rules.borrow_mut();
        let rules = known.get_or_insert_with(|| {
            let roles = self.index.account_roles.keys();
            let roles = roles.filter_map(|role| self.whole.roles.get(&role.namespace, &role.name));
            let rules: BTreeSet<&PolicyRule> = roles.flat_map(|role| &role.rules).collect();
            rules.into_iter().cloned().collect()
        });
        rules.clone()
    }

    /// Whether a binding names this service account and it does not exist. One that could not be read may.
    pub(crate) fn is_missing(&self, account: &Node) -> bool {
        let Node::ServiceAccount { namespace, .. } = account else {
            return false;
        };
        self.note(Key::IsMissing(account));
        self.index.missing.contains(account) && !self.is_hidden(Kind::ServiceAccount, namespace)
    }

    /// The service accounts of a scope that have this name, that bindings name and that do not exist.
    pub(crate) fn missing_accounts(&self, scope: &Str, name: &Str) -> Vec<Node> {
        let here = Node::service_account(scope, name);
        let named =
            |node: &&Node| matches!(node, Node::ServiceAccount { name: own, .. } if own == name);
        let mut found: Vec<Node> = if scope.is_empty() {
            self.note(Key::Missing);
            self.index.missing.iter().filter(named).cloned().collect()
        } else {
            vec![here]
        };
        found.retain(|account| self.is_missing(account));
        found
    }

    /// The groups that bindings name, in order.
    pub(crate) fn bound_groups(&self) -> BTreeSet<&'a Node> {
        self.note(Key::Groups);
        let held = self.index.held.keys();
        held.filter(|node| matches!(node, Node::Group { .. }))
            .collect()
    }

    /// The first ClusterRole that allows everything; who may bind any role needs no other.
    pub(crate) fn role_of_everything(&self) -> Option<&'a Role> {
        self.note(Key::Everything);
        let name = self.index.everything.first()?;
        self.whole.roles.get("", name)
    }

    /// The role, where it exists.
    pub(crate) fn role(&self, role: &ObjectRef) -> Option<&'a Role> {
        self.snapshot.roles.get(&role.namespace, &role.name)
    }

    /// The role for those who look at what it is good for alone.
    pub(crate) fn role_to_use(&self, role: &ObjectRef) -> Option<&'a Role> {
        self.note(Key::Uses(role));
        self.whole.roles.get(&role.namespace, &role.name)
    }

    /// The same, once more for a group of somebody.
    pub(crate) fn role_of_group(&self, role: &ObjectRef) -> Option<&'a Role> {
        self.whole.roles.get(&role.namespace, &role.name)
    }

    /// The namespaces of a scope: one, or where it is empty all.
    pub(crate) fn namespaces_in(&self, scope: &Str) -> Vec<Str> {
        if scope.is_empty() {
            self.note(Key::Namespaces);
            self.index.namespaces.keys().cloned().collect()
        } else {
            vec![scope.clone()]
        }
    }

    /// The namespaces of a scope that have a service account of this name.
    pub(crate) fn namespaces_with_account(&self, scope: &str, name: &str) -> Vec<Str> {
        self.note(Key::Named(Kind::ServiceAccount, name));
        if !scope.is_empty() {
            let has = self.index.has_account(scope, name);
            return Some(scope.into()).filter(|_| has).into_iter().collect();
        }
        if name == DEFAULT {
            return self.index.namespaces.keys().cloned().collect();
        }
        let namespaces = self.index.accounts.get(name).into_iter().flatten();
        namespaces.cloned().collect()
    }

    /// The users that the memberships name.
    pub(crate) fn users_with_groups(&self) -> impl Iterator<Item = Node> {
        self.index.members.iter().cloned()
    }

    /// Every group that somebody who is this node is in.
    pub(crate) fn groups_of(&self, node: &Node) -> Vec<Str> {
        let memberships = &self.index.memberships;
        let known = match node {
            Node::User { name } => memberships.get(name).map_or(&[][..], Vec::as_slice),
            Node::ServiceAccount { namespace, name } => {
                let user = Subject::ServiceAccount {
                    namespace: namespace.to_string(),
                    name: name.to_string(),
                };
                let groups = user.user_name().and_then(|name| memberships.get(&*name));
                groups.map_or(&[][..], Vec::as_slice)
            }
            _ => &[],
        };
        known.iter().cloned().chain(node.implied_groups()).collect()
    }

    /// Whether a pod, or what makes pods, runs as this service account.
    pub(crate) fn runs_as(&self, account: &Node) -> bool {
        let Node::ServiceAccount { namespace, name } = account else {
            return false;
        };
        WORKLOADS.into_iter().any(|kind| {
            let mut own = self.snapshot.workloads_in(kind, namespace);
            own.any(|workload| workload.pod.service_account() == &**name)
        })
    }

    /// The volume behind a claim, where it is a path of the node.
    pub(crate) fn volume_behind(
        &self,
        namespace: &Str,
        claim: &Str,
    ) -> Option<&'a PersistentVolume> {
        self.note(Key::Claim(namespace, claim));
        let key = (namespace.clone(), claim.clone());
        // Of several that say so the first by name: the API server binds one alone.
        let name = self.index.claimed.get(&key)?.first()?;
        self.whole.volumes.get("", name)
    }

    /// What runs in a namespace.
    pub(crate) fn workloads_in(&self, namespace: &str) -> impl Iterator<Item = &'a Workload> {
        let kinds = WORKLOADS.into_iter();
        let kinds = kinds.filter(|&kind| self.index.runs(kind));
        kinds.flat_map(|kind| self.snapshot.workloads_in(kind, namespace))
    }

    /// The FlexVolume drivers that pods use.
    pub(crate) fn flex_drivers(&self) -> impl Iterator<Item = &'a Str> {
        self.note(Key::FlexDrivers);
        self.index.flex_drivers.keys()
    }

    /// What runs on a node.
    pub(crate) fn workloads_on(&self, node: &str) -> Vec<&'a Workload> {
        self.note(Key::OnNode(node));
        let of_node = self.index.by_node.get(node).into_iter().flatten();
        of_node
            .filter_map(|object| {
                self.snapshot
                    .workload(object.kind, &object.namespace, &object.name)
            })
            .collect()
    }
}

/// The parts of which the graph is made.
impl<'a> World<'a> {
    /// All of them but for those that depend on others: the rights of roles to which a step leads, and what those can
    /// do who can bind them.
    pub(crate) fn units(&self) -> Vec<Unit> {
        let index = self.index;
        let rules = (0..index.rules.len()).map(Unit::Rule);
        let namespaces = index.namespaces.keys().cloned();
        // In order, so that equal clusters give equal graphs, and paths that are as good as each other stand in order.
        let own: BTreeMap<&Str, &BTreeSet<Str>> = index.accounts.iter().collect();
        let own = own.into_iter().flat_map(|(name, namespaces)| {
            let namespaces = namespaces.iter();
            namespaces.map(|namespace| Unit::Account(namespace.clone(), name.clone()))
        });
        let default = Str::from(DEFAULT);
        let default = namespaces
            .clone()
            .filter(|namespace| {
                !index
                    .accounts
                    .get(DEFAULT)
                    .is_some_and(|own| own.contains(namespace))
            })
            .map(|namespace| Unit::Account(namespace, default.clone()));
        let secrets = self.whole.secrets.iter().map(|secret| {
            let metadata = &secret.metadata;
            Unit::Secret(metadata.namespace.clone(), metadata.name.clone())
        });
        let workloads = self.whole.all_workloads();
        let workloads = workloads.filter(|workload| index.runs(workload.kind));
        let services = self.whole.services.iter().map(|service| {
            let metadata = &service.metadata;
            Unit::Service(metadata.namespace.clone(), metadata.name.clone())
        });
        let ingresses = self.whole.ingresses.iter().map(|ingress| {
            let metadata = &ingress.metadata;
            Unit::Ingress(metadata.namespace.clone(), metadata.name.clone())
        });
        let nodes = self.whole.nodes.iter().map(|node| &node.metadata.name);
        let used = index.by_node.keys();
        let used = used.filter(|name| self.whole.nodes.get("", name).is_none());
        let used: BTreeSet<&Str> = used.collect();
        let subjects = self.subjects();
        rules
            .chain(namespaces.clone().map(Unit::Namespace))
            .chain(own)
            .chain(default)
            .chain(secrets)
            .chain(services)
            .chain(ingresses)
            .chain(workloads.map(|workload| Unit::Workload(workload.object_ref())))
            .chain(nodes.chain(used).cloned().map(Unit::Machine))
            .chain(subjects.into_iter().map(Unit::Subject))
            .chain(self.everybody().into_iter().map(Unit::Holder))
            .collect()
    }

    /// The thing that a part is about; `None` where it is not there, and for parts about nothing of their own.
    pub(crate) fn item<'u>(&self, unit: &'u Unit) -> Option<Item<'u>>
    where
        'a: 'u,
    {
        let index = self.index;
        match unit {
            Unit::Namespace(name) => {
                Item::Namespace(name).only_if(index.namespaces.contains_key(name))
            }
            Unit::Account(namespace, name) => {
                Item::Account(namespace, name).only_if(index.has_account(namespace, name))
            }
            Unit::Secret(namespace, name) => {
                Some(Item::Secret(self.snapshot.secrets.get(namespace, name)?))
            }
            Unit::Service(namespace, name) => {
                Some(Item::Service(self.snapshot.services.get(namespace, name)?))
            }
            Unit::Ingress(namespace, name) => {
                Some(Item::Ingress(self.snapshot.ingresses.get(namespace, name)?))
            }
            Unit::Workload(object) => {
                let found = self
                    .snapshot
                    .workload(object.kind, &object.namespace, &object.name)?;
                Item::Workload(found).only_if(index.runs(object.kind))
            }
            Unit::Machine(name) => {
                let used = index.by_node.contains_key(name);
                let exists = used || self.whole.nodes.get("", name).is_some();
                Item::Machine(name).only_if(exists)
            }
            Unit::Subject(node) => Item::Subject(node).only_if(self.is_subject(node)),
            Unit::Rule(_) | Unit::Holder(_) | Unit::Bound(_) => None,
        }
    }

    /// Whether what a part is about is there, the rights of a role aside.
    pub(crate) fn exists(&self, unit: &Unit) -> bool {
        match unit {
            Unit::Rule(_) => true,
            Unit::Holder(node) | Unit::Bound(node) => {
                self.index.members.contains(node) || self.is_subject(node)
            }
            unit => self.item(unit).is_some(),
        }
    }

    fn is_subject(&self, node: &Node) -> bool {
        match node {
            Node::UserName { name } => {
                let user = Node::User { name: name.clone() };
                self.index.held.contains_key(&user)
                    && by_name(&self.index.memberships, &user) == *node
            }
            node => self.index.held.contains_key(node),
        }
    }
}

impl Item<'_> {
    fn only_if(self, there: bool) -> Option<Self> {
        there.then_some(self)
    }
}

/// The node that bindings name where this one is meant.
fn as_bound(node: &Node) -> std::borrow::Cow<'_, Node> {
    match node {
        Node::UserName { name } => std::borrow::Cow::Owned(Node::User { name: name.clone() }),
        node => std::borrow::Cow::Borrowed(node),
    }
}
