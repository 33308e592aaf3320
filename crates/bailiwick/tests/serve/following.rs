//! A real API server and the program: it follows the API server, which asks it in turn.

use std::net::TcpListener;

use bailiwick_testkit::servers::Cluster;
use serde_json::{Value, json};

use crate::api_server::cluster_asking_with;
use crate::client::Client;
use crate::program::{Home, Program};

pub(crate) const CORE: &str = "/apis/bailiwick.dev/v1alpha1";

/// A cluster and the program, each asking the other.
pub(crate) struct Stage {
    pub(crate) home: Home,
    pub(crate) program: Program,
    pub(crate) cluster: Cluster,
    pub(crate) operations: String,
}

pub(crate) fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

impl Stage {
    /// A cluster that knows our documents and asks the program, which follows it.
    pub(crate) fn new(mode: &str) -> Self {
        Self::with_flags(mode, &[])
    }

    /// The same with more flags of the API server.
    pub(crate) fn with_flags(mode: &str, flags: &[(&str, &str)]) -> Self {
        let home = Home::new(&["api", "asker"]);
        let (address, operations) = (free_address(), free_address());
        home.configure(
            &address,
            &format!(
                "accessReview: {{mode: {mode}}}\nauthzen: {{base: 'https://pdp.example.org'}}\n\
                 operations: {operations}\nsnapshot: kept.bwk\n"
            ),
        );
        let cluster = cluster_asking_with(&home, &address, flags);
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
    pub(crate) fn told(&self, path: &str) -> (u16, String) {
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

    pub(crate) fn create(&self, plural: &str, object: &Value) {
        let namespace = object["metadata"]["namespace"].as_str();
        let within = namespace.map_or(String::new(), |name| format!("/namespaces/{name}"));
        let path = format!("{CORE}{within}/{plural}");
        let reply = self.cluster.admin().post(&path, object).unwrap();
        assert_eq!(reply.status, 201, "{}", reply.body);
    }

    pub(crate) fn delete(&self, path: &str) {
        let reply = self
            .cluster
            .admin()
            .request("DELETE", &format!("{CORE}/{path}"), &[], None);
        assert_eq!(reply.unwrap().status, 200);
    }

    /// Whether a user may list pods there, as the API server answers.
    pub(crate) fn lists(&self, user: &str, path: &str) -> bool {
        let reply = self.cluster.user(user).unwrap().get(path).unwrap();
        assert!(matches!(reply.status, 200 | 403), "{}", reply.body);
        reply.status == 200
    }

    pub(crate) fn signal_api_server(&self, signal: &str) {
        let id = self.cluster.pids()[1].to_string();
        let sent = std::process::Command::new("kill")
            .args(["-s", signal, &id])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Whether the application's door allows anna to list pods.
    pub(crate) fn asks(&self) -> bool {
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

/// A document; a name with a slash is in a namespace.
pub(crate) fn document(kind: &str, name: &str, spec: &Value) -> Value {
    let (namespace, name) = name.split_once('/').unwrap_or(("", name));
    let mut metadata = json!({"name": name});
    if !namespace.is_empty() {
        metadata["namespace"] = json!(namespace);
    }
    json!({"apiVersion": "bailiwick.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
}

pub(crate) const PODS: &str = "/api/v1/namespaces/default/pods";
