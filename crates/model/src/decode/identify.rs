//! Which kind an object says it is, and whether an API server knows it.

use bailiwick_core::Kind;
use bailiwick_diag::Severity;

use super::node::cut;
use super::{DecodedKind, Issue};
use crate::api;
use crate::spelling;
use crate::value::Value;

/// Versions that API servers no longer serve, of kinds that are read: group, version and the minor that ended them.
const ENDED: [(&str, &str, &str); 9] = [
    ("rbac.authorization.k8s.io", "v1beta1", "1.22"),
    ("rbac.authorization.k8s.io", "v1alpha1", "1.22"),
    ("apps", "v1beta1", "1.16"),
    ("apps", "v1beta2", "1.16"),
    ("batch", "v1beta1", "1.25"),
    ("batch", "v2alpha1", "1.21"),
    ("apiextensions.k8s.io", "v1beta1", "1.22"),
    ("networking.k8s.io", "v1beta1", "1.22"),
    ("extensions", "v1beta1", "1.16"),
];

/// Decides what `value` is. A kind that is read comes without an issue. A namespaced object that names no namespace is
/// one of `namespace`.
pub(super) fn identify(value: &Value, namespace: &str) -> (DecodedKind, Option<Issue>) {
    let text = |key| value.get(key).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    if let Some(issue) = missing(value, api_version, kind) {
        return (DecodedKind::Unknown, Some(issue));
    }
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let read = kind.parse::<Kind>().ok();
    if let Some(read) = read.filter(|kind| is_read(*kind, value, namespace)) {
        let is_read = version == "v1" || read.older_versions().contains(&version);
        if read.group() == group && is_read {
            return (DecodedKind::Read(read), None);
        }
        if let Some(issue) = wrong_version(read, group, version) {
            return (DecodedKind::Read(read), Some(issue));
        }
    }
    if api::is_kind(group, kind) {
        let (group, kind) = (group.into(), kind.into());
        return (DecodedKind::NotKept { group, kind }, None);
    }
    let reads = |kind: Kind| is_read(kind, value, namespace);
    (
        DecodedKind::Unknown,
        Some(unknown(group, version, kind, reads)),
    )
}

/// Whether objects of the kind are read, or this one is.
fn is_read(kind: Kind, value: &Value, namespace: &str) -> bool {
    let Some((in_namespace, name)) = kind.only() else {
        return true;
    };
    let metadata = value.get("metadata");
    let text = |key| metadata?.get(key)?.as_str().filter(|text| !text.is_empty());
    text("name") == Some(name) && text("namespace").unwrap_or(namespace) == in_namespace
}

fn lost(id: &'static str, pointer: &str, message: String, help: impl Into<String>) -> Issue {
    Issue {
        id,
        severity: Severity::High,
        pointer: pointer.to_owned(),
        message,
        help: Some(help.into()),
        lost: true,
    }
}

fn missing(value: &Value, api_version: &str, kind: &str) -> Option<Issue> {
    if value.as_object().is_none() {
        let message = format!(
            "a Kubernetes object must be a mapping, but this is {}",
            value.kind()
        );
        let help = "start with `apiVersion:` and `kind:`";
        return Some(lost("not-an-object", "", message, help));
    }
    let (key, help) = match (api_version, kind) {
        (_, "") => ("kind", "say what it is, such as `kind: Role`"),
        ("", _) => (
            "apiVersion",
            "say of which API it is, such as `apiVersion: v1`",
        ),
        _ => return None,
    };
    Some(match value.get(key) {
        None | Some(Value::Null) => lost(
            "not-an-object",
            "",
            format!("`{key}` is missing, so nobody can tell what this is"),
            help,
        ),
        Some(found) => lost(
            "not-an-object",
            &format!("/{key}"),
            match found {
                Value::String(_) => format!("`{key}` is empty, so nobody can tell what this is"),
                _ => format!("`{key}` must be a text, but it is {}", found.kind()),
            },
            help,
        ),
    })
}

/// What is wrong where the kind is one that is read, but group or version do not fit; nothing where it is a kind of
/// the same name in somebody else's group.
fn wrong_version(kind: Kind, group: &str, version: &str) -> Option<Issue> {
    let right = match kind.group() {
        "" => "v1".to_owned(),
        group => format!("{group}/v1"),
    };
    let said = if group.is_empty() {
        cut(version)
    } else {
        cut(&format!("{group}/{version}"))
    };
    let help = format!("write `apiVersion: {right}`");
    let ended = ENDED.iter().find(|(g, v, _)| {
        *g == group && *v == version && (*g == kind.group() || *g == "extensions")
    });
    if let Some((_, _, since)) = ended {
        // The others of its group went earlier.
        let since = match kind {
            Kind::Ingress => "1.22",
            _ => since,
        };
        return Some(lost(
            "removed-api-version",
            "/apiVersion",
            format!(
                "`{said}` of {kind} is gone since Kubernetes {since}: API servers refuse this object"
            ),
            help,
        ));
    }
    let mistaken = kind.group() == group
        || api::is_group(group)
        || spelling::nearest(group, [kind.group()]).is_some_and(|near| !near.is_empty());
    let taken = kind.group() != group && api::is_kind(group, kind.as_str());
    (mistaken && !taken).then(|| {
        lost(
            "wrong-api-version",
            "/apiVersion",
            format!("no API server knows a {kind} in `{said}`"),
            help,
        )
    })
}

fn unknown(group: &str, version: &str, kind: &str, reads: impl Fn(Kind) -> bool) -> Issue {
    let said = cut(kind);
    if !api::is_group(group) {
        return Issue {
            id: "custom-resource",
            severity: Severity::Info,
            pointer: "/kind".to_owned(),
            message: format!(
                "`{said}` of `{}` is no kind of Kubernetes itself and is not read",
                cut(&format!("{group}/{version}"))
            ),
            help: None,
            lost: false,
        };
    }
    let kinds = api::kinds(group);
    let meant = spelling::nearest(kind, kinds.iter().map(String::as_str));
    let read = meant.is_some_and(|meant| {
        meant
            .parse::<Kind>()
            .is_ok_and(|kind| kind.group() == group && reads(kind))
    });
    let list = kind.ends_with("List");
    // Whatever somebody meant in the group of roles and bindings, it was about access.
    let lost = read || list || group == bailiwick_core::names::RBAC_GROUP;
    let place = match group {
        "" => "the core API".to_owned(),
        group => format!("`{group}`"),
    };
    Issue {
        id: "unknown-kind",
        severity: if lost { Severity::High } else { Severity::Low },
        pointer: "/kind".to_owned(),
        message: format!("no API server knows the kind `{said}` in {place}"),
        help: match meant {
            _ if list => Some("a list holds its objects under `items`".to_owned()),
            Some(meant) if meant.eq_ignore_ascii_case(kind) => Some(format!(
                "write `{meant}`: upper and lower case matter in kinds"
            )),
            Some(meant) => Some(format!("did you mean `{meant}`?")),
            None => None,
        },
        lost,
    }
}
