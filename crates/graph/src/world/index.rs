//! What edges want to look up, kept as the cluster changes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::sync::Arc;

use bailiwick_core::{Kind, ObjectRef, Str, Subject, names};
use bailiwick_model::{
    Binding, BindingSubject, Object, PolicyRule, Role, Snapshot, Store, Workload,
};
use bailiwick_rbac::Right;
use hashbrown::{DefaultHashBuilder, HashMap, HashSet};

use super::reads::{Key, Mark, Reads, store};
use super::{Unit, World};
use crate::build::{KindRule, Use, Wanted, is_acting, kind_rules, uses};
use crate::condition::Atom;
use crate::node::Node;

/// The service account that every namespace has.
pub(super) const DEFAULT: &str = "default";

/// An entry of a binding: who is bound to what.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// The binding.
    pub(crate) binding: ObjectRef,
    /// The position of the subject in it.
    pub(crate) position: u32,
    /// The role, where it is one that can be.
    pub(crate) role: Option<ObjectRef>,
}

/// An answer to a question about the whole cluster.
pub(super) struct Fact {
    pub(super) ask: fn(&World<'_>) -> bool,
    pub(super) answer: bool,
    pub(super) reads: Box<[Mark]>,
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
    /// Whether there are pods, so that templates are only plans.
    pub(super) has_pods: bool,
    /// Every namespace that exists or that something lives in, with how many of these there are.
    pub(super) namespaces: BTreeMap<Str, usize>,
    /// Namespaces of service accounts by name.
    pub(super) accounts: HashMap<Str, BTreeSet<Str>>,
    /// Bindings by whom they name, in order.
    pub(super) held: HashMap<Node, Vec<Arc<Given>>>,
    /// Whom bindings name that does not exist.
    pub(super) missing: BTreeSet<Node>,
    /// The roles of service accounts in the whole cluster, with how many bindings give them.
    pub(super) account_roles: BTreeMap<ObjectRef, usize>,
    /// Their rules, each once, as long as nothing has changed since somebody asked.
    pub(super) account_rules: RefCell<Option<Arc<[PolicyRule]>>>,
    /// ClusterRoles that allow everything.
    pub(super) everything: BTreeSet<Str>,
    /// Roles that let somebody act as somebody else under constraints.
    pub(crate) acting: HashSet<ObjectRef>,
    /// What runs, by its node.
    pub(super) by_node: HashMap<Str, BTreeSet<ObjectRef>>,
    /// FlexVolume drivers that pods use, with how many do.
    pub(super) flex_drivers: BTreeMap<Str, usize>,
    /// Volumes that are paths of nodes, by the claim that they are bound to.
    pub(super) claimed: HashMap<(Str, Str), BTreeSet<Str>>,
    /// Namespaces with an object of a kind and name, as far as somebody has asked.
    pub(super) named: RefCell<Named>,
    /// Answers to questions about the whole cluster, by their names.
    pub(super) facts: RefCell<BTreeMap<&'static str, Fact>>,
}

/// Namespaces by the kind and name of objects in them.
pub(super) type Named = HashMap<(Kind, Str), Arc<[Str]>>;

/// What a change of the cluster changes here.
#[derive(Debug, Default)]
pub(crate) struct Woken {
    /// What whoever read it has to look at again.
    pub(crate) marks: HashSet<Mark>,
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
            memberships,
            has_pods: snapshot.workloads.contains_key(&Kind::Pod),
            namespaces: BTreeMap::new(),
            accounts: HashMap::new(),
            held: HashMap::new(),
            missing: BTreeSet::new(),
            account_roles: BTreeMap::new(),
            account_rules: RefCell::default(),
            everything: BTreeSet::new(),
            acting: HashSet::new(),
            by_node: HashMap::new(),
            flex_drivers: BTreeMap::new(),
            claimed: HashMap::new(),
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
            Object::Node(node) => woken.units.push(Unit::Machine(node.metadata.name.clone())),
            object => woken.units.extend(unit_of(object)),
        }
    }

    pub(crate) fn wake(&self, key: Key<'_>, woken: &mut Woken) {
        woken.marks.insert(self.mark(key));
    }

    pub(super) fn mark(&self, key: Key<'_>) -> Mark {
        self.hasher.hash_one(key)
    }
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
        _ => None,
    }
}

