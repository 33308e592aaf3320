use bailiwick_core::{ObjectRef, Str};
use bailiwick_model::{Ingress, Secret, Service, Workload};

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
    /// Somebody whom a binding names, as a thing.
    Subject(Node),
    /// The same, or the rights of a role, as somebody who has rights.
    Holder(Node),
    /// Somebody with the roles that he can bind to himself.
    Bound(Node),
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
    /// Somebody whom a binding names. Users whose groups are known are there twice: as themselves and by name.
    Subject(&'a Node),
}
