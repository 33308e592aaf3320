use serde_json::{Map, json};
use thiserror::Error;

use super::TYPE;
use crate::bundle::public_jwk;
use crate::jwt::{Algorithm, compact};
use crate::{PublicKey, SignError, Signer, SpiffeId, UnixTime};

/// What a WIT-SVID says.
#[derive(Clone, Debug)]
pub struct NewWit<'w> {
    /// Who it is for; has a path.
    pub id: &'w SpiffeId,
    /// The key that its holder has.
    pub key: &'w PublicKey,
    /// From when on it counts, and when it was made.
    pub not_before: UnixTime,
    /// From when on it does not count.
    pub expires_at: UnixTime,
    /// Its number, for the log.
    pub jti: &'w str,
}

/// Why no WIT-SVID was made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WitIssueError {
    /// A token for a trust domain.
    #[error("`{0}` has no path: a workload has one")]
    NoPath(SpiffeId),
    /// It would end before it began.
    #[error("the token would not live")]
    Dead,
    /// A key that signs by none of the algorithms of WIT-SVID.
    #[error("the key of the workload signs by no algorithm of WIT-SVID: take ec-p256 or ec-p384")]
    Key,
    /// The key did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// Signs a WIT-SVID (W-1, W-2). It has no audience, since it is shown to everybody together with a proof for the one, and no
/// issuer, so that no verifier of OpenID Connect takes it for a token of its own.
///
/// # Errors
/// When the token would be no WIT-SVID, or the key does not sign.
pub fn sign(wit: &NewWit<'_>, kid: &str, signer: &dyn Signer) -> Result<String, WitIssueError> {
    if wit.id.path().is_empty() {
        return Err(WitIssueError::NoPath(wit.id.clone()));
    }
    if wit.expires_at <= wit.not_before {
        return Err(WitIssueError::Dead);
    }
    let jwk = public_jwk(wit.key).ok_or(WitIssueError::Key)?;
    let algorithm = Algorithm::of(signer.public_key().key_type());
    let header = json!({"alg": algorithm.name(), "kid": kid, "typ": TYPE});
    let mut claims = Map::new();
    claims.insert("sub".into(), wit.id.as_str().into());
    claims.insert("exp".into(), wit.expires_at.seconds().into());
    claims.insert("nbf".into(), wit.not_before.seconds().into());
    claims.insert("iat".into(), wit.not_before.seconds().into());
    claims.insert("jti".into(), wit.jti.into());
    claims.insert("cnf".into(), json!({ "jwk": jwk }));
    Ok(compact(&header, claims, signer)?)
}
