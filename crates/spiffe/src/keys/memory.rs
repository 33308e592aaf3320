use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bailiwick_identity::rotation::KeyId;
use bailiwick_identity::{KeyType, Signer};

use super::software::SoftwareKey;
use super::{KeyStore, KeyStoreError};

/// Keys that end with the process.
#[derive(Default)]
pub struct MemoryKeys(Mutex<HashMap<KeyId, Arc<SoftwareKey>>>);

#[cfg(test)]
impl MemoryKeys {
    pub(crate) fn count(&self) -> usize {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.len()
    }
}

impl KeyStore for MemoryKeys {
    fn generate(&self, id: &KeyId, key_type: KeyType) -> Result<Arc<dyn Signer>, KeyStoreError> {
        let (key, _) = SoftwareKey::generate(key_type)?;
        let key = Arc::new(key);
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.contains_key(id) {
            return Err(KeyStoreError::Exists(id.clone()));
        }
        keys.insert(id.clone(), Arc::clone(&key));
        Ok(key)
    }

    fn signer(&self, id: &KeyId) -> Result<Option<Arc<dyn Signer>>, KeyStoreError> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = keys.get(id).map(Arc::clone);
        Ok(key.map(|key| key as Arc<dyn Signer>))
    }

    fn remove(&self, id: &KeyId) -> Result<(), KeyStoreError> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.remove(id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::conformance;

    #[test]
    fn memory_keys_conform() {
        conformance::run(&|| Box::new(MemoryKeys::default()), &KeyType::ALL[..3]);
    }
}
