use zeroize::Zeroizing;

use super::ExchangeError;
use crate::UnixTime;
use crate::jwt::take_apart;

/// A token of a workload, for one receiver, with an issuer. It does not print.
pub struct Subject {
    token: Zeroizing<String>,
    id: String,
    algorithm: &'static str,
    expires_at: UnixTime,
}

impl Subject {
    /// Looks at a token as a cloud will, but for the signature: that it is for `audience`, and names an issuer, which is
    /// `issuer` where that is given.
    ///
    /// # Errors
    /// When a cloud would refuse it.
    pub fn new(
        token: Zeroizing<String>,
        audience: &str,
        issuer: Option<&str>,
    ) -> Result<Self, ExchangeError> {
        let compact = take_apart(&token)?;
        let found = compact.claims.get("iss").and_then(|claim| claim.as_str());
        let found = found.map(super::quoted).ok_or(ExchangeError::NoIssuer)?;
        if let Some(wanted) = issuer.filter(|wanted| *wanted != found) {
            let wanted = wanted.to_owned();
            return Err(ExchangeError::Issuer { found, wanted });
        }
        Self::without_issuer(token, audience)
    }

    /// The same for somebody who finds the keys by the trust domain, so that no issuer has to be named.
    ///
    /// # Errors
    /// When it is no token for `audience`.
    pub fn without_issuer(token: Zeroizing<String>, audience: &str) -> Result<Self, ExchangeError> {
        let compact = take_apart(&token)?;
        let claim = |name: &str| compact.claims.get(name);
        let is_for = claim("aud").is_some_and(|aud| match aud {
            serde_json::Value::Array(all) => all.iter().any(|one| one == audience),
            one => one == audience,
        });
        if !is_for {
            return Err(ExchangeError::Audience(audience.to_owned()));
        }
        let expires = claim("exp").and_then(serde_json::Value::as_u64);
        let id = claim("sub").and_then(|claim| claim.as_str());
        Ok(Self {
            id: id.map(super::quoted).unwrap_or_default(),
            algorithm: compact.algorithm.name(),
            expires_at: UnixTime::new(expires.unwrap_or_default()),
            token,
        })
    }

    /// Who it is about.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    pub(super) fn algorithm(&self) -> &'static str {
        self.algorithm
    }

    pub(super) fn expires_at(&self) -> UnixTime {
        self.expires_at
    }
}
