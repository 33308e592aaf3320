//! What was read of the world, so that whoever read it is asked again when it changes.

use std::cell::RefCell;
use std::hash::BuildHasher;

use bailiwick_core::{Kind, ObjectRef};
use hashbrown::DefaultHashBuilder;

use crate::node::Node;

/// Something of the world that can be read, and can change.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) enum Key<'k> {
    /// An object, or that it is not there: kind, namespace and name. Cluster-scoped kinds go by the name of the
    /// namespaced one.
    Object(Kind, &'k str, &'k str),
    /// All objects of a kind in a namespace.
    InNamespace(Kind, &'k str),
    /// All objects of a kind.
    All(Kind),
    /// The namespaces that have an object of this kind and name.
    Named(Kind, &'k str),
    /// Which namespaces there are.
    Namespaces,
    /// The bindings of a subject.
    Bound(&'k Node),
    /// Whether a subject has any.
    IsBound(&'k Node),
    /// What the members of a group, or whoever is a user by being somebody in a cloud, have by it for steps that take
    /// several rights.
    Inherited(&'k Node),
    /// The steps from somebody to the rights of roles.
    Binds(&'k Node),
    /// What a role is good for by itself.
    Uses(&'k ObjectRef),
    /// The same as to one rule of an edge, given by its position.
    UsesOf(&'k ObjectRef, usize),
    /// Which of these it limits to names.
    Limits(&'k ObjectRef),
    /// What a role is good for beside what its holder is or has.
    SharedUses(&'k ObjectRef),
    /// Which of its rules let somebody read logs.
    Logs(&'k ObjectRef),
    /// Whom bindings name.
    Subjects,
    /// The groups of bootstrap tokens that bindings name.
    BootstrapGroups,
    /// The service accounts that bindings name and that do not exist.
    Missing,
    /// Whether this is one of them.
    IsMissing(&'k Node),
    /// Which roles service accounts that something runs as have in the whole cluster.
    AccountRoles,
    /// Which role allows everything.
    Everything,
    /// What runs on a node.
    OnNode(&'k str),
    /// Whether something runs as a service account.
    IsRunAs(&'k Node),
    /// Whether pods of a service account get its token unless they say otherwise: namespace and name.
    Automount(&'k str, &'k str),
    /// Which FlexVolume drivers pods use.
    FlexDrivers,
    /// Which ClusterTrustBundles pods have in their files.
    Trusts,
    /// Whether a pod of a namespace may write where its node keeps logs.
    LogWriters(&'k str),
    /// The volume behind a claim: namespace and name.
    Claim(&'k str, &'k str),
    /// Which CustomResourceDefinitions are for a group.
    DefinitionsOf(&'k str),
    /// Which Gateways routes need not name.
    DefaultGateways,
    /// Which ListenerSets name a Gateway: namespace and name.
    SetsOf(&'k str, &'k str),
    /// The answer to a question about the whole cluster, or a kind in it, by its name.
    Fact(&'static str, Option<Kind>),
}

/// A [`Key`] in short. Two that happen to be the same cost a needless look, no more.
pub(crate) type Mark = u64;

/// Notes what is read.
#[derive(Debug)]
pub(crate) struct Reads {
    hasher: DefaultHashBuilder,
    noted: RefCell<Option<Vec<Mark>>>,
}

impl Reads {
    pub(super) fn new(hasher: DefaultHashBuilder) -> Self {
        Self {
            hasher,
            noted: RefCell::new(None),
        }
    }

    /// Notes that something is read, where somebody wants to know.
    pub(crate) fn note(&self, key: Key<'_>) {
        if let Some(noted) = &mut *self.noted.borrow_mut() {
            noted.push(self.hasher.hash_one(key));
        }
    }

    /// What `work` reads, each once, besides what it gives. What was being noted goes on after it, without this.
    pub(crate) fn of<T>(&self, work: impl FnOnce() -> T) -> (T, Box<[Mark]>) {
        let outer = self.noted.replace(Some(Vec::with_capacity(64)));
        let result = work();
        let mut marks = self.noted.replace(outer).unwrap_or_default();
        marks.sort_unstable();
        marks.dedup();
        (result, marks.into())
    }
}

/// The kind under which reads of a kind's store are noted.
pub(crate) fn store(kind: Kind) -> Kind {
    match kind {
        Kind::ClusterRole => Kind::Role,
        Kind::ClusterRoleBinding => Kind::RoleBinding,
        kind => kind,
    }
}
