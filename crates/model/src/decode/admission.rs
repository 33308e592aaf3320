//! Webhooks and policies of admission, and bindings of policies.

use bailiwick_core::{Kind, Str};

use super::core::spec_and_status;
use super::matches::matches;
use super::names;
use super::node::Node;
use super::reader::{Context, Shape};
use super::roles::selector;
use crate::admission::{
    AdmissionBinding, AdmissionPolicy, MatchResources, ParamRef, Webhook, WebhookConfiguration,
};
use crate::meta::ObjectMeta;

const CONFIGURATION: Shape = Shape {
    what: "a configuration of webhooks",
    complete: true,
    fields: &[
        ("apiVersion", ""),
        ("kind", ""),
        ("metadata", ""),
        ("webhooks", "nothing is asked of it"),
    ],
};

macro_rules! webhook {
    ($($more:expr),*) => {
        Shape {
            what: "a webhook",
            complete: true,
            fields: &[
                ("name", ""),
                ("clientConfig", ""),
                ("failurePolicy", "objects are refused where it does not answer"),
                ("admissionReviewVersions", ""),
                ("matchConditions", ""),
                ("matchPolicy", ""),
                ("namespaceSelector", "the webhook is asked in every namespace"),
                ("objectSelector", "the webhook is asked about every object"),
                ("rules", "the webhook is asked about nothing"),
                ("sideEffects", ""),
                ("timeoutSeconds", ""),
                $($more),*
            ],
        }
    };
}

const VALIDATING_WEBHOOK: Shape = webhook!();
const MUTATING_WEBHOOK: Shape = webhook!(("reinvocationPolicy", ""));

const CLIENT: Shape = Shape {
    what: "the place of a webhook",
    complete: true,
    fields: &[("url", ""), ("service", ""), ("caBundle", "")],
};

const SERVICE: Shape = Shape {
    what: "a reference to a Service",
    complete: true,
    fields: &[("namespace", ""), ("name", ""), ("path", ""), ("port", "")],
};

const VALIDATING_POLICY: Shape = Shape {
    what: "the spec of a ValidatingAdmissionPolicy",
    complete: true,
    fields: &[
        ("auditAnnotations", ""),
        (
            "failurePolicy",
            "objects are refused where it cannot be evaluated",
        ),
        ("matchConditions", "the policy is about more"),
        ("matchConstraints", ""),
        ("paramKind", "the policy has no parameters"),
        ("validations", "the policy refuses nothing"),
        ("variables", ""),
    ],
};

const MUTATING_POLICY: Shape = Shape {
    what: "the spec of a MutatingAdmissionPolicy",
    complete: true,
    fields: &[
        (
            "failurePolicy",
            "objects are refused where it cannot be evaluated",
        ),
        ("matchConditions", "the policy is about more"),
        ("matchConstraints", ""),
        ("mutations", ""),
        ("paramKind", "the policy has no parameters"),
        ("reinvocationPolicy", ""),
        ("variables", ""),
    ],
};

const PARAM_KIND: Shape = Shape {
    what: "the kind of a policy's parameters",
    complete: true,
    fields: &[("apiVersion", ""), ("kind", "")],
};

macro_rules! binding {
    ($what:literal $(, $more:expr)*) => {
        Shape {
            what: $what,
            complete: true,
            fields: &[
                ("matchResources", "the binding is about everything that its policy is about"),
                ("paramRef", "the policy is evaluated without parameters"),
                ("policyName", ""),
                $($more),*
            ],
        }
    };
}

const VALIDATING_BINDING: Shape = binding!(
    "the spec of a ValidatingAdmissionPolicyBinding",
    ("validationActions", "")
);
const MUTATING_BINDING: Shape = binding!("the spec of a MutatingAdmissionPolicyBinding");

const PARAM_REF: Shape = Shape {
    what: "a reference to parameters",
    complete: true,
    fields: &[
        ("name", ""),
        ("namespace", "they are those of the request's namespace"),
        ("parameterNotFoundAction", ""),
        ("selector", ""),
    ],
};

