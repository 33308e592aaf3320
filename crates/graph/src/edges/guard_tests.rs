//! Which guards are there to be taken away, and which stand before a step.

use super::testing::{check, cluster, graph};
use crate::{Admission, Graph};

const POLICY: &str = "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicy, metadata: {name: own},
      spec: {matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}, validations: [{expression: 'true'}]}}";
const BINDING: &str = "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicyBinding, metadata: {name: bound},
      spec: {policyName: own, validationActions: [Deny]}}";
const WEBHOOK: &str = "{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {name: guard},
      webhooks: [{name: pods.guard.example, sideEffects: None, admissionReviewVersions: [v1], clientConfig: {url: 'https://guard.example'},
        rules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}]}";

#[test]
fn guards_have_to_be_there_to_be_taken_away() {
    let check = |resource: &str, names: &str, objects: &str, expected: bool| {
        let text = format!(
            "ClusterRole r
               delete on {resource} of admissionregistration.k8s.io {names}
             ClusterRoleBinding r gives ClusterRole/r to user:eve
             ---
             {objects}"
        );
        let found = graph(&text, 37);
        let is_there = found.edges().any(|step| step.kind.id == "guard-removal");
        assert_eq!(is_there, expected, "{resource} {names} {objects}");
    };
    let webhooks = "mutatingwebhookconfigurations";
    check(webhooks, "", WEBHOOK, true);
    check(webhooks, "named guard", WEBHOOK, true);
    check(webhooks, "named other", WEBHOOK, false);
    check("validatingwebhookconfigurations", "", WEBHOOK, false);
    let (policies, bindings) = (
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
    );
    let both = format!("{POLICY}\n{BINDING}");
    check(policies, "", &both, true);
    check(policies, "named own", &both, true);
    check(policies, "named bound", &both, false);
    check(bindings, "named bound", &both, true);
    check(bindings, "named own", &both, false);
    check("mutatingadmissionpolicies", "", &both, false);
    check(policies, "", POLICY, false);
    check(bindings, "", BINDING, false);
    check(policies, "", &both.replace("Deny", "Warn"), false);
    check(
        policies,
        "",
        &both.replace("policyName: own", "policyName: other"),
        false,
    );
}

