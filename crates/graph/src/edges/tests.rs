//! What takes several rights, and what rights lead nowhere.

use super::testing::{check, check_with, graph};

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
        "every missing service account of the cluster",
        "every service account of the cluster",
        "every user of the cluster",
        "the identity of every node of the cluster",
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
