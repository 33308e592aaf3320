//! Bundle endpoints as their clients see them, good ones and bad ones.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bailiwick_identity::federation::{EndpointProfile, EndpointUrl};
use bailiwick_identity::{Bundle, KeyType, SpiffeId};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::evidence::tests::{MemoryLog, evidence};
use crate::keys::MemoryKeys;
use crate::seal::Seal;
use crate::store::MemoryState;
use crate::tls::server_config;
use crate::{Authority, Options, OwnSvid};

fn domain(name: &str) -> TrustDomain {
    TrustDomain::parse(name).unwrap()
}

fn authority(name: &str) -> Arc<Authority> {
    let options = Options {
        jwt_keys: vec![KeyType::EcP256],
        ..Options::new(domain(name))
    };
    let keys = Box::new(MemoryKeys::default());
    let store = Box::new(MemoryState::default());
    let authority = Authority::open(options, keys, store, Arc::new(SystemClock), None);
    Arc::new(authority.unwrap())
}

/// A server that answers every request with the same bytes, whatever they are.
struct Endpoint {
    address: SocketAddr,
    answer: Arc<Mutex<Vec<u8>>>,
    asked: Arc<AtomicUsize>,
}

impl Endpoint {
    async fn start(config: ServerConfig, answer: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let answer = Arc::new(Mutex::new(answer));
        let asked = Arc::new(AtomicUsize::new(0));
        let (bytes, count) = (Arc::clone(&answer), Arc::clone(&asked));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, bytes) = (acceptor.clone(), Arc::clone(&bytes));
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut head = [0; 4096];
                    let _ = stream.read(&mut head).await;
                    count.fetch_add(1, Ordering::SeqCst);
                    let bytes = bytes.lock().unwrap().clone();
                    let _ = stream.write_all(&bytes).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self {
            address,
            answer,
            asked,
        }
    }

    /// One that shows the SVID of an authority's server.
    async fn of(authority: &Arc<Authority>, answer: Vec<u8>) -> Self {
        let (evidence, _) = evidence(&Arc::new(MemoryLog::default()));
        let own = OwnSvid::new(Arc::clone(authority), evidence, Vec::new()).await;
        let mut config = server_config(
            own.unwrap().shown(),
            rustls::server::WebPkiClientVerifier::no_client_auth(),
        )
        .unwrap();
        config.alpn_protocols.clear();
        Self::start(config, answer).await
    }

    fn gives(&self, answer: Vec<u8>) {
        *self.answer.lock().unwrap() = answer;
    }

    fn url(&self) -> EndpointUrl {
        let url = format!("https://localhost:{}/bundle", self.address.port());
        url.parse().unwrap()
    }
}

fn ok(body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn json(bundle: &Bundle) -> Vec<u8> {
    ok(bundle.to_json().to_string().as_bytes())
}

fn numbered(bundle: &Bundle, sequence: u64) -> Bundle {
    let mut bundle = bundle.clone();
    bundle.sequence = Some(sequence);
    bundle
}

fn spiffe(endpoint: &Endpoint, id: &str, bootstrap: Option<Bundle>) -> Relationship {
    Relationship {
        domain: domain("p"),
        url: endpoint.url(),
        profile: EndpointProfile::Spiffe {
            id: SpiffeId::parse(id).unwrap(),
            bootstrap,
        },
    }
}

/// A certificate of the web for `localhost`, and the authority that signed it.
fn web(name: &str) -> (ServerConfig, Vec<u8>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new([name.to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ));
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = builder
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    (config, certificate.der().to_vec())
}

fn error(outcome: Result<Bundle, FetchError>) -> String {
    let error = outcome.unwrap_err();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        text.push_str(&format!(": {inner}"));
        source = inner.source();
    }
    text
}

#[tokio::test]
async fn f_1_https_web_by_the_name_and_an_authority_of_the_web() {
    let partner = authority("p");
    let fetch = async |name: &str, roots: Vec<Vec<u8>>| {
        let (config, root) = web(name);
        let endpoint = Endpoint::start(config, json(&partner.bundle())).await;
        let relationship = Relationship {
            domain: domain("p"),
            url: endpoint.url(),
            profile: EndpointProfile::Web {
                roots: if roots.is_empty() { vec![root] } else { roots },
            },
        };
        fetch_bundle(&relationship, &BundleMap::default()).await
    };
    assert_eq!(
        fetch("localhost", Vec::new()).await.unwrap(),
        *partner.bundle()
    );
    let other = fetch("elsewhere.example", Vec::new()).await;
    assert!(
        error(other).contains("believed"),
        "a certificate for another name"
    );
    let (_, stranger) = web("localhost");
    let other = fetch("localhost", vec![stranger]).await;
    assert!(
        error(other).contains("believed"),
        "an authority that signed nothing of it"
    );
}

