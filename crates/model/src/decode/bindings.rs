use bailiwick_core::Kind;
use bailiwick_core::names::RBAC_GROUP;

use super::names;
use super::node::Node;
use super::reader::{Context, Shape};
use crate::meta::ObjectMeta;
use crate::rbac::{Binding, BindingSubject, RoleRef};

const BINDING: Shape = Shape {
    what: "a binding",
    complete: true,
    fields: &[
        ("apiVersion", ""),
        ("kind", ""),
        ("metadata", ""),
        ("roleRef", ""),
        ("subjects", "the binding gives its role to nobody"),
    ],
};

const ROLE_REF: Shape = Shape {
    what: "`roleRef`",
    complete: true,
    fields: &[("apiGroup", ""), ("kind", ""), ("name", "")],
};

const SUBJECT: Shape = Shape {
    what: "a subject",
    complete: true,
    fields: &[
        ("kind", ""),
        ("apiGroup", ""),
        ("name", ""),
        (
            "namespace",
            "a service account of the binding's own namespace is meant",
        ),
    ],
};

/// A RoleBinding or ClusterRoleBinding as upstream's `pkg/apis/rbac/validation` judges it, after the defaults of
/// `pkg/apis/rbac/v1/defaults.go`.
pub(super) fn binding(cx: &mut Context<'_>, root: &Node<'_>, metadata: ObjectMeta) -> Binding {
    cx.mapping(root, &BINDING);
    Binding {
        metadata,
        role_ref: role_ref(cx, root),
        subjects: cx.list(root, "subjects", subject),
    }
}

fn role_ref(cx: &mut Context<'_>, root: &Node<'_>) -> RoleRef {
    let empty = Node::root(&crate::value::Value::Null);
    let Some(node) = cx.inner(root, "roleRef", &ROLE_REF) else {
        // A `roleRef` of a wrong type is noted already.
        if root.field("roleRef").is_none() {
            cx.refuse_missing(root, "roleRef", "name the role that the binding gives");
        }
        return RoleRef {
            name: cx.text(&empty, "name"),
            ..RoleRef::default()
        };
    };
    let mut role_ref = RoleRef {
        api_group: cx.text(&node, "apiGroup"),
        kind: cx.text(&node, "kind"),
        name: cx.text(&node, "name"),
    };
    if role_ref.api_group.is_empty() {
        role_ref.api_group = cx.intern(RBAC_GROUP);
    }
    group(cx, &node, &role_ref.api_group, RBAC_GROUP);
    match (&*role_ref.kind, cx.kind) {
        ("ClusterRole", _) | ("Role", Kind::RoleBinding) => {}
        ("Role", _) => cx.refuse(
            &node,
            "names a Role, which a ClusterRoleBinding cannot give",
            "name a ClusterRole, or make this a RoleBinding in the Role's namespace",
        ),
        _ => cx.refuse(
            &node,
            "has a `kind` that is no kind of role",
            "write `ClusterRole`, or in a RoleBinding also `Role`; upper and lower case matter",
        ),
    }
    if role_ref.name.is_empty() {
        cx.refuse_missing(&node, "name", "name the role that the binding gives");
    } else if let Some(problem) = names::path_segment(&role_ref.name) {
        cx.refuse(&node, &format!("has a `name` that {problem}"), "");
    }
    role_ref
}

fn group(cx: &mut Context<'_>, node: &Node<'_>, found: &str, wanted: &str) {
    if found == wanted {
        return;
    }
    let reason = if found == format!("{RBAC_GROUP}/v1") {
        "has an `apiGroup` with a version in it"
    } else {
        "has an `apiGroup` that does not belong to its kind"
    };
    let help = match wanted {
        "" => "remove `apiGroup`: service accounts are in the core group".to_owned(),
        _ => format!("write `apiGroup: {wanted}`"),
    };
    cx.refuse(node, reason, &help);
}

fn subject(cx: &mut Context<'_>, node: &Node<'_>) -> BindingSubject {
    if !cx.mapping(node, &SUBJECT) {
        return BindingSubject::default();
    }
    let mut subject = BindingSubject {
        kind: cx.text(node, "kind"),
        api_group: cx.text(node, "apiGroup"),
        name: cx.text(node, "name"),
        namespace: cx.text(node, "namespace"),
    };
    if subject.name.is_empty() {
        cx.refuse_missing(node, "name", "name the subject");
    }
    match &*subject.kind {
        "User" | "Group" => {
            if subject.api_group.is_empty() {
                subject.api_group = cx.intern(RBAC_GROUP);
            }
            group(cx, node, &subject.api_group, RBAC_GROUP);
        }
        "ServiceAccount" => {
            group(cx, node, &subject.api_group, "");
            service_account(cx, node, &subject);
        }
        _ => cx.refuse(
            node,
            "has a `kind` that is no kind of subject",
            "write `User`, `Group` or `ServiceAccount`; upper and lower case matter",
        ),
    }
    subject
}

fn service_account(cx: &mut Context<'_>, node: &Node<'_>, subject: &BindingSubject) {
    if let Some(problem) = names::dns_subdomain(&subject.name).filter(|_| !subject.name.is_empty())
    {
        let help = if subject
            .name
            .starts_with(bailiwick_core::names::SERVICE_ACCOUNT_USER_PREFIX)
        {
            "write the service account's name and its namespace in fields of their own, or use `kind: User`"
        } else {
            ""
        };
        cx.refuse(node, &format!("has a `name` that {problem}"), help);
    }
    if cx.kind == Kind::ClusterRoleBinding && subject.namespace.is_empty() {
        cx.refuse_missing(
            node,
            "namespace",
            "name the service account's namespace: a ClusterRoleBinding has none of its own",
        );
    }
}
