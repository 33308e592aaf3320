use serde_json::{Value, json};
use thiserror::Error;

use crate::federation::{EndpointUrl, EndpointUrlError};
use crate::{Bundle, JwtKey};

/// The issuer of tokens as OpenID Connect Discovery 1.0 knows it: an `https` URL without query and fragment, which
/// tokens name letter by letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerUrl {
    text: String,
    path: String,
}

/// A text that is no issuer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IssuerUrlError {
    /// No URL of `https`.
    #[error(transparent)]
    Url(#[from] EndpointUrlError),
    /// It says more than an issuer.
    #[error("an issuer has no query and does not end in /: `{0}`")]
    Tail(String),
}

impl IssuerUrl {
    /// An issuer.
    ///
    /// # Errors
    /// When the text is none.
    pub fn parse(text: &str) -> Result<Self, IssuerUrlError> {
        let url: EndpointUrl = text.parse()?;
        if text.contains('?') || text.ends_with('/') {
            return Err(IssuerUrlError::Tail(text.chars().take(200).collect()));
        }
        let path = url.target().trim_end_matches('/').to_owned();
        Ok(Self {
            text: text.to_owned(),
            path,
        })
    }

    /// The path of the discovery document on its host (OpenID Connect Discovery 4).
    pub fn discovery_path(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.path)
    }

    /// The path of its keys on its host.
    pub fn keys_path(&self) -> String {
        format!("{}/keys", self.path)
    }

    /// The discovery document of an issuer with the keys of this bundle (C-1). It has no place where people log in.
    pub fn discovery(&self, bundle: &Bundle) -> Value {
        let mut algorithms: Vec<&str> = bundle
            .jwt_authorities()
            .iter()
            .map(JwtKey::algorithm)
            .collect();
        algorithms.sort_unstable();
        algorithms.dedup();
        json!({
            "issuer": self.text,
            "jwks_uri": format!("{}/keys", self.text),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": algorithms,
            "claims_supported": ["aud", "exp", "iat", "iss", "jti", "sub"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Signer;
    use crate::testing::{Key, domain, rsa};

    #[test]
    fn c_1_the_issuer_is_exact() {
        let check = |text: &str, expected: Option<&str>| {
            let issuer = IssuerUrl::parse(text).ok();
            let path = issuer.as_ref().map(IssuerUrl::discovery_path);
            assert_eq!(path.as_deref(), expected, "{text}");
        };
        check(
            "https://a.example",
            Some("/.well-known/openid-configuration"),
        );
        check(
            "https://a.example:8443/x/y",
            Some("/x/y/.well-known/openid-configuration"),
        );
        check("https://a.example/", None);
        check("https://a.example?x", None);
        check("https://a.example#x", None);
        check("https://user@a.example", None);
        check("http://a.example", None);
        check("", None);
    }

    #[test]
    fn c_1_both_algorithms_are_told_side_by_side() {
        let mut bundle = Bundle::new(domain("td"));
        bundle.add_jwt("e", Key::ec().public_key()).unwrap();
        bundle.add_jwt("f", Key::ec().public_key()).unwrap();
        bundle.add_jwt("r", rsa().public_key()).unwrap();
        let document = IssuerUrl::parse("https://a.example/x")
            .unwrap()
            .discovery(&bundle);
        assert_eq!(document["issuer"], "https://a.example/x");
        assert_eq!(document["jwks_uri"], "https://a.example/x/keys");
        let algorithms = &document["id_token_signing_alg_values_supported"];
        assert_eq!(*algorithms, json!(["ES256", "RS256"]));
    }
}
