//! Relations that the cluster's objects have without a tuple.
//!
//! | Relation | Leads to |
//! |---|---|
//! | `TYPE#namespace` | `namespaces:NAME`, of everything that lies in one |
//! | `TYPE#owner` | the controller, as `TYPE:NAMESPACE/NAME`, of workloads |
//! | `pods#node` | `nodes:NAME` |
//! | `pods#serviceaccount` | `serviceaccounts:NAMESPACE/NAME` |
//! | `namespaces#label` | `labels:KEY=VALUE` |
//! | `group#member` | whoever carries the group |
//!
//! Types are named as resources are: `pods`, `deployments.apps`.

use bailiwick_core::Kind;
use bailiwick_model::{Snapshot, Workload};

use super::tuple::ObjectId;

/// Types and relations that need no schema.
pub(super) const NAMES: &[&str] = &[
    "cronjobs.batch",
    "daemonsets.apps",
    "deployments.apps",
    "group",
    "jobs.batch",
    "label",
    "labels",
    "member",
    "namespace",
    "namespaces",
    "node",
    "nodes",
    "owner",
    "pods",
    "replicasets.apps",
    "replicationcontrollers",
    "rolebindings.rbac.authorization.k8s.io",
    "roles.rbac.authorization.k8s.io",
    "secrets",
    "serviceaccount",
    "serviceaccounts",
    "statefulsets.apps",
    "user",
];

/// Workloads with the names of their types.
const WORKLOADS: [(Kind, &str); 8] = [
    (Kind::Pod, "pods"),
    (Kind::Deployment, "deployments.apps"),
    (Kind::ReplicaSet, "replicasets.apps"),
    (Kind::StatefulSet, "statefulsets.apps"),
    (Kind::DaemonSet, "daemonsets.apps"),
    (Kind::Job, "jobs.batch"),
    (Kind::CronJob, "cronjobs.batch"),
    (Kind::ReplicationController, "replicationcontrollers"),
];

/// Every type and relation of which the cluster says something; `group#member` is the credential's to say.
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    let relations = ["namespace", "owner", "node", "serviceaccount", "label"];
    let kinds = NAMES.iter().copied();
    kinds
        .flat_map(move |kind| relations.map(|relation| (kind, relation)))
        .filter(|(kind, relation)| !leads_to(kind, relation).is_empty())
}

/// Whether the cluster says who is so related.
pub(super) fn is(kind: &str, relation: &str) -> bool {
    !leads_to(kind, relation).is_empty() || (kind == "group" && relation == "member")
}

/// Types that a relation leads to.
pub(super) fn leads_to(kind: &str, relation: &str) -> &'static [&'static str] {
    let workload = workload(kind).is_some();
    match (kind, relation) {
        ("pods", "node") => &["nodes"],
        ("pods", "serviceaccount") => &["serviceaccounts"],
        ("namespaces", "label") => &["labels"],
        ("serviceaccounts" | "secrets", "namespace") => &["namespaces"],
        (
            "roles.rbac.authorization.k8s.io" | "rolebindings.rbac.authorization.k8s.io",
            "namespace",
        ) => &["namespaces"],
        (_, "namespace") if workload => &["namespaces"],
        (_, "owner") if workload => &[
            "deployments.apps",
            "replicasets.apps",
            "statefulsets.apps",
            "daemonsets.apps",
            "jobs.batch",
            "cronjobs.batch",
            "replicationcontrollers",
        ],
        _ => &[],
    }
}

fn workload(kind: &str) -> Option<Kind> {
    let found = WORKLOADS.iter().find(|(_, name)| *name == kind);
    found.map(|(own, _)| *own)
}

/// The type of a kind; empty where the kind is no workload.
fn type_name(kind: Kind) -> &'static str {
    let found = WORKLOADS.iter().find(|(own, _)| *own == kind);
    found.map_or("", |(_, name)| name)
}

/// What an object is related to.
pub(super) fn related(object: &ObjectId, relation: &str, snapshot: &Snapshot) -> Vec<ObjectId> {
    if leads_to(&object.kind, relation).is_empty() {
        return Vec::new();
    }
    match relation {
        "namespace" => {
            let namespace = object.id.split_once('/').map(|(namespace, _)| namespace);
            namespace
                .map(|namespace| ObjectId::new("namespaces", namespace))
                .into_iter()
                .collect()
        }
        "label" => labels(object, snapshot),
        _ => of_workload(object, relation, snapshot)
            .into_iter()
            .collect(),
    }
}

fn labels(namespace: &ObjectId, snapshot: &Snapshot) -> Vec<ObjectId> {
    let found = snapshot.namespaces.get("", &namespace.id);
    let labels = found
        .map(|namespace| &*namespace.metadata.labels)
        .unwrap_or_default();
    let object = |(key, value): &(_, _)| ObjectId::new("labels", &format!("{key}={value}"));
    labels.iter().map(object).collect()
}

fn of_workload(object: &ObjectId, relation: &str, snapshot: &Snapshot) -> Option<ObjectId> {
    let (namespace, name) = object.id.split_once('/')?;
    let kind = workload(&object.kind)?;
    let workload = snapshot.workloads.get(&kind)?.get(namespace, name)?;
    end(workload, relation)
}

fn end(workload: &Workload, relation: &str) -> Option<ObjectId> {
    let namespace = &workload.metadata.namespace;
    let within = |kind: &str, name: &str| ObjectId::new(kind, &format!("{namespace}/{name}"));
    match relation {
        "node" if !workload.node_name.is_empty() => {
            Some(ObjectId::new("nodes", &workload.node_name))
        }
        "serviceaccount" => Some(match &*workload.pod.service_account_name {
            "" => within("serviceaccounts", "default"),
            name => within("serviceaccounts", name),
        }),
        "owner" => {
            let (kind, name) = workload.metadata.controller.as_ref()?;
            let kind = kind.parse::<Kind>().ok()?;
            Some(within(type_name(kind), name))
        }
        _ => None,
    }
}

/// The objects that are related to an object in a way that their type has.
pub(super) fn relating(
    kind: &str,
    relation: &str,
    to: &ObjectId,
    snapshot: &Snapshot,
) -> Vec<ObjectId> {
    if !leads_to(kind, relation).contains(&&*to.kind) {
        return Vec::new();
    }
    let candidates: Vec<ObjectId> = match (workload(kind), kind) {
        (Some(own), _) => {
            let all = snapshot
                .workloads
                .get(&own)
                .into_iter()
                .flat_map(bailiwick_model::Store::iter);
            all.map(|found| qualified(kind, &found.metadata)).collect()
        }
        (None, "namespaces") => {
            let all = snapshot.namespaces.iter();
            all.map(|found| ObjectId::new(kind, &found.metadata.name))
                .collect()
        }
        (None, "serviceaccounts") => {
            let all = snapshot.service_accounts.iter();
            all.map(|found| qualified(kind, &found.metadata)).collect()
        }
        (None, "secrets") => snapshot
            .secrets
            .iter()
            .map(|found| qualified(kind, &found.metadata))
            .collect(),
        _ => Vec::new(),
    };
    let leads = |object: &ObjectId| related(object, relation, snapshot).contains(to);
    candidates.into_iter().filter(leads).collect()
}

fn qualified(kind: &str, metadata: &bailiwick_model::ObjectMeta) -> ObjectId {
    ObjectId::new(kind, &format!("{}/{}", metadata.namespace, metadata.name))
}
