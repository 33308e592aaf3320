//! The points once more, on a real API server: with reviews and with real requests.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bailiwick_core::{Request, UserInfo};
use bailiwick_model::Object;
use bailiwick_rbac::{Engine, RoleOffer, request_info, second_check};
use bailiwick_testkit::generate::manifest;
use bailiwick_testkit::notation::{objects, request, snapshot, user};
use bailiwick_testkit::servers::{AUDIT_METADATA, Cluster, Identity};
use serde_json::{Value, json};

use crate::impersonation;
use crate::points;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// Longest wait for the authorizer to see what was written.
pub(crate) const SYNC_LIMIT: Duration = Duration::from_secs(30);

/// A cluster without controllers, which would fill aggregated roles.
pub(crate) fn start(users: &[&str], groups: &[&str]) -> Server {
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

pub(crate) struct Server {
    pub(crate) cluster: Cluster,
    round: usize,
}

impl Server {
    pub(crate) fn admin(&self) -> &Identity {
        self.cluster.admin()
    }

    pub(crate) fn create(&self, text: &str) -> Vec<Object> {
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

    pub(crate) fn delete(&self, object: &Object) {
        let reply = self
            .admin()
            .request("DELETE", &path(object), &[], None)
            .unwrap();
        assert_eq!(reply.status, 200, "{object:?}: {}", reply.body);
    }

    /// Waits until the authorizer has seen all that was written: what is written last is seen last, kind by kind.
    pub(crate) fn sync(&mut self) {
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

pub(crate) fn collection(object: &Object) -> String {
    let resource = object.kind().resource();
    match &*object.metadata().namespace {
        "" => format!("{RBAC}/{resource}"),
        namespace => format!("{RBAC}/namespaces/{namespace}/{resource}"),
    }
}

pub(crate) fn path(object: &Object) -> String {
    format!("{}/{}", collection(object), object.metadata().name)
}

pub(crate) fn body(object: &Object) -> Value {
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
            // The handler of exec asks once more, which `exec_by_get` looks at.
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
    exec_by_get(&mut server);
    offers(&mut server);
}

pub(crate) fn flat(headers: &BTreeMap<String, Vec<String>>) -> Vec<(&str, &str)> {
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

/// Exec by GET is asked for `create` as well, by its handler and after the authorizers.
fn exec_by_get(server: &mut Server) {
    let text = "ClusterRole read
                  get on pods/exec of ''
                ClusterRole make
                  create on pods/exec of ''
                ClusterRoleBinding read gives ClusterRole/read to user:ann user:eve
                ClusterRoleBinding make gives ClusterRole/make to user:bob user:eve";
    let made = server.create(text);
    server.sync();
    let engine = Engine::new(snapshot(text));
    let url = "/api/v1/namespaces/shop/pods/web/exec?command=id";
    for (who, method) in [
        ("ann", "GET"),
        ("bob", "GET"),
        ("eve", "GET"),
        ("ann", "POST"),
        ("bob", "POST"),
    ] {
        let (user, asked) = (user(who), request_info(method, url).unwrap());
        let second = second_check(&asked, Some(37));
        let ours = [Some(asked), second]
            .iter()
            .flatten()
            .all(|asked| engine.decide(&user, asked).is_allowed());
        let reply = server
            .admin()
            .request(method, url, &[("Impersonate-User", who)], None)
            .unwrap();
        // Whoever gets through learns that there is no such pod.
        assert_eq!(
            reply.status,
            if ours { 404 } else { 403 },
            "p20: {who} {method}: {}",
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
