//! The points and tables once more, on a real API server: with reviews, with real requests, and by writing roles and
//! bindings as the users themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bailiwick_core::{Request, UserInfo};
use bailiwick_model::Object;
use bailiwick_rbac::{Engine, RoleOffer};
use bailiwick_testkit::generate::manifest;
use bailiwick_testkit::notation::{objects, request, snapshot, user};
use bailiwick_testkit::servers::{AUDIT_METADATA, Cluster, Identity, Reply};
use serde_json::{Value, json};

use crate::escalation::{self, How, Row};
use crate::impersonation::{self, WHO_AM_I};
use crate::points;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const MERGE: &str = "application/merge-patch+json";

const QUESTION: &str = r#"{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}"#;

/// Longest wait for the authorizer to see what was written.
const SYNC_LIMIT: Duration = Duration::from_secs(30);

/// A cluster without controllers, which would fill aggregated roles.
fn start(users: &[&str], groups: &[&str]) -> Server {
    let mut builder = Cluster::builder()
        .without_controller_manager()
        .audit_policy(AUDIT_METADATA);
    for user in users {
        builder = builder.user(user, groups);
    }
    let server = Server {
        cluster: builder.start().unwrap(),
        round: 0,
    };
    for namespace in ["shop", "other", "ci"] {
        let body =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        assert_eq!(
            server
                .cluster
                .admin()
                .post("/api/v1/namespaces", &body)
                .unwrap()
                .status,
            201
        );
    }
    server
}

struct Server {
    cluster: Cluster,
    round: usize,
}

impl Server {
    fn admin(&self) -> &Identity {
        self.cluster.admin()
    }

    fn create(&self, text: &str) -> Vec<Object> {
        let objects = objects(text);
        for object in &objects {
            let reply = self
                .admin()
                .post(&collection(object), &body(object))
                .unwrap();
            assert_eq!(reply.status, 201, "{object:?}: {}", reply.body);
        }
        objects
    }

    fn delete(&self, object: &Object) {
        let reply = self
            .admin()
            .request("DELETE", &path(object), &[], None)
            .unwrap();
        assert_eq!(reply.status, 200, "{object:?}: {}", reply.body);
    }

