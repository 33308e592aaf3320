use crate::build::{Held, Holding, Link, World};
use crate::deputy::{deputies, has_operator};
use crate::edge::{Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Have an operator read a Secret and send it away.
    ///
    /// Some operators take a place and a Secret from an object of theirs and show the one the other: cert-manager logs in to the Vault that an
    /// `Issuer` names, External Secrets to the store of a `SecretStore`, and Prometheus sends what a `ServiceMonitor`, `PodMonitor`, `Probe`,
    /// `ScrapeConfig` or `AlertmanagerConfig` gives for logging in to whatever it scrapes or tells. Place and Secret are the author's
    /// choice, within his namespace. KubeVirt mounts Secrets of the namespace into a `VirtualMachine`, and tokens of its service accounts.
    ///
    /// There where the resource is defined, and a service account may do in the whole cluster what its operator has to.
    "deputy-secrets", "have an operator send away a Secret", effort 2, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every Secret of namespace shop", "create on issuers of cert-manager.io" => "get on issuers of cert-manager.io",
    "Role shop/r
       create on issuers of cert-manager.io
     RoleBinding shop/r gives Role/r to user:eve
     ClusterRole operator
       update on issuers/status of cert-manager.io
     ClusterRoleBinding operator gives ClusterRole/operator to sa:argo/controller
     ---
     {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: issuers.cert-manager.io},
      spec: {group: cert-manager.io, scope: Namespaced, names: {plural: issuers, singular: issuer, kind: Issuer},
       versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}
     {apiVersion: v1, kind: ServiceAccount, metadata: {namespace: argo, name: controller}}
     {apiVersion: apps/v1, kind: Deployment, metadata: {namespace: argo, name: controller},
      spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {serviceAccountName: controller, containers: [{name: c, image: c}]}}}}"
}

deputies! {
    // spec.vault.server, spec.vault.auth.tokenSecretRef
    "cert-manager.io" "issuers" Namespace,
    // spec.provider.vault.server, spec.provider.vault.auth.tokenSecretRef
    "external-secrets.io" "secretstores" Namespace,
    // spec.endpoints.authorization.credentials, and what the selector selects
    "monitoring.coreos.com" "servicemonitors" Namespace,
    "monitoring.coreos.com" "podmonitors" Namespace,
    "monitoring.coreos.com" "probes" Namespace,
    "monitoring.coreos.com" "scrapeconfigs" Namespace,
    // spec.receivers.webhookConfigs
    "monitoring.coreos.com" "alertmanagerconfigs" Namespace,
    // spec.template.spec.volumes.secret and .serviceAccount
    "kubevirt.io" "virtualmachines" Namespace,
    "kubevirt.io" "virtualmachineinstances" Namespace,
}

/// The group of the operator whose pods mount what its objects name, tokens of service accounts too.
pub(super) const MOUNTS: &str = "kubevirt.io";

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let runs = |holding: &Holding<'_>| has_operator(holding.right, world);
    if let Some(condition) = held.condition_by(runs) {
        link.edge(held.subject, Node::area(Area::Secrets, &held.scope), condition);
    }
    let mounts = |holding: &Holding<'_>| holding.right.group == MOUNTS && runs(holding);
    if let Some(condition) = held.condition_by(mounts) {
        link.edge(held.subject, Node::area(Area::ServiceAccounts, &held.scope), condition);
    }
}
