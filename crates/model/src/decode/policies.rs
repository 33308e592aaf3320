//! NetworkPolicies.

use bailiwick_core::Str;

use super::core::spec_and_status;
use super::network::{cidr, number, port_ref, protocol};
use super::node::Node;
use super::reader::{Context, Shape};
use super::roles::selector;
use crate::meta::ObjectMeta;
use crate::network::{IngressRule, NetworkPolicy, Peer, PolicyPort, PortRef};

const POLICY: Shape = Shape {
    what: "the spec of a NetworkPolicy",
    complete: true,
    fields: &[
        ("egress", ""),
        ("ingress", "it lets nothing in"),
        ("podSelector", "it is about every pod of the namespace"),
        ("policyTypes", "what it is about follows from its rules"),
    ],
};

const POLICY_RULE: Shape = Shape {
    what: "a rule of a NetworkPolicy",
    complete: true,
    fields: &[
        ("from", "it lets everybody in"),
        ("ports", "it lets traffic to every port in"),
    ],
};

const PEER: Shape = Shape {
    what: "a peer of a NetworkPolicy",
    complete: true,
    fields: &[
        ("ipBlock", ""),
        (
            "namespaceSelector",
            "the pods are those of its own namespace",
        ),
        ("podSelector", "all pods are let in"),
    ],
};

const IP_BLOCK: Shape = Shape {
    what: "a range of addresses",
    complete: true,
    fields: &[("cidr", ""), ("except", "none of them is excepted")],
};

const POLICY_PORT: Shape = Shape {
    what: "a port of a NetworkPolicy",
    complete: true,
    fields: &[
        ("endPort", "the range ends with its first port"),
        ("port", "it is every port"),
        ("protocol", "it talks TCP"),
    ],
};

pub(super) fn policy(cx: &mut Context<'_>, root: &Node<'_>, metadata: ObjectMeta) -> NetworkPolicy {
    spec_and_status(cx, root);
    let mut policy = NetworkPolicy {
        metadata,
        ingress: Some(Box::default()),
        ..NetworkPolicy::default()
    };
    let Some(spec) = cx.inner(root, "spec", &POLICY) else {
        return policy;
    };
    if let Some(node) = spec.field("podSelector") {
        policy.pods = selector(cx, &node);
    }
    let types = cx.texts(&spec, "policyTypes");
    let is_known = |name: &Str| matches!(&**name, "Ingress" | "Egress");
    if types.len() > 2 || !types.iter().all(is_known) {
        cx.refuse(
            &spec,
            "has an unknown type in `policyTypes`",
            "write `Ingress` or `Egress`",
        );
    }
    // Without types it is about traffic to pods, and about traffic from them where it has rules for that.
    let counts = types.is_empty() || types.iter().any(|name| &**name == "Ingress");
    let rules = cx.list(&spec, "ingress", policy_rule);
    policy.ingress = counts.then_some(rules);
    policy
}

fn policy_rule(cx: &mut Context<'_>, node: &Node<'_>) -> IngressRule {
    if !cx.mapping(node, &POLICY_RULE) {
        return IngressRule::default();
    }
    let mut from = Vec::new();
    cx.each(node, "from", |cx, item| from.extend(peer(cx, item)));
    IngressRule {
        from: from.into(),
        ports: cx.list(node, "ports", policy_port),
    }
}

/// A peer; `None` where it is refused.
fn peer(cx: &mut Context<'_>, node: &Node<'_>) -> Option<Peer> {
    if !cx.mapping(node, &PEER) {
        return None;
    }
    let namespaces = node
        .field("namespaceSelector")
        .map(|node| selector(cx, &node));
    let pods = node.field("podSelector").map(|node| selector(cx, &node));
    let by_labels = namespaces.is_some() || pods.is_some();
    let Some(block) = cx.inner(node, "ipBlock", &IP_BLOCK) else {
        if !by_labels {
            cx.refuse(
                node,
                "names nobody",
                "give it an `ipBlock`, a `podSelector` or a `namespaceSelector`",
            );
        }
        return by_labels.then_some(Peer::Pods { namespaces, pods });
    };
    if by_labels {
        cx.refuse(node, "names addresses and pods", "make two of it");
    }
    let text = cx.text(&block, "cidr");
    let cidr = cidr(cx, &block, &text)?;
    let mut except = Vec::new();
    cx.each(&block, "except", |cx, item| {
        let text = cx.plain_text(item).unwrap_or_default();
        let Some(range) = super::network::cidr(cx, item, text) else {
            return;
        };
        if !cidr.contains(range) || cidr.bits == range.bits {
            cx.refuse(item, "is not within the `cidr`, or all of it", "");
        }
        except.push(range);
    });
    Some(Peer::Addresses {
        cidr,
        except: except.into(),
    })
}

fn policy_port(cx: &mut Context<'_>, node: &Node<'_>) -> PolicyPort {
    if !cx.mapping(node, &POLICY_PORT) {
        return PolicyPort::default();
    }
    let port = port_ref(cx, node, "port");
    let end = number(cx, node, "endPort");
    let first = match &port {
        Some(PortRef::Number(first)) => Some(*first),
        _ => None,
    };
    if end.is_some_and(|end| first.is_none_or(|first| end < first)) {
        cx.refuse(node, "has an `endPort` that is not after its `port`", "");
    }
    PolicyPort {
        port,
        end,
        protocol: protocol(cx, node),
    }
}
