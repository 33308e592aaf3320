//! What security context constraints of OpenShift let pods do, and whom.

use std::collections::BTreeMap;

use crate::Graph;

use super::platform_tests::{check_why, kind};
use super::testing::{check, check_with, cluster};

#[test]
fn on_openshift_pods_are_what_constraints_let_them_be() {
    let scc = kind("scc-use").example.cluster;
    check_why(
        "new-pod-node",
        scc,
        ": security context constraints refuse privileged pods without the right to use one",
    );
    let elsewhere = scc.replace("RoleBinding shop/s", "RoleBinding pay/s");
    check("scc-use", "user eve", &elsewhere, &[]);
}

/// A cluster with one object of OpenShift that says what it allows, and eve, who may start pods in the namespace shop.
fn constrained(allows: &str, rbac: &str) -> String {
    format!(
        "Role shop/r
           create on pods of ''
         RoleBinding shop/r gives Role/r to user:eve
         {rbac}
         ---
         {{apiVersion: v1, kind: ServiceAccount, metadata: {{namespace: shop, name: web}}}}
         {{apiVersion: security.openshift.io/v1, kind: SecurityContextConstraints, metadata: {{name: own}}, {allows}}}"
    )
}

#[test]
fn what_a_constraint_allows_decides_where_its_pods_get() {
    let every = ["every node of the cluster"];
    let any = "runAsUser: {type: RunAsAny}";
    let others = "runAsUser: {type: MustRunAsRange}";
    let bound = "allowPrivilegeEscalation: false";
    let check = |allows: &str, reaches: bool| {
        let text = constrained(&format!("users: [eve], {allows}"), "");
        check(
            "scc-use",
            "user eve",
            &text,
            if reaches { &every } else { &[] },
        );
    };
    check(any, false);
    check(&format!("{any}, allowPrivilegedContainer: true"), true);
    check(
        &format!("{any}, allowPrivilegedContainer: true, {bound}"),
        false,
    );
    check(
        &format!("{any}, allowPrivilegedContainer: true, userNamespaceLevel: RequirePodLevel"),
        false,
    );
    check(
        &format!("{any}, allowHostDirVolumePlugin: true, userNamespaceLevel: RequirePodLevel"),
        true,
    );
    check(&format!("{others}, allowHostDirVolumePlugin: true"), true);
    check(
        &format!("{others}, allowHostDirVolumePlugin: true, {bound}"),
        false,
    );
    let root = "runAsUser: {type: MustRunAsRange, uidRangeMin: 0, uidRangeMax: 9}";
    check(
        &format!("{root}, allowHostDirVolumePlugin: true, {bound}"),
        true,
    );
    check(
        "runAsUser: {type: MustRunAs, uid: 7}, allowHostDirVolumePlugin: true, allowPrivilegeEscalation: false",
        false,
    );
    check(
        &format!("{any}, allowedCapabilities: [NET_BIND_SERVICE]"),
        false,
    );
    check(&format!("{any}, allowedCapabilities: ['*']"), true);
    check(
        &format!("{any}, allowedCapabilities: [NET_RAW, SYS_ADMIN]"),
        true,
    );
    check(
        &format!("{any}, defaultAddCapabilities: [SYS_MODULE]"),
        true,
    );
    check(&format!("{any}, allowedCapabilities: [SYS_PTRACE]"), false);
    check(
        &format!("{any}, allowedCapabilities: [SYS_PTRACE], allowHostPID: true"),
        true,
    );
    check(
        &format!(
            "{any}, allowHostPID: true, allowHostIPC: true, allowHostNetwork: true, allowHostPorts: true"
        ),
        false,
    );
}

