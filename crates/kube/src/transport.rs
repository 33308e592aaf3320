//! One connection: a kube-rs client made of an [`Access`], and requests on it that are bounded in time and size.

use std::error::Error as StdError;
use std::time::Duration;

use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use rustls::CertificateError;
use serde::Deserialize;

use crate::config;
use crate::credential::Credential;
use crate::environment::Environment;
use crate::error::{ConnectError, RequestError};
use crate::kubeconfig::Access;
use crate::options::ConnectOptions;

/// The usual form of what is sent and read.
const JSON: &str = "application/json";

/// The most that is read of one answer, in bytes. A page of a list is a few megabytes.
const ANSWER_LIMIT: usize = 64 << 20;

/// The most of an error message of the API server that is kept, in bytes.
const MESSAGE_LIMIT: usize = 1024;

/// Where requests go.
#[derive(Clone)]
pub(crate) struct Transport {
    client: Client,
    server: String,
    credential: Credential,
    timeout: Option<Duration>,
}

impl Transport {
    /// Prepares connections; none is opened yet.
    pub(crate) fn new(
        access: &Access,
        credential: Credential,
        timeout: Option<Duration>,
        environment: &Environment,
    ) -> Result<Self, ConnectError> {
        let config = config::config(access, environment)?;
        let server = config
            .cluster_url
            .to_string()
            .trim_end_matches('/')
            .to_owned();
        let client = Client::try_from(config).map_err(|error| config::invalid(&error))?;
        Ok(Self {
            client,
            server,
            credential,
            timeout,
        })
    }

    /// The address of the server.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// The body of the answer to a GET.
    pub(crate) async fn get(
        &self,
        path: &str,
        accept: &'static str,
    ) -> Result<Vec<u8>, RequestError> {
        self.send(Method::GET, path, accept, JSON, Vec::new()).await
    }

    /// The body of the answer to a POST of JSON.
    pub(crate) async fn post(&self, path: &str, body: Vec<u8>) -> Result<Vec<u8>, RequestError> {
        self.send(Method::POST, path, JSON, JSON, body).await
    }

    /// Changes fields of an object (RFC 7386).
    pub(crate) async fn merge(&self, path: &str, body: Vec<u8>) -> Result<Vec<u8>, RequestError> {
        let patch = "application/merge-patch+json";
        self.send(Method::PATCH, path, JSON, patch, body).await
    }

    /// Says what fields of an object are to be, for good (server-side apply).
    pub(crate) async fn apply(&self, path: &str, body: Vec<u8>) -> Result<Vec<u8>, RequestError> {
        let patch = "application/apply-patch+yaml";
        self.send(Method::PATCH, path, JSON, patch, body).await
    }

    /// Deletes an object.
    pub(crate) async fn delete(&self, path: &str) -> Result<Vec<u8>, RequestError> {
        self.send(Method::DELETE, path, JSON, JSON, Vec::new())
            .await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        accept: &'static str,
        content: &'static str,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, RequestError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::ACCEPT, HeaderValue::from_static(accept))
            .header(header::CONTENT_TYPE, HeaderValue::from_static(content))
            .body(Body::from(body))
            .map_err(|error| self.malformed(error.to_string()))?;
        let exchange = self.exchange(path, request);
        match self.timeout {
            None => exchange.await,
            Some(limit) => tokio::time::timeout(limit, exchange)
                .await
                .unwrap_or_else(|_| Err(self.timed_out(limit))),
        }
    }

    /// The answer to a GET that goes on for long, line by line. It may take as long as others until it starts.
    pub(crate) async fn lines(
        &self,
        path: &str,
        accept: &'static str,
    ) -> Result<Lines, RequestError> {
        let request = Request::builder()
            .uri(path)
            .header(header::ACCEPT, HeaderValue::from_static(accept))
            .body(Body::empty())
            .map_err(|error| self.malformed(error.to_string()))?;
        let limit = self.timeout.unwrap_or(ConnectOptions::REQUEST_TIMEOUT);
        let answer = tokio::time::timeout(limit, self.client.send(request)).await;
        let answer = answer
            .map_err(|_| self.timed_out(limit))?
            .map_err(|error| self.failure(&error))?;
        let (head, body) = answer.into_parts();
        let mut lines = Lines {
            transport: self.clone(),
            body,
            read: Vec::new(),
            searched: 0,
        };
        if head.status.is_success() {
            return Ok(lines);
        }
        while lines.read.len() < 1 << 20 && lines.more(limit).await? {}
        Err(self.refusal(path, head.status, &lines.read))
    }

    fn timed_out(&self, limit: Duration) -> RequestError {
        RequestError::TimedOut {
            server: self.server.clone(),
            limit,
        }
    }

