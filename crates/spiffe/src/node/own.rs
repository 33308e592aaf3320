//! The identity of the agent itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bailiwick_identity::x509::{self, Validity};
use bailiwick_identity::{Bundle, BundleError, KeyType, SpiffeId, TrustDomain, UnixTime};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use zeroize::Zeroizing;

use super::held::own_certificate;
use crate::BACKDATE;
use crate::channel::Shows;
use crate::clock::{Due, apart, life};
use crate::keys::WorkloadKey;
use crate::pem;
use crate::seal::{SealError, read_private, write_private};
use crate::tls::shows;
use crate::wire::issuer::JoinResponse;
use crate::wire::issuer::join_request::Proof;

/// A token or certificate is never longer, in bytes.
const MAX_FILE: u64 = 1024 * 1024;
/// Where an agent keeps its identity, in its folder.
const FILE: &str = "agent.pem";

/// What proves to the server which node an agent is on.
#[derive(Clone, Debug)]
pub enum NodeProof {
    /// A file with a token of the service account of the agent, which the kubelet renews.
    TokenFile(PathBuf),
    /// A file with a join token, good for one time.
    JoinTokenFile(PathBuf),
    /// Files with a certificate of the node and its key in PEM.
    Certificate {
        /// Leaf first.
        chain: PathBuf,
        /// In any form that has a name: those of kubelets too.
        key: PathBuf,
    },
}

