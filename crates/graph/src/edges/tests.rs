//! What holds of every edge, and of several together.

use bailiwick_rbac::{Engine, Right, Scope};

use std::collections::BTreeMap;

use super::testing::{check, check_with, cluster, graph, has};
use crate::{EDGES, EdgeKind, Graph, Review};

/// The newest minor in which an edge works.
fn minor(kind: &EdgeKind) -> u16 {
    kind.versions.until.unwrap_or(37)
}

#[test]
fn every_example_has_its_step() {
    for kind in EDGES {
        let example = &kind.example;
        let graph = graph(example.cluster, minor(kind));
        let steps: Vec<String> = graph
            .edges()
            .map(|step| format!("{}: {} -> {}", step.kind.id, step.from, step.to))
            .collect();
        assert!(
            has(&graph, kind, example.from, example.to),
            "{}: {steps:#?}",
            kind.id
        );
    }
}

#[test]
fn one_word_less_and_the_step_is_gone() {
    for kind in EDGES {
        let example = &kind.example;
        let (word, instead) = example.safe;
        assert_eq!(
            example.cluster.matches(word).count(),
            1,
            "{}: {word}",
            kind.id
        );
        let safe = example.cluster.replace(word, instead);
        let from = example.from.replace(word, instead);
        assert!(
            !has(&graph(&safe, minor(kind)), kind, &from, example.to),
            "{}",
            kind.id
        );
    }
}

#[test]
fn versions_have_two_sides() {
    for kind in EDGES {
        let example = &kind.example;
        let check = |minor: u16, expected: bool| {
            let graph = graph(example.cluster, minor);
            assert_eq!(
                has(&graph, kind, example.from, example.to),
                expected,
                "{} in 1.{minor}",
                kind.id
            );
        };
        if let Some(since) = kind.versions.since {
            check(since - 1, false);
            check(since, true);
        }
        if let Some(until) = kind.versions.until {
            check(until, true);
            check(until + 1, false);
        }
    }
}

#[test]
fn ids_are_sorted_and_unique() {
    let ids: Vec<&str> = EDGES.iter().map(|kind| kind.id).collect();
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(ids, sorted);
}

#[test]
fn names_of_pods_to_create_count_with_server_side_apply_alone() {
    let cluster = |verbs: &str| {
        format!(
            "Role shop/r
               {verbs} on jobs of batch named web
             RoleBinding shop/r gives Role/r to user:eve"
        )
    };
    check("pod-create", "user eve", &cluster("create"), &[]);
    check(
        "pod-create",
        "user eve",
        &cluster("create,patch"),
        &["new pods of namespace shop"],
    );
}

#[test]
fn impersonation_gives_the_name_and_not_the_groups() {
    let cluster = "ClusterRole r
                     impersonate on users of '' named amy
                   ClusterRole all
                     * on * of *
                   ClusterRoleBinding r gives ClusterRole/r to user:eve
                   ClusterRoleBinding all gives ClusterRole/all to group:admins";
    let members = [("amy", "admins")];
    let bare = "user amy without groups";
    check_with("impersonate-user", "user eve", cluster, &members, &[bare]);
    check_with("member-of", bare, cluster, &members, &[]);
    check_with(
        "member-of",
        "user amy",
        cluster,
        &members,
        &["group admins"],
    );
}

#[test]
fn users_are_impersonated_by_cluster_role_bindings_alone() {
    let cluster = "ClusterRole r
                     impersonate on users,groups of ''
                   RoleBinding shop/r gives ClusterRole/r to user:eve";
    check("impersonate-user", "user eve", cluster, &[]);
    check("impersonate-group", "user eve", cluster, &[]);
}

#[test]
fn legs_of_impersonation_come_from_several_bindings() {
    let cluster = "ClusterRole g
                     impersonate on groups of '' named ops
                   Role shop/a
                     impersonate on serviceaccounts of ''
                   ClusterRoleBinding g gives ClusterRole/g to user:eve
                   RoleBinding shop/a gives Role/a to group:system:authenticated";
    check("impersonate-group", "user eve", cluster, &["group ops"]);
}

#[test]
fn dead_rights_lead_nowhere() {
    let missing = "RoleBinding shop/r gives ClusterRole/gone to user:eve";
    let star = "Role shop/r
                  create on pods/*,*/* of ''
                  Create on pods/exec of ''
                  create on pods/exec of core
                RoleBinding shop/r gives Role/r to user:eve";
    let nodes = "ClusterRole r
                   get on nodes/proxy of ''
                 RoleBinding shop/r gives ClusterRole/r to user:eve";
    for cluster in [missing, star, nodes] {
        let graph = graph(cluster, 37);
        let mut steps = graph
            .edges()
            .filter(|step| step.from.to_string() == "user eve");
        assert!(steps.next().is_none(), "{cluster}");
    }
}

