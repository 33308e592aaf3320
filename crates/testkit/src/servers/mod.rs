//! Real Kubernetes servers on loopback ports: etcd, kube-apiserver and kube-controller-manager.
//!
//! ```no_run
//! use bailiwick_testkit::servers::Cluster;
//!
//! let cluster = Cluster::builder().user("anna", &["dev"]).start()?;
//! cluster.admin().apply("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}")?;
//! let output = cluster.user("anna")?.kubectl(&["auth", "can-i", "get", "pods", "-n", "shop"])?;
//! assert_eq!(output.stdout, "no\n");
//! # Ok::<(), bailiwick_testkit::servers::ServersError>(())
//! ```
//!
//! A cluster is stopped when it is dropped, and also when the test process ends or is killed. Its
//! directory with logs and data goes with it, unless a test panics meanwhile: then it is kept and
//! its path printed.

mod builder;
mod error;
mod identity;
mod pki;

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::{Value, json};

pub use self::builder::{AUDIT_METADATA, Builder};
pub use self::error::ServersError;
pub use self::identity::{Identity, Output, Reply};

use self::identity::{Credential, Endpoint};
use self::pki::Pki;
use crate::janitor::Janitor;

/// How long the controllers may take for their first round on a busy machine.
const CONTROLLER_LIMIT: Duration = Duration::from_secs(120);

/// A running cluster.
pub struct Cluster {
    janitor: Janitor,
    pki: Pki,
    server: String,
    etcd: String,
    manager: String,
    admin: Identity,
    users: Vec<Identity>,
}

