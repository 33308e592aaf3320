//! The program follows a real API server, which asks it in turn.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use bailiwick_testkit::servers::Cluster;
use serde_json::{Value, json};

use crate::api_server::{ANNA_READS_PODS, cluster_asking, get, until};
use crate::doors::Client;
use crate::program::{Home, Program};

const CORE: &str = "/apis/bailiwick.dev/v1alpha1";

struct Stage {
    home: Home,
    program: Program,
    cluster: Cluster,
    operations: String,
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

impl Stage {
    /// A cluster that knows our documents and asks the program, which follows it.
    fn new(mode: &str) -> Self {
        let home = Home::new(&["api", "asker"]);
        let (address, operations) = (free_address(), free_address());
        home.configure(
            &address,
            &format!(
                "accessReview: {{mode: {mode}}}\nauthzen: {{base: 'https://pdp.example.org'}}\n\
                 operations: {operations}\nsnapshot: kept.bwk\n"
            ),
        );
        let cluster = cluster_asking(&home, &address);
        let crds = home.run(&["crds"]);
        assert!(crds.status.success(), "{crds:?}");
        cluster
            .admin()
            .apply(&String::from_utf8(crds.stdout).unwrap())
            .unwrap();
        let kinds = cluster.admin().kubectl(&[
            "wait",
            "--for=condition=Established",
            "crd",
            "--all",
            "--timeout=60s",
        ]);
        kinds.unwrap().success().unwrap();
        let mut program = home.serve_cluster(cluster.admin().kubeconfig());
        program.wait_for("new state revision=");
        Self {
            home,
            program,
            cluster,
            operations,
        }
    }

    /// What `/readyz`, `/metrics` say.
    fn told(&self, path: &str) -> (u16, String) {
        let mut answer = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .new_agent()
            .get(format!("http://{}{path}", self.operations))
            .call()
            .unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), text.trim_end().to_owned())
    }

    fn create(&self, plural: &str, object: &Value) {
        let namespace = object["metadata"]["namespace"].as_str();
        let within = namespace.map_or(String::new(), |name| format!("/namespaces/{name}"));
        let path = format!("{CORE}{within}/{plural}");
        let reply = self.cluster.admin().post(&path, object).unwrap();
        assert_eq!(reply.status, 201, "{}", reply.body);
    }

    fn delete(&self, path: &str) {
        let reply = self
            .cluster
            .admin()
            .request("DELETE", &format!("{CORE}/{path}"), &[], None);
        assert_eq!(reply.unwrap().status, 200);
    }

    /// Whether a user may list pods there, as the API server answers.
    fn lists(&self, user: &str, path: &str) -> bool {
        let reply = self.cluster.user(user).unwrap().get(path).unwrap();
        assert!(matches!(reply.status, 200 | 403), "{}", reply.body);
        reply.status == 200
    }

    fn signal_api_server(&self, signal: &str) {
        let id = self.cluster.pids()[1].to_string();
        let sent = std::process::Command::new("kill")
            .args(["-s", signal, &id])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Whether the application's door allows anna to list pods.
    fn asks(&self) -> bool {
        let client = Client::new(&self.home, &self.program, Some("asker"));
        let answer = client.post(
            "/access/v1/evaluation",
            &json!({
                "subject": {"type": "user", "id": "anna"}, "action": {"name": "list"},
                "resource": {"type": "pods", "id": "", "properties": {"namespace": "default"}},
            }),
        );
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["decision"] == true
    }
}

