//! What a real API server stores is enforced a moment later.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::api_server::{ANNA_READS_PODS, get, until};
use crate::following::{CORE, PODS, Stage, document};

/// Half of the times are no longer than the first, and all than the second.
fn shown(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let (middle, last) = (times[times.len() / 2], times[times.len() - 1]);
    println!("{what}: half within {middle:?}, all within {last:?}");
    assert!(last < Duration::from_secs(2), "{what}: {times:?}");
}

#[test]
fn a_revocation_made_with_kubectl_denies_the_next_request() {
    let stage = Stage::new("guard");
    stage.cluster.admin().apply(ANNA_READS_PODS).unwrap();
    until(|| stage.lists("anna", PODS), "RBAC does not allow");
    let revocation = document(
        "Revocation",
        "anna",
        &json!({"user": "anna", "reason": "laptop stolen"}),
    );
    // kubectl itself takes longer to start and to ask than the change takes to be enforced.
    stage
        .cluster
        .admin()
        .apply(&revocation.to_string())
        .unwrap();
    let (allowed, text) = get(&stage.cluster, "anna", "pods");
    assert!(
        !allowed && text.contains("is revoked: laptop stolen"),
        "{text}"
    );
    stage.delete("revocations/anna");
    let (mut denied, mut allowed) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        until(|| stage.lists("anna", PODS), "the revocation stays");
        stage.create("revocations", &revocation);
        let start = Instant::now();
        until(|| !stage.lists("anna", PODS), "not revoked");
        denied.push(start.elapsed());
        stage.delete("revocations/anna");
        let start = Instant::now();
        until(|| stage.lists("anna", PODS), "the revocation stays");
        allowed.push(start.elapsed());
    }
    shown("from the answer to create until denied", denied);
    shown("from the answer to delete until allowed", allowed);
    // The API server's own schema refuses what names nobody.
    let nobody = document("Revocation", "nobody", &json!({"reason": "x"}));
    let reply = stage
        .cluster
        .admin()
        .post(&format!("{CORE}/revocations"), &nobody)
        .unwrap();
    assert_eq!(reply.status, 422, "{}", reply.body);
    assert!(
        reply
            .body
            .contains("one of user, group, serviceAccount and credential"),
        "{}",
        reply.body
    );
}

#[test]
fn a_binding_is_enforced_as_soon_as_it_is_stored() {
    let stage = Stage::new("authority");
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "pods"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}],
    });
    stage.cluster.admin().apply(&role.to_string()).unwrap();
    let bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "pods"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "pods"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "anna"}],
    });
    let mut times = Vec::new();
    for _ in 0..20 {
        assert!(!stage.asks());
        let reply = stage.cluster.admin().post(bindings, &binding).unwrap();
        assert_eq!(reply.status, 201, "{}", reply.body);
        let start = Instant::now();
        until(|| stage.asks(), "not granted");
        times.push(start.elapsed());
        let gone = stage
            .cluster
            .admin()
            .request("DELETE", &format!("{bindings}/pods"), &[], None);
        assert_eq!(gone.unwrap().status, 200);
        let start = Instant::now();
        until(|| !stage.asks(), "still granted");
        times.push(start.elapsed());
    }
    shown("from the answer of the API server until enforced", times);
}

#[test]
fn a_broken_document_does_not_lift_what_it_has_said() {
    let mut stage = Stage::new("guard");
    stage.cluster.admin().apply(ANNA_READS_PODS).unwrap();
    let cedar = "@id(\"anna\") forbid (principal == k8s::User::\"anna\", action, resource);";
    stage.create(
        "clusterpolicies",
        &document("ClusterPolicy", "no-anna", &json!({"cedar": cedar})),
    );
    until(|| !stage.lists("anna", PODS), "not denied");
    let patch = |text: &str| {
        let body = json!({"spec": {"cedar": text}}).to_string();
        let headers = [("content-type", "application/merge-patch+json")];
        let path = format!("{CORE}/clusterpolicies/no-anna");
        let reply = stage
            .cluster
            .admin()
            .request("PATCH", &path, &headers, Some(&body))
            .unwrap();
        assert_eq!(reply.status, 200, "{}", reply.body);
    };
    patch("forbid (principal ==");
    let line = stage.program.wait_for("ClusterPolicy no-anna is refused");
    assert!(
        line.contains("its last good version stays in force"),
        "{line}"
    );
    assert!(!stage.lists("anna", PODS), "a broken policy lifts a denial");
    let (status, text) = stage.told("/readyz");
    assert!(
        status == 200 && text.contains("ClusterPolicy no-anna is refused"),
        "{text}"
    );
    assert!(
        stage
            .told("/metrics")
            .1
            .contains("bailiwick_documents_refused 1")
    );
    // Neither does a start anew: what was in force was kept.
    std::thread::sleep(Duration::from_secs(2));
    stage.program.kill_and_stay();
    stage.program = stage.home.serve_cluster(stage.cluster.admin().kubeconfig());
    stage.program.wait_for("new state revision=");
    assert!(!stage.lists("anna", PODS), "a start anew lifts a denial");
    patch(&cedar.replace("anna", "ben"));
    until(|| stage.lists("anna", PODS), "the old version stays");
    assert_eq!(stage.told("/readyz"), (200, "ok".to_owned()));
    // One that was never in force, and that nobody knows anything of, keeps a new replica from answering.
    patch("forbid (principal ==");
    stage.program.wait_for("ClusterPolicy no-anna is refused");
    stage.program.kill_and_stay();
    std::fs::remove_file(stage.home.path("kept.bwk.documents")).unwrap();
    stage.program = stage.home.serve_cluster(stage.cluster.admin().kubeconfig());
    let line = stage.program.wait_for("ClusterPolicy no-anna is refused");
    assert!(
        line.contains("no question is answered before it is put right"),
        "{line}"
    );
    let (status, text) = stage.told("/readyz");
    assert!(
        status == 503 && text.contains("documents of the cluster are read"),
        "{text}"
    );
    patch(cedar);
    stage.program.wait_for("new state revision=");
    assert!(!stage.lists("anna", PODS));
}

