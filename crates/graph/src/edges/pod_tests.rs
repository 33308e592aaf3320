//! Rights to ports, logs and bindings, and what is left of those to sign.

use super::testing::{check, graph};

#[test]
fn names_of_ports_are_those_of_the_path() {
    let cluster = |right: &str| {
        format!(
            "Role shop/r
               {right}
             RoleBinding shop/r gives Role/r to user:eve
             ---
             {{apiVersion: v1, kind: Service, metadata: {{namespace: shop, name: web}}, spec: {{ports: [{{port: 80}}]}}}}
             {{apiVersion: v1, kind: Pod, metadata: {{namespace: shop, name: web}}, spec: {{containers: [{{name: web, image: web}}]}}}}
             {{apiVersion: v1, kind: Pod, metadata: {{namespace: shop, name: agent}},
              spec: {{nodeName: n1, hostNetwork: true, containers: [{{name: web, image: web}}]}}}}"
        )
    };
    let proxy = |names: &str, expected: &[&str]| {
        let text = cluster(&format!("get on services/proxy of '' named {names}"));
        check("proxy", "user eve", &text, expected);
    };
    proxy("web", &["Service shop/web"]);
    proxy("https:web:8443", &["Service shop/web"]);
    proxy("ftp:web:8443", &[]);
    proxy("other", &[]);
    let pods = |id: &str, right: &str, expected: &[&str]| {
        check(id, "user eve", &cluster(right), expected);
    };
    pods(
        "proxy",
        "get on pods/proxy of '' named web:80",
        &["the ports of Pod shop/web"],
    );
    pods(
        "port-forward",
        "create on pods/portforward of '' named web",
        &["the ports of Pod shop/web"],
    );
    pods(
        "port-forward",
        "create on pods/portforward of '' named web:80",
        &[],
    );
    let host = ["the network of node n1", "the ports of Pod shop/agent"];
    pods(
        "port-forward",
        "create on pods/portforward of '' named agent",
        &host,
    );
}

#[test]
fn a_binding_is_extended_as_far_as_one_has_its_rights() {
    let cluster = |role: &str| {
        format!(
            "Role shop/r
               patch on rolebindings of rbac.authorization.k8s.io named known
               get on pods of ''
             RoleBinding shop/r gives Role/r to user:eve
             Role shop/s
               {role}
             RoleBinding shop/known gives Role/s to user:amy"
        )
    };
    let own = ["one's own rights for others of namespace shop"];
    check("share", "user eve", &cluster("get on pods of ''"), &own);
    check("share", "user eve", &cluster("get,list on pods of ''"), &[]);
    check(
        "share",
        "user eve",
        &cluster("get on pods of '' named web"),
        &own,
    );
}

#[test]
fn logs_are_links_where_both_mount_and_right_are_there() {
    let cluster = |right: &str, binding: &str, mount: &str| {
        format!(
            "ClusterRole r
               {right}
             {binding}
             ---
             {{apiVersion: v1, kind: ServiceAccount, metadata: {{namespace: shop, name: web}}}}
             {{apiVersion: v1, kind: Pod, metadata: {{namespace: shop, name: web}},
              spec: {{nodeName: n1, serviceAccountName: web, volumes: [{{name: host, hostPath: {{path: {mount}}}}}],
               containers: [{{name: web, image: web, volumeMounts: [{{name: host, mountPath: /host}}]}}]}}}}"
        )
    };
    let leads = |right: &str, binding: &str, mount: &str, expected: bool| {
        let to: &[&str] = if expected { &["node n1"] } else { &[] };
        check(
            "log-symlink",
            "Pod shop/web",
            &cluster(right, binding, mount),
            to,
        );
    };
    let here = "RoleBinding shop/r gives ClusterRole/r to sa:shop/web";
    let pay = "RoleBinding pay/r gives ClusterRole/r to sa:shop/web";
    let group = "ClusterRoleBinding r gives ClusterRole/r to group:system:serviceaccounts:shop";
    let (pod, node) = ("get on pods/log of ''", "get on nodes/log of ''");
    leads(pod, here, "/var/log", true);
    leads(pod, here, "/var", true);
    leads(pod, here, "/var/log/pods", true);
    leads(pod, here, "/var/log/audit", false);
    leads(pod, here, "/srv", false);
    leads(pod, pay, "/var/log", false);
    leads(pod, group, "/var/log", true);
    leads(node, group, "/var/log/audit", true);
    leads(node, here, "/var/log", false);
    leads("get on pods/log of '' named web", here, "/var/log", true);
    leads("get on pods/log of '' named other", here, "/var/log", false);
    let read_only = cluster(pod, here, "/var/log")
        .replace("mountPath: /host", "mountPath: /host, readOnly: true");
    check("log-symlink", "Pod shop/web", &read_only, &[]);
    let no_root = cluster(pod, here, "/var/log").replace(
        "image: web,",
        "image: web, securityContext: {runAsUser: 7},",
    );
    check("log-symlink", "Pod shop/web", &no_root, &[]);
}