/// Any mapping; its other fields are not read.
const MAPPING: Shape = Shape {
    what: "a mapping",
    complete: false,
    fields: &[],
};

pub(super) fn webhooks(
    cx: &mut Context<'_>,
    root: &Node<'_>,
    metadata: ObjectMeta,
) -> WebhookConfiguration {
    cx.mapping(root, &CONFIGURATION);
    let webhooks = cx.list(root, "webhooks", webhook);
    WebhookConfiguration {
        metadata,
        mutating: cx.kind == Kind::MutatingWebhookConfiguration,
        webhooks,
    }
}

fn webhook(cx: &mut Context<'_>, node: &Node<'_>) -> Webhook {
    let shape = match cx.kind {
        Kind::MutatingWebhookConfiguration => &MUTATING_WEBHOOK,
        _ => &VALIDATING_WEBHOOK,
    };
    if !cx.mapping(node, shape) {
        return Webhook::default();
    }
    let mut webhook = Webhook {
        name: cx.text(node, "name"),
        matches: matches(cx, node, "rules"),
        fails_open: fails_open(cx, node),
        ..Webhook::default()
    };
    if webhook.name.split('.').count() < 3 || names::dns_subdomain(&webhook.name).is_some() {
        let help = "give it a `name` of at least three parts, such as `pods.shop.example`";
        cx.refuse(node, "has no full name", help);
    }
    let Some(client) = cx.inner(node, "clientConfig", &CLIENT) else {
        cx.refuse_missing(node, "clientConfig", "say where the webhook is");
        return webhook;
    };
    let url = cx.text(&client, "url");
    let service = cx.inner(&client, "service", &SERVICE);
    if url.is_empty() == service.is_none() {
        cx.refuse(
            &client,
            "must have a `url` or a `service`, and not both",
            "",
        );
    }
    if let Some(service) = service {
        webhook.service_namespace = cx.text(&service, "namespace");
        webhook.service_name = cx.text(&service, "name");
        for (key, text) in [
            ("namespace", &webhook.service_namespace),
            ("name", &webhook.service_name),
        ] {
            if text.is_empty() {
                cx.refuse_missing(&service, key, "name the Service");
            }
        }
    }
    webhook
}

/// Whether objects pass where a webhook does not answer, or a policy cannot be evaluated.
fn fails_open(cx: &mut Context<'_>, node: &Node<'_>) -> bool {
    let policy = cx.text(node, "failurePolicy");
    if !matches!(&*policy, "" | "Fail" | "Ignore") {
        let help = "write `Fail` or `Ignore`";
        cx.refuse(node, "has no such `failurePolicy`", help);
    }
    &*policy == "Ignore"
}

pub(super) fn policy(
    cx: &mut Context<'_>,
    root: &Node<'_>,
    metadata: ObjectMeta,
) -> AdmissionPolicy {
    spec_and_status(cx, root);
    let mutating = cx.kind == Kind::MutatingAdmissionPolicy;
    let mut policy = AdmissionPolicy {
        metadata,
        mutating,
        ..AdmissionPolicy::default()
    };
    let shape = if mutating {
        &MUTATING_POLICY
    } else {
        &VALIDATING_POLICY
    };
    let Some(spec) = cx.inner(root, "spec", shape) else {
        cx.refuse_missing(root, "spec", "say what the policy is about");
        return policy;
    };
    policy.fails_open = fails_open(cx, &spec);
    policy.matches = constraints(cx, &spec, mutating);
    policy.param_kind = param_kind(cx, &spec);
    let reads_claims = &mut policy.by_claims;
    for list in ["variables", "matchConditions"] {
        expressions(cx, &spec, list, reads_claims);
    }
    if mutating {
        policy.judges = mutations(cx, &spec, reads_claims);
        let again = cx.text(&spec, "reinvocationPolicy");
        if !matches!(&*again, "Never" | "IfNeeded") {
            let help = "write `Never` or `IfNeeded`";
            cx.refuse(&spec, "has no such `reinvocationPolicy`", help);
        }
        if !policy.judges {
            cx.refuse_missing(&spec, "mutations", "say what the policy changes");
        }
        return policy;
    }
    policy.judges = expressions(cx, &spec, "validations", reads_claims);
    policy.annotates = expressions(cx, &spec, "auditAnnotations", reads_claims);
    if !policy.judges && !policy.annotates {
        cx.refuse_missing(&spec, "validations", "say what the policy refuses");
    }
    policy
}

