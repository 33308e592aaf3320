//! A cluster with a node, a pod and a signer.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

use bailiwick_audit::Log;
use bailiwick_identity::rules::decode;
use bailiwick_identity::{KeyType, TrustDomain, UnixTime};
use bailiwick_kube::{ConnectOptions, Feeds, Listener, signer_role};
use bailiwick_spiffe::keys::MemoryKeys;
use bailiwick_spiffe::store::MemoryState;
use bailiwick_spiffe::{Options, SystemClock};
use bailiwick_store::Store;
use bailiwick_testkit::servers;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use super::super::*;

/// A clock that is so many seconds ahead.
pub(super) struct Shifted(pub(super) AtomicI64);

impl Clock for Shifted {
    fn now(&self) -> UnixTime {
        let now =
            i64::try_from(SystemClock.now().seconds()).unwrap() + self.0.load(Ordering::SeqCst);
        UnixTime::new(u64::try_from(now).unwrap())
    }
}

/// A signer that works in a namespace of its own, with a node, a service account and a pod.
pub(super) struct World {
    pub(super) server: &'static servers::Cluster,
    /// The version of the requests.
    pub(super) version: &'static str,
    pub(super) name: &'static str,
    pub(super) node: servers::Identity,
    pub(super) facts: Value,
    pub(super) clock: Arc<Shifted>,
    pub(super) authority: Arc<Authority>,
    pub(super) rules: watch::Sender<Arc<RuleSet>>,
    pub(super) ready: Ready,
    pub(super) cluster: Arc<Cluster>,
    pub(super) log: tempfile::TempDir,
    pub(super) sender: Sender<Input>,
    pub(super) working: Option<JoinHandle<()>>,
    pub(super) _feeds: [Feeds; 3],
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.sender.send(Input::Stop);
        let _ = self.working.take().map(JoinHandle::join);
    }
}

/// With the plugin that checks what nodes say, as clusters have it.
pub(super) fn server() -> &'static servers::Cluster {
    static SERVER: OnceLock<servers::Cluster> = OnceLock::new();
    SERVER.get_or_init(|| {
        let builder = servers::Cluster::builder().enable_admission_plugins("NodeRestriction");
        builder.start().unwrap()
    })
}

/// One that acts as 1.36 did, which serves requests and trust bundles as v1beta1 alone. Its Node authorizer would wait for
/// requests of v1 for ever, so it has none, and nodes cannot ask.
pub(super) fn server_of_1_36() -> &'static servers::Cluster {
    static SERVER: OnceLock<servers::Cluster> = OnceLock::new();
    SERVER.get_or_init(|| {
        let builder = servers::Cluster::builder()
            .authorization_modes("RBAC")
            .emulated_version("1.36")
            .feature_gates("PodCertificateRequest=true,ClusterTrustBundle=true,ClusterTrustBundleProjection=true")
            .runtime_config("certificates.k8s.io/v1beta1=true");
        builder.start().unwrap()
    })
}

pub(super) fn uid(server: &servers::Cluster, path: &str) -> String {
    let object = server.admin().get(path).unwrap().json().unwrap();
    object["metadata"]["uid"].as_str().unwrap().to_owned()
}

pub(super) fn rules() -> RuleSet {
    let rule = json!({
        "apiVersion": "bailiwick.dev/v1alpha1", "kind": "WorkloadIdentity", "metadata": {"name": "all"},
        "spec": {"selector": {"pods": {}}, "id": "/ns/{namespace}/sa/{serviceAccount}", "lifetime": "2h"},
    });
    let rule = decode(&serde_json::from_value(rule).unwrap()).unwrap();
    RuleSet::new(TrustDomain::parse("td.example").unwrap(), [rule])
}

pub(super) fn manifests(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n---\n\
         apiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\n---\n\
         apiVersion: v1\nkind: Node\nmetadata: {{name: {name}-other}}\n---\n\
         apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: cart, namespace: {name}}}\n---\n\
         apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: other, namespace: {name}}}\n---\n\
         apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: signer, namespace: {name}}}\n---\n\
         {}---\n\
         apiVersion: v1\nkind: Pod\nmetadata: {{name: web, namespace: {name}}}\nspec:\n  nodeName: {name}\n  \
         serviceAccountName: cart\n  containers: [{{name: web, image: web}}]\n  volumes:\n  - name: id\n    projected:\n      \
         sources:\n      - podCertificate: {{signerName: {signer}, keyType: ECDSAP256, credentialBundlePath: id.pem}}\n",
        signer_role(&signer_of(name), name, "signer"),
        signer = signer_of(name),
    )
}

pub(super) fn signer_of(name: &str) -> String {
    format!("{name}.example/spiffe")
}

impl World {
    pub(super) fn new(name: &'static str) -> Self {
        Self::with(name, false)
    }

    pub(super) fn with(name: &'static str, final_: bool) -> Self {
        Self::on(server(), "v1", name, final_)
    }

