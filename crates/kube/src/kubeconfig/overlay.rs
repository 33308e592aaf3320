use std::path::Path;

use kube::config::AuthInfo;
use secrecy::ExposeSecret;

use super::Access;
use crate::error::ConnectError;
use crate::options::ConnectOptions;

/// Lays the flags over the kubeconfig (`client_config.go`, `getCluster` and `getAuthInfo`).
pub(super) fn overlay(access: &mut Access, options: &ConnectOptions) -> Result<(), ConnectError> {
    let Access { cluster, auth, .. } = access;
    if options.insecure_skip_tls_verify || options.certificate_authority.is_some() {
        cluster.insecure_skip_tls_verify = Some(options.insecure_skip_tls_verify);
        cluster.certificate_authority_data = None;
        cluster.certificate_authority = options
            .certificate_authority
            .as_ref()
            .map(|path| path.display().to_string());
    }
    if options.server.is_some() || options.tls_server_name.is_some() {
        cluster.tls_server_name.clone_from(&options.tls_server_name);
    }
    if let Some(server) = &options.server {
        cluster.server = Some(server.clone());
        if access.name.is_empty() {
            access.name.clone_from(server);
        }
    }
    if let Some(token) = options.token.as_ref().filter(|token| !token.is_empty()) {
        auth.token = Some(token.secret());
    }
    // A file that exists counts more than a token beside it, even than that of the flag
    // (`client-go/transport/round_trippers.go`).
    match &auth.token_file {
        Some(file) if Path::new(file).is_file() => auth.token = None,
        _ if auth.token.is_some() => auth.token_file = None,
        _ => {}
    }
    impersonate(auth, options)?;
    if let Some(namespace) = &options.namespace {
        access.namespace = Some(namespace.clone());
    }
    settle(&mut access.auth);
    Ok(())
}

fn impersonate(auth: &mut AuthInfo, options: &ConnectOptions) -> Result<(), ConnectError> {
    if let Some(user) = &options.impersonate {
        auth.impersonate = Some(user.clone());
    }
    if !options.impersonate_groups.is_empty() {
        auth.impersonate_groups = Some(options.impersonate_groups.clone());
    }
    if let Some(uid) = &options.impersonate_uid {
        auth.impersonate_uid = Some(uid.clone());
    }
    let nobody = auth.impersonate.as_ref().is_none_or(String::is_empty);
    let more = auth
        .impersonate_groups
        .as_ref()
        .is_some_and(|groups| !groups.is_empty())
        || auth.impersonate_uid.is_some()
        || auth
            .impersonate_user_extra
            .as_ref()
            .is_some_and(|extra| !extra.is_empty());
    if nobody && more {
        return Err(ConnectError::Invalid(
            "groups, UID or extra to impersonate are given without a user; add `--as USER`"
                .to_owned(),
        ));
    }
    Ok(())
}

/// Leaves one credential of several, the one that kubectl uses: a plugin is run only where there is nothing else
/// (`client-go/plugin/pkg/client/auth/exec/exec.go`, `UpdateTransportConfig`).
fn settle(auth: &mut AuthInfo) {
    auth.token = auth
        .token
        .take()
        .filter(|token| !token.expose_secret().is_empty());
    let has_token = auth.token.is_some() || auth.token_file.is_some();
    let has_password = auth.username.is_some();
    let has_certificate =
        auth.client_certificate.is_some() || auth.client_certificate_data.is_some();
    if has_token || has_password || has_certificate {
        auth.exec = None;
    }
    if has_token {
        auth.auth_provider = None;
        auth.username = None;
        auth.password = None;
    }
}