/// Namespaces and service accounts.
impl Index {
    fn enter(&mut self, namespace: &Str, woken: &mut Woken) {
        if namespace.is_empty() {
            return;
        }
        if let Some(count) = self.namespaces.get_mut(namespace) {
            *count += 1;
            return;
        }
        let existed = self.has_account(namespace, DEFAULT);
        self.namespaces.insert(namespace.clone(), 1);
        self.namespace_changed(namespace, existed, woken);
    }

    fn leave(&mut self, namespace: &Str, woken: &mut Woken) {
        let existed = self.has_account(namespace, DEFAULT);
        let Some(count) = self.namespaces.get_mut(namespace) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.namespaces.remove(namespace);
            self.namespace_changed(namespace, existed, woken);
        }
    }

    fn namespace_changed(&mut self, namespace: &Str, existed: bool, woken: &mut Woken) {
        self.wake(Key::Namespaces, woken);
        self.wake(Key::Named(Kind::ServiceAccount, DEFAULT), woken);
        woken.units.push(Unit::Namespace(namespace.clone()));
        self.account_changed(namespace, &DEFAULT.into(), existed, woken);
    }

    fn put_account(&mut self, namespace: &Str, name: &Str, woken: &mut Woken) {
        let existed = self.has_account(namespace, name);
        let namespaces = self.accounts.entry(name.clone()).or_default();
        namespaces.insert(namespace.clone());
        self.account_changed(namespace, name, existed, woken);
    }

    fn take_account(&mut self, namespace: &Str, name: &Str, woken: &mut Woken) {
        let existed = self.has_account(namespace, name);
        if let Some(namespaces) = self.accounts.get_mut(name) {
            namespaces.remove(namespace);
            if namespaces.is_empty() {
                self.accounts.remove(name);
            }
        }
        self.account_changed(namespace, name, existed, woken);
    }

    fn account_changed(&mut self, namespace: &Str, name: &Str, existed: bool, woken: &mut Woken) {
        let exists = self.has_account(namespace, name);
        if exists == existed {
            return;
        }
        woken
            .units
            .push(Unit::Account(namespace.clone(), name.clone()));
        let node = Node::service_account(namespace, name);
        for given in self.held.get(&node).cloned().unwrap_or_default() {
            self.count_account_role(&given, exists, woken);
        }
        self.check_missing(&node, woken);
    }

    /// Whether there is this service account. Kubernetes makes one called `default` in every namespace.
    pub(super) fn has_account(&self, namespace: &str, name: &str) -> bool {
        let own = self.accounts.get(name);
        (name == DEFAULT && self.namespaces.contains_key(namespace))
            || own.is_some_and(|namespaces| namespaces.contains(namespace))
    }

    /// Looks once more whether a service account that bindings name exists.
    fn check_missing(&mut self, node: &Node, woken: &mut Woken) {
        let Node::ServiceAccount { namespace, name } = node else {
            return;
        };
        let missing = self.held.contains_key(node) && !self.has_account(namespace, name);
        let changed = if missing {
            self.missing.insert(node.clone())
        } else {
            self.missing.remove(node)
        };
        if changed {
            self.wake(Key::Missing, woken);
            self.wake(Key::IsMissing(node), woken);
        }
    }

    fn count_account_role(&mut self, given: &Given, more: bool, woken: &mut Woken) {
        let Some(role) = given
            .role
            .as_ref()
            .filter(|_| given.binding.namespace.is_empty())
        else {
            return;
        };
        let count = self.account_roles.entry(role.clone()).or_default();
        let before = *count;
        *count = if more {
            before + 1
        } else {
            before.saturating_sub(1)
        };
        let after = *count;
        if after == 0 {
            self.account_roles.remove(role);
        }
        if (before == 0) != (after == 0) {
            self.account_rules.take();
            self.wake(Key::AccountRoles, woken);
        }
    }
}

