use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use bailiwick_core::Timestamp;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::sync::watch;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::error::Error;
use crate::peer::seconds;

/// How long between two looks at the files.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// What is spoken inside.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Files that a listener's TLS is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate of the server, and what leads to its authority, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
    /// Authorities whose client certificates are looked at, in PEM. Being signed by one of them opens no door.
    pub client_ca: Option<PathBuf>,
}

/// TLS that takes new certificates while it runs.
pub struct Tls(Source);

enum Source {
    Files {
        files: TlsFiles,
        loaded: RwLock<Loaded>,
    },
    /// Somebody else says for each connection what is shown.
    Resolver(Arc<ServerConfig>),
}

struct Loaded {
    config: Arc<ServerConfig>,
    bytes: Bytes,
    /// First and last second of the server's certificate, since 1970.
    counts: (i64, i64),
}

/// What the files held, to see a change.
#[derive(PartialEq, Eq)]
struct Bytes {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Vec<u8>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Source::Files { files, .. } => write!(f, "Tls({files:?})"),
            Source::Resolver(_) => f.write_str("Tls(resolver)"),
        }
    }
}

impl Tls {
    /// Reads the files.
    pub fn load(files: TlsFiles) -> Result<Self, Error> {
        let loaded = RwLock::new(Loaded::read(&files)?);
        Ok(Self(Source::Files { files, loaded }))
    }

    /// TLS that shows what `resolver` says, such as an SVID that is renewed. Sessions are not resumed: each connection
    /// sees the certificate of its own time. No client certificate is asked for.
    pub fn resolved(resolver: Arc<dyn ResolvesServerCert>) -> Result<Self, Error> {
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::NoTls(error.to_string()))?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self(Source::Resolver(Arc::new(config))))
    }

    /// Reads the files again, and takes what they hold if it changed. Gives whether it did. After an error the
    /// server goes on with what it has.
    pub fn reload(&self) -> Result<bool, Error> {
        let Source::Files { files, loaded } = &self.0 else {
            return Ok(false);
        };
        let bytes = Bytes::read(files)?;
        let unchanged = |loaded: &Loaded| loaded.bytes == bytes;
        if unchanged(&loaded.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(false);
        }
        let new = Loaded::of(files, bytes)?;
        *loaded.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(true)
    }

    /// Why clients do not take the certificate that is shown to them at this time, and what to do.
    ///
    /// No reason to refuse it: connections that are open stay, and it may be the clock of this machine that is wrong.
    pub fn trouble(&self, now: SystemTime) -> Option<String> {
        let Source::Files { files, loaded } = &self.0 else {
            return None;
        };
        let (from, until) = loaded.read().unwrap_or_else(PoisonError::into_inner).counts;
        let now = seconds(now);
        let what = if now > until {
            format!("expired at {}", time(until))
        } else if now < from {
            format!("does not count before {}", time(from))
        } else {
            return None;
        };
        let path = files.certificate.display();
        Some(format!(
            "the certificate `{path}` {what}, so clients refuse to connect; put one that counts in its place, which is read \
             within {} s, or set the clock right",
            LOOK_AGAIN.as_secs()
        ))
    }

    /// The last second of the certificate that is shown, since 1970, and its file.
    pub(crate) fn ends(&self) -> Option<(&Path, i64)> {
        let Source::Files { files, loaded } = &self.0 else {
            return None;
        };
        let loaded = loaded.read().unwrap_or_else(PoisonError::into_inner);
        Some((&files.certificate, loaded.counts.1))
    }

    /// Looks at the files every few seconds, until `end` becomes true, and at whether the certificate still counts.
    pub async fn watch(self: Arc<Self>, mut end: watch::Receiver<bool>) {
        let Source::Files { files, .. } = &self.0 else {
            return;
        };
        let certificate = files.certificate.display();
        let mut told = None;
        loop {
            let trouble = self.trouble(SystemTime::now());
            if let Some(trouble) = trouble.as_ref().filter(|_| trouble != told) {
                tracing::error!("{trouble}");
            }
            told = trouble;
            tokio::select! {
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                _ = end.wait_for(|end| *end) => return,
            }
            let tls = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || tls.reload()).await {
                Ok(Ok(true)) => tracing::info!(%certificate, "new certificate in use"),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%error, "new certificate refused; the old one stays");
                }
                Err(error) => tracing::error!(%error, "certificates are not looked at"),
            }
        }
    }

    /// The configuration for the next connection.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        match &self.0 {
            Source::Files { loaded, .. } => {
                let loaded = loaded.read().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(&loaded.config)
            }
            Source::Resolver(config) => Arc::clone(config),
        }
    }
}

impl Bytes {
    fn read(files: &TlsFiles) -> Result<Self, Error> {
        let read = |path: &Path, what| {
            std::fs::read(path).map_err(|error| unusable_pem(path, what, &error))
        };
        Ok(Self {
            certificate: read(&files.certificate, CERTIFICATE)?,
            key: read(&files.key, KEY)?,
            client_ca: match &files.client_ca {
                Some(path) => read(path, CERTIFICATE)?,
                None => Vec::new(),
            },
        })
    }
}

const CERTIFICATE: &str = "certificate";
const KEY: &str = "private key";

fn unusable_pem(path: &Path, what: &'static str, why: &impl ToString) -> Error {
    Error::Pem {
        path: path.to_owned(),
        what,
        why: why.to_string(),
    }
}

