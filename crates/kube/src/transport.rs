//! One connection: a kube-rs client made of an [`Access`], and requests on it that are bounded in time and size.

use std::error::Error as StdError;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::BodyExt;
use kube::client::Body;
use kube::config::Cluster;
use kube::{Client, Config};
use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;

use crate::credential::Credential;
use crate::environment::Environment;
use crate::error::{ConnectError, RequestError};
use crate::kubeconfig::Access;
use crate::options::ConnectOptions;
use crate::proxy;

/// The most that is read of one answer, in bytes. A page of a list is a few megabytes.
pub(crate) const ANSWER_LIMIT: usize = 512 << 20;

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
        let config = config(access, environment)?;
        let server = config
            .cluster_url
            .to_string()
            .trim_end_matches('/')
            .to_owned();
        let client = Client::try_from(config).map_err(|error| invalid(&error))?;
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
        self.send(Method::GET, path, accept, Vec::new()).await
    }

    /// The body of the answer to a POST of JSON.
    pub(crate) async fn post(&self, path: &str, body: Vec<u8>) -> Result<Vec<u8>, RequestError> {
        self.send(Method::POST, path, "application/json", body)
            .await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        accept: &'static str,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, RequestError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::ACCEPT, HeaderValue::from_static(accept))
            .header(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            )
            .body(Body::from(body))
            .map_err(|error| self.malformed(error.to_string()))?;
        let exchange = self.exchange(path, request);
        match self.timeout {
            None => exchange.await,
            Some(limit) => tokio::time::timeout(limit, exchange)
                .await
                .unwrap_or_else(|_| {
                    Err(RequestError::TimedOut {
                        server: self.server.clone(),
                        limit,
                    })
                }),
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

/// Translates an access for kube-rs.
fn config(access: &Access, environment: &Environment) -> Result<Config, ConnectError> {
    let url = url(access.cluster.server.as_deref().unwrap_or_default())?;
    let mut config = Config::new(url);
    config.connect_timeout = Some(ConnectOptions::CONNECT_TIMEOUT);
    config.accept_invalid_certs = access.cluster.insecure_skip_tls_verify.unwrap_or(false);
    config.root_cert = authorities(&access.cluster)?;
    config.tls_server_name = access
        .cluster
        .tls_server_name
        .clone()
        .filter(|name| !name.is_empty());
    let host = config.cluster_url.host().unwrap_or_default();
    // Compressing costs the server more than a short way saves.
    config.disable_compression =
        proxy::is_loopback(host) || access.cluster.disable_compression.unwrap_or(false);
    config.proxy_url = proxy_url(access, environment, &config.cluster_url)?;
    config.auth_info = access.auth.clone();
    if config.cluster_url.scheme_str() != Some("https") {
        // Credentials never travel in the clear (`client_config.go`, `ClientConfig`).
        let auth = &access.auth;
        config.auth_info = kube::config::AuthInfo {
            impersonate: auth.impersonate.clone(),
            impersonate_uid: auth.impersonate_uid.clone(),
            impersonate_groups: auth.impersonate_groups.clone(),
            impersonate_user_extra: auth.impersonate_user_extra.clone(),
            ..kube::config::AuthInfo::default()
        };
    }
    Ok(config)
}

fn url(server: &str) -> Result<Uri, ConnectError> {
    let text = match server.contains("://") {
        true => server.to_owned(),
        false => format!("http://{server}"),
    };
    let text = text
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .trim_end_matches('/');
    let parsed = text.parse::<Uri>().ok();
    parsed
        .filter(|url| {
            matches!(url.scheme_str(), Some("http" | "https"))
                && url.host().is_some_and(|host| !host.is_empty())
        })
        .ok_or_else(|| {
            ConnectError::Invalid(format!(
                "server `{server}` is no address; write it as https://HOST:PORT"
            ))
        })
}

fn authorities(cluster: &Cluster) -> Result<Option<Vec<Vec<u8>>>, ConnectError> {
    let (path, pem) = match (
        &cluster.certificate_authority_data,
        &cluster.certificate_authority,
    ) {
        (Some(data), _) => (
            "certificate-authority-data",
            STANDARD.decode(data).map_err(|e| e.to_string()),
        ),
        (None, Some(path)) => (
            path.as_str(),
            std::fs::read(path).map_err(|e| e.to_string()),
        ),
        (None, None) => return Ok(None),
    };
    let wrong = |reason: String| ConnectError::File {
        what: "the certificate authority",
        path: Path::new(path).to_owned(),
        reason,
    };
    let pem = pem.map_err(wrong)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|error| wrong(error.to_string()))?;
    if certificates.is_empty() {
        return Err(wrong("it holds no certificate in PEM form".to_owned()));
    }
    Ok(Some(
        certificates
            .iter()
            .map(|certificate| certificate.to_vec())
            .collect(),
    ))
}

fn proxy_url(
    access: &Access,
    environment: &Environment,
    server: &Uri,
) -> Result<Option<Uri>, ConnectError> {
    let named = access
        .cluster
        .proxy_url
        .as_deref()
        .filter(|url| !url.is_empty());
    let (https, no) = (
        environment.https_proxy.as_deref(),
        environment.no_proxy.as_deref(),
    );
    let Some(text) = named.or_else(|| proxy::from_environment(https, no, server)) else {
        return Ok(None);
    };
    let text = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    // The address may hold a password: the message does not repeat it.
    let wrong = |_| {
        ConnectError::Invalid("the proxy is no address; write it as http://HOST:PORT".to_owned())
    };
    text.parse().map(Some).map_err(wrong)
}

/// What kube-rs has against the configuration, without the contents of files.
fn invalid(error: &kube::Error) -> ConnectError {
    ConnectError::Invalid(match error {
        kube::Error::InferKubeconfig(error) => {
            format!("the client certificate cannot be used: {error}")
        }
        kube::Error::RustlsTls(error) => format!("the certificates cannot be used: {error}"),
        kube::Error::Auth(error) => {
            format!("the credentials of the kubeconfig cannot be used: {error}")
        }
        kube::Error::ProxyProtocolUnsupported { .. }
        | kube::Error::ProxyProtocolDisabled { .. } => {
            "the proxy has to be an http:// or https:// address".to_owned()
        }
        other => other.to_string(),
    })
}
