use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bailiwick_identity::rotation::{Revision, State};

use super::{PLACE, StateStore, StoreError};
use crate::seal::{Seal, read_private, write_private};

/// A state in a sealed file (0600), which processes change one after another under a lock.
pub struct FileState {
    path: PathBuf,
    seal: Arc<Seal>,
}

impl FileState {
    /// The state in `path`; the file `PATH.lock` beside it is the lock.
    pub fn new(path: &Path, seal: Arc<Seal>) -> Self {
        Self {
            path: path.to_owned(),
            seal,
        }
    }

    /// Held until the file is dropped.
    fn lock(&self) -> Result<File, StoreError> {
        let path = self.path.with_added_extension("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(StoreError::Lock)?;
        file.lock().map_err(StoreError::Lock)?;
        Ok(file)
    }
}

impl StateStore for FileState {
    fn load(&self) -> Result<Option<State>, StoreError> {
        let Some(sealed) = read_private(&self.path)? else {
            return Ok(None);
        };
        let json = self.seal.open(PLACE, &sealed)?;
        Ok(Some(State::from_json(&json)?))
    }

    fn replace(&self, expected: Option<Revision>, state: &State) -> Result<(), StoreError> {
        let _lock = self.lock()?;
        if self.load()?.as_ref().map(State::revision) != expected {
            return Err(StoreError::Conflict);
        }
        let json = state.to_json().to_string();
        write_private(&self.path, &self.seal.seal(PLACE, json.as_bytes())?)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_in_a_file_conforms() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("authority");
        let open = || -> Box<dyn StateStore> {
            let seal = Seal::new(&[5; 32]).unwrap();
            Box::new(FileState::new(&path, Arc::new(seal)))
        };
        super::super::conformance(&open);
    }

    #[test]
    fn a_file_that_was_changed_is_no_new_authority() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("authority");
        let store = FileState::new(&path, Arc::new(Seal::new(&[5; 32]).unwrap()));
        write_private(&path, b"garbage").unwrap();
        assert!(matches!(store.load(), Err(StoreError::Seal(_))));
    }
}