fn guards(graph: &Graph, text: &str, id: &str) -> Vec<String> {
    let snapshot = cluster(text, 37);
    let admission = Admission::new(&snapshot);
    let step = graph.edges().find(|step| step.kind.id == id).unwrap();
    admission
        .guards(&step)
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[track_caller]
fn check_guards(id: &str, rights: &str, objects: &str, expected: &[&str]) {
    let text = format!(
        "Role shop/r
           {rights}
         RoleBinding shop/r gives Role/r to user:eve
         ---
         {{apiVersion: v1, kind: Namespace, metadata: {{name: shop, labels: {{team: a}}}}}}
         {{apiVersion: v1, kind: Pod, metadata: {{namespace: shop, name: web}}, spec: {{containers: [{{name: a, image: a}}]}}}}
         {objects}"
    );
    assert_eq!(
        guards(&graph(&text, 37), &text, id),
        expected,
        "{id}: {rights} {objects}"
    );
}

const STOPS: &str = "may be stopped by ValidatingAdmissionPolicy own (binding bound), whose expressions are not evaluated";

#[test]
fn a_step_tells_what_may_stop_it() {
    let both = format!("{POLICY}\n{BINDING}");
    let pods = "create on pods of ''";
    check_guards("pod-create", pods, &both, &[STOPS]);
    check_guards("pod-create", pods, POLICY, &[]);
    let other = both.replace("resources: [pods]", "resources: [secrets]");
    check_guards("pod-create", pods, &other, &[]);
    let elsewhere = both.replace(
        "matchConstraints: {",
        "matchConstraints: {namespaceSelector: {matchLabels: {team: b}}, ",
    );
    check_guards("pod-create", pods, &elsewhere, &[]);
    check_guards(
        "pod-create",
        pods,
        &elsewhere.replace("team: b", "team: a"),
        &[STOPS],
    );
    let changes = "may be stopped or changed by MutatingWebhookConfiguration guard (webhook pods.guard.example), which is not asked";
    check_guards("pod-create", pods, WEBHOOK, &[changes]);
}

#[test]
fn what_controllers_make_is_looked_at_too() {
    let both = format!("{POLICY}\n{BINDING}");
    check_guards(
        "pod-create",
        "create on deployments of apps",
        &both,
        &[STOPS],
    );
    check_guards("pod-create", "create on cronjobs of batch", &both, &[STOPS]);
}

#[test]
fn connections_are_looked_at_and_reading_is_not() {
    let both = format!("{POLICY}\n{BINDING}")
        .replace("[CREATE], resources: [pods]", "['*'], resources: ['*/*']");
    check_guards("exec", "create on pods/exec of ''", &both, &[STOPS]);
    check_guards("read-secrets", "get on secrets of ''", &both, &[]);
    check_guards("secrets-echo", "patch on secrets of ''", &both, &[STOPS]);
    let by_labels = both.replace(
        "matchConstraints: {",
        "matchConstraints: {objectSelector: {matchLabels: {a: b}}, ",
    );
    check_guards("exec", "create on pods/exec of ''", &by_labels, &[]);
    let open = format!("{STOPS}; not for every name and label of objects");
    check_guards(
        "secrets-echo",
        "patch on secrets of ''",
        &by_labels,
        &[&open],
    );
}

#[test]
fn parameters_of_a_custom_kind_are_written_by_who_binds_a_role_for_it() {
    let cluster = |bind: &str, binding: &str, verb: &str| {
        format!(
            "ClusterRole limits
               {verb} on limits of example.com named most
             Role shop/own
               {verb} on limits of example.com
             ClusterRole b
               {bind} on clusterroles of rbac.authorization.k8s.io named limits
               create on rolebindings of rbac.authorization.k8s.io
             ClusterRole o
               {bind} on roles of rbac.authorization.k8s.io named own
               create on rolebindings of rbac.authorization.k8s.io
             {binding} to user:eve
             ---
             {{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {{name: limits.example.com}},
              spec: {{group: example.com, scope: Namespaced, names: {{plural: limits, singular: limit, kind: Limit}},
               versions: [{{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object}}}}}}]}}}}
             {{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicy, metadata: {{name: guard}},
              spec: {{paramKind: {{apiVersion: example.com/v1, kind: Limit}},
               matchConstraints: {{resourceRules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}}]}},
               validations: [{{expression: 'true'}}]}}}}
             {{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicyBinding, metadata: {{name: guard}},
              spec: {{policyName: guard, validationActions: [Deny], paramRef: {{name: most, namespace: shop, parameterNotFoundAction: Deny}}}}}}"
        )
    };
    let leads = |bind: &str, binding: &str, verb: &str, expected: bool| {
        let to: &[&str] = if expected {
            &["every guard of the cluster"]
        } else {
            &[]
        };
        check(
            "guard-params",
            "user eve",
            &cluster(bind, binding, verb),
            to,
        );
    };
    leads(
        "bind",
        "RoleBinding shop/b gives ClusterRole/b",
        "patch",
        true,
    );
    leads(
        "bind",
        "ClusterRoleBinding b gives ClusterRole/b",
        "patch",
        true,
    );
    leads(
        "bind",
        "RoleBinding shop/o gives ClusterRole/o",
        "update",
        true,
    );
    leads(
        "bind",
        "RoleBinding pay/b gives ClusterRole/b",
        "patch",
        false,
    );
    leads(
        "get",
        "RoleBinding shop/b gives ClusterRole/b",
        "patch",
        false,
    );
    leads(
        "bind",
        "RoleBinding shop/b gives ClusterRole/b",
        "get",
        false,
    );
}

