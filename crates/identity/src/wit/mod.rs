//! WIT-SVID: tokens that say who a workload is and which key it has. Nobody is believed for showing one: it counts with a
//! proof that whoever shows it has the key.
//!
//! SPIFFE calls the document incubating, and the proof is a draft of the IETF (draft-ietf-wimse-wpt): both may change.

mod issue;
mod proof;
mod replay;
mod validate;

pub use issue::{NewWit, WitIssueError, sign};
pub use proof::{MAX_PROOF_SECONDS, NewProof, ProofError, Request};
pub use replay::Replays;
pub use validate::{Unproven, WitError, WitKeys, WitSvid, read};

use serde_json::Value;
use zeroize::Zeroizing;

use crate::bundle::public_jwk;
use crate::encoding::url;
use crate::jwt::parts;
use crate::{KeyType, PublicKey};

/// The type of a WIT-SVID in its header.
const TYPE: &str = "wit+jwt";
/// The type of a proof.
const PROOF_TYPE: &str = "wpt+jwt";

/// What a token says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A WIT-SVID.
    Wit,
    /// A proof for one.
    Proof,
    /// Something else, or nothing that can be read.
    Other,
}

/// What a token says that it is, before anything of it is believed.
pub fn kind_of(token: &str) -> Kind {
    let parts = parts(token).ok();
    let typ = parts.as_ref().and_then(|parts| parts.header.get("typ"));
    match typ.and_then(Value::as_str) {
        Some(TYPE) => Kind::Wit,
        Some(typ) if proof::is_proof_type(typ) => Kind::Proof,
        _ => Kind::Other,
    }
}

/// The key of a workload as a JWK with its private number (RFC 7518 6.2.2), as the Workload API hands it over; `None` for a
/// key that is none on a curve.
pub fn private_jwk(public: &PublicKey, number: &[u8]) -> Option<Zeroizing<String>> {
    if matches!(public.key_type(), KeyType::Rsa2048 | KeyType::Rsa4096) {
        return None;
    }
    let jwk = Value::Object(public_jwk(public)?).to_string();
    let number = Zeroizing::new(url(number));
    let fields = jwk.strip_suffix('}')?;
    Some(Zeroizing::new(format!(
        "{fields},\"d\":\"{}\"}}",
        number.as_str()
    )))
}

/// The hash by which a token is named in a proof: SHA-256 in base64url.
fn hash(token: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    url(digest.as_ref())
}

#[cfg(test)]
mod tests;
