//! What edges want to look up, kept as the cluster changes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::sync::Arc;

use bailiwick_core::{Kind, ObjectRef, Str, Subject, names};
use bailiwick_model::{Object, PolicyRule, Role, Snapshot, Store};
use hashbrown::{DefaultHashBuilder, HashMap, HashSet};

use super::definitions::Definitions;
use super::holders::Holders;
use super::reads::{Key, Mark, Reads, store};
use super::regained::Regained;
use super::roles::Roles;
use super::running::writes_logs;
use super::trusts::trusts;
use super::{Unit, WORKLOADS, World, gateways};
use crate::build::{KindRule, Wanted, kind_rules};
use crate::node::{Node, Trust};

/// The service account that every namespace has.
pub(super) const DEFAULT: &str = "default";

/// An answer to a question about the whole cluster.
pub(super) struct Fact {
    pub(super) ask: Ask,
    pub(super) answer: bool,
    pub(super) reads: Box<[Mark]>,
}

/// A question about the whole cluster, or about a kind in it.
#[derive(Clone, Copy)]
pub(super) enum Ask {
    Cluster(fn(&World<'_>) -> bool),
    Kind(Kind, fn(Kind, &World<'_>) -> bool),
}

/// What edges want to look up.
pub(crate) struct Index {
    hasher: DefaultHashBuilder,
    pub(super) reads: Reads,
    /// The rules of all edges that work in this version.
    pub(crate) rules: Vec<KindRule>,
    /// The rights that they ask for.
    pub(crate) wanted: Wanted,
    /// Groups of users, beyond those that Kubernetes adds by itself.
    pub(super) memberships: BTreeMap<Str, Vec<Str>>,
    /// The users that they name.
    pub(super) members: BTreeSet<Node>,
    /// These groups.
    pub(super) groups: HashSet<Str>,
    /// Identities of AWS that are somebody in the cluster, each with its place among them.
    pub(super) mapped: BTreeMap<Node, usize>,
    /// The users that these are, and the groups that they are in.
    pub(super) mapped_to: BTreeSet<Node>,
    /// Whether there are pods, so that templates are only plans.
    pub(super) has_pods: bool,
    /// Every namespace that exists or that something lives in, with how many of these there are.
    pub(super) namespaces: BTreeMap<Str, usize>,
    /// Namespaces of service accounts by name.
    pub(super) accounts: HashMap<Str, BTreeSet<Str>>,
    /// Bindings by whom they name.
    pub(super) holders: Holders,
    /// Those among them whose rights others have, too: groups that somebody is in, and what identities of AWS are.
    pub(super) inherited: BTreeSet<Node>,
    /// Whom bindings name that does not exist.
    pub(super) missing: BTreeSet<Node>,
    /// The roles of service accounts that act in the whole cluster, with how many bindings give them.
    pub(super) account_roles: BTreeMap<ObjectRef, usize>,
    /// Their rules, each once, as long as nothing has changed since somebody asked.
    pub(super) account_rules: RefCell<Option<Arc<[PolicyRule]>>>,
    /// ClusterRoles that allow everything.
    pub(super) everything: BTreeSet<Str>,
    /// Roles that let somebody act as somebody else under constraints.
    pub(crate) acting: HashSet<ObjectRef>,
    /// What roles are good for, and who has them.
    pub(super) roles: Roles,
    /// What runs, by its node.
    pub(super) by_node: HashMap<Str, BTreeSet<ObjectRef>>,
    /// Service accounts that something runs as, by namespace and name, with how many do.
    pub(super) runners: HashMap<(Str, Str), usize>,
    /// Whether what runs could not be read, so that something may run as any of them.
    pub(super) runners_hidden: bool,
    /// FlexVolume drivers that pods use, with how many do.
    pub(super) flex_drivers: BTreeMap<Str, usize>,
    /// Which ClusterTrustBundles pods have in their files, with how many do.
    pub(super) trusts: BTreeMap<Trust, usize>,
    /// By namespace how many pods may write where their nodes keep logs.
    pub(super) log_writers: BTreeMap<Str, usize>,
    /// Volumes that are paths of nodes, by the claim that they are bound to.
    pub(super) claimed: HashMap<(Str, Str), BTreeSet<Str>>,
    /// Volumes that claims ask for by name.
    pub(super) asked: HashMap<(Str, Str), Str>,
    pub(super) definitions: Definitions,
    /// Gateways that routes need not name, by namespace and name.
    pub(super) default_gateways: BTreeSet<(Str, Str)>,
    /// ListenerSets by the Gateway that they name.
    pub(super) sets: HashMap<(Str, Str), BTreeSet<(Str, Str)>>,
    /// Namespaces with an object of a kind and name, as far as somebody has asked.
    pub(super) named: RefCell<Named>,
    /// Answers to questions about the whole cluster, by their names.
    pub(super) facts: RefCell<BTreeMap<(&'static str, Option<Kind>), Fact>>,
}

/// Namespaces by the kind and name of objects in them.
pub(super) type Named = HashMap<(Kind, Str), Arc<[Str]>>;

/// What a change of the cluster changes here.
#[derive(Debug, Default)]
pub(crate) struct Woken {
    /// What whoever read it has to look at again.
    pub(crate) marks: HashSet<Mark>,
    /// The same for what concerns one rule of an edge alone, with that rule.
    pub(crate) marks_of_rules: Vec<(Mark, usize)>,
    /// The role whose change concerns them.
    pub(crate) role: Option<ObjectRef>,
    /// What has changed of what it is good for beside others.
    pub(super) regained: Vec<Regained>,
    /// Those who have it and get somewhere else by a rule of an edge, with that rule.
    pub(crate) holders: Vec<(Node, usize)>,
    /// What may have come or gone.
    pub(crate) units: Vec<Unit>,
}

impl Index {
    pub(crate) fn new(snapshot: &Snapshot, memberships: BTreeMap<Str, Vec<Str>>) -> Self {
        let hasher = DefaultHashBuilder::default();
        let rules = kind_rules(snapshot.cluster.minor);
        let mut index = Self {
            reads: Reads::new(hasher.clone()),
            hasher,
            wanted: Wanted::new(&rules),
            rules,
            members: members(&memberships),
            groups: memberships.values().flatten().cloned().collect(),
            memberships,
            mapped: BTreeMap::new(),
            mapped_to: BTreeSet::new(),
            has_pods: snapshot.workloads.contains_key(&Kind::Pod),
            namespaces: BTreeMap::new(),
            accounts: HashMap::new(),
            holders: Holders::default(),
            inherited: BTreeSet::new(),
            missing: BTreeSet::new(),
            account_roles: BTreeMap::new(),
            account_rules: RefCell::default(),
            everything: BTreeSet::new(),
            acting: HashSet::new(),
            roles: Roles::default(),
            by_node: HashMap::new(),
            runners: HashMap::new(),
            runners_hidden: are_runners_hidden(snapshot),
            flex_drivers: BTreeMap::new(),
            trusts: BTreeMap::new(),
            log_writers: BTreeMap::new(),
            claimed: HashMap::new(),
            asked: HashMap::new(),
            definitions: Definitions::new(),
            default_gateways: BTreeSet::new(),
            sets: HashMap::new(),
            named: RefCell::default(),
            facts: RefCell::default(),
        };
        index.fill(snapshot);
        index
    }

    fn fill(&mut self, snapshot: &Snapshot) {
        let woken = &mut Woken::default();
        for role in snapshot.roles.iter() {
            self.put_role(role, woken);
        }
        for namespace in snapshot.namespaces.iter() {
            self.enter(&namespace.metadata.name, woken);
        }
        for account in snapshot.service_accounts.iter() {
            let metadata = &account.metadata;
            self.enter(&metadata.namespace, woken);
            self.put_account(&metadata.namespace, &metadata.name, woken);
        }
        for secret in snapshot.secrets.iter() {
            self.enter(&secret.metadata.namespace, woken);
        }
        for workload in snapshot.all_workloads() {
            self.enter(&workload.metadata.namespace, woken);
            self.place(workload, woken);
        }
        for volume in snapshot.volumes.iter() {
            self.claim(volume, woken);
        }
        for claim in snapshot.volume_claims.iter() {
            self.ask_for(claim, woken);
        }
        for map in snapshot.identity_maps.iter() {
            self.map(map, woken);
        }
        for definition in snapshot.custom_resources.iter() {
            self.define(definition, woken);
        }
        for gateway in snapshot.gateways.iter() {
            self.put_gateway(gateway, woken);
        }
        for set in snapshot.listener_sets.iter() {
            self.put_set(set, woken);
        }
        for binding in snapshot.bindings.iter() {
            self.enter(&binding.metadata.namespace, woken);
            self.give(binding, woken);
        }
        woken.units.clear();
    }

    /// Takes note of a change: what was there, and what is there now. Where neither is a role, `roles` are those that
    /// there are.
    pub(crate) fn change(
        &mut self,
        old: Option<&Object>,
        new: Option<&Object>,
        roles: &Store<Role>,
        woken: &mut Woken,
    ) {
        let Some(object) = new.or(old).map(Object::object_ref) else {
            return;
        };
        let (namespace, name) = (&object.namespace, &object.name);
        let kind = store(object.kind);
        self.wake(Key::Object(kind, namespace, name), woken);
        self.wake(Key::InNamespace(kind, namespace), woken);
        self.wake(Key::All(kind), woken);
        if old.is_none() || new.is_none() {
            self.named.get_mut().remove(&(kind, name.clone()));
            self.wake(Key::Named(kind, name), woken);
        }
        let place = match new.or(old) {
            Some(Object::Namespace(_)) => name,
            Some(
                Object::Binding(_)
                | Object::ServiceAccount(_)
                | Object::Secret(_)
                | Object::Workload(_),
            ) => namespace,
            _ => "",
        };
        self.remount(old, new, woken);
        // Whatever enters does so before the last one leaves.
        if old.is_none() {
            self.enter(&place.into(), woken);
        }
        if !is_same(old, new) {
            for object in [old, new].into_iter().flatten() {
                if let Object::Binding(binding) = object {
                    self.inherit(binding, roles, woken);
                }
            }
            let (old_role, new_role) = (old.and_then(role_of), new.and_then(role_of));
            if old_role.or(new_role).is_some() {
                let was_acting = self.acting.contains(&object);
                self.change_role(old_role, new_role, woken);
                self.reuse(old_role, new_role, was_acting, woken);
            }
            old.into_iter().for_each(|old| self.take_object(old, woken));
            new.into_iter().for_each(|new| self.put_object(new, woken));
        }
        if new.is_none() {
            self.leave(&place.into(), woken);
        }
    }

    fn put_object(&mut self, object: &Object, woken: &mut Woken) {
        match object {
            Object::Binding(binding) => self.give(binding, woken),
            Object::ServiceAccount(account) => {
                self.put_account(&account.metadata.namespace, &account.metadata.name, woken);
            }
            Object::Workload(workload) => self.place(workload, woken),
            Object::PersistentVolume(volume) => self.claim(volume, woken),
            Object::VolumeClaim(claim) => self.ask_for(claim, woken),
            Object::IdentityMap(map) => self.map(map, woken),
            Object::CustomResource(definition) => self.define(definition, woken),
            Object::Gateway(gateway) => self.put_gateway(gateway, woken),
            Object::ListenerSet(set) => self.put_set(set, woken),
            Object::Node(node) => woken.units.push(Unit::Machine(node.metadata.name.clone())),
            object => woken.units.extend(unit_of(object)),
        }
    }

    fn take_object(&mut self, object: &Object, woken: &mut Woken) {
        match object {
            Object::Binding(binding) => self.take_back(binding, woken),
            Object::ServiceAccount(account) => {
                self.take_account(&account.metadata.namespace, &account.metadata.name, woken);
            }
            Object::Workload(workload) => self.displace(workload, woken),
            Object::PersistentVolume(volume) => self.release(volume, woken),
            Object::VolumeClaim(claim) => self.ask_no_more(claim, woken),
            Object::IdentityMap(_) => self.unmap(woken),
            Object::CustomResource(definition) => self.define_no_more(definition, woken),
            Object::Gateway(gateway) => self.take_gateway(gateway, woken),
            Object::ListenerSet(set) => self.take_set(set, woken),
            Object::Node(node) => woken.units.push(Unit::Machine(node.metadata.name.clone())),
            object => woken.units.extend(unit_of(object)),
        }
    }

    pub(crate) fn wake(&self, key: Key<'_>, woken: &mut Woken) {
        woken.marks.insert(self.mark(key));
    }

    /// The same for a key that is about this rule of an edge.
    pub(super) fn wake_rule(&self, rule: usize, key: Key<'_>, woken: &mut Woken) {
        woken.marks_of_rules.push((self.mark(key), rule));
    }

    pub(super) fn mark(&self, key: Key<'_>) -> Mark {
        self.hasher.hash_one(key)
    }
}

/// Whether what runs is not known: it could not be read, or the input does not tell.
fn are_runners_hidden(snapshot: &Snapshot) -> bool {
    is_untold(snapshot) || snapshot.gaps_touching(&WORKLOADS, "").next().is_some()
}

/// Whether the input is manifests without anything that runs.
pub(crate) fn is_untold(snapshot: &Snapshot) -> bool {
    !snapshot.cluster.stored && snapshot.workloads.is_empty()
}

/// The part that is about an object and nothing else.
fn unit_of(object: &Object) -> Option<Unit> {
    let ObjectRef {
        namespace, name, ..
    } = object.object_ref();
    match object {
        Object::Secret(_) => Some(Unit::Secret(namespace, name)),
        Object::Service(_) => Some(Unit::Service(namespace, name)),
        Object::Ingress(_) => Some(Unit::Ingress(namespace, name)),
        Object::Route(route) => Some(Unit::route(route)),
        _ => None,
    }
}

/// Whether nothing here depends on what has changed.
fn is_same(old: Option<&Object>, new: Option<&Object>) -> bool {
    match (old, new) {
        (Some(Object::Binding(old)), Some(Object::Binding(new))) => {
            (&old.role_ref, &old.subjects) == (&new.role_ref, &new.subjects)
        }
        (Some(Object::Workload(old)), Some(Object::Workload(new))) => {
            (&old.node_name, &old.pod.flex_drivers) == (&new.node_name, &new.pod.flex_drivers)
                && trusts(&old.pod).eq(trusts(&new.pod))
                && writes_logs(old) == writes_logs(new)
        }
        (Some(Object::PersistentVolume(old)), Some(Object::PersistentVolume(new))) => old == new,
        (Some(Object::IdentityMap(old)), Some(Object::IdentityMap(new))) => old == new,
        (Some(Object::CustomResource(old)), Some(Object::CustomResource(new))) => {
            old.group == new.group
        }
        (Some(Object::Role(_)), Some(_)) => false,
        (Some(old), Some(new)) => gateways::is_same(old, new).unwrap_or(true),
        _ => false,
    }
}

fn role_of(object: &Object) -> Option<&Role> {
    match object {
        Object::Role(role) => Some(role),
        _ => None,
    }
}

fn members(memberships: &BTreeMap<Str, Vec<Str>>) -> BTreeSet<Node> {
    let users = memberships.keys().map(|name| Subject::User {
        name: name.to_string(),
    });
    users.map(|user| Node::of(&user)).collect()
}

/// A user as somebody is one who has the name, but not the groups that come with the user's login; `None` where that is
/// no other, or it is no user.
pub(super) fn by_name(memberships: &BTreeMap<Str, Vec<Str>>, node: &Node) -> Option<Node> {
    match node {
        // The group `system:nodes` comes with a kubelet's certificate.
        Node::User { name }
            if memberships.contains_key(name) || name.starts_with(names::NODE_USER_PREFIX) =>
        {
            Some(Node::UserName { name: name.clone() })
        }
        _ => None,
    }
}