#[test]
fn logs_are_links_for_who_comes_into_the_pod_himself() {
    let cluster = |rights: &str, binding: &str, mount: &str| {
        format!(
            "ClusterRole r
               {rights}
             {binding} gives ClusterRole/r to user:eve
             ---
             {{apiVersion: v1, kind: Pod, metadata: {{namespace: shop, name: web}},
              spec: {{nodeName: n1, volumes: [{{name: host, hostPath: {{path: {mount}}}}}],
               containers: [{{name: web, image: web, volumeMounts: [{{name: host, mountPath: /host}}]}}]}}}}"
        )
    };
    let (here, everywhere) = ("RoleBinding shop/r", "ClusterRoleBinding r");
    let leads = |rights: &str, binding: &str, mount: &str, expected: &[&str]| {
        let text = cluster(rights, binding, mount);
        check("log-symlink", "user eve", &text, expected);
    };
    let exec = "create on pods/exec of ''";
    let both = format!("{exec}\nget on pods/log of ''");
    let pods = "links in place of the logs of pods of namespace shop";
    let nodes = "links among the logs of the nodes of pods of namespace shop";
    leads(&both, here, "/var/log", &[pods]);
    leads(&both, "RoleBinding pay/r", "/var/log", &[]);
    leads(&both, here, "/srv", &[]);
    leads(exec, here, "/var/log", &[]);
    leads("get on pods/log of ''", here, "/var/log", &[]);
    leads(
        "patch,update on pods/ephemeralcontainers of ''\nget on pods/log of ''",
        here,
        "/var/log",
        &[pods],
    );
    leads(
        "create on pods/exec of '' named web\nget on pods/log of ''",
        here,
        "/var/log",
        &["node n1"],
    );
    leads(
        "create on pods/exec of '' named api\nget on pods/log of ''",
        here,
        "/var/log",
        &[],
    );
    leads(
        "create on pods/exec of ''\nget on pods/log of '' named web",
        here,
        "/var/log/audit",
        &[],
    );
    let of_nodes = format!("{exec}\nget on nodes/log of ''");
    leads(&of_nodes, here, "/var/log/audit", &[]);
    let cluster_wide = "links among the logs of the nodes of pods of the cluster";
    leads(&of_nodes, everywhere, "/var/log/audit", &[cluster_wide]);
    let of_one = |node: &str| format!("{exec}\nget on nodes/log of '' named {node}");
    leads(&of_one("n1"), everywhere, "/var/log/audit", &["node n1"]);
    leads(&of_one("n2"), everywhere, "/var/log/audit", &[]);
    leads(
        "get on nodes/proxy of ''",
        everywhere,
        "/var/log",
        &[cluster_wide],
    );
    leads(
        "create on nodes/proxy of '' named n1",
        everywhere,
        "/var/log",
        &["node n1"],
    );
    leads(
        "create on nodes/proxy of '' named n2",
        everywhere,
        "/var/log",
        &[],
    );
    let own = |mount: &str| cluster(&both, here, mount);
    check("log-symlink", pods, &own("/var/log"), &["node n1"]);
    check("log-symlink", pods, &own("/var/log/audit"), &[]);
    check("log-symlink", nodes, &own("/var/log/audit"), &["node n1"]);
    let no_root = own("/var/log").replace(
        "image: web,",
        "image: web, securityContext: {runAsUser: 7},",
    );
    check("log-symlink", pods, &no_root, &[]);
}

#[test]
fn signing_without_a_key_of_an_authority_leads_nowhere() {
    let cluster = "ClusterRole r
                     sign on signers of certificates.k8s.io
                     create on certificatesigningrequests of certificates.k8s.io
                     patch,update on certificatesigningrequests/status of certificates.k8s.io
                     patch,update on podcertificaterequests/status of certificates.k8s.io
                   ClusterRoleBinding r gives ClusterRole/r to user:eve";
    let graph = graph(cluster, 37);
    let steps = graph
        .edges()
        .filter(|step| step.from.to_string() == "user eve");
    let found: Vec<String> = steps.map(|step| step.to.to_string()).collect();
    assert_eq!(found, [] as [String; 0]);
}
