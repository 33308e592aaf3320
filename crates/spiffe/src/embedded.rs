use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bailiwick_identity::agents::{Admissions, Agents};
use bailiwick_identity::revoked::{Issuers, Listed};
use bailiwick_identity::rules::Bans;
use bailiwick_identity::shared::SharedValues;

use crate::keys::{FileKeys, KeyStore, Pkcs11Keys, Pkcs11Options, SharedKeys};
use crate::ledger::{Entries, Ledger};
use crate::seal::{Seal, SealError};
use crate::store::{FileState, SharedState, StateStore};
use crate::{Authority, AuthorityError, Evidence, KeptBundles, Options, SystemClock};

/// Where an authority without a server keeps what it has.
#[derive(Clone)]
pub struct Embedded {
    /// The folder of its state and keys (0700).
    pub folder: PathBuf,
    /// The file with the key that seals them; `seal.key` in the folder where none is named.
    pub seal_key: Option<PathBuf>,
    /// The hardware module that holds its keys in place of files.
    pub pkcs11: Option<Pkcs11Options>,
    /// Values that replicas share, which hold state and keys in place of files.
    pub shared: Option<Arc<dyn SharedValues>>,
}

impl Embedded {
    /// Opens the authority that is there, or makes one. Without evidence nothing is written of what becomes of its keys:
    /// whoever opens it next with evidence writes where they stand then.
    ///
    /// # Errors
    /// When the folder is open to others, or anything in it cannot be read or made.
    pub fn open(
        &self,
        options: Options,
        evidence: Option<Evidence>,
    ) -> Result<Authority, AuthorityError> {
        let seal = self.seal()?;
        let shared = |shared: &Arc<dyn SharedValues>| (Arc::clone(shared), Arc::clone(&seal));
        let keys: Box<dyn KeyStore> = match (&self.pkcs11, self.shared.as_ref().map(shared)) {
            (Some(options), _) => Box::new(Pkcs11Keys::open(options)?),
            (None, Some((values, seal))) => Box::new(SharedKeys::new(values, seal)),
            (None, None) => {
                let folder = self.folder.join("keys");
                private_folder(&folder)?;
                Box::new(FileKeys::new(&folder, Arc::clone(&seal)))
            }
        };
        let state: Box<dyn StateStore> = match self.shared.as_ref().map(shared) {
            Some((values, seal)) => Box::new(SharedState::new(values, seal)),
            None => Box::new(FileState::new(&self.folder.join("authority"), seal)),
        };
        let clock = Arc::new(SystemClock);
        Authority::open(options, keys, state, clock, evidence)
    }
}

impl Embedded {
    /// Who is banned.
    ///
    /// # Errors
    /// When replicas share it, and the key that seals it cannot be read.
    pub fn bans(&self) -> Result<Ledger<Bans>, SealError> {
        self.ledger("bans")
    }

    /// Which agents of nodes may come in.
    ///
    /// # Errors
    /// As [`Embedded::bans`].
    pub fn admissions(&self) -> Result<Ledger<Admissions>, SealError> {
        self.ledger("admissions")
    }

    /// Which certificates count no more, and the number of the last lists of them.
    ///
    /// # Errors
    /// As [`Embedded::bans`].
    pub fn revoked(&self) -> Result<Ledger<Listed>, SealError> {
        self.ledger("revoked")
    }

    /// Which intermediate authorities there are, where lists of revoked certificates are signed.
    ///
    /// # Errors
    /// As [`Embedded::bans`].
    pub fn issuers(&self) -> Result<Ledger<Issuers>, SealError> {
        self.ledger("issuers")
    }

    /// The agents that this server let in. Each writes its own ones down, all the time.
    pub fn agents(&self) -> Ledger<Agents> {
        Ledger::file(self.folder.join("agents"))
    }

    fn ledger<T: Entries>(&self, name: &'static str) -> Result<Ledger<T>, SealError> {
        Ok(match &self.shared {
            Some(values) => Ledger::shared(Arc::clone(values), self.seal()?, name),
            None => Ledger::file(self.folder.join(name)),
        })
    }

    /// The bundles of other trust domains that it keeps.
    ///
    /// # Errors
    /// When the folder is open to others, or the key that seals it cannot be read or made.
    pub fn kept_bundles(&self) -> Result<KeptBundles, SealError> {
        KeptBundles::open(&self.folder.join("federation"), self.seal()?)
    }

    fn seal(&self) -> Result<Arc<Seal>, SealError> {
        private_folder(&self.folder)?;
        let named = self.seal_key.clone();
        let seal_key = named.unwrap_or_else(|| self.folder.join("seal.key"));
        // Each replica with a key of its own could read nothing of the others.
        if self.shared.is_some() && !seal_key.exists() {
            return Err(SealError::Key(seal_key));
        }
        Ok(Arc::new(Seal::open_or_create(&seal_key)?))
    }
}

/// Makes a folder for us alone, or checks that it is.
///
/// # Errors
/// When it cannot be made, is somebody else's, or is open to others.
pub fn private_folder(path: &Path) -> Result<(), SealError> {
    let error = |source: io::Error| SealError::Io {
        path: path.to_owned(),
        source,
    };
    if path.exists() && !path.is_dir() {
        return Err(error(io::ErrorKind::NotADirectory.into()));
    }
    let mut builder = fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(error)?;
    let meta = fs::metadata(path).map_err(error)?;
    let problem = if meta.mode() & 0o022 != 0 {
        format!("has mode {:o}", meta.mode() & 0o777)
    } else if meta.uid() != nix::unistd::geteuid().as_raw() {
        format!("belongs to user {}", meta.uid())
    } else {
        return Ok(());
    };
    Err(SealError::Exposed {
        path: path.to_owned(),
        problem,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use bailiwick_identity::{KeyType, TrustDomain};

    use super::*;

    #[test]
    fn an_authority_in_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        let embedded = Embedded {
            folder: folder.clone(),
            seal_key: None,
            pkcs11: None,
            shared: None,
        };
        let options = Options {
            jwt_keys: vec![KeyType::EcP256],
            ..Options::new(TrustDomain::parse("td").unwrap())
        };
        let bundle = embedded.open(options.clone(), None).unwrap().bundle();
        let again = embedded.open(options.clone(), None).unwrap();
        assert_eq!(again.bundle(), bundle);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        for file in ["authority", "seal.key"] {
            assert_eq!(mode(&folder.join(file)), 0o600, "{file}");
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        let error = embedded.open(options, None).unwrap_err().to_string();
        assert!(error.contains("has mode 777"), "{error}");
    }
}
