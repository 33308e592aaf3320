//! Agents and a server over TLS; whose tokens are says a made-up API server, in which pod a process runs a made-up
//! /proc. `bailiwick/tests/identity_agent.rs` has the real ones.

mod attacks;
mod broker;
mod broker_refused;
mod clocks;
mod fair;
mod files;
mod identities;
mod outage;
mod past_flaws;
mod refused;
mod rotation;
mod streams;
mod wit;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use bailiwick_audit::{AgentStep, Event, IssueRecord};
use bailiwick_identity::agents::{Admissions, Agents};
use bailiwick_identity::pods::{
    Object, ObjectKind, Review, ReviewError, Reviewed, Reviewer, SeenPod,
};
use bailiwick_identity::rotation::Policy;
use bailiwick_identity::rules::{Bans, RuleSet, decode};
use bailiwick_identity::{BundleMap, KeyType, SpiffeId, UnixTime};
use bailiwick_model::ObjectMeta;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::*;
use crate::evidence::tests::{MemoryLog, evidence};
use crate::keys::MemoryKeys;
use crate::store::MemoryState;
use crate::{
    AgentDoor, Authority, Client, Clock, Endpoint, IdentityServer, JoinToken, Options, Pods,
    SystemClock, pem, serve_identities,
};

/// The pods of the tests, by their UIDs.
pub(super) const WEB: &str = "0d9c6a1e-4f5b-4c0e-9d3a-0123456789ab";
const DB: &str = "11111111-2222-3333-4444-555555555555";

#[derive(Default)]
struct Api(Mutex<HashMap<(String, String), Reviewed>>);

impl Reviewer for Api {
    fn review<'r>(&'r self, token: &'r str, audience: &'r str) -> Review<'r> {
        let key = (token.to_owned(), audience.to_owned());
        let known = self.0.lock().unwrap().get(&key).cloned();
        Box::pin(async move {
            known.ok_or_else(|| ReviewError::Refused {
                audience: audience.to_owned(),
                reason: "for somebody else".into(),
            })
        })
    }
}

pub(super) struct House {
    pub(super) authority: Arc<Authority>,
    pub(super) rules: watch::Sender<Arc<RuleSet>>,
    pub(super) agents: watch::Sender<Arc<Admissions>>,
    pub(super) admissions: crate::Ledger<Admissions>,
    pub(super) known: crate::Ledger<Agents>,
    pub(super) pods: Arc<Pods>,
    api: Arc<Api>,
    pub(super) events: Arc<Mutex<Vec<Event>>>,
    log: Arc<MemoryLog>,
    pub(super) address: String,
    /// On threads of its own, so that it can be killed with all of its connections.
    server: Option<Runtime>,
    pub(super) dir: tempfile::TempDir,
    pub(super) news: Arc<Mutex<Vec<String>>>,
    pub(super) federated: watch::Sender<Arc<BundleMap>>,
    pub(super) limits: crate::Limits,
    /// That of its nodes.
    pub(super) clock: Arc<Skewed>,
}

fn meta(namespace: &str, name: &str, uid: &str) -> ObjectMeta {
    ObjectMeta {
        uid: uid.into(),
        ..ObjectMeta::named(namespace, name)
    }
}

pub(super) fn pod(name: &str, uid: &str, node: &str) -> SeenPod {
    SeenPod {
        meta: meta("shop", name, uid),
        node: node.into(),
        service_account: name.into(),
        images: vec!["img".into()],
        ..SeenPod::default()
    }
}

pub(super) fn rules() -> RuleSet {
    let rule = json!({
        "apiVersion": "bailiwick.dev/v1alpha1", "kind": "WorkloadIdentity", "metadata": {"name": "all"},
        "spec": {"selector": {"namespaces": ["shop"]}, "id": "/ns/{namespace}/sa/{serviceAccount}"},
    });
    let rule = decode(&serde_json::from_value(rule).unwrap()).unwrap();
    RuleSet::new(TrustDomain::parse("td").unwrap(), [rule])
}

/// A token of an agent's pod on a node.
pub(super) fn reviewed(node: &str, node_uid: &str) -> Reviewed {
    Reviewed {
        namespace: "bailiwick".into(),
        service_account: "agent".into(),
        service_account_uid: "a1".into(),
        pod: format!("agent-{node}"),
        pod_uid: format!("agent-uid-{node}"),
        node: node.into(),
        node_uid: node_uid.into(),
        credential: "JTI=7".into(),
    }
}

pub(super) async fn house() -> House {
    house_with(Policy::DEFAULT).await
}

/// The clock of the machine, but for so many seconds.
#[derive(Default)]
pub(super) struct Skewed(AtomicI64);

impl Skewed {
    /// Is so many seconds ahead from now on.
    pub(super) fn set(&self, ahead: i64) {
        self.0.store(ahead, Ordering::SeqCst);
    }
}

impl Clock for Skewed {
    fn now(&self) -> UnixTime {
        let now = SystemClock.now().seconds();
        UnixTime::new(now.saturating_add_signed(self.0.load(Ordering::SeqCst)))
    }
}

