use serde_json::{Map, Value};
use thiserror::Error;

use super::compact::{MalformedToken, read};
use crate::{IdError, JwtKey, SpiffeId, TrustDomain, UnixTime};

/// Where the keys of a trust domain are found.
pub trait JwtKeys {
    /// The keys of `domain`; `None` when nothing is known of it.
    fn jwt_authorities(&self, domain: &TrustDomain) -> Option<&[JwtKey]>;
}

/// A JWT-SVID that was checked.
#[derive(Clone, Debug, PartialEq)]
pub struct JwtSvid {
    /// Who shows it.
    pub id: SpiffeId,
    /// Whom it may be shown to.
    pub audience: Vec<String>,
    /// From when on it does not count.
    pub expires_at: UnixTime,
    /// Everything that it says.
    pub claims: Map<String, Value>,
}

/// Why a token is not believed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JwtError {
    /// It is no token.
    #[error(transparent)]
    Malformed(#[from] MalformedToken),
    /// The validator does not know who it is.
    #[error("no audience to check against: name your own")]
    NoOwnAudience,
    /// A claim is missing or of a wrong type (JWT-SVID 3).
    #[error("the claim `{0}` is missing or of a wrong type")]
    Claim(&'static str),
    /// The subject is no SPIFFE ID.
    #[error("the subject is no SPIFFE ID: {0}")]
    Subject(#[from] IdError),
    /// The subject is a trust domain.
    #[error("`{0}` has no path: a workload has one")]
    NoPath(SpiffeId),
    /// It is meant for others.
    #[error("the token is for {0}, not for us")]
    Audience(String),
    /// It has run out.
    #[error("the token ran out at {0}")]
    Expired(UnixTime),
    /// It does not count yet.
    #[error("the token does not count before {0}")]
    NotYet(UnixTime),
    /// Nothing is known of the trust domain.
    #[error("no bundle of the trust domain `{0}`: federate with it first")]
    UnknownDomain(TrustDomain),
    /// The bundle does not have the key.
    #[error("the bundle of `{domain}` has no key `{kid}` for tokens")]
    UnknownKey {
        /// The domain of the subject.
        domain: TrustDomain,
        /// What the token names.
        kid: String,
    },
    /// No key of the domain made the signature.
    #[error("the signature is not by a key of `{0}`")]
    Signature(TrustDomain),
}

/// Checks a token at the moment `now` (J-1 to J-4, J-8). One of `audience` has to be among those it is for.
///
/// No leeway is given: clocks that differ are the issuer's care, who dates tokens back.
///
/// # Errors
/// When the token is not to be believed.
pub fn validate(
    token: &str,
    audience: &[&str],
    keys: &dyn JwtKeys,
    now: UnixTime,
) -> Result<JwtSvid, JwtError> {
    if audience.iter().all(|own| own.is_empty()) {
        return Err(JwtError::NoOwnAudience);
    }
    let compact = read(token)?;
    let claims = &compact.claims;
    let subject = claims.get("sub").and_then(Value::as_str);
    let id = SpiffeId::parse(subject.ok_or(JwtError::Claim("sub"))?)?;
    if id.path().is_empty() {
        return Err(JwtError::NoPath(id));
    }
    check_signature(&compact, &id.trust_domain(), keys)?;
    let expires_at = date(claims, "exp")?.ok_or(JwtError::Claim("exp"))?;
    if now >= expires_at {
        return Err(JwtError::Expired(expires_at));
    }
    if let Some(from) = date(claims, "nbf")?.filter(|from| now < *from) {
        return Err(JwtError::NotYet(from));
    }
    // It decides nothing, but what is no date is no token either.
    date(claims, "iat")?;
    let named = named_audience(claims)?;
    if !named.iter().any(|name| audience.contains(&name.as_str())) {
        return Err(JwtError::Audience(quoted(&named)));
    }
    Ok(JwtSvid {
        id,
        audience: named,
        expires_at,
        claims: compact.claims,
    })
}

fn check_signature(
    compact: &super::compact::Compact<'_>,
    domain: &TrustDomain,
    keys: &dyn JwtKeys,
) -> Result<(), JwtError> {
    let keys = keys
        .jwt_authorities(domain)
        .ok_or_else(|| JwtError::UnknownDomain(domain.clone()))?;
    let by = |key: &JwtKey| key.verifies(compact.algorithm, compact.signed, &compact.signature);
    let signed = match &compact.kid {
        Some(kid) => {
            let Some(key) = keys.iter().find(|key| key.kid() == kid) else {
                return Err(JwtError::UnknownKey {
                    domain: domain.clone(),
                    kid: kid.chars().take(80).collect(),
                });
            };
            by(key)
        }
        // A token may come without `kid`; a bundle has few keys.
        None => keys.iter().any(by),
    };
    if signed {
        Ok(())
    } else {
        Err(JwtError::Signature(domain.clone()))
    }
}

/// A NumericDate (RFC 7519 2), which may have a fraction.
pub(crate) fn date(
    claims: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<UnixTime>, JwtError> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    if let Some(seconds) = value.as_u64() {
        return Ok(Some(UnixTime::new(seconds)));
    }
    match value.as_f64() {
        // Up to 2^53, where every whole number is one.
        Some(seconds) if (0.0..=9_007_199_254_740_992.0).contains(&seconds) => {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the range is checked, and the fraction is not wanted"
            )]
            let whole = seconds as u64;
            Ok(Some(UnixTime::new(whole)))
        }
        _ => Err(JwtError::Claim(name)),
    }
}

/// One text or a list of them (RFC 7519 4.1.3); at least one.
pub(crate) fn named_audience(claims: &Map<String, Value>) -> Result<Vec<String>, JwtError> {
    let wrong = || JwtError::Claim("aud");
    match claims.get("aud") {
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(Value::Array(many)) if !many.is_empty() => {
            let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(wrong);
            many.iter().map(text).collect()
        }
        _ => Err(wrong()),
    }
}

fn quoted(names: &[String]) -> String {
    let first = names.iter().take(3).map(|name| {
        let name: String = name.chars().take(80).collect();
        format!("`{name}`")
    });
    let mut text = first.collect::<Vec<_>>().join(", ");
    if names.len() > 3 {
        text.push_str(" and others");
    }
    text
}

#[cfg(test)]
mod tests;
