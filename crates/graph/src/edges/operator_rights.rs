use crate::build::{Item, Link, World};
use crate::deputy::{Place, is_defined, operated_by};
use crate::edge::{Rule, Versions, edge};
use crate::edges::deputy_rights::{all, obedient};
use crate::node::Node;

edge! {
    /// An operator does what its objects say as its service account.
    ///
    /// Operators are found by what they may do and not by their names: a service account that a pod or template runs as, bound to a
    /// rule that names the resource's group and lets it write the status, or watch and change the resource. Who may do everything is not
    /// the operator of everything. Where several service accounts are like that (the parts of one operator often share a role) each is
    /// taken for the one that acts.
    "operator-rights", "act as the operator", effort 0, Versions::ALL, &[Rule::Each(link)],
    "what obeys kustomizations.kustomize.toolkit.fluxcd.io" => "service account argo/controller",
    "{serviceAccountName: controller" => "{serviceAccountName: other",
    "ClusterRole operator
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

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let Item::Subject(account @ Node::ServiceAccount { namespace, .. }) = *item else { return };
    if !world.fact("deputies", any_defined) {
        return;
    }
    for (deputy, settings) in operated_by(account, all(), world) {
        link.by(&obedient(deputy, &Default::default()), account.clone(), settings.clone());
        if deputy.place == Place::Home {
            link.by(&obedient(deputy, namespace), account.clone(), settings);
        }
    }
}

fn any_defined(world: &World<'_>) -> bool {
    all().iter().any(|deputy| is_defined(&deputy.right, world))
}
