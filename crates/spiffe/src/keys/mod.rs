//! Where private keys live. Every backend passes the same suite (`conformance.rs`), and none gives a key away: what comes
//! out is a [`Signer`].

#[cfg(test)]
pub(crate) mod conformance;
mod file;
mod memory;
mod pkcs11;
mod sealed;
mod shared;
mod software;
mod uri;

use std::sync::Arc;

use bailiwick_identity::rotation::KeyId;
use bailiwick_identity::shared::SharedError;
use bailiwick_identity::{KeyType, SignError, Signer};
use thiserror::Error;

use crate::seal::SealError;

pub use file::FileKeys;
pub use memory::MemoryKeys;
pub use pkcs11::{Pin, Pkcs11Keys, Pkcs11Options};
pub use shared::SharedKeys;
pub use uri::{KeyUri, KeyUriError};

pub(crate) use software::{WorkloadKey, private_key};

/// Why a key cannot be made, found or removed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// A file cannot be read or written.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Values that replicas share.
    #[error(transparent)]
    Shared(#[from] SharedError),
    /// A key of that name is there.
    #[error("there is a key `{0}` already")]
    Exists(KeyId),
    /// This backend makes no keys of that kind.
    #[error("this store makes no {0} keys")]
    Unsupported(KeyType),
    /// A stored key cannot be used.
    #[error("the key `{0}` cannot be read")]
    Unreadable(KeyId),
    /// The module does not do what it is asked.
    #[error("the PKCS#11 module: {0}")]
    Pkcs11(String),
    /// A key does not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// A place for private keys.
pub trait KeyStore: Send + Sync {
    /// Makes a key under a name that is free.
    ///
    /// # Errors
    /// When the name is taken or the store does not work. A key that is returned is stored.
    fn generate(&self, id: &KeyId, key_type: KeyType) -> Result<Arc<dyn Signer>, KeyStoreError>;

    /// The key of that name; `None` where there is none.
    ///
    /// # Errors
    /// When the store does not work.
    fn signer(&self, id: &KeyId) -> Result<Option<Arc<dyn Signer>>, KeyStoreError>;

    /// Destroys the key; nothing happens where there is none.
    ///
    /// # Errors
    /// When the store does not work.
    fn remove(&self, id: &KeyId) -> Result<(), KeyStoreError>;
}
