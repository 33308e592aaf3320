//! What an audit against the sources found to be missing, or too much.

use super::testing::{check, graph};

const MACHINES: &[&str] = &["every node of the cluster"];

#[test]
fn who_changes_templates_makes_pods_where_there_is_one() {
    let cluster = |right: &str, objects: &str| {
        format!(
            "Role shop/r
               patch on namespaces of ''
               {right}
             RoleBinding shop/r gives Role/r to user:eve
             ---
             {{apiVersion: v1, kind: Namespace, metadata: {{name: shop, labels: {{pod-security.kubernetes.io/enforce: baseline}}}}}}
             {objects}"
        )
    };
    let deployment = "{apiVersion: apps/v1, kind: Deployment, metadata: {namespace: shop, name: web},
      spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: web, image: web}]}}}}";
    let leads = |right: &str, objects: &str, expected: &[&str]| {
        check(
            "namespace-label",
            "user eve",
            &cluster(right, objects),
            expected,
        );
    };
    leads("update on deployments of apps", deployment, MACHINES);
    leads(
        "patch on deployments of apps named web",
        deployment,
        MACHINES,
    );
    leads("patch on deployments of apps named api", deployment, &[]);
    leads("patch on statefulsets of apps", deployment, &[]);
    leads("patch on deployments of apps", "", &[]);
    leads("patch on jobs of batch", deployment, &[]);
}

#[test]
fn templates_of_another_namespace_open_no_label() {
    let cluster = |namespace: &str| {
        format!(
            "ClusterRole r
               patch on namespaces of ''
               patch on deployments of apps
             ClusterRoleBinding r gives ClusterRole/r to user:eve
             ---
             {{apiVersion: v1, kind: Namespace, metadata: {{name: shop, labels: {{pod-security.kubernetes.io/enforce: baseline}}}}}}
             {{apiVersion: apps/v1, kind: Deployment, metadata: {{namespace: {namespace}, name: web}},
              spec: {{selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}}, spec: {{containers: [{{name: web, image: web}}]}}}}}}}}"
        )
    };
    check("namespace-label", "user eve", &cluster("shop"), MACHINES);
    check("namespace-label", "user eve", &cluster("pay"), &[]);
}

#[test]
fn ephemeral_containers_are_privileged_where_new_pods_may_be() {
    let cluster = |label: &str, pod: &str, annotations: &str| {
        format!(
            "Role shop/r
               update on pods/ephemeralcontainers of ''
             RoleBinding shop/r gives Role/r to user:eve
             ---
             {{apiVersion: v1, kind: Namespace, metadata: {{name: shop, labels: {{{label}}}}}}}
             {{apiVersion: v1, kind: Pod, metadata: {{namespace: shop, name: web, annotations: {{{annotations}}}}},
              spec: {{nodeName: n1, {pod} containers: [{{name: web, image: web}}]}}}}"
        )
    };
    let new = "new containers in every pod of namespace shop";
    let privileged = "privileged containers in every pod of namespace shop";
    let leads = |label: &str, pod: &str, annotations: &str, is_let_in: bool, nodes: &[&str]| {
        let text = cluster(label, pod, annotations);
        check("ephemeral-container-node", "user eve", &text, &[new]);
        let let_in: &[&str] = if is_let_in { &[privileged] } else { &[] };
        check("ephemeral-container-node", new, &text, let_in);
        check("ephemeral-container-node", privileged, &text, nodes);
    };
    let enforce = |level: &str| format!("pod-security.kubernetes.io/enforce: {level}");
    leads("", "", "", true, &["node n1"]);
    leads(&enforce("privileged"), "", "", true, &["node n1"]);
    leads(&enforce("baseline"), "", "", false, &["node n1"]);
    leads(&enforce("restricted"), "", "", false, &["node n1"]);
    leads("", "hostUsers: false,", "", true, &[]);
    leads("", "", "kubernetes.io/config.mirror: abc", true, &[]);
    let kept = graph(&cluster(&enforce("baseline"), "", ""), 37);
    let mut kept = kept
        .held_back()
        .filter(|held| held.kind.id == "ephemeral-container-node");
    assert_eq!(
        kept.next().unwrap().why,
        "Pod Security refuses privileged containers in this namespace"
    );
    assert!(kept.next().is_none());
}