/// What runs where.
impl Index {
    /// Whether this runs, rather than being a plan.
    pub(super) fn runs(&self, kind: Kind) -> bool {
        !self.has_pods || kind == Kind::Pod
    }

    fn place(&mut self, workload: &Workload, woken: &mut Woken) {
        if !self.runs(workload.kind) {
            return;
        }
        let object = workload.object_ref();
        if !workload.node_name.is_empty() {
            let of_node = self.by_node.entry(workload.node_name.clone()).or_default();
            of_node.insert(object.clone());
            self.moved(&workload.node_name, woken);
        }
        self.use_drivers(workload, woken);
        woken.units.push(Unit::Workload(object));
    }

    fn displace(&mut self, workload: &Workload, woken: &mut Woken) {
        let object = workload.object_ref();
        if self.runs(workload.kind) {
            self.leave_drivers(workload, woken);
        }
        if let Some(of_node) = self.by_node.get_mut(&workload.node_name) {
            of_node.remove(&object);
            if of_node.is_empty() {
                self.by_node.remove(&workload.node_name);
            }
            self.moved(&workload.node_name, woken);
        }
        woken.units.push(Unit::Workload(object));
    }

    fn moved(&self, node: &Str, woken: &mut Woken) {
        self.wake(Key::OnNode(node), woken);
        woken.units.push(Unit::Machine(node.clone()));
    }
}

/// Who is bound to what.
impl Index {
    fn give(&mut self, binding: &Binding, woken: &mut Woken) {
        for (node, given) in entries(binding) {
            if self.exists(&node) {
                self.count_account_role(&given, true, woken);
            }
            let list = self.held.entry(node.clone()).or_default();
            let is_first = list.is_empty();
            let at = list.partition_point(|other| other.place() < given.place());
            list.insert(at, Arc::new(given));
            self.bound_changed(&node, is_first, woken);
        }
    }

    fn take_back(&mut self, binding: &Binding, woken: &mut Woken) {
        for (node, given) in entries(binding) {
            if self.exists(&node) {
                self.count_account_role(&given, false, woken);
            }
            let Some(list) = self.held.get_mut(&node) else {
                continue;
            };
            list.retain(|other| other.place() != given.place());
            let was_last = list.is_empty();
            if was_last {
                self.held.remove(&node);
            }
            self.bound_changed(&node, was_last, woken);
        }
    }

    fn bound_changed(&mut self, node: &Node, appeared_or_gone: bool, woken: &mut Woken) {
        self.wake(Key::Bound(node), woken);
        if !appeared_or_gone {
            return;
        }
        self.wake(Key::IsBound(node), woken);
        self.wake(Key::Subjects, woken);
        if let Node::Group { .. } = node {
            self.wake(Key::Groups, woken);
        }
        let mut subject = |node: &Node| {
            woken.units.push(Unit::Subject(node.clone()));
            woken.units.push(Unit::Holder(node.clone()));
        };
        subject(node);
        subject(&by_name(&self.memberships, node));
        self.check_missing(node, woken);
    }

    /// Whether this is a service account that exists.
    fn exists(&self, node: &Node) -> bool {
        match node {
            Node::ServiceAccount { namespace, name } => self.has_account(namespace, name),
            _ => false,
        }
    }

    fn put_role(&mut self, role: &Role, woken: &mut Woken) {
        self.change_role(None, Some(role), woken);
    }

    /// Takes note of what a role was and what it is.
    fn change_role(&mut self, old: Option<&Role>, new: Option<&Role>, woken: &mut Woken) {
        let Some(role) = new.or(old).map(Role::object_ref) else {
            return;
        };
        let rules = |role: Option<&Role>, wanted: &dyn Fn(&PolicyRule) -> bool| {
            role.is_some_and(|role| role.rules.iter().any(wanted))
        };
        if role.namespace.is_empty() {
            let first = self.everything.first().cloned();
            if rules(new, &|rule| Right::EVERYTHING.names(rule).is_some()) {
                self.everything.insert(role.name.clone());
            } else {
                self.everything.remove(&role.name);
            }
            if self.everything.first() != first.as_ref() {
                self.wake(Key::Everything, woken);
            }
        }
        if self.account_roles.contains_key(&role) {
            self.account_rules.take();
            self.wake(Key::AccountRoles, woken);
        }
        if rules(new, &|rule| is_acting(rule, &self.rules)) {
            self.acting.insert(role);
        } else {
            self.acting.remove(&role);
        }
    }

