//! Workloads that shake hands with each other all the time, while the keys of their authority change.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bailiwick_identity::rotation::{KeyId, Phase, Purpose, Step};
use bailiwick_identity::x509;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime as TlsTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::version::TLS13;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    ServerConnection, SignatureScheme,
};
use tokio::task::JoinSet;

use super::*;
use crate::Fetched;
use crate::tls::{Signatures, provider, refused};

/// Small numbers, so that a root comes and goes while a test runs.
pub(super) const HASTY: Policy = Policy {
    refresh_hint: 1,
    propagation: 2,
    handover: 1,
    skew: 0,
    reissue: 3,
    ..Policy::DEFAULT
};

/// The key that signs certificates now, and the one that does next.
pub(super) fn active(house: &House) -> KeyId {
    let state = house.authority.state();
    state.active(Purpose::X509).unwrap().id.clone()
}

pub(super) fn successor(house: &House) -> KeyId {
    let state = house.authority.state();
    state.successor(Purpose::X509).unwrap().id.clone()
}

/// Takes a step as soon as the state machine lets it.
pub(super) async fn step(house: &House, step: Step) {
    until(async || house.authority.step(step.clone()).ok()).await;
}

/// Believes whoever shows an SVID by the keys that this workload was told last.
struct Believes {
    bundle: Bundle,
    signatures: Signatures,
}

impl std::fmt::Debug for Believes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Believes(..)")
    }
}

impl Believes {
    fn check(&self, leaf: &CertificateDer<'_>, chain: &[CertificateDer<'_>]) -> Result<(), Error> {
        let all = std::iter::once(leaf).chain(chain);
        let chain: Vec<Vec<u8>> = all.map(|der| der.to_vec()).collect();
        let svid = x509::validate(&chain, &self.bundle, SystemClock.now());
        svid.map(drop).map_err(refused)
    }
}

macro_rules! signatures {
    () => {
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
    };
}

impl ServerCertVerifier for Believes {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: TlsTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(leaf, chain)
            .map(|()| ServerCertVerified::assertion())
    }

    signatures!();
}

impl ClientCertVerifier for Believes {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _: TlsTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(leaf, chain)
            .map(|()| ClientCertVerified::assertion())
    }

    signatures!();
}

/// What a workload shakes hands with: what its stream told it last.
struct Ends {
    told: Fetched,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Ends {
    fn of(told: Fetched) -> Self {
        let believes = Arc::new(Believes {
            bundle: told.bundle.clone(),
            signatures: Signatures::new(),
        });
        let chain: Vec<_> = told
            .chain
            .iter()
            .cloned()
            .map(CertificateDer::from)
            .collect();
        let key = || PrivateKeyDer::Pkcs8(told.key.to_vec().into());
        let client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&believes) as _)
            .with_client_auth_cert(chain.clone(), key())
            .unwrap();
        let server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_client_cert_verifier(believes)
            .with_single_cert(chain, key())
            .unwrap();
        Self {
            told,
            client: Arc::new(client),
            server: Arc::new(server),
        }
    }
}

