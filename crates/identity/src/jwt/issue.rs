use serde_json::{Map, Value, json};
use thiserror::Error;

use super::Algorithm;
use crate::encoding::url;
use crate::{SignError, Signer, SpiffeId, UnixTime};

/// Claims that say who, for whom and until when. No rule can set them.
pub const RESERVED_CLAIMS: [&str; 7] = ["aud", "exp", "iat", "iss", "jti", "nbf", "sub"];

/// What a token says.
#[derive(Clone, Debug)]
pub struct Token<'t> {
    /// Who it is for; has a path.
    pub id: &'t SpiffeId,
    /// Whom it may be shown to; at least one.
    pub audience: &'t [String],
    /// The URL of the issuer, for those who check tokens by OpenID Connect.
    pub issuer: Option<&'t str>,
    /// When it was made.
    pub issued_at: UnixTime,
    /// From when on it does not count.
    pub expires_at: UnixTime,
    /// Its number, for the log.
    pub jti: &'t str,
    /// Claims beside these.
    pub claims: &'t Map<String, Value>,
}

/// Why no token was made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JwtIssueError {
    /// Nobody to show it to (JWT-SVID 3.2).
    #[error("the audience is empty: name at least one receiver of the token")]
    NoAudience,
    /// A token for a trust domain.
    #[error("`{0}` has no path: a workload has one")]
    NoPath(SpiffeId),
    /// A claim that is not for others to set.
    #[error("the claim `{0}` is set by the authority: take another name")]
    ReservedClaim(String),
    /// It would end before it began.
    #[error("the token would not live")]
    Dead,
    /// The key did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// Signs a JWT-SVID (J-1 to J-4). `kid` is the id of the key in the bundle: other implementations reject a token
/// without it.
///
/// # Errors
/// When the token would be no JWT-SVID, or the key does not sign.
pub fn sign(token: &Token<'_>, kid: &str, signer: &dyn Signer) -> Result<String, JwtIssueError> {
    if token.audience.is_empty() || token.audience.iter().any(String::is_empty) {
        return Err(JwtIssueError::NoAudience);
    }
    if token.id.path().is_empty() {
        return Err(JwtIssueError::NoPath(token.id.clone()));
    }
    if token.expires_at <= token.issued_at {
        return Err(JwtIssueError::Dead);
    }
    if let Some(name) = RESERVED_CLAIMS
        .iter()
        .find(|name| token.claims.contains_key(**name))
    {
        return Err(JwtIssueError::ReservedClaim((*name).to_owned()));
    }
    let algorithm = Algorithm::of(signer.public_key().key_type());
    let header = json!({"alg": algorithm.name(), "kid": kid, "typ": "JWT"});
    let mut claims = token.claims.clone();
    let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    set("sub", token.id.as_str().into());
    set("aud", token.audience.into());
    set("exp", token.expires_at.seconds().into());
    set("iat", token.issued_at.seconds().into());
    set("jti", token.jti.into());
    if let Some(issuer) = token.issuer {
        set("iss", issuer.into());
    }
    Ok(compact(&header, claims, signer)?)
}

/// A signed token in compact form (RFC 7515 7.1).
pub(crate) fn compact(
    header: &Value,
    claims: Map<String, Value>,
    signer: &dyn Signer,
) -> Result<String, SignError> {
    let part = |value: &Value| url(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(header), part(&Value::Object(claims)));
    let signature = signer.sign(signed.as_bytes())?;
    Ok(format!("{signed}.{}", url(&signature)))
}
