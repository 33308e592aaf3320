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

/// The type of a WIT-SVID in its header.
const TYPE: &str = "wit+jwt";
/// The type of a proof.
const PROOF_TYPE: &str = "wpt+jwt";

/// The hash by which a token is named in a proof: SHA-256 in base64url.
fn hash(token: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    crate::encoding::url(digest.as_ref())
}

#[cfg(test)]
mod tests;
