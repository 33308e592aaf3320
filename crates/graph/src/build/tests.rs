//! Rights that come together from several bindings, groups and roles.

use std::collections::BTreeMap;

use bailiwick_core::{Kind, ObjectRef};
use bailiwick_model::Delta;

use crate::edges::testing::{check, check_with, cluster, graph};
use crate::{Graph, Live};

const ROLES: &str = "ClusterRole mint
                       create on secrets of ''
                     ClusterRole read
                       get on secrets of ''
                     ClusterRole b
                       bind on clusterroles of rbac.authorization.k8s.io named mint
                       create on rolebindings of rbac.authorization.k8s.io
                     ClusterRole b2
                       bind on clusterroles of rbac.authorization.k8s.io named read
                     ClusterRole e
                       escalate,patch on clusterroles of rbac.authorization.k8s.io named mint";
const EVERY: &[&str] = &["every service account of namespace shop"];

#[track_caller]
fn leads(id: &str, from: &str, bindings: &str, expected: &[&str]) {
    check(id, from, &format!("{ROLES}\n{bindings}"), expected);
}

#[test]
fn a_role_that_one_binds_adds_to_what_one_has() {
    let with = "user eve with ClusterRole mint in namespace shop";
    let own = "RoleBinding shop/b gives ClusterRole/b to user:eve
               RoleBinding shop/read gives ClusterRole/read to user:eve";
    leads("secret-mint", with, own, EVERY);
    leads("secret-mint", "user eve", own, &[]);
    leads(
        "bind",
        "user eve",
        own,
        &["the rights of ClusterRole mint in namespace shop", with],
    );
    let elsewhere = "RoleBinding shop/b gives ClusterRole/b to user:eve
                     RoleBinding pay/read gives ClusterRole/read to user:eve";
    leads("secret-mint", with, elsewhere, &[]);
    leads(
        "bind",
        "user eve",
        elsewhere,
        &["the rights of ClusterRole mint in namespace shop"],
    );
}

#[test]
fn a_group_binds_what_its_member_needs() {
    let cluster = "RoleBinding shop/b gives ClusterRole/b to group:system:authenticated
                   RoleBinding shop/read gives ClusterRole/read to user:eve";
    let with = "user eve with ClusterRole mint in namespace shop";
    leads("secret-mint", with, cluster, EVERY);
    leads("bind", "user eve", cluster, &[with]);
}

#[test]
fn two_roles_that_one_binds_add_up() {
    let cluster = "RoleBinding shop/b gives ClusterRole/b to user:eve
                   RoleBinding shop/b2 gives ClusterRole/b2 to user:eve";
    let one = "user eve with ClusterRole mint in namespace shop";
    let two =
        "user eve with ClusterRole mint in namespace shop with ClusterRole read in namespace shop";
    leads("secret-mint", two, cluster, EVERY);
    leads("bind", one, cluster, &[two]);
}

#[test]
fn a_role_that_one_binds_may_bind_the_next() {
    let cluster = "ClusterRole first
                     bind on clusterroles of rbac.authorization.k8s.io named b
                     create on rolebindings of rbac.authorization.k8s.io
                   RoleBinding shop/first gives ClusterRole/first to user:eve
                   RoleBinding shop/read gives ClusterRole/read to user:eve";
    let one = "user eve with ClusterRole b in namespace shop";
    let two =
        "user eve with ClusterRole b in namespace shop with ClusterRole mint in namespace shop";
    let b = "the rights of ClusterRole b in namespace shop";
    let mint = "the rights of ClusterRole mint in namespace shop";
    leads("bind", one, cluster, &[b, mint, two]);
    leads("secret-mint", two, cluster, EVERY);
}

#[test]
fn a_role_that_one_binds_and_may_escalate_is_everything() {
    let cluster = "RoleBinding shop/b gives ClusterRole/b to user:eve
                   ClusterRoleBinding e gives ClusterRole/e to user:eve";
    leads("escalate", "user eve", cluster, &[]);
    leads(
        "escalate",
        "user eve with ClusterRole mint in namespace shop",
        cluster,
        &["full control of namespace shop"],
    );
}

#[test]
fn a_group_escalates_the_role_of_its_member() {
    let cluster = "ClusterRoleBinding e gives ClusterRole/e to group:system:authenticated
                   RoleBinding shop/m gives ClusterRole/mint to user:eve";
    leads(
        "escalate",
        "user eve",
        cluster,
        &["full control of namespace shop"],
    );
    leads("escalate", "group system:authenticated", cluster, &[]);
    let own = "ClusterRoleBinding e gives ClusterRole/e to group:system:authenticated
               RoleBinding shop/m gives ClusterRole/mint to group:system:authenticated
               RoleBinding pay/r gives ClusterRole/read to user:eve";
    leads("escalate", "user eve", own, &[]);
    leads(
        "escalate",
        "group system:authenticated",
        own,
        &["full control of namespace shop"],
    );
}

#[test]
fn groups_add_up_in_a_member_that_no_binding_names() {
    let cluster = format!(
        "{ROLES}
         RoleBinding shop/m gives ClusterRole/mint to group:a
         RoleBinding shop/r gives ClusterRole/read to group:b"
    );
    let members = [("amy", "a"), ("amy", "b"), ("bob", "b")];
    check_with("secret-mint", "user amy", &cluster, &members, EVERY);
    check_with("secret-mint", "user bob", &cluster, &members, &[]);
}

#[test]
fn equal_clusters_give_equal_graphs() {
    let bindings: Vec<String> = (0..20)
        .map(|n| {
            format!(
                "ClusterRoleBinding r{n} gives ClusterRole/read to user:u{n} group:g{n} sa:n{n}/a"
            )
        })
        .collect();
    let cluster = format!("{ROLES}\n{}", bindings.join("\n"));
    let nodes = || -> Vec<String> {
        let graph = graph(&cluster, 37);
        graph.nodes().map(|(_, node)| node.to_string()).collect()
    };
    let first = nodes();
    assert!(first.len() > 60, "{}", first.len());
    // Each graph has hash maps of its own, with an order of their own.
    for _ in 0..5 {
        assert_eq!(nodes(), first);
    }
}

#[test]
fn a_graph_says_of_whom_it_has_not_looked_at_every_combination() {
    let check = |roles: usize, expected: &[&str]| {
        let names: Vec<String> = (0..roles).map(|role| format!("mint-{role}")).collect();
        let each = names
            .iter()
            .map(|name| format!("ClusterRole {name}\n create on secrets of ''\n"));
        let text = format!(
            "{}ClusterRole b
               bind on clusterroles of rbac.authorization.k8s.io named {}
               create on rolebindings of rbac.authorization.k8s.io
             RoleBinding shop/b gives ClusterRole/b to user:eve",
            each.collect::<String>(),
            names.join(","),
        );
        let mut live = Live::new(cluster(&text, 37), BTreeMap::new());
        let unfinished = |graph: &Graph| {
            let all = graph.unfinished().map(ToString::to_string);
            all.collect::<Vec<_>>()
        };
        let made = graph(&text, 37);
        assert_eq!(unfinished(&made), expected, "{roles} roles");
        assert_eq!(unfinished(live.graph()), expected, "{roles} roles");
        live.apply(Delta::Remove(ObjectRef::new(
            Kind::RoleBinding,
            "shop",
            "b",
        )));
        assert_eq!(unfinished(live.graph()), [""; 0]);
    };
    check(20, &[]);
    check(160, &["user eve"]);
}