fn document(kind: &str, name: &str, spec: &Value) -> Value {
    let (namespace, name) = name.split_once('/').unwrap_or(("", name));
    let mut metadata = json!({"name": name});
    if !namespace.is_empty() {
        metadata["namespace"] = json!(namespace);
    }
    json!({"apiVersion": "bailiwick.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
}

const PODS: &str = "/api/v1/namespaces/default/pods";

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
    stage.program.signal("KILL");
    stage.program = stage.home.serve_cluster(stage.cluster.admin().kubeconfig());
    stage.program.wait_for("new state revision=");
    assert!(!stage.lists("anna", PODS), "a start anew lifts a denial");
    patch(&cedar.replace("anna", "ben"));
    until(|| stage.lists("anna", PODS), "the old version stays");
    assert_eq!(stage.told("/readyz"), (200, "ok".to_owned()));
    // One that was never in force, and that nobody knows anything of, keeps a new replica from answering.
    patch("forbid (principal ==");
    stage.program.wait_for("ClusterPolicy no-anna is refused");
    stage.program.signal("KILL");
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
    stage.program.signal("KILL");
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

/// Its connections stay open, and nothing comes through them.
#[test]
fn an_api_server_that_says_nothing_makes_what_it_said_stale() {
    let stage = Stage::new("authority");
    stage.cluster.admin().apply(ANNA_READS_PODS).unwrap();
    until(|| stage.asks(), "not granted");
    stage.signal_api_server("STOP");
    let start = Instant::now();
    until(|| !stage.asks(), "allowed for ever");
    let took = start.elapsed();
    assert!(
        took > Duration::from_secs(2) && took < Duration::from_secs(7),
        "{took:?}"
    );
    let (status, text) = stage.told("/readyz");
    assert!(status == 503 && text.contains("last confirmed"), "{text}");
    stage.signal_api_server("CONT");
    until(|| stage.asks(), "stale though it is heard again");
    until(
        || stage.told("/readyz").0 == 200,
        "not ready though it is heard again",
    );
}

#[test]
fn a_start_without_an_api_server_denies_what_was_denied_and_allows_nothing() {
    let mut stage = Stage::new("guard");
    stage.cluster.admin().apply(ANNA_READS_PODS).unwrap();
    until(|| stage.asks(), "not granted");
    stage.create(
        "revocations",
        &document(
            "Revocation",
            "ben",
            &json!({"user": "ben", "reason": "gone"}),
        ),
    );
    let kept = || {
        let documents = std::fs::read_to_string(stage.home.path("kept.bwk.documents"));
        documents.is_ok_and(|text| text.contains("\"ben\"")) && stage.home.path("kept.bwk").exists()
    };
    until(kept, "nothing is kept");
    stage.program.signal("KILL");
    stage.signal_api_server("STOP");
    stage.program = stage.home.serve_cluster(stage.cluster.admin().kubeconfig());
    stage
        .program
        .wait_for("answering from what was kept on disk");
    assert!(!stage.asks(), "allowed by what may be of any age");
    let (status, text) = stage.told("/readyz");
    assert!(status == 503 && text.contains("last confirmed"), "{text}");
    let api = Client::new(&stage.home, &stage.program, Some("api"));
    let review = |user: &str| {
        let spec =
            json!({"user": user, "nonResourceAttributes": {"path": "/healthz", "verb": "get"}});
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec});
        api.post("/kubernetes/authorize", &review).body["status"]["denied"] == true
    };
    assert!(review("ben") && !review("cleo"));
    stage.signal_api_server("CONT");
    until(|| stage.asks(), "the cluster is back and nobody reads it");
    assert!(review("ben"));
}

/// The API server forgets what a watch goes on from: its memory starts anew with it.
#[test]
fn a_restarted_api_server_is_followed_without_a_wrong_answer() {
    let mut stage = Stage::new("guard");
    stage.cluster.admin().apply(ANNA_READS_PODS).unwrap();
    stage.create(
        "revocations",
        &document(
            "Revocation",
            "ben",
            &json!({"user": "ben", "reason": "gone"}),
        ),
    );
    until(|| stage.asks(), "not granted");
    let address = stage.program.address.clone();
    let client = Client::at(&stage.home, &address, Some("api"));
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let asking = std::thread::spawn(move || {
        let spec = json!({"user": "ben", "nonResourceAttributes": {"path": "/x", "verb": "get"}});
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec});
        let mut asked = 0;
        while stopped.try_recv().is_err() {
            let answer = client.post("/kubernetes/authorize", &review);
            assert_eq!(answer.body["status"]["denied"], true, "{}", answer.body);
            asked += 1;
        }
        asked
    });
    stage.cluster.restart_api_server().unwrap();
    stage.create(
        "revocations",
        &document(
            "Revocation",
            "anna",
            &json!({"user": "anna", "reason": "gone"}),
        ),
    );
    until(
        || !stage.asks(),
        "what happens after the start is not heard",
    );
    stage.delete("revocations/anna");
    until(|| stage.asks(), "what happens after the start is not heard");
    stop.send(()).unwrap();
    println!("{} reviews meanwhile", asking.join().unwrap());
}

