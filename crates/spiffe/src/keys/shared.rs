use std::collections::BTreeMap;
use std::sync::Arc;

use bailiwick_identity::rotation::KeyId;
use bailiwick_identity::shared::{Shared, SharedError, SharedValues};
use bailiwick_identity::{KeyType, Signer};

use super::{KeyStore, KeyStoreError, sealed};
use crate::seal::Seal;
use crate::store::ATTEMPTS;

/// Keys among values that replicas share, each sealed for its name.
pub struct SharedKeys {
    values: Arc<dyn SharedValues>,
    seal: Arc<Seal>,
}

impl SharedKeys {
    /// Keys in `values`, beside whatever else is there.
    pub fn new(values: Arc<dyn SharedValues>, seal: Arc<Seal>) -> Self {
        Self { values, seal }
    }

    /// Puts a value there, or takes it away, as soon as nobody else changes anything. `wanted` says whether it is still to
    /// be done.
    fn put(
        &self,
        name: &str,
        value: Option<Vec<u8>>,
        wanted: impl Fn(Option<&Shared>) -> Result<bool, KeyStoreError>,
    ) -> Result<(), KeyStoreError> {
        let changes = BTreeMap::from([(name.to_owned(), value)]);
        for _ in 0..ATTEMPTS {
            let shared = self.values.read()?;
            if !wanted(shared.as_ref())? {
                return Ok(());
            }
            let version = shared.as_ref().map(|shared| &shared.version);
            match self.values.change(version, &changes) {
                Err(SharedError::Conflict) => {}
                outcome => return Ok(outcome?),
            }
        }
        Err(SharedError::Conflict.into())
    }
}

fn value_name(id: &KeyId) -> Result<String, KeyStoreError> {
    Ok(format!("key-{}", sealed::name(id)?))
}

impl KeyStore for SharedKeys {
    fn generate(&self, id: &KeyId, key_type: KeyType) -> Result<Arc<dyn Signer>, KeyStoreError> {
        let name = value_name(id)?;
        let free = |shared: Option<&Shared>| match shared {
            Some(shared) if shared.values.contains_key(&name) => {
                Err(KeyStoreError::Exists(id.clone()))
            }
            _ => Ok(true),
        };
        free(self.values.read()?.as_ref())?;
        let (key, value) = sealed::generate(&self.seal, id, key_type)?;
        self.put(&name, Some(value), free)?;
        Ok(Arc::new(key))
    }

    fn signer(&self, id: &KeyId) -> Result<Option<Arc<dyn Signer>>, KeyStoreError> {
        let name = value_name(id)?;
        let shared = self.values.read()?;
        let Some(value) = shared.as_ref().and_then(|shared| shared.values.get(&name)) else {
            return Ok(None);
        };
        Ok(Some(Arc::new(sealed::open(&self.seal, id, value)?)))
    }

    fn remove(&self, id: &KeyId) -> Result<(), KeyStoreError> {
        let name = value_name(id)?;
        self.put(&name, None, |shared| {
            Ok(shared.is_some_and(|shared| shared.values.contains_key(&name)))
        })
    }
}
