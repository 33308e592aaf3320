//! The little of DER that nobody writes for us.

use x509_parser::asn1_rs::{Any, FromDer};

/// The tag of a sequence.
pub(super) const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;

/// Something that was signed: the signed part, the algorithm and the signature.
pub(super) fn signed(part: &[u8], algorithm: &[u8], signature: &[u8]) -> Vec<u8> {
    const NO_UNUSED_BITS: &[u8] = &[0];
    let signature = element(BIT_STRING, &[NO_UNUSED_BITS, signature]);
    element(SEQUENCE, &[part, algorithm, &signature])
}

/// The signed part of a certificate with the name of another issuer, and its algorithm.
pub(super) fn part_issued_by(certificate: &[u8], name: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (_, whole) = Any::from_der(certificate).ok()?;
    let (_, part) = Any::from_der(whole.data).ok()?;
    // Version, number and algorithm stand before the issuer.
    let (after_version, _) = Any::from_der(part.data).ok()?;
    let (after_number, _) = Any::from_der(after_version).ok()?;
    let (issuer, _) = Any::from_der(after_number).ok()?;
    let (rest, _) = Any::from_der(issuer).ok()?;
    let algorithm = after_number.get(..after_number.len() - issuer.len())?;
    let before = part.data.get(..part.data.len() - issuer.len())?;
    let part = element(SEQUENCE, &[before, name, rest]);
    Some((part, algorithm.to_vec()))
}

/// A tag, the length of what follows, and that.
pub(super) fn element(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let length: usize = contents.iter().map(|part| part.len()).sum();
    let bytes = length.to_be_bytes();
    let bytes: Vec<u8> = bytes.into_iter().skip_while(|&byte| byte == 0).collect();
    let mut out = vec![tag];
    if length >= 0x80 {
        // No length has more bytes than a usize.
        out.push(0x80 | u8::try_from(bytes.len()).unwrap_or_default());
    }
    out.extend_from_slice(if length == 0 { &[0] } else { &bytes });
    contents.iter().for_each(|part| out.extend_from_slice(part));
    out
}
