use bailiwick_identity::KeyType;
use bailiwick_identity::rotation::KeyId;
use zeroize::Zeroizing;

use super::KeyStoreError;
use super::software::SoftwareKey;
use crate::seal::Seal;

/// Names of keys are hexadecimal digits when they are made, but a stored state could say anything.
pub(super) fn name(id: &KeyId) -> Result<&str, KeyStoreError> {
    let name = id.as_str();
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if name.is_empty() || !plain || name.len() > 128 {
        return Err(KeyStoreError::Unreadable(id.clone()));
    }
    Ok(name)
}

fn place(id: &KeyId) -> String {
    format!("key {id}")
}

/// Makes a key, and its private half as it is stored, sealed for its name.
pub(super) fn generate(
    seal: &Seal,
    id: &KeyId,
    key_type: KeyType,
) -> Result<(SoftwareKey, Vec<u8>), KeyStoreError> {
    let (key, pkcs8) = SoftwareKey::generate(key_type)?;
    // One allocation: what grows leaves copies behind.
    let word = key_type.as_str().as_bytes();
    let mut plain = Zeroizing::new(Vec::with_capacity(word.len() + 1 + pkcs8.len()));
    plain.extend_from_slice(word);
    plain.push(b'\n');
    plain.extend_from_slice(&pkcs8);
    Ok((key, seal.seal(&place(id), &plain)?))
}

/// Reads what was stored.
pub(super) fn open(seal: &Seal, id: &KeyId, sealed: &[u8]) -> Result<SoftwareKey, KeyStoreError> {
    let plain = seal.open(&place(id), sealed)?;
    let unreadable = || KeyStoreError::Unreadable(id.clone());
    let end = plain.iter().position(|byte| *byte == b'\n');
    let (word, rest) = plain.split_at(end.ok_or_else(unreadable)?);
    let mut kinds = KeyType::ALL.into_iter();
    let key_type = kinds.find(|kind| kind.as_str().as_bytes() == word);
    let key = key_type.zip(rest.get(1..));
    let key = key.and_then(|(key_type, pkcs8)| SoftwareKey::from_pkcs8(key_type, pkcs8));
    key.ok_or_else(unreadable)
}