pub(super) async fn house_with(policy: Policy) -> House {
    house_of(policy, Arc::default()).await
}

/// A house whose server has this clock.
pub(super) async fn house_of(policy: Policy, clock: Arc<Skewed>) -> House {
    let options = Options {
        policy,
        jwt_keys: vec![KeyType::EcP256],
        wit: true,
        ..Options::new(TrustDomain::parse("td").unwrap())
    };
    let log = Arc::new(MemoryLog::default());
    let (evidence, events) = evidence(&log);
    let (keys, state) = (
        Box::new(MemoryKeys::default()),
        Box::new(MemoryState::default()),
    );
    let authority = Authority::open(options, keys, state, clock, None);
    let pods = Arc::new(Pods::default());
    for (name, uid) in [("n1", "m1"), ("n2", "m2")] {
        pods.put(Object::Node(meta("", name, uid)));
        let mut agent = pod(&format!("agent-{name}"), &format!("agent-uid-{name}"), name);
        agent.meta.namespace = "bailiwick".into();
        agent.service_account = "agent".into();
        pods.put(Object::Pod(Box::new(agent)));
    }
    for (name, uid) in [("shop", "s1"), ("bailiwick", "s2")] {
        pods.put(Object::Namespace(meta("", name, uid)));
    }
    pods.put(Object::ServiceAccount(meta("bailiwick", "agent", "a1")));
    pods.put(Object::Pod(Box::new(pod("web", WEB, "n1"))));
    pods.put(Object::Pod(Box::new(pod("db", DB, "n2"))));
    pods.complete();
    let dir = tempfile::tempdir().unwrap();
    let house = House {
        authority: Arc::new(authority.unwrap()),
        rules: watch::Sender::new(Arc::new(rules())),
        agents: watch::Sender::default(),
        admissions: crate::Ledger::file(dir.path().join("admissions")),
        known: crate::Ledger::file(dir.path().join("agents")),
        pods,
        api: Arc::default(),
        events,
        log,
        address: String::new(),
        server: None,
        dir,
        news: Arc::default(),
        federated: watch::Sender::default(),
        limits: crate::Limits::default(),
        clock: Arc::default(),
    };
    for (node, uid) in [("n1", "m1"), ("n2", "m2")] {
        house.token(&format!("good-{node}"), "td/agent", reviewed(node, uid));
    }
    let roots = pem::certificates(house.authority.bundle().x509_authorities());
    fs::write(house.path("roots.pem"), roots).unwrap();
    drop(evidence);
    let mut house = house;
    house.start("127.0.0.1:0").await;
    house
}

impl House {
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A join token for a node that was made at a moment and holds for so many seconds.
    pub(super) fn invited(&self, node: &str, made: UnixTime, seconds: u64) -> JoinToken {
        let token = JoinToken::generate().unwrap();
        let hash = token.hash();
        self.admissions
            .change(|admissions| assert!(admissions.invite(hash.clone(), node, made, seconds)))
            .unwrap();
        token
    }

    pub(super) fn token(&self, token: &str, audience: &str, reviewed: Reviewed) {
        let key = (token.to_owned(), audience.to_owned());
        self.api.0.lock().unwrap().insert(key, reviewed);
    }

