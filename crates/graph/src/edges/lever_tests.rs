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

#[test]
fn who_takes_a_group_changes_its_service_or_makes_it_anew() {
    let everything = [
        (
            "api-service-admission",
            "v1.admissionregistration.k8s.io",
            "new pods of the cluster",
        ),
        (
            "api-service-certificates",
            "v1.certificates.k8s.io",
            "group system:masters",
        ),
        ("api-service-nodes", "v1.", "every node of the cluster"),
        (
            "api-service-rbac",
            "v1.rbac.authorization.k8s.io",
            "full control of the cluster",
        ),
        (
            "api-service-workloads",
            "v1.apps",
            "new pods of the cluster",
        ),
        (
            "api-service-workloads",
            "v1.batch",
            "new pods of the cluster",
        ),
    ];
    for (id, service, end) in everything {
        let case = |rights: &[&str], is_step: bool| {
            let rule = |right: &&str| {
                let (verbs, names) = right.split_once(' ').unwrap_or((right, ""));
                let names = names.replace("ITS", service);
                format!("  {verbs} on apiservices of apiregistration.k8s.io {names}\n")
            };
            let rules: String = rights.iter().map(rule).collect();
            let text = format!(
                "ClusterRole r\n{rules}ClusterRoleBinding r gives ClusterRole/r to user:eve"
            );
            let ends = [end];
            check(id, "user eve", &text, if is_step { &ends } else { &[] });
        };
        for verb in ["patch", "update", "*"] {
            case(&[verb], true);
        }
        case(&["patch named ITS"], true);
        case(&["update named other,ITS"], true);
        case(&["patch named v1.events.k8s.io"], false);
        for verbs in ["create", "delete", "deletecollection", "get,list,watch"] {
            case(&[verbs], false);
        }
        case(&["create,delete"], true);
        case(&["create,deletecollection"], true);
        case(&["create", "delete named ITS"], true);
        case(&["create", "delete named v1.events.k8s.io"], false);
        // What is created has no name that a rule could ask for, but by an apply, which takes `patch`.
        case(&["create,delete named ITS"], false);
    }
}

#[test]
fn operators_are_shown_objects_of_versions_that_they_serve() {
    let example = &kind("api-service-operators").example;
    let own = "named v1.kustomize.toolkit.fluxcd.io";
    let case = |instead: &str, is_step: bool| {
        let ends: &[&str] = if is_step {
            &["what obeys kustomizations.kustomize.toolkit.fluxcd.io"]
        } else {
            &[]
        };
        let text = example.cluster.replace(own, instead);
        check("api-service-operators", "user eve", &text, ends);
    };
    case(own, true);
    case("", true);
    case("named v1.argoproj.io", false);
    case("named kustomize.toolkit.fluxcd.io", false);
}
