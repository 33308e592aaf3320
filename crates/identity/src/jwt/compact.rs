use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::Algorithm;
use crate::encoding::from_url;

/// A token is never longer.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// A token taken apart; nothing is checked but its form.
pub(crate) struct Compact<'t> {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<String>,
    pub(crate) claims: Map<String, Value>,
    /// Header and claims as they were signed.
    pub(crate) signed: &'t str,
    pub(crate) signature: Vec<u8>,
}

/// Why a text is no token.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MalformedToken {
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("a token of {0} bytes: the most is {MAX_TOKEN_BYTES}")]
    TooLong(usize),
    /// Not three parts: JWS JSON serialization, JWE, or no token.
    #[error("a token in compact form has three parts with dots between them")]
    Parts,
    /// A part that is not base64url without padding.
    #[error("the {0} of the token is not base64url")]
    Base64(&'static str),
    /// A part that is not a JSON object with each key once.
    #[error("the {0} of the token is no JSON object, or has a key twice")]
    Json(&'static str),
    /// A header field that JWT-SVID 2 does not know, or of a wrong type.
    #[error("the header of a JWT-SVID has `alg`, `kid` and `typ`, each a text, and nothing else")]
    Header,
    /// `none`, an algorithm with a shared secret, or an unknown one.
    #[error("`{0}` signs no JWT-SVID: RS, ES or PS with 256, 384 or 512 do")]
    Algorithm(String),
    /// A type that is not `JWT` or `JOSE`.
    #[error("`typ` is `{0}`: `JWT` or `JOSE`, or nothing")]
    Type(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
}

/// The three parts of any token in compact form.
pub(crate) struct Parts<'t> {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
    /// Header and claims as they were signed.
    pub(crate) signed: &'t str,
    pub(crate) signature: Vec<u8>,
}

/// Takes any token in compact form apart.
pub(crate) fn parts(token: &str) -> Result<Parts<'_>, MalformedToken> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(MalformedToken::TooLong(token.len()));
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(MalformedToken::Parts)?;
    let (header, claims) = signed.split_once('.').ok_or(MalformedToken::Parts)?;
    if claims.contains('.') || header.is_empty() || claims.is_empty() {
        return Err(MalformedToken::Parts);
    }
    let header = from_url(header).ok_or(MalformedToken::Base64("header"))?;
    let claims = from_url(claims).ok_or(MalformedToken::Base64("payload"))?;
    Ok(Parts {
        header: object(&header).ok_or(MalformedToken::Json("header"))?,
        claims: object(&claims).ok_or(MalformedToken::Json("payload"))?,
        signed,
        signature: from_url(signature).ok_or(MalformedToken::Base64("signature"))?,
    })
}

/// Takes a token apart (J-1 to J-3).
pub(crate) fn read(token: &str) -> Result<Compact<'_>, MalformedToken> {
    let parts = parts(token)?;
    let header = read_header(parts.header)?;
    let algorithm = Algorithm::parse(&header.alg)
        .ok_or_else(|| MalformedToken::Algorithm(header.alg.chars().take(40).collect()))?;
    if let Some(typ) = header.typ.filter(|typ| typ != "JWT" && typ != "JOSE") {
        return Err(MalformedToken::Type(typ.chars().take(40).collect()));
    }
    Ok(Compact {
        algorithm,
        kid: header.kid,
        claims: parts.claims,
        signed: parts.signed,
        signature: parts.signature,
    })
}

fn read_header(header: Map<String, Value>) -> Result<Header, MalformedToken> {
    // A null is not a missing field here.
    if header.values().any(|value| !value.is_string()) {
        return Err(MalformedToken::Header);
    }
    serde_json::from_value(Value::Object(header)).map_err(|_| MalformedToken::Header)
}

/// A JSON object in which no key of the first level is there twice: two readers would see two tokens.
fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    let unique: crate::bundle::UniqueMap<Value> = serde_json::from_slice(bytes).ok()?;
    Some(unique.0.into_iter().collect())
}
