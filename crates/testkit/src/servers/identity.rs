//! Somebody who talks to a test API server, with kubectl or with plain requests.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::{Method, Request};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsProvider};

use super::ServersError;
use super::pki::KeyFiles;
use crate::binaries;

/// Longest wait for one answer; a busy machine under test is slow, a dead server is not.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How somebody proves who they are.
pub(super) enum Credential {
    Certificate(KeyFiles),
    Token(String),
}

/// Where the API server is and how its certificate is checked.
pub(super) struct Endpoint<'a> {
    pub(super) dir: &'a Path,
    pub(super) server: &'a str,
    pub(super) ca: &'a Path,
}

/// Somebody who talks to the API server: a kubeconfig for programs and a client for tests.
///
/// `Debug` shows the name alone, never the credential.
pub struct Identity {
    name: String,
    server: String,
    kubeconfig: PathBuf,
    bearer: Option<String>,
    agent: Agent,
}

/// What kubectl left behind.
#[derive(Clone, Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// The API server's answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body as it came.
    pub body: String,
}

impl Identity {
    pub(super) fn create(
        name: &str,
        endpoint: &Endpoint<'_>,
        credential: &Credential,
    ) -> Result<Self, ServersError> {
        let read = |path: &Path| fs::read(path).map_err(|source| ServersError::file(path, source));
        let ca = Certificate::from_pem(&read(endpoint.ca)?)?;
        let mut tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(
                rustls::crypto::aws_lc_rs::default_provider(),
            ))
            .root_certs(RootCerts::new_with_certs(&[ca]));
        let (user, bearer) = match credential {
            Credential::Token(token) => (json!({"token": token}), Some(format!("Bearer {token}"))),
            Credential::Certificate(files) => {
                let certificate = Certificate::from_pem(&read(&files.certificate)?)?;
                let key = PrivateKey::from_pem(&read(&files.key)?)?;
                tls = tls.client_cert(Some(ClientCert::new_with_certs(&[certificate], key)));
                (
                    json!({"client-certificate": files.certificate, "client-key": files.key}),
                    None,
                )
            }
        };
        let kubeconfig = endpoint
            .dir
            .join(format!("{}.kubeconfig", super::file_name(name)));
        let text = kubeconfig_text(endpoint, name, &user);
        fs::write(&kubeconfig, text).map_err(|source| ServersError::file(&kubeconfig, source))?;
        let agent = Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .max_idle_connections_per_host(16)
            .build()
            .into();
        Ok(Self {
            name: name.to_owned(),
            server: endpoint.server.to_owned(),
            kubeconfig,
            bearer,
            agent,
        })
    }

    /// The name that the API server sees.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A kubeconfig file for this identity. It names its keys by absolute path.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Runs kubectl with these arguments.
    ///
    /// # Errors
    /// When kubectl cannot be started; that it refuses is in [`Output::status`].
    pub fn kubectl(&self, arguments: &[&str]) -> Result<Output, ServersError> {
        self.kubectl_with_input(arguments, "")
    }

    /// Runs kubectl with these arguments and this standard input.
    ///
    /// # Errors
    /// When kubectl cannot be started; that it refuses is in [`Output::status`].
    pub fn kubectl_with_input(
        &self,
        arguments: &[&str],
        input: &str,
    ) -> Result<Output, ServersError> {
        let failed = |source| ServersError::Process {
            name: "kubectl",
            source,
        };
        let mut child = Command::new(binaries::server("kubectl")?)
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            // kubectl keeps a cache under HOME, which must not outlive the cluster.
            .env("HOME", self.kubeconfig.parent().unwrap_or(Path::new("/")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let stdin = child.stdin.take();
        let output = std::thread::scope(|scope| {
            // kubectl may end without reading all of it, which its own message then explains.
            scope.spawn(|| stdin.map(|mut stdin| stdin.write_all(input.as_bytes())));
            child.wait_with_output()
        })
        .map_err(failed)?;
        Ok(Output {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// `kubectl apply` of manifests, with strict field validation.
    ///
    /// # Errors
    /// When kubectl cannot be started or refuses.
    pub fn apply(&self, manifests: &str) -> Result<String, ServersError> {
        self.kubectl_with_input(&["apply", "--validate=strict", "-f", "-"], manifests)?
            .success()
    }

    /// `GET` of a path of the API server.
    ///
    /// # Errors
    /// When no answer comes; a refusal is in [`Reply::status`].
    pub fn get(&self, path: &str) -> Result<Reply, ServersError> {
        self.request("GET", path, &[], None)
    }

    /// `POST` of a JSON document.
    ///
    /// # Errors
    /// When no answer comes; a refusal is in [`Reply::status`].
    pub fn post(&self, path: &str, body: &Value) -> Result<Reply, ServersError> {
        self.request(
            "POST",
            path,
            &[("content-type", "application/json")],
            Some(&body.to_string()),
        )
    }

    /// Any request, with headers and body as given.
    ///
    /// # Errors
    /// When the request is not valid HTTP or no answer comes; a refusal is in [`Reply::status`].
    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Result<Reply, ServersError> {
        let failed = |source| ServersError::Http {
            request: format!("{method} {path}"),
            source: Box::new(source),
        };
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|error| failed(ureq::Error::Http(error.into())))?;
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(bearer) = &self.bearer {
            request = request.header("authorization", bearer);
        }
        let request = request
            .body(body.unwrap_or_default().to_owned())
            .map_err(|error| failed(ureq::Error::Http(error)))?;
        let mut response = self.agent.run(request).map_err(failed)?;
        let status = response.status().as_u16();
        let body = response
            .body_mut()
            .with_config()
            .limit(1 << 30)
            .read_to_string()
            .map_err(failed)?;
        Ok(Reply { status, body })
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Output {
    /// Standard output of a run that went well.
    ///
    /// # Errors
    /// Standard error of a run that did not.
    pub fn success(self) -> Result<String, ServersError> {
        if self.status.success() {
            Ok(self.stdout)
        } else {
            Err(ServersError::Kubectl {
                status: self.status,
                stderr: self.stderr,
            })
        }
    }
}

impl Reply {
    /// The body as JSON, whatever the status.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn json(&self) -> Result<Value, ServersError> {
        serde_json::from_str(&self.body).map_err(|source| ServersError::Json {
            body: self.body.clone(),
            source,
        })
    }
}

/// A kubeconfig is YAML, of which JSON is a part.
fn kubeconfig_text(endpoint: &Endpoint<'_>, name: &str, user: &Value) -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": name}}],
        "clusters": [{"name": "test", "cluster": {
            "server": endpoint.server,
            "certificate-authority": endpoint.ca,
        }}],
        "users": [{"name": name, "user": user}],
    })
    .to_string()
}
