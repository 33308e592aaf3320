//! TLS both ways over a unix socket.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bailiwick_audit::ProcessRef;
use bailiwick_identity::{SpiffeId, UnixTime, x509};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime as TlsTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use tokio::net::unix::UCred;
use tokio::net::{UnixListener, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::api::DOOR;
use crate::listen;
use crate::node::Node;
use crate::peer::Share;
use crate::refusals::{Refusal, RefusedCaller};
use crate::serve::ServeError;
use crate::tls::{ShownCertificate, Signatures, refused, server_config};

/// How long a caller has for the handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Who connected, by its X509-SVID.
#[derive(Clone, Debug)]
pub(super) struct Broker {
    pub(super) id: SpiffeId,
    /// From when on that does not count.
    pub(super) not_after: UnixTime,
}

/// Believes whoever has an X509-SVID of the own trust domain. Whether he may ask for anything is said later: so he hears it.
pub(super) struct Brokers {
    node: Arc<Node>,
    signatures: Signatures,
}

impl fmt::Debug for Brokers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Brokers(..)")
    }
}

impl Brokers {
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self {
            node,
            signatures: Signatures::new(),
        }
    }

    fn who(&self, chain: &[CertificateDer<'_>], now: TlsTime) -> Result<Broker, Error> {
        let bundle = self.node.bundle();
        let bundle = bundle.map_err(|status| Error::General(status.message().to_owned()))?;
        let chain: Vec<Vec<u8>> = chain.iter().map(|der| der.to_vec()).collect();
        let now = UnixTime::new(now.as_secs());
        let svid = x509::validate(&chain, &*bundle, now).map_err(refused)?;
        Ok(Broker {
            id: svid.id().clone(),
            not_after: svid.profile.validity.not_after,
        })
    }
}

impl ClientCertVerifier for Brokers {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: TlsTime,
    ) -> Result<ClientCertVerified, Error> {
        let all: Vec<CertificateDer<'_>> = std::iter::once(leaf).chain(chain).cloned().collect();
        self.who(&all, now).map(|_| ClientCertVerified::assertion())
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

/// Connections of brokers.
pub(super) struct Door {
    listener: UnixListener,
    acceptor: TlsAcceptor,
    clients: Arc<Brokers>,
}

impl Door {
    pub(super) fn new(
        listener: UnixListener,
        shown: Arc<ShownCertificate>,
        clients: Arc<Brokers>,
    ) -> Result<Self, ServeError> {
        let config = server_config(shown, Arc::clone(&clients) as Arc<_>);
        let config = config.map_err(ServeError::Tls)?;
        Ok(Self {
            listener,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            clients,
        })
    }

    async fn shake(&self, stream: UnixStream) -> Result<(TlsStream<UnixStream>, Broker), String> {
        let shaken = tokio::time::timeout(HANDSHAKE, self.acceptor.accept(stream)).await;
        let shaken =
            shaken.map_err(|_| format!("it took longer than {} s", HANDSHAKE.as_secs()))?;
        let stream = shaken.map_err(|error| error.to_string())?;
        let (_, session) = stream.get_ref();
        let chain = session.peer_certificates().unwrap_or_default();
        let known = self.clients.who(chain, TlsTime::now());
        Ok((stream, known.map_err(|error| error.to_string())?))
    }
}

/// A process that did not come to ask anything.
fn refusal(caller: Option<UCred>, why: &str) -> Refusal {
    let process = caller.map(|caller| ProcessRef {
        pid: caller
            .pid()
            .and_then(|pid| pid.try_into().ok())
            .unwrap_or(0),
        uid: caller.uid(),
        gid: caller.gid(),
        program: None,
    });
    let who = process.as_ref().map(|process| Share::User(process.uid));
    let why = format!("no connection as a broker: {why}");
    let caller = who.map_or(RefusedCaller::Nobody, RefusedCaller::Workload);
    Refusal::new(caller, DOOR, None, why, process)
}

impl listen::Door for Door {
    type Socket = UnixStream;
    type Stream = TlsStream<UnixStream>;
    type Known = Broker;

    async fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }

    async fn greet(&self, stream: UnixStream) -> Option<(TlsStream<UnixStream>, Broker)> {
        let caller = stream.peer_cred().ok();
        match self.shake(stream).await {
            Ok(known) => Some(known),
            Err(why) => {
                self.clients.node.refused_often(refusal(caller, &why));
                None
            }
        }
    }
}
