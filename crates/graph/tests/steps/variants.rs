//! Ways of an edge that its example does not take.

use bailiwick_testkit::servers::Cluster;
use serde_json::{Value, json};

use crate::acts::{CORE, DRY, RBAC, add_container, eve, everything, is, who};
use crate::stage::{Stage, eventually};

#[test]
fn steps_by_other_rights_than_those_of_the_examples() {
    let stage = Stage::new(&Cluster::builder());
    a_role_of_ones_own(&stage);
    a_part_of_ones_own(&stage);
    an_account_that_is_not_there(&stage);
    a_node_by_name_and_group(&stage);
    a_token_by_deleting_all(&stage);
    contents_of_a_bootstrap_token(&stage);
    containers_in_static_pods(&stage);
    pods_by_a_template(&stage);
}

/// `create`, `escalate` and `bind`, all without names, and none of `update` and `patch`.
fn a_role_of_ones_own(stage: &Stage) {
    let rights = |escalate: &str| {
        format!(
            "ClusterRole own
               create{escalate} on clusterroles of rbac.authorization.k8s.io
               bind on clusterroles of rbac.authorization.k8s.io named fresh
               create on clusterrolebindings of rbac.authorization.k8s.io
             ClusterRoleBinding own gives ClusterRole/own to user:eve"
        )
    };
    let role = json!({"metadata": {"name": "fresh"}, "rules": [everything()]});
    let binding = json!({
        "metadata": {"name": "fresh"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "fresh"},
        "subjects": [eve()],
    });
    let roles = format!("{RBAC}/clusterroles");
    let paths = stage.put_rbac(&rights(""));
    assert!(is(403, &stage.post(&roles, &role)));
    stage.remove_rbac(&paths);
    let mut paths = stage.put_rbac(&rights(",escalate"));
    assert!(eventually(|| matches!(
        stage.post(&roles, &role).status,
        201 | 409
    )));
    let bindings = format!("{RBAC}/clusterrolebindings");
    assert!(eventually(|| is(201, &stage.post(&bindings, &binding))));
    assert!(eventually(|| is(200, &stage.get("/api/v1/secrets"))));
    paths.extend([format!("{roles}/fresh"), format!("{bindings}/fresh")]);
    stage.remove_rbac(&paths);
}

/// A new role with the label of those that flow into a role of the attacker's.
fn a_part_of_ones_own(stage: &Stage) {
    let mut paths = stage.put_rbac(
        "ClusterRole own
           create,escalate on clusterroles of rbac.authorization.k8s.io
         ClusterRoleBinding own gives ClusterRole/own to user:eve
         ClusterRole whole aggregates team=shop
           get on pods of ''
         ClusterRoleBinding whole gives ClusterRole/whole to user:eve",
    );
    let part =
        json!({"metadata": {"name": "part", "labels": {"team": "shop"}}, "rules": [everything()]});
    let roles = format!("{RBAC}/clusterroles");
    assert!(eventually(|| !is(200, &stage.get("/api/v1/secrets"))));
    assert!(eventually(|| matches!(
        stage.post(&roles, &part).status,
        201 | 409
    )));
    assert!(eventually(|| is(200, &stage.get("/api/v1/secrets"))));
    paths.push(format!("{roles}/part"));
    stage.remove_rbac(&paths);
}

fn an_account_that_is_not_there(stage: &Stage) {
    let paths = stage.put_rbac(
        "Role shop/own
           impersonate on serviceaccounts of '' named gone
         RoleBinding shop/own gives Role/own to user:eve",
    );
    assert!(eventually(
        || who(stage, "system:serviceaccount:shop:gone").is_some()
    ));
    assert_eq!(who(stage, "system:serviceaccount:shop:other"), None);
    stage.remove_rbac(&paths);
}

/// The Node authorizer lets a node read itself.
fn a_node_by_name_and_group(stage: &Stage) {
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n7"}});
    let reply = stage.cluster.admin().post("/api/v1/nodes", &node).unwrap();
    assert!(matches!(reply.status, 201 | 409), "{}", reply.body);
    let paths = stage.put_rbac(
        "ClusterRole own
           impersonate on groups of '' named system:nodes
           impersonate on users of '' named system:node:n7
         ClusterRoleBinding own gives ClusterRole/own to user:eve",
    );
    let read = |headers: &[(&str, &str)]| {
        let reply = stage.eve.request("GET", "/api/v1/nodes/n7", headers, None);
        is(200, &reply.unwrap())
    };
    let name = ("impersonate-user", "system:node:n7");
    assert!(eventually(|| read(&[
        name,
        ("impersonate-group", "system:nodes")
    ])));
    assert!(!read(&[name]));
    stage.remove_rbac(&paths);
}