fn constraints(cx: &mut Context<'_>, spec: &Node<'_>, mutating: bool) -> MatchResources {
    let Some(node) = cx.inner(spec, "matchConstraints", &super::matches::RESOURCES) else {
        cx.refuse_missing(spec, "matchConstraints", "say what the policy is about");
        return MatchResources::default();
    };
    let found = matches(cx, &node, "resourceRules");
    if found.rules.is_empty() {
        cx.refuse_missing(&node, "resourceRules", "name at least one resource");
    }
    refuse_deletion(cx, &node, &found, mutating);
    found
}

/// What is deleted cannot be changed first.
fn refuse_deletion(cx: &mut Context<'_>, node: &Node<'_>, found: &MatchResources, mutating: bool) {
    let mut operations = found.rules.iter().flat_map(|rule| &rule.operations);
    if mutating && operations.any(|operation| &**operation == "DELETE") {
        cx.refuse(node, "is about deletions, which nothing can change", "");
    }
}

fn param_kind(cx: &mut Context<'_>, spec: &Node<'_>) -> Option<(Str, Str)> {
    let node = cx.inner(spec, "paramKind", &PARAM_KIND)?;
    let (version, kind) = (cx.text(&node, "apiVersion"), cx.text(&node, "kind"));
    for (key, text) in [("apiVersion", &version), ("kind", &kind)] {
        if text.is_empty() {
            cx.refuse_missing(&node, key, "name the kind, as an object of it does");
        }
    }
    Some((version, kind))
}

/// Whether there are expressions in a list. Notes whether one reads the UID or extra values of the user.
fn expressions(cx: &mut Context<'_>, spec: &Node<'_>, list: &str, reads_claims: &mut bool) -> bool {
    let mut any = false;
    cx.each(spec, list, |cx, item| {
        any = true;
        if !cx.mapping(item, &MAPPING) {
            return;
        }
        let key = match list {
            "auditAnnotations" => "valueExpression",
            _ => "expression",
        };
        expression(cx, item, key, reads_claims);
        *reads_claims |= by_claims(&cx.text(item, "messageExpression"));
    });
    any
}

fn expression(cx: &mut Context<'_>, node: &Node<'_>, key: &str, reads_claims: &mut bool) {
    let text = cx.text(node, key);
    if text.trim().is_empty() {
        cx.refuse_missing(node, key, "write an expression");
    }
    *reads_claims |= by_claims(&text);
}

/// Whether an expression reads more of the user than name and groups. One that takes the user as a whole may.
fn by_claims(expression: &str) -> bool {
    let users = expression.match_indices("userInfo");
    let mut after = users.filter_map(|(at, word)| expression.get(at + word.len()..));
    after.any(|rest| {
        let rest = rest.trim_start();
        let rest = rest.strip_prefix('.').or(rest.strip_prefix("?."));
        !rest.is_some_and(|field| field.starts_with("username") || field.starts_with("groups"))
    })
}

fn mutations(cx: &mut Context<'_>, spec: &Node<'_>, reads_claims: &mut bool) -> bool {
    let mut any = false;
    cx.each(spec, "mutations", |cx, item| {
        any = true;
        if !cx.mapping(item, &MAPPING) {
            return;
        }
        let (key, other) = match &*cx.text(item, "patchType") {
            "JSONPatch" => ("jsonPatch", "applyConfiguration"),
            "ApplyConfiguration" => ("applyConfiguration", "jsonPatch"),
            _ => {
                let help = "write `ApplyConfiguration` or `JSONPatch`";
                return cx.refuse(item, "has no such `patchType`", help);
            }
        };
        if item.field(other).is_some() {
            cx.refuse(item, "holds patches of two types", "remove one of them");
        }
        match cx.inner(item, key, &MAPPING) {
            Some(patch) => expression(cx, &patch, "expression", reads_claims),
            None => cx.refuse_missing(item, key, "say what is changed"),
        }
    });
    any
}

