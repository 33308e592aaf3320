//! TLS with SVIDs: who is at the other end is said by a SPIFFE ID, and the keys of its trust domain say whether it is so.

use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use bailiwick_identity::{BundleMap, SpiffeId, x509};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WantsClientCert};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime as TlsTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, OtherError,
    RootCertStore, ServerConfig, SignatureScheme, SupportedProtocolVersion,
};

use crate::channel::Shows;
use crate::clock::{Clock, SystemClock, other_time};
use crate::keys::WorkloadKey;

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The certificate that a server shows, which changes while it runs. Nobody gets in before there is one.
#[derive(Default)]
pub(crate) struct ShownCertificate(RwLock<Option<Arc<CertifiedKey>>>);

impl fmt::Debug for ShownCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShownCertificate(..)")
    }
}

impl ShownCertificate {
    /// Shows this from now on.
    pub(crate) fn replace(&self, (chain, key): Shows) -> Result<(), Error> {
        let key = aws_lc_rs::sign::any_supported_type(&key)?;
        let next = Arc::new(CertifiedKey::new(chain, key));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(next);
        Ok(())
    }
}

/// What whoever has this shows of itself.
pub(crate) fn shows(chain: &[Vec<u8>], key: &WorkloadKey) -> Shows {
    let chain = chain.iter().cloned().map(CertificateDer::from);
    let key = PrivateKeyDer::Pkcs8(key.pkcs8.to_vec().into());
    (chain.collect(), key)
}

impl ResolvesServerCert for ShownCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.0.read().unwrap_or_else(PoisonError::into_inner);
        shown.clone()
    }
}

/// TLS 1.3 and HTTP/2 alone. Sessions are not resumed: each connection sees the certificate of its own time.
pub(crate) fn server_config(
    shown: Arc<ShownCertificate>,
    clients: Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig, Error> {
    let builder = ServerConfig::builder_with_provider(provider());
    let builder = builder.with_protocol_versions(&[&TLS13])?;
    let builder = builder.with_client_cert_verifier(clients);
    let mut config = builder.with_cert_resolver(shown);
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Believes a server that has this id by these keys, whatever its address is called, and shows it a
/// certificate, where there is one. TLS 1.3 and HTTP/2 alone, as [`server_config`] speaks them.
pub(crate) fn client_config(
    bundles: BundleMap,
    server: SpiffeId,
    own: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    clock: Arc<dyn Clock>,
) -> Result<ClientConfig, Error> {
    let builder = believing(bundles, server, &[&TLS13], clock)?;
    let mut config = match own {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// The same for servers of others, which may speak TLS 1.2.
pub(crate) fn spiffe_client(
    bundles: BundleMap,
    server: SpiffeId,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<ClientConfig, Error> {
    Ok(believing(bundles, server, versions, Arc::new(SystemClock))?.with_no_client_auth())
}

fn believing(
    bundles: BundleMap,
    server: SpiffeId,
    versions: &[&'static SupportedProtocolVersion],
    clock: Arc<dyn Clock>,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, Error> {
    let verifier = Arc::new(IsServer {
        bundles,
        server,
        clock,
        signatures: Signatures::new(),
    });
    let builder = ClientConfig::builder_with_provider(provider());
    let builder = builder.with_protocol_versions(versions)?;
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    Ok(builder)
}

/// Believes a server by its DNS name and these authorities.
pub(crate) fn web_client(roots: RootCertStore) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(provider());
    let builder = builder.with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// That whoever shows a certificate has its key: the same at both ends.
pub(crate) struct Signatures(Arc<CryptoProvider>);

impl Signatures {
    pub(crate) fn new() -> Self {
        Self(provider())
    }

    pub(crate) fn tls12(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, leaf, signature, algorithms)
    }

    pub(crate) fn tls13(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, leaf, signature, algorithms)
    }

    pub(crate) fn schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

struct IsServer {
    bundles: BundleMap,
    server: SpiffeId,
    clock: Arc<dyn Clock>,
    signatures: Signatures,
}

impl fmt::Debug for IsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IsServer({})", self.server)
    }
}

/// What a server shows is of another time.
#[derive(Debug, thiserror::Error)]
#[error("the certificate of the server {0}")]
struct OtherTime(String);

/// The server is somebody else.
#[derive(Debug, thiserror::Error)]
#[error("the server is `{is}` and not `{wanted}`")]
struct OtherServer {
    is: SpiffeId,
    wanted: SpiffeId,
}

/// Why a certificate is not believed, for the handshake.
pub(crate) fn refused(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
}

/// What our own check of a certificate said, in its words: TLS prints it as those see it who mend programs.
pub(crate) fn why_refused(error: &io::Error) -> Option<&(dyn std::error::Error + 'static)> {
    match error.get_ref()?.downcast_ref()? {
        Error::InvalidCertificate(CertificateError::Other(why)) => Some(&*why.0),
        _ => None,
    }
}

impl ServerCertVerifier for IsServer {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: TlsTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain: Vec<Vec<u8>> = std::iter::once(leaf)
            .chain(chain)
            .map(|der| der.to_vec())
            .collect();
        let now = self.clock.now();
        let svid = x509::validate(&chain, &self.bundles, now).map_err(|error| {
            let leaf = x509::leaf_profile(leaf).ok();
            match leaf.and_then(|leaf| other_time(leaf.validity, now)) {
                Some(why) => refused(OtherTime(why)),
                None => refused(error),
            }
        })?;
        if *svid.id() != self.server {
            return Err(refused(OtherServer {
                is: svid.id().clone(),
                wanted: self.server.clone(),
            }));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.tls12(message, leaf, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.tls13(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.schemes()
    }
}
