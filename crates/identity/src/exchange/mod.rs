//! Tokens of a workload for credentials of a cloud, or tokens of an OAuth authorization server: the requests as each of them
//! documents them, and what comes back.
//!
//! Sources: AWS STS API reference (AssumeRoleWithWebIdentity, 2011-06-15) and "Sourcing credentials with an external
//! process"; Google Security Token Service v1 `token` (RFC 8693), IAM Credentials v1 `generateAccessToken` and
//! executable-sourced credentials (google.aip.dev/auth/4117); Microsoft identity platform v2.0, client credentials with a
//! federated credential; draft-ietf-oauth-spiffe-client-auth-02 with RFC 6749, RFC 8693 and RFC 8707.

mod aws;
mod azure;
mod gcp;
mod oauth;
mod request;
mod subject;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::jwt::MalformedToken;

pub use aws::Aws;
pub use azure::Azure;
pub use gcp::Gcp;
pub use oauth::{OAuth, TokenExchange};
pub use request::{Body, Request, Value};
pub use subject::Subject;

/// No answer of a cloud is longer, in bytes.
pub const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Why a token is not exchanged. What it says holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// What the workload has is no token.
    #[error("the token of the workload cannot be read: {0}")]
    Token(#[from] MalformedToken),
    /// Clouds find the keys by the issuer.
    #[error(
        "the token names no issuer, by which a cloud finds its keys: run the authority with --jwt-issuer"
    )]
    NoIssuer,
    /// Clouds compare every letter.
    #[error(
        "the token names the issuer `{found}` and not `{wanted}`: a cloud compares every letter, a slash at the end too"
    )]
    Issuer {
        /// What it names.
        found: String,
        /// What was wanted.
        wanted: String,
    },
    /// The token was made for somebody else.
    #[error("the token is not for `{0}`")]
    Audience(String),
    /// Entra takes RSA alone.
    #[error("Entra takes tokens signed by RS or PS alone, and this one has {0}: run the authority with --jwt-key rsa-2048, or ask for the audience {audience}", audience = azure::AUDIENCE)]
    Algorithm(String),
    /// Google's bound.
    #[error(
        "`{0}` is longer than the 127 bytes that google.subject may have: give the workload a shorter id"
    )]
    SubjectTooLong(String),
    /// An argument that the cloud would refuse.
    #[error("{what} `{value}` {problem}")]
    Argument {
        /// Which one.
        what: &'static str,
        /// What it is.
        value: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The cloud says no.
    #[error("the cloud refuses ({status}, {code}): {message}")]
    Refused {
        /// The status of HTTP.
        status: u16,
        /// Its own code.
        code: String,
        /// Its own words.
        message: String,
    },
    /// The cloud answers something else.
    #[error("the answer of the cloud ({status}) cannot be read: {problem}")]
    Answer {
        /// The status of HTTP.
        status: u16,
        /// What is missing.
        problem: &'static str,
    },
}

/// A credential of a cloud, in the form that its own tools read. It does not print by itself.
pub struct Credential(pub(crate) Zeroizing<String>);

impl Credential {
    /// The text to hand over.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn json(value: &serde_json::Value) -> Self {
        Self(Zeroizing::new(format!("{value:#}\n")))
    }
}

/// What others say becomes part of our messages: bounded, without control characters, and without the token.
fn quoted(text: &str) -> String {
    let plain = text.chars().map(|letter| match letter.is_control() {
        true => ' ',
        false => letter,
    });
    plain.take(500).collect()
}

fn argument(what: &'static str, value: &str, problem: &'static str) -> ExchangeError {
    let value = quoted(value);
    ExchangeError::Argument {
        what,
        value,
        problem,
    }
}

type Object = serde_json::Map<String, serde_json::Value>;

/// A field of an answer.
fn text<'o>(object: &'o Object, name: &str) -> Option<&'o str> {
    object.get(name)?.as_str()
}

/// OAuth's errors (RFC 6749 5.2), and those of Google's other interfaces.
fn refused(status: u16, body: &[u8]) -> ExchangeError {
    let json: Object = serde_json::from_slice(body).unwrap_or_default();
    let found = match json.get("error") {
        Some(serde_json::Value::Object(error)) => text(error, "status").zip(text(error, "message")),
        _ => text(&json, "error").zip(text(&json, "error_description").or(Some(""))),
    };
    match found {
        Some((code, message)) => ExchangeError::Refused {
            status,
            code: quoted(code),
            message: quoted(message),
        },
        None => ExchangeError::Answer {
            status,
            problem: "it is no error as OAuth has them",
        },
    }
}

/// The JSON of a good answer.
fn accepted(status: u16, body: &[u8]) -> Result<Object, ExchangeError> {
    if status != 200 {
        return Err(refused(status, body));
    }
    let problem = "it is no JSON object";
    serde_json::from_slice(body).map_err(|_| ExchangeError::Answer { status, problem })
}

#[cfg(test)]
mod tests;
