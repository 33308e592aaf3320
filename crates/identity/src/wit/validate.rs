use serde_json::{Map, Value};
use thiserror::Error;

use super::{TYPE, hash};
use crate::bundle::public_numbers;
use crate::jwt::{Algorithm, JwtError, MalformedToken, Numbers, date, parts};
use crate::{IdError, JwtKey, PublicKey, SpiffeId, TrustDomain, UnixTime};

/// Where the keys of a trust domain are found that sign WIT-SVIDs.
pub trait WitKeys {
    /// The keys of `domain`; `None` when nothing is known of it.
    fn wit_authorities(&self, domain: &TrustDomain) -> Option<&[JwtKey]>;
}

/// A WIT-SVID that was checked, and whoever shows it showed that he has its key.
#[derive(Clone, Debug, PartialEq)]
pub struct WitSvid {
    /// Who shows it.
    pub id: SpiffeId,
    /// From when on it does not count.
    pub expires_at: UnixTime,
    /// Everything that it says.
    pub claims: Map<String, Value>,
}

/// A WIT-SVID that was checked. It says nothing of whoever shows it before [`Unproven::prove`].
#[derive(Clone, Debug)]
pub struct Unproven {
    pub(super) svid: WitSvid,
    /// What its proofs are signed by.
    pub(super) algorithm: Algorithm,
    pub(super) key: Numbers,
    /// By which proofs name it.
    pub(super) hash: String,
}

