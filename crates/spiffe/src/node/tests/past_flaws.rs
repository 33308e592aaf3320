//! What worked against SPIRE until it was mended, tried here: docs/spiffe.md has the list.

use bailiwick_identity::x509;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose,
};
use rcgen::{IsCa, KeyPair, SanType};
use rustls::HandshakeKind;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime as TlsTime};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::attacks::sign;
use super::*;
use crate::channel::Shows;
use crate::server::{Clients, NodeCertificates, Shown};
use crate::tls::{client_config, provider, spiffe_client};
use crate::wire::issuer::SignRequest;
use crate::wire::issuer::join_request::Proof;

const WEB_ID: &str = "spiffe://td/ns/shop/sa/web";

fn named(common_name: &str, alternatives: Vec<SanType>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.subject_alt_names = alternatives;
    params
}

fn authority_by_request() -> Vec<u8> {
    let uri = |uri: &str| SanType::URI(uri.try_into().unwrap());
    let names = vec![
        uri("spiffe://td/bailiwick/server"),
        uri("spiffe://td/ns/shop/sa/db"),
        SanType::DnsName("bailiwick.td".try_into().unwrap()),
    ];
    let mut params = named("system:masters", names);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    params.serialize_request(&key).unwrap().der().to_vec()
}

#[tokio::test]
async fn v_1_what_a_request_says_of_itself_is_not_what_is_signed() {
    let house = house().await;
    let mut attacker = house.attacker("n1").await;
    let request = SignRequest {
        certificate_request: authority_by_request(),
        ..sign(WEB, WEB_ID)
    };
    let chain = attacker.client.sign(request).await.unwrap();
    let chain = chain.into_inner().chain;
    let bundle = house.authority.bundle();
    let svid = x509::validate(&chain, &*bundle, SystemClock.now()).unwrap();
    assert_eq!(svid.id().as_str(), WEB_ID);
    assert_eq!(svid.profile.dns_names, [""; 0]);
    let (_, leaf) = X509Certificate::from_der(&chain[0]).unwrap();
    assert_eq!(leaf.subject().iter_common_name().count(), 0);
    assert!(!leaf.is_ca());
    // Nor does an id of a pod of another node help whoever has a request for it.
    for id in ["spiffe://td/bailiwick/server", "spiffe://td/ns/shop/sa/db"] {
        let request = SignRequest {
            certificate_request: authority_by_request(),
            ..sign(WEB, id)
        };
        let status = attacker.client.sign(request).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::PermissionDenied, "{status}");
    }
}

/// The authority of nodes of an operator, in PEM, and what it signed for a node.
fn nodes(node: &str) -> (NodeCertificates, Vec<CertificateDer<'static>>) {
    let mut params = named("nodes", Vec::new());
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = named(&format!("system:node:{node}"), Vec::new());
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let leaf = params.signed_by(&KeyPair::generate().unwrap(), &issuer);
    let chain = vec![leaf.unwrap().der().clone(), issuer.der().clone()];
    let known = NodeCertificates::new(&issuer.pem(), "system:node:{node}");
    (known.unwrap(), chain)
}

