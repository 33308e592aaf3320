//! Who may ask: the allow-list of the configuration, and whose tokens are believed.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bailiwick_server::{
    Caller, CallerId, Callers, KeyAddress, KeySource, RemoteKeys, Scope, TokenIssuer,
};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::config::Config;
use super::fields::time;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CallerConfig {
    name: String,
    certificate: Option<String>,
    spiffe: Option<String>,
    token: Option<TokenSubject>,
    service_account: Option<String>,
    #[serde(default)]
    loopback: bool,
    doors: Vec<DoorName>,
    application: Option<String>,
}

/// Whose tokens are believed, and where the keys are that they are verified with.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TokensConfig {
    issuer: String,
    #[serde(deserialize_with = "filled")]
    audience: String,
    /// A file.
    keys: Option<PathBuf>,
    /// Where the issuer tells them.
    jwks: Option<AskedConfig>,
    /// Where the issuer tells where it tells them; itself, where nothing else is said.
    discovery: Option<AskedConfig>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AskedConfig {
    url: Option<String>,
    ca: PathBuf,
    /// A file with a token to ask with.
    token: Option<PathBuf>,
    #[serde(default = "five_minutes", deserialize_with = "time")]
    refresh: Duration,
    #[serde(default = "one_hour", deserialize_with = "time")]
    max_age: Duration,
}

fn five_minutes() -> Duration {
    Duration::from_secs(300)
}

fn one_hour() -> Duration {
    Duration::from_secs(3600)
}

/// For whom tokens of service accounts have to be about which the API server is asked.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TokenReview {
    #[serde(deserialize_with = "filled")]
    pub(crate) audience: String,
}

/// Without an audience the API server would take tokens that are for itself.
fn filled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.is_empty() {
        true => Err(D::Error::custom(
            "write the audience that tokens have to be for",
        )),
        false => Ok(text),
    }
}

/// Of whom a token has to speak.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TokenSubject {
    issuer: String,
    subject: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum DoorName {
    AccessReview,
    Evaluation,
    Search,
    ExtAuthz,
    Explain,
}

/// The allow-list.
pub(super) fn callers(
    callers: &[CallerConfig],
    tokens: &[TokensConfig],
    reviewed: bool,
) -> Result<Callers> {
    if callers.is_empty() {
        bail!("`callers` is empty, so nobody could ask; list who may");
    }
    for caller in callers {
        if caller.service_account.is_some() && !reviewed {
            bail!(
                "the caller `{}` is a service account; write `tokenReview: {{audience: NAME}}`, so that the API \
                 server is asked about its tokens",
                caller.name
            );
        }
        let Some(token) = &caller.token else { continue };
        let configured = |tokens: &TokensConfig| tokens.issuer == token.issuer;
        if !tokens.iter().any(configured) {
            bail!(
                "the caller `{}` comes with tokens of `{}`, which is no issuer of `tokens`",
                caller.name,
                token.issuer
            );
        }
    }
    let callers: Result<Vec<Caller>> = callers.iter().map(CallerConfig::caller).collect();
    Ok(Callers::new(callers?)?)
}

impl TokensConfig {
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let asked = [&mut self.jwks, &mut self.discovery];
        let asked = asked.into_iter().flatten();
        let asked = asked.flat_map(|asked| [Some(&mut asked.ca), asked.token.as_mut()]);
        self.keys.iter_mut().chain(asked.flatten())
    }

    pub(super) fn issuer(&self) -> Result<TokenIssuer> {
        let remote = |asked: &AskedConfig, address| {
            KeySource::Remote(RemoteKeys {
                address,
                ca: asked.ca.clone(),
                credential: asked.token.clone(),
                refresh: asked.refresh,
                max_age: asked.max_age,
            })
        };
        let keys = match (&self.keys, &self.jwks, &self.discovery) {
            (Some(file), None, None) => KeySource::File(file.clone()),
            (None, Some(asked), None) => {
                let url = asked.url.clone();
                let url = url.with_context(|| {
                    format!(
                        "`jwks` of the issuer `{}` has no `url`; write where its keys are",
                        self.issuer
                    )
                })?;
                remote(asked, KeyAddress::Keys(url))
            }
            (None, None, Some(asked)) => remote(asked, KeyAddress::Discovery(asked.url.clone())),
            _ => bail!(
                "the keys of the issuer `{}` are in one place: write `keys` (a file), `jwks` (an address) or \
                 `discovery` (OpenID Connect)",
                self.issuer
            ),
        };
        Ok(TokenIssuer {
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            keys,
        })
    }
}