#[test]
fn whom_a_constraint_lets_use_it() {
    let every = ["every node of the cluster"];
    let permissive = "allowPrivilegedContainer: true, runAsUser: {type: RunAsAny}";
    let pods = "new pods of namespace shop";
    let check = |from: &str, lists: &str, rbac: &str, reaches: bool| {
        let text = constrained(&format!("{permissive}, {lists}"), rbac);
        check("scc-use", from, &text, if reaches { &every } else { &[] });
    };
    check("user eve", "users: [amy]", "", false);
    check(
        "user eve",
        "users: ['system:serviceaccount:shop:web']",
        "",
        false,
    );
    check(pods, "users: ['system:serviceaccount:shop:web']", "", true);
    check(
        pods,
        "users: ['system:serviceaccount:shop:gone']",
        "",
        false,
    );
    check(pods, "users: ['system:serviceaccount:pay:web']", "", false);
    check(pods, "users: [eve]", "", false);
    check(pods, "groups: ['system:serviceaccounts:shop']", "", true);
    check(pods, "groups: ['system:serviceaccounts:pay']", "", false);
    check(pods, "groups: ['system:authenticated']", "", true);
    check("user eve", "groups: ['system:authenticated']", "", true);
    check("user eve", "groups: [devs]", "", false);
    let account = "ClusterRole s
           use on securitycontextconstraints of security.openshift.io named own
         RoleBinding shop/s gives ClusterRole/s to sa:shop/web";
    check(pods, "users: []", account, true);
    check(
        pods,
        "users: []",
        &account.replace("named own", "named other"),
        false,
    );
    check(
        pods,
        "users: []",
        &account.replace("RoleBinding shop/s", "RoleBinding pay/s"),
        false,
    );
    let group = account.replace("sa:shop/web", "group:system:serviceaccounts");
    check(pods, "users: []", &group, true);
    let text = constrained(&format!("{permissive}, groups: [devs]"), "");
    check_with("scc-use", "user eve", &text, &[("eve", "devs")], &every);
    let guarded = format!(
        "{}\n{{apiVersion: v1, kind: Namespace, metadata: {{name: shop, labels: {{pod-security.kubernetes.io/enforce: baseline}}}}}}",
        constrained(&format!("{permissive}, users: [eve]"), "")
    );
    super::testing::check("scc-use", "user eve", &guarded, &[]);
}

#[test]
fn constraints_that_are_not_in_the_input_hold_the_step_back() {
    let (rbac, _) = kind("scc-use").example.cluster.split_once("---").unwrap();
    let text = format!(
        "{rbac}---
         {{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {{name: securitycontextconstraints.security.openshift.io}},
          spec: {{group: security.openshift.io, scope: Cluster, names: {{plural: securitycontextconstraints,
           singular: securitycontextconstraint, kind: SecurityContextConstraints}}, versions: [{{name: v1, served: true, storage: true}}]}}}}"
    );
    check_why(
        "scc-use",
        &text,
        ": what security context constraints allow is not in the input",
    );
}

/// Manifests often bring a rule for a constraint that every cluster of OpenShift has, and not the constraint.
#[test]
fn manifests_with_a_rule_for_constraints_that_they_do_not_bring_have_the_step_held_back() {
    let (rbac, own) = kind("scc-use").example.cluster.split_once("---").unwrap();
    let found = |text: &str, stored: bool| {
        let mut snapshot = cluster(text, 37);
        snapshot.cluster.stored = stored;
        let graph = Graph::new(&snapshot, BTreeMap::new());
        let mut held = graph.held_back().filter(|held| held.kind.id == "scc-use");
        held.next()
            .map(|held| format!("{}{}", held.by.object(), held.by.pointer()))
    };
    let rule = Some("ClusterRole s/rules/0".to_owned());
    assert_eq!(found(rbac, false), rule);
    // What a cluster does not have is not there.
    assert_eq!(found(rbac, true), None);
    assert_eq!(found(&format!("{rbac}---{own}"), false), None);
    let other = own.replace("name: backup", "name: other");
    assert_eq!(found(&format!("{rbac}---{other}"), false), rule);
    // Not of everybody who may do everything.
    let star = rbac.replace("security.openshift.io named backup", "*");
    assert_eq!(found(&star, false), None);
}
