//! Constrained impersonation in all its modes, as the API server answers.

use bailiwick_testkit::servers::{Cluster, Identity};

use crate::stage::{Stage, eventually};

const OBJECTS: &str = "
apiVersion: v1
kind: Node
metadata: {name: n1}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: agent, namespace: shop}
---
apiVersion: v1
kind: Secret
metadata: {name: db, namespace: shop}
---
apiVersion: v1
kind: Secret
metadata: {name: other, namespace: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: shop}
spec:
  nodeName: n1
  serviceAccountName: agent
  containers: [{name: a, image: a}]
  volumes: [{name: db, secret: {secretName: db}}]
";

const RBAC: &str = "
  ClusterRole nodes
    impersonate:arbitrary-node on nodes of authentication.k8s.io named n1
    impersonate-on:arbitrary-node:get on secrets of ''
  ClusterRole own
    impersonate:associated-node on nodes of authentication.k8s.io named *
    impersonate-on:associated-node:get on secrets of ''
  ClusterRole named
    impersonate:associated-node on nodes of authentication.k8s.io named n1
    impersonate-on:associated-node:get on secrets of ''
  ClusterRole groups
    impersonate:user-info on users of authentication.k8s.io named amy
    impersonate:user-info on groups of authentication.k8s.io named ops,*
    impersonate-on:user-info:get on secrets of ''
  ClusterRole lone
    impersonate:user-info on groups of authentication.k8s.io named ops
    impersonate-on:user-info:get on secrets of ''
  ClusterRole get
    get on secrets of ''
  ClusterRoleBinding nodes gives ClusterRole/nodes to user:eve
  ClusterRoleBinding own gives ClusterRole/own to sa:shop/agent
  ClusterRoleBinding named gives ClusterRole/named to sa:shop/default
  ClusterRoleBinding groups gives ClusterRole/groups to user:eve
  ClusterRoleBinding lone gives ClusterRole/lone to user:lone
  ClusterRoleBinding get gives ClusterRole/get to group:ops group:g3";

/// Whether somebody reads a Secret of `shop` as somebody else.
fn reads(identity: &Identity, user: &str, groups: &[&str], secret: &str) -> bool {
    let mut headers = vec![("impersonate-user", user)];
    headers.extend(groups.iter().map(|group| ("impersonate-group", *group)));
    let path = format!("/api/v1/namespaces/shop/secrets/{secret}");
    let reply = identity.request("GET", &path, &headers, None).unwrap();
    assert!(matches!(reply.status, 200 | 403), "{}", reply.body);
    reply.status == 200
}

#[test]
fn each_mode_gives_what_both_may() {
    let stage = Stage::new(&Cluster::builder());
    stage.cluster.admin().apply(OBJECTS).unwrap();
    stage.put_rbac(RBAC);
    let node = "system:node:n1";
    let eve = &stage.eve;
    assert!(eventually(|| reads(eve, node, &[], "db")));
    assert!(!reads(eve, node, &[], "other"));
    assert!(!reads(eve, "system:node:n2", &[], "db"));

    let own = stage
        .cluster
        .service_account_in_pod("shop", "agent", "agent");
    let own = own.unwrap();
    assert!(eventually(|| reads(&own, node, &[], "db")));
    assert!(!reads(&own, node, &[], "other"));
    // Without a pod the token says nothing of a node.
    let elsewhere = stage.cluster.service_account("shop", "agent").unwrap();
    assert!(!reads(&elsewhere, node, &[], "db"));

    assert!(reads(eve, "amy", &["ops"], "other"));
    assert!(!reads(eve, "amy", &["g3"], "other"));
    assert!(!reads(eve, "bob", &["ops"], "other"));
    assert!(!reads(eve, "amy", &["system:masters"], "other"));
    // Four groups at once are asked for under the name `*`.
    assert!(reads(eve, "amy", &["g1", "g2", "g3", "g4"], "other"));
    assert!(!reads(eve, "amy", &["g1", "g2", "g3"], "other"));
    let lone = stage.cluster.certificate_user("lone", None).unwrap();
    assert!(!reads(&lone, "amy", &["ops"], "other"));
}

#[test]
fn the_node_of_ones_own_pod_is_asked_for_by_a_star() {
    let stage = Stage::new(&Cluster::builder());
    let objects = OBJECTS.replace("serviceAccountName: agent", "serviceAccountName: default");
    stage.cluster.admin().apply(&objects).unwrap();
    stage.put_rbac(RBAC);
    let own = stage
        .cluster
        .service_account_in_pod("shop", "default", "agent");
    let own = own.unwrap();
    assert!(eventually(|| reads(
        &stage.eve,
        "system:node:n1",
        &[],
        "db"
    )));
    assert!(!reads(&own, "system:node:n1", &[], "db"));
}

const CLAIMS: &str = "
  ClusterRole claims
    impersonate:user-info on users of authentication.k8s.io named amy
    impersonate:user-info on uids of authentication.k8s.io named u1
    impersonate:user-info on userextras/example.com/scopes of authentication.k8s.io named all
    impersonate:user-info on userextras/plain of authentication.k8s.io
    impersonate:user-info on userextras/* of authentication.k8s.io
  ClusterRole behalf
    impersonate-on:user-info:create on selfsubjectreviews of authentication.k8s.io
  ClusterRoleBinding claims gives ClusterRole/claims to user:eve user:lone
  ClusterRoleBinding behalf gives ClusterRole/behalf to user:eve";

#[test]
fn uid_and_extra_values_are_rights_of_their_own() {
    let stage = Stage::new(&Cluster::builder());
    stage.put_rbac(CLAIMS);
    let review = r#"{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}"#;
    let passes = |identity: &Identity, claims: &[(&str, &str)]| {
        let mut headers = vec![
            ("impersonate-user", "amy"),
            ("content-type", "application/json"),
        ];
        headers.extend(claims);
        let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        let reply = identity
            .request("POST", path, &headers, Some(review))
            .unwrap();
        assert!(matches!(reply.status, 201 | 403), "{}", reply.body);
        reply.status == 201
    };
    let eve = &stage.eve;
    assert!(eventually(|| passes(eve, &[("impersonate-uid", "u1")])));
    assert!(!passes(eve, &[("impersonate-uid", "u2")]));
    let scopes = "impersonate-extra-example.com%2Fscopes";
    assert!(passes(eve, &[(scopes, "all")]));
    assert!(!passes(eve, &[(scopes, "any")]));
    // A key without a domain is refused, whatever rules say.
    assert!(!passes(eve, &[("impersonate-extra-plain", "all")]));
    // The star is a subresource of its own, which is asked for where there are four values.
    let team = |values: &[&'static str]| -> Vec<(&str, &str)> {
        values
            .iter()
            .map(|value| ("impersonate-extra-example.com%2Fteam", *value))
            .collect()
    };
    assert!(!passes(eve, &team(&["a", "b", "c"])));
    assert!(passes(eve, &team(&["a", "b", "c", "d"])));
    let lone = stage.cluster.certificate_user("lone", None).unwrap();
    assert!(!passes(&lone, &[("impersonate-uid", "u1")]));
}