pub(super) fn binding(
    cx: &mut Context<'_>,
    root: &Node<'_>,
    metadata: ObjectMeta,
) -> AdmissionBinding {
    spec_and_status(cx, root);
    let mutating = cx.kind == Kind::MutatingAdmissionPolicyBinding;
    let mut binding = AdmissionBinding {
        metadata,
        mutating,
        denies: mutating,
        ..AdmissionBinding::default()
    };
    let shape = if mutating {
        &MUTATING_BINDING
    } else {
        &VALIDATING_BINDING
    };
    let Some(spec) = cx.inner(root, "spec", shape) else {
        cx.refuse_missing(root, "spec", "name the policy");
        return binding;
    };
    binding.policy = cx.text(&spec, "policyName");
    if names::dns_subdomain(&binding.policy).is_some() {
        cx.refuse_missing(&spec, "policyName", "name the policy");
    }
    binding.param = param_ref(cx, &spec);
    if let Some(node) = cx.inner(&spec, "matchResources", &super::matches::RESOURCES) {
        binding.matches = matches(cx, &node, "resourceRules");
        refuse_deletion(cx, &node, &binding.matches, mutating);
    }
    if !mutating {
        binding.denies = denies(cx, &spec);
    }
    binding
}

/// Whether what a policy finds wrong is refused.
fn denies(cx: &mut Context<'_>, spec: &Node<'_>) -> bool {
    let actions = cx.texts(spec, "validationActions");
    let has = |wanted: &str| actions.iter().any(|action| &**action == wanted);
    let help = "write `Deny`, `Warn`, `Audit`, or one of the first two with the third";
    if actions.is_empty() {
        cx.refuse_missing(spec, "validationActions", help);
    }
    let is_known = |action: &&Str| matches!(&***action, "Deny" | "Warn" | "Audit");
    let mut own: Vec<&Str> = actions.iter().filter(is_known).collect();
    own.sort();
    own.dedup();
    if own.len() != actions.len() || (has("Deny") && has("Warn")) {
        let reason = "has `validationActions` that are unknown or do not go together";
        cx.refuse(spec, reason, help);
    }
    has("Deny")
}

fn param_ref(cx: &mut Context<'_>, spec: &Node<'_>) -> Option<ParamRef> {
    let node = cx.inner(spec, "paramRef", &PARAM_REF)?;
    let param = ParamRef {
        name: cx.text(&node, "name"),
        namespace: cx.text(&node, "namespace"),
        required: &*cx.text(&node, "parameterNotFoundAction") == "Deny",
    };
    let by_labels = node.field("selector");
    if let Some(labels) = &by_labels {
        selector(cx, labels);
    }
    if param.name.is_empty() == by_labels.is_none() {
        cx.refuse(
            &node,
            "must have a `name` or a `selector`, and not both",
            "",
        );
    }
    if let Some(problem) = names::path_segment(&param.name) {
        cx.refuse(&node, &format!("has a `name` that {problem}"), "");
    }
    let missing = cx.text(&node, "parameterNotFoundAction");
    if !matches!(&*missing, "Allow" | "Deny") {
        let help = "write `Allow` or `Deny`";
        cx.refuse(&node, "has no such `parameterNotFoundAction`", help);
    }
    Some(param)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_uid_or_extra_values() {
        let check = |expression: &str, expected: bool| {
            assert_eq!(by_claims(expression), expected, "{expression}");
        };
        check("request.userInfo.username == 'a'", false);
        check("'a' in request.userInfo.groups", false);
        check("request.userInfo . username == 'a'", true);
        check("request.userInfo.uid == 'a'", true);
        check("request.userInfo.extra['scopes'] == ['a']", true);
        check("request.userInfo['extra'] == {}", true);
        check("request.userInfo.?extra.hasValue()", true);
        check("object.spec.replicas < 5", false);
        check(
            "request.userInfo.username == 'a' || request.userInfo.uid == 'b'",
            true,
        );
    }
}
