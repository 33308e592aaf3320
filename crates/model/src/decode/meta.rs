use bailiwick_core::{Kind, Str};

use super::names;
use super::node::Node;
use super::reader::{Context, Shape};
use super::time::is_time;
use crate::meta::ObjectMeta;
use crate::value::Value;

/// Annotations that say something about access. All others are dropped while reading: among them is what
/// `kubectl apply` last applied, which for a Secret is its contents.
const KEPT_ANNOTATIONS: [&str; 16] = [
    // Whether the API server puts a default role back when it starts.
    "rbac.authorization.kubernetes.io/autoupdate",
    // Whose token a Secret holds.
    "kubernetes.io/service-account.name",
    "kubernetes.io/service-account.uid",
    // Whether pods of a service account may mount the Secrets that it lists and no others.
    "kubernetes.io/enforce-mountable-secrets",
    // A pod that a kubelet read from a file of its own.
    "kubernetes.io/config.mirror",
    // What a workload may become in a cloud.
    "eks.amazonaws.com/role-arn",
    "iam.amazonaws.com/role",
    "iam.gke.io/gcp-service-account",
    "azure.workload.identity/client-id",
    "azure.workload.identity/tenant-id",
    // Whether a load balancer is reached from outside of the provider's network.
    "cloud.google.com/load-balancer-type",
    "networking.gke.io/load-balancer-type",
    "service.beta.kubernetes.io/aws-load-balancer-internal",
    "service.beta.kubernetes.io/aws-load-balancer-scheme",
    "service.beta.kubernetes.io/azure-load-balancer-internal",
    "networking.istio.io/service-type",
];

/// What people tell Bailiwick itself is kept as well.
const OWN_ANNOTATIONS: &str = "bailiwick.dev/";

/// All annotations of an object together, keys and values (upstream `TotalAnnotationSizeLimitB`).
const MOST_ANNOTATION_BYTES: usize = 256 * 1024;

const METADATA: Shape = Shape {
    what: "metadata",
    complete: true,
    fields: &[
        ("name", "the object has no name"),
        ("generateName", ""),
        ("namespace", "it lands in another namespace"),
        ("labels", "it has no labels, and selectors pass it by"),
        ("annotations", ""),
        ("uid", ""),
        ("resourceVersion", ""),
        ("generation", ""),
        ("creationTimestamp", ""),
        ("deletionTimestamp", ""),
        ("deletionGracePeriodSeconds", ""),
        ("finalizers", ""),
        ("managedFields", ""),
        ("ownerReferences", ""),
        ("selfLink", ""),
    ],
};

const OWNER: Shape = Shape {
    what: "an owner reference",
    complete: true,
    fields: &[
        ("apiVersion", ""),
        ("kind", ""),
        ("name", ""),
        ("uid", ""),
        ("controller", ""),
        ("blockOwnerDeletion", ""),
    ],
};

/// Whether an API server wrote this object. Only it gives both a `uid` and a `resourceVersion`; a create with a
/// `resourceVersion` is refused.
pub(super) fn is_stored(root: &Value) -> bool {
    let text = |key| {
        let metadata = root.get("metadata")?;
        metadata.get(key)?.as_str().filter(|text| !text.is_empty())
    };
    ["name", "uid", "resourceVersion"]
        .into_iter()
        .all(|key| text(key).is_some())
}

/// Reads `metadata` as upstream's `ValidateObjectMeta` judges it. A namespaced object without a namespace gets
/// `namespace`; one of the cluster loses whatever namespace it claims, as it does in the API server.
pub(super) fn metadata(cx: &mut Context<'_>, root: &Node<'_>, namespace: &str) -> ObjectMeta {
    let empty = Node::root(&Value::Null);
    let metadata = cx.inner(root, "metadata", &METADATA);
    let node = metadata.as_ref().unwrap_or(&empty);
    let meta = ObjectMeta {
        name: name(cx, root, node),
        namespace: own_namespace(cx, node, namespace),
        // Every UID is different: sharing it would only cost a table entry.
        uid: node
            .field("uid")
            .and_then(|uid| cx.plain_text(&uid))
            .unwrap_or_default()
            .into(),
        labels: cx.text_map(node, "labels", |cx, at, key, value| {
            let wrong =
                names::qualified_name(key).map(|problem| format!("has a key that {problem}"));
            let wrong = wrong.or_else(|| names::label_value(value).map(str::to_owned));
            if let Some(reason) = wrong {
                cx.refuse(at, &reason, "");
            }
            true
        }),
        annotations: annotations(cx, node),
        controller: controller(cx, node),
    };
    unread_fields(cx, node);
    meta
}

fn name(cx: &mut Context<'_>, root: &Node<'_>, node: &Node<'_>) -> Str {
    let name = cx.text(node, "name");
    if name.is_empty() {
        let at = root.field("metadata").map_or(*root, |_| *node);
        if cx.text(node, "generateName").is_empty() {
            cx.refuse_missing(&at, "name", "give the object a name");
        } else {
            let message = format!(
                "this {} gets a name only when it is created, so it is not counted",
                cx.kind
            );
            let help = "give it a `name`; `kubectl apply` does not take `generateName` either";
            cx.lose(&at, "generated-name", message, help);
        }
    } else if let (Some(problem), Some(at)) = (name_problem(cx.kind, &name), node.field("name")) {
        cx.refuse(&at, problem, "");
    }
    name
}

