use std::collections::{BTreeMap, BTreeSet};

use bailiwick_core::{ObjectRef, Str};
use bailiwick_model::{Ingress, Route, Secret, Service, Workload};

use super::World;
use super::index::{DEFAULT, by_name};
use crate::graph::Common;
use crate::node::Node;

/// A part of the graph that is made on its own: all edges that come from one thing of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Unit {
    /// A rule about the cluster as a whole, by its position in the list of all rules.
    Rule(usize),
    /// A namespace that exists or that something lives in.
    Namespace(Str),
    /// A service account: namespace and name.
    Account(Str, Str),
    /// A Secret: namespace and name.
    Secret(Str, Str),
    /// Something that runs.
    Workload(ObjectRef),
    /// A node that exists or that something runs on.
    Machine(Str),
    /// A Service: namespace and name.
    Service(Str, Str),
    /// An Ingress: namespace and name.
    Ingress(Str, Str),
    /// A route of Gateways.
    Route(ObjectRef),
    /// Somebody whom a binding names, as a thing.
    Subject(Node),
    /// The same, or the rights of a role, as somebody who has rights.
    Holder(Node),
    /// Somebody with the roles that he can bind to himself.
    Bound(Node),
    /// What several have in common, for what it gives to all of them.
    Shared(Common),
}

/// The thing that a [`Unit`] is about.
#[derive(Clone, Copy)]
pub(crate) enum Item<'a> {
    /// A namespace that exists or that something lives in.
    Namespace(&'a Str),
    /// A service account: namespace and name.
    Account(&'a Str, &'a Str),
    /// A Secret.
    Secret(&'a Secret),
    /// Something that runs: a pod, or where no pods are known a template that will make some.
    Workload(&'a Workload),
    /// A node that exists or that something runs on.
    Machine(&'a Str),
    /// A Service.
    Service(&'a Service),
    /// An Ingress.
    Ingress(&'a Ingress),
    /// A route of Gateways.
    Route(&'a Route),
    /// Somebody whom a binding names. Users whose groups are known are there twice: as themselves and by name.
    Subject(&'a Node),
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
        let routes = self.whole.routes().map(Unit::route);
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
            .chain(routes)
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
            Unit::Route(object) => {
                let routes = self.snapshot.routes(object.kind)?;
                Some(Item::Route(routes.get(&object.namespace, &object.name)?))
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
            Unit::Rule(_) | Unit::Holder(_) | Unit::Bound(_) | Unit::Shared(_) => None,
        }
    }

    /// Whether what a part is about is there, the rights of a role aside.
    pub(crate) fn exists(&self, unit: &Unit) -> bool {
        match unit {
            Unit::Rule(_) => true,
            Unit::Holder(node) | Unit::Bound(node) => {
                self.index.members.contains(node)
                    || self.index.mapped.contains_key(node)
                    || self.is_subject(node)
            }
            unit => self.item(unit).is_some(),
        }
    }

    fn is_subject(&self, node: &Node) -> bool {
        match node {
            Node::UserName { name } => {
                let user = Node::User { name: name.clone() };
                self.index.holders.has(&user) && by_name(&self.index.memberships, &user).is_some()
            }
            node => self.index.holders.has(node),
        }
    }
}

impl Unit {
    /// The part of a route.
    pub(super) fn route(route: &Route) -> Self {
        let metadata = &route.metadata;
        Self::Route(ObjectRef::new(
            route.kind,
            &metadata.namespace,
            &metadata.name,
        ))
    }
}

impl Item<'_> {
    fn only_if(self, there: bool) -> Option<Self> {
        there.then_some(self)
    }
}
