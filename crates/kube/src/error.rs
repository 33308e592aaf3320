use std::path::PathBuf;
use std::time::Duration;

use crate::credential::Credential;

/// Why there is no connection to a cluster. Messages never hold a token, a key or a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nothing says which cluster is meant.
    #[error(
        "no kubeconfig found: looked at {} and for the environment of a pod; set KUBECONFIG, pass `--kubeconfig FILE`, or read manifests with `-f PATH`",
        paths(.looked_at)
    )]
    NoKubeconfig {
        /// The files that do not exist.
        looked_at: Vec<PathBuf>,
    },
    /// The kubeconfig says no current context, and no flag names one.
    #[error("the kubeconfig ({}) has no current context; pass `--context NAME` ({}) or run `kubectl config use-context NAME`", paths(.files), listing(.known))]
    NoCurrentContext {
        /// The files that were read.
        files: Vec<PathBuf>,
        /// The contexts that there are.
        known: Vec<String>,
    },
    /// A context, cluster or user is named that no kubeconfig has.
    #[error("{what} `{name}` is not in the kubeconfig; there is {}", listing(.known))]
    Unknown {
        /// `context`, `cluster` or `user`.
        what: &'static str,
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// A file that the kubeconfig or a flag names cannot be used.
    #[error("cannot use {what} {}: {reason}", path.display())]
    File {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it. Never its contents.
        reason: String,
    },
    /// Flags or fields of the kubeconfig that do not fit together.
    #[error("{0}")]
    Invalid(String),
    /// The credential plugin did not deliver.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// The first request failed.
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// Why a credential plugin (`users[].user.exec` of the kubeconfig) gave no credentials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// The command is not there.
    #[error("credential plugin `{command}` of the kubeconfig cannot be started: {reason}{}", hinting(.hint))]
    Start {
        /// The command.
        command: String,
        /// What the system said.
        reason: String,
        /// The kubeconfig's `installHint`.
        hint: String,
    },
    /// It wants a terminal to ask on.
    #[error(
        "credential plugin `{command}` needs to ask on a terminal (interactiveMode: Always), but {reason}; log in with it first, or use another credential"
    )]
    NoTerminal {
        /// The command.
        command: String,
        /// Why it may not ask.
        reason: &'static str,
    },
    /// It ended with an error.
    #[error("credential plugin `{command}` failed ({status}){}", said(.stderr))]
    Failed {
        /// The command.
        command: String,
        /// How it ended.
        status: String,
        /// The end of what it wrote to standard error; empty where that went to the terminal.
        stderr: String,
    },
    /// It did not end in time.
    #[error("credential plugin `{command}` gave no answer within {} s and was stopped{}; run it by hand to see what it waits for", limit.as_secs(), said(.stderr))]
    TimedOut {
        /// The command.
        command: String,
        /// How long it had.
        limit: Duration,
        /// The end of what it wrote to standard error; empty where that went to the terminal.
        stderr: String,
    },
    /// Its answer is no `ExecCredential`.
    #[error("credential plugin `{command}` gave no usable answer: {reason}")]
    Answer {
        /// The command.
        command: String,
        /// What is wrong. Never the answer itself.
        reason: String,
    },
}

/// Why one request to the API server failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// No connection.
    #[error(
        "cannot reach the API server at {server}: {reason}; check the address, the network and the proxy settings"
    )]
    Unreachable {
        /// Its address.
        server: String,
        /// What the system said.
        reason: String,
    },
    /// The server's certificate is not to be trusted.
    #[error("the API server at {server} shows a certificate that cannot be trusted: {reason}")]
    Untrusted {
        /// Its address.
        server: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// 401.
    #[error("the API server at {server} does not accept the credentials (401): {}", credential.advice())]
    Unauthorized {
        /// Its address.
        server: String,
        /// What was shown to it.
        credential: Credential,
    },
    /// 403.
    #[error("forbidden: {message}")]
    Forbidden {
        /// What the API server said; it names the user and the missing right.
        message: String,
    },
    /// 404.
    #[error("the API server does not serve {path}")]
    NotFound {
        /// The path of the request.
        path: String,
    },
    /// 410: a paginated list took longer than the server keeps its state.
    #[error("the list changed too much while it was read (410)")]
    Expired,
    /// No whole answer in time.
    #[error("no answer from {server} within {} s; pass a longer `--request-timeout`", limit.as_secs_f32())]
    TimedOut {
        /// The server.
        server: String,
        /// How long it had.
        limit: Duration,
    },
    /// An answer beyond what is read.
    #[error("an answer of more than {} MiB was not read", limit >> 20)]
    TooLarge {
        /// The most that is read, in bytes.
        limit: usize,
    },
    /// Any other refusal.
    #[error("the API server answered {code}: {message}")]
    Status {
        /// The HTTP status.
        code: u16,
        /// What the API server said, shortened.
        message: String,
    },
    /// An answer that is not what Kubernetes answers.
    #[error("{server} does not answer like a Kubernetes API server: {reason}")]
    Malformed {
        /// The server.
        server: String,
        /// What is wrong.
        reason: String,
    },
}

fn paths(paths: &[PathBuf]) -> String {
    if paths.is_empty() {
        return "no file, for there is no home directory".to_owned();
    }
    let texts: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    texts.join(", ")
}

/// The first names of a list that may be long.
fn listing(names: &[String]) -> String {
    const SHOWN: usize = 12;
    match names.len() {
        0 => "none".to_owned(),
        count => {
            let shown: Vec<_> = names
                .iter()
                .take(SHOWN)
                .map(|name| format!("`{name}`"))
                .collect();
            let more = count.saturating_sub(SHOWN);
            let rest = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            shown.join(", ") + &rest
        }
    }
}

fn hinting(hint: &str) -> String {
    match hint.trim() {
        "" => "; install it or use another context".to_owned(),
        hint => format!("\n{hint}"),
    }
}

fn said(stderr: &str) -> String {
    match stderr.trim() {
        "" => String::new(),
        text => format!(": {text}"),
    }
}
