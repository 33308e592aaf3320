//! The doors as a caller sees them: a real socket, and this process as the workload.

mod evidence;
mod floods;
mod jwt;
mod sds;
mod wit;
mod x509;

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use bailiwick_audit::Event;
use bailiwick_identity::rules::{Rule, decode};
use bailiwick_identity::{KeyType, TrustDomain};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tonic::transport::{Channel, Uri};

use bailiwick_identity::rules::RuleSet;

use super::*;
use crate::authority::Authority;
use crate::evidence::tests::{MemoryLog, evidence};
use crate::keys::MemoryKeys;
use crate::store::MemoryState;
use crate::wire::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use crate::{Client, Clock, Endpoint, Options, Serve, Socket, SystemClock, serve};

/// A server with a rule that this process fits, and what it says of its deeds.
struct House {
    socket: PathBuf,
    authority: Arc<Authority>,
    rules: watch::Sender<Arc<RuleSet>>,
    federated: watch::Sender<Arc<BundleMap>>,
    log: Arc<MemoryLog>,
    events: Arc<Mutex<Vec<Event>>>,
    stop: Option<oneshot::Sender<()>>,
    _dir: tempfile::TempDir,
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
    }
}

fn domain(name: &str) -> TrustDomain {
    TrustDomain::parse(name).unwrap()
}

fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "cases are literals that nobody needs afterwards"
)]
/// A rule for this process, unless the fields say otherwise.
fn rule(name: &str, fields: serde_json::Value) -> Rule {
    let mut spec = json!({"selector": {"unix": {"uids": [own_uid()]}}, "id": "/a"});
    for (key, value) in fields.as_object().unwrap() {
        spec[key] = value.clone();
    }
    let document = json!({
        "apiVersion": "bailiwick.dev/v1alpha1", "kind": "WorkloadIdentity",
        "metadata": {"name": name}, "spec": spec,
    });
    decode(&serde_json::from_value(document).unwrap()).unwrap()
}

fn set(rules: Vec<Rule>) -> Arc<RuleSet> {
    Arc::new(RuleSet::new(domain("td"), rules))
}

async fn house(rules: Vec<Rule>) -> House {
    house_at(rules, Arc::new(SystemClock)).await
}

async fn house_at(rules: Vec<Rule>, clock: Arc<dyn Clock>) -> House {
    house_with(rules, clock, Options::new(domain("td"))).await
}

async fn house_with(rules: Vec<Rule>, clock: Arc<dyn Clock>, options: Options) -> House {
    let options = Options {
        jwt_keys: vec![KeyType::EcP256],
        ..options
    };
    let log = Arc::new(MemoryLog::default());
    let (evidence, events) = evidence(&log);
    let keys = Box::new(MemoryKeys::default());
    let store = Box::new(MemoryState::default());
    let authority =
        Arc::new(Authority::open(options, keys, store, clock, Some(evidence.clone())).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("agent.sock");
    let (rules, rules_seen) = watch::channel(set(rules));
    let (federated, federated_seen) = watch::channel(Arc::new(BundleMap::default()));
    let (stop, stopped) = oneshot::channel();
    let (ready, is_ready) = oneshot::channel();
    let served = Serve {
        socket: Socket::new(socket.clone(), 0o600),
        authority: Arc::clone(&authority),
        rules: rules_seen,
        federated: federated_seen,
        evidence,
    };
    tokio::spawn(async move {
        let ready = || ready.send(()).unwrap();
        let stopped = async { drop(stopped.await) };
        serve(served, ready, stopped).await.unwrap();
    });
    is_ready.await.unwrap();
    House {
        socket,
        authority,
        rules,
        federated,
        log,
        events,
        stop: Some(stop),
        _dir: dir,
    }
}

impl House {
    async fn client(&self) -> Client {
        let endpoint = Endpoint::Unix(self.socket.clone());
        Client::connect(&endpoint).await.unwrap()
    }

    async fn channel(&self) -> Channel {
        let path = self.socket.clone();
        let connector = tower::service_fn(move |_: Uri| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        Channel::from_static("http://localhost")
            .connect_with_connector(connector)
            .await
            .unwrap()
    }

    async fn raw(&self) -> SpiffeWorkloadApiClient<Channel> {
        SpiffeWorkloadApiClient::new(self.channel().await)
    }

    fn said(&self) -> String {
        let events = self.events.lock().unwrap();
        events.iter().map(|event| format!("{event:?}\n")).collect()
    }
}

fn request<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request
        .metadata_mut()
        .insert("workload.spiffe.io", "true".parse().unwrap());
    request
}

/// Fails instead of waiting for ever.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("an answer in time")
}
