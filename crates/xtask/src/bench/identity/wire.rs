//! What an agent says to a server, ours or SPIRE's, and the way there.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::client::Grpc;
use tonic::codec::Streaming;
use tonic::transport::{Channel, Uri};
use tonic::{IntoStreamingRequest, Request};

/// A key, and a request for a certificate that shows it.
pub(super) struct Key {
    pair: KeyPair,
    pub(super) request: Vec<u8>,
}

impl Key {
    pub(super) fn generate() -> Result<Self> {
        let pair = KeyPair::generate()?;
        let request = CertificateParams::default().serialize_request(&pair)?;
        let request = request.der().to_vec();
        Ok(Self { pair, request })
    }

    /// What is shown in handshakes.
    pub(super) fn with(&self, chain: &[Vec<u8>]) -> Shows {
        let chain = chain.iter().cloned().map(CertificateDer::from);
        (chain.collect(), self.pair.serialize_der())
    }
}

/// Certificates, and the key of the first.
pub(super) type Shows = (Vec<CertificateDer<'static>>, Vec<u8>);

/// A connection over TLS. Whoever is there is believed: this measures it.
pub(super) async fn connect(address: SocketAddr, shows: Option<&Shows>) -> Result<Caller> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)));
    let mut config = match shows {
        Some((chain, key)) => {
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.clone()));
            builder.with_client_auth_cert(chain.clone(), key)?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let connect = tower::service_fn(move |_: Uri| {
        let connector = connector.clone();
        async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let name = ServerName::from(address.ip());
            connector.connect(name, stream).await.map(TokioIo::new)
        }
    });
    let endpoint = Channel::from_static("http://server");
    let channel = endpoint.connect_with_connector(connect).await?;
    Ok(Caller(Grpc::new(channel)))
}

#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, leaf, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, leaf, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Calls methods by their path, so that neither server needs code made for it.
#[derive(Clone)]
pub(super) struct Caller(Grpc<Channel>);

impl Caller {
    /// The answer to one message.
    pub(super) async fn ask<Q, A>(&mut self, path: &'static str, message: Q) -> Result<A>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        self.0.ready().await?;
        let codec = tonic_prost::ProstCodec::<Q, A>::default();
        let request = Request::new(message);
        let answer = self.0.unary(request, path.parse()?, codec).await?;
        Ok(answer.into_inner())
    }

    /// The first answer to one message of a stream.
    pub(super) async fn stream<Q, A>(&mut self, path: &'static str, message: Q) -> Result<A>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        self.0.ready().await?;
        let codec = tonic_prost::ProstCodec::<Q, A>::default();
        let messages = tokio_stream::once(message).into_streaming_request();
        let answers = self.0.streaming(messages, path.parse()?, codec).await?;
        let mut answers: Streaming<A> = answers.into_inner();
        answers.message().await?.context("no answer")
    }
}