    /// Starts the server.
    pub(super) async fn start(&mut self, address: &str) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = until(async || {
            let address = address.to_owned();
            let bound = runtime.spawn(async move { TcpListener::bind(address).await });
            bound.await.unwrap().ok()
        })
        .await;
        self.address = listener.local_addr().unwrap().to_string();
        let events = Arc::clone(&self.events);
        let witness: crate::Witness = Arc::new(move |event, outcome| {
            if outcome.is_ok() {
                events.lock().unwrap().push(event.clone());
            }
        });
        let log: Arc<dyn bailiwick_audit::Log> = Arc::clone(&self.log) as _;
        let server = IdentityServer {
            listener,
            dns_names: Vec::new(),
            authority: Arc::clone(&self.authority),
            rules: self.rules.subscribe(),
            pods: Arc::clone(&self.pods),
            reviewer: Arc::clone(&self.api) as _,
            evidence: crate::Evidence::new(log, witness),
            agents: Some(AgentDoor {
                admissions: self.admissions.clone(),
                admitted: self.agents.subscribe(),
                known: self.known.clone(),
                accounts: vec![("bailiwick".into(), "agent".into())],
            }),
            node_certificates: None,
            federated: self.federated.subscribe(),
            limits: self.limits.clone(),
        };
        runtime.spawn(async move {
            serve_identities(server, std::future::pending())
                .await
                .unwrap();
        });
        self.server = Some(runtime);
    }

    /// Kills the server.
    pub(super) fn kill(&mut self) {
        self.server.take().unwrap().shutdown_background();
    }

    /// An agent that proves its node so, in whose eyes this process runs in `pod`. It keeps its identity in the folder `keep`
    /// below that of its name, where there is one.
    pub(super) async fn agent(&self, name: &str, proof: NodeProof, pod: &str) -> Agent {
        let folder = self.path(name);
        fs::create_dir_all(&folder).unwrap();
        made_up_proc(&folder.join("proc"), pod);
        let socket = Socket {
            proc_root: folder.join("proc"),
            ..Socket::new(folder.join("s"), 0o600)
        };
        let news = Arc::clone(&self.news);
        let agent = NodeAgent {
            socket: socket.clone(),
            server: self.address.clone(),
            domain: TrustDomain::parse("td").unwrap(),
            trust_bundle: self.path("roots.pem"),
            proof,
            folder: Some(folder.join("keep")).filter(|keep| keep.is_dir()),
            wit_svid: true,
            brokers: Some(BrokerSocket {
                path: folder.join("brokers"),
                mode: 0o600,
                allowed: [SpiffeId::parse("spiffe://td/broker").unwrap()].into(),
            }),
            clock: Arc::clone(&self.clock) as _,
            tell: Arc::new(move |said| news.lock().unwrap().push(format!("{said:?}"))),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, is_ready) = oneshot::channel();
        tokio::spawn(async move {
            let ready = || ready.send(()).unwrap();
            let stopped = async { drop(stopped.await) };
            serve_node(agent, ready, stopped).await.unwrap();
        });
        is_ready.await.unwrap();
        Agent {
            socket: socket.path,
            proc_root: folder.join("proc"),
            brokers: folder.join("brokers"),
            _stop: stop,
        }
    }

    pub(super) fn token_file(&self, token: &str) -> NodeProof {
        let path = self.path(token);
        fs::write(&path, format!("{token}\n")).unwrap();
        NodeProof::TokenFile(path)
    }

    pub(super) fn issues(&self) -> Vec<IssueRecord> {
        let events = self.events.lock().unwrap();
        let issues = events.iter().filter_map(|event| match event {
            Event::Issue(record) if !record.rule.starts_with("bailiwick-") => {
                Some(IssueRecord::clone(record))
            }
            _ => None,
        });
        issues.collect()
    }

    pub(super) fn denials(&self) -> String {
        let events = self.events.lock().unwrap();
        let denials = events.iter().filter_map(|event| match event {
            Event::Denial(record) => Some(format!("{}\n", record.why)),
            _ => None,
        });
        denials.collect()
    }

    pub(super) fn joined(&self) -> Vec<(String, String)> {
        let events = self.events.lock().unwrap();
        let joined = events.iter().filter_map(|event| match event {
            Event::Agent(record) if record.step == AgentStep::Joined => {
                Some((record.node.clone(), record.by.clone()))
            }
            _ => None,
        });
        joined.collect()
    }

    pub(super) fn ban(&self, who: &str) {
        let mut bans = Bans::default();
        bans.insert(who.parse().unwrap(), "stolen");
        self.rules.send_replace(Arc::new(rules().banning(bans)));
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown_background();
        }
    }
}

pub(super) struct Agent {
    socket: PathBuf,
    pub(super) proc_root: PathBuf,
    pub(super) brokers: PathBuf,
    _stop: oneshot::Sender<()>,
}

impl Agent {
    pub(super) async fn client(&self) -> Client {
        let endpoint = Endpoint::Unix(self.socket.clone());
        Client::connect(&endpoint).await.unwrap()
    }

    /// Its socket, for other clients.
    pub(super) async fn channel(&self) -> Channel {
        let path = self.socket.clone();
        let connector = tower::service_fn(move |_: tonic::transport::Uri| {
            let path = path.clone();
            async move {
                let stream = tokio::net::UnixStream::connect(path).await;
                stream.map(hyper_util::rt::TokioIo::new)
            }
        });
        let endpoint = tonic::transport::Endpoint::from_static("http://localhost");
        endpoint.connect_with_connector(connector).await.unwrap()
    }

    /// The identities of this process, as soon as there are some.
    pub(super) async fn ids(&self) -> Vec<String> {
        let mut client = self.client().await;
        let ids = until(async || client.fetch_x509().await.ok()).await;
        ids.iter().map(|fetched| fetched.id.to_string()).collect()
    }

    /// How a request ends that is refused.
    pub(super) async fn refusal(&self) -> String {
        let mut client = self.client().await;
        until(async || match client.fetch_x509().await {
            Err(error) if error.is_denied() => Some(error.to_string()),
            _ => None,
        })
        .await
    }
}

/// A /proc in which this process is in a pod.
pub(super) fn made_up_proc(root: &Path, pod: &str) {
    made_up_process(root, std::process::id(), pod);
}

/// A process with this number, in all but the pod like this one.
pub(super) fn made_up_process(root: &Path, pid: u32, pod: &str) {
    let own = root.join(pid.to_string());
    fs::create_dir_all(&own).unwrap();
    for file in ["stat", "status"] {
        fs::copy(Path::new("/proc/self").join(file), own.join(file)).unwrap();
    }
    fs::write(own.join("cgroup"), format!("0::/kubepods/pod{pod}/1\n")).unwrap();
}

/// Asks again until there is an answer.
pub(super) async fn until<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < end, "it does not come");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
