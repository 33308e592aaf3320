use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bailiwick_identity::federation::{FederationError, admit};
use bailiwick_identity::{Bundle, TrustDomain, UnixTime};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::embedded::private_folder;
use crate::seal::{Seal, SealError, read_private, write_private};

/// Bundles of other trust domains in a folder, sealed, one file each: what was believed last is there after a restart,
/// when their endpoints may not be.
#[derive(Clone)]
pub struct KeptBundles {
    folder: PathBuf,
    seal: Arc<Seal>,
}

/// The last good bundle of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The bundle.
    pub bundle: Bundle,
    /// When it was fetched.
    pub fetched: UnixTime,
}

/// Why a bundle is not kept.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeepError {
    /// It does not take the place of the one that is there.
    #[error(transparent)]
    Refused(#[from] FederationError),
    /// A file cannot be read or written.
    #[error(transparent)]
    Seal(#[from] SealError),
}

#[derive(Serialize, Deserialize)]
struct Wire {
    fetched: u64,
    bundle: serde_json::Value,
}

impl KeptBundles {
    /// The bundles in this folder, which is made where it is not there.
    ///
    /// # Errors
    /// When the folder cannot be made, or is open to others.
    pub fn open(folder: &Path, seal: Arc<Seal>) -> Result<Self, SealError> {
        private_folder(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            seal,
        })
    }

    fn path(&self, domain: &TrustDomain) -> PathBuf {
        self.folder.join(format!("{domain}.bundle"))
    }

    fn place(domain: &TrustDomain) -> String {
        format!("federation/{domain}")
    }

    /// The bundle of a domain, where one is kept.
    ///
    /// # Errors
    /// When its file cannot be read, or was changed by somebody else.
    pub fn load(&self, domain: &TrustDomain) -> Result<Option<Kept>, SealError> {
        let Some(sealed) = read_private(&self.path(domain))? else {
            return Ok(None);
        };
        let place = Self::place(domain);
        let plain = self.seal.open(&place, &sealed)?;
        let broken = || SealError::Broken(place.clone());
        let wire: Wire = serde_json::from_slice(&plain).map_err(|_| broken())?;
        let json = wire.bundle.to_string();
        let bundle = Bundle::from_json(domain.clone(), json.as_bytes()).map_err(|_| broken())?;
        Ok(Some(Kept {
            bundle,
            fetched: UnixTime::new(wire.fetched),
        }))
    }

    /// Keeps a bundle that was fetched, unless it must not take the place of the one that is there; `reset` takes it
    /// though it is older. One process after another: others do the same.
    ///
    /// # Errors
    /// When it is refused, or cannot be written.
    pub fn keep(&self, bundle: &Bundle, now: UnixTime, reset: bool) -> Result<(), KeepError> {
        let domain = bundle.trust_domain();
        let lock = self.folder.join(".lock");
        let error = |source| SealError::Io {
            path: lock.clone(),
            source,
        };
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(false).mode(0o600);
        let held = options.open(&lock).map_err(error)?;
        held.lock().map_err(error)?;
        let before = self.load(domain)?.filter(|_| !reset);
        admit(bundle, before.as_ref().map(|kept| &kept.bundle))?;
        let wire = Wire {
            fetched: now.seconds(),
            bundle: bundle.to_json(),
        };
        let plain = serde_json::to_vec(&wire).unwrap_or_default();
        let sealed = self.seal.seal(&Self::place(domain), &plain)?;
        Ok(write_private(&self.path(domain), &sealed)?)
    }

    /// When a bundle was written last, to see that another process did.
    pub fn changed(&self, domain: &TrustDomain) -> Option<SystemTime> {
        fs::metadata(self.path(domain)).ok()?.modified().ok()
    }
}

impl std::fmt::Debug for KeptBundles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeptBundles({})", self.folder.display())
    }
}
