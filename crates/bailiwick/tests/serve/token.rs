//! Tokens that a gateway verifies, signed with one secret.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const SECRET: &[u8] = b"the secret of the tests, 32 byte";

/// The secret as a JSON Web Key Set.
pub(crate) fn keys() -> String {
    json!({"keys": [{"kty": "oct", "alg": "HS256", "kid": "test", "k": base64(SECRET)}]})
        .to_string()
}

/// A JSON Web Token with these claims, without an end (RFC 7515, HS256).
pub(crate) fn signed(claims: &Value) -> String {
    let head = base64(
        json!({"alg": "HS256", "kid": "test"})
            .to_string()
            .as_bytes(),
    );
    let text = format!("{head}.{}", encoded(claims));
    format!("{text}.{}", base64(&hmac(text.as_bytes())))
}

/// Claims as they stand in a token.
pub(crate) fn encoded(claims: &Value) -> String {
    base64(claims.to_string().as_bytes())
}

/// HMAC with SHA-256 (RFC 2104).
fn hmac(message: &[u8]) -> Vec<u8> {
    let padded = |with: u8| {
        let mut block = [with; 64];
        block
            .iter_mut()
            .zip(SECRET)
            .for_each(|(byte, secret)| *byte ^= secret);
        block
    };
    let inner = Sha256::new()
        .chain_update(padded(0x36))
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(padded(0x5c))
        .chain_update(inner)
        .finalize()
        .to_vec()
}

/// Base64url without padding (RFC 4648 section 5).
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk
            .iter()
            .fold(0_u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(
                LETTERS[(word >> (18 - 6 * place)) as usize & 63],
            ));
        }
    }
    text
}
