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
//! # Ok::<(), bailiwick_testkit::oracle::OracleError>(())
//! ```

mod types;

use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::binaries::{self, BinariesError};

pub use self::types::{
    Benchmark, Check, Coverage, Decision, Decoded, Documents, Escalation, Grant, Impersonated,
    Impersonation, Objects, Person, Reference, RequestInfo, ReviewSpec, Rules, Spread, Subjects,
    Target,
};

/// A running oracle with one cluster's RBAC objects in it. It ends when this is dropped.
pub struct Oracle {
    child: Child,
    input: BufWriter<ChildStdin>,
    output: BufReader<ChildStdout>,
    asked: u64,
    line: String,
}

/// Why the oracle gave no answer.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum OracleError {
    /// The binary is missing; the message names the command that installs it.
    #[error(transparent)]
    Binaries(#[from] BinariesError),
    /// The program could not be started or went away.
    #[error("the oracle does not answer; its own messages are on standard error")]
    Pipe(#[from] io::Error),
    /// The oracle does not understand the question.
    #[error("the oracle refuses `{op}`: {message}")]
    Refused {
        /// The operation.
        op: &'static str,
        /// What the oracle said.
        message: String,
    },
    /// The answer is not what the operation promises.
    #[error("the oracle's answer to `{op}` is not understood")]
    Answer {
        /// The operation.
        op: &'static str,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
}

/// The message and its causes, for the person who reads a failed `unwrap`.
impl std::fmt::Debug for OracleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")?;
        match std::error::Error::source(self) {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

#[derive(Deserialize)]
struct Answer<T> {
    id: Option<u64>,
    result: Option<T>,
    error: Option<String>,
}

impl Oracle {
    /// Starts an oracle with an empty cluster.
    ///
    /// # Errors
    /// [`OracleError::Binaries`] names the command that builds it.
    pub fn start() -> Result<Self, OracleError> {
        let mut child = Command::new(binaries::oracle()?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("no pipes").into());
        };
        Ok(Self {
            child,
            input: BufWriter::new(input),
            output: BufReader::with_capacity(1 << 20, output),
            asked: 0,
            line: String::new(),
        })
    }

    /// Replaces the cluster.
    ///
    /// # Errors
    /// When an object is not what its list says.
    pub fn load(&mut self, objects: &Objects) -> Result<(), OracleError> {
        let arguments = json!({
            "roles": objects.roles,
            "clusterroles": objects.cluster_roles,
            "rolebindings": objects.role_bindings,
            "clusterrolebindings": objects.cluster_role_bindings,
        });
        self.ask::<Value>("load", arguments).map(drop)
    }

    /// The RBAC authorizer's answer, with every grant. It knows no `system:masters`, which is an
    /// authorizer of its own.
    ///
    /// # Errors
    /// When the spec has not exactly one kind of attributes.
    pub fn authorize(&mut self, spec: &ReviewSpec) -> Result<Decision, OracleError> {
        self.ask("authorize", json!({"spec": spec, "grants": true}))
    }

    /// Many answers in one exchange, on all cores.
    ///
    /// # Errors
    /// When a spec has not exactly one kind of attributes.
    pub fn authorize_batch(
        &mut self,
        specs: &[ReviewSpec],
        grants: bool,
    ) -> Result<Vec<Decision>, OracleError> {
        self.ask("authorize_batch", json!({"specs": specs, "grants": grants}))
    }

    /// Times bare decisions on one core; requests take turns.
    ///
    /// # Errors
    /// When there is nothing to time.
    pub fn bench(&mut self, specs: &[ReviewSpec], repeats: u32) -> Result<Benchmark, OracleError> {
        self.ask("bench", json!({"specs": specs, "repeats": repeats}))
    }

    /// The rules that reach somebody in a namespace (`""` for the cluster alone).
    ///
    /// # Errors
    /// When the oracle is gone.
    pub fn rules(&mut self, user: &Person, namespace: &str) -> Result<Rules, OracleError> {
        self.ask("rules", json!({"user": user, "namespace": namespace}))
    }

    /// Whether the owner's rules cover the servant's.
    ///
    /// # Errors
    /// When a rule is not a `PolicyRule`.
    pub fn covers(&mut self, owner: &Value, servant: &Value) -> Result<Coverage, OracleError> {
        self.ask("covers", json!({"owner": owner, "servant": servant}))
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
    ) -> Result<Escalation, OracleError> {
        self.ask(
            "escalation",
            json!({"user": user, "namespace": namespace, "rules": rules}),
        )
    }

    /// Who can do this, as upstream lists it; the spec's user is not looked at.
    ///
    /// # Errors
    /// When the spec has not exactly one kind of attributes.
    pub fn subjects(&mut self, spec: &ReviewSpec) -> Result<Subjects, OracleError> {
        self.ask("subjects", json!({"spec": spec}))
    }

    /// What the API server reads in a request.
    ///
    /// # Errors
    /// When it reads nothing in it.
    pub fn request_info(&mut self, method: &str, url: &str) -> Result<RequestInfo, OracleError> {
        self.ask("requestinfo", json!({"method": method, "url": url}))
    }

    /// What upstream's impersonation filter makes of a request.
    ///
    /// # Errors
    /// When the request is not valid.
    pub fn impersonate(&mut self, request: &Impersonation) -> Result<Impersonated, OracleError> {
        self.ask("impersonate", json!(request))
    }

    /// These ClusterRoles as upstream's controller leaves them, sorted by name.
    ///
    /// # Errors
    /// When a role is not a ClusterRole or the roles never settle.
    pub fn aggregate(&mut self, cluster_roles: &[Value]) -> Result<Vec<Value>, OracleError> {
        #[derive(Deserialize)]
        struct Roles {
            clusterroles: Vec<Value>,
        }
        let roles: Roles = self.ask("aggregate", json!({"clusterroles": cluster_roles}))?;
        Ok(roles.clusterroles)
    }

    /// One YAML document as the JSON text that kubectl makes of it.
    ///
    /// # Errors
    /// [`OracleError::Refused`] with kubectl's message.
    pub fn yaml(&mut self, text: &str) -> Result<String, OracleError> {
        #[derive(Deserialize)]
        struct Converted {
            json: String,
        }
        let converted: Converted = self.ask("yaml", json!({"text": text}))?;
        Ok(converted.json)
    }

    /// A stream of documents as kubectl splits and converts it, up to the first error.
    ///
    /// # Errors
    /// When the oracle is gone; a broken document is part of the answer.
    pub fn documents(&mut self, text: &str) -> Result<Documents, OracleError> {
        self.ask("documents", json!({"text": text}))
    }

    /// A document read into its Go type as the API server does with strict field validation.
    ///
    /// # Errors
    /// When the oracle is gone; a refused document is part of the answer.
    pub fn decode(&mut self, text: &str) -> Result<Decoded, OracleError> {
        self.ask("decode", json!({"text": text}))
    }

    fn ask<T: DeserializeOwned>(
        &mut self,
        op: &'static str,
        arguments: Value,
    ) -> Result<T, OracleError> {
        self.asked += 1;
        let mut question = match arguments {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        question.insert("op".to_owned(), json!(op));
        question.insert("id".to_owned(), json!(self.asked));
        serde_json::to_writer(&mut self.input, &question).map_err(io::Error::from)?;
        self.input.write_all(b"\n")?;
        self.input.flush()?;
        self.line.clear();
        if self.output.read_line(&mut self.line)? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let answer: Answer<T> = serde_json::from_str(&self.line)
            .map_err(|source| OracleError::Answer { op, source })?;
        match answer {
            Answer {
                error: Some(message),
                ..
            } => Err(OracleError::Refused { op, message }),
            Answer {
                result: Some(result),
                id,
                ..
            } if id == Some(self.asked) => Ok(result),
            Answer { .. } => Err(OracleError::Refused {
                op,
                message: "the answer belongs to another question".to_owned(),
            }),
        }
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // Nothing is lost: it holds no state that anybody reads. An error means it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
