use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::replay::Taken;
use super::{PROOF_TYPE, Replays, Unproven, WitSvid, hash};
use crate::jwt::{Algorithm, JwtError, MalformedToken, compact, date, named_audience, parts};
use crate::{SignError, Signer, UnixTime};

/// A proof counts for no longer, in seconds: the draft leaves it to receivers ("minutes or seconds").
pub const MAX_PROOF_SECONDS: u64 = 300;
/// No number of a proof is longer, in bytes.
const MAX_JTI: usize = 256;

/// What a proof is shown with. What the receiver does not name here must not decide anything.
#[derive(Clone, Debug, Default)]
pub struct Request<'r> {
    /// Names of the receiver, from its configuration and never from the request: the URI that was called, without query
    /// and fragment.
    pub audience: &'r [&'r str],
    /// An access token of OAuth that came along.
    pub access_token: Option<&'r str>,
    /// A transaction token that came along.
    pub transaction_token: Option<&'r str>,
    /// Other tokens that came along, by the name of their header in lower case.
    pub other_tokens: BTreeMap<&'r str, &'r str>,
}

/// Why a proof proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProofError {
    /// It is no token.
    #[error(transparent)]
    Malformed(#[from] MalformedToken),
    /// Another kind of token.
    #[error("`typ` is not `wpt+jwt`: this is no proof for a WIT-SVID")]
    Type,
    /// An extension that has to be understood.
    #[error("the header has `crit`: nothing critical is known here")]
    Critical,
    /// Signed by another algorithm than the WIT-SVID says.
    #[error("`alg` is not `{0}`, as `cnf` of the WIT-SVID says")]
    Algorithm(&'static str),
    /// Signed by another key.
    #[error("the proof is not signed by the key in the WIT-SVID")]
    Signature,
    /// A claim is missing or of a wrong type.
    #[error("the claim `{0}` of the proof is missing or of a wrong type")]
    Claim(&'static str),
    /// Made for another WIT-SVID.
    #[error("the proof is for another WIT-SVID: `wth` is not its hash")]
    OtherWit,
    /// The receiver does not know who it is.
    #[error("no audience to check against: name your own")]
    NoOwnAudience,
    /// It is meant for others.
    #[error("the proof is for others: `aud` is not ours")]
    Audience,
    /// It has run out.
    #[error("the proof ran out at {0}")]
    Expired(UnixTime),
    /// It does not count yet.
    #[error("the proof does not count before {0}")]
    NotYet(UnixTime),
    /// It lives for longer than a proof may.
    #[error("the proof lives for longer than {MAX_PROOF_SECONDS} seconds")]
    TooLong,
    /// It was shown before.
    #[error("the proof was shown before: each request needs one of its own")]
    Replayed,
    /// So many proofs are remembered that no other can be.
    #[error("too many proofs were shown within {MAX_PROOF_SECONDS} seconds: try again later")]
    Busy,
    /// A token that came along is not that of the proof, or is there without the other.
    #[error("the proof and the tokens of the request do not belong together: `{0}`")]
    OtherToken(&'static str),
}

impl Unproven {
    /// Checks that whoever shows the WIT-SVID has its key: by a proof token (W-6, draft-ietf-wimse-wpt) for this receiver
    /// and these other tokens, which is good for one time.
    ///
    /// # Errors
    /// When the proof proves nothing.
    pub fn prove(
        self,
        proof: &str,
        request: &Request<'_>,
        seen: &mut Replays,
        now: UnixTime,
    ) -> Result<WitSvid, ProofError> {
        if request.audience.iter().all(|own| own.is_empty()) {
            return Err(ProofError::NoOwnAudience);
        }
        let parts = parts(proof)?;
        let header = |name: &str| parts.header.get(name).and_then(Value::as_str);
        if !header("typ").is_some_and(is_proof_type) {
            return Err(ProofError::Type);
        }
        if parts.header.contains_key("crit") {
            return Err(ProofError::Critical);
        }
        if header("alg") != Some(self.algorithm.name()) {
            return Err(ProofError::Algorithm(self.algorithm.name()));
        }
        let signed = parts.signed.as_bytes();
        if !self.algorithm.verifies(&self.key, signed, &parts.signature) {
            return Err(ProofError::Signature);
        }
        let claims = &parts.claims;
        let text = |name: &'static str| match claims.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.as_str()),
            _ => Err(ProofError::Claim(name)),
        };
        if text("wth")? != self.hash {
            return Err(ProofError::OtherWit);
        }
        let named = named_audience(claims).map_err(|_: JwtError| ProofError::Claim("aud"))?;
        let mut named = named.iter().filter(|name| !name.is_empty());
        if !named.any(|name| request.audience.contains(&name.as_str())) {
            return Err(ProofError::Audience);
        }
        let until = check_times(claims, now)?;
        let jti = text("jti")?;
        if jti.len() > MAX_JTI {
            return Err(ProofError::Claim("jti"));
        }
        check_tokens(claims, request)?;
        match seen.take(&self.svid.id, jti, until, now) {
            Ok(()) => Ok(self.svid),
            Err(Taken::Again) => Err(ProofError::Replayed),
            Err(Taken::Full) => Err(ProofError::Busy),
        }
    }
}

/// A media type, which may leave `application/` out and has no case (RFC 7515 4.1.9).
pub(super) fn is_proof_type(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/").unwrap_or(&typ) == PROOF_TYPE
}

fn check_times(claims: &Map<String, Value>, now: UnixTime) -> Result<UnixTime, ProofError> {
    let date = |name| date(claims, name).map_err(|_: JwtError| ProofError::Claim(name));
    let until = date("exp")?.ok_or(ProofError::Claim("exp"))?;
    if now >= until {
        return Err(ProofError::Expired(until));
    }
    if until.since(now) > MAX_PROOF_SECONDS {
        return Err(ProofError::TooLong);
    }
    match date("nbf")?.filter(|from| now < *from) {
        Some(from) => Err(ProofError::NotYet(from)),
        None => Ok(until),
    }
}

/// Each token that came along is named in the proof, and the proof names none that did not.
fn check_tokens(claims: &Map<String, Value>, request: &Request<'_>) -> Result<(), ProofError> {
    let same = |name: &'static str, token: Option<&str>| {
        let expected = token.map(|token| Value::from(hash(token)));
        match claims.get(name) == expected.as_ref() {
            true => Ok(()),
            false => Err(ProofError::OtherToken(name)),
        }
    };
    same("ath", request.access_token)?;
    same("tth", request.transaction_token)?;
    let others = request.other_tokens.iter();
    let others = others.map(|(name, token)| ((*name).to_owned(), hash(token.trim()).into()));
    let others: Map<String, Value> = others.collect();
    let named = match claims.get("oth") {
        None => &Map::new(),
        Some(Value::Object(named)) => named,
        Some(_) => return Err(ProofError::Claim("oth")),
    };
    match *named == others {
        true => Ok(()),
        false => Err(ProofError::OtherToken("oth")),
    }
}

/// A proof that the holder of a WIT-SVID makes, good for one request.
#[derive(Clone, Debug)]
pub struct NewProof<'p> {
    /// The WIT-SVID that is shown with it.
    pub wit: &'p str,
    /// Whom both are shown to.
    pub audience: &'p str,
    /// From when on it does not count: at most [`MAX_PROOF_SECONDS`] from now.
    pub expires_at: UnixTime,
    /// Its number, of 128 random bits or more.
    pub jti: &'p str,
}

impl NewProof<'_> {
    /// Signs it with the key of the WIT-SVID.
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn sign(&self, signer: &dyn Signer) -> Result<String, SignError> {
        let algorithm = Algorithm::of(signer.public_key().key_type());
        let header = json!({"alg": algorithm.name(), "typ": PROOF_TYPE});
        let mut claims = Map::new();
        claims.insert("aud".into(), self.audience.into());
        claims.insert("exp".into(), self.expires_at.seconds().into());
        claims.insert("jti".into(), self.jti.into());
        claims.insert("wth".into(), hash(self.wit).into());
        compact(&header, claims, signer)
    }
}
