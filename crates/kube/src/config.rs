//! From an [`Access`] to the configuration of a kube-rs client.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use kube::Config;
use kube::config::{AuthInfo, Cluster};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::environment::Environment;
use crate::error::ConnectError;
use crate::kubeconfig::Access;
use crate::options::ConnectOptions;
use crate::proxy;

/// Translates an access for kube-rs.
pub(crate) fn config(access: &Access, environment: &Environment) -> Result<Config, ConnectError> {
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
        config.auth_info = AuthInfo {
            impersonate: auth.impersonate.clone(),
            impersonate_uid: auth.impersonate_uid.clone(),
            impersonate_groups: auth.impersonate_groups.clone(),
            impersonate_user_extra: auth.impersonate_user_extra.clone(),
            ..AuthInfo::default()
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
pub(crate) fn invalid(error: &kube::Error) -> ConnectError {
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
            "the proxy has to be an http://, https:// or socks5:// address".to_owned()
        }
        other => other.to_string(),
    })
}
