use std::path::PathBuf;
use std::sync::Arc;

use bailiwick_audit::{Durability, Encoded, Log, Pending};
use bailiwick_identity::rotation::Policy;
use bailiwick_identity::rules::{Rule, RuleSet, decode};
use bailiwick_identity::{BundleMap, KeyType, TrustDomain};
use bailiwick_spiffe::keys::MemoryKeys;
use bailiwick_spiffe::store::MemoryState;
use bailiwick_spiffe::{
    Authority, Client, Endpoint, Evidence, Fetched, Options, Serve, Socket, SystemClock, serve,
};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};

/// A served socket. This process and those that it starts get the identities of its rules.
pub(crate) struct House {
    pub(crate) authority: Arc<Authority>,
    pub(crate) socket: PathBuf,
    pub(crate) rules: watch::Sender<Arc<RuleSet>>,
    pub(crate) runtime: Runtime,
    _federated: watch::Sender<Arc<BundleMap>>,
    _stop: oneshot::Sender<()>,
    _dir: tempfile::TempDir,
}

/// Rules for every process of this user, one for each path.
pub(crate) fn rules(paths: &[&str]) -> Arc<RuleSet> {
    let uid = nix::unistd::geteuid().as_raw();
    let rule = |path: &&str| -> Rule {
        let document = json!({
            "apiVersion": "bailiwick.dev/v1alpha1", "kind": "WorkloadIdentity",
            "metadata": {"name": path.trim_start_matches('/').replace('/', "-")},
            "spec": {
                "selector": {"unix": {"uids": [uid]}}, "id": path, "hint": path,
                "dnsNames": ["localhost"], "claims": {"team": "shop"},
            },
        });
        decode(&serde_json::from_value(document).unwrap()).unwrap()
    };
    let domain = TrustDomain::parse("td.example").unwrap();
    Arc::new(RuleSet::new(domain, paths.iter().map(rule)))
}

/// A log that others test.
struct Nowhere;

impl Log for Nowhere {
    fn append(&self, _: Encoded, _: Durability) -> Pending {
        Box::pin(async { Ok(1) })
    }
}

impl House {
    pub(crate) fn new(paths: &[&str]) -> Self {
        Self::with(paths, Policy::DEFAULT, vec![KeyType::EcP256])
    }

    pub(crate) fn with(paths: &[&str], policy: Policy, jwt_keys: Vec<KeyType>) -> Self {
        Self::of(paths, |options| Options {
            policy,
            jwt_keys,
            ..options
        })
    }

    pub(crate) fn of(paths: &[&str], change: impl FnOnce(Options) -> Options) -> Self {
        let options = change(Options {
            jwt_keys: vec![KeyType::EcP256],
            ..Options::new(TrustDomain::parse("td.example").unwrap())
        });
        let keys = Box::new(MemoryKeys::default());
        let store = Box::new(MemoryState::default());
        let authority = Authority::open(options, keys, store, Arc::new(SystemClock), None);
        let authority = Arc::new(authority.unwrap());
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("agent.sock");
        let (rules, rules_seen) = watch::channel(rules(paths));
        let (federated, federated_seen) = watch::channel(Arc::default());
        let served = Serve {
            socket: Socket::new(socket.clone(), 0o600),
            authority: Arc::clone(&authority),
            rules: rules_seen,
            federated: federated_seen,
            evidence: Evidence::new(Arc::new(Nowhere), Arc::new(|_, _| ())),
        };
        let runtime = Runtime::new().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, is_ready) = oneshot::channel();
        runtime.spawn(async move {
            let stopped = async { drop(stopped.await) };
            serve(served, || ready.send(()).unwrap(), stopped).await
        });
        runtime.block_on(is_ready).unwrap();
        Self {
            authority,
            socket,
            rules,
            runtime,
            _federated: federated,
            _stop: stop,
            _dir: dir,
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// What this process itself gets.
    pub(crate) fn fetch(&self) -> Vec<Fetched> {
        self.runtime.block_on(async {
            let endpoint = Endpoint::Unix(self.socket.clone());
            let mut client = Client::connect(&endpoint).await.unwrap();
            client.fetch_x509().await.unwrap()
        })
    }
}

/// What a client of another language has to say that fetched `/a` and validated it.
#[track_caller]
pub(crate) fn check_client(output: &std::process::Output) {
    let trouble = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{trouble}");
    let seen: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let id = "spiffe://td.example/a";
    let expected = serde_json::json!({
        "id": id, "chain": 2, "roots": 2, "remote": id, "local": id, "refused": true,
    });
    assert_eq!(seen, expected);
}
