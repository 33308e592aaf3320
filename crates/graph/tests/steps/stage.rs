//! A cluster on which the examples of edges are put up one after another.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bailiwick_core::{ResourceRequest, Subject, UserInfo};
use bailiwick_graph::{EDGES, Review};
use bailiwick_model::{Delta, Origin, Snapshot};
use bailiwick_testkit::generate::manifest;
use bailiwick_testkit::notation;
use bailiwick_testkit::servers::{Builder, Cluster, Identity, Reply};
use serde_json::{Value, json};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
/// How long the authorizer may take to hear of a change, and the controllers to do their part.
const LIMIT: Duration = Duration::from_secs(90);

/// What [`Stage::put`] put up.
pub(crate) struct Scene {
    /// Paths of roles and bindings.
    pub(crate) rbac: Vec<String>,
    /// Manifests of everything else.
    objects: String,
}

pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    /// The attacker.
    pub(crate) eve: Identity,
    /// How often roles and bindings were put up.
    marks: AtomicUsize,
}

impl Stage {
    pub(crate) fn new(builder: &Builder) -> Self {
        let cluster = builder.start().unwrap();
        for namespace in ["shop", "argo"] {
            let body =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            assert_eq!(
                cluster
                    .admin()
                    .post("/api/v1/namespaces", &body)
                    .unwrap()
                    .status,
                201
            );
        }
        let account = "/api/v1/namespaces/shop/serviceaccounts/default";
        assert!(eventually(
            || cluster.admin().get(account).unwrap().status == 200
        ));
        let eve = cluster.certificate_user("eve", None).unwrap();
        Self {
            cluster,
            eve,
            marks: AtomicUsize::new(0),
        }
    }

    /// Asserts that the step of an example works, and that it does not with the one word changed.
    pub(crate) fn check(&self, id: &str, act: &dyn Fn(&Self) -> bool) {
        let scene = self.put(id, false);
        assert!(eventually(|| act(self)), "{id}: the step is refused");
        self.remove(&scene);
        let scene = self.put(id, true);
        // For some seconds the API server remembers as whom it let somebody act.
        assert!(
            eventually(|| !act(self)),
            "{id}: the step is possible without the right"
        );
        self.remove(&scene);
    }

    /// Puts up the example of an edge, or what is safe.
    pub(crate) fn put(&self, id: &str, safe: bool) -> Scene {
        let example = &EDGES.iter().find(|kind| kind.id == id).unwrap().example;
        let (word, instead) = if safe { example.safe } else { ("", "") };
        let text = if safe {
            example.cluster.replace(word, instead)
        } else {
            example.cluster.to_owned()
        };
        let (rbac, objects) = text.split_once("---").unwrap_or((&text, ""));
        let yaml = yaml(objects);
        if !yaml.trim().is_empty() {
            self.cluster.admin().apply(&yaml).unwrap();
        }
        Scene {
            rbac: self.put_rbac(rbac),
            objects: yaml,
        }
    }

    /// Puts up roles and bindings, and waits until the authorizer knows them and whatever was removed before.
    pub(crate) fn put_rbac(&self, text: &str) -> Vec<String> {
        let mut paths = self.post_rbac(text);
        // It hears of changes of each kind in their order, so that one more of each comes last.
        let mark = format!("mark-{}", self.marks.fetch_add(1, Ordering::Relaxed));
        let marks = format!(
            "Role shop/{mark}
               get on marks of ''
             ClusterRole {mark}
               list on marks of ''
             RoleBinding shop/{mark} gives Role/{mark} to user:{mark}
             ClusterRoleBinding {mark} gives ClusterRole/{mark} to user:{mark}"
        );
        paths.extend(self.post_rbac(&marks));
        let user = UserInfo::of(&Subject::User { name: mark }, &[]);
        for verb in ["get", "list"] {
            let request = ResourceRequest::new(verb, "", "marks").in_namespace("shop");
            let review = Review {
                user: Some(user.clone()),
                request: request.into(),
            };
            assert!(eventually(|| self.is_allowed(&review)));
        }
        paths
    }