/// The cluster that all tests of a process share. See [`Cluster::shared`].
pub struct Shared(&'static Cluster);

impl Cluster {
    /// A cluster of one's own: Node and RBAC authorization, controller-manager on, no audit log.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// One cluster for all tests of this process, as [`Cluster::builder`] makes it by default.
    ///
    /// Tests run at the same time: use a namespace and names of your own, and never ask what the
    /// whole cluster holds.
    ///
    /// # Errors
    /// As [`Builder::start`]; the same error for everybody who asks.
    pub fn shared() -> Result<Shared, &'static ServersError> {
        static SHARED: OnceLock<Result<Cluster, ServersError>> = OnceLock::new();
        SHARED
            .get_or_init(|| Self::builder().start())
            .as_ref()
            .map(Shared)
    }

    /// The administrator: a client certificate in `system:masters`.
    #[must_use]
    pub fn admin(&self) -> &Identity {
        &self.admin
    }

    /// A user that [`Builder::user`] declared.
    ///
    /// # Errors
    /// When none of this name was.
    pub fn user(&self, name: &str) -> Result<&Identity, ServersError> {
        let found = self.users.iter().find(|user| user.name() == name);
        found.ok_or_else(|| ServersError::NoUser(name.to_owned()))
    }

    /// Any user by client certificate, in one group at most beside `system:authenticated`.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn certificate_user(
        &self,
        name: &str,
        group: Option<&str>,
    ) -> Result<Identity, ServersError> {
        self.identity(
            name,
            &Credential::Certificate(self.pki.client(name, group)?),
        )
    }

    /// Whoever holds this certificate and its key, both in PEM form.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn certificate_holder(
        &self,
        name: &str,
        certificate: &str,
        key: &str,
    ) -> Result<Identity, ServersError> {
        let files = self.pki.hold(name, certificate, key)?;
        self.identity(name, &Credential::Certificate(files))
    }

    /// A service account that exists, with a fresh token of the API server.
    ///
    /// # Errors
    /// When the API server gives no token.
    pub fn service_account(&self, namespace: &str, name: &str) -> Result<Identity, ServersError> {
        self.token(namespace, name, &json!({}))
    }

    /// Whoever holds this token.
    ///
    /// # Errors
    /// When its files cannot be written.
    pub fn token_holder(&self, name: &str, token: &str) -> Result<Identity, ServersError> {
        self.identity(name, &Credential::Token(token.to_owned()))
    }

    /// A service account with a token that is bound to one of its pods.
    ///
    /// # Errors
    /// [`ServersError::Refused`] where the API server gives no such token.
    pub fn service_account_in_pod(
        &self,
        namespace: &str,
        name: &str,
        pod: &str,
    ) -> Result<Identity, ServersError> {
        let bound = json!({"apiVersion": "v1", "kind": "Pod", "name": pod});
        self.token(namespace, name, &json!({"boundObjectRef": bound}))
    }

    fn token(&self, namespace: &str, name: &str, spec: &Value) -> Result<Identity, ServersError> {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": spec,
        });
        let reply = self.admin.post(&path, &body)?;
        let answer = reply.json()?;
        match answer.pointer("/status/token").and_then(Value::as_str) {
            Some(token) => {
                let user = format!("system:serviceaccount:{namespace}:{name}");
                self.identity(&user, &Credential::Token(token.to_owned()))
            }
            None => Err(ServersError::Refused {
                request: format!("POST {path}"),
                status: reply.status,
                body: reply.body,
            }),
        }
    }

    fn identity(&self, name: &str, credential: &Credential) -> Result<Identity, ServersError> {
        let ca = self.pki.ca();
        let endpoint = Endpoint {
            dir: self.dir(),
            server: &self.server,
            ca: &ca,
        };
        Identity::create(name, &endpoint, credential)
    }

    /// Where the API server listens, as `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The certificate of the authority that signed the API server's, as a PEM file.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.pki.ca()
    }

    /// The URL of the controller-manager, where it listens, and the file with its certificate.
    #[must_use]
    pub fn controller_manager(&self) -> (&str, PathBuf) {
        let certificate = self.dir().join("kube-controller-manager.crt");
        (&self.manager, certificate)
    }

    /// The directory with logs, keys, data and the files of [`Builder::file`].
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.janitor.dir()
    }

    /// Process ids of the servers in the order of their start: etcd, kube-apiserver,
    /// kube-controller-manager.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.janitor.pids()
    }

    /// Kills the API server and starts it anew on the same port, with the same data. Waits until it is ready.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart_api_server(&mut self) -> Result<(), ServersError> {
        self.restart(1, "kube-apiserver")?;
        builder::wait_until_ready(&mut self.janitor, &self.admin)
    }

    /// Kills the controller-manager and starts it anew, so that its controllers read everything again.
    ///
    /// # Errors
    /// When there is none, or it does not start.
    pub fn restart_controller_manager(&mut self) -> Result<(), ServersError> {
        self.restart(2, "kube-controller-manager")
    }

    fn restart(&mut self, place: usize, name: &'static str) -> Result<(), ServersError> {
        let restarted = self.janitor.restart(place, name);
        restarted.map_err(|source| ServersError::Process { name, source })
    }

    /// Has etcd forget every state but the one that it is in. Whoever goes on from an earlier one by way of the API
    /// server hears 410 Gone, unless the API server remembers itself (`--watch-cache=false` keeps it from that).
    ///
    /// # Errors
    /// When etcd does not answer, or refuses.
    pub fn compact(&self) -> Result<(), ServersError> {
        // The keys' prefix does not matter: every answer has the newest state in its header.
        let answer = self.etcd("kv/range", &json!({"key": "AA=="}))?;
        let state = answer.pointer("/header/revision").cloned();
        let request = json!({"revision": state, "physical": true});
        self.etcd("kv/compaction", &request).map(|_| ())
    }

    /// Asks etcd by its JSON gateway.
    fn etcd(&self, path: &str, body: &Value) -> Result<Value, ServersError> {
        let mut response = ureq::post(format!("{}/v3/{path}", self.etcd))
            .header("content-type", "application/json")
            .send(body.to_string())?;
        let text = response.body_mut().read_to_string()?;
        serde_json::from_str(&text).map_err(|source| ServersError::Json { body: text, source })
    }

    /// The log of a server, by the name of its binary.
    #[must_use]
    pub fn log(&self, binary: &str) -> PathBuf {
        self.dir().join(format!("{binary}.log"))
    }

    /// What the audit policy recorded so far, oldest first; empty without [`Builder::audit_policy`].
    ///
    /// # Errors
    /// When the log cannot be read or holds something else.
    pub fn audit_events(&self) -> Result<Vec<Value>, ServersError> {
        let path = self.log("audit");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(ServersError::file(&path, error)),
        };
        // A line that is being written has no end yet.
        let whole = text
            .rfind('\n')
            .and_then(|end| text.get(..end))
            .unwrap_or_default();
        let parse = |line: &str| {
            serde_json::from_str(line).map_err(|source| ServersError::Json {
                body: line.to_owned(),
                source,
            })
        };
        whole.lines().map(parse).collect()
    }

    /// Waits until the controller-manager has filled the ClusterRoles admin, edit and view, which
    /// are empty until then.
    ///
    /// # Errors
    /// When that takes longer than two minutes.
    pub fn wait_for_aggregation(&self) -> Result<(), ServersError> {
        let start = Instant::now();
        while !self.aggregated()? {
            if start.elapsed() > CONTROLLER_LIMIT {
                return Err(ServersError::Timeout {
                    what: "aggregation of the ClusterRoles admin, edit and view",
                    seconds: CONTROLLER_LIMIT.as_secs(),
                });
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Whether edit has what view has, and admin what edit has; the last rule to arrive in each
    /// comes from the role below it.
    fn aggregated(&self) -> Result<bool, ServersError> {
        let mut below = Vec::new();
        for name in ["view", "edit", "admin"] {
            let path = format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}");
            let role = self.admin.get(&path)?.json()?;
            let rules = role
                .get("rules")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            if rules.len() <= below.len() || !below.iter().all(|rule| rules.contains(rule)) {
                return Ok(false);
            }
            below = rules;
        }
        Ok(true)
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("server", &self.server)
            .field("dir", &self.dir())
            .finish()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        keep_if_panicking(&self.janitor);
    }
}

impl Deref for Shared {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        self.0
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        keep_if_panicking(&self.0.janitor);
    }
}

#[allow(
    clippy::print_stderr,
    reason = "the only way to tell where the logs of a failed test are"
)]
fn keep_if_panicking(janitor: &Janitor) {
    if thread::panicking() {
        janitor.keep();
        eprintln!(
            "logs of the test cluster are kept in {}",
            janitor.dir().display()
        );
    }
}

/// A name as part of a file name: everything but letters, digits, `-` and `.` is escaped.
fn file_name(name: &str) -> String {
    let mut escaped = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-.".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped += &format!("_{byte:02x}");
        }
    }
    escaped
}
