//! What servers and the commands of a person share without a server in between: files, or values of a cluster.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::OpenOptions;
use std::marker::PhantomData;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bailiwick_identity::shared::{Shared, SharedError, SharedValues};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::seal::{Seal, SealError, read_private, write_private};
use crate::store::ATTEMPTS;

/// Something that processes change one after another: a file (0600) under a lock, or a sealed value among those that
/// replicas share, by compare-and-swap.
pub struct Ledger<T> {
    place: Place,
    what: PhantomData<fn() -> T>,
}

#[derive(Clone)]
enum Place {
    File(PathBuf),
    Shared {
        values: Arc<dyn SharedValues>,
        seal: Arc<Seal>,
        name: &'static str,
    },
}

/// What a ledger can keep. A change to something equal writes nothing.
pub trait Entries: Clone + Default + PartialEq + Serialize + DeserializeOwned {}

impl<T: Clone + Default + PartialEq + Serialize + DeserializeOwned> Entries for T {}

/// What was read for several ledgers of one place at one moment: values that replicas share are asked for once.
pub struct Read(Option<Shared>);

/// Why what is kept cannot be read or changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// A file cannot be read or written, or a value was sealed by somebody else.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Values that replicas share.
    #[error(transparent)]
    Shared(#[from] SharedError),
}

impl<T> Clone for Ledger<T> {
    fn clone(&self) -> Self {
        let (place, what) = (self.place.clone(), PhantomData);
        Self { place, what }
    }
}

impl<T> fmt::Debug for Ledger<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File(path) => write!(f, "Ledger({})", path.display()),
            Place::Shared { name, .. } => write!(f, "Ledger({name})"),
        }
    }
}

impl<T: Entries> Ledger<T> {
    /// What is in this file; `PATH.lock` beside it is the lock.
    pub fn file(path: PathBuf) -> Self {
        let (place, what) = (Place::File(path), PhantomData);
        Self { place, what }
    }

    /// What has this name among values that replicas share.
    pub fn shared(values: Arc<dyn SharedValues>, seal: Arc<Seal>, name: &'static str) -> Self {
        let place = Place::Shared { values, seal, name };
        let what = PhantomData;
        Self { place, what }
    }

    /// What is kept; nothing where nothing was ever put there.
    ///
    /// # Errors
    /// When it cannot be read, or is open to others. Nobody may be let through then.
    pub fn load(&self) -> Result<T, LedgerError> {
        self.load_from(&self.read()?)
    }

    /// Reads what this and other ledgers of the same place are loaded from.
    ///
    /// # Errors
    /// When values that replicas share cannot be read.
    pub fn read(&self) -> Result<Read, LedgerError> {
        Ok(Read(match &self.place {
            Place::File(_) => None,
            Place::Shared { values, .. } => values.read()?,
        }))
    }

    /// What is kept, as [`Ledger::load`] gives it, by what was read for this place.
    ///
    /// # Errors
    /// As [`Ledger::load`].
    pub fn load_from(&self, Read(shared): &Read) -> Result<T, LedgerError> {
        match &self.place {
            Place::File(path) => match read_private(path)? {
                None => Ok(T::default()),
                Some(json) => parse(&json, &path.display().to_string()),
            },
            Place::Shared { seal, name, .. } => opened(shared.as_ref(), seal, name),
        }
    }

    /// Changes it. Gives what it was and what it is; nobody else changes it in between. `change` is asked again where
    /// somebody did.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn change(&self, mut change: impl FnMut(&mut T)) -> Result<(T, T), LedgerError> {
        match &self.place {
            Place::File(path) => self.change_file(path, change),
            Place::Shared { values, seal, name } => {
                for _ in 0..ATTEMPTS {
                    let shared = values.read()?;
                    let before: T = opened(shared.as_ref(), seal, name)?;
                    let mut after = before.clone();
                    change(&mut after);
                    if after == before {
                        return Ok((before, after));
                    }
                    let sealed = seal.seal(&place_of(name), &json(&after, name)?)?;
                    let changes = BTreeMap::from([((*name).to_owned(), Some(sealed))]);
                    let version = shared.as_ref().map(|shared| &shared.version);
                    match values.change(version, &changes) {
                        Err(SharedError::Conflict) => {}
                        outcome => return Ok(outcome.map(|()| (before, after))?),
                    }
                }
                Err(SharedError::Conflict.into())
            }
        }
    }

    fn change_file(
        &self,
        path: &Path,
        mut change: impl FnMut(&mut T),
    ) -> Result<(T, T), LedgerError> {
        let lock = path.with_added_extension("lock");
        let error = |source| SealError::Io {
            path: lock.clone(),
            source,
        };
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock)
            .map_err(error)?;
        file.lock().map_err(error)?;
        let before = self.load()?;
        let mut after = before.clone();
        change(&mut after);
        if after != before {
            write_private(path, &json(&after, &path.display().to_string())?)?;
        }
        Ok((before, after))
    }
}

/// What a value is sealed for.
fn place_of(name: &str) -> String {
    format!("ledger {name}")
}

fn opened<T: Default + DeserializeOwned>(
    shared: Option<&Shared>,
    seal: &Seal,
    name: &str,
) -> Result<T, LedgerError> {
    let Some(sealed) = shared.and_then(|shared| shared.values.get(name)) else {
        return Ok(T::default());
    };
    parse(&seal.open(&place_of(name), sealed)?, name)
}

fn parse<T: DeserializeOwned>(json: &[u8], place: &str) -> Result<T, LedgerError> {
    let parsed = serde_json::from_slice(json);
    parsed.map_err(|_| SealError::Broken(place.to_owned()).into())
}

fn json<T: Serialize>(value: &T, place: &str) -> Result<Vec<u8>, LedgerError> {
    serde_json::to_vec(value).map_err(|_| SealError::Broken(place.to_owned()).into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use bailiwick_identity::rules::{Banned, Bans};

    use super::*;

    #[test]
    fn bans_are_kept_and_a_broken_file_bans_nobody_silently() {
        let dir = tempfile::tempdir().unwrap();
        let file = Ledger::<Bans>::file(dir.path().join("bans"));
        assert_eq!(file.load().unwrap(), Bans::default());
        let who: Banned = "node:n1".parse().unwrap();
        let ban = |bans: &mut Bans| bans.insert(who.clone(), "stolen");
        let (before, after) = file.change(ban).unwrap();
        assert_eq!(before.changes(&after).len(), 1);
        assert_eq!(file.load().unwrap().of_node("n1"), Some("stolen"));
        // A change to what was there writes nothing.
        let written = || std::fs::metadata(dir.path().join("bans")).unwrap().ino();
        let first = written();
        file.change(|bans| bans.insert(who.clone(), "stolen"))
            .unwrap();
        assert_eq!(written(), first);
        write_private(&dir.path().join("bans"), b"{").unwrap();
        let broken = |error| matches!(error, LedgerError::Seal(SealError::Broken(_)));
        assert!(broken(file.load().unwrap_err()));
        assert!(file.change(|_| ()).is_err());
    }
}
