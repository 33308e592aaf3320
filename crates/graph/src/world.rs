use std::collections::{BTreeMap, BTreeSet};

use bailiwick_core::{Kind, ObjectRef, Str, Subject, names};
use bailiwick_model::{Binding, PolicyRule, Role, Snapshot, Workload};
use bailiwick_rbac::Right;
use hashbrown::{HashMap, HashSet};

use crate::condition::Atom;
use crate::node::Node;

/// The service account that every namespace has.
const DEFAULT: &str = "default";

/// The cluster with what edges want to look up.
pub(crate) struct World<'a> {
    /// The cluster.
    pub(crate) snapshot: &'a Snapshot,
    /// Every namespace that exists or that something lives in.
    pub(crate) namespaces: BTreeSet<Str>,
    /// Service accounts by name: their namespaces.
    accounts: HashMap<Str, Vec<Str>>,
    /// See [`World::missing_accounts`].
    missing: Vec<Node>,
    /// See [`World::rules_of_accounts`].
    account_rules: Vec<&'a PolicyRule>,
    /// Users whose groups are known, by name alone.
    names: Vec<Node>,
    /// Bindings by whom they name, with the position of the subject.
    held: HashMap<Node, Vec<(&'a Binding, u32)>>,
    /// Groups of users, beyond those that Kubernetes adds by itself.
    memberships: BTreeMap<Str, Vec<Str>>,
    /// Whether there are pods, so that templates are only plans.
    has_pods: bool,
    /// What runs, by its node.
    by_node: HashMap<&'a str, Vec<&'a Workload>>,
    /// Namespaces of objects with a pod template, by kind and name.
    templates: HashMap<(Kind, &'a str), Vec<&'a Str>>,
}

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
    pub(crate) fn new(snapshot: &'a Snapshot, memberships: BTreeMap<Str, Vec<Str>>) -> Self {
        let mut world = Self {
            snapshot,
            namespaces: BTreeSet::new(),
            accounts: HashMap::new(),
            missing: Vec::new(),
            account_rules: Vec::new(),
            names: Vec::new(),
            held: HashMap::new(),
            memberships,
            has_pods: snapshot.workloads.contains_key(&Kind::Pod),
            by_node: HashMap::new(),
            templates: HashMap::new(),
        };
        for workload in snapshot.all_workloads() {
            if workload.kind != Kind::Pod {
                let name = (workload.kind, &*workload.metadata.name);
                let namespaces = world.templates.entry(name).or_default();
                namespaces.push(&workload.metadata.namespace);
            }
        }
        for workload in world.workloads() {
            let of_node = world.by_node.entry(&workload.node_name).or_default();
            of_node.push(workload);
        }
        for binding in snapshot.bindings.iter() {
            for (position, subject) in (0..).zip(binding.subjects.iter()) {
                if let Some(subject) = subject.subject(&binding.metadata.namespace) {
                    let node = Node::of(&subject);
                    world
                        .held
                        .entry(node)
                        .or_default()
                        .push((binding, position));
                }
            }
        }
        let grouped = |node: &Node| matches!(node, Node::UserName { .. });
        let users: Vec<Node> = world
            .held
            .keys()
            .map(|node| match node {
                Node::User { name } => world.user_by_name(name),
                other => other.clone(),
            })
            .collect();
        world.names = users.into_iter().filter(grouped).collect();
        world.namespaces = world.find_namespaces();
        world.accounts = world.find_accounts();
        world.missing = world.find_missing_accounts();
        world.account_rules = world.find_rules_of_accounts();
        world
    }

    /// Service accounts by name. Kubernetes makes one called `default` in every namespace.
    fn find_accounts(&self) -> HashMap<Str, Vec<Str>> {
        let mut accounts: HashMap<Str, Vec<Str>> = HashMap::new();
        for account in self.snapshot.service_accounts.iter() {
            let metadata = &account.metadata;
            let namespaces = accounts.entry(metadata.name.clone()).or_default();
            namespaces.push(metadata.namespace.clone());
        }
        accounts.insert(DEFAULT.into(), self.namespaces.iter().cloned().collect());
        accounts
    }

    fn find_namespaces(&self) -> BTreeSet<Str> {
        let snapshot = self.snapshot;
        let named = snapshot
            .namespaces
            .iter()
            .map(|namespace| &namespace.metadata.name);
        let bindings = snapshot
            .bindings
            .iter()
            .map(|object| &object.metadata.namespace);
        let accounts = snapshot
            .service_accounts
            .iter()
            .map(|object| &object.metadata.namespace);
        let workloads = snapshot
            .all_workloads()
            .map(|object| &object.metadata.namespace);
        let secrets = snapshot
            .secrets
            .iter()
            .map(|object| &object.metadata.namespace);
        let all = named
            .chain(bindings)
            .chain(accounts)
            .chain(workloads)
            .chain(secrets);
        all.filter(|namespace| !namespace.is_empty())
            .cloned()
            .collect()
    }

    /// The minor version of Kubernetes, where it is known.
    pub(crate) fn minor(&self) -> Option<u16> {
        self.snapshot.cluster.minor
    }

    /// Everybody whom a binding names. Users whose groups are known are there twice: as themselves and by name.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = &Node> {
        self.held.keys().chain(&self.names)
    }

    /// Those, in order, and users of whom nothing but their groups is known.
    pub(crate) fn everybody(&self) -> BTreeSet<Node> {
        let known = self.subjects().cloned();
        known.chain(self.users_with_groups()).collect()
    }

    /// Whom somebody is who has this user name, but not the groups that come with the user's login.
    pub(crate) fn user_by_name(&self, name: &Str) -> Node {
        // The group `system:nodes` comes with a kubelet's certificate.
        if self.memberships.contains_key(name) || name.starts_with(names::NODE_USER_PREFIX) {
            return Node::UserName { name: name.clone() };
        }
        Node::of(&Subject::User {
            name: name.to_string(),
        })
    }

    /// The service accounts: namespace and name.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = (&Str, &Str)> {
        self.accounts
            .iter()
            .flat_map(|(name, own)| own.iter().map(move |namespace| (namespace, name)))
    }

    /// Whether there is an object of this kind in this namespace, of this name if one is given. What could not be read
    /// may be there.
    pub(crate) fn has(&self, kind: Kind, namespace: &str, name: Option<&str>) -> bool {
        let store = self.snapshot.workloads.get(&kind);
        let is_there = store.is_some_and(|store| match name {
            Some(name) => store.get(namespace, name).is_some(),
            None => store.in_namespace(namespace).next().is_some(),
        });
        is_there || self.is_hidden(kind, namespace)
    }

    /// The namespaces that have an object of this kind, which has a pod template, and name. What could not be read may
    /// be anywhere.
    pub(crate) fn namespaces_with_template(&self, kind: Kind, name: &str) -> Vec<Str> {
        if self.snapshot.gaps.is_empty() {
            let known = self
                .templates
                .get(&(kind, name))
                .map_or(&[][..], Vec::as_slice);
            return known.iter().map(|&namespace| namespace.clone()).collect();
        }
        let all = self.namespaces.iter().cloned();
        all.filter(|namespace| self.has(kind, namespace, Some(name)))
            .collect()
    }

    /// Whether objects of this kind may be there that could not be read.
    pub(crate) fn is_hidden(&self, kind: Kind, namespace: &str) -> bool {
        let kinds = [kind];
        let mut gaps = self.snapshot.gaps_touching(&kinds, namespace);
        gaps.next().is_some()
    }

    /// The bindings that name this node.
    pub(crate) fn bindings_of(&self, node: &Node) -> &[(&'a Binding, u32)] {
        let bindings = match node {
            Node::UserName { name } => self.held.get(&Node::User { name: name.clone() }),
            node => self.held.get(node),
        };
        bindings.map_or(&[], Vec::as_slice)
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
            let bindings = self.bindings_of(node).iter();
            let bound = bindings.filter_map(|(binding, position)| {
                Some(Bound {
                    role: binding.role()?,
                    namespace: binding.metadata.namespace.clone(),
                    by: Some(Atom::Subject {
                        binding: binding.object_ref(),
                        position: *position,
                    }),
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
    pub(crate) fn rules_of_accounts(&self) -> &[&'a PolicyRule] {
        &self.account_rules
    }

    /// The service accounts that bindings name and that do not exist.
    pub(crate) fn missing_accounts(&self) -> &[Node] {
        &self.missing
    }

    fn find_missing_accounts(&self) -> Vec<Node> {
        let existing: HashSet<(&Str, &Str)> = self.accounts().collect();
        let is_missing = |node: &&Node| match node {
            Node::ServiceAccount { namespace, name } => !existing.contains(&(namespace, name)),
            _ => false,
        };
        self.held.keys().filter(is_missing).cloned().collect()
    }

    fn find_rules_of_accounts(&self) -> Vec<&'a PolicyRule> {
        let missing: HashSet<&Node> = self.missing.iter().collect();
        let exists =
            |node: &Node| matches!(node, Node::ServiceAccount { .. }) && !missing.contains(node);
        let accounts = self.held.iter().filter(|(node, _)| exists(node));
        let bindings = accounts.flat_map(|(_, bindings)| bindings);
        let everywhere = bindings.filter(|(binding, _)| binding.metadata.namespace.is_empty());
        let roles: BTreeSet<ObjectRef> = everywhere
            .filter_map(|(binding, _)| binding.role())
            .collect();
        let roles = roles.iter().filter_map(|role| self.role(role));
        let rules: BTreeSet<&PolicyRule> = roles.flat_map(|role| &role.rules).collect();
        rules.into_iter().collect()
    }

    /// The first ClusterRole that allows everything; who may bind any role needs no other.
    pub(crate) fn role_of_everything(&self) -> Option<&'a Role> {
        let mut roles = self.snapshot.roles.in_namespace("");
        roles.find(|role| {
            role.rules
                .iter()
                .any(|rule| Right::EVERYTHING.names(rule).is_some())
        })
    }

    /// The role, where it exists.
    pub(crate) fn role(&self, role: &ObjectRef) -> Option<&'a Role> {
        self.snapshot.roles.get(&role.namespace, &role.name)
    }

    /// The namespaces of a scope: one, or where it is empty all.
    pub(crate) fn namespaces_in(&self, scope: &Str) -> Vec<Str> {
        if scope.is_empty() {
            self.namespaces.iter().cloned().collect()
        } else {
            vec![scope.clone()]
        }
    }

    /// The namespaces of a scope that have a service account of this name.
    pub(crate) fn namespaces_with_account(&self, scope: &str, name: &str) -> Vec<Str> {
        let namespaces = self.accounts.get(name).map_or(&[][..], Vec::as_slice);
        if scope.is_empty() {
            return namespaces.to_vec();
        }
        // They are in order, as the service accounts are.
        let found = namespaces.binary_search_by(|own| (**own).cmp(scope));
        let found = found.ok().and_then(|at| namespaces.get(at));
        found.into_iter().cloned().collect()
    }

    /// The users that the memberships name.
    pub(crate) fn users_with_groups(&self) -> impl Iterator<Item = Node> {
        self.memberships.keys().map(|name| {
            Node::of(&Subject::User {
                name: name.to_string(),
            })
        })
    }

    /// Every group that somebody who is this node is in.
    pub(crate) fn groups_of(&self, node: &Node) -> Vec<Str> {
        let known = match node {
            Node::User { name } => self.memberships.get(name).map_or(&[][..], Vec::as_slice),
            Node::ServiceAccount { namespace, name } => {
                let user = Subject::ServiceAccount {
                    namespace: namespace.to_string(),
                    name: name.to_string(),
                };
                let groups = user
                    .user_name()
                    .and_then(|name| self.memberships.get(&*name));
                groups.map_or(&[][..], Vec::as_slice)
            }
            _ => &[],
        };
        known.iter().cloned().chain(node.implied_groups()).collect()
    }

    /// The pod of this name, or where no pods are known the template.
    pub(crate) fn workload(&self, namespace: &str, name: &str) -> Option<&'a Workload> {
        let mut stores = self.snapshot.workloads.iter();
        stores.find_map(|(kind, store)| {
            let runs = !self.has_pods || *kind == Kind::Pod;
            store.get(namespace, name).filter(|_| runs)
        })
    }

    /// What runs on a node.
    pub(crate) fn workloads_on(&self, node: &str) -> &[&'a Workload] {
        self.by_node.get(node).map_or(&[], Vec::as_slice)
    }

    /// What runs: pods, or where no pods are known the templates that will make some.
    pub(crate) fn workloads(&self) -> impl Iterator<Item = &'a Workload> + use<'a> {
        let has_pods = self.has_pods;
        self.snapshot
            .all_workloads()
            .filter(move |workload| !has_pods || workload.kind == Kind::Pod)
    }
}
