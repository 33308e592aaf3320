use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use thiserror::Error;
use zeroize::Zeroizing;

/// Files that are read whole are never longer.
const MAX_FILE: u64 = 4 * 1024 * 1024;
/// The first byte of everything sealed: which form it has.
const FORMAT: u8 = 1;

/// Encrypts what is stored (AES-256-GCM, a random nonce each time) with a key that lies in a file of its own, so that a
/// copy of the stored files alone is worth nothing.
pub struct Seal {
    key: RandomizedNonceKey,
}

/// Why something sealed cannot be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SealError {
    /// A file cannot be used.
    #[error("cannot use `{path}`")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// There is a directory where a file was to be.
    #[error("`{0}` is a directory: name a file in it")]
    Directory(PathBuf),
    /// Others can read the file, or it is somebody else's.
    #[error(
        "`{path}` {problem}: others could read or change what is in it; run `chmod go-rwx` on it or take it over"
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The file with the key holds something else.
    #[error(
        "`{0}` holds no sealing key of 32 bytes: restore it, since nothing can be opened without it"
    )]
    Key(PathBuf),
    /// It was sealed with another key, for another place, or changed.
    #[error("`{0}` cannot be opened: it was sealed with another key, or was changed")]
    Broken(String),
    /// There is no randomness.
    #[error("the system gave no random numbers")]
    Random,
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(..)")
    }
}

impl Seal {
    /// The seal whose key lies in `path`; makes the file (0600) where it is not there.
    ///
    /// # Errors
    /// When the file cannot be read or made, holds no key, or is open to others.
    pub fn open_or_create(path: &Path) -> Result<Self, SealError> {
        if let Some(bytes) = read_private(path)? {
            let key = <[u8; 32]>::try_from(bytes.as_slice());
            return Self::new(&Zeroizing::new(
                key.map_err(|_| SealError::Key(path.to_owned()))?,
            ));
        }
        let mut key = Zeroizing::new([0; 32]);
        fill(key.as_mut())?;
        write_private(path, key.as_ref())?;
        Self::new(&key)
    }

    /// A seal with this key.
    ///
    /// # Errors
    /// Never for a key of this length; the library below asks for it.
    pub fn new(key: &[u8; 32]) -> Result<Self, SealError> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| SealError::Random)?;
        Ok(Self { key })
    }

    /// Seals `plain` for one `place`: it opens nowhere else.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn seal(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut text = plain.to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut text)
            .map_err(|_| SealError::Random)?;
        let mut sealed = vec![FORMAT];
        sealed.extend(nonce.as_ref());
        sealed.extend(text);
        Ok(sealed)
    }

    /// Opens what was sealed for `place`.
    ///
    /// # Errors
    /// When it was sealed for another place, with another key, or changed since.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let broken = || SealError::Broken(place.to_owned());
        let (format, rest) = sealed.split_first().ok_or_else(broken)?;
        if *format != FORMAT || rest.len() < NONCE_LEN {
            return Err(broken());
        }
        let (nonce, text) = rest.split_at(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken())?;
        let mut text = Zeroizing::new(text.to_vec());
        let aad = Aad::from(place.as_bytes());
        let opened = self.key.open_in_place(nonce, aad, &mut text);
        let length = opened.map_err(|_| broken())?.len();
        text.truncate(length);
        Ok(text)
    }
}

/// Fills `bytes` with random ones.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), SealError> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| SealError::Random)
}

/// 16 random bytes.
pub(crate) fn random() -> Result<[u8; 16], SealError> {
    let mut bytes = [0; 16];
    fill(&mut bytes)?;
    Ok(bytes)
}

/// A random number from 0 to 1.
pub(crate) fn fraction() -> f64 {
    let [byte, ..] = random().unwrap_or_default();
    f64::from(byte) / 255.0
}

/// Reads a file that must belong to us alone; `None` where there is none.
pub(crate) fn read_private(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, SealError> {
    let error = |source| SealError::Io {
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(error(source)),
    };
    // Of the open file, so that nobody exchanges it in between.
    let meta = file.metadata().map_err(error)?;
    if meta.is_dir() {
        return Err(SealError::Directory(path.to_owned()));
    }
    let exposed = |problem: String| SealError::Exposed {
        path: path.to_owned(),
        problem,
    };
    if meta.mode() & 0o077 != 0 {
        return Err(exposed(format!("has mode {:o}", meta.mode() & 0o777)));
    }
    let own = nix::unistd::geteuid().as_raw();
    if meta.uid() != own {
        return Err(exposed(format!("belongs to user {}", meta.uid())));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(error)?;
    Ok(Some(bytes))
}

/// Writes a file for us alone, whole or not at all: it survives a crash at any point.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), SealError> {
    let error = |source| SealError::Io {
        path: path.to_owned(),
        source,
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let suffix = u128::from_be_bytes(random()?);
    let temporary = folder.join(format!(".{name}.{suffix:032x}"));
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|source| {
        let _ = fs::remove_file(&temporary);
        error(source)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_sealed_opens_in_its_place_alone() {
        let seal = Seal::new(&[7; 32]).unwrap();
        let sealed = seal.seal("a", b"secret").unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        assert_eq!(seal.open("a", &sealed).unwrap().as_slice(), b"secret");
        assert!(seal.open("b", &sealed).is_err());
        assert!(Seal::new(&[8; 32]).unwrap().open("a", &sealed).is_err());
        assert_ne!(seal.seal("a", b"secret").unwrap(), sealed);
        for at in 0..sealed.len() {
            let mut other = sealed.clone();
            other[at] ^= 1;
            assert!(seal.open("a", &other).is_err(), "byte {at}");
            assert!(seal.open("a", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn the_key_file_is_made_once_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seal.key");
        let sealed = Seal::open_or_create(&path)
            .unwrap()
            .seal("a", b"x")
            .unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = Seal::open_or_create(&path).unwrap();
        assert_eq!(again.open("a", &sealed).unwrap().as_slice(), b"x");
        assert_eq!(format!("{again:?}"), "Seal(..)");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Seal::open_or_create(&path).unwrap_err().to_string();
        assert!(error.contains("has mode 640"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "short").unwrap();
        let error = Seal::open_or_create(&path).unwrap_err().to_string();
        assert!(error.contains("holds no sealing key"), "{error}");
        // Whatever its mode is, that is not what is wrong with it.
        let error = Seal::open_or_create(dir.path()).unwrap_err().to_string();
        assert!(error.contains("is a directory"), "{error}");
    }
}