    /// Wakes who looks at what a role is good for, if that has changed.
    fn reuse(&self, old: Option<&Role>, new: Option<&Role>, was_acting: bool, woken: &mut Woken) {
        let Some(role) = new.or(old).map(Role::object_ref) else {
            return;
        };
        let of = |role| uses(role, &self.wanted);
        let (old, new) = (
            old.map(of).unwrap_or_default(),
            new.map(of).unwrap_or_default(),
        );
        let acting = was_acting != self.acting.contains(&role);
        if acting || !old.iter().eq(&new) {
            self.wake(Key::Uses(&role), woken);
        }
        let shared = |uses: &[Use<'_>]| uses.iter().any(|found| found.is_shared(&self.rules));
        if !acting && !shared(&old) && !shared(&new) {
            return;
        }
        for (node, given) in &self.held {
            let gives = |given: &Arc<Given>| given.role.as_ref() == Some(&role);
            if matches!(node, Node::Group { .. }) && given.iter().any(gives) {
                self.wake(Key::Inherited(node), woken);
            }
        }
    }

    /// Wakes the members of the groups to which a binding gives something that counts for them.
    fn inherit(&self, binding: &Binding, roles: &Store<Role>, woken: &mut Woken) {
        let Some(role) = binding.role() else { return };
        let Some(held) = roles.get(&role.namespace, &role.name) else {
            return;
        };
        let shared = uses(held, &self.wanted)
            .iter()
            .any(|found| found.is_shared(&self.rules));
        if !shared && !self.acting.contains(&role) {
            return;
        }
        for (node, _) in entries(binding) {
            if matches!(node, Node::Group { .. }) {
                self.wake(Key::Inherited(&node), woken);
            }
        }
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
        }
        (Some(Object::PersistentVolume(old)), Some(Object::PersistentVolume(new))) => old == new,
        (Some(Object::Role(_)), Some(_)) => false,
        (Some(_), Some(_)) => true,
        _ => false,
    }
}

fn role_of(object: &Object) -> Option<&Role> {
    match object {
        Object::Role(role) => Some(role),
        _ => None,
    }
}

impl Given {
    /// What tells it from all others.
    fn place(&self) -> (&ObjectRef, u32) {
        (&self.binding, self.position)
    }

    /// The entry itself.
    pub(crate) fn atom(&self) -> Atom {
        Atom::Subject {
            binding: self.binding.clone(),
            position: self.position,
        }
    }
}

/// The entries of a binding that apply to somebody.
fn entries(binding: &Binding) -> Vec<(Node, Given)> {
    let (object, role) = (binding.object_ref(), binding.role());
    let entries = (0..).zip(binding.subjects.iter());
    let entry = |(position, subject): (u32, &BindingSubject)| {
        let node = Node::of(&subject.subject(&binding.metadata.namespace)?);
        let (binding, role) = (object.clone(), role.clone());
        let given = Given {
            binding,
            position,
            role,
        };
        Some((node, given))
    };
    entries.filter_map(entry).collect()
}

fn members(memberships: &BTreeMap<Str, Vec<Str>>) -> BTreeSet<Node> {
    let users = memberships.keys().map(|name| Subject::User {
        name: name.to_string(),
    });
    users.map(|user| Node::of(&user)).collect()
}

/// A user as somebody is one who has the name, but not the groups that come with the user's login; all others as they
/// are.
pub(super) fn by_name(memberships: &BTreeMap<Str, Vec<Str>>, node: &Node) -> Node {
    match node {
        // The group `system:nodes` comes with a kubelet's certificate.
        Node::User { name }
            if memberships.contains_key(name) || name.starts_with(names::NODE_USER_PREFIX) =>
        {
            Node::UserName { name: name.clone() }
        }
        other => other.clone(),
    }
}
