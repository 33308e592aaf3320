//! Namespaces, nodes, service accounts and Secrets.

use super::names;
use super::node::Node;
use super::reader::{Context, Shape};
use crate::meta::ObjectMeta;
use crate::object::{Namespace, Node as ClusterNode, Secret, ServiceAccount, Taint};

const SPEC_AND_STATUS: Shape = Shape {
    what: "the object",
    complete: true,
    fields: &[
        ("apiVersion", ""),
        ("kind", ""),
        ("metadata", ""),
        ("spec", ""),
        ("status", ""),
    ],
};

const NODE: Shape = Shape {
    what: "the spec of a Node",
    complete: false,
    fields: &[
        ("providerID", "the node is in no cloud"),
        ("taints", "nothing keeps pods off the node"),
        // Not read, and close to one that is.
        ("podCIDR", ""),
        ("podCIDRs", ""),
    ],
};

const TAINT: Shape = Shape {
    what: "a taint",
    complete: true,
    fields: &[
        ("key", ""),
        ("value", ""),
        ("effect", ""),
        ("timeAdded", ""),
    ],
};

const NODE_STATUS: Shape = Shape {
    what: "the status of a Node",
    complete: false,
    fields: &[("nodeInfo", "")],
};

const NODE_INFO: Shape = Shape {
    what: "what a kubelet tells of its node",
    complete: false,
    fields: &[("kernelVersion", ""), ("containerRuntimeVersion", "")],
};

/// What a taint does to pods that do not tolerate it.
pub(super) const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

const SERVICE_ACCOUNT: Shape = Shape {
    what: "a ServiceAccount",
    complete: true,
    fields: &[
        ("apiVersion", ""),
        ("kind", ""),
        ("metadata", ""),
        ("secrets", ""),
        ("imagePullSecrets", ""),
        (
            "automountServiceAccountToken",
            "pods mount its token unless they say otherwise",
        ),
    ],
};

const OBJECT_REFERENCE: Shape = Shape {
    what: "a reference",
    complete: true,
    fields: &[
        ("apiVersion", ""),
        ("kind", ""),
        ("name", ""),
        ("namespace", ""),
        ("uid", ""),
        ("resourceVersion", ""),
        ("fieldPath", ""),
    ],
};

const LOCAL_REFERENCE: Shape = Shape {
    what: "a reference",
    complete: true,
    fields: &[("name", "")],
};

const SECRET: Shape = Shape {
    what: "a Secret",
    complete: true,
    fields: &[
        ("apiVersion", ""),
        ("kind", ""),
        ("metadata", ""),
        ("type", "the Secret is of type `Opaque`"),
        ("data", ""),
        ("stringData", ""),
        ("immutable", ""),
    ],
};

/// What the token of a service account is stored as.
const TOKEN_TYPE: &str = "kubernetes.io/service-account-token";

/// The annotation that names the service account.
const TOKEN_OWNER: &str = "kubernetes.io/service-account.name";

/// Notes fields beside `metadata`, `spec` and `status`; what stands in those is looked at elsewhere or not at all.
pub(super) fn spec_and_status(cx: &mut Context<'_>, root: &Node<'_>) {
    cx.mapping(root, &SPEC_AND_STATUS);
    for key in ["spec", "status"] {
        const ANY: Shape = Shape {
            what: "",
            complete: false,
            fields: &[],
        };
        cx.inner(root, key, &ANY);
    }
}

pub(super) fn namespace(cx: &mut Context<'_>, root: &Node<'_>, metadata: ObjectMeta) -> Namespace {
    spec_and_status(cx, root);
    Namespace { metadata }
}

