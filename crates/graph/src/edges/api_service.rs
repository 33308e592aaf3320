
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::condition::Condition;
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Answer requests in place of the API server.
    ///
    /// An APIService sends all requests for a version of an API group to a Service of the cluster. Whoever creates or changes one
    /// sees what others send there and answers what he likes, as for metrics by which workloads are scaled. He hears the name and the
    /// groups of whoever asks, and not his token: the API server takes that away.
    ///
    /// Groups that the API server serves itself have APIServices too, in every cluster, whose names are the version and the group
    /// (`v1.batch`; `v1.` for the core group). One that is changed stays so. With the label `kube-aggregator.kubernetes.io/automanaged`
    /// it is put right when the API server starts anew; whoever changes it takes the label away. One that is deleted is not made
    /// again before, so that the right to delete and the right to create are as good as the right to change.
    ///
    /// What the control plane itself reads there is what others make of it: pages of their own tell of
    /// [roles](api-service-rbac.md), [certificates](api-service-certificates.md), [workloads](api-service-workloads.md),
    /// [admission](api-service-admission.md), [nodes](api-service-nodes.md) and [operators](api-service-operators.md). It takes a
    /// Service that leads to a server of one's own: any of type `ExternalName` will do, or one before one's own pod. This is not looked at.
    "api-service", "serve an API group oneself", effort 3, Versions::ALL,
    &[Rule::Rights { legs: WRITE, link }],
    "user eve" => "every request of the cluster", "patch" => "delete",
    "ClusterRole r
       patch on apiservices of apiregistration.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve"
}

const fn services(verbs: &'static [&'static str]) -> Right {
    Right::cluster("apiregistration.k8s.io", "apiservices", verbs)
}

static WRITE: &[Leg] = &[&[services(&["create", "patch", "update"])]];

/// To change an APIService that is there.
pub(super) static CHANGE: &[Leg] = &[&[services(&["patch", "update"])]];
/// To take one away and to make it anew.
pub(super) static RENEW: &[Leg] = &[&[services(&["delete", "deletecollection"])], &[services(&["create"])]];

/// The rules of an edge that takes an APIService which is there.
macro_rules! taking {
    ($link:expr) => {
        &[
            $crate::edge::Rule::Rights { legs: $crate::edges::api_service::CHANGE, link: $link },
            $crate::edge::Rule::Rights { legs: $crate::edges::api_service::RENEW, link: $link },
        ]
    };
}
pub(super) use taking;

fn link(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    let to = Node::area(Area::Requests, &held.scope);
    link.edge(held.subject, to, held.condition_on(&[On::Any]));
}

/// What a step rests on that takes one of these APIServices, each way once.
pub(super) fn taken<'n>(
    held: &Held<'_>,
    names: impl IntoIterator<Item = &'n str>,
) -> Vec<Condition> {
    let of_name = |name| {
        let on = [On::Name(name), On::Name(name)];
        held.is_on(&on).then(|| held.condition_on(&on))
    };
    let mut found: Vec<Condition> = names.into_iter().filter_map(of_name).collect();
    found.dedup();
    found
}