#[test]
fn parameters_of_a_custom_kind_are_written_by_whom_a_binding_names() {
    let cluster = |rule: &str, binding: &str, scope: &str, missing: &str| {
        format!(
            "ClusterRole r
               {rule}
             {binding} gives ClusterRole/r to user:eve
             ---
             {{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {{name: limits.example.com}},
              spec: {{group: example.com, scope: {scope}, names: {{plural: limits, singular: limit, kind: Limit}},
               versions: [{{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object}}}}}}]}}}}
             {{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicy, metadata: {{name: guard}},
              spec: {{paramKind: {{apiVersion: example.com/v1, kind: Limit}},
               matchConstraints: {{resourceRules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}}]}},
               validations: [{{expression: 'true'}}]}}}}
             {{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicyBinding, metadata: {{name: guard}},
              spec: {{policyName: guard, validationActions: [Deny], paramRef: {{name: most, {missing}}}}}}}"
        )
    };
    let (shop, all) = ("RoleBinding shop/r", "ClusterRoleBinding r");
    let deny = "namespace: shop, parameterNotFoundAction: Deny";
    let allow = "namespace: shop, parameterNotFoundAction: Allow";
    let alone = "parameterNotFoundAction: Deny";
    for (rule, binding, scope, missing, expected) in [
        (
            "patch on limits of example.com named most",
            shop,
            "Namespaced",
            deny,
            true,
        ),
        (
            "patch on limits of example.com named least",
            shop,
            "Namespaced",
            deny,
            false,
        ),
        (
            "patch on limits of example.org",
            shop,
            "Namespaced",
            deny,
            false,
        ),
        (
            "get on limits of example.com",
            shop,
            "Namespaced",
            deny,
            false,
        ),
        ("update on * of *", shop, "Namespaced", deny, true),
        (
            "update on limits of example.com",
            "RoleBinding pay/r",
            "Namespaced",
            deny,
            false,
        ),
        (
            "update on limits of example.com",
            all,
            "Namespaced",
            deny,
            true,
        ),
        (
            "update on limits of example.com",
            shop,
            "Cluster",
            alone,
            false,
        ),
        (
            "update on limits of example.com",
            all,
            "Cluster",
            alone,
            true,
        ),
        (
            "delete on limits of example.com",
            shop,
            "Namespaced",
            deny,
            false,
        ),
        (
            "delete on limits of example.com",
            shop,
            "Namespaced",
            allow,
            true,
        ),
        (
            "deletecollection on limits of example.com named most",
            shop,
            "Namespaced",
            allow,
            false,
        ),
    ] {
        let text = cluster(rule, binding, scope, missing);
        let guards: &[&str] = if expected {
            &["every guard of the cluster"]
        } else {
            &[]
        };
        check("guard-params", "user eve", &text, guards);
    }
}

#[test]
fn parameters_may_be_of_kinds_of_kubernetes() {
    let check_kind = |kind: &str, from: &str, rights: &str, binding: &str, expected: bool| {
        let text = format!(
            "ClusterRole r
               {rights}
             {binding} gives ClusterRole/r to user:eve
             ---
             {{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicy, metadata: {{name: guard}},
              spec: {{paramKind: {{{kind}}},
               matchConstraints: {{resourceRules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}}]}},
               validations: [{{expression: 'true'}}]}}}}
             {{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicyBinding, metadata: {{name: guard}},
              spec: {{policyName: guard, validationActions: [Deny], paramRef: {{name: most, {from} parameterNotFoundAction: Deny}}}}}}"
        );
        let guards: &[&str] = if expected {
            &["every guard of the cluster"]
        } else {
            &[]
        };
        check("guard-params", "user eve", &text, guards);
    };
    let (shop, all) = ("RoleBinding shop/r", "ClusterRoleBinding r");
    let (secret, here) = ("apiVersion: v1, kind: Secret", "namespace: shop,");
    check_kind(
        secret,
        here,
        "patch on secrets of '' named most",
        shop,
        true,
    );
    check_kind(
        secret,
        here,
        "patch on secrets of '' named least",
        shop,
        false,
    );
    check_kind(secret, here, "patch on configmaps of ''", shop, false);
    check_kind(
        secret,
        here,
        "patch on secrets of ''",
        "RoleBinding pay/r",
        false,
    );
    let deployment = "apiVersion: apps/v1, kind: Deployment";
    check_kind(
        deployment,
        here,
        "update on deployments of apps",
        shop,
        true,
    );
    check_kind(
        deployment,
        here,
        "update on deployments of extensions",
        all,
        false,
    );
    let namespace = "apiVersion: v1, kind: Namespace";
    check_kind(namespace, "", "patch on namespaces of ''", all, true);
    check_kind(namespace, "", "patch on namespaces of ''", shop, false);
    check_kind(
        namespace,
        "",
        "patch on namespaces of ''",
        "RoleBinding most/r",
        true,
    );
    let node = "apiVersion: v1, kind: Node";
    check_kind(node, "", "patch on nodes of ''", all, true);
    check_kind(
        node,
        "",
        "patch on nodes of ''",
        "RoleBinding most/r",
        false,
    );
}
