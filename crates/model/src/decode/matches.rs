//! Which requests webhooks and policies of admission are about.

use bailiwick_core::{Kind, Str};

use super::names;
use super::node::Node;
use super::reader::{Context, Shape};
use super::roles::selector;
use crate::admission::{MatchResources, ResourceRule};

/// What policies and their bindings are about. A webhook has the same among its own fields, with other names.
pub(super) const RESOURCES: Shape = Shape {
    what: "what a policy is about",
    complete: true,
    fields: &[
        ("excludeResourceRules", "nothing is excepted"),
        ("matchPolicy", ""),
        ("namespaceSelector", "it is about every namespace"),
        ("objectSelector", "it is about every object"),
        ("resourceRules", ""),
    ],
};

macro_rules! rule {
    ($($more:expr),*) => {
        Shape {
            what: "a rule of admission",
            complete: true,
            fields: &[
                ("apiGroups", ""),
                ("apiVersions", ""),
                ("operations", ""),
                ("resources", ""),
                ("scope", "it is about objects inside and outside of namespaces"),
                $($more),*
            ],
        }
    };
}

const RULE: Shape = rule!();
const NAMED_RULE: Shape = rule!(("resourceNames", "it is about objects of every name"));

/// What stands below `node`, with the rules in the list `rules`.
pub(super) fn matches(cx: &mut Context<'_>, node: &Node<'_>, rules: &str) -> MatchResources {
    let mut found = MatchResources {
        rules: cx.list(node, rules, rule),
        except: cx.list(node, "excludeResourceRules", rule),
        ..MatchResources::default()
    };
    if let Some(labels) = node.field("namespaceSelector") {
        found.namespaces = selector(cx, &labels);
    }
    if let Some(labels) = node.field("objectSelector") {
        found.objects = selector(cx, &labels);
    }
    match &*cx.text(node, "matchPolicy") {
        "" | "Equivalent" => {}
        "Exact" => found.exact = true,
        _ => {
            let help = "write `Equivalent` or `Exact`";
            cx.refuse(node, "has no such `matchPolicy`", help);
        }
    }
    found
}

/// One kind of request (upstream `pkg/apis/admissionregistration/validation`).
fn rule(cx: &mut Context<'_>, node: &Node<'_>) -> ResourceRule {
    let of_webhook = matches!(
        cx.kind,
        Kind::ValidatingWebhookConfiguration | Kind::MutatingWebhookConfiguration
    );
    let shape = if of_webhook { &RULE } else { &NAMED_RULE };
    if !cx.mapping(node, shape) {
        return ResourceRule::default();
    }
    let rule = ResourceRule {
        operations: cx.texts(node, "operations"),
        groups: cx.texts(node, "apiGroups"),
        versions: cx.texts(node, "apiVersions"),
        resources: cx.texts(node, "resources"),
        names: cx.texts(node, "resourceNames"),
        scope: cx.text(node, "scope"),
    };
    for (key, list) in [
        ("operations", &rule.operations),
        ("apiGroups", &rule.groups),
        ("apiVersions", &rule.versions),
        ("resources", &rule.resources),
    ] {
        judge(cx, node, key, list);
    }
    if resources_overlap(&rule.resources) {
        let reason = "has `resources` of which one holds another";
        cx.refuse(node, reason, "leave out those that a `*` holds already");
    }
    if !matches!(&*rule.scope, "" | "*" | "Cluster" | "Namespaced") {
        let help = "write `Cluster`, `Namespaced` or `\"*\"`";
        cx.refuse(node, "has no such `scope`", help);
    }
    let mut sorted: Vec<&Str> = rule.names.iter().collect();
    sorted.sort();
    sorted.dedup();
    let bad = |name: &&Str| name.is_empty() || names::path_segment(name).is_some();
    if sorted.len() != rule.names.len() || rule.names.iter().any(|name| bad(&name)) {
        let reason = "has `resourceNames` that are no names, or one of them twice";
        cx.refuse(node, reason, "");
    }
    rule
}

fn judge(cx: &mut Context<'_>, node: &Node<'_>, key: &str, list: &[Str]) {
    if list.is_empty() {
        return cx.refuse_missing(node, key, "name at least one, or `\"*\"` for all");
    }
    let all = list.iter().any(|own| &**own == "*");
    if all && list.len() > 1 && key != "resources" {
        let reason = format!("has others in `{key}` beside `*`");
        cx.refuse(node, &reason, "leave them out, or `*`");
    }
    let is_operation =
        |own: &Str| matches!(&**own, "*" | "CREATE" | "UPDATE" | "DELETE" | "CONNECT");
    let bad = |own: &Str| match key {
        "operations" => !is_operation(own),
        "apiGroups" => false,
        _ => own.is_empty(),
    };
    if list.iter().any(bad) {
        let help = match key {
            "operations" => "write `CREATE`, `UPDATE`, `DELETE`, `CONNECT` or `\"*\"`",
            _ => "name it",
        };
        cx.refuse(node, &format!("has an entry in `{key}` that is none"), help);
    }
}

/// Whether a `*` among resources comes with what it holds. The API server looks at them in order, and at a
/// subresource only after the `*` that holds it.
fn resources_overlap(resources: &[Str]) -> bool {
    let single = resources.iter().any(|own| &**own == "*");
    // Upstream keeps this of the last resource without a subresource alone.
    let plain = resources.iter().rev().find(|own| !own.contains('/'));
    let mut held: Vec<(&str, &str)> = Vec::new();
    let mut overlap = resources.len() > 1 && resources.iter().any(|own| &**own == "*/*");
    overlap |= single && plain.is_some_and(|own| &**own != "*");
    for (resource, sub) in resources.iter().filter_map(|own| own.split_once('/')) {
        overlap |= held.contains(&(resource, "*")) || held.contains(&("*", sub));
        held.push((resource, sub));
    }
    overlap
}
