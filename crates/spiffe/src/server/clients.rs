//! Who may show a certificate to the server: agents theirs, and nodes theirs, to become agents.

use std::fmt;
use std::sync::Arc;

use bailiwick_identity::{SpiffeId, TrustDomain, UnixTime, x509};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime as TlsTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use thiserror::Error;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::authority::Authority;
use crate::pem;
use crate::tls::{Signatures, provider, refused};

/// Agents of a trust domain, below the id of the domain: `/bailiwick/agent/NODE/UID-OF-THE-NODE`.
const AGENTS: &str = "/bailiwick/agent/";
/// What stands for the name of the node in a common name.
const NODE: &str = "{node}";

/// Who showed a certificate in the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Nobody showed one.
    Nothing,
    /// An agent.
    Agent(AgentId),
    /// A node by the certificate of its own that a CA of the operator signed.
    Node(String),
}

/// An agent, by its SVID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AgentId {
    pub(crate) id: SpiffeId,
    /// Name of its node.
    pub(crate) node: String,
    /// UID of its node.
    pub(crate) node_uid: String,
    pub(crate) not_before: UnixTime,
    pub(crate) not_after: UnixTime,
}

/// The SPIFFE ID of the agent of a node.
pub(crate) fn agent_id(
    domain: &TrustDomain,
    node: &str,
    node_uid: &str,
) -> Result<SpiffeId, bailiwick_identity::IdError> {
    domain.workload(&format!("{AGENTS}{node}/{node_uid}"))
}

/// Nodes prove themselves with certificates that these authorities signed.
pub struct NodeCertificates {
    verifier: Arc<dyn ClientCertVerifier>,
    prefix: String,
    suffix: String,
}

/// Why certificates of nodes cannot be checked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NodeCertificatesError {
    /// No certificates in PEM.
    #[error("there is no certificate of an authority in PEM")]
    Pem,
    /// They are no authorities.
    #[error("they are no authorities: {0}")]
    Authorities(String),
    /// A pattern that fits one name alone.
    #[error("`{0}` has no {NODE}, or has it twice: write where in the common name the node stands")]
    Pattern(String),
}

impl NodeCertificates {
    /// Certificates of the authorities in `pem`, whose common name is `pattern` with the name of the node in the place
    /// of `{node}`; that of kubelets is `system:node:{node}`.
    ///
    /// # Errors
    /// When there are no authorities, or the pattern has no place for the node.
    pub fn new(pem: &str, pattern: &str) -> Result<Self, NodeCertificatesError> {
        let mut roots = RootCertStore::empty();
        for der in pem::decode("CERTIFICATE", pem).ok_or(NodeCertificatesError::Pem)? {
            let added = roots.add(der.into());
            added.map_err(|error| NodeCertificatesError::Authorities(error.to_string()))?;
        }
        let wrong = || NodeCertificatesError::Pattern(pattern.to_owned());
        let (prefix, suffix) = pattern.split_once(NODE).ok_or_else(wrong)?;
        if suffix.contains(NODE) {
            return Err(wrong());
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider())
            .build()
            .map_err(|error| NodeCertificatesError::Authorities(error.to_string()))?;
        Ok(Self {
            verifier,
            prefix: prefix.to_owned(),
            suffix: suffix.to_owned(),
        })
    }

    fn node(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: TlsTime,
    ) -> Result<String, Error> {
        self.verifier.verify_client_cert(leaf, chain, now)?;
        let name = common_name(leaf).and_then(|name| {
            let name = name.strip_prefix(&self.prefix)?;
            let name = name.strip_suffix(&self.suffix)?;
            bailiwick_core::dns::is_dns_subdomain(name).then(|| name.to_owned())
        });
        name.ok_or_else(|| refused(NobodyHere))
    }
}

/// The one common name of a certificate.
fn common_name(leaf: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
    let mut names = parsed.subject().iter_common_name();
    let name = names.next()?.as_str().ok()?.to_owned();
    names.next().is_none().then_some(name)
}

/// Checks what is shown in handshakes.
pub(crate) struct Clients {
    authority: Arc<Authority>,
    nodes: Option<NodeCertificates>,
    signatures: Signatures,
}

#[derive(Debug, Error)]
#[error("the certificate is of no agent and of no node that is known here")]
struct NobodyHere;

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clients(..)")
    }
}

impl Clients {
    pub(crate) fn new(authority: Arc<Authority>, nodes: Option<NodeCertificates>) -> Self {
        Self {
            authority,
            nodes,
            signatures: Signatures::new(),
        }
    }

    /// Who shows this chain.
    pub(crate) fn who(&self, chain: &[CertificateDer<'_>], now: TlsTime) -> Result<Shown, Error> {
        let Some((leaf, rest)) = chain.split_first() else {
            return Ok(Shown::Nothing);
        };
        match (self.agent(chain), &self.nodes) {
            (Ok(agent), _) => Ok(Shown::Agent(agent)),
            (Err(_), Some(nodes)) => nodes.node(leaf, rest, now).map(Shown::Node),
            (Err(error), None) => Err(error),
        }
    }

    fn agent(&self, chain: &[CertificateDer<'_>]) -> Result<AgentId, Error> {
        let chain: Vec<Vec<u8>> = chain.iter().map(|der| der.to_vec()).collect();
        let bundle = self.authority.bundle();
        let svid = x509::validate(&chain, &*bundle, self.authority.now()).map_err(refused)?;
        let named = svid.id().path().strip_prefix(AGENTS);
        let named = named.and_then(|rest| rest.split_once('/'));
        let (node, node_uid) = named.ok_or_else(|| refused(NobodyHere))?;
        Ok(AgentId {
            id: svid.id().clone(),
            node: node.to_owned(),
            node_uid: node_uid.to_owned(),
            not_before: svid.profile.validity.not_before,
            not_after: svid.profile.validity.not_after,
        })
    }
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

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