impl CallerConfig {
    /// The doors that this caller is let in by and that nobody has opened: each, and what opens it.
    pub(super) fn closed(&self, config: &Config) -> Vec<(&str, &'static str)> {
        let section = |door: &DoorName| match door {
            DoorName::AccessReview => (config.access_review.is_some(), "accessReview"),
            DoorName::Evaluation | DoorName::Search => (config.authzen.is_some(), "authzen"),
            DoorName::ExtAuthz => (config.ext_authz.is_some(), "extAuthz"),
            DoorName::Explain => (true, ""),
        };
        let sections = self.doors.iter().map(section);
        let closed = sections.filter(|(open, _)| !open);
        let mut closed: Vec<_> = closed
            .map(|(_, section)| (self.name.as_str(), section))
            .collect();
        closed.dedup();
        closed
    }

    /// Why this caller can never come in by a listener with or without `tls`.
    pub(super) fn absent(&self, tls: bool) -> Option<String> {
        let by = match tls {
            true => self
                .loopback
                .then_some("`loopback`, but the listener has `tls`")?,
            false if self.certificate.is_some() || self.spiffe.is_some() => {
                "a certificate, but the listener has no `tls` and asks for none"
            }
            false => return None,
        };
        Some(format!(
            "the caller `{}` is known by {by}: nobody comes in by that name",
            self.name
        ))
    }