    async fn exchange(&self, path: &str, request: Request<Body>) -> Result<Vec<u8>, RequestError> {
        let answer = self
            .client
            .send(request)
            .await
            .map_err(|error| self.failure(&error))?;
        let (head, mut body) = answer.into_parts();
        let limit = if head.status.is_success() {
            ANSWER_LIMIT
        } else {
            1 << 20
        };
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| self.failure(&error))?;
            let data = frame.into_data().unwrap_or_default();
            if bytes.len() + data.len() > limit {
                return Err(RequestError::TooLarge { limit });
            }
            bytes.extend_from_slice(&data);
        }
        if head.status.is_success() {
            Ok(bytes)
        } else {
            Err(self.refusal(path, head.status, &bytes))
        }
    }

    /// Reads a JSON answer.
    pub(crate) fn parse<'de, T: Deserialize<'de>>(
        &self,
        bytes: &'de [u8],
    ) -> Result<T, RequestError> {
        serde_json::from_slice(bytes).map_err(|error| self.malformed(error.to_string()))
    }

    pub(crate) fn malformed(&self, reason: String) -> RequestError {
        RequestError::Malformed {
            server: self.server.clone(),
            reason,
        }
    }

    fn refusal(&self, path: &str, status: StatusCode, body: &[u8]) -> RequestError {
        let message = message(body);
        match status {
            StatusCode::UNAUTHORIZED => RequestError::Unauthorized {
                server: self.server.clone(),
                credential: self.credential.clone(),
            },
            StatusCode::FORBIDDEN => RequestError::Forbidden { message },
            StatusCode::NOT_FOUND => RequestError::NotFound {
                path: path.split('?').next().unwrap_or(path).to_owned(),
            },
            StatusCode::GONE => RequestError::Expired,
            _ => RequestError::Status {
                code: status.as_u16(),
                message,
            },
        }
    }

    /// What a failure below HTTP means to the user.
    fn failure(&self, error: &kube::Error) -> RequestError {
        let server = self.server.clone();
        let causes = causes(error);
        let tls = causes.iter().find_map(|cause| tls_error(*cause));
        if let Some(rustls::Error::InvalidCertificate(reason)) = tls {
            return RequestError::Untrusted {
                server,
                reason: untrusted(reason),
            };
        }
        let last = causes
            .last()
            .map_or_else(|| error.to_string(), ToString::to_string);
        let reason = tls.map_or(last, |tls| format!("the TLS handshake failed: {tls}"));
        RequestError::Unreachable { server, reason }
    }
}

/// An answer of many lines.
pub(crate) struct Lines {
    transport: Transport,
    body: Body,
    read: Vec<u8>,
    /// How much of what was read holds no end of a line.
    searched: usize,
}

impl Lines {
    /// The next line, or `None` after the last. `silence` is how long the server may say nothing.
    ///
    /// # Errors
    /// When the connection breaks, the server says nothing for too long, or a line is larger than any answer may be.
    pub(crate) async fn next(
        &mut self,
        silence: Duration,
    ) -> Result<Option<Vec<u8>>, RequestError> {
        loop {
            let new = self.read.get(self.searched..).unwrap_or_default();
            if let Some(end) = new.iter().position(|&byte| byte == b'\n') {
                let rest = self.read.split_off(self.searched + end + 1);
                self.searched = 0;
                return Ok(Some(std::mem::replace(&mut self.read, rest)));
            }
            self.searched = self.read.len();
            if self.searched > ANSWER_LIMIT {
                return Err(RequestError::TooLarge {
                    limit: ANSWER_LIMIT,
                });
            }
            if !self.more(silence).await? {
                return Ok(None);
            }
        }
    }

    /// Reads on. Says whether there was more.
    async fn more(&mut self, silence: Duration) -> Result<bool, RequestError> {
        let frame = tokio::time::timeout(silence, self.body.frame()).await;
        let Some(frame) = frame.map_err(|_| self.transport.timed_out(silence))? else {
            return Ok(false);
        };
        let frame = frame.map_err(|error| self.transport.failure(&error))?;
        self.read
            .extend_from_slice(&frame.into_data().unwrap_or_default());
        Ok(true)
    }
}

/// The error and what is behind it, outermost first.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> Vec<&'a (dyn StdError + 'static)> {
    const DEPTH_LIMIT: usize = 16;
    let next = |error: &&'a (dyn StdError + 'static)| {
        let error: &'a (dyn StdError + 'static) = *error;
        error.source()
    };
    std::iter::successors(Some(error), next)
        .take(DEPTH_LIMIT)
        .collect()
}

/// The TLS error that an I/O error carries, perhaps in a further one: `source` passes over what is carried.
fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut error = error;
    while let Some(io) = error.downcast_ref::<std::io::Error>() {
        error = io.get_ref()?;
    }
    error.downcast_ref()
}

fn untrusted(reason: &CertificateError) -> String {
    match reason {
        CertificateError::UnknownIssuer => {
            "it is signed by an authority that the kubeconfig does not name; check `certificate-authority` \
             or pass `--certificate-authority FILE`"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired; have it renewed, or check the clock of this machine"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet; check the clock of this machine"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name; check `server`, or pass `--tls-server-name` with a name that it carries"
        }
        other => return other.to_string(),
    }
    .to_owned()
}

/// The message of a `Status`, or the start of whatever a proxy answered.
fn message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Status {
        message: String,
    }
    let text = match serde_json::from_slice::<Status>(body) {
        Ok(status) => status.message,
        Err(_) => String::from_utf8_lossy(body.get(..MESSAGE_LIMIT).unwrap_or(body)).into_owned(),
    };
    let text: String = text
        .chars()
        .filter(|c| !c.is_control())
        .take(MESSAGE_LIMIT)
        .collect();
    text.trim().to_owned()
}