#[test]
fn a_minted_token_is_seen_by_deleting_all() {
    let cluster = "Role shop/r
                     create,deletecollection on secrets of ''
                   RoleBinding shop/r gives Role/r to user:eve";
    let every = ["every service account of namespace shop"];
    check("secret-mint", "user eve", cluster, &every);
}

#[test]
fn missing_accounts_come_to_life_in_every_way_that_makes_pods_or_tokens() {
    let cluster = |right: &str| {
        format!(
            "Role shop/r
               create on serviceaccounts of ''
               {right}
             RoleBinding shop/r gives Role/r to user:eve
             ClusterRole all
               * on * of *
             ClusterRoleBinding all gives ClusterRole/all to sa:shop/gone
             ---
             {{apiVersion: apps/v1, kind: Deployment, metadata: {{namespace: shop, name: web}},
              spec: {{selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}}, spec: {{containers: [{{name: web, image: web}}]}}}}}}}}"
        )
    };
    let every = ["every missing service account of namespace shop"];
    let leads = |right: &str, expected: &[&str]| {
        check("dangling-account", "user eve", &cluster(right), expected);
    };
    leads("create on serviceaccounts/token of ''", &every);
    leads("create on replicationcontrollers of ''", &every);
    leads("create on replicasets of apps", &every);
    leads("patch on deployments of apps", &every);
    leads("patch on daemonsets of apps", &[]);
    leads("create,get on secrets of ''", &every);
    leads("create on secrets of ''", &[]);
}

#[test]
fn names_of_missing_accounts_can_be_impersonated() {
    let cluster = |names: &str| {
        format!(
            "Role shop/r
               impersonate on serviceaccounts of '' {names}
             RoleBinding shop/r gives Role/r to user:eve
             ClusterRole all
               * on * of *
             ClusterRoleBinding all gives ClusterRole/all to sa:shop/gone"
        )
    };
    let leads = |names: &str, expected: &[&str]| {
        check(
            "impersonate-service-account",
            "user eve",
            &cluster(names),
            expected,
        );
    };
    leads("named gone", &["service account shop/gone"]);
    leads("named other", &[]);
    leads(
        "",
        &[
            "every missing service account of namespace shop",
            "every service account of namespace shop",
        ],
    );
}

#[test]
fn a_node_is_its_name_and_its_group() {
    let cluster = |groups: &str, users: &str| {
        format!(
            "ClusterRole r
               impersonate on groups of '' named {groups}
               impersonate on users of '' {users}
             ClusterRoleBinding r gives ClusterRole/r to user:eve
             ---
             {{apiVersion: v1, kind: Node, metadata: {{name: n1}}}}"
        )
    };
    let leads = |groups: &str, users: &str, expected: &[&str]| {
        check(
            "impersonate-group",
            "user eve",
            &cluster(groups, users),
            expected,
        );
    };
    let nodes = "group system:nodes";
    leads(
        "system:nodes",
        "named system:node:n1",
        &[nodes, "user system:node:n1"],
    );
    leads("system:nodes", "named amy", &[nodes]);
    leads(
        "system:nodes",
        "",
        &[nodes, "the identity of every node of the cluster"],
    );
    leads("dev", "named system:node:n1", &["group dev"]);
    let accounts = "ClusterRole r
                      impersonate on groups of '' named system:nodes
                      impersonate on serviceaccounts of ''
                    ClusterRoleBinding r gives ClusterRole/r to user:eve";
    check("impersonate-group", "user eve", accounts, &[nodes]);
}

