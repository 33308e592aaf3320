use std::collections::BTreeMap;
use std::sync::Arc;

use bailiwick_identity::rotation::{Revision, State};
use bailiwick_identity::shared::{Shared, SharedError, SharedValues};

use super::{ATTEMPTS, PLACE, StateStore, StoreError};
use crate::seal::Seal;

/// The name of the state among shared values.
const NAME: &str = "state";

/// A sealed state among values that replicas share.
pub struct SharedState {
    values: Arc<dyn SharedValues>,
    seal: Arc<Seal>,
}

impl SharedState {
    /// The state in `values`, beside whatever else is there.
    pub fn new(values: Arc<dyn SharedValues>, seal: Arc<Seal>) -> Self {
        Self { values, seal }
    }

    fn of(&self, shared: Option<&Shared>) -> Result<Option<State>, StoreError> {
        let Some(sealed) = shared.and_then(|shared| shared.values.get(NAME)) else {
            return Ok(None);
        };
        let json = self.seal.open(PLACE, sealed)?;
        Ok(Some(State::from_json(&json)?))
    }
}

impl StateStore for SharedState {
    fn load(&self) -> Result<Option<State>, StoreError> {
        self.of(self.values.read()?.as_ref())
    }

    fn replace(&self, expected: Option<Revision>, state: &State) -> Result<(), StoreError> {
        let json = state.to_json().to_string();
        let sealed = self.seal.seal(PLACE, json.as_bytes())?;
        let changes = BTreeMap::from([(NAME.to_owned(), Some(sealed))]);
        // Others may put keys beside it, which is no conflict.
        for _ in 0..ATTEMPTS {
            let shared = self.values.read()?;
            let there = self.of(shared.as_ref())?;
            if there.as_ref().map(State::revision) != expected {
                return Err(StoreError::Conflict);
            }
            let version = shared.as_ref().map(|shared| &shared.version);
            match self.values.change(version, &changes) {
                Err(SharedError::Conflict) => {}
                outcome => return Ok(outcome?),
            }
        }
        Err(StoreError::Conflict)
    }
}

#[cfg(test)]
mod tests;