#[test]
fn bind_counts_in_the_namespace_of_the_binding() {
    let roles = "ClusterRole deploy
                   create on pods of ''
                 ClusterRole all
                   * on * of *
                 ClusterRole b
                   bind on clusterroles of rbac.authorization.k8s.io named deploy
                 Role shop/c
                   create on rolebindings of rbac.authorization.k8s.io
                 ClusterRole cc
                   create on clusterrolebindings,rolebindings of rbac.authorization.k8s.io
                 ClusterRole any
                   bind on clusterroles of rbac.authorization.k8s.io
                 ClusterRole put
                   create,update on clusterrolebindings of rbac.authorization.k8s.io named mine";
    let bound = |bindings: &str, expected: &[&str]| {
        check(
            "bind",
            "user eve",
            &format!("{roles}\n{bindings}"),
            expected,
        );
    };
    bound(
        "RoleBinding shop/b gives ClusterRole/b to user:eve
           RoleBinding shop/c gives Role/c to user:eve",
        &["the rights of ClusterRole deploy in namespace shop"],
    );
    bound(
        "RoleBinding pay/b gives ClusterRole/b to user:eve
           RoleBinding shop/c gives Role/c to user:eve",
        &[],
    );
    bound(
        "RoleBinding shop/b gives ClusterRole/b to user:eve
           ClusterRoleBinding cc gives ClusterRole/cc to group:system:authenticated",
        &["the rights of ClusterRole deploy in namespace shop"],
    );
    bound(
        "ClusterRoleBinding b gives ClusterRole/b to user:eve
           ClusterRoleBinding put gives ClusterRole/put to user:eve",
        &["the rights of ClusterRole deploy in the cluster"],
    );
    bound(
        "ClusterRoleBinding any gives ClusterRole/any to user:eve
           ClusterRoleBinding cc gives ClusterRole/cc to user:eve",
        &[
            "full control of every namespace",
            "the rights of ClusterRole all in the cluster",
        ],
    );
    bound(
        "RoleBinding shop/any gives ClusterRole/any to user:eve
           RoleBinding shop/c gives Role/c to user:eve",
        &["the rights of ClusterRole all in namespace shop"],
    );
}

#[test]
fn escalation_takes_a_role_that_one_has() {
    let roles = "ClusterRole r
                   escalate,update on clusterroles of rbac.authorization.k8s.io
                 ClusterRoleBinding r gives ClusterRole/r to user:eve
                 ClusterRole s
                   escalate,update on clusterroles of rbac.authorization.k8s.io named basic
                 ClusterRoleBinding s gives ClusterRole/s to user:sam
                 ClusterRole t
                   escalate,update on clusterroles of rbac.authorization.k8s.io named other
                 RoleBinding shop/t gives ClusterRole/t to user:tim
                 ClusterRole basic
                   create on selfsubjectreviews of authentication.k8s.io
                 ClusterRoleBinding basic gives ClusterRole/basic to group:system:authenticated";
    check(
        "escalate",
        "user eve",
        roles,
        &["full control of the cluster"],
    );
    check(
        "escalate",
        "user sam",
        roles,
        &["full control of the cluster"],
    );
    check("escalate", "user tim", roles, &[]);
}

#[test]
fn parts_flow_into_wholes_over_several_steps() {
    let cluster = "ClusterRole part labels to=view
                     get on pods of ''
                   ClusterRole view labels to=edit aggregates to=view
                   ClusterRole edit aggregates to=edit
                   ClusterRole r
                     escalate,patch on clusterroles of rbac.authorization.k8s.io named part
                   ClusterRoleBinding r gives ClusterRole/r to user:eve
                   RoleBinding shop/edit gives ClusterRole/edit to user:eve";
    check(
        "aggregate",
        "user eve",
        cluster,
        &["full control of namespace shop"],
    );
    check("escalate", "user eve", cluster, &[]);
}

