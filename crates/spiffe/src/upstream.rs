//! An authority above ours, whose key signs our intermediate ones.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use bailiwick_identity::x509::{self, UpstreamError};
use bailiwick_identity::{PublicKey, SignError, Signer, TrustDomain, UnixTime};
use thiserror::Error;

use crate::keys::{KeyStoreError, KeyUri, KeyUriError, Pkcs11Keys, Pkcs11Options, private_key};
use crate::pem;
use crate::seal::{SealError, read_private};

/// More than any file with certificates has, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// Where an authority above ours is. Everything is read again each time the authority looks after its keys.
#[derive(Clone, Debug)]
pub struct UpstreamOptions {
    /// Its certificate and those between it and its root, in PEM; the root may be the last.
    pub certificate: PathBuf,
    /// Its roots in PEM, where they are not in the same file, and those that it will have.
    pub roots: Option<PathBuf>,
    /// Its key.
    pub key: UpstreamKey,
}

/// Where the key of an authority above ours is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamKey {
    /// In a file, as PKCS#8 in PEM.
    File(PathBuf),
    /// In a PKCS#11 token.
    Token(KeyUri),
}

impl FromStr for UpstreamKey {
    type Err = KeyUriError;

    fn from_str(text: &str) -> Result<Self, KeyUriError> {
        match text.starts_with("pkcs11:") {
            true => Ok(Self::Token(text.parse()?)),
            false => Ok(Self::File(text.into())),
        }
    }
}

/// Why an authority above ours signs nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UpstreamFailure {
    /// A file cannot be read.
    #[error("cannot use `{path}`: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file without certificates.
    #[error("`{0}` holds no certificates in PEM, or broken ones")]
    Certificates(PathBuf),
    /// The certificates do not do.
    #[error("`{path}`: {error}")]
    Refused {
        /// The file with the certificate.
        path: PathBuf,
        /// Why not.
        #[source]
        error: UpstreamError,
    },
    /// The file with the key is open to others.
    #[error(transparent)]
    Exposed(#[from] SealError),
    /// The file holds no key that can be read.
    #[error(
        "`{0}` holds no key of the kind of its certificate as PKCS#8 in PEM without a password: `openssl pkcs8 -topk8 -nocrypt` makes one"
    )]
    Key(PathBuf),
    /// The token.
    #[error(transparent)]
    Token(#[from] KeyStoreError),
    /// The key signs something else than what its certificate says.
    #[error("the key is not that of the certificate in `{0}`: exchange both")]
    OtherKey(PathBuf),
    /// It does not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// A validator would refuse what is signed.
    #[error("what is signed with the authority in `{path}` is refused: {why}")]
    Useless {
        /// The file with the certificate.
        path: PathBuf,
        /// What a validator says.
        why: String,
    },
    /// Validators may not know its root yet.
    #[error("the root of `{path}` signs from {at} on: until then validators may not know it")]
    TooNew {
        /// The file with the certificate.
        path: PathBuf,
        /// From when on.
        at: UnixTime,
    },
    /// Its root was tainted or revoked here.
    #[error("the root of `{0}` was tainted here: it signs no more")]
    Tainted(PathBuf),
}

/// An authority above ours.
pub(crate) struct Upstream {
    options: UpstreamOptions,
    /// An open session; none after it failed.
    token: Mutex<Option<Pkcs11Keys>>,
}

/// The same at one moment.
pub(crate) struct Above {
    /// Its certificates.
    pub(crate) path: x509::Upstream,
    /// Its key.
    pub(crate) signer: Arc<dyn Signer>,
}

impl Upstream {
    pub(crate) fn new(options: UpstreamOptions) -> Self {
        let token = Mutex::new(None);
        Self { options, token }
    }

    /// The file that names it in messages.
    pub(crate) fn path(&self) -> PathBuf {
        self.options.certificate.clone()
    }

    /// Reads it, and tries its key.
    pub(crate) fn load(
        &self,
        domain: &TrustDomain,
        now: UnixTime,
    ) -> Result<Above, UpstreamFailure> {
        let chain = certificates(&self.options.certificate)?;
        let roots = self
            .options
            .roots
            .as_deref()
            .map(certificates)
            .transpose()?;
        let path = x509::Upstream::check(chain, roots.unwrap_or_default(), domain, now);
        let path = path.map_err(|error| UpstreamFailure::Refused {
            path: self.path(),
            error,
        })?;
        let signer = match &self.options.key {
            UpstreamKey::File(file) => self.in_file(file, path.key())?,
            UpstreamKey::Token(uri) => self.in_token(uri, path.key())?,
        };
        // Whoever exchanges two files exchanges one of them first.
        let probe = b"bailiwick: is this the key of the certificate?";
        if !path.key().verifies(probe, &signer.sign(probe)?) {
            return Err(UpstreamFailure::OtherKey(self.path()));
        }
        Ok(Above { path, signer })
    }

    fn in_file(&self, file: &Path, public: &PublicKey) -> Result<Arc<dyn Signer>, UpstreamFailure> {
        let missing = || UpstreamFailure::File {
            path: file.to_owned(),
            source: io::ErrorKind::NotFound.into(),
        };
        let text = read_private(file)?.ok_or_else(missing)?;
        let key = private_key(public.key_type(), &text);
        key.ok_or_else(|| UpstreamFailure::Key(file.to_owned()))
    }

    fn in_token(
        &self,
        uri: &KeyUri,
        public: &PublicKey,
    ) -> Result<Arc<dyn Signer>, UpstreamFailure> {
        let mut token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        // A session that was lost is opened anew next time.
        let keys = match token.take() {
            Some(keys) => keys,
            None => {
                let pin = read_private(&uri.pin_source)?.ok_or_else(|| UpstreamFailure::File {
                    path: uri.pin_source.clone(),
                    source: io::ErrorKind::NotFound.into(),
                })?;
                Pkcs11Keys::open(&Pkcs11Options {
                    module: uri.module.clone(),
                    token: uri.token.clone(),
                    pin: String::from_utf8_lossy(&pin).trim_end().to_owned().into(),
                })?
            }
        };
        let signer = keys.labelled(&uri.object, public)?;
        *token = Some(keys);
        Ok(signer)
    }
}

fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, UpstreamFailure> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE).read_to_string(&mut text));
    read.map_err(|source| UpstreamFailure::File {
        path: path.to_owned(),
        source,
    })?;
    let ders = pem::decode("CERTIFICATE", &text);
    ders.ok_or_else(|| UpstreamFailure::Certificates(path.to_owned()))
}