#[test]
fn new_roles_are_bound_where_nobody_has_to_be_given_them() {
    let cluster = |rules: &str, binding: &str| {
        format!("ClusterRole r\n{rules}\n{binding} gives ClusterRole/r to user:eve")
    };
    let rights = |escalate: &str, bind: &str, scope: &str| {
        format!(
            "{escalate} on clusterroles of rbac.authorization.k8s.io
               {bind}
               create on {scope} of rbac.authorization.k8s.io"
        )
    };
    let any = "bind on clusterroles of rbac.authorization.k8s.io";
    let everywhere = "ClusterRoleBinding r";
    let leads = |rules: &str, expected: &[&str]| {
        check(
            "escalate",
            "user eve",
            &cluster(rules, everywhere),
            expected,
        );
    };
    let all = rights("create,escalate", any, "clusterrolebindings");
    leads(&all, &["full control of the cluster"]);
    leads(&rights("escalate", any, "clusterrolebindings"), &[]);
    leads(&rights("create", any, "clusterrolebindings"), &[]);
    leads(&rights("create,escalate", "", "clusterrolebindings"), &[]);
    let of = |name: &str| format!("{any} named {name}");
    leads(
        &rights("create,escalate", &of("fresh"), "clusterrolebindings"),
        &["full control of the cluster"],
    );
    leads(
        &rights("create,escalate", &of("r"), "clusterrolebindings"),
        &[],
    );
    let here = "create,escalate,bind on roles of rbac.authorization.k8s.io
                create on rolebindings of rbac.authorization.k8s.io";
    check(
        "escalate",
        "user eve",
        &cluster(here, "RoleBinding shop/r"),
        &["full control of namespace shop"],
    );
}

#[test]
fn a_new_part_flows_into_the_whole() {
    let cluster = |rights: &str| {
        format!(
            "ClusterRole r
               {rights}
             ClusterRoleBinding r gives ClusterRole/r to user:eve
             ClusterRole whole aggregates team=shop
               get on pods of ''
             RoleBinding shop/whole gives ClusterRole/whole to user:eve"
        )
    };
    let leads = |rights: &str, expected: &[&str]| {
        check("aggregate", "user eve", &cluster(rights), expected);
    };
    let here = ["full control of namespace shop"];
    leads(
        "create,escalate on clusterroles of rbac.authorization.k8s.io",
        &here,
    );
    leads("create on clusterroles of rbac.authorization.k8s.io", &[]);
    // The request that creates names nothing.
    leads(
        "create on clusterroles of rbac.authorization.k8s.io
         escalate on clusterroles of rbac.authorization.k8s.io named part",
        &[],
    );
}

#[test]
fn bootstrap_tokens_are_changed_where_there_is_one() {
    let cluster = |name: &str| {
        format!(
            "Role kube-system/r
               update on secrets of '' named {name}
             RoleBinding kube-system/r gives Role/r to user:eve
             ClusterRole join
               create on certificatesigningrequests of certificates.k8s.io
             ClusterRoleBinding join gives ClusterRole/join to group:system:bootstrappers:join
             ---
             {{apiVersion: v1, kind: Secret, type: bootstrap.kubernetes.io/token,
              metadata: {{namespace: kube-system, name: bootstrap-token-abcdef}}}}"
        )
    };
    let leads = |name: &str, expected: &[&str]| {
        check("bootstrap-mint", "user eve", &cluster(name), expected);
    };
    leads(
        "bootstrap-token-abcdef",
        &["group system:bootstrappers:join"],
    );
    leads("bootstrap-token-ghijkl", &[]);
}

#[test]
fn the_author_of_a_template_is_not_the_author_of_its_pods() {
    let cluster = |resource: &str| {
        format!(
            "ClusterRole s
               use on securitycontextconstraints of security.openshift.io named own
             RoleBinding shop/s gives ClusterRole/s to user:eve
             Role shop/r
               create on {resource}
             RoleBinding shop/r gives Role/r to user:eve
             ---
             {{apiVersion: security.openshift.io/v1, kind: SecurityContextConstraints, metadata: {{name: own}}, allowHostDirVolumePlugin: true,
              runAsUser: {{type: RunAsAny}}}}"
        )
    };
    check("scc-use", "user eve", &cluster("pods of ''"), MACHINES);
    check("scc-use", "user eve", &cluster("deployments of apps"), &[]);
}
