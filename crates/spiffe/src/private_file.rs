//! What servers and the commands of a person share without a server in between: files.

use std::fs::{self, OpenOptions};
use std::marker::PhantomData;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::SystemTime;

use bailiwick_identity::agents::Agents;
use bailiwick_identity::rules::Bans;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::seal::{SealError, read_private, write_private};

/// Something in a file (0600), which processes change one after another under a lock.
#[derive(Clone, Debug)]
pub struct PrivateFile<T> {
    path: PathBuf,
    what: PhantomData<fn() -> T>,
}

/// Who is banned.
pub type BanFile = PrivateFile<Bans>;
/// What is remembered of agents.
pub type AgentFile = PrivateFile<Agents>;

impl<T: Clone + Default + Serialize + DeserializeOwned> PrivateFile<T> {
    /// What is in this file; `PATH.lock` beside it is the lock.
    pub fn new(path: PathBuf) -> Self {
        let what = PhantomData;
        Self { path, what }
    }

    /// What is kept; nothing where there is no file.
    ///
    /// # Errors
    /// When the file is open to others, or cannot be read. Nobody may be let through then.
    pub fn load(&self) -> Result<T, SealError> {
        match read_private(&self.path)? {
            None => Ok(T::default()),
            Some(json) => serde_json::from_slice(&json)
                .map_err(|_| SealError::Broken(self.path.display().to_string())),
        }
    }

    /// Changes it. Gives what it was and what it is; nobody else changes it in between.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn change(&self, change: impl FnOnce(&mut T)) -> Result<(T, T), SealError> {
        let path = self.path.with_added_extension("lock");
        let error = |source| SealError::Io {
            path: path.clone(),
            source,
        };
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(error)?;
        lock.lock().map_err(error)?;
        let before = self.load()?;
        let mut after = before.clone();
        change(&mut after);
        let json = serde_json::to_vec(&after);
        let json = json.map_err(|_| SealError::Broken(self.path.display().to_string()))?;
        write_private(&self.path, &json)?;
        Ok((before, after))
    }

    /// When the file was changed last, to see that it was.
    pub fn changed(&self) -> Option<SystemTime> {
        fs::metadata(&self.path).ok()?.modified().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_are_kept_and_a_broken_file_bans_nobody_silently() {
        let dir = tempfile::tempdir().unwrap();
        let file = BanFile::new(dir.path().join("bans"));
        assert_eq!(file.load().unwrap(), Bans::default());
        let who = "node:n1".parse().unwrap();
        let (before, after) = file.change(|bans| bans.insert(who, "stolen")).unwrap();
        assert_eq!(before.changes(&after).len(), 1);
        assert_eq!(file.load().unwrap().of_node("n1"), Some("stolen"));
        write_private(&dir.path().join("bans"), b"{").unwrap();
        assert!(matches!(file.load(), Err(SealError::Broken(_))));
        assert!(file.change(|_| ()).is_err());
    }
}
