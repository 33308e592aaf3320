use bailiwick_core::Kind;

use super::names;
use super::node::Node;
use super::reader::{Context, Shape};
use crate::meta::ObjectMeta;
use crate::rbac::{LabelSelector, PolicyRule, Requirement, Role};

const ROLE: Shape = Shape {
    what: "a Role",
    complete: true,
    fields: &[
        ("apiVersion", ""),
        ("kind", ""),
        ("metadata", ""),
        ("rules", "the role allows nothing"),
    ],
};

const CLUSTER_ROLE: Shape = Shape {
    what: "a ClusterRole",
    complete: true,
    fields: &[
        ("apiVersion", ""),
        ("kind", ""),
        ("metadata", ""),
        ("rules", "the role allows nothing"),
        ("aggregationRule", "the role gathers no rules from others"),
    ],
};

const RULE: Shape = Shape {
    what: "a rule",
    complete: true,
    fields: &[
        ("verbs", ""),
        ("apiGroups", ""),
        ("resources", ""),
        (
            "resourceNames",
            "the rule applies to all objects instead of the named ones",
        ),
        ("nonResourceURLs", ""),
    ],
};

const AGGREGATION: Shape = Shape {
    what: "an aggregation rule",
    complete: true,
    fields: &[("clusterRoleSelectors", "")],
};

/// An empty selector matches everything, so whatever gets lost here widens.
const SELECTOR: Shape = Shape {
    what: "a label selector",
    complete: true,
    fields: &[
        (
            "matchLabels",
            "the selector matches more objects, with nothing left in it all of them",
        ),
        (
            "matchExpressions",
            "the selector matches more objects, with nothing left in it all of them",
        ),
    ],
};

const REQUIREMENT: Shape = Shape {
    what: "a requirement of a selector",
    complete: true,
    fields: &[("key", ""), ("operator", ""), ("values", "")],
};

/// A Role or ClusterRole as upstream's `pkg/apis/rbac/validation` judges it.
pub(super) fn role(cx: &mut Context<'_>, root: &Node<'_>, metadata: ObjectMeta) -> Role {
    let cluster = cx.kind == Kind::ClusterRole;
    cx.mapping(root, if cluster { &CLUSTER_ROLE } else { &ROLE });
    Role {
        metadata,
        rules: cx.list(root, "rules", rule),
        aggregation: if cluster { aggregation(cx, root) } else { None },
    }
}

fn rule(cx: &mut Context<'_>, node: &Node<'_>) -> PolicyRule {
    if !cx.mapping(node, &RULE) {
        return PolicyRule::default();
    }
    let rule = PolicyRule {
        verbs: cx.texts(node, "verbs"),
        api_groups: cx.texts(node, "apiGroups"),
        resources: cx.texts(node, "resources"),
        resource_names: cx.texts(node, "resourceNames"),
        non_resource_urls: cx.texts(node, "nonResourceURLs"),
    };
    judge(cx, node, &rule);
    rule
}

fn judge(cx: &mut Context<'_>, node: &Node<'_>, rule: &PolicyRule) {
    if rule.verbs.is_empty() {
        cx.refuse_missing(node, "verbs", "name at least one verb, or `\"*\"` for all");
    }
    if let Some(urls) = node
        .field("nonResourceURLs")
        .filter(|_| !rule.non_resource_urls.is_empty())
    {
        if cx.kind == Kind::Role {
            cx.refuse(
                &urls,
                "cannot stand in a Role: paths belong to no namespace",
                "move the rule to a ClusterRole and bind it with a ClusterRoleBinding",
            );
        }
        let resources = [&rule.api_groups, &rule.resources, &rule.resource_names];
        if resources.iter().any(|list| !list.is_empty()) {
            cx.refuse(
                &urls,
                "stands in one rule with resources",
                "make two rules of it, one for the paths and one for the resources",
            );
        }
        return;
    }
    if rule.api_groups.is_empty() {
        cx.refuse_missing(
            node,
            "apiGroups",
            "name the API group; `\"\"` is the core group, of pods and secrets",
        );
    }
    if rule.resources.is_empty() {
        cx.refuse_missing(
            node,
            "resources",
            "name at least one resource, or `nonResourceURLs`",
        );
    }
}

fn aggregation(cx: &mut Context<'_>, root: &Node<'_>) -> Option<Box<[LabelSelector]>> {
    let node = cx.inner(root, "aggregationRule", &AGGREGATION)?;
    let selectors = cx.list(&node, "clusterRoleSelectors", selector);
    if selectors.is_empty() {
        cx.refuse_missing(
            &node,
            "clusterRoleSelectors",
            "name at least one selector, or remove `aggregationRule`",
        );
    }
    Some(selectors)
}

pub(super) fn selector(cx: &mut Context<'_>, node: &Node<'_>) -> LabelSelector {
    if !cx.mapping(node, &SELECTOR) {
        return LabelSelector::default();
    }
    LabelSelector {
        match_labels: cx.text_map(node, "matchLabels", |cx, at, key, value| {
            if let Some(problem) = names::qualified_name(key).or_else(|| names::label_value(value))
            {
                cx.refuse(at, problem, "");
            }
            true
        }),
        match_expressions: cx.list(node, "matchExpressions", requirement),
    }
}

fn requirement(cx: &mut Context<'_>, node: &Node<'_>) -> Requirement {
    if !cx.mapping(node, &REQUIREMENT) {
        return Requirement::default();
    }
    let requirement = Requirement {
        key: cx.text(node, "key"),
        operator: cx.text(node, "operator"),
        values: cx.texts(node, "values"),
    };
    if let Some(problem) = names::qualified_name(&requirement.key) {
        cx.refuse(node, &format!("has a `key` that {problem}"), "");
    }
    if let Some(problem) = requirement
        .values
        .iter()
        .find_map(|value| names::label_value(value))
    {
        cx.refuse(node, &format!("has a value that {problem}"), "");
    }
    match (&*requirement.operator, requirement.values.is_empty()) {
        ("In" | "NotIn", true) => {
            cx.refuse_missing(
                node,
                "values",
                "`In` and `NotIn` compare with values: name some",
            );
        }
        ("Exists" | "DoesNotExist", false) => cx.refuse(
            node,
            "has values, which `Exists` and `DoesNotExist` do not take",
            "remove the values, or write `In` or `NotIn`",
        ),
        ("In" | "NotIn" | "Exists" | "DoesNotExist", _) => {}
        _ => cx.refuse(
            node,
            "has an unknown `operator`",
            "write `In`, `NotIn`, `Exists` or `DoesNotExist`",
        ),
    }
    requirement
}