#[tokio::test]
async fn v_5_a_good_certificate_behind_a_forged_one_vouches_for_nothing() {
    let (house, other) = (house().await, house().await);
    let own = |attacker: attacks::Attacker| attacker.shows().0;
    let genuine = own(house.attacker("n1").await);
    let forged = own(other.attacker("n2").await);
    let (known, of_node) = nodes("n1");
    let (_, of_other) = nodes("n2");
    let clients = Clients::new(Arc::clone(&house.authority), Some(known));
    let who = |chains: &[&[CertificateDer<'static>]]| clients.who(&chains.concat(), TlsTime::now());
    let agent = |shown: &Shown| matches!(shown, Shown::Agent(agent) if agent.node == "n1");
    assert!(agent(&who(&[&genuine]).unwrap()));
    assert_eq!(who(&[&of_node]).unwrap(), Shown::Node("n1".into()));
    // Whatever comes behind it, the first is the one whose key shakes hands.
    for behind in [&genuine, &of_node] {
        for first in [&forged, &of_other] {
            assert!(who(&[first, behind]).is_err());
            assert!(who(&[&first[..1], behind]).is_err());
            assert!(who(&[&first[..1], behind, &first[1..]]).is_err());
        }
    }
}

/// A handshake with the server, in which nothing is checked before it is sent.
async fn shake(
    house: &House,
    config: rustls::ClientConfig,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(&house.address).await?;
    let name = ServerName::from(std::net::IpAddr::from([127, 0, 0, 1]));
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, stream).await?;
    // In TLS 1.3 only what comes back tells how the server likes the certificate.
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await?;
    stream.read_exact(&mut [0; 9]).await?;
    Ok(stream)
}

fn client(house: &House, own: Option<Shows>) -> rustls::ClientConfig {
    let mut bundles = BundleMap::default();
    bundles.insert((*house.authority.bundle()).clone());
    client_config(
        bundles,
        crate::server_id(house.authority.trust_domain()).unwrap(),
        own,
        house.clock.clone(),
    )
    .unwrap()
}

#[tokio::test]
async fn v_6_no_session_outlives_the_check_of_its_certificate() {
    let house = house().await;
    let attacker = house.attacker("n1").await;
    let mut config = client(&house, Some(attacker.shows()));
    config.resumption = Resumption::in_memory_sessions(8);
    for _ in 0..3 {
        let stream = shake(&house, config.clone()).await.unwrap();
        let (_, session) = stream.get_ref();
        assert_eq!(session.handshake_kind(), Some(HandshakeKind::Full));
    }
    // When the keys are others, the next handshake fails with what was good before.
    let other = super::house().await;
    assert!(shake(&other, config).await.is_err());
}

#[tokio::test]
async fn v_11_what_proves_somebody_is_in_no_answer_and_in_no_record() {
    let house = house().await;
    let secret = "c2VjcmV0LXRoYXQtd2FzLXN0b2xlbg";
    let mut answers = String::new();
    for proof in [
        Proof::ServiceAccountToken(secret.into()),
        Proof::JoinToken(secret.into()),
    ] {
        let joined = house.try_join(Some(proof)).await.map(|own| own.id);
        let status = joined.unwrap_err();
        answers.push_str(&format!("{status:?}\n"));
    }
    let agent = house.agent("a", house.token_file("good-n1"), WEB).await;
    agent.ids().await;
    let mut client = agent.client().await;
    let token = client.fetch_jwt(vec!["db".into()], None).await.unwrap();
    let token = token[0].1.as_str();
    let signature = token.rsplit('.').next().unwrap();
    for broken in [
        format!("{token}A"),
        format!("e30.{secret}.{signature}"),
        format!("{secret}.{secret}.{signature}"),
        format!("{secret}{signature}"),
    ] {
        let error = client.validate_jwt("db", &broken).await.unwrap_err();
        answers.push_str(&format!("{error} {error:?}\n"));
    }
    let error = client.validate_jwt("other", token).await.unwrap_err();
    answers.push_str(&format!("{error} {error:?}\n"));
    let recorded = format!("{:?}", house.events.lock().unwrap());
    let news = house.news.lock().unwrap().concat();
    assert!(house.denials().lines().count() >= 2);
    for text in [&answers, &recorded, &news] {
        for part in [secret, signature, "good-n1"] {
            assert!(!text.contains(part), "`{part}` in {text}");
        }
    }
}

#[tokio::test]
async fn v_13_nobody_is_talked_down_to_an_older_tls() {
    let house = house().await;
    let connect = async |versions: &[&'static rustls::SupportedProtocolVersion]| {
        let mut bundles = BundleMap::default();
        bundles.insert((*house.authority.bundle()).clone());
        let server = crate::server_id(house.authority.trust_domain()).unwrap();
        let mut config = spiffe_client(bundles, server, versions).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        shake(&house, config).await
    };
    connect(&[&TLS12, &TLS13]).await.unwrap();
    let error = connect(&[&TLS12]).await.unwrap_err();
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
}

/// Shows a chain without having its key.
#[derive(Debug)]
struct Stolen(Arc<CertifiedKey>);

impl ResolvesClientCert for Stolen {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn v_16_who_has_seen_a_proof_has_not_the_key() {
    let house = house().await;
    let attacker = house.attacker("n1").await;
    let (chain, _) = attacker.shows();
    let (_, other_key) = house.attacker("n2").await.shows();
    let key = provider().key_provider.load_private_key(other_key).unwrap();
    let mut config = client(&house, None);
    let stolen = Stolen(Arc::new(CertifiedKey::new(chain, key)));
    config.client_auth_cert_resolver = Arc::new(stolen);
    let error = shake(&house, config).await.unwrap_err();
    assert!(error.to_string().contains("DecryptError"), "{error}");
    // A request for a certificate that somebody else made gives its sender no key: what comes is for the other's.
    let seen = authority_by_request();
    let mut attacker = house.attacker("n1").await;
    let request = SignRequest {
        certificate_request: seen.clone(),
        ..sign(WEB, WEB_ID)
    };
    let answer = attacker.client.sign(request).await.unwrap().into_inner();
    let key = x509::requested_key(&seen).unwrap();
    let (_, leaf) = X509Certificate::from_der(&answer.chain[0]).unwrap();
    assert_eq!(leaf.public_key().raw, key.spki());
}