    pub(super) fn on(
        server: &'static servers::Cluster,
        version: &'static str,
        name: &'static str,
        final_: bool,
    ) -> Self {
        server.admin().apply(&manifests(name)).unwrap();
        let facts = json!({
            "podName": "web", "podUID": uid(server, &format!("/api/v1/namespaces/{name}/pods/web")),
            "serviceAccountName": "cart",
            "serviceAccountUID": uid(server, &format!("/api/v1/namespaces/{name}/serviceaccounts/cart")),
            "nodeName": name, "nodeUID": uid(server, &format!("/api/v1/nodes/{name}")),
            "signerName": signer_of(name), "maxExpirationSeconds": 86400,
        });
        let node = server
            .certificate_user(&format!("system:node:{name}"), Some("system:nodes"))
            .unwrap();
        // An authority that is older than any wrong clock here.
        let clock = Arc::new(Shifted(AtomicI64::new(-1000)));
        let log = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(log.path(), Default::default()).unwrap());
        let evidence = Evidence::new(Arc::clone(&store) as Arc<dyn Log>, Arc::new(|_, _| ()));
        let options = Options {
            jwt_keys: vec![KeyType::EcP256],
            ..Options::new(TrustDomain::parse("td.example").unwrap())
        };
        let (keys, state) = (
            Box::new(MemoryKeys::default()),
            Box::new(MemoryState::default()),
        );
        let authority = Authority::open(options, keys, state, clock.clone(), None).unwrap();
        let authority = Arc::new(authority);
        clock.0.store(0, Ordering::SeqCst);
        let account = server.service_account(name, "signer").unwrap();
        let options = ConnectOptions {
            kubeconfig: Some(account.kubeconfig().to_owned()),
            ..ConnectOptions::default()
        };
        let cluster = Arc::new(Cluster::connect(&options).unwrap());
        let api = cluster.certificates_api().unwrap();
        let (sender, inputs) = mpsc::channel();
        let ears = sender.clone();
        let listener: Listener = Arc::new(move |told| drop(ears.send(Input::Told(told))));
        let signer = signer_of(name);
        let feeds = [
            cluster.follow_pods(&listener),
            cluster.follow_requests(api, &signer, &listener),
            cluster.follow_trust_bundle(api, &signer, &listener),
        ];
        let (rules, rules_seen) = watch::channel(Arc::new(rules()));
        let ready = Ready::new();
        let signer = Signer::new(Parts {
            cluster: Arc::clone(&cluster),
            api,
            signer,
            final_,
            authority: Arc::clone(&authority),
            clock: clock.clone(),
            census: None,
            rules: rules_seen,
            evidence,
            ready: ready.clone(),
        });
        let working = std::thread::spawn(move || signer.run(&inputs));
        Self {
            server,
            version,
            name,
            node,
            facts,
            clock,
            authority,
            rules,
            ready,
            cluster,
            log,
            sender,
            working: Some(working),
            _feeds: feeds,
        }
    }

    pub(super) fn requests(&self) -> String {
        format!(
            "/apis/certificates.k8s.io/{}/namespaces/{}/podcertificaterequests",
            self.version, self.name
        )
    }

    /// Asks for a certificate, as the node or as the administrator, with some facts made up.
    pub(super) fn ask(&self, name: &str, as_node: bool, change: &Value) {
        self.ask_with(name, as_node, change, &rcgen::PKCS_ECDSA_P256_SHA256);
    }

    pub(super) fn ask_with(
        &self,
        name: &str,
        as_node: bool,
        change: &Value,
        algorithm: &'static rcgen::SignatureAlgorithm,
    ) {
        use base64::Engine as _;
        let key = KeyPair::generate_for(algorithm).unwrap();
        let request = CertificateParams::default()
            .serialize_request(&key)
            .unwrap();
        let mut spec = self.facts.clone();
        spec["stubPKCS10Request"] = base64::engine::general_purpose::STANDARD
            .encode(request.der())
            .into();
        for (field, value) in change.as_object().unwrap() {
            spec[field] = value.clone();
        }
        let body = json!({
            "apiVersion": format!("certificates.k8s.io/{}", self.version), "kind": "PodCertificateRequest",
            "metadata": {"name": name}, "spec": spec,
        });
        let who = if as_node {
            &self.node
        } else {
            self.server.admin()
        };
        // The API server checks what a node says by watches of its own, which are late at times.
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let reply = who.post(&self.requests(), &body).unwrap();
            if reply.status == 201 {
                return;
            }
            assert!(Instant::now() < until, "{}: {}", reply.status, reply.body);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub(super) fn status(&self, name: &str) -> Value {
        let path = format!("{}/{name}", self.requests());
        self.server.admin().get(&path).unwrap().json().unwrap()["status"].clone()
    }

    /// The condition of a request, once it has one.
    pub(super) fn condition(&self, name: &str) -> Value {
        eventually(|| {
            let status = self.status(name);
            status["conditions"].get(0).cloned()
        })
    }

    pub(super) fn check(&self, name: &str, kind: &str, reason: &str, part: &str) {
        let condition = self.condition(name);
        assert_eq!(
            (&condition["type"], &condition["reason"]),
            (&json!(kind), &json!(reason)),
            "{condition}"
        );
        assert!(
            condition["message"].as_str().unwrap().contains(part),
            "{condition}"
        );
    }

    pub(super) fn waits(&self, name: &str) {
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(self.status(name).get("conditions"), None, "{name}");
    }

    pub(super) fn log(&self) -> String {
        let segments = bailiwick_store::segments(self.log.path()).unwrap();
        let bytes = segments.iter().map(|segment| segment.read().unwrap());
        bytes
            .map(|bytes| String::from_utf8(bytes).unwrap())
            .collect()
    }
}

/// What is there in the end.
pub(super) fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "it does not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}