    fn caller(&self) -> Result<Caller> {
        let name = &self.name;
        let certificate = self.certificate.clone().map(CallerId::Certificate);
        let token = self.token.as_ref().map(|token| CallerId::Token {
            issuer: token.issuer.clone(),
            subject: token.subject.clone(),
        });
        let account = self.service_account.as_deref().map(|text| {
            let parts = bailiwick_core::dns::namespaced(text);
            let (namespace, name) = parts.with_context(|| {
                format!("the caller `{name}`: `{text}` is no service account; write NAMESPACE/NAME")
            })?;
            let (namespace, name) = (namespace.to_owned(), name.to_owned());
            Ok::<_, anyhow::Error>(CallerId::ServiceAccount { namespace, name })
        });
        let ids = [
            certificate,
            self.spiffe.clone().map(CallerId::Spiffe),
            token,
            account.transpose()?,
            self.loopback.then_some(CallerId::Loopback),
        ];
        let mut ids = ids.into_iter().flatten();
        let (Some(id), None) = (ids.next(), ids.next()) else {
            bail!(
                "the caller `{name}` proves itself with one thing: write `certificate` (a subject), `spiffe` (an id), \
                 `token` (issuer and subject), `serviceAccount` (NAMESPACE/NAME), or `loopback: true` for a listener \
                 without TLS"
            );
        };
        let opens = |door| self.doors.contains(&door);
        let scope = Scope {
            access_review: opens(DoorName::AccessReview),
            evaluation: opens(DoorName::Evaluation),
            search: opens(DoorName::Search),
            ext_authz: opens(DoorName::ExtAuthz),
            explain: opens(DoorName::Explain),
            application: self.application.clone().unwrap_or_default(),
        };
        let asks = scope.evaluation || scope.search || scope.ext_authz || scope.explain;
        if asks && scope.application.is_empty() {
            bail!(
                "the caller `{name}` asks for an application; write which in `application` \
                 (`kubernetes` is the Kubernetes API)"
            );
        }
        Ok(Caller {
            name: name.clone(),
            id,
            scope,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::tests::read;
    use super::*;

    const TOKENS: &str = "\
listen: {address: '127.0.0.1:0', tls: {certificate: a, key: b, clientCa: c}}
log: {directory: log}
accessReview: {mode: guard}
tokens:
- {issuer: 'https://issuer', audience: bailiwick, keys: keys.json}
tokenReview: {audience: pdp}
callers:
- {name: web, token: {issuer: 'https://issuer', subject: web}, doors: [accessReview]}
- {name: api, serviceAccount: shop/api, doors: [accessReview]}
";

    #[test]
    fn tokens_are_read_and_what_is_wrong_with_them_is_told() {
        let config = read(TOKENS).unwrap();
        let expected = TokenIssuer {
            issuer: "https://issuer".into(),
            audience: "bailiwick".into(),
            keys: KeySource::File("/etc/bailiwick/keys.json".into()),
        };
        assert_eq!(config.tokens().unwrap(), [expected]);
        assert_eq!(config.token_review.unwrap().audience, "pdp");
        let check = |from: &str, to: &str, expected: &str| {
            assert!(TOKENS.contains(from), "{from}");
            let error = read(&TOKENS.replace(from, to)).unwrap_err();
            let text = format!("{error:#}");
            assert!(text.contains(expected), "{text}");
        };
        check(
            "audience: bailiwick, ",
            "",
            "serve.yaml:5:3: `tokens.0`: missing field `audience`",
        );
        check(
            "audience: bailiwick",
            "audience: ''",
            "`tokens.0.audience`: write the audience that tokens have to be for",
        );
        check(
            "audience: pdp",
            "audience: ''",
            "`tokenReview.audience`: write the audience that tokens have to be for",
        );
        check("keys:", "key:", "unknown field `key`, expected one of");
        check(", keys: keys.json", "", "are in one place: write `keys`");
        check(
            "keys: keys.json",
            "keys: keys.json, discovery: {ca: ca.crt}",
            "are in one place: write `keys`",
        );
        check(
            "keys: keys.json",
            "jwks: {ca: ca.crt}",
            "`jwks` of the issuer `https://issuer` has no `url`",
        );
        check(
            "keys: keys.json",
            "discovery: {ca: ca.crt, maxAge: 1d}",
            "`tokens.0.discovery.maxAge`: `1d` is no time",
        );
        check(
            "token: {issuer: 'https://issuer'",
            "token: {issuer: 'https://other'",
            "the caller `web` comes with tokens of `https://other`, which is no issuer of `tokens`",
        );
        check(
            "subject: web}",
            "subject: web}, certificate: CN=web",
            "the caller `web` proves itself with one thing",
        );
        check(
            "tokenReview: {audience: pdp}\n",
            "",
            "the caller `api` is a service account; write `tokenReview: {audience: NAME}`",
        );
        for wrong in ["api", "shop/", "/api", "shop/api/x", "shop/Api"] {
            check(
                "serviceAccount: shop/api",
                &format!("serviceAccount: {wrong}"),
                &format!("the caller `api`: `{wrong}` is no service account; write NAMESPACE/NAME"),
            );
        }
        check(
            "- {name: api, serviceAccount: shop/api",
            "- {name: other, token: {issuer: 'https://issuer', subject: web}, doors: [accessReview]}\n\
             - {name: api, serviceAccount: shop/api",
            "the callers `web` and `other` prove themselves with the same",
        );
    }

    #[test]
    fn keys_that_are_asked_for() {
        let check = |text: &str, address: KeyAddress, credential: Option<&str>, max_age: u64| {
            let config = read(&TOKENS.replace("keys: keys.json", text)).unwrap();
            let expected = RemoteKeys {
                address,
                ca: "/etc/bailiwick/ca.crt".into(),
                credential: credential.map(PathBuf::from),
                refresh: Duration::from_secs(300),
                max_age: Duration::from_secs(max_age),
            };
            assert_eq!(
                config.tokens().unwrap()[0].keys,
                KeySource::Remote(expected)
            );
        };
        check(
            "discovery: {ca: ca.crt}",
            KeyAddress::Discovery(None),
            None,
            3600,
        );
        check(
            "discovery: {url: 'https://10.0.0.1:6443', ca: ca.crt, token: /var/run/token, maxAge: 2h}",
            KeyAddress::Discovery(Some("https://10.0.0.1:6443".into())),
            Some("/var/run/token"),
            7200,
        );
        check(
            "jwks: {url: 'https://issuer/keys', ca: ca.crt}",
            KeyAddress::Keys("https://issuer/keys".into()),
            None,
            3600,
        );
    }
}