#[tokio::test]
async fn f_1_https_spiffe_by_the_id_that_the_endpoint_shows() {
    let (partner, stranger) = (authority("p"), authority("p"));
    let endpoint = Endpoint::of(&partner, json(&partner.bundle())).await;
    let bundle = BundleMap::default();
    let own = "spiffe://p/bailiwick/server";
    let good = spiffe(&endpoint, own, Some((*partner.bundle()).clone()));
    assert_eq!(
        fetch_bundle(&good, &bundle).await.unwrap(),
        *partner.bundle()
    );

    let other = spiffe(
        &endpoint,
        "spiffe://p/other",
        Some((*partner.bundle()).clone()),
    );
    let refused = error(fetch_bundle(&other, &bundle).await);
    assert!(refused.contains("and not `spiffe://p/other`"), "{refused}");
    let other = spiffe(&endpoint, own, Some((*stranger.bundle()).clone()));
    let refused = error(fetch_bundle(&other, &bundle).await);
    assert!(refused.contains("believed"), "{refused}");
    let other = spiffe(&endpoint, own, None);
    let refused = error(fetch_bundle(&other, &bundle).await);
    assert!(refused.contains("no bundle of `p`"), "{refused}");
    // What others know by the web is no SVID.
    let (config, _) = web("localhost");
    let endpoint = Endpoint::start(config, json(&partner.bundle())).await;
    let other = spiffe(&endpoint, own, Some((*partner.bundle()).clone()));
    let refused = error(fetch_bundle(&other, &bundle).await);
    assert!(refused.contains("believed"), "{refused}");
}

#[tokio::test]
async fn f_8_the_newest_bundle_checks_the_endpoint() {
    let (before, partner) = (authority("p"), authority("p"));
    let endpoint = Endpoint::of(&partner, json(&partner.bundle())).await;
    let bootstrap = Some((*before.bundle()).clone());
    let relationship = spiffe(&endpoint, "spiffe://p/bailiwick/server", bootstrap);
    let mut known = BundleMap::default();
    assert!(fetch_bundle(&relationship, &known).await.is_err());
    known.insert((*partner.bundle()).clone());
    assert!(fetch_bundle(&relationship, &known).await.is_ok());
    // And the bootstrap bundle counts no longer once there is another.
    let endpoint = Endpoint::of(&before, json(&before.bundle())).await;
    let bootstrap = Some((*before.bundle()).clone());
    let relationship = spiffe(&endpoint, "spiffe://p/bailiwick/server", bootstrap);
    assert!(fetch_bundle(&relationship, &known).await.is_err());
}

#[tokio::test]
async fn f_5_answers_that_are_no_bundle() {
    let partner = authority("p");
    let endpoint = Endpoint::of(&partner, Vec::new()).await;
    let bootstrap = Some((*partner.bundle()).clone());
    let relationship = spiffe(&endpoint, "spiffe://p/bailiwick/server", bootstrap);
    let check = async |answer: Vec<u8>, expected: &str| {
        endpoint.gives(answer);
        let refused = error(fetch_bundle(&relationship, &BundleMap::default()).await);
        assert!(refused.contains(expected), "{refused} is not {expected}");
    };
    let redirect = |status: &str| {
        let to = "location: https://evil.example/\r\ncontent-length: 0\r\n\r\n";
        format!("HTTP/1.1 {status}\r\n{to}").into_bytes()
    };
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 -",
        "308 -",
    ] {
        check(
            redirect(status),
            "points to another address (https://evil.example/)",
        )
        .await;
    }
    check(
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec(),
        "404",
    )
    .await;
    check(
        b"HTTP/1.1 500 -\r\ncontent-length: 0\r\n\r\n".to_vec(),
        "500",
    )
    .await;
    check(ok(b"{}"), "`keys` is missing").await;
    check(ok(b"[]"), "no bundle in SPIFFE format").await;
    check(
        ok(b"{\"keys\": [], \"spiffe_sequence\": -1}"),
        "no bundle in SPIFFE format",
    )
    .await;
    check(ok(&[0xff, 0xfe]), "no bundle in SPIFFE format").await;
    check(
        ok(&vec![b' '; bailiwick_identity::MAX_BUNDLE_BYTES + 1]),
        "at most",
    )
    .await;
    let endless = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let mut many = endless.clone();
    for _ in 0..80 {
        many.extend(b"10000\r\n");
        many.extend(vec![b' '; 0x10000]);
        many.extend(b"\r\n");
    }
    check(many, "at most").await;
    check(endless, "at most").await;
    let short = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"keys\": []}".to_vec();
    check(short, "at most").await;
    check(
        b"nothing of HTTP".to_vec(),
        "does not answer as an endpoint",
    )
    .await;
    check(Vec::new(), "does not answer as an endpoint").await;
}

fn kept(folder: &Path) -> KeptBundles {
    KeptBundles::open(
        &folder.join("federation"),
        Arc::new(Seal::new(&[7; 32]).unwrap()),
    )
    .unwrap()
}