/// Why a WIT-SVID is not believed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WitError {
    /// It is no token.
    #[error(transparent)]
    Malformed(#[from] MalformedToken),
    /// Another kind of token.
    #[error("`typ` is not `wit+jwt`: this is no WIT-SVID")]
    Type,
    /// Nothing says which key signed it.
    #[error("`kid` is missing in the header: a WIT-SVID names the key that signed it")]
    NoKid,
    /// An extension that has to be understood.
    #[error("the header has `crit`: nothing critical is known here")]
    Critical,
    /// `none`, an algorithm with a shared secret, or an unknown one.
    #[error("`alg` in the {0} is none of RS, ES or PS with 256, 384 or 512")]
    Algorithm(&'static str),
    /// A claim is missing or of a wrong type.
    #[error("the claim `{0}` is missing or of a wrong type")]
    Claim(&'static str),
    /// It is limited to a receiver, as JWT-SVIDs are.
    #[error("the claim `aud` is there: a WIT-SVID has none")]
    Audience,
    /// The subject is no SPIFFE ID.
    #[error("the subject is no SPIFFE ID: {0}")]
    Subject(#[from] IdError),
    /// The subject is a trust domain.
    #[error("`{0}` has no path: a workload has one")]
    NoPath(SpiffeId),
    /// The key of the holder cannot be used.
    #[error("the key in `cnf` cannot be used: {0}")]
    Confirmation(&'static str),
    /// It has run out.
    #[error("the token ran out at {0}")]
    Expired(UnixTime),
    /// It does not count yet.
    #[error("the token does not count before {0}")]
    NotYet(UnixTime),
    /// It lives for longer than the receiver takes (W-5).
    #[error("the token lives for longer than {0} seconds, or does not say from when on")]
    TooLong(u64),
    /// Nothing is known of the trust domain.
    #[error("no bundle of the trust domain `{0}`: federate with it first")]
    UnknownDomain(TrustDomain),
    /// The bundle does not have the key.
    #[error("the bundle of `{domain}` has no key `{kid}` for WIT-SVIDs")]
    UnknownKey {
        /// The domain of the subject.
        domain: TrustDomain,
        /// What the token names.
        kid: String,
    },
    /// The signature is by another key.
    #[error("the signature is not by the key `{0}`")]
    Signature(String),
}

/// Checks a WIT-SVID at the moment `now` (W-1, W-2). With `longest`, one that lives for more seconds is refused (W-5).
///
/// No leeway is given: clocks that differ are the issuer's care, who dates tokens back.
///
/// # Errors
/// When the token is not to be believed.
pub fn read(
    token: &str,
    keys: &dyn WitKeys,
    longest: Option<u64>,
    now: UnixTime,
) -> Result<Unproven, WitError> {
    let parts = parts(token)?;
    let header = |name: &str| parts.header.get(name).and_then(Value::as_str);
    if header("typ") != Some(TYPE) {
        return Err(WitError::Type);
    }
    if parts.header.contains_key("crit") {
        return Err(WitError::Critical);
    }
    let algorithm = header("alg").and_then(Algorithm::parse);
    let algorithm = algorithm.ok_or(WitError::Algorithm("header"))?;
    let kid = header("kid").filter(|kid| !kid.is_empty());
    let kid = kid.ok_or(WitError::NoKid)?;
    let claims = &parts.claims;
    let subject = claims.get("sub").and_then(Value::as_str);
    let id = SpiffeId::parse(subject.ok_or(WitError::Claim("sub"))?)?;
    if id.path().is_empty() {
        return Err(WitError::NoPath(id));
    }
    let shown: String = kid.chars().take(80).collect();
    let domain = id.trust_domain();
    let known = keys.wit_authorities(&domain);
    let mut known = known
        .ok_or_else(|| WitError::UnknownDomain(domain.clone()))?
        .iter();
    let Some(key) = known.find(|key| key.kid() == kid) else {
        return Err(WitError::UnknownKey { domain, kid: shown });
    };
    if !key.verifies(algorithm, parts.signed, &parts.signature) {
        return Err(WitError::Signature(shown));
    }
    if claims.contains_key("aud") {
        return Err(WitError::Audience);
    }
    let expires_at = check_times(claims, longest, now)?;
    let (algorithm, key) = confirmation(claims)?;
    Ok(Unproven {
        svid: WitSvid {
            id,
            expires_at,
            claims: parts.claims,
        },
        algorithm,
        key,
        hash: hash(token),
    })
}

/// When it ends, if it counts now.
fn check_times(
    claims: &Map<String, Value>,
    longest: Option<u64>,
    now: UnixTime,
) -> Result<UnixTime, WitError> {
    let date = |name| date(claims, name).map_err(|_: JwtError| WitError::Claim(name));
    let expires_at = date("exp")?.ok_or(WitError::Claim("exp"))?;
    if now >= expires_at {
        return Err(WitError::Expired(expires_at));
    }
    let from = date("nbf")?;
    if let Some(from) = from.filter(|from| now < *from) {
        return Err(WitError::NotYet(from));
    }
    if let Some(longest) = longest
        && from.is_none_or(|from| expires_at.since(from) > longest)
    {
        return Err(WitError::TooLong(longest));
    }
    // It decides nothing, but what is no date is no token either.
    date("iat")?;
    Ok(expires_at)
}

/// The key of the holder, and what it signs by (RFC 7800 3.2).
fn confirmation(claims: &Map<String, Value>) -> Result<(Algorithm, Numbers), WitError> {
    let jwk = claims.get("cnf").and_then(|cnf| cnf.get("jwk"));
    let jwk = jwk.filter(|jwk| jwk.is_object());
    let jwk = jwk.ok_or(WitError::Claim("cnf"))?;
    if jwk.get("d").is_some() {
        return Err(WitError::Confirmation("it is a private key"));
    }
    let algorithm = jwk.get("alg").and_then(Value::as_str);
    let algorithm = algorithm.and_then(Algorithm::parse);
    let algorithm = algorithm.ok_or(WitError::Algorithm("key"))?;
    let key = public_numbers(jwk).map_err(WitError::Confirmation)?;
    let key = key.ok_or(WitError::Confirmation("no key of RSA or a known curve"))?;
    match algorithm.is_for(&key) {
        true => Ok((algorithm, key)),
        false => Err(WitError::Confirmation("`alg` is for another kind of key")),
    }
}

impl Unproven {
    /// Who it is for. Whoever shows it may be anybody.
    pub fn subject(&self) -> &SpiffeId {
        &self.svid.id
    }

    /// From when on it does not count.
    pub fn expires_at(&self) -> UnixTime {
        self.svid.expires_at
    }

    /// Whether its holder is the one who has this key.
    pub fn is_of(&self, key: &PublicKey) -> bool {
        let jwk = crate::bundle::public_jwk(key).map(Value::Object);
        let numbers = jwk.and_then(|jwk| public_numbers(&jwk).ok().flatten());
        numbers.as_ref() == Some(&self.key)
    }
}