/// A whole handshake in memory, in which both sides show what they have.
fn shake(one: &Ends, other: &Ends) -> Result<(), Error> {
    let name = ServerName::try_from("workload").unwrap();
    let mut client = ClientConnection::new(Arc::clone(&one.client), name)?;
    let mut server = ServerConnection::new(Arc::clone(&other.server))?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut sent = bytes.as_slice();
        while !sent.is_empty() {
            server.read_tls(&mut sent).unwrap();
            server.process_new_packets()?;
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut sent = bytes.as_slice();
        while !sent.is_empty() {
            client.read_tls(&mut sent).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok(())
}

/// Workloads with a stream each.
struct Workloads {
    ends: Vec<Arc<Mutex<Arc<Ends>>>>,
    streams: JoinSet<String>,
    /// Handshakes that succeeded.
    shaken: Arc<AtomicUsize>,
    failed: Arc<Mutex<Vec<String>>>,
    over: Arc<AtomicBool>,
}

impl Workloads {
    /// So many streams at each of these agents.
    async fn open(agents: &[Agent], each: usize) -> Self {
        let mut all = Self {
            ends: Vec::new(),
            streams: JoinSet::new(),
            shaken: Arc::default(),
            failed: Arc::default(),
            over: Arc::default(),
        };
        for _ in 0..each {
            for agent in agents {
                let mut client = agent.client().await;
                let mut watch = client.watch_x509().await.unwrap();
                let first = watch.next().await.unwrap().remove(0);
                let ends = Arc::new(Mutex::new(Arc::new(Ends::of(first))));
                all.ends.push(Arc::clone(&ends));
                all.streams.spawn(async move {
                    loop {
                        match watch.next().await {
                            Ok(mut told) => {
                                *ends.lock().unwrap() = Arc::new(Ends::of(told.remove(0)));
                            }
                            Err(error) => return error.to_string(),
                        }
                    }
                });
            }
        }
        all
    }

    /// Has them shake hands, one with another in turn, on threads that nothing else waits for.
    fn shake(&self) -> Vec<std::thread::JoinHandle<()>> {
        let threads = (0..2).map(|thread| {
            let ends = self.ends.clone();
            let (shaken, failed) = (Arc::clone(&self.shaken), Arc::clone(&self.failed));
            let over = Arc::clone(&self.over);
            std::thread::spawn(move || {
                let mut turn = thread;
                while !over.load(Ordering::SeqCst) {
                    let one = turn % ends.len();
                    // Not always the same two.
                    let other = (one + 1 + turn / ends.len()) % ends.len();
                    let now = |at: usize| Arc::clone(&ends[at].lock().unwrap());
                    match shake(&now(one), &now(other)) {
                        Ok(()) => drop(shaken.fetch_add(1, Ordering::SeqCst)),
                        Err(error) => {
                            let why = format!("{one} with {other}: {error}");
                            failed.lock().unwrap().push(why);
                        }
                    }
                    turn += 2;
                }
            })
        });
        threads.collect()
    }

    /// Waits until each was told what is so.
    async fn are(&self, so: impl Fn(&Fetched) -> bool) {
        let all = || self.ends.iter().all(|ends| so(&ends.lock().unwrap().told));
        let end = Instant::now() + Duration::from_secs(300);
        while !all() {
            assert!(Instant::now() < end, "it does not come");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The certificates that they have.
    fn leaves(&self) -> BTreeSet<Vec<u8>> {
        let leaf = |ends: &Arc<Mutex<Arc<Ends>>>| ends.lock().unwrap().told.chain[0].clone();
        self.ends.iter().map(leaf).collect()
    }
}

/// How many streams there are; `cargo xtask soak rotation` says more.
fn streams() -> usize {
    let said = std::env::var("BAILIWICK_STREAMS").ok();
    said.map_or(60, |said| said.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_handshake_fails_while_keys_are_prepared_exchanged_tainted_and_revoked() {
    let house = house_with(HASTY).await;
    let agents = [
        house.agent("a", house.token_file("good-n1"), WEB).await,
        house.agent("b", house.token_file("good-n2"), DB).await,
    ];
    for agent in &agents {
        agent.ids().await;
    }
    let mut workloads = Workloads::open(&agents, streams() / 2).await;
    let threads = workloads.shake();
    let shaken = || workloads.shaken.load(Ordering::SeqCst);
    let (mut told, mut before) = (Vec::new(), 0);
    // The first root gives way to the one that waits, the next is made and published, and takes over in turn.
    for _ in 0..2 {
        let (old, next) = (active(&house), successor(&house));
        let leaves = workloads.leaves();
        step(&house, Step::Activate(next.clone())).await;
        workloads.are(|one| !leaves.contains(&one.chain[0])).await;
        told.push(("activated", shaken() - before));
        before = shaken();
        // The next one is prepared and published.
        until(async || {
            house.authority.tick().unwrap();
            let state = house.authority.state();
            state.successor(Purpose::X509).map(drop)
        })
        .await;
        let known = house.authority.bundle();
        let newest = known.x509_authorities().last().unwrap().clone();
        workloads
            .are(|one| one.bundle.x509_authorities().contains(&newest))
            .await;
        step(&house, Step::Taint(old.clone())).await;
        step(&house, Step::Revoke(old.clone())).await;
        let state = house.authority.state();
        assert!(
            state
                .authority(&old)
                .is_none_or(|key| key.phase == Phase::Revoked)
        );
        let left = house.authority.bundle();
        workloads
            .are(|one| one.bundle.x509_authorities().len() <= left.x509_authorities().len())
            .await;
        told.push(("tainted and revoked", shaken() - before));
        before = shaken();
    }
    // The one that signs is stolen: what it signed is made anew.
    let (stolen, leaves) = (active(&house), workloads.leaves());
    step(&house, Step::Activate(successor(&house))).await;
    step(&house, Step::Taint(stolen.clone())).await;
    workloads.are(|one| !leaves.contains(&one.chain[0])).await;
    step(&house, Step::Revoke(stolen)).await;
    told.push(("stolen", shaken() - before));
    workloads.over.store(true, Ordering::SeqCst);
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    println!(
        "{} streams, {} handshakes: {told:?}",
        workloads.ends.len(),
        shaken()
    );
    let failed = workloads.failed.lock().unwrap().clone();
    assert!(
        failed.is_empty(),
        "{} failed: {:?}",
        failed.len(),
        failed.first()
    );
    assert!(told.iter().all(|(_, count)| *count > 0), "{told:?}");
    assert!(
        workloads.streams.try_join_next().is_none(),
        "a stream ended"
    );
}