/// The log holds what `web` has asked, and nothing that looks like a token.
fn no_token_is_logged(home: &Home) {
    let log = home.log();
    let tail = home.run(&["audit", "tail", log.to_str().unwrap(), "--json"]);
    assert!(tail.status.success(), "{tail:?}");
    let records = String::from_utf8(tail.stdout).unwrap();
    assert!(records.contains("\"web\""), "{records}");
    assert!(!records.contains("eyJ"), "a token in the log: {records}");
}

#[test]
fn a_service_account_comes_in_with_a_token_of_the_api_server() {
    let cluster = Cluster::shared().unwrap();
    let admin = cluster.admin();
    for name in ["web", "other"] {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "default"}});
        admin.apply(&account.to_string()).unwrap();
    }
    let token = |name: &str, audience: &str| {
        let output = admin.kubectl(&["create", "token", name, "--audience", audience]);
        output.unwrap().success().unwrap().trim().to_owned()
    };
    let told = |path: &str| admin.get(path).unwrap().body;
    let issuer: Value = serde_json::from_str(&told("/.well-known/openid-configuration")).unwrap();
    let issuer = issuer["issuer"].as_str().unwrap();
    let home = Home::new(&["api"]);
    home.write("keys.json", &told("/openid/v1/jwks"));
    home.write(
        "manifests.yaml",
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}",
    );
    home.write(
        "serve.yaml",
        &format!(
            "listen: {{address: '127.0.0.1:0', tls: {{certificate: server.crt, key: server.key, clientCa: ca.crt}}}}\n\
             log: {{directory: log}}\nauthzen: {{base: 'https://pdp.example.org'}}\n\
             tokens: [{{issuer: '{issuer}', audience: bailiwick, keys: keys.json}}]\n\
             callers:\n- name: web\n  token: {{issuer: '{issuer}', subject: 'system:serviceaccount:default:web'}}\n\
             \x20 doors: [evaluation]\n  application: shop\n"
        ),
    );
    let program = home.serve();
    let client = Client::new(&home, &program, None);
    let question = json!({
        "subject": {"type": "user", "id": "anna"}, "action": {"name": "read"},
        "resource": {"type": "record", "id": "1"},
    });
    let check = |authorization: &str, status: u16, says: &str| {
        let headers = [
            ("content-type", "application/json"),
            ("authorization", authorization),
        ];
        let answer = client.send(
            "POST",
            "/access/v1/evaluation",
            &headers,
            &question.to_string(),
        );
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body.to_string().contains(says), "{}", answer.body);
    };
    check(
        &format!("Bearer {}", token("web", "bailiwick")),
        200,
        "decision",
    );
    check(
        &format!("Bearer {}", token("web", "other")),
        401,
        "for this audience",
    );
    check(
        &format!("Bearer {}", token("other", "bailiwick")),
        403,
        "does not name the subject",
    );
    check(
        &format!("Bearer {}x", token("web", "bailiwick")),
        401,
        "the token is not accepted",
    );
    check(
        &format!("Bearer {}", "x".repeat(17 << 10)),
        401,
        "longer than 16 KiB",
    );
    check("Basic eDp5", 401, "who asks?");
    no_token_is_logged(&home);
}