#[test]
fn a_broken_policy_of_a_namespace_closes_it_in_a_new_replica() {
    let mut stage = Stage::new("guard");
    let admin = stage.cluster.admin();
    for name in ["shop", "bank"] {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        admin.apply(&namespace.to_string()).unwrap();
    }
    let everywhere = "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: anna-views},\
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}, \
        subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: anna}]}\n---\n\
        {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: reader}, \
        rules: [{apiGroups: [''], resources: [pods], verbs: [list]}]}";
    admin.apply(everywhere).unwrap();
    let pods = |namespace: &str| format!("/api/v1/namespaces/{namespace}/pods");
    let lists = |stage: &Stage, namespace: &str| stage.lists("anna", &pods(namespace));
    until(|| lists(&stage, "shop"), "RBAC does not allow");
    // What is broken when it is made has never been in force.
    let broken = document(
        "Policy",
        "shop/rules",
        &json!({"cedar": "forbid (principal =="}),
    );
    stage.create("policies", &broken);
    stage.program.wait_for("rules is refused");
    assert!(lists(&stage, "shop"), "closed by what was never in force");
    // A replica that knows of no version cannot tell that.
    stage.program.kill_and_stay();
    for kept in ["kept.bwk", "kept.bwk.documents"] {
        // The second is there only once documents were in force.
        let _ = std::fs::remove_file(stage.home.path(kept));
    }
    stage.program = stage.home.serve_cluster(stage.cluster.admin().kubeconfig());
    stage.program.wait_for("new state revision=");
    until(|| lists(&stage, "bank"), "the other namespace is closed");
    assert!(!lists(&stage, "shop"), "open over a broken policy");
    let mended =
        json!({"spec": {"cedar": "forbid (principal == k8s::User::\"ben\", action, resource);"}});
    let headers = [("content-type", "application/merge-patch+json")];
    let path = format!("{CORE}/namespaces/shop/policies/rules");
    let admin = stage.cluster.admin();
    let reply = admin.request("PATCH", &path, &headers, Some(&mended.to_string()));
    assert_eq!(reply.unwrap().status, 200);
    until(
        || lists(&stage, "shop"),
        "closed over a policy that was put right",
    );
}

#[test]
fn a_namespace_grants_what_was_delegated_to_it() {
    let stage = Stage::new("authority");
    let admin = stage.cluster.admin();
    for name in ["shop", "bank"] {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        admin.apply(&namespace.to_string()).unwrap();
    }
    let cedar =
        "permit (principal == k8s::User::\"otto\", action == k8s::Action::\"list\", resource);";
    for namespace in ["shop", "bank"] {
        let name = format!("{namespace}/otto");
        stage.create(
            "policies",
            &document("Policy", &name, &json!({"cedar": cedar})),
        );
    }
    let rules = json!([{"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]}]);
    let delegation = json!({"namespaces": ["shop"], "rules": rules});
    assert!(!stage.lists("otto", "/api/v1/namespaces/shop/pods"));
    stage.create("delegations", &document("Delegation", "shop", &delegation));
    until(
        || stage.lists("otto", "/api/v1/namespaces/shop/pods"),
        "delegated and not granted",
    );
    for path in [
        "/api/v1/namespaces/bank/pods",
        "/api/v1/namespaces/shop/secrets",
        "/api/v1/pods",
    ] {
        assert!(!stage.lists("otto", path), "{path}");
    }
    // Relations of a namespace wait for the types that they are of.
    let tuples = json!({"tuples": ["namespaces:shop#lister@user:anna"]});
    stage.create("relations", &document("Relations", "shop/anna", &tuples));
    until(
        || {
            stage
                .told("/readyz")
                .1
                .contains("Relations shop/anna is refused")
        },
        "taken without a schema",
    );
    let types = json!({"types": {"namespaces": {
        "relations": {"lister": "[user]"}, "actions": {"list pods": "lister"},
    }}});
    stage.create(
        "relationschemas",
        &document("RelationSchema", "namespaces", &types),
    );
    until(
        || stage.lists("anna", "/api/v1/namespaces/shop/pods"),
        "related and not granted",
    );
    assert_eq!(stage.told("/readyz"), (200, "ok".to_owned()));
}
