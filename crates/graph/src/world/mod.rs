//! The cluster with what edges want to look up.

mod accounts;
mod bound;
mod definitions;
mod gateways;
mod holders;
mod index;
pub(crate) mod mapped;
mod reads;
mod regained;
mod rights;
mod roles;
mod running;
mod trusts;
mod unit;
mod view;
mod volumes;

use std::collections::BTreeSet;

use bailiwick_core::{Kind, ObjectRef, Str, Subject};
use bailiwick_model::{AdmissionBinding, AdmissionPolicy, PersistentVolume, Snapshot, Workload};

pub(crate) use self::accounts::Token;
pub(crate) use self::holders::{Entry, Given};
pub(crate) use self::index::{Index, Woken, is_untold};
pub(crate) use self::reads::{Key, Mark};
pub(crate) use self::rights::READ_LOGS;
pub(crate) use self::roles::RoleId;
pub(crate) use self::trusts::trusts;
pub(crate) use self::unit::{Item, Unit};

use self::index::{Ask, DEFAULT, Fact, by_name};
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
        self.settled((name, None), Ask::Cluster(ask))
    }

    /// The same of a question about a kind.
    pub(crate) fn fact_of(
        &self,
        name: &'static str,
        kind: Kind,
        ask: fn(Kind, &World<'_>) -> bool,
    ) -> bool {
        self.settled((name, Some(kind)), Ask::Kind(kind, ask))
    }

    fn settled(&self, name: (&'static str, Option<Kind>), ask: Ask) -> bool {
        self.note(Key::Fact(name.0, name.1));
        if let Some(fact) = self.index.facts.borrow().get(&name) {
            return fact.answer;
        }
        let (answer, reads) = self.reads_of(|| self.answer(ask));
        let fact = Fact { ask, answer, reads };
        self.index.facts.borrow_mut().insert(name, fact);
        answer
    }

    fn answer(&self, ask: Ask) -> bool {
        match ask {
            Ask::Cluster(ask) => ask(self),
            Ask::Kind(kind, ask) => ask(kind, self),
        }
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
            let (answer, reads) = self.reads_of(|| self.answer(ask));
            let fact = Fact { ask, answer, reads };
            self.index.facts.borrow_mut().insert(name, fact);
            if answer != before {
                self.index.wake(Key::Fact(name.0, name.1), woken);
            }
        }
    }

    /// Everybody whom a binding names, in order. Users whose groups are known are there twice: as themselves and by name.
    pub(crate) fn subjects(&self) -> BTreeSet<Node> {
        self.note(Key::Subjects);
        let held = self.index.holders.nodes();
        let both = held.flat_map(|node| {
            let named = by_name(&self.index.memberships, node);
            [node.clone()].into_iter().chain(named)
        });
        both.collect()
    }

    /// Those, in order, users of whom nothing but their groups is known, and identities of AWS that are somebody here.
    pub(crate) fn everybody(&self) -> BTreeSet<Node> {
        let mut all = self.subjects();
        all.extend(self.users_with_groups());
        all.extend(self.index.mapped.keys().cloned());
        all
    }

    /// Whom somebody is who has this user name, but not the groups that come with the user's login.
    pub(crate) fn user_by_name(&self, name: &Str) -> Node {
        let user = Node::of(&Subject::User {
            name: name.to_string(),
        });
        by_name(&self.index.memberships, &user).unwrap_or(user)
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

    /// Whether a pod of this namespace (of any where it is empty) may write where its node keeps logs.
    pub(crate) fn has_log_writers(&self, namespace: &str) -> bool {
        self.note(Key::LogWriters(namespace));
        match namespace {
            "" => !self.index.log_writers.is_empty(),
            namespace => self.index.log_writers.contains_key(namespace),
        }
    }

    /// Whether `wanted` says so of any namespace.
    pub(crate) fn any_namespace(&self, wanted: impl Fn(&str) -> bool) -> bool {
        self.note(Key::Namespaces);
        self.index.namespaces.keys().any(|name| wanted(name))
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
            Node::Cloud { .. } => return self.groups_of_identity(node),
            _ => &[],
        };
        known.iter().cloned().chain(node.implied_groups()).collect()
    }

    /// Whether a pod, or what makes pods, runs as this service account.
    pub(crate) fn runs_as(&self, account: &Node) -> bool {
        let Node::ServiceAccount { namespace, name } = account else {
            return false;
        };
        self.note(Key::IsRunAs(account));
        self.index.is_run_as(namespace, name)
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
        let claimed = self.index.claimed.get(&key);
        if let Some(name) = claimed.and_then(|names| names.first()) {
            return self.whole.volumes.get("", name);
        }
        // A claim may name a volume that does not name it yet.
        let name = self.index.asked.get(&key)?;
        let volume = self.snapshot.volumes.get("", name)?;
        let is_free = volume.claim_name.is_empty() && !volume.path.is_empty();
        is_free.then_some(volume)
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