    fn post_rbac(&self, text: &str) -> Vec<String> {
        let mut snapshot = Snapshot::default();
        for object in notation::objects(text) {
            snapshot.apply(Delta::Upsert(Box::new(object), Origin::Live));
        }
        let objects = manifest::objects(&snapshot);
        let lists = [
            objects.roles,
            objects.cluster_roles,
            objects.role_bindings,
            objects.cluster_role_bindings,
        ];
        let mut paths = Vec::new();
        for object in lists.iter().flatten() {
            let kind = object["kind"].as_str().unwrap().to_lowercase();
            let path = match object["metadata"]["namespace"].as_str() {
                Some(namespace) if !namespace.is_empty() => {
                    format!("{RBAC}/namespaces/{namespace}/{kind}s")
                }
                _ => format!("{RBAC}/{kind}s"),
            };
            let reply = self
                .cluster
                .admin()
                .post(&path, &aggregating(object))
                .unwrap();
            assert_eq!(reply.status, 201, "{object}: {}", reply.body);
            paths.push(format!(
                "{path}/{}",
                object["metadata"]["name"].as_str().unwrap()
            ));
        }
        paths
    }

    /// Removes what [`Stage::put`] put up.
    pub(crate) fn remove(&self, scene: &Scene) {
        self.remove_rbac(&scene.rbac);
        let admin = self.cluster.admin();
        // Namespaces stay, the next scene plays in them.
        if !scene.objects.is_empty() && !scene.objects.contains("kind: Namespace") {
            let delete = [
                "delete",
                "--ignore-not-found",
                "--force",
                "--grace-period=0",
                "-f",
                "-",
            ];
            let output = admin.kubectl_with_input(&delete, &scene.objects).unwrap();
            output.success().unwrap();
        }
    }

    /// Removes what [`Stage::put_rbac`] put up.
    pub(crate) fn remove_rbac(&self, paths: &[String]) {
        for path in paths {
            let reply = self.cluster.admin().request("DELETE", path, &[], None);
            let reply = reply.unwrap();
            assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        }
    }

    /// Asks the authorizers.
    pub(crate) fn is_allowed(&self, review: &Review) -> bool {
        let body = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": manifest::review_spec(review.user.as_ref().unwrap(), &review.request),
        });
        let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        let reply = self.cluster.admin().post(path, &body).unwrap();
        assert_eq!(reply.status, 201, "{body}\n{}", reply.body);
        reply.json().unwrap()["status"]["allowed"] == true
    }

    /// A POST by the attacker.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.eve.post(path, body).unwrap()
    }

    /// A merge patch by the attacker.
    pub(crate) fn patch(&self, path: &str, body: &Value) -> Reply {
        let headers = [("content-type", "application/merge-patch+json")];
        self.eve
            .request("PATCH", path, &headers, Some(&body.to_string()))
            .unwrap()
    }

    /// A GET by the attacker.
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.eve.get(path).unwrap()
    }
}

/// The objects of an example as a stream of YAML.
pub(crate) fn yaml(objects: &str) -> String {
    let lines = objects.lines().map(str::trim);
    let lines = lines.map(|line| match line {
        line if line.starts_with('{') => format!("---\n{line}\n"),
        line => format!(" {line}\n"),
    });
    lines.collect()
}

/// The testkit's manifests say nothing of aggregation; the one role of the examples that aggregates is called `whole`.
fn aggregating(object: &Value) -> Value {
    let mut object = object.clone();
    if object["kind"] == "ClusterRole" && object["metadata"]["name"] == "whole" {
        object["aggregationRule"] =
            json!({"clusterRoleSelectors": [{"matchLabels": {"team": "shop"}}]});
    }
    object
}

/// Whether it comes true in time.
pub(crate) fn eventually(mut is_true: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !is_true() {
        if start.elapsed() > LIMIT {
            return false;
        }
        thread::sleep(Duration::from_millis(50));
    }
    true
}