#[test]
fn signers_are_named_exactly_or_by_domain() {
    let legs = |names: &str| {
        format!(
            "ClusterRole r
                     create on certificatesigningrequests of certificates.k8s.io
                     update on certificatesigningrequests/approval of certificates.k8s.io
                     approve on signers of certificates.k8s.io {names}
                   ClusterRoleBinding r gives ClusterRole/r to user:eve"
        )
    };
    let all = [
        "every group of the cluster",
        "every service account of the cluster",
        "every user of the cluster",
    ];
    check("csr-approve", "user eve", &legs(""), &all);
    check(
        "csr-approve",
        "user eve",
        &legs("named kubernetes.io/kube-apiserver-client"),
        &all,
    );
    check(
        "csr-approve",
        "user eve",
        &legs("named kubernetes.io/*"),
        &all,
    );
    check("csr-approve", "user eve", &legs("named */*"), &[]);
    check(
        "csr-approve",
        "user eve",
        &legs("named kubernetes.io/kubelet-serving"),
        &[],
    );
}

#[test]
fn reviews_are_allowed_with_the_word_and_refused_without_it() {
    for kind in EDGES {
        let example = &kind.example;
        let snapshot = cluster(example.cluster, minor(kind));
        let graph = Graph::new(&snapshot, BTreeMap::new());
        let mut steps = graph.edges().filter(|step| {
            step.kind.id == kind.id
                && step.from.to_string() == example.from
                && step.to.to_string() == example.to
        });
        let proof = steps.next().unwrap().proof(&snapshot);
        let needs = kind.needs_rights();
        assert_eq!(!proof.is_empty(), needs, "{}", kind.id);
        let allowed = |cluster| {
            let engine = Engine::new(cluster);
            let is_allowed = |review: &Review| {
                let user = review.user.as_ref().unwrap();
                engine.decide(user, &review.request).is_allowed()
            };
            proof.iter().all(is_allowed)
        };
        assert!(allowed(snapshot.clone()), "{}: {proof:#?}", kind.id);
        let (word, instead) = example.safe;
        let (rbac, _) = example
            .cluster
            .split_once("---")
            .unwrap_or((example.cluster, ""));
        if needs && rbac.contains(word) {
            let safe = cluster(&example.cluster.replace(word, instead), minor(kind));
            assert!(!allowed(safe), "{}: {proof:#?}", kind.id);
        }
    }
}

#[test]
fn constrained_impersonation_leaves_what_both_may() {
    let cluster = "ClusterRole r
                     impersonate:serviceaccount on serviceaccounts of authentication.k8s.io
                     impersonate-on:serviceaccount:list on secrets,pods of ''
                   RoleBinding shop/r gives ClusterRole/r to user:eve
                   ClusterRole s
                     list,create on secrets,pods of ''
                   ClusterRoleBinding s gives ClusterRole/s to sa:shop/web
                   ClusterRoleBinding t gives ClusterRole/s to sa:pay/web";
    let acting = "user eve as service account shop/web";
    check("impersonate-constrained", "user eve", cluster, &[acting]);
    check(
        "read-secrets",
        acting,
        cluster,
        &["every Secret of namespace shop"],
    );
    check("pod-create", acting, cluster, &[]);
    check("secret-mint", acting, cluster, &[]);
}

#[test]
fn restricted_pods_are_not_root_on_a_volume() {
    let cluster = |level: &str| {
        format!(
            "Role shop/r
               create on persistentvolumeclaims,pods of ''
             RoleBinding shop/r gives Role/r to user:eve
             ClusterRole v
               create on persistentvolumes of ''
             ClusterRoleBinding v gives ClusterRole/v to user:eve
             ---
             {{apiVersion: v1, kind: Namespace, metadata: {{name: shop, labels: {{pod-security.kubernetes.io/enforce: {level}}}}}}}"
        )
    };
    let machines = ["every node of the cluster"];
    check(
        "persistent-volume",
        "user eve",
        &cluster("baseline"),
        &machines,
    );
    check("persistent-volume", "user eve", &cluster("restricted"), &[]);
}

#[test]
fn names_of_minted_secrets_are_those_that_can_be_read() {
    let cluster = |read: &str| {
        format!(
            "Role shop/r
               create,patch on secrets of '' named mine
               get on secrets of '' named {read}
             RoleBinding shop/r gives Role/r to user:eve"
        )
    };
    let every = ["every service account of namespace shop"];
    check("secret-mint", "user eve", &cluster("mine"), &every);
    let other = "Role shop/r
                   create,update on secrets of '' named mine
                   get on secrets of '' named mine
                 RoleBinding shop/r gives Role/r to user:eve";
    check("secret-mint", "user eve", other, &[]);
}

