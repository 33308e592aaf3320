use std::sync::{Mutex, PoisonError};

use bailiwick_identity::rotation::{Revision, State};

use super::{StateStore, StoreError};

/// A state that ends with the process.
#[derive(Debug, Default)]
pub struct MemoryState(Mutex<Option<State>>);

impl StateStore for MemoryState {
    fn load(&self) -> Result<Option<State>, StoreError> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(state.clone())
    }

    fn replace(&self, expected: Option<Revision>, state: &State) -> Result<(), StoreError> {
        let mut stored = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if stored.as_ref().map(State::revision) != expected {
            return Err(StoreError::Conflict);
        }
        *stored = Some(state.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    impl StateStore for Arc<MemoryState> {
        fn load(&self) -> Result<Option<State>, StoreError> {
            (**self).load()
        }

        fn replace(&self, expected: Option<Revision>, state: &State) -> Result<(), StoreError> {
            (**self).replace(expected, state)
        }
    }

    #[test]
    fn a_state_in_memory_conforms() {
        let store = Arc::new(MemoryState::default());
        super::super::conformance(&move || Box::new(Arc::clone(&store)));
    }
}
