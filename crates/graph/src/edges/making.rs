//! Starting pods, by any object that makes them.

use bailiwick_core::{Kind, Str};
use bailiwick_rbac::{Names, Right};

use crate::build::{Held, Holding, World};
use crate::edge::Leg;
use crate::edges::template_change::{kind_of, reaches};

const CREATE: &[&str] = &["create"];

/// The right to start a pod, by any object that makes pods: a new one, or one that is there ([`making_pods`]).
pub(super) const NEW_POD: Leg = &makers(&["create", "patch", "update"]);

/// The same by a new object alone.
pub(super) const CREATED_POD: Leg = &makers(CREATE);

/// These verbs on what has a template that can be changed, and `create` on the others that make pods.
const fn makers(verbs: &'static [&'static str]) -> [Right; 8] {
    [
        Right::new("", "pods", CREATE),
        Right::new("", "replicationcontrollers", verbs),
        Right::new("apps", "daemonsets", verbs),
        Right::new("apps", "deployments", verbs),
        Right::new("apps", "replicasets", verbs),
        Right::new("apps", "statefulsets", verbs),
        Right::new("batch", "cronjobs", verbs),
        Right::new("batch", "jobs", CREATE),
    ]
}

/// Namespaces where pods get what a step is after. What is asked of all of them is a fact of the cluster, so that one
/// more namespace does not concern everybody who may start pods anywhere.
pub(super) trait Namespaces {
    /// The question whether there are any.
    const NAME: &'static str;

    /// Whether this is one.
    fn holds(namespace: &str, world: &World<'_>) -> bool;

    /// Whether there is one in a scope: a namespace, or where it is empty the cluster.
    fn any_in(scope: &str, world: &World<'_>) -> bool {
        match scope {
            "" => world.fact(Self::NAME, |world| {
                world.any_namespace(|name| Self::holds(name, world))
            }),
            namespace => Self::holds(namespace, world),
        }
    }

    /// Whether one has an object of this kind.
    fn any_with(kind: Kind, world: &World<'_>) -> bool {
        world.any_namespace(|name| Self::holds(name, world) && world.has(kind, name, None))
    }
}

/// Every namespace.
pub(super) struct Everywhere;

impl Namespaces for Everywhere {
    const NAME: &'static str = "any namespace";

    fn holds(_: &str, _: &World<'_>) -> bool {
        true
    }

    fn any_in(_: &str, _: &World<'_>) -> bool {
        true
    }
}

/// What is held of a step that takes [`NEW_POD`], where it can be taken in one of these namespaces: whoever changes what
/// makes pods needs an object to change.
pub(super) fn making_pods<'a, N: Namespaces>(
    held: &Held<'a>,
    world: &World<'_>,
) -> Option<Held<'a>> {
    if !N::any_in(&held.scope, world) {
        return None;
    }
    if !held.scope.is_empty() {
        return making_pods_in(held, world, &held.scope);
    }
    held.only(|holding| {
        let Some(kind) = kind_of(holding.right).filter(|_| !creates(holding)) else {
            return true;
        };
        match holding.names {
            Names::All => world.fact_of(N::NAME, kind, N::any_with),
            Names::Only(names) => names.iter().any(|name| {
                let namespaces = world.namespaces_with_template(kind, name);
                namespaces
                    .iter()
                    .any(|namespace| N::holds(namespace, world))
            }),
        }
    })
}

/// The same in one namespace.
pub(super) fn making_pods_in<'a>(
    held: &Held<'a>,
    world: &World<'_>,
    namespace: &Str,
) -> Option<Held<'a>> {
    held.only(|holding| {
        kind_of(holding.right).is_none() || creates(holding) || reaches(holding, world, namespace)
    })
}

fn creates(holding: &Holding<'_>) -> bool {
    holding
        .right
        .names_by(holding.given, "create", "create")
        .is_some()
}