    /// Waits until the authorizer has seen all that was written: what is written last is seen last, kind by kind.
    fn sync(&mut self) {
        self.round += 1;
        let name = format!("sync-{}", self.round);
        self.create(&format!(
            "Role shop/{name}
               use on syncs of example.com named {name}
             ClusterRole {name}
               use on clustersyncs of example.com named {name}
             RoleBinding shop/{name} gives Role/{name} to user:sync
             ClusterRoleBinding {name} gives ClusterRole/{name} to user:sync"
        ));
        let start = Instant::now();
        for what in ["syncs", "clustersyncs"] {
            let asked = request(&format!("use {what}.example.com {name} -n shop"));
            while !self.review(&user("sync"), &asked) {
                assert!(
                    start.elapsed() < SYNC_LIMIT,
                    "the authorizer does not see {name}"
                );
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    /// The API server's answer to a SubjectAccessReview.
    fn review(&self, user: &UserInfo, request: &Request) -> bool {
        let body = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": manifest::review_spec(user, request),
        });
        let reply = self
            .admin()
            .post("/apis/authorization.k8s.io/v1/subjectaccessreviews", &body)
            .unwrap();
        let answer = reply.json().unwrap();
        answer["status"]["allowed"]
            .as_bool()
            .unwrap_or_else(|| panic!("{}", reply.body))
    }
}

fn collection(object: &Object) -> String {
    let resource = object.kind().resource();
    match &*object.metadata().namespace {
        "" => format!("{RBAC}/{resource}"),
        namespace => format!("{RBAC}/namespaces/{namespace}/{resource}"),
    }
}

fn path(object: &Object) -> String {
    format!("{}/{}", collection(object), object.metadata().name)
}

fn body(object: &Object) -> Value {
    match object {
        Object::Binding(binding) => manifest::binding(binding),
        Object::Role(role) => {
            let mut body = manifest::role(role);
            if let Some(selectors) = &role.aggregation {
                let labels = |pairs: &[(_, _)]| -> BTreeMap<String, String> {
                    let text = |text: &std::sync::Arc<str>| text.to_string();
                    pairs
                        .iter()
                        .map(|(key, value)| (text(key), text(value)))
                        .collect()
                };
                let selectors: Vec<Value> = selectors
                    .iter()
                    .map(|s| json!({"matchLabels": labels(&s.match_labels)}))
                    .collect();
                body["aggregationRule"] = json!({"clusterRoleSelectors": selectors});
            }
            body
        }
        other => panic!("{other:?} is neither role nor binding"),
    }
}

#[test]
fn the_points_hold_on_a_real_api_server() {
    let mut server = start(&[], &[]);
    let (mut reviews, mut requests) = (0, 0);
    for point in points::ALL {
        let made = server.create(point.cluster);
        server.sync();
        for question in point.questions() {
            let context = format!("{}: {}", point.name, question.text);
            assert_eq!(
                server.review(&question.who, &question.request),
                question.allowed,
                "{context}"
            );
            reviews += 1;
            // Exec by GET is asked for `create` as well, by the handler and after the authorizers.
            if let Some((method, url)) = question.http.filter(|_| !point.name.starts_with("p20")) {
                let headers = impersonation::headers(&question.who);
                let headers: Vec<(&str, &str)> = flat(&headers);
                let reply = server.admin().request(method, url, &headers, None).unwrap();
                assert_eq!(
                    reply.status != 403,
                    question.allowed,
                    "{context}: {} {}",
                    reply.status,
                    reply.body
                );
                requests += 1;
            }
        }
        made.iter().for_each(|object| server.delete(object));
    }
    println!("{reviews} reviews, {requests} requests, 0 differences");
    create_by_name(&mut server);
    offers(&mut server);
}

fn flat(headers: &BTreeMap<String, Vec<String>>) -> Vec<(&str, &str)> {
    let mut pairs = Vec::new();
    for (name, values) in headers {
        pairs.extend(values.iter().map(|value| (name.as_str(), value.as_str())));
    }
    pairs
}

/// Apply and PUT of what does not exist are asked for `create` with the name.
fn create_by_name(server: &mut Server) {
    let made = server.create(
        "Role shop/r
           create,patch,update on configmaps of '' named web
           create,patch,update on leases of coordination.k8s.io named web
           patch,update on leases of coordination.k8s.io named db
         RoleBinding shop/r gives Role/r to user:ann",
    );
    server.sync();
    let apply = [
        ("Impersonate-User", "ann"),
        ("content-type", "application/apply-patch+yaml"),
    ];
    let put = [
        ("Impersonate-User", "ann"),
        ("content-type", "application/json"),
    ];
    let object = |kind: &str, group: &str, name: &str| {
        json!({"apiVersion": group, "kind": kind, "metadata": {"name": name, "namespace": "shop"}})
            .to_string()
    };
    let configmaps = "/api/v1/namespaces/shop/configmaps";
    let leases = "/apis/coordination.k8s.io/v1/namespaces/shop/leases";
    for (method, headers, path, body, expected) in [
        (
            "PATCH",
            &apply,
            format!("{configmaps}/web?fieldManager=t"),
            object("ConfigMap", "v1", "web"),
            201,
        ),
        (
            "PATCH",
            &apply,
            format!("{configmaps}/db?fieldManager=t"),
            object("ConfigMap", "v1", "db"),
            403,
        ),
        (
            "POST",
            &put,
            configmaps.to_owned(),
            object("ConfigMap", "v1", "web"),
            403,
        ),
        (
            "PUT",
            &put,
            format!("{leases}/web"),
            object("Lease", "coordination.k8s.io/v1", "web"),
            201,
        ),
        (
            "PUT",
            &put,
            format!("{leases}/db"),
            object("Lease", "coordination.k8s.io/v1", "db"),
            403,
        ),
    ] {
        let reply = server
            .admin()
            .request(method, &path, headers, Some(&body))
            .unwrap();
        assert_eq!(
            reply.status, expected,
            "p07: {method} {path}: {}",
            reply.body
        );
    }
    made.iter().for_each(|object| server.delete(object));
}

/// What `nearest` offers can be applied as it is, and then allows what was asked.
fn offers(server: &mut Server) {
    let text = "ClusterRole near
                  get,list on pods of ''
                ClusterRole probe
                  get at /probe";
    server.create(text);
    let engine = Engine::new(snapshot(text));
    for (who, asked) in [
        ("ann", "get pods web -n shop"),
        ("ann", "list secrets"),
        (
            "system:serviceaccount:ci:on",
            "create pods/exec web -n shop",
        ),
        ("+dev", "impersonate users.authentication.k8s.io"),
        ("o'neil \"x\": #y", "get /probe"),
    ] {
        let (who, asked) = (user(who), request(asked));
        let nearest = engine.nearest(&who, &asked);
        let manifests = nearest.roles.iter().map(RoleOffer::manifest);
        for manifest in manifests.chain([nearest.new_role.manifest()]) {
            server.sync();
            assert!(!server.review(&who, &asked), "{asked} before\n{manifest}");
            server.admin().apply(&manifest).unwrap();
            server.sync();
            assert!(server.review(&who, &asked), "{asked} after\n{manifest}");
            let delete = ["delete", "-f", "-"];
            server
                .admin()
                .kubectl_with_input(&delete, &manifest)
                .unwrap()
                .success()
                .unwrap();
        }
    }
}

#[test]
fn a_real_api_server_judges_writes_as_we_do() {
    let rows: Vec<Row> = escalation::rows().collect();
    let users: BTreeSet<&str> = rows
        .iter()
        .map(|row| row.who)
        .filter(|who| !who.contains('+'))
        .collect();
    let mut server = start(&users.into_iter().collect::<Vec<_>>(), &["writers"]);
    let before = server.create(escalation::CLUSTER);
    let engine = Engine::new(snapshot(escalation::CLUSTER));
    for row in &rows {
        server.sync();
        let mut who = user(row.who);
        who.groups.push("system:authenticated".to_owned());
        let ours = escalation::judged(&engine, &who, row.how, &row.object);
        let (kind, missing) = escalation::shown(&ours);
        let reply = write(&server, row);
        let context = format!("{}: {} {}", row.text, reply.status, reply.body);
        let message = || {
            reply.json().unwrap()["message"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        match kind {
            "missing" => {
                assert_eq!(reply.status, 403, "{context}");
                assert_eq!(escalation::missing_in(&message()), missing, "{context}");
            }
            "aggregates" => {
                assert_eq!(reply.status, 403, "{context}");
                assert!(
                    message().contains("must have cluster-admin privileges"),
                    "{context}"
                );
            }
            "no role" => assert_eq!(reply.status, 404, "{context}"),
            _ => {
                assert!([200, 201].contains(&reply.status), "{context}");
                undo(&server, row, &before);
            }
        }
    }
    println!("{} writes, 0 differences", rows.len());
}

fn write(server: &Server, row: &Row) -> Reply {
    let who = match row.who.contains("system:masters") {
        true => server.admin(),
        false => server.cluster.user(row.who).unwrap(),
    };
    let (mut body, path) = (body(&row.object), path(&row.object));
    let send = |method, path: &str, kind, body: &Value| {
        who.request(
            method,
            path,
            &[("content-type", kind)],
            Some(&body.to_string()),
        )
        .unwrap()
    };
    match row.how {
        How::Post => who.post(&collection(&row.object), &body).unwrap(),
        How::PutNew => send("PUT", &path, "application/json", &body),
        How::Put => {
            body["metadata"]["labels"] = json!({"edited": "yes"});
            send("PUT", &path, "application/json", &body)
        }
        How::Finalizer => send(
            "PATCH",
            &path,
            MERGE,
            &json!({"metadata": {"finalizers": ["example.com/hold"]}}),
        ),
        How::Nothing => send("PATCH", &path, MERGE, &json!({})),
    }
}

/// Puts back what was there before a row.
fn undo(server: &Server, row: &Row, before: &[Object]) {
    let headers = |kind| [("content-type", kind)];
    match before
        .iter()
        .find(|object| path(object) == path(&row.object))
    {
        None => server.delete(&row.object),
        Some(old) => {
            let body = body(old).to_string();
            let reply = server
                .admin()
                .request("PUT", &path(old), &headers("application/json"), Some(&body))
                .unwrap();
            assert_eq!(reply.status, 200, "{}", reply.body);
        }
    }
}

#[test]
fn a_real_api_server_impersonates_as_we_do() {
    let rows: Vec<[&str; 3]> = impersonation::rows().collect();
    let users: BTreeSet<&str> = rows
        .iter()
        .map(|[who, ..]| *who)
        .filter(|who| !who.contains('+'))
        .collect();
    let mut server = start(&users.into_iter().collect::<Vec<_>>(), &[]);
    server.create(impersonation::CLUSTER);
    server.sync();
    let mut found = Vec::new();
    for (number, [who, target, _]) in rows.iter().enumerate() {
        let identity = match who.contains("system:masters") {
            true => server.admin(),
            false => server.cluster.user(who).unwrap(),
        };
        let agent = format!("row-{number}");
        let headers = impersonation::headers(&impersonation::identity(target));
        let mut headers = flat(&headers);
        headers.extend([("content-type", "application/json"), ("user-agent", &agent)]);
        let reply = identity
            .request("POST", WHO_AM_I, &headers, Some(QUESTION))
            .unwrap();
        found.push((agent, reply));
    }
    let modes = modes(&server, rows.len());
    for ([who, target, expected], (agent, reply)) in rows.iter().zip(found) {
        let context = format!("{who} as {target}: {} {}", reply.status, reply.body);
        let answer = match reply.status {
            201 => {
                let info = &reply.json().unwrap()["status"]["userInfo"];
                format!(
                    "{} {}",
                    modes[&agent],
                    impersonation::show(&identity_of(info))
                )
            }
            status => status.to_string(),
        };
        assert_eq!(answer, *expected, "{context}");
    }
    println!("{} attempts, 0 differences", rows.len());
    associated_node(&server);
}

/// The mode of each successful attempt, which the audit log alone tells.
fn modes(server: &Server, rows: usize) -> BTreeMap<String, String> {
    let start = Instant::now();
    loop {
        let mut modes = BTreeMap::new();
        for event in server.cluster.audit_events().unwrap() {
            let agent = event["userAgent"].as_str().unwrap_or_default().to_owned();
            let constraint = event["authenticationMetadata"]["impersonationConstraint"].as_str();
            let mode = constraint.map_or("legacy", |verb| verb.trim_start_matches("impersonate:"));
            modes.insert(agent, mode.to_owned());
        }
        // Refusals are logged, too, so that the last row is there when all are.
        if modes
            .keys()
            .filter(|agent| agent.starts_with("row-"))
            .count()
            >= rows
        {
            return modes;
        }
        assert!(
            start.elapsed() < SYNC_LIMIT,
            "the audit log holds {modes:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn identity_of(info: &Value) -> UserInfo {
    let strings = |value: &Value| -> Vec<String> {
        serde_json::from_value(value.clone()).unwrap_or_default()
    };
    UserInfo {
        name: info["username"].as_str().unwrap_or_default().to_owned(),
        uid: info["uid"].as_str().unwrap_or_default().to_owned(),
        groups: strings(&info["groups"]),
        extra: serde_json::from_value(info["extra"].clone()).unwrap_or_default(),
    }
}

/// A service account whose token is bound to a node may be that node, and no other.
fn associated_node(server: &Server) {
    let engine = Engine::new(snapshot(impersonation::CLUSTER));
    let admin = server.admin();
    for (path, body) in [
        (
            "/api/v1/nodes",
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}),
        ),
        (
            "/api/v1/namespaces/shop/serviceaccounts",
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "agent"}}),
        ),
    ] {
        let reply = admin.post(path, &body).unwrap();
        assert_eq!(reply.status, 201, "{}", reply.body);
    }
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Node", "name": "n1"}},
    });
    let reply = admin
        .post("/api/v1/namespaces/shop/serviceaccounts/agent/token", &body)
        .unwrap();
    let answer = reply.json().unwrap();
    let token = answer["status"]["token"]
        .as_str()
        .unwrap_or_else(|| panic!("{}", reply.body));
    let mut requestor = user("system:serviceaccount:shop:agent");
    let key = "authentication.kubernetes.io/node-name";
    requestor
        .extra
        .insert(key.to_owned(), vec!["n1".to_owned()]);
    let anybody = server.cluster.user("nobody").unwrap();
    for (node, expected) in [
        (
            "system:node:n1",
            "associated-node system:node:n1+system:nodes+system:authenticated",
        ),
        ("system:node:n2", "403"),
    ] {
        let target = impersonation::identity(node);
        assert_eq!(
            impersonation::answer(&engine, &requestor, &target),
            expected
        );
        let arguments = [
            "create", "--raw", WHO_AM_I, "-f", "-", "--as", node, "--token", token,
        ];
        let output = anybody.kubectl_with_input(&arguments, QUESTION).unwrap();
        if expected == "403" {
            assert!(output.stderr.contains("(Forbidden)"), "{output:?}");
            continue;
        }
        let answer: Value =
            serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let shown = impersonation::show(&identity_of(&answer["status"]["userInfo"]));
        assert_eq!(format!("associated-node {shown}"), expected);
    }
}
