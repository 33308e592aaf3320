use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::SystemTime;

use bailiwick_identity::rules::Bans;

use crate::seal::{SealError, read_private, write_private};

/// Bans in a file (0600), which processes change one after another under a lock.
#[derive(Clone, Debug)]
pub struct BanFile(PathBuf);

impl BanFile {
    /// The bans in this file; `PATH.lock` beside it is the lock.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Everybody who is banned; nobody where there is no file.
    ///
    /// # Errors
    /// When the file is open to others, or cannot be read. Nobody may be let through then.
    pub fn load(&self) -> Result<Bans, SealError> {
        match read_private(&self.0)? {
            None => Ok(Bans::default()),
            Some(json) => serde_json::from_slice(&json)
                .map_err(|_| SealError::Broken(self.0.display().to_string())),
        }
    }

    /// Changes the bans. Gives what they were and what they are.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn change(&self, change: impl FnOnce(&mut Bans)) -> Result<(Bans, Bans), SealError> {
        let path = self.0.with_added_extension("lock");
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
        let mut bans = before.clone();
        change(&mut bans);
        let json = serde_json::to_vec(&bans).unwrap_or_default();
        write_private(&self.0, &json)?;
        Ok((before, bans))
    }

    /// When the file was changed last, to see that it was.
    pub fn changed(&self) -> Option<SystemTime> {
        fs::metadata(&self.0).ok()?.modified().ok()
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
