use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use bailiwick_identity::rotation::KeyId;
use bailiwick_identity::{KeyType, Signer};

use super::{KeyStore, KeyStoreError, sealed};
use crate::seal::{Seal, SealError, read_private, write_private};

/// Keys in files of their own (0600), each sealed for its name.
pub struct FileKeys {
    folder: PathBuf,
    seal: Arc<Seal>,
}

impl FileKeys {
    /// Keys below `folder`, which has to be there.
    pub fn new(folder: &Path, seal: Arc<Seal>) -> Self {
        Self {
            folder: folder.to_owned(),
            seal,
        }
    }

    fn path(&self, id: &KeyId) -> Result<PathBuf, KeyStoreError> {
        Ok(self.folder.join(format!("{}.key", sealed::name(id)?)))
    }
}

impl KeyStore for FileKeys {
    fn generate(&self, id: &KeyId, key_type: KeyType) -> Result<Arc<dyn Signer>, KeyStoreError> {
        let path = self.path(id)?;
        if path.exists() {
            return Err(KeyStoreError::Exists(id.clone()));
        }
        let (key, sealed) = sealed::generate(&self.seal, id, key_type)?;
        write_private(&path, &sealed)?;
        Ok(Arc::new(key))
    }

    fn signer(&self, id: &KeyId) -> Result<Option<Arc<dyn Signer>>, KeyStoreError> {
        let Some(sealed) = read_private(&self.path(id)?)? else {
            return Ok(None);
        };
        Ok(Some(Arc::new(sealed::open(&self.seal, id, &sealed)?)))
    }

    fn remove(&self, id: &KeyId) -> Result<(), KeyStoreError> {
        let path = self.path(id)?;
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(SealError::Io { path, source }.into())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::keys::conformance;

    fn open(folder: &Path) -> FileKeys {
        FileKeys::new(folder, Arc::new(Seal::new(&[1; 32]).unwrap()))
    }

    #[test]
    fn file_keys_conform() {
        let dir = tempfile::tempdir().unwrap();
        conformance::run(&|| Box::new(open(dir.path())), &KeyType::ALL[..3]);
    }

    #[test]
    fn keys_are_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let id = KeyId::new([3; 16]);
        let made = open(dir.path()).generate(&id, KeyType::EcP256).unwrap();
        let again = open(dir.path()).signer(&id).unwrap().unwrap();
        assert_eq!(made.public_key(), again.public_key());
    }

    #[test]
    fn files_of_keys_are_sealed_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (KeyId::new([1; 16]), KeyId::new([2; 16]));
        let keys = open(dir.path());
        keys.generate(&one, KeyType::EcP256).unwrap();
        let path = |id: &KeyId| dir.path().join(format!("{id}.key"));
        let mode = fs::metadata(path(&one)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // A key under another name is not that key.
        fs::copy(path(&one), path(&two)).unwrap();
        assert!(keys.signer(&two).is_err());
        let other = FileKeys::new(dir.path(), Arc::new(Seal::new(&[2; 32]).unwrap()));
        assert!(other.signer(&one).is_err());
        fs::set_permissions(path(&one), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(keys.signer(&one).is_err());
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            2,
            "nothing temporary stays"
        );
    }

    #[test]
    fn a_name_is_no_path() {
        let dir = tempfile::tempdir().unwrap();
        let id: KeyId = serde_json::from_str("\"../x\"").unwrap();
        assert!(open(dir.path()).signer(&id).is_err());
        assert!(open(dir.path()).generate(&id, KeyType::EcP256).is_err());
    }
}
