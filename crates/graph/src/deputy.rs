//! Operators that do with their own rights what an object of theirs says.

use bailiwick_core::{ObjectRef, Str};
use bailiwick_model::PolicyRule;
use bailiwick_rbac::{Right, Scope};

use crate::build::World;
use crate::condition::Atom;
use crate::node::Node;

/// A resource that an operator obeys.
#[derive(Debug)]
pub(crate) struct Deputy {
    /// The right to write it.
    pub(crate) right: Right,
    /// In which namespaces the operator looks.
    pub(crate) place: Place,
}

/// Where an operator looks for its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In every namespace, or they are in none.
    Anywhere,
    /// In the namespace in which it runs.
    Home,
}

/// The verbs that put an object there, or give it other contents.
pub(crate) const WRITE: &[&str] = &["create", "patch", "update"];

/// Declares what operators obey, a line each: API group, resource, whether it is in namespaces, and, where it matters, in
/// which of them the operator looks. Gives `LEGS` for whoever holds the right to write one of them, and `DEPUTIES`.
macro_rules! deputies {
    ($($group:literal $resource:literal $scope:ident),* $(,)?) => {
        pub(super) static LEGS: &[$crate::edge::Leg] = &[&[
            $($crate::deputy::right($group, $resource, bailiwick_rbac::Scope::$scope)),*
        ]];
    };
    ($($group:literal $resource:literal $scope:ident $place:ident),* $(,)?) => {
        static DEPUTIES: &[$crate::deputy::Deputy] = &[$($crate::deputy::Deputy {
            right: $crate::deputy::right($group, $resource, bailiwick_rbac::Scope::$scope),
            place: $crate::deputy::Place::$place,
        }),*];

        $crate::deputy::deputies! { $($group $resource $scope),* }
    };
}
pub(crate) use deputies;

pub(crate) const fn right(group: &'static str, resource: &'static str, scope: Scope) -> Right {
    match scope {
        Scope::Cluster => Right::cluster(group, resource, WRITE),
        Scope::Namespace => Right::new(group, resource, WRITE),
    }
}

/// Whether a custom resource of this group and name is defined.
pub(crate) fn is_defined(right: &Right, world: &World<'_>) -> bool {
    let name = format!("{}.{}", right.resource, right.group);
    world.snapshot.custom_resources.get("", &name).is_some()
}

/// Whether the resource is defined and a service account that something runs as may do in the whole cluster what its
/// operator has to: write its status, or watch and change it.
pub(crate) fn has_operator(right: &Right, world: &World<'_>) -> bool {
    is_defined(right, world)
        && world
            .rules_of_accounts()
            .iter()
            .any(|rule| operates(rule, right))
}

/// Whether a rule allows what the operator of a resource has to do.
fn operates(rule: &PolicyRule, right: &Right) -> bool {
    let status = format!("{}/status", right.resource);
    let is_status = |own: &Str| matches!(&**own, "*" | "*/status") || **own == *status;
    let is_own = |own: &Str| &**own == "*" || **own == *right.resource;
    let writes = has(&rule.verbs, "update") || has(&rule.verbs, "patch");
    let of_status = writes && rule.resources.iter().any(is_status);
    let of_own = writes && has(&rule.verbs, "watch") && rule.resources.iter().any(is_own);
    has(&rule.api_groups, right.group) && (of_status || of_own)
}

fn has(words: &[Str], wanted: &str) -> bool {
    words.iter().any(|word| &**word == "*" || **word == *wanted)
}

/// Of these resources those whose operator runs as this service account, with the entry and the rule that say so.
///
/// The rule has to name the group: who may do everything is not the operator of everything.
pub(crate) fn operated_by<'d>(
    account: &Node,
    deputies: &'d [Deputy],
    world: &World<'_>,
) -> Vec<(&'d Deputy, [Atom; 2])> {
    let mut found: Vec<(&Deputy, [Atom; 2])> = Vec::new();
    let Node::ServiceAccount { namespace, .. } = account else {
        return found;
    };
    for given in world.bindings_of(account) {
        let inside = given.binding.namespace.is_empty() || given.binding.namespace == *namespace;
        let role = given.role.as_ref().filter(|_| inside);
        let Some((role, held)) = role.and_then(|role| Some((role, world.role(role)?))) else {
            continue;
        };
        for (position, rule) in (0..).zip(held.rules.iter()) {
            for deputy in deputies {
                let group = deputy.right.group;
                let named = rule.api_groups.iter().any(|own| **own == *group);
                let known = || found.iter().any(|(own, _)| std::ptr::eq(*own, deputy));
                if named && operates(rule, &deputy.right) && !known() {
                    let role: ObjectRef = role.clone();
                    found.push((deputy, [given.atom(), Atom::Rule { role, position }]));
                }
            }
        }
    }
    found.retain(|(deputy, _)| is_defined(&deputy.right, world));
    if found.is_empty() || !world.runs_as(account) {
        return Vec::new();
    }
    found
}
