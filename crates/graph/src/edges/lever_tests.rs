//! Levers of the API server that are changed, which have to be there, and made.

use super::platform_tests::kind;
use super::testing::check;

/// What is there of a kind of the group of admission.
fn configured(kind: &str, name: &str) -> String {
    format!(
        "{{apiVersion: admissionregistration.k8s.io/v1, kind: {kind}, metadata: {{name: {name}}}}}"
    )
}

#[test]
fn who_may_change_and_not_create_needs_something_that_is_there() {
    let everything = [
        (
            "mutating-webhook",
            "mutatingwebhookconfigurations",
            "MutatingWebhookConfiguration",
            &["every request of the cluster", "new pods of the cluster"][..],
        ),
        (
            "validating-webhook",
            "validatingwebhookconfigurations",
            "ValidatingWebhookConfiguration",
            &["every request of the cluster"],
        ),
    ];
    for (id, resource, own, ends) in everything {
        let there = configured(own, "own");
        let case = |right: &str, objects: &str, is_step: bool| {
            let (verbs, names) = right.split_once(' ').unwrap_or((right, ""));
            let text = format!(
                "ClusterRole r
                   {verbs} on {resource} of admissionregistration.k8s.io {names}
                 ClusterRoleBinding r gives ClusterRole/r to user:eve
                 ---
                 {objects}"
            );
            check(id, "user eve", &text, if is_step { ends } else { &[] });
        };
        case("create", "", true);
        case("create named own", &there, false);
        case("create,patch named own", "", true);
        case("create,update named own", "", false);
        for verb in ["patch", "update"] {
            case(verb, "", false);
            case(verb, &there, true);
            case(&format!("{verb} named own"), &there, true);
            case(&format!("{verb} named other"), &there, false);
        }
        case("get,delete", &there, false);
        case("*", "", true);
    }
}

#[test]
fn policies_and_bindings_that_are_changed_have_to_be_there() {
    let there = |objects: &[&str]| -> String {
        let objects = objects.iter().map(|kind| {
            let spec = match *kind {
                "MutatingAdmissionPolicy" => "spec: {reinvocationPolicy: Never, matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], \
                    operations: [CREATE], resources: [pods]}]}, mutations: [{patchType: ApplyConfiguration, applyConfiguration: {expression: 'Object{}'}}]}",
                _ => "spec: {policyName: own}",
            };
            format!("{{apiVersion: admissionregistration.k8s.io/v1, kind: {kind}, metadata: {{name: own}}, {spec}}}\n")
        });
        objects.collect()
    };
    let (policy, binding) = ("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding");
    let case = |on_policies: &str, on_bindings: &str, objects: &[&str], is_step: bool| {
        let text = format!(
            "ClusterRole r
               {on_policies} on mutatingadmissionpolicies of admissionregistration.k8s.io
               {on_bindings} on mutatingadmissionpolicybindings of admissionregistration.k8s.io
             ClusterRoleBinding r gives ClusterRole/r to user:eve
             ---
             {}",
            there(objects)
        );
        let ends: &[&str] = if is_step {
            &["new pods of the cluster"]
        } else {
            &[]
        };
        check("mutating-policy", "user eve", &text, ends);
    };
    case("create", "create", &[], true);
    case("patch", "create", &[], false);
    case("patch", "create", &[policy], true);
    case("create", "update", &[policy], false);
    case("create", "update", &[binding], true);
    case("patch", "patch", &[policy, binding], true);
}

#[test]
fn a_definition_that_is_changed_has_to_be_there() {
    let widgets = kind("conversion-webhook").example.cluster;
    let (_, widgets) = widgets.split_once("---").unwrap();
    let case = |right: &str, objects: &str, is_step: bool| {
        let (verbs, names) = right.split_once(' ').unwrap_or((right, ""));
        let text = format!(
            "ClusterRole r
               {verbs} on customresourcedefinitions of apiextensions.k8s.io {names}
             ClusterRoleBinding r gives ClusterRole/r to user:eve
             ---
             {objects}"
        );
        let ends: &[&str] = if is_step {
            &["every request of the cluster"]
        } else {
            &[]
        };
        check("conversion-webhook", "user eve", &text, ends);
    };
    case("create", widgets, false);
    case("patch", "", false);
    case("patch", widgets, true);
    case("update named widgets.shop.example", widgets, true);
    case("update named gadgets.shop.example", widgets, false);
}
