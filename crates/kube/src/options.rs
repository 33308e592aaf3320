use std::path::PathBuf;
use std::time::Duration;

use bailiwick_model::ReadYaml;
use secrecy::{ExposeSecret, SecretString};

/// How to reach a cluster: what kubectl's flags of the same names say. Everything left out comes from the kubeconfig
/// that kubectl would use.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// `--kubeconfig`: this file alone, instead of `$KUBECONFIG` or `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`: a context other than the current one.
    pub context: Option<String>,
    /// `--cluster`: a cluster other than the context's.
    pub cluster: Option<String>,
    /// `--user`: a user entry other than the context's.
    pub user: Option<String>,
    /// `--server`: address of the API server.
    pub server: Option<String>,
    /// `--tls-server-name`: the name that the server's certificate has to carry.
    pub tls_server_name: Option<String>,
    /// `--certificate-authority`: PEM file of the authorities that may sign the server's certificate.
    pub certificate_authority: Option<PathBuf>,
    /// `--insecure-skip-tls-verify`: believe any server. Anybody on the way can then read the credentials.
    pub insecure_skip_tls_verify: bool,
    /// `--token`: a bearer token, in place of every credential of the kubeconfig except client certificates and a
    /// `tokenFile` that exists.
    pub token: Option<Token>,
    /// `--as`: the user to impersonate.
    pub impersonate: Option<String>,
    /// `--as-group`: the groups to impersonate.
    pub impersonate_groups: Vec<String>,
    /// `--as-uid`: the UID to impersonate.
    pub impersonate_uid: Option<String>,
    /// `--namespace`: the namespace in place of the context's.
    pub namespace: Option<String>,
    /// `--request-timeout`: the longest that one request may take, its body included;
    /// [`ConnectOptions::REQUEST_TIMEOUT`] where it is not given. Zero means no limit, as with kubectl.
    pub request_timeout: Option<Duration>,
    /// The longest that a credential plugin may take; [`ConnectOptions::PLUGIN_TIMEOUT`] where it is not given.
    pub plugin_timeout: Option<Duration>,
    /// Whether standard input holds something else (`-f -`), so that a credential plugin may not ask the user there.
    pub stdin_in_use: bool,
    /// Reads the YAML that objects hold in their texts. Objects that do are lost without it.
    pub yaml: Option<ReadYaml>,
}

impl ConnectOptions {
    /// How long one request may take. A page of a list takes well below a second.
    pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

    /// How long a credential plugin may take: a person may have to log in with a browser meanwhile.
    pub const PLUGIN_TIMEOUT: Duration = Duration::from_secs(180);

    /// How long a connection may take until it is ready to use.
    pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
}

/// A bearer token. Never prints.
#[derive(Clone, Debug)]
pub struct Token(SecretString);

impl Token {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.expose_secret().is_empty()
    }

    pub(crate) fn secret(&self) -> SecretString {
        self.0.clone()
    }
}

impl From<String> for Token {
    fn from(token: String) -> Self {
        Self(token.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_prints() {
        let options = ConnectOptions {
            token: Some(Token::from("planted-value".to_owned())),
            ..ConnectOptions::default()
        };
        let text = format!("{options:?} {options:#?}");
        assert!(text.contains("REDACTED"), "{text}");
        assert!(!text.contains("planted-value"), "{text}");
    }
}