fn name_problem(kind: Kind, name: &str) -> Option<&'static str> {
    match kind {
        Kind::Role
        | Kind::ClusterRole
        | Kind::RoleBinding
        | Kind::ClusterRoleBinding
        | Kind::APIService => names::path_segment(name),
        // It says whose signer it is of.
        Kind::ClusterTrustBundle => names::dns_subdomain(name.rsplit(':').next().unwrap_or(name)),
        Kind::Namespace | Kind::StatefulSet => names::dns_label(name),
        Kind::CronJob if name.len() > 52 => Some("must not be longer than 52"),
        _ => names::dns_subdomain(name),
    }
}

fn own_namespace(cx: &mut Context<'_>, node: &Node<'_>, namespace: &str) -> Str {
    let own = cx.text(node, "namespace");
    if !cx.kind.is_namespaced() {
        return Str::default();
    }
    if own.is_empty() {
        return cx.intern(namespace);
    }
    if let (Some(problem), Some(at)) = (names::dns_label(&own), node.field("namespace")) {
        cx.refuse(&at, problem, "");
    }
    own
}

fn annotations(cx: &mut Context<'_>, node: &Node<'_>) -> Box<[(Str, Str)]> {
    let mut bytes = 0;
    let kept = cx.text_map(node, "annotations", |cx, at, key, value| {
        bytes += key.len() + value.len();
        if let Some(problem) = names::qualified_name(&key.to_ascii_lowercase()) {
            cx.refuse(at, &format!("has a key that {problem}"), "");
        }
        is_kept(key)
    });
    if let Some(at) = node
        .field("annotations")
        .filter(|_| bytes > MOST_ANNOTATION_BYTES)
    {
        cx.refuse(&at, "is larger than 256 KiB", "move the data elsewhere");
    }
    kept
}

/// Whether an annotation says something about access.
pub(super) fn is_kept(key: &str) -> bool {
    KEPT_ANNOTATIONS.contains(&key) || key.starts_with(OWN_ANNOTATIONS)
}

fn controller(cx: &mut Context<'_>, node: &Node<'_>) -> Option<(Str, Str)> {
    let mut controller: Option<(Str, Str)> = None;
    cx.each(node, "ownerReferences", |cx, owner| {
        if !cx.mapping(owner, &OWNER) {
            return;
        }
        for key in ["apiVersion", "kind", "name", "uid"] {
            if cx.text(owner, key).is_empty() {
                cx.refuse_missing(owner, key, "name the owner fully, or remove the reference");
            }
        }
        cx.flag(owner, "blockOwnerDeletion");
        if let Some(problem) = owner_problem(&cx.text(owner, "apiVersion"), &cx.text(owner, "kind"))
        {
            cx.refuse(owner, problem, "");
        }
        if cx.flag(owner, "controller") == Some(true) {
            if controller.is_some() {
                cx.refuse(owner, "is a second controller", "keep one of them");
            }
            controller = Some((cx.text(owner, "kind"), cx.text(owner, "name")));
        }
    });
    controller
}

fn owner_problem(api_version: &str, kind: &str) -> Option<&'static str> {
    let version = match api_version.split_once('/') {
        Some((_, version)) if version.contains('/') => "",
        Some((_, version)) => version,
        None => api_version,
    };
    if version.is_empty() && !api_version.is_empty() {
        return Some("has an `apiVersion` that is neither VERSION nor GROUP/VERSION");
    }
    ((api_version, kind) == ("v1", "Event")).then_some("is an Event, which cannot own anything")
}

/// Fields that nobody reads further, but that the API server reads and can refuse.
fn unread_fields(cx: &mut Context<'_>, node: &Node<'_>) {
    for key in ["generateName", "resourceVersion", "selfLink"] {
        if let Some(field) = node.field(key) {
            cx.plain_text(&field);
        }
    }
    for key in ["generation", "deletionGracePeriodSeconds"] {
        cx.integer(node, key);
    }
    for key in ["creationTimestamp", "deletionTimestamp"] {
        let Some(field) = node.field(key) else {
            continue;
        };
        if cx.plain_text(&field).is_some_and(|time| !is_time(time)) {
            cx.refuse(
                &field,
                "is no time",
                "write it as 2026-01-31T12:00:00Z, or remove it",
            );
        }
    }
    finalizers(cx, node);
    cx.each(node, "managedFields", |_, _| {});
}

fn finalizers(cx: &mut Context<'_>, node: &Node<'_>) {
    const STANDARD: [&str; 3] = ["foregroundDeletion", "kubernetes", "orphan"];
    let (mut orphan, mut foreground) = (false, false);
    cx.each(node, "finalizers", |cx, item| {
        let finalizer = cx.plain_text(item).unwrap_or_default();
        orphan |= finalizer == "orphan";
        foreground |= finalizer == "foregroundDeletion";
        // Definitions of custom resources are judged by another server library, which knows no standard finalizers.
        let free = finalizer.contains('/') || cx.kind == Kind::CustomResourceDefinition;
        if let Some(problem) = names::qualified_name(finalizer) {
            cx.refuse(item, problem, "");
        } else if !free && !STANDARD.contains(&finalizer) {
            cx.refuse(item, "needs a domain and `/` before its name", "");
        }
    });
    if let Some(at) = node.field("finalizers").filter(|_| orphan && foreground) {
        cx.refuse(
            &at,
            "holds both `orphan` and `foregroundDeletion`",
            "keep one of them",
        );
    }
}
