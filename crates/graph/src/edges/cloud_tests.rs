//! Who identities of AWS are in the cluster, and who says so.

use super::testing::check;

/// A cluster with the map of identities of AWS, and roles for some whom it names.
fn mapped(data: &str, rest: &str) -> String {
    format!(
        "{rest}
         ---
         {{apiVersion: v1, kind: Node, metadata: {{name: n1}}}}
         {{apiVersion: v1, kind: ConfigMap, metadata: {{namespace: kube-system, name: aws-auth}}, data: {{{data}}}}}"
    )
}

#[test]
fn an_identity_of_aws_is_its_user_and_its_groups() {
    let roles = "Role shop/r
                   get on pods of ''
                 RoleBinding shop/r gives Role/r to user:arn:aws:iam::22:user/amy
                 RoleBinding shop/s gives Role/r to user:arn:aws:iam::2:user/amy";
    let map = |data: &str| mapped(data, roles);
    let data = r#"mapRoles: "- {rolearn: arn:aws:iam::1:role/Ops, username: 'ops:{{AccountID}}', groups: [system:masters, ops]}\n- {rolearn: arn:aws:iam::1:role/node, username: 'system:node:{{EC2PrivateDNSName}}', groups: [system:nodes]}", mapUsers: '[{userarn: arn:aws:iam::1:user/a/amy, username: system:node:n1}]', mapAccounts: '[22]'"#;
    let check_map = |id: &str, from: &str, expected: &[&str]| check(id, from, &map(data), expected);
    check_map(
        "cloud-login",
        "cloud identity arn:aws:iam::1:role/Ops",
        &[
            "group ops",
            "group system:authenticated",
            "group system:masters",
            "user ops:1",
        ],
    );
    // A node's name alone is no node.
    check_map(
        "cloud-login",
        "cloud identity arn:aws:iam::1:user/a/amy",
        &[
            "group system:authenticated",
            "user system:node:n1 without groups",
        ],
    );
    let node = "cloud identity arn:aws:iam::1:role/node";
    check_map(
        "cloud-login",
        node,
        &["group system:authenticated", "group system:nodes"],
    );
    check_map(
        "cloud-session",
        node,
        &["the identity of every node of the cluster"],
    );
    check_map(
        "contains",
        "the identity of every node of the cluster",
        &["user system:node:n1"],
    );
    let account = map(r#"mapAccounts: '["000000000022", "22"]'"#);
    check(
        "cloud-login",
        "cloud identity of account 22",
        &account,
        &[
            "group system:authenticated",
            "user arn:aws:iam::22:user/amy",
        ],
    );
}

#[test]
fn user_and_groups_of_an_identity_come_together() {
    let roles = "Role shop/bind
                   bind on clusterroles of rbac.authorization.k8s.io
                 Role shop/create
                   create on rolebindings of rbac.authorization.k8s.io
                 ClusterRole all
                   * on * of *
                 RoleBinding shop/a gives Role/bind to user:dev
                 RoleBinding shop/b gives Role/create to group:dev";
    let map = |groups: &str| {
        mapped(
            &format!(
                "mapRoles: '[{{rolearn: arn:aws:iam::1:role/dev, username: dev, groups: [{groups}]}}]'"
            ),
            roles,
        )
    };
    let dev = "cloud identity arn:aws:iam::1:role/dev";
    let rights = &["the rights of ClusterRole all in namespace shop"];
    check("bind", dev, &map("dev"), rights);
    check("bind", dev, &map("ops"), &[]);
    check("bind", "user dev", &map("dev"), &[]);
}

#[test]
fn a_service_account_goes_on_as_its_role() {
    let cluster = |map: &str| {
        format!(
            "---
             {{apiVersion: v1, kind: ServiceAccount,
               metadata: {{namespace: shop, name: web, annotations: {{eks.amazonaws.com/role-arn: 'arn:aws:iam::1:role/teams/shop'}}}}}}
             {{apiVersion: v1, kind: ConfigMap, metadata: {{namespace: kube-system, name: aws-auth}}, data: {{{map}}}}}"
        )
    };
    let (from, to) = (
        "cloud identity arn:aws:iam::1:role/teams/shop",
        "cloud identity arn:aws:iam::1:role/shop",
    );
    let mapped =
        |arn: &str| format!("mapRoles: '[{{rolearn: arn:aws:iam::1:role/{arn}, username: shop}}]'");
    check("cloud-login", from, &cluster(&mapped("shop")), &[to]);
    check("cloud-login", from, &cluster(&mapped("other")), &[]);
    let user = "user arn:aws:iam::1:role/shop";
    check(
        "cloud-login",
        from,
        &cluster("mapAccounts: '[\"1\"]'"),
        &[user],
    );
}

#[test]
fn a_map_that_is_not_there_is_created() {
    let cluster = |verb: &str, map: &str| {
        format!(
            "Role kube-system/r
               {verb} on configmaps of ''
             RoleBinding kube-system/r gives Role/r to user:eve
             ---
             {{apiVersion: v1, kind: Node, metadata: {{name: n1, labels: {{eks.amazonaws.com/nodegroup: a}}}}}}
             {map}"
        )
    };
    let map =
        "{apiVersion: v1, kind: ConfigMap, metadata: {namespace: kube-system, name: aws-auth}}";
    let masters: &[&str] = &["group system:masters"];
    check("aws-auth", "user eve", &cluster("create", ""), masters);
    check("aws-auth", "user eve", &cluster("create", map), &[]);
    check("aws-auth", "user eve", &cluster("patch", ""), &[]);
    check("aws-auth", "user eve", &cluster("patch", map), masters);
}
