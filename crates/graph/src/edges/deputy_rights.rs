use crate::build::{Held, Holding, Link, World};
use crate::deputy::{Deputy, Place, deputies, has_operator, is_defined};
use crate::edge::{Rule, Versions, edge};
use crate::node::Node;

edge! {
    /// Write an object that an operator carries out with its own rights.
    ///
    /// Some operators apply whatever their objects name: Flux a `Kustomization` or `HelmRelease` (as `spec.serviceAccountName`, or as
    /// themselves where it is empty), Argo CD an `Application` or `ApplicationSet` in the namespace where it runs (within its project),
    /// Kyverno what a `ClusterPolicy` generates, Crossplane what a `Composition` or an `Object` of its Kubernetes provider holds, OLM what a
    /// `ClusterServiceVersion` or `Subscription` brings, Velero what a `Restore` finds in a backup, and External Secrets asks for what a
    /// `ClusterSecretStore` says as any service account. Whoever writes such objects does what the operator may do, and no more.
    ///
    /// Which service account that is says the next step (`operator-rights`). How an operator is configured (projects of Argo CD,
    /// impersonation that Flux enforces, what a backup holds) is not in the objects that are read.
    "deputy-rights", "have an operator act with its own rights", effort 2, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "what obeys kustomizations.kustomize.toolkit.fluxcd.io", "kustomizations of kustomize" => "kustomizations of example",
    "Role shop/r
       create on kustomizations of kustomize.toolkit.fluxcd.io
     RoleBinding shop/r gives Role/r to user:eve
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

deputies! {
    "argoproj.io" "applications" Namespace Home,
    "argoproj.io" "applicationsets" Namespace Home,
    "kustomize.toolkit.fluxcd.io" "kustomizations" Namespace Anywhere,
    "helm.toolkit.fluxcd.io" "helmreleases" Namespace Anywhere,
    "kyverno.io" "clusterpolicies" Cluster Anywhere,
    "apiextensions.crossplane.io" "compositions" Cluster Anywhere,
    "kubernetes.crossplane.io" "objects" Cluster Anywhere,
    "operators.coreos.com" "clusterserviceversions" Namespace Anywhere,
    "operators.coreos.com" "subscriptions" Namespace Anywhere,
    "velero.io" "restores" Namespace Home,
    "external-secrets.io" "clustersecretstores" Cluster Anywhere,
}

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    for deputy in DEPUTIES {
        let writes = |holding: &Holding<'_>| *holding.right == deputy.right;
        let Some(condition) = held.condition_by(writes) else { continue };
        let obeyed = match deputy.place {
            Place::Anywhere => has_operator(&deputy.right, world),
            // It may have its rights in its own namespace alone.
            Place::Home => is_defined(&deputy.right, world),
        };
        if obeyed {
            link.edge(held.subject, obedient(deputy, &held.scope), condition);
        }
    }
}

/// The resources, for those who look for their operators.
pub(super) fn all() -> &'static [Deputy] {
    DEPUTIES
}

/// What obeys objects of this resource in a namespace; everywhere where it is empty, or does not matter.
pub(super) fn obedient(deputy: &Deputy, namespace: &bailiwick_core::Str) -> Node {
    let name = format!("{}.{}", deputy.right.resource, deputy.right.group);
    let namespace = match deputy.place {
        Place::Home => namespace.clone(),
        Place::Anywhere => Default::default(),
    };
    Node::Deputy { resource: name.into(), namespace }
}
