//! Why a test cluster cannot be had or did not answer.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use crate::binaries::BinariesError;

/// Why a test cluster cannot be had or did not answer.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ServersError {
    /// A binary is missing; the message names the command that installs it.
    #[error(transparent)]
    Binaries(#[from] BinariesError),
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// A file of the cluster could not be written or read.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program could not be started.
    #[error("cannot start `{name}`")]
    Process {
        /// The program.
        name: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The servers did not become ready.
    #[error("the test cluster is not ready after {seconds} s{}; logs are kept in {}\n{log}",
        if *ended { " because a server ended" } else { "" }, dir.display())]
    NotReady {
        /// How long was waited.
        seconds: u64,
        /// Whether a server ended by itself.
        ended: bool,
        /// Where the logs are.
        dir: PathBuf,
        /// The ends of the logs.
        log: String,
    },
    /// Something that a controller does did not happen.
    #[error("{what} did not happen within {seconds} s; is the controller-manager on?")]
    Timeout {
        /// What was awaited.
        what: &'static str,
        /// How long was waited.
        seconds: u64,
    },
    /// No user of this name was declared.
    #[error("no user `{0}` in this cluster: declare it with `Builder::user`")]
    NoUser(String),
    /// A request got no answer.
    #[error("{request} got no answer")]
    Http {
        /// Method and path.
        request: String,
        /// What the client said.
        #[source]
        source: Box<ureq::Error>,
    },
    /// A certificate could not be used by the client.
    #[error("cannot prepare the client")]
    Client(#[from] ureq::Error),
    /// A request was refused that a test needs.
    #[error("{request} was answered with {status}: {body}")]
    Refused {
        /// Method and path.
        request: String,
        /// The HTTP status.
        status: u16,
        /// The body.
        body: String,
    },
    /// kubectl refused.
    #[error("kubectl ended with {status}: {stderr}")]
    Kubectl {
        /// How it ended.
        status: ExitStatus,
        /// Its standard error.
        stderr: String,
    },
    /// An answer or log line is not JSON.
    #[error("not JSON: {body}")]
    Json {
        /// What came instead.
        body: String,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
}

impl ServersError {
    pub(super) fn file(path: &Path, source: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }
}

/// The message and its causes, for the person who reads a failed `unwrap`.
impl fmt::Debug for ServersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