pub(super) fn node(cx: &mut Context<'_>, root: &Node<'_>, metadata: ObjectMeta) -> ClusterNode {
    spec_and_status(cx, root);
    let mut node = ClusterNode {
        metadata,
        ..ClusterNode::default()
    };
    if let Some(spec) = cx.inner(root, "spec", &NODE) {
        node.provider_id = cx.text(&spec, "providerID");
        node.taints = cx.list(&spec, "taints", taint);
    }
    if let Some(status) = cx.inner(root, "status", &NODE_STATUS)
        && let Some(info) = cx.inner(&status, "nodeInfo", &NODE_INFO)
    {
        node.kernel = cx.text(&info, "kernelVersion");
        node.runtime = cx.text(&info, "containerRuntimeVersion");
    }
    node
}

fn taint(cx: &mut Context<'_>, node: &Node<'_>) -> Taint {
    cx.mapping(node, &TAINT);
    let taint = Taint {
        key: cx.text(node, "key"),
        value: cx.text(node, "value"),
        effect: cx.text(node, "effect"),
    };
    if let Some(problem) = names::qualified_name(&taint.key) {
        cx.refuse(node, &format!("has a `key` that {problem}"), "");
    }
    if !EFFECTS.contains(&&*taint.effect) {
        let help = "write `NoSchedule`, `PreferNoSchedule` or `NoExecute`";
        cx.refuse(node, "has no such `effect`", help);
    }
    taint
}

pub(super) fn service_account(
    cx: &mut Context<'_>,
    root: &Node<'_>,
    metadata: ObjectMeta,
) -> ServiceAccount {
    cx.mapping(root, &SERVICE_ACCOUNT);
    cx.each(root, "imagePullSecrets", |cx, item| {
        if cx.mapping(item, &LOCAL_REFERENCE) {
            cx.text(item, "name");
        }
    });
    ServiceAccount {
        metadata,
        automount_service_account_token: cx.flag(root, "automountServiceAccountToken"),
        secrets: cx.list(root, "secrets", |cx, item| {
            cx.mapping(item, &OBJECT_REFERENCE);
            cx.text(item, "name")
        }),
    }
}

/// A Secret. Its contents are looked at for what the API server would refuse and then left behind; no message holds
/// any of them.
pub(super) fn secret(cx: &mut Context<'_>, root: &Node<'_>, metadata: ObjectMeta) -> Secret {
    cx.mapping(root, &SECRET);
    cx.flag(root, "immutable");
    for field in ["data", "stringData"] {
        cx.text_map(root, field, |cx, at, key, value| {
            if let Some(problem) = names::data_key(key) {
                cx.refuse(at, &format!("has a key that {problem}"), "");
            } else if field == "data" && !is_base64(value) {
                cx.refuse(
                    at,
                    "is not base64",
                    "encode it, or put it under `stringData` as it is",
                );
            }
            false
        });
    }
    let secret = Secret {
        secret_type: cx.text(root, "type"),
        metadata,
    };
    let owner = secret.metadata.annotation(TOKEN_OWNER).unwrap_or_default();
    if *secret.secret_type == *TOKEN_TYPE && owner.is_empty() {
        cx.refuse_missing(
            &root.field("metadata").unwrap_or(*root),
            "annotations",
            "name the service account in the annotation `kubernetes.io/service-account.name`",
        );
    }
    secret
}

/// Standard base64 with padding; line ends are ignored, as Go's reader does.
fn is_base64(text: &str) -> bool {
    let mut letters = 0_usize;
    let mut padding = 0_usize;
    for byte in text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')) {
        match byte {
            b'=' => padding += 1,
            _ if padding > 0 => return false,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => letters += 1,
            _ => return false,
        }
    }
    padding <= 2 && (letters + padding).is_multiple_of(4) && letters % 4 != 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_go_reads_it() {
        for good in ["", "YQ==", "YWI=", "YWJj", "YW\nJj\r\n", "+/+/"] {
            assert!(is_base64(good), "{good:?}");
        }
        for bad in [
            "Y", "YQ", "YQ=", "YQ===", "=YQ=", "Y Q=", "YWJj=", "-_-_", "YQ==YQ==",
        ] {
            assert!(!is_base64(bad), "{bad:?}");
        }
    }
}