fn a_token_by_deleting_all(stage: &Stage) {
    let paths = stage.put_rbac(
        "Role shop/own
           create,deletecollection on secrets of ''
         RoleBinding shop/own gives Role/own to user:eve",
    );
    let secrets = format!("{CORE}/shop/secrets");
    let secret = json!({
        "metadata": {
            "name": "drained",
            "annotations": {"kubernetes.io/service-account.name": "default"},
        },
        "type": "kubernetes.io/service-account-token",
    });
    assert!(eventually(|| matches!(
        stage.post(&secrets, &secret).status,
        201 | 409
    )));
    let shows_token = || {
        let path = format!("{secrets}?{DRY}");
        let reply = stage.eve.request("DELETE", &path, &[], None).unwrap();
        let answer = reply.json().unwrap();
        let of = |secret: &Value| {
            secret["metadata"]["name"] == "drained" && secret["data"]["token"].is_string()
        };
        answer["items"]
            .as_array()
            .is_some_and(|items| items.iter().any(of))
    };
    assert!(eventually(shows_token));
    stage.remove_rbac(&paths);
}

/// `update` of a token that is there, with contents of one's own.
fn contents_of_a_bootstrap_token(stage: &Stage) {
    let secret = |token: &str| {
        json!({
            "metadata": {"name": "bootstrap-token-abcdef"},
            "type": "bootstrap.kubernetes.io/token",
            "stringData": {"token-id": "abcdef", "token-secret": token, "usage-bootstrap-authentication": "true"},
        })
    };
    let secrets = format!("{CORE}/kube-system/secrets");
    let made = stage
        .cluster
        .admin()
        .post(&secrets, &secret("0123456789abcdef"));
    assert_eq!(made.unwrap().status, 201);
    let paths = stage.put_rbac(
        "Role kube-system/own
           update on secrets of '' named bootstrap-token-abcdef
         RoleBinding kube-system/own gives Role/own to user:eve",
    );
    let body = secret("fedcba9876543210").to_string();
    let path = format!("{secrets}/bootstrap-token-abcdef?{DRY}");
    let headers = [("content-type", "application/json")];
    let changed = || {
        stage
            .eve
            .request("PUT", &path, &headers, Some(&body))
            .unwrap()
    };
    assert!(eventually(|| is(200, &changed())));
    stage.remove_rbac(&paths);
}

/// A pod that a kubelet reads from a file takes no containers from anybody else.
fn containers_in_static_pods(stage: &Stage) {
    let pod = |name: &str, annotations: Value| {
        json!({
            "metadata": {"name": name, "annotations": annotations},
            "spec": {"nodeName": "n7", "containers": [{"name": "a", "image": "a"}]},
        })
    };
    for body in [
        pod("plain", json!({})),
        pod("static", json!({"kubernetes.io/config.mirror": "a"})),
    ] {
        let reply = stage
            .cluster
            .admin()
            .post(&format!("{CORE}/shop/pods"), &body)
            .unwrap();
        assert_eq!(reply.status, 201, "{}", reply.body);
    }
    let paths = stage.put_rbac(
        "Role shop/own
           patch on pods/ephemeralcontainers of ''
         RoleBinding shop/own gives Role/own to user:eve",
    );
    assert!(eventually(|| is(200, &add_container(stage, "plain"))));
    assert_eq!(add_container(stage, "static").status, 422);
    stage.remove_rbac(&paths);
}

/// `patch` of a Deployment where the namespace is freed of Pod Security first.
fn pods_by_a_template(stage: &Stage) {
    let apps = "/apis/apps/v1/namespaces/shop/deployments";
    let labels = json!({"a": "b"});
    let deployment = json!({
        "metadata": {"name": "front"},
        "spec": {"selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "a"}]},
        }},
    });
    assert_eq!(
        stage
            .cluster
            .admin()
            .post(apps, &deployment)
            .unwrap()
            .status,
        201
    );
    let paths = stage.put_rbac(
        "Role shop/own
           patch on namespaces of ''
           patch on deployments of apps
         RoleBinding shop/own gives Role/own to user:eve",
    );
    let label =
        json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}});
    assert!(eventually(|| is(
        200,
        &stage.patch(&format!("{CORE}/shop?{DRY}"), &label)
    )));
    let container = json!({"name": "a", "image": "a", "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}});
    let template = json!({"spec": {"template": {"spec": {"containers": [container]}}}});
    assert!(is(
        200,
        &stage.patch(&format!("{apps}/front?{DRY}"), &template)
    ));
    stage.remove_rbac(&paths);
}
