use std::collections::BTreeSet;

use bailiwick_core::Str;

use crate::build::{Held, Link, World};
use crate::deputy::{Place, has_operator, is_defined};
use crate::edge::{Leg, Versions, edge};
use crate::edges::api_service::{taken, taking};
use crate::edges::{deputy_node, deputy_pods, deputy_rights, deputy_secrets};
use crate::node::{Area, Node};

edge! {
    /// Show operators objects of one's own.
    ///
    /// An operator carries out the objects that the API server lists. The versions of a custom resource's group have APIServices as well
    /// (`v1.argoproj.io`), and whoever has taken one shows the operator what he likes, in any namespace, as if he might write
    /// there: what that is worth is on the pages of [pods](deputy-pods.md), [rights](deputy-rights.md), [Secrets](deputy-secrets.md) and
    /// [nodes](deputy-node.md). The API server keeps these APIServices as they should be as long as they have the label
    /// `kube-aggregator.kubernetes.io/automanaged`, which whoever changes one takes away. An operator asks anew when its watch ends.
    "api-service-operators", "show operators objects of one's own", effort 3, Versions::ALL, taking!(link),
    "user eve" => "what obeys kustomizations.kustomize.toolkit.fluxcd.io", "named v1.kustomize" => "named v2.kustomize",
    "ClusterRole r
       patch on apiservices of apiregistration.k8s.io named v1.kustomize.toolkit.fluxcd.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve
     ClusterRole operator
       * on * of kustomize.toolkit.fluxcd.io
     ClusterRoleBinding operator gives ClusterRole/operator to sa:argo/controller
     ---
     {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: kustomizations.kustomize.toolkit.fluxcd.io},
      spec: {group: kustomize.toolkit.fluxcd.io, scope: Namespaced, names: {plural: kustomizations, singular: kustomization, kind: Kustomization},
       versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}
     {apiVersion: v1, kind: ServiceAccount, metadata: {namespace: argo, name: controller}}
     {apiVersion: apps/v1, kind: Deployment, metadata: {namespace: argo, name: controller},
      spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {serviceAccountName: controller, containers: [{name: c, image: c}]}}}}"
}

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let mut to = |group: &str, end: Node| {
        for condition in taken(held, world, versions(group, world).iter().map(|name| &**name)) {
            link.edge(held.subject, end.clone(), condition);
        }
    };
    for deputy in deputy_rights::all() {
        let obeyed = match deputy.place {
            Place::Anywhere => has_operator(&deputy.right, world),
            Place::Home => is_defined(&deputy.right, world),
        };
        if obeyed {
            to(deputy.right.group, deputy_rights::obedient(deputy, &held.scope));
        }
    }
    let some_node = Node::Machine { name: Str::default() };
    let every = |area| Node::area(area, &held.scope);
    let others: [(&[Leg], Node); 3] = [
        (deputy_node::LEGS, some_node),
        (deputy_pods::LEGS, every(Area::NewPods)),
        (deputy_secrets::LEGS, every(Area::Secrets)),
    ];
    for (legs, end) in others {
        let rights = legs.iter().copied().flatten();
        let obeyed = rights.filter(|right| has_operator(right, world));
        let groups: BTreeSet<&str> = obeyed.map(|right| right.group).collect();
        for group in groups {
            to(group, end.clone());
            if group == deputy_secrets::MOUNTS {
                to(group, every(Area::ServiceAccounts));
            }
        }
    }
}

/// The APIServices of a group's versions.
fn versions(group: &str, world: &World<'_>) -> BTreeSet<String> {
    let of_group = world.definitions_of(group);
    of_group.flat_map(|own| own.versions.iter().map(|version| format!("{version}.{group}"))).collect()
}