#[test]
fn bindings_of_missing_and_mistaken_roles_lead_nowhere() {
    let escalating = "escalate,patch on clusterroles of rbac.authorization.k8s.io";
    let cases = [
        // A ClusterRole's rules on cluster-scoped resources are dead in a namespace.
        format!("ClusterRole r\n{escalating}\nRoleBinding shop/r gives ClusterRole/r to user:eve"),
        // A ClusterRoleBinding of a Role gives nothing, nor does a Role of another namespace.
        "Role shop/r\n* on * of *\nClusterRoleBinding r gives Role/r to user:eve".to_owned(),
        "Role shop/r\n* on * of *\nRoleBinding pay/r gives Role/r to user:eve".to_owned(),
        // A service account without a namespace is nobody in a ClusterRoleBinding.
        "ClusterRole r\n* on * of *\nClusterRoleBinding r gives ClusterRole/r to sa:/eve"
            .to_owned(),
    ];
    for cluster in cases {
        let graph = graph(&cluster, 37);
        let leads = graph.edges().any(|step| {
            step.to.to_string() == "full control of the cluster" && step.kind.id != "masters"
        });
        assert!(!leads, "{cluster}");
    }
}

#[test]
fn nodes_and_strangers_are_in_their_groups() {
    let cluster = "ClusterRole r
                     get on pods of ''
                   ClusterRole i
                     impersonate on users of '' named system:anonymous
                   ClusterRoleBinding r gives ClusterRole/r to group:system:nodes group:system:unauthenticated
                   ClusterRoleBinding i gives ClusterRole/i to user:eve
                   ---
                   {apiVersion: v1, kind: Node, metadata: {name: n1}}";
    check(
        "member-of",
        "user system:node:n1",
        cluster,
        &["group system:nodes"],
    );
    check(
        "member-of",
        "user system:anonymous",
        cluster,
        &["group system:unauthenticated"],
    );
    check(
        "anonymous",
        "anybody",
        cluster,
        &["group system:unauthenticated"],
    );
}

/// Rights that a RoleBinding cannot give, bound by one; and rights on what no API server has.
#[test]
fn no_edge_comes_of_rights_that_are_dead() {
    let (mut rules, mut alive) = (0, 0);
    for kind in EDGES {
        for (number, rule) in (0_u8..).zip(kind.rules) {
            let legs = rule.every_leg();
            if legs.is_empty() {
                continue;
            }
            let by_rolebinding = dead(
                legs,
                |right| right.resource.to_owned(),
                "RoleBinding shop/r",
            );
            let everywhere = "ClusterRoleBinding r";
            let unknown = dead(legs, |right| format!("x{}", right.resource), everywhere);
            let capital = dead(legs, |right| right.resource.to_uppercase(), everywhere);
            let slash = dead(
                legs,
                |right| format!("{}/*", right.resource.split('/').next().unwrap()),
                everywhere,
            );
            let needs_cluster =
                |leg: &&[Right]| leg.iter().all(|right| right.scope == Scope::Cluster);
            let is_dead = legs.iter().any(&needs_cluster);
            let mut cases = vec![unknown, capital, slash];
            cases.extend(Some(by_rolebinding).filter(|_| is_dead));
            for text in cases {
                assert_eq!(leads(kind, number, &text), None, "{}: {text}", kind.id);
            }
            let as_they_are = dead(legs, |right| right.resource.to_owned(), everywhere);
            rules += 1;
            alive += usize::from(leads(kind, number, &as_they_are).is_some());
        }
    }
    // The others take names, other objects or subjects.
    assert!(alive * 3 > rules * 2, "{alive} of {rules}");
}

/// Where the first step of a rule of an edge leads from eve, with what stands in its example beside roles and bindings.
fn leads(kind: &EdgeKind, number: u8, rbac: &str) -> Option<String> {
    let objects = kind.example.cluster.split_once("---");
    let objects = objects.map_or_else(String::new, |(_, objects)| format!("---{objects}"));
    let graph = graph(&format!("{rbac}\n{objects}"), minor(kind));
    let mut steps = graph.edges().filter(|step| {
        let same = std::ptr::eq(step.kind, kind) && step.rule == number;
        same && step.from.to_string() == "user eve"
    });
    steps.next().map(|step| step.to.to_string())
}

/// A role with every right of these legs, bound to eve.
fn dead(legs: &[&[Right]], resource: impl Fn(&Right) -> String, binding: &str) -> String {
    let mut text = "ClusterRole r\n".to_owned();
    for right in legs
        .iter()
        .copied()
        .flatten()
        .filter(|right| **right != Right::EVERYTHING)
    {
        let group = if right.group.is_empty() {
            "''"
        } else {
            right.group
        };
        let verbs = right.verbs.join(",");
        text += &format!("  {verbs} on {} of {group}\n", resource(right));
    }
    format!("{text}{binding} gives ClusterRole/r to user:eve")
}