#[test]
fn bundles_are_kept_and_an_older_one_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let kept = kept(dir.path());
    let bundle = numbered(&authority("p").bundle(), 5);
    assert_eq!(kept.load(&domain("p")).unwrap(), None);
    let now = SystemClock.now();
    kept.keep(&bundle, now, false).unwrap();
    let there = Kept {
        bundle: bundle.clone(),
        fetched: now,
    };
    assert_eq!(kept.load(&domain("p")).unwrap(), Some(there));
    assert_eq!(kept.load(&domain("q")).unwrap(), None);
    let older = numbered(&bundle, 4);
    assert!(matches!(
        kept.keep(&older, now, false),
        Err(KeepError::Refused(_))
    ));
    assert_eq!(kept.load(&domain("p")).unwrap().unwrap().bundle, bundle);
    kept.keep(&older, now, true).unwrap();
    assert_eq!(kept.load(&domain("p")).unwrap().unwrap().bundle, older);

    // One domain's file does not pass for another's, and a changed one does not open.
    let file = |name: &str| dir.path().join(format!("federation/{name}.bundle"));
    std::fs::copy(file("p"), file("q")).unwrap();
    assert!(matches!(kept.load(&domain("q")), Err(SealError::Broken(_))));
    let mut bytes = std::fs::read(file("p")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(file("p"), bytes).unwrap();
    assert!(matches!(kept.load(&domain("p")), Err(SealError::Broken(_))));
    // A name that would be a path is none.
    let dots = numbered(&Bundle::new(domain("..")), 1);
    kept.keep(&dots, now, false).unwrap();
    assert!(file("..").exists());
}

async fn until(mut is_so: impl FnMut() -> bool) {
    let patience = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), patience)
        .await
        .unwrap();
}

#[tokio::test]
async fn bundles_are_followed_and_the_last_good_one_stays() {
    let dir = tempfile::tempdir().unwrap();
    let partner = authority("p");
    let first = numbered(&partner.bundle(), 1);
    let endpoint = Endpoint::of(&partner, json(&first)).await;
    let bootstrap = Some((*partner.bundle()).clone());
    let relationship = spiffe(&endpoint, "spiffe://p/bailiwick/server", bootstrap);
    let mut given = BundleMap::default();
    given.insert((*authority("file").bundle()).clone());
    let failed = Arc::new(AtomicUsize::new(0));
    let failures = Arc::clone(&failed);
    let changes = Arc::new(Mutex::new(Vec::new()));
    let heard_changes = Arc::clone(&changes);
    let hear = move |heard: &Heard| match heard {
        Heard::Failed { .. } => {
            failures.fetch_add(1, Ordering::SeqCst);
        }
        Heard::Changed { domain, from, to } => {
            let sequence = |bundle: &Option<Bundle>| bundle.as_ref().and_then(|one| one.sequence);
            let change = (domain.to_string(), sequence(from), sequence(to));
            heard_changes.lock().unwrap().push(change);
        }
        _ => {}
    };
    let mut federation = Federation::new(kept(dir.path()), given, Arc::new(hear));
    federation.pace = |_, _| Duration::from_millis(50);
    let federation = Arc::new(federation);
    let bundles = federation.bundles();
    let (relationships, wanted) = watch::channel(Arc::new(vec![relationship.clone()]));
    let following = tokio::spawn(Arc::clone(&federation).follow(wanted));
    let current = || bundles.borrow().bundle(&domain("p")).cloned();
    until(|| current() == Some(first.clone())).await;
    assert!(bundles.borrow().bundle(&domain("file")).is_some());

    let second = numbered(&first, 2);
    endpoint.gives(json(&second));
    until(|| current() == Some(second.clone())).await;
    // Older, broken, gone: nothing changes, and it is said.
    for answer in [json(&first), ok(b"{}"), Vec::new()] {
        let before = failed.load(Ordering::SeqCst);
        endpoint.gives(answer);
        until(|| failed.load(Ordering::SeqCst) > before + 1).await;
        assert_eq!(current(), Some(second.clone()));
    }
    // A bundle without keys revokes all (B-1).
    let none = numbered(&Bundle::new(domain("p")), 3);
    endpoint.gives(json(&none));
    until(|| current() == Some(none.clone())).await;

    // Another process takes an older one on purpose, and this one follows.
    let other = Federation::new(kept(dir.path()), BundleMap::default(), Arc::new(|_| ()));
    other.adopt(std::slice::from_ref(&relationship));
    assert_eq!(other.bundles().borrow().bundle(&domain("p")), Some(&none));
    endpoint.gives(Vec::new());
    kept(dir.path())
        .keep(&first, SystemClock.now(), true)
        .unwrap();
    until(|| current() == Some(first.clone())).await;

    // Whoever is not wanted any more is not believed any more, and not asked.
    relationships.send_replace(Arc::new(Vec::new()));
    until(|| current().is_none()).await;
    assert!(bundles.borrow().bundle(&domain("file")).is_some());
    let asked = endpoint.asked.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(endpoint.asked.load(Ordering::SeqCst) <= asked + 1);
    drop(relationships);
    following.await.unwrap();
    // Each change is told once, whoever fetched it.
    let told = changes.lock().unwrap().clone();
    let expected = [
        (None, Some(1)),
        (Some(1), Some(2)),
        (Some(2), Some(3)),
        (Some(3), Some(1)),
        (Some(1), None),
    ];
    let expected = expected.map(|(from, to)| ("p".to_owned(), from, to));
    assert_eq!(told, expected);
}
