//! Upstream's own code as the judge: the Go program in `testenv/kubernetes/oracle`, asked over
//! pipes, one JSON line each way. `docs/testing.md` describes the protocol.
//!
//! ```no_run
//! use bailiwick_testkit::oracle::{Objects, Oracle, ReviewSpec};
//!
//! let mut oracle = Oracle::start()?;
//! oracle.load(&Objects::default())?;
//! let spec = ReviewSpec::path("anna", &[], "get", "/healthz");
//! assert!(!oracle.authorize(&spec)?.allowed);
//! # Ok::<(), bailiwick_testkit::judge::JudgeError>(())
//! ```

mod types;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::binaries;
use crate::judge::{Judge, JudgeError};

pub use self::types::{
    Benchmark, Check, Coverage, Decision, Decoded, Documents, Escalation, Grant, Impersonated,
    Impersonation, Objects, Person, Reference, RequestInfo, ReviewSpec, Rules, Spread, Subjects,
    Target,
};

/// A running oracle with one cluster's RBAC objects in it. It ends when this is dropped.
pub struct Oracle(Judge);

impl Oracle {
    /// Starts an oracle with an empty cluster.
    ///
    /// # Errors
    /// [`JudgeError::Binaries`] names the command that builds it.
    pub fn start() -> Result<Self, JudgeError> {
        Judge::start(&binaries::oracle()?).map(Self)
    }

    /// Replaces the cluster.
    ///
    /// # Errors
    /// When an object is not what its list says.
    pub fn load(&mut self, objects: &Objects) -> Result<(), JudgeError> {
        let arguments = json!({
            "roles": objects.roles,
            "clusterroles": objects.cluster_roles,
            "rolebindings": objects.role_bindings,
            "clusterrolebindings": objects.cluster_role_bindings,
        });
        self.0.ask::<Value>("load", arguments).map(drop)
    }

    /// The RBAC authorizer's answer, with every grant. It knows no `system:masters`, which is an
    /// authorizer of its own.
    ///
    /// # Errors
    /// When the spec has not exactly one kind of attributes.
    pub fn authorize(&mut self, spec: &ReviewSpec) -> Result<Decision, JudgeError> {
        self.0
            .ask("authorize", json!({"spec": spec, "grants": true}))
    }

    /// Many answers in one exchange, on all cores.
    ///
    /// # Errors
    /// When a spec has not exactly one kind of attributes.
    pub fn authorize_batch(
        &mut self,
        specs: &[ReviewSpec],
        grants: bool,
    ) -> Result<Vec<Decision>, JudgeError> {
        self.0
            .ask("authorize_batch", json!({"specs": specs, "grants": grants}))
    }

    /// Times bare decisions on one core; requests take turns.
    ///
    /// # Errors
    /// When there is nothing to time.
    pub fn bench(&mut self, specs: &[ReviewSpec], repeats: u32) -> Result<Benchmark, JudgeError> {
        self.0
            .ask("bench", json!({"specs": specs, "repeats": repeats}))
    }

    /// The rules that reach somebody in a namespace (`""` for the cluster alone).
    ///
    /// # Errors
    /// When the oracle is gone.
    pub fn rules(&mut self, user: &Person, namespace: &str) -> Result<Rules, JudgeError> {
        self.0
            .ask("rules", json!({"user": user, "namespace": namespace}))
    }

    /// Whether the owner's rules cover the servant's.
    ///
    /// # Errors
    /// When a rule is not a `PolicyRule`.
    pub fn covers(&mut self, owner: &Value, servant: &Value) -> Result<Coverage, JudgeError> {
        self.0
            .ask("covers", json!({"owner": owner, "servant": servant}))
    }

    /// Whether somebody may grant these rules in a namespace, by the rules they hold alone.
    ///
    /// # Errors
    /// When a rule is not a `PolicyRule`.
    pub fn escalation(
        &mut self,
        user: &Person,
        namespace: &str,
        rules: &Value,
    ) -> Result<Escalation, JudgeError> {
        self.0.ask(
            "escalation",
            json!({"user": user, "namespace": namespace, "rules": rules}),
        )
    }

    /// Who can do this, as upstream lists it; the spec's user is not looked at.
    ///
    /// # Errors
    /// When the spec has not exactly one kind of attributes.
    pub fn subjects(&mut self, spec: &ReviewSpec) -> Result<Subjects, JudgeError> {
        self.0.ask("subjects", json!({"spec": spec}))
    }

    /// What the API server reads in a request.
    ///
    /// # Errors
    /// When it reads nothing in it.
    pub fn request_info(&mut self, method: &str, url: &str) -> Result<RequestInfo, JudgeError> {
        self.0
            .ask("requestinfo", json!({"method": method, "url": url}))
    }

    /// What upstream's impersonation filter makes of a request.
    ///
    /// # Errors
    /// When the request is not valid.
    pub fn impersonate(&mut self, request: &Impersonation) -> Result<Impersonated, JudgeError> {
        self.0.ask("impersonate", json!(request))
    }

    /// These ClusterRoles as upstream's controller leaves them, sorted by name.
    ///
    /// # Errors
    /// When a role is not a ClusterRole or the roles never settle.
    pub fn aggregate(&mut self, cluster_roles: &[Value]) -> Result<Vec<Value>, JudgeError> {
        #[derive(Deserialize)]
        struct Roles {
            clusterroles: Vec<Value>,
        }
        let roles: Roles = self
            .0
            .ask("aggregate", json!({"clusterroles": cluster_roles}))?;
        Ok(roles.clusterroles)
    }

    /// One YAML document as the JSON text that kubectl makes of it.
    ///
    /// # Errors
    /// [`JudgeError::Refused`] with kubectl's message.
    pub fn yaml(&mut self, text: &str) -> Result<String, JudgeError> {
        #[derive(Deserialize)]
        struct Converted {
            json: String,
        }
        let converted: Converted = self.0.ask("yaml", json!({"text": text}))?;
        Ok(converted.json)
    }

    /// A stream of documents as kubectl splits and converts it, up to the first error.
    ///
    /// # Errors
    /// When the oracle is gone; a broken document is part of the answer.
    pub fn documents(&mut self, text: &str) -> Result<Documents, JudgeError> {
        self.0.ask("documents", json!({"text": text}))
    }

    /// A document read into its Go type as the API server does with strict field validation.
    ///
    /// # Errors
    /// When the oracle is gone; a refused document is part of the answer.
    pub fn decode(&mut self, text: &str) -> Result<Decoded, JudgeError> {
        self.0.ask("decode", json!({"text": text}))
    }
}