/// Why a file of this agent cannot be used.
#[derive(Debug, Error)]
pub(super) enum FileError {
    #[error("`{0}` cannot be read: {1}")]
    Unreadable(PathBuf, std::io::Error),
    #[error("`{0}` is longer than {MAX_FILE} bytes")]
    TooLong(PathBuf),
    #[error("`{0}` holds no {1}")]
    Other(PathBuf, &'static str),
    #[error("`{0}` holds no bundle: {1}")]
    Bundle(PathBuf, BundleError),
    #[error("`{0}` is left aside, and the agent joins again: {1}")]
    Kept(PathBuf, String),
    #[error(transparent)]
    Private(#[from] SealError),
}

impl NodeProof {
    /// What is said in the request.
    pub(super) fn said(&self) -> Result<Option<Proof>, FileError> {
        let line = |path: &Path| text(path).map(|text| text.trim().to_owned());
        Ok(match self {
            Self::TokenFile(path) => Some(Proof::ServiceAccountToken(line(path)?)),
            Self::JoinTokenFile(path) => Some(Proof::JoinToken(line(path)?)),
            Self::Certificate { .. } => None,
        })
    }

    /// What is shown in the handshake.
    pub(super) fn shown(&self) -> Result<Option<Shows>, FileError> {
        let Self::Certificate { chain, key } = self else {
            return Ok(None);
        };
        let certificates = pem::decode("CERTIFICATE", &text(chain)?);
        let certificates =
            certificates.ok_or_else(|| FileError::Other(chain.clone(), "certificate in PEM"))?;
        let der = PrivateKeyDer::from_pem_slice(text(key)?.as_bytes());
        let der = der.map_err(|_| FileError::Other(key.clone(), "private key in PEM"))?;
        let certificates = certificates.into_iter().map(CertificateDer::from);
        Ok(Some((certificates.collect(), der)))
    }
}

fn text(path: &Path) -> Result<Zeroizing<String>, FileError> {
    use std::io::Read as _;
    let unreadable = |error| FileError::Unreadable(path.to_owned(), error);
    let mut text = Zeroizing::new(String::new());
    let file = fs::File::open(path).map_err(unreadable)?;
    let read = file.take(MAX_FILE + 1).read_to_string(&mut text);
    match read.map_err(unreadable)? as u64 > MAX_FILE {
        true => Err(FileError::TooLong(path.to_owned())),
        false => Ok(text),
    }
}

/// Reads the keys that the server is known by.
pub(super) fn trust_bundle(path: &Path, domain: &TrustDomain) -> Result<Bundle, FileError> {
    let text = text(path)?;
    let other = || FileError::Other(path.to_owned(), "SPIFFE bundle and no roots in PEM");
    let unreadable = |error| FileError::Bundle(path.to_owned(), error);
    if text.trim_start().starts_with('{') {
        return Bundle::from_json(domain.clone(), text.as_bytes()).map_err(unreadable);
    }
    let mut bundle = Bundle::new(domain.clone());
    for root in pem::decode("CERTIFICATE", &text).ok_or_else(other)? {
        bundle.add_x509(root).map_err(unreadable)?;
    }
    Ok(bundle)
}

/// The agent's own certificate and key.
pub(super) struct Own {
    pub(super) id: SpiffeId,
    chain: Vec<Vec<u8>>,
    key: WorkloadKey,
    validity: Validity,
    /// When the next one is asked for.
    pub(super) due: Due,
}

impl Own {
    /// A certificate that came for this key just now.
    pub(super) fn of(
        response: JoinResponse,
        key: WorkloadKey,
        bundle: &Bundle,
        now: UnixTime,
    ) -> Result<Self, String> {
        let id = SpiffeId::parse(&response.spiffe_id).map_err(|error| error.to_string())?;
        let validity = own_certificate(&response.chain, &key, &id, bundle, now)?;
        Ok(Self {
            id,
            chain: response.chain,
            key,
            validity,
            due: Due::half([(validity.not_after, life(validity))].into_iter(), now),
        })
    }

    /// What is shown in handshakes.
    pub(super) fn shown(&self) -> Shows {
        shows(&self.chain, &self.key)
    }

    pub(super) fn counts(&self, now: UnixTime) -> bool {
        now < self.validity.not_after
    }

    /// What is wrong with the clocks, where it came just now.
    pub(super) fn apart(&self, now: UnixTime) -> Option<String> {
        apart(self.validity, now)
    }

    /// Keeps it over a restart.
    pub(super) fn store(&self, folder: &Path) -> Result<(), FileError> {
        let key = pem::encode("PRIVATE KEY", &self.key.pkcs8);
        let text = Zeroizing::new(key.to_string() + &pem::certificates(&self.chain));
        Ok(write_private(&folder.join(FILE), text.as_bytes())?)
    }

    /// What was kept, where anything was. That it has run out is said later: the clock may be wrong.
    pub(super) fn load(
        folder: &Path,
        bundle: &Bundle,
        now: UnixTime,
    ) -> Result<Option<Self>, FileError> {
        let path = folder.join(FILE);
        let Some(text) = read_private(&path)? else {
            return Ok(None);
        };
        match Self::read(&text, bundle, now) {
            Ok(kept) => Ok(Some(kept)),
            Err(why) => Err(FileError::Kept(path, why)),
        }
    }

    fn read(text: &[u8], bundle: &Bundle, now: UnixTime) -> Result<Self, String> {
        let text = std::str::from_utf8(text).ok();
        let blocks = |label| text.and_then(|text| pem::decode(label, text));
        let chain = blocks("CERTIFICATE").ok_or("it holds no certificate in PEM")?;
        let key = blocks("PRIVATE KEY").and_then(|mut keys| keys.pop());
        let key = key.map(Zeroizing::new);
        let key = key.and_then(|key| WorkloadKey::from_pkcs8(KeyType::EcP256, key));
        let key = key.ok_or("it holds no private key in PEM")?;
        let leaf = chain.first().map_or(&[][..], Vec::as_slice);
        let profile = x509::leaf_profile(leaf).map_err(|error| error.to_string())?;
        let begin = profile.validity.not_before;
        let validity = own_certificate(&chain, &key, &profile.id, bundle, begin)?;
        let half = Duration::from_secs(life(validity) / 2);
        let left = begin.plus(BACKDATE + half.as_secs()).since(now);
        Ok(Self {
            id: profile.id,
            chain,
            key,
            validity,
            due: Due::after(Duration::from_secs(left).min(half), now),
        })
    }
}