#[test]
fn the_printed_role_is_enough_and_without_it_nothing_is_ready() {
    let cluster = Cluster::builder()
        .without_controller_manager()
        .start()
        .unwrap();
    let admin = cluster.admin();
    // What everybody has by default would hide that a rule is missing.
    for binding in [
        "system:basic-user",
        "system:discovery",
        "system:public-info-viewer",
    ] {
        let gone = admin.kubectl(&["delete", "clusterrolebinding", binding]);
        gone.unwrap().success().unwrap();
    }
    let home = Home::new(&["api"]);
    let operations = free_address();
    home.configure(
        "127.0.0.1:0",
        &format!(
            "accessReview: {{mode: guard}}\noperations: {operations}\nstaleness: 2s\n\
             cluster: {{workloads: true}}\n"
        ),
    );
    let output = |arguments: &[&str]| {
        let output = home.run(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    admin.apply(&output(&["crds"])).unwrap();
    let account = "{apiVersion: v1, kind: Namespace, metadata: {name: bailiwick}}\n---\n\
                   {apiVersion: v1, kind: ServiceAccount, metadata: {name: serve, namespace: bailiwick}}\n";
    admin.apply(account).unwrap();
    let identity = cluster.service_account("bailiwick", "serve").unwrap();
    let _program = home.serve_cluster(identity.kubeconfig());
    let ready = || {
        let answer = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .new_agent()
            .get(format!("http://{operations}/readyz"))
            .call()
            .unwrap();
        answer.status() == 200
    };
    std::thread::sleep(Duration::from_secs(1));
    assert!(!ready(), "ready without any right");

    let config = home.path("serve.yaml");
    let arguments = ["serve", "--config", config.to_str().unwrap()];
    let role = output(&[&arguments[..], &["--print-role", "bailiwick/serve"]].concat());
    admin.apply(&role).unwrap();
    until(ready, "not ready with the printed role");

    // Each resource by itself: none may be left out.
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/bailiwick-serve";
    let stored = admin.get(path).unwrap().json().unwrap();
    let write = |role: &Value| {
        let headers = [("content-type", "application/json")];
        let reply = admin.request("PUT", path, &headers, Some(&role.to_string()));
        assert_eq!(reply.unwrap().status, 200);
    };
    let rules = stored["rules"].as_array().unwrap();
    assert!(
        rules
            .iter()
            .any(|rule| rule["apiGroups"][0] == "bailiwick.dev")
    );
    let mut taken = 0;
    for (index, rule) in rules.iter().enumerate() {
        let Some(resource) = rule["resources"].as_array().and_then(|all| all.last()) else {
            continue;
        };
        let mut less = stored.clone();
        less["metadata"]["resourceVersion"].take();
        let left = less["rules"][index]["resources"].as_array_mut().unwrap();
        left.pop();
        if left.is_empty() {
            less["rules"].as_array_mut().unwrap().remove(index);
        }
        write(&less);
        until(|| !ready(), &format!("ready without {resource}"));
        let mut whole = stored.clone();
        whole["metadata"]["resourceVersion"].take();
        write(&whole);
        until(ready, &format!("not ready with {resource} again"));
        taken += 1;
    }
    assert!(taken >= 4, "{role}");
}

#[test]
fn a_service_account_comes_in_by_the_word_of_the_api_server() {
    let cluster = Cluster::builder()
        .without_controller_manager()
        .start()
        .unwrap();
    let admin = cluster.admin();
    for (namespace, name) in [
        ("shop", "web"),
        ("shop", "gone"),
        ("shop", "other"),
        ("bailiwick", "serve"),
    ] {
        let objects = format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {namespace}}}}}\n---\n\
             {{apiVersion: v1, kind: ServiceAccount, metadata: {{name: {name}, namespace: {namespace}}}}}\n"
        );
        admin.apply(&objects).unwrap();
    }
    let token = |name: &str, audience: &str| {
        let output = admin.kubectl(&[
            "create",
            "token",
            name,
            "-n",
            "shop",
            "--audience",
            audience,
        ]);
        output.unwrap().success().unwrap().trim().to_owned()
    };
    let home = Home::new(&["api"]);
    home.write(
        "serve.yaml",
        "listen: {address: '127.0.0.1:0', tls: {certificate: server.crt, key: server.key, clientCa: ca.crt}}\n\
         log: {directory: log}\nauthzen: {base: 'https://pdp.example.org'}\n\
         cluster: {documents: false}\ntokenReview: {audience: bailiwick}\nstaleness: 60s\n\
         callers:\n- {name: web, serviceAccount: shop/web, doors: [evaluation], application: shop}\n\
         - {name: gone, serviceAccount: shop/gone, doors: [evaluation], application: shop}\n",
    );
    let config = home.path("serve.yaml");
    let role = home.run(&[
        "serve",
        "--config",
        config.to_str().unwrap(),
        "--print-role",
        "bailiwick/serve",
    ]);
    assert!(role.status.success(), "{role:?}");
    admin
        .apply(&String::from_utf8(role.stdout).unwrap())
        .unwrap();
    let identity = cluster.service_account("bailiwick", "serve").unwrap();
    let mut program = home.serve_cluster(identity.kubeconfig());
    program.wait_for("new state revision=");
    let client = Client::new(&home, &program, None);
    let question = json!({
        "subject": {"type": "user", "id": "anna"}, "action": {"name": "read"},
        "resource": {"type": "record", "id": "1"},
    })
    .to_string();
    let ask = |token: &str| {
        let authorization = format!("Bearer {token}");
        let headers = [
            ("content-type", "application/json"),
            ("authorization", authorization.as_str()),
        ];
        let answer = client.send("POST", "/access/v1/evaluation", &headers, &question);
        (answer.status, answer.body.to_string())
    };
    let check = |token: &str, status: u16, says: &str| {
        let answer = ask(token);
        assert!(answer.0 == status && answer.1.contains(says), "{answer:?}");
    };
    let refused = "knows no service account";
    let (web, gone) = (token("web", "bailiwick"), token("gone", "bailiwick"));
    check(&web, 200, "decision");
    check(&gone, 200, "decision");
    check(&token("web", "other"), 401, refused);
    // The right audience beside another one.
    let both = admin.kubectl(&[
        "create",
        "token",
        "web",
        "-n",
        "shop",
        "--audience",
        "other",
        "--audience",
        "bailiwick",
    ]);
    check(both.unwrap().success().unwrap().trim(), 200, "decision");
    check(
        &token("other", "bailiwick"),
        403,
        "does not name the subject",
    );
    check(&format!("{web}x"), 401, refused);
    check("x", 401, refused);
    // A token for the API server itself is none for anybody else.
    let own = admin.kubectl(&["create", "token", "web", "-n", "shop"]);
    check(own.unwrap().success().unwrap().trim(), 401, refused);
    // An account that is deleted: the API server and the program each remember for 10 s.
    let deleted = admin.kubectl(&["delete", "serviceaccount", "gone", "-n", "shop"]);
    deleted.unwrap().success().unwrap();
    let start = Instant::now();
    while ask(&gone).0 == 200 {
        assert!(
            start.elapsed() < Duration::from_secs(25),
            "the token of nobody"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    println!(
        "refused {:?} after the account was deleted",
        start.elapsed()
    );
    check(&gone, 401, refused);
    check(&web, 200, "decision");
    // Nobody to ask: what was said of late counts for its time, and nothing is allowed anew.
    let fresh = token("web", "bailiwick");
    let stopped = cluster.pids()[1].to_string();
    let signal = |name: &str| {
        let sent = std::process::Command::new("kill")
            .args(["-s", name, &stopped])
            .status();
        assert!(sent.unwrap().success());
    };
    signal("STOP");
    check(&fresh, 503, "nobody can say now");
    std::thread::sleep(Duration::from_secs(11));
    check(&web, 503, "nobody can say now");
    signal("CONT");
    until(|| ask(&fresh).0 == 200, "not asked again");
    no_token_is_logged(&home);
}
