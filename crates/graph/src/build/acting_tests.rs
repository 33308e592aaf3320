//! As whom constrained impersonation lets somebody act, and what is left to him.

use crate::edges::testing::check;

const PODS: &str = "---
     {apiVersion: v1, kind: Node, metadata: {name: n1}}
     {apiVersion: v1, kind: Node, metadata: {name: n2}}
     {apiVersion: v1, kind: ServiceAccount, metadata: {namespace: shop, name: agent}}
     {apiVersion: v1, kind: Secret, metadata: {namespace: shop, name: db}}
     {apiVersion: v1, kind: Secret, metadata: {namespace: shop, name: other}}
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: agent},
      spec: {nodeName: n1, serviceAccountName: agent, containers: [{name: a, image: a}], volumes: [{name: db, secret: {secretName: db}}]}}";

#[track_caller]
fn acts(from: &str, rules: &str, binding: &str, expected: &[&str]) {
    let cluster = format!(
        "ClusterRole r
           {rules}
         {binding}
         ClusterRole get
           get on secrets of ''
         ClusterRoleBinding get gives ClusterRole/get to group:ops group:system:masters user:amy
         ClusterRole all
           * on * of *
         ClusterRoleBinding all gives ClusterRole/all to group:admins
         {PODS}"
    );
    check("impersonate-constrained", from, &cluster, expected);
}

const EVE: &str = "ClusterRoleBinding r gives ClusterRole/r to user:eve";

#[test]
fn groups_take_a_user_name() {
    let groups = "impersonate:user-info on groups of authentication.k8s.io";
    let on = "impersonate-on:user-info:get on secrets of ''";
    let with = |names: &str, user: &str| format!("{groups} {names}\n{user}\n{on}");
    let users = "impersonate:user-info on users of authentication.k8s.io";
    let amy = "user eve as user amy";
    let ops = "user eve as group ops";
    acts("user eve", &with("named ops", ""), EVE, &[]);
    acts(
        "user eve",
        &with("named ops", &format!("{users} named amy")),
        EVE,
        &[amy, ops],
    );
    acts(
        "user eve",
        &with("named ops", &format!("{users} named nobody")),
        EVE,
        &[ops],
    );
    let node = format!("{users} named system:node:n1");
    acts("user eve", &with("named ops", &node), EVE, &[]);
    let masters = with("named system:masters", &format!("{users} named amy"));
    acts("user eve", &masters, EVE, &[amy]);
    let every = ["user eve as group admins", ops, amy];
    acts("user eve", &with("", users), EVE, &every);
    // Four at once are asked for under this name.
    acts("user eve", &with("named *", users), EVE, &every);
}

#[test]
fn a_rolebinding_gives_service_accounts_alone() {
    let binding = "RoleBinding shop/r gives ClusterRole/r to user:eve";
    let rules = "impersonate:user-info,impersonate:arbitrary-node on users,groups,nodes of authentication.k8s.io
                 impersonate-on:user-info:get,impersonate-on:arbitrary-node:get on pods,secrets of ''";
    acts("user eve", rules, binding, &[]);
}

#[test]
fn any_node_by_name() {
    let rules = |names: &str| {
        format!(
            "impersonate:arbitrary-node on nodes of authentication.k8s.io {names}
             impersonate-on:arbitrary-node:get on secrets of ''"
        )
    };
    let node = "user eve as user system:node:n1";
    acts("user eve", &rules(""), EVE, &[node]);
    acts("user eve", &rules("named n1"), EVE, &[node]);
    acts("user eve", &rules("named n2"), EVE, &[]);
    let cluster = format!("ClusterRole r\n{}\n{EVE}\n{PODS}", rules("named n1"));
    check("node-authorizer", node, &cluster, &["Secret shop/db"]);
    let tokens = cluster.replace(":get on secrets", ":create on serviceaccounts/token");
    check(
        "node-authorizer",
        node,
        &tokens,
        &["service account shop/agent"],
    );
    let elsewhere = cluster.replace("on secrets of ''", "on secrets of '' named other");
    check("node-authorizer", node, &elsewhere, &[]);
}

#[test]
fn the_node_of_ones_own_pod() {
    let rules = |names: &str| {
        format!(
            "impersonate:associated-node on nodes of authentication.k8s.io {names}
             impersonate-on:associated-node:get on secrets of ''"
        )
    };
    let own = "ClusterRoleBinding r gives ClusterRole/r to sa:shop/agent";
    let group = "ClusterRoleBinding r gives ClusterRole/r to group:system:serviceaccounts:shop";
    let agent = "service account shop/agent";
    let node = "service account shop/agent as user system:node:n1";
    acts(agent, &rules(""), own, &[node]);
    acts(agent, &rules(""), group, &[node]);
    acts(agent, &rules("named *"), own, &[node]);
    // It is asked for under the name `*` alone.
    acts(agent, &rules("named n1"), own, &[]);
    acts("user eve", &rules(""), EVE, &[]);
}
