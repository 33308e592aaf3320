
use bailiwick_core::{Kind, Str};
use bailiwick_rbac::{Names, Right};

use crate::build::{Held, Holding, Link, On, World};
use crate::condition::Condition;
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Answer requests in place of the API server.
    ///
    /// An APIService sends all requests for a version of an API group to a Service of the cluster. Whoever creates or changes one
    /// sees what others send there and answers what he likes, as for metrics by which workloads are scaled. He hears the name and the
    /// groups of whoever asks, and not his token: the API server takes that away. Who may change some by their names has the requests to
    /// those of them that are there; the step says who has answered them before.
    ///
    /// Groups that the API server serves itself have APIServices too, in every cluster, whose names are the version and the group
    /// (`v1.batch`; `v1.` for the core group). One that is changed stays so. With the label `kube-aggregator.kubernetes.io/automanaged`
    /// it is put right when the API server starts anew; whoever changes it takes the label away. One that is deleted is not made
    /// again before, so that the right to delete and the right to create are as good as the right to change. Meanwhile the API server
    /// goes on answering, and the right to create is enough.
    ///
    /// What the control plane itself reads there is what others make of it: pages of their own tell of
    /// [roles](api-service-rbac.md), [certificates](api-service-certificates.md), [workloads](api-service-workloads.md),
    /// [admission](api-service-admission.md), [nodes](api-service-nodes.md), [operators](api-service-operators.md) and
    /// [reviews](api-service-reviews.md). It takes a Service that leads to a server of one's own, since an APIService has no URL: any of
    /// type `ExternalName` will do, of any namespace, so that the right to create Services in one is enough; or one before one's own
    /// pod, whoever made it. Because there are so many ways to it, this is not looked at.
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

/// To change an APIService that is there, or to make one that is not, though the API server serves the group.
pub(super) static WRITE: &[Leg] = &[&[services(&["create", "patch", "update"])]];
/// To take one away and to make it anew.
pub(super) static RENEW: &[Leg] = &[&[services(&["delete", "deletecollection"])], &[services(&["create"])]];

/// The rules of an edge that takes an APIService of a group that is served.
macro_rules! taking {
    ($link:expr) => {
        &[
            $crate::edge::Rule::Rights { legs: $crate::edges::api_service::WRITE, link: $link },
            $crate::edge::Rule::Rights { legs: $crate::edges::api_service::RENEW, link: $link },
        ]
    };
}
pub(super) use taking;

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let is_told = is_told(world);
    let on_all = |holding: &Holding<'_>| holding.names == Names::All || !is_told;
    if let Some(condition) = held.condition_by(on_all) {
        link.edge(held.subject, Node::area(Area::Requests, &held.scope), condition);
    }
    let names = held.names(0).into_iter().filter(|_| is_told);
    for name in names {
        let own = world.snapshot.api_services.get("", name);
        let is_his = |holding: &Holding<'_>| {
            let named = holding.names != Names::All && holding.is_on(On::Name(name));
            named && (own.is_some() || holding.gives("create"))
        };
        let Some(condition) = held.condition_by(is_his) else {
            continue;
        };
        let by = own.filter(|own| !own.is_local());
        let by = by.map(|own| Str::from(format!("{}/{}", own.service_namespace, own.service_name)));
        let to = Node::Requests {
            service: name.clone(),
            by: by.unwrap_or_default(),
            unverified: own.is_some_and(|own| own.unverified),
        };
        link.edge(held.subject, to, condition);
    }
}

/// Whether the input says which APIServices there are. Every API server has that of the core group: an input without it does
/// not hold them all.
fn is_told(world: &World<'_>) -> bool {
    world.fact("API services", |world| {
        let snapshot = &world.snapshot;
        snapshot.cluster().stored
            && !world.is_hidden(Kind::APIService, "")
            && snapshot.api_services.get("", "v1.").is_some()
    })
}

/// What a step rests on that takes one of these APIServices, each way once.
pub(super) fn taken<'n>(
    held: &Held<'_>,
    world: &World<'_>,
    names: impl IntoIterator<Item = &'n str>,
) -> Vec<Condition> {
    let is_told = is_told(world);
    let of_name = |name| {
        let is_there = !is_told || world.snapshot.api_services.get("", name).is_some();
        if held.legs.len() > 1 {
            let on = [On::Name(name), On::Name(name)];
            return (is_there && held.is_on(&on)).then(|| held.condition_on(&on));
        }
        held.condition_by(|holding| {
            let writes = if is_there {
                holding.gives("patch") || holding.gives("update")
            } else {
                holding.gives("create")
            };
            writes && holding.is_on(On::Name(name))
        })
    };
    let mut found: Vec<Condition> = names.into_iter().filter_map(of_name).collect();
    found.dedup();
    found
}
