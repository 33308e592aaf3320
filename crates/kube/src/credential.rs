use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kube::config::AuthInfo;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::ExposeSecret;
use serde::Deserialize;

use crate::error::ConnectError;

/// What is shown to the API server, for messages: where it comes from and how long it is good, never what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credential {
    kind: CredentialKind,
    /// The end of its validity, where it can be read from it.
    expires: Option<SystemTime>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum CredentialKind {
    #[default]
    None,
    Flag,
    Token,
    TokenFile(PathBuf),
    Certificate,
    Password,
    Plugin(String),
    Provider(String),
}

impl Credential {
    /// What kubectl would use of a user entry: certificates travel apart, in the TLS handshake, so that a token beside
    /// one is what counts.
    pub(crate) fn of(auth: &AuthInfo, from_flag: bool) -> Self {
        let token = auth
            .token
            .as_ref()
            .map(|token| token.expose_secret().to_owned());
        let (kind, expires) = match (auth, token) {
            (_, Some(token)) if from_flag => (CredentialKind::Flag, token_expiry(&token)),
            (_, Some(token)) => (CredentialKind::Token, token_expiry(&token)),
            (
                AuthInfo {
                    token_file: Some(path),
                    ..
                },
                None,
            ) => {
                let token = std::fs::read_to_string(path).unwrap_or_default();
                (CredentialKind::TokenFile(path.into()), token_expiry(&token))
            }
            (
                AuthInfo {
                    username: Some(_), ..
                },
                None,
            ) => (CredentialKind::Password, None),
            (
                AuthInfo {
                    auth_provider: Some(provider),
                    ..
                },
                None,
            ) => {
                let token = provider.config.get("id-token").map_or("", String::as_str);
                (
                    CredentialKind::Provider(provider.name.clone()),
                    token_expiry(token),
                )
            }
            _ => match client_certificate(auth) {
                Some(certificate) => (
                    CredentialKind::Certificate,
                    certificate_expiry(&certificate),
                ),
                None => (CredentialKind::None, None),
            },
        };
        Self { kind, expires }
    }

    /// The same, as credentials that a plugin gave.
    pub(crate) fn given_by_plugin(self, command: &str) -> Self {
        Self {
            kind: CredentialKind::Plugin(command.to_owned()),
            ..self
        }
    }

    /// Why the API server may not accept it, and what to do.
    pub(crate) fn advice(&self) -> String {
        self.advice_at(SystemTime::now())
    }

    fn advice_at(&self, now: SystemTime) -> String {
        let what = match &self.kind {
            CredentialKind::None => {
                return "the context has none; add a user to it or pass `--token`".to_owned();
            }
            CredentialKind::Flag => "the token of `--token`".to_owned(),
            CredentialKind::Token => "the token of the kubeconfig".to_owned(),
            CredentialKind::TokenFile(path) => format!("the token in {}", path.display()),
            CredentialKind::Certificate => "the client certificate of the kubeconfig".to_owned(),
            CredentialKind::Password => "the password of the kubeconfig".to_owned(),
            CredentialKind::Plugin(command) => format!("what credential plugin `{command}` gave"),
            CredentialKind::Provider(name) => format!("the id-token of auth-provider `{name}`"),
        };
        match self.expires.map(|end| now.duration_since(end)) {
            Some(Ok(ago)) => format!("{what} expired {} ago; get a new one", span(ago)),
            _ => format!("{what} may be revoked, or meant for another cluster; log in again"),
        }
    }
}

/// Puts the bearer token into the form in which it travels, read from its file where it has one
/// (`client-go/transport/token_source.go` cuts off the line end as well).
///
/// # Errors
/// When the file cannot be read, or holds no token.
pub(crate) fn read_token(auth: &mut AuthInfo) -> Result<(), ConnectError> {
    if let Some(token) = auth
        .auth_provider
        .as_ref()
        .and_then(|p| p.config.get("id-token"))
    {
        sendable(token)?;
    }
    let text = match (&auth.token, auth.token_file.take()) {
        (Some(token), _) => token.expose_secret().to_owned(),
        (None, None) => return Ok(()),
        (None, Some(path)) => {
            let wrong = |reason: String| ConnectError::File {
                what: "the token file",
                path: path.clone().into(),
                reason,
            };
            let text = std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
            if text.trim().is_empty() {
                return Err(wrong("it is empty".to_owned()));
            }
            text
        }
    };
    auth.token = Some(sendable(text.trim())?.to_owned().into());
    Ok(())
}

/// A token that can stand in a header.
fn sendable(token: &str) -> Result<&str, ConnectError> {
    if token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(token);
    }
    let message =
        "the token holds spaces or other characters that no token has; check where it comes from";
    Err(ConnectError::Invalid(message.to_owned()))
}

/// A duration in its largest unit.
fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// The first client certificate of a user entry, DER.
fn client_certificate(auth: &AuthInfo) -> Option<CertificateDer<'static>> {
    let pem = match (&auth.client_certificate_data, &auth.client_certificate) {
        (Some(data), _) => STANDARD.decode(data).ok()?,
        (None, Some(path)) => std::fs::read(Path::new(path)).ok()?,
        (None, None) => return None,
    };
    CertificateDer::from_pem_slice(&pem).ok()
}

fn certificate_expiry(der: &CertificateDer<'_>) -> Option<SystemTime> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    let end = certificate.validity().not_after.timestamp();
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(end).ok()?))
}

/// The `exp` claim of a JSON Web Token (RFC 7519 section 4.1.4); the signature is the API server's business.
fn token_expiry(token: &str) -> Option<SystemTime> {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
    }
    let payload = URL_SAFE_NO_PAD
        .decode(token.trim().split('.').nth(1)?)
        .ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    let end = Duration::try_from_secs_f64(claims.exp).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn the_end_of_a_token_is_its_exp_claim() {
        let check = |token: &str, seconds: Option<u64>| {
            let expected = seconds.map(|s| SystemTime::UNIX_EPOCH + Duration::from_secs(s));
            assert_eq!(token_expiry(token), expected, "{token}");
        };
        check(&token(r#"{"exp":1700000000}"#), Some(1_700_000_000));
        check(&token(r#"{"exp":1.7e9}"#), Some(1_700_000_000));
        check(&token(r#"{"iat":1700000000}"#), None);
        check(&token(r#"{"exp":-1}"#), None);
        check(&token(r#"{"exp":1e300}"#), None);
        check("opaque", None);
        check("", None);
        check("a.b.c", None);
    }

    #[test]
    fn advice_says_how_long_ago() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let check = |seconds_ago: u64, expected: &str| {
            let credential = Credential {
                kind: CredentialKind::Flag,
                expires: Some(now - Duration::from_secs(seconds_ago)),
            };
            assert_eq!(credential.advice_at(now), expected);
        };
        check(
            1,
            "the token of `--token` expired 1 second ago; get a new one",
        );
        check(
            600,
            "the token of `--token` expired 10 minutes ago; get a new one",
        );
        check(
            86_400,
            "the token of `--token` expired 24 hours ago; get a new one",
        );
        check(
            864_000,
            "the token of `--token` expired 10 days ago; get a new one",
        );
    }
}
