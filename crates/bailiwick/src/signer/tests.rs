//! The signer against a real API server. There is no kubelet: the test asks as the node does.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

use bailiwick_audit::Log;
use bailiwick_identity::rules::{Bans, decode};
use bailiwick_identity::{BundleMap, KeyType, TrustDomain, UnixTime, x509};
use bailiwick_kube::{ConnectOptions, Feeds, Listener, Published, signer_role};
use bailiwick_spiffe::keys::MemoryKeys;
use bailiwick_spiffe::store::MemoryState;
use bailiwick_spiffe::{Options, SystemClock};
use bailiwick_store::Store;
use bailiwick_testkit::servers;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use super::*;

/// A clock that is so many seconds ahead.
struct Shifted(AtomicI64);

impl Clock for Shifted {
    fn now(&self) -> UnixTime {
        let now =
            i64::try_from(SystemClock.now().seconds()).unwrap() + self.0.load(Ordering::SeqCst);
        UnixTime::new(u64::try_from(now).unwrap())
    }
}

/// A signer that works in a namespace of its own, with a node, a service account and a pod.
struct World {
    server: &'static servers::Cluster,
    name: &'static str,
    node: servers::Identity,
    facts: Value,
    clock: Arc<Shifted>,
    authority: Arc<Authority>,
    rules: watch::Sender<Arc<RuleSet>>,
    ready: Ready,
    cluster: Arc<Cluster>,
    log: tempfile::TempDir,
    sender: Sender<Input>,
    working: Option<JoinHandle<()>>,
    _feeds: [Feeds; 3],
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.sender.send(Input::Stop);
        let _ = self.working.take().map(JoinHandle::join);
    }
}

/// With the plugin that checks what nodes say, as clusters have it.
fn server() -> &'static servers::Cluster {
    static SERVER: OnceLock<servers::Cluster> = OnceLock::new();
    SERVER.get_or_init(|| {
        let builder = servers::Cluster::builder().enable_admission_plugins("NodeRestriction");
        builder.start().unwrap()
    })
}

fn uid(server: &servers::Cluster, path: &str) -> String {
    let object = server.admin().get(path).unwrap().json().unwrap();
    object["metadata"]["uid"].as_str().unwrap().to_owned()
}

fn rules() -> RuleSet {
    let rule = json!({
        "apiVersion": "bailiwick.dev/v1alpha1", "kind": "WorkloadIdentity", "metadata": {"name": "all"},
        "spec": {"selector": {"pods": {}}, "id": "/ns/{namespace}/sa/{serviceAccount}", "lifetime": "2h"},
    });
    let rule = decode(&serde_json::from_value(rule).unwrap()).unwrap();
    RuleSet::new(TrustDomain::parse("td.example").unwrap(), [rule])
}

