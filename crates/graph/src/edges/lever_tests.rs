//! Levers of the API server that are changed, which have to be there, and made.

use std::collections::{BTreeMap, BTreeSet};

use bailiwick_core::Kind;
use bailiwick_model::{Gap, Snapshot};

use super::platform_tests::kind;
use super::testing::{check, cluster};
use crate::Graph;

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
            "api-service-reviews",
            "v1.authentication.k8s.io",
            "code in every pod of the cluster",
        ),
        (
            "api-service-reviews",
            "v1.authorization.k8s.io",
            "code in every pod of the cluster",
        ),
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
        let case_with = |rights: &[&str], objects: &str, is_step: bool| {
            let rule = |right: &&str| {
                let (verbs, names) = right.split_once(' ').unwrap_or((right, ""));
                let names = names.replace("ITS", service);
                format!("  {verbs} on apiservices of apiregistration.k8s.io {names}\n")
            };
            let rules: String = rights.iter().map(rule).collect();
            let text = format!(
                "ClusterRole r\n{rules}ClusterRoleBinding r gives ClusterRole/r to user:eve\n---\n{objects}"
            );
            let ends = [end];
            check(id, "user eve", &text, if is_step { &ends } else { &[] });
        };
        let case = |rights: &[&str], is_step: bool| case_with(rights, "", is_step);
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

        let there = everything.map(|(_, service, _)| service);
        let there = BTreeSet::from(there);
        let there: String = there
            .into_iter()
            .map(|name| api_service(name, ""))
            .collect();
        case_with(&["patch named ITS"], &there, true);
        case_with(&["create,delete"], &there, true);
        case_with(&["create"], &there, false);
        // Where it is missing and others are there, the API server answers, and whoever makes it has the requests.
        let missing = core() + &api_service("v1.events.k8s.io", "");
        if service == "v1." {
            continue;
        }
        for rights in ["patch", "patch named ITS", "delete"] {
            case_with(&[rights], &missing, false);
        }
        case_with(&["create"], &missing, true);
        case_with(&["create,patch named ITS"], &missing, true);
        case_with(&["create,patch named other"], &missing, false);
        // Without that of the core group it is not all that there are.
        let some = api_service("v1.events.k8s.io", "");
        case_with(&["patch named ITS"], &some, true);
        case_with(&["create"], &some, false);
    }
}

/// The APIService that every cluster has.
fn core() -> String {
    api_service("v1.", "")
}

/// An APIService, with this besides its group and version.
fn api_service(name: &str, more: &str) -> String {
    let (version, group) = name.split_once('.').unwrap();
    format!(
        "{{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {{name: {name}}}, spec: {{group: '{group}', version: {version}{more}}}}}\n"
    )
}

#[test]
fn who_may_change_some_by_their_names_has_the_requests_to_those_that_are_there() {
    let metrics = "v1beta1.metrics.k8s.io";
    let case = |right: &str, objects: &str, ends: &[&str]| {
        let text = format!(
            "ClusterRole r
               {right}
             ClusterRoleBinding r gives ClusterRole/r to user:eve
             ---
             {objects}"
        );
        let text = text.replace(
            "METRICS",
            &format!("on apiservices of apiregistration.k8s.io named {metrics}"),
        );
        check("api-service", "user eve", &text, ends);
    };
    let every = ["every request of the cluster"];
    let behind = |more: &str| {
        let service = format!(", service: {{namespace: kube-system, name: metrics}}{more}");
        core() + &api_service(metrics, &service)
    };
    let answered = "every request to APIService v1beta1.metrics.k8s.io, which Service kube-system/metrics answers";
    case("patch METRICS", &behind(""), &[answered]);
    case("update METRICS", &behind(", caBundle: YQ=="), &[answered]);
    case(
        "update METRICS",
        &behind(", insecureSkipTLSVerify: true"),
        &[&format!("{answered} unverified")],
    );
    let local =
        "every request to APIService v1beta1.metrics.k8s.io, which the API server answers itself";
    case(
        "patch METRICS",
        &(core() + &api_service(metrics, "")),
        &[local],
    );
    case("get,delete METRICS", &behind(""), &[]);
    // It is not there.
    case("patch METRICS", &core(), &[]);
    case("create,patch METRICS", &core(), &[local]);
    // The input does not say which there are: every cluster has some.
    case("patch METRICS", "", &every);
    let all = "on apiservices of apiregistration.k8s.io";
    for verb in ["create", "patch", "update"] {
        case(&format!("{verb} {all}"), &behind(""), &every);
    }
    case(&format!("delete {all}"), &behind(""), &[]);
}

#[test]
fn what_an_earlier_snapshot_does_not_tell_counts_as_before() {
    let there = core();
    let text = format!(
        "ClusterRole r
           patch on apiservices of apiregistration.k8s.io named v1.batch
         ClusterRoleBinding r gives ClusterRole/r to user:eve
         ---
         {there}"
    );
    let steps = |snapshot: &Snapshot| -> Vec<String> {
        let graph = Graph::new(snapshot, BTreeMap::new());
        let steps = graph.edges().filter(|step| {
            step.kind.id.starts_with("api-service") && step.from.to_string() == "user eve"
        });
        steps.map(|step| step.to.to_string()).collect()
    };
    let mut snapshot = cluster(&text, 37);
    assert_eq!(steps(&snapshot), [""; 0]);
    snapshot.gaps.push(Gap {
        kinds: vec![Kind::APIService],
        ..Gap::default()
    });
    let mut found = steps(&snapshot);
    found.sort();
    assert_eq!(
        found,
        ["every request of the cluster", "new pods of the cluster"]
    );
    snapshot.gaps.clear();
    snapshot.cluster.stored = false;
    assert_eq!(steps(&snapshot).len(), 2, "manifests do not tell either");
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