/// What is wrong with the form of a file. The library's own words list the bytes of a line as numbers.
fn of_pem(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a block of it has no end".to_owned(),
        pem::Error::IllegalSectionStart { .. } => {
            "a block of it begins with no whole line".to_owned()
        }
        other => other.to_string(),
    }
}

fn certificates(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let found = found.map_err(|error| unusable_pem(path, CERTIFICATE, &of_pem(&error)))?;
    match found.is_empty() {
        true => Err(unusable_pem(path, CERTIFICATE, &"there is none in it")),
        false => Ok(found),
    }
}

/// First and last second of a certificate, since 1970.
fn counts(certificate: &CertificateDer<'_>) -> Option<(i64, i64)> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let validity = parsed.validity();
    Some((
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    ))
}

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds.saturating_mul(1_000_000))
}

impl Loaded {
    fn read(files: &TlsFiles) -> Result<Self, Error> {
        Self::of(files, Bytes::read(files)?)
    }

    fn of(files: &TlsFiles, bytes: Bytes) -> Result<Self, Error> {
        let unusable = |path: &Path, why: String| Error::Certificate {
            path: path.to_owned(),
            why,
        };
        let chain = certificates(&files.certificate, &bytes.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&bytes.key)
            // What it says of the file could hold a piece of it.
            .map_err(|_| {
                let encrypted = b"BEGIN ENCRYPTED PRIVATE KEY";
                let is_encrypted = bytes.key.windows(encrypted.len()).any(|at| at == encrypted);
                let why = match is_encrypted {
                    true => "it is encrypted, and there is nobody to ask for the passphrase",
                    false => "no PEM block of a private key can be read",
                };
                unusable_pem(&files.key, KEY, &why)
            })?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&files.certificate, error.to_string()))?;
        let builder = match &files.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(path, &bytes.client_ca)? {
                    roots
                        .add(authority)
                        .map_err(|error| unusable_pem(path, CERTIFICATE, &error))?;
                }
                // Who comes without a certificate is told so in HTTP, where a client can read it.
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .allow_unauthenticated()
                        .build()
                        .map_err(|error| unusable(path, error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let leaf = chain.first().and_then(|leaf| counts(leaf));
        let counts = leaf.ok_or_else(|| {
            unusable_pem(
                &files.certificate,
                CERTIFICATE,
                &"it is no X.509 certificate",
            )
        })?;
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| unusable(&files.certificate, error.to_string()))?;
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
        Ok(Self {
            config: Arc::new(config),
            bytes,
            counts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_pem_is_told_without_what_it_holds() {
        let path = Path::new("tls.crt");
        let check = |text: &str, expected: &str| {
            let error = certificates(path, text.as_bytes()).unwrap_err();
            let expected = format!("`tls.crt` holds no usable certificate: {expected}");
            assert_eq!(error.to_string(), expected);
        };
        check("", "there is none in it");
        check(
            "-----BEGIN CERTIFICATE-----\nAAAA\n",
            "a block of it has no end",
        );
        check(
            "-----BEGIN CERTIFICATE\nAAAA\n",
            "a block of it begins with no whole line",
        );
    }

    fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn a_certificate_that_does_not_count_is_told_of_with_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| write(directory.path(), name, text);
        let key = rcgen::KeyPair::generate().unwrap();
        let issue = |until: i32| {
            let mut params = rcgen::CertificateParams::default();
            params.not_before = rcgen::date_time_ymd(2030, 1, 1);
            params.not_after = rcgen::date_time_ymd(until, 1, 1);
            params.self_signed(&key).unwrap().pem()
        };
        let files = TlsFiles {
            certificate: file("tls.crt", &issue(2031)),
            key: file("tls.key", &key.serialize_pem()),
            client_ca: None,
        };
        let tls = Tls::load(files).unwrap();
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        // The first and the last second of it.
        let (from, until) = (1_893_456_000, 1_924_992_000);
        let check = |seconds: u64, expected: Option<&str>| {
            let trouble = tls.trouble(at(seconds));
            assert_eq!(trouble.is_some(), expected.is_some(), "{trouble:?}");
            let said = trouble.unwrap_or_default();
            assert!(said.contains(expected.unwrap_or_default()), "{said}");
        };
        check(from - 1, Some("does not count before 2030-01-01T00:00:00"));
        check(from, None);
        check(until, None);
        check(until + 1, Some("expired at 2031-01-01T00:00:00"));
        check(until + 1, Some("put one that counts in its place"));
        assert_eq!(tls.ends().unwrap().1, until as i64);
        file("tls.crt", &issue(2032));
        assert!(tls.reload().unwrap());
        check(until + 1, None);
    }

    #[test]
    fn an_encrypted_key_is_called_one() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| write(directory.path(), name, text);
        let key = rcgen::KeyPair::generate().unwrap();
        let own = rcgen::CertificateParams::default()
            .self_signed(&key)
            .unwrap();
        let encrypted =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let files = TlsFiles {
            certificate: file("tls.crt", &own.pem()),
            key: file("tls.key", encrypted),
            client_ca: None,
        };
        let error = Loaded::read(&files).err().unwrap().to_string();
        assert!(error.contains("private key: it is encrypted"), "{error}");
    }
}