fn manifests(name: &str) -> String {
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

fn signer_of(name: &str) -> String {
    format!("{name}.example/spiffe")
}

impl World {
    fn new(name: &'static str) -> Self {
        Self::with(name, false)
    }

    fn with(name: &'static str, final_: bool) -> Self {
        let server = server();
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
            rules: rules_seen,
            evidence,
            ready: ready.clone(),
        });
        let working = std::thread::spawn(move || signer.run(&inputs));
        Self {
            server,
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

    fn requests(&self) -> String {
        format!(
            "/apis/certificates.k8s.io/v1/namespaces/{}/podcertificaterequests",
            self.name
        )
    }

    /// Asks for a certificate, as the node or as the administrator, with some facts made up.
    fn ask(&self, name: &str, as_node: bool, change: &Value) {
        self.ask_with(name, as_node, change, &rcgen::PKCS_ECDSA_P256_SHA256);
    }

    fn ask_with(
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
            "apiVersion": "certificates.k8s.io/v1", "kind": "PodCertificateRequest",
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

    fn status(&self, name: &str) -> Value {
        let path = format!("{}/{name}", self.requests());
        self.server.admin().get(&path).unwrap().json().unwrap()["status"].clone()
    }

    /// The condition of a request, once it has one.
    fn condition(&self, name: &str) -> Value {
        eventually(|| {
            let status = self.status(name);
            status["conditions"].get(0).cloned()
        })
    }

    fn check(&self, name: &str, kind: &str, reason: &str, part: &str) {
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

    fn waits(&self, name: &str) {
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(self.status(name).get("conditions"), None, "{name}");
    }

    fn log(&self) -> String {
        let segments = bailiwick_store::segments(self.log.path()).unwrap();
        let bytes = segments.iter().map(|segment| segment.read().unwrap());
        bytes
            .map(|bytes| String::from_utf8(bytes).unwrap())
            .collect()
    }
}

/// What is there in the end.
fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "it does not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_pod_gets_a_certificate() {
    let world = World::new("signer-gives");
    world.ask("first", true, &json!({}));
    world.check("first", "Issued", "Issued", "");
    let status = world.status("first");
    let chain = pem::decode("CERTIFICATE", status["certificateChain"].as_str().unwrap()).unwrap();
    let mut known = BundleMap::default();
    known.insert(bailiwick_identity::Bundle::clone(&world.authority.bundle()));
    let svid = x509::validate(&chain, &known, SystemClock.now()).unwrap();
    assert_eq!(
        svid.id().as_str(),
        "spiffe://td.example/ns/signer-gives/sa/cart"
    );
    let validity = svid.profile.validity;
    assert_eq!(validity.not_after.since(validity.not_before), 7200);
    assert_eq!(status["notAfter"], validity.not_after.to_string());
    assert_eq!(
        status["beginRefreshAt"],
        validity.not_before.plus(3600).to_string()
    );

    // Its record says who got it, by the request that the log of the API server has too.
    let serial = openssl_serial(&chain[0]);
    let record = bailiwick_store::find(world.log.path(), &serial)
        .unwrap()
        .unwrap();
    let Event::Issue(issue) = record.event else {
        panic!("{record:?}");
    };
    let request = uid(world.server, &format!("{}/first", world.requests()));
    assert_eq!(issue.proof.request, request);
    let pod = issue.workload.pod.unwrap();
    assert_eq!(
        (pod.name.as_str(), issue.workload.node.as_str()),
        ("web", "signer-gives")
    );
    assert_eq!(pod.uid, world.facts["podUID"]);

    // The longest life that the pod takes is kept, and so is the shortest that the API server takes.
    world.ask("short", true, &json!({"maxExpirationSeconds": 3600}));
    world.check("short", "Issued", "Issued", "");
}

/// The serial as it stands in the certificate, in hexadecimal digits.
fn openssl_serial(der: &[u8]) -> String {
    // After the version (integer 2) comes the serial, an integer of 16 bytes.
    let version = [0x02, 0x01, 0x02, 0x02, 0x10];
    let at = der.windows(5).position(|window| window == version).unwrap() + 5;
    der[at..at + 16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn k_1_forged_facts_are_refused() {
    let world = World::new("signer-forged");
    let other = uid(world.server, "/api/v1/nodes/signer-forged-other");
    let account = uid(
        world.server,
        "/api/v1/namespaces/signer-forged/serviceaccounts/other",
    );
    let cases = [
        (
            "no-pod",
            json!({"podName": "nobody", "podUID": "1"}),
            "there is no pod `signer-forged/nobody`",
        ),
        ("old-pod", json!({"podUID": "7f0c"}), "and not `7f0c`"),
        (
            "node",
            json!({"nodeName": "signer-forged-other", "nodeUID": other}),
            "is on the node `signer-forged`",
        ),
        (
            "old-node",
            json!({"nodeUID": "7f0c"}),
            "the node `signer-forged` has the UID",
        ),
        (
            "account",
            json!({"serviceAccountName": "other", "serviceAccountUID": account}),
            "runs as the service account `cart` and not as `other`",
        ),
        (
            "old-account",
            json!({"serviceAccountUID": "7f0c"}),
            "and not `7f0c`",
        ),
    ];
    for (name, change, _) in &cases {
        world.ask(name, false, change);
    }
    for (name, _, part) in &cases {
        world.check(name, "Denied", "Unproven", part);
    }
    // Of a pod that does not mount a certificate of this signer.
    let plain = manifests("signer-forged");
    let (_, plain) = plain.rsplit_once("---\n").unwrap();
    let (plain, _) = plain.split_once("  volumes:").unwrap();
    world
        .server
        .admin()
        .apply(&plain.replace("name: web,", "name: plain,"))
        .unwrap();
    let pod = uid(world.server, "/api/v1/namespaces/signer-forged/pods/plain");
    world.ask(
        "no-mount",
        false,
        &json!({"podName": "plain", "podUID": pod}),
    );
    world.check(
        "no-mount",
        "Denied",
        "Unproven",
        "mounts no certificate of the signer",
    );
    assert_eq!(
        world.log().matches("\"kind\":\"denial\"").count(),
        7,
        "{}",
        world.log()
    );
    assert!(!world.log().contains("\"kind\":\"issue\""));
    // The same request with true facts, by nobody of a node, is as good as the node's.
    world.ask("true", false, &json!({}));
    world.check("true", "Issued", "Issued", "");
}

#[test]
fn k_3_what_the_signer_does_not_know_is_denied() {
    let world = World::new("signer-denies");
    world.ask_with("ed25519", true, &json!({}), &rcgen::PKCS_ED25519);
    world.check(
        "ed25519",
        "Denied",
        "UnsupportedKeyType",
        "set keyType to ECDSAP256",
    );
    let wish = json!({"unverifiedUserAnnotations": {"example.org/wish": "root"}});
    world.ask("wish", true, &wish);
    world.check(
        "wish",
        "Denied",
        "InvalidUnverifiedUserAnnotations",
        "example.org/wish",
    );
}

#[test]
fn a_banned_pod_waits_and_goes_on_when_the_ban_ends() {
    let world = World::new("signer-bans");
    let mut bans = Bans::default();
    let who = format!("pod:{}", world.facts["podUID"].as_str().unwrap());
    bans.insert(who.parse().unwrap(), "a miner");
    world.rules.send_replace(Arc::new(rules().banning(bans)));
    world.ask("banned", true, &json!({}));
    world.waits("banned");
    assert!(world.log().contains("banned (pod:"), "{}", world.log());
    world.rules.send_replace(Arc::new(rules()));
    world.check("banned", "Issued", "Issued", "");
    // No rule yet: the same.
    let none = RuleSet::new(TrustDomain::parse("td.example").unwrap(), []);
    world.rules.send_replace(Arc::new(none));
    world.ask("no-rule", true, &json!({}));
    world.waits("no-rule");
    world.rules.send_replace(Arc::new(rules()));
    world.check("no-rule", "Issued", "Issued", "");
}

#[test]
fn a_final_signer_denies_who_gets_nothing() {
    let world = World::with("signer-final", true);
    let none = RuleSet::new(TrustDomain::parse("td.example").unwrap(), []);
    world.rules.send_replace(Arc::new(none));
    std::thread::sleep(Duration::from_millis(500));
    world.ask("no-rule", true, &json!({}));
    world.check(
        "no-rule",
        "Denied",
        "NotEntitled",
        "no rule gives it an identity",
    );
}

#[test]
fn clocks_may_be_four_minutes_apart_and_not_five() {
    let world = World::new("signer-clock");
    for (name, seconds) in [("late", -230), ("early", 240)] {
        world.clock.0.store(seconds, Ordering::SeqCst);
        world.ask(name, true, &json!({}));
        world.check(name, "Issued", "Issued", "");
        assert_eq!(world.ready.waiting(), [""; 0]);
    }
    for (name, seconds) in [("too-late", -300), ("too-early", 330)] {
        world.clock.0.store(seconds, Ordering::SeqCst);
        world.ask(name, true, &json!({}));
        eventually(|| (!world.ready.waiting().is_empty()).then_some(()));
        assert_eq!(
            world.ready.waiting(),
            ["the clock agrees with that of the API server"]
        );
        assert_eq!(world.status(name).get("conditions"), None);
        world.clock.0.store(0, Ordering::SeqCst);
        world.rules.send_replace(Arc::new(rules()));
        world.check(name, "Issued", "Issued", "");
        eventually(|| world.ready.waiting().is_empty().then_some(()));
    }
}

#[test]
fn k_5_the_trust_bundle_is_what_the_authority_says() {
    let world = World::new("signer-bundle");
    let path =
        "/apis/certificates.k8s.io/v1/clustertrustbundles/signer-bundle.example:spiffe:bailiwick";
    let bundle = || {
        let reply = world.server.admin().get(path).unwrap();
        (reply.status == 200).then(|| {
            reply.json().unwrap()["spec"]["trustBundle"]
                .as_str()
                .unwrap()
                .to_owned()
        })
    };
    let roots = || pem::certificates(world.authority.bundle().x509_authorities());
    eventually(|| (bundle() == Some(roots())).then_some(()));
    // Somebody deletes it.
    world
        .server
        .admin()
        .request("DELETE", path, &[], None)
        .unwrap();
    eventually(|| (bundle() == Some(roots())).then_some(()));
    // Without roots there is no bundle, since an empty one cannot be.
    let api = world.cluster.certificates_api().unwrap();
    let publish = |roots: &str| {
        world
            .cluster
            .publish_trust_bundle(api, "signer-bundle.example/spiffe", roots)
    };
    assert_eq!(publish("").unwrap(), Published::Deleted);
    eventually(|| (bundle() == Some(roots())).then_some(()));
    // And the role of the signer reaches no other bundle.
    let error = world
        .cluster
        .publish_trust_bundle(api, "else.example/spiffe", &roots());
    assert!(error.unwrap_err().to_string().contains("forbidden"));
}
