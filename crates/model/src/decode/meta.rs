use bailiwick_core::{Kind, Str};

use super::names;
use super::reader::{Context, Node, Shape};
use crate::meta::ObjectMeta;

/// Annotations that say something about access. All others are dropped while reading: among them is what
/// `kubectl apply` last applied, which for a Secret is its contents.
const KEPT_ANNOTATIONS: [&str; 10] = [
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

/// Reads `metadata` as upstream's `ValidateObjectMeta` judges it. A namespaced object without a namespace gets
/// `namespace`; one of the cluster loses whatever namespace it claims, as it does in the API server.
pub(super) fn metadata(cx: &mut Context<'_>, root: &Node<'_>, namespace: &str) -> ObjectMeta {
    let empty = Node::root(&crate::value::Value::Null);
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
        let generated = !cx.text(node, "generateName").is_empty();
        let help = if generated {
            "`kubectl apply` does not take `generateName`: give the object a name"
        } else {
            "give the object a name"
        };
        let at = root.field("metadata").map_or(*root, |_| *node);
        cx.refuse_missing(&at, "name", help);
    } else if let (Some(problem), Some(at)) = (name_problem(cx.kind, &name), node.field("name")) {
        cx.refuse(&at, problem, "");
    }
    name
}

fn name_problem(kind: Kind, name: &str) -> Option<&'static str> {
    match kind {
        Kind::Role | Kind::ClusterRole | Kind::RoleBinding | Kind::ClusterRoleBinding => {
            names::path_segment(name)
        }
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
        KEPT_ANNOTATIONS.contains(&key) || key.starts_with(OWN_ANNOTATIONS)
    });
    if let Some(at) = node
        .field("annotations")
        .filter(|_| bytes > MOST_ANNOTATION_BYTES)
    {
        cx.refuse(&at, "is larger than 256 KiB", "move the data elsewhere");
    }
    kept
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
        if cx.flag(owner, "controller") == Some(true) {
            if controller.is_some() {
                cx.refuse(owner, "is a second controller", "keep one of them");
            }
            controller = Some((cx.text(owner, "kind"), cx.text(owner, "name")));
        }
    });
    controller
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
    cx.each(node, "finalizers", |cx, item| {
        let finalizer = cx.plain_text(item).unwrap_or_default();
        if let Some(problem) = names::qualified_name(finalizer) {
            cx.refuse(item, problem, "");
        }
    });
    cx.each(node, "managedFields", |_, _| {});
}

/// Whether this is a time of RFC 3339.
fn is_time(text: &str) -> bool {
    let number = |range: std::ops::Range<usize>| -> Option<u32> {
        let digits = text.get(range)?;
        digits
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| digits.parse().ok())?
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let bytes = text.as_bytes();
    let date = || -> Option<bool> {
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            4 | 6 | 9 | 11 => 30,
            2 => 28 + u32::from(leap),
            1..=12 => 31,
            _ => 0,
        };
        let time = number(11..13)? < 24 && number(14..16)? < 60 && number(17..19)? < 60;
        Some((1..=days).contains(&day) && time)
    };
    let fraction = |rest: &str| -> bool {
        rest.is_empty()
            || (rest.len() > 1
                && rest.starts_with('.')
                && rest.bytes().skip(1).all(|b| b.is_ascii_digit()))
    };
    let zone = |rest: &str| -> bool {
        if let Some(rest) = rest.strip_suffix('Z') {
            return fraction(rest);
        }
        let Some((rest, offset)) = rest
            .len()
            .checked_sub(6)
            .and_then(|at| rest.split_at_checked(at))
        else {
            return false;
        };
        let digits = |range: std::ops::Range<usize>, most: u32| {
            offset
                .get(range)
                .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|digits| digits.parse::<u32>().ok())
                .is_some_and(|number| number <= most)
        };
        fraction(rest)
            && offset.starts_with(['+', '-'])
            && offset.get(3..4) == Some(":")
            && digits(1..3, 24)
            && digits(4..6, 60)
    };
    marks.iter().all(|(at, mark)| bytes.get(*at) == Some(mark))
        && date() == Some(true)
        && text.get(19..).is_some_and(zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_rfc_3339() {
        for good in [
            "2026-01-31T12:00:00Z",
            "2024-02-29T23:59:59.123456789Z",
            "2026-01-31T12:00:00+02:00",
            "2026-01-31T12:00:00.5-11:30",
        ] {
            assert!(is_time(good), "{good}");
        }
        for bad in [
            "",
            "2026-01-31",
            "2026-01-31T12:00:00",
            "2026-02-29T12:00:00Z",
            "2026-13-01T12:00:00Z",
            "2026-01-31T24:00:00Z",
            "2026-01-31 12:00:00Z",
            "2026-01-31T12:00:00.Z",
            "2026-01-31T12:00:00+0200",
            "2026-01-31T12:00:00ä",
            "+026-01-31T12:00:00Z",
        ] {
            assert!(!is_time(bad), "{bad}");
        }
    }
}
