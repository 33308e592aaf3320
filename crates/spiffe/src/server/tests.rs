//! The server as a pod sees it, over TLS. Whose tokens are says a made-up API server.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bailiwick_audit::{Door, Event, IssueRecord};
use bailiwick_identity::pods::{Object, ObjectKind, Review, ReviewError, Reviewed, SeenPod};
use bailiwick_identity::rules::{Bans, decode};
use bailiwick_identity::{Bundle, BundleMap, KeyType, SpiffeId, TrustDomain, jwt, x509};
use bailiwick_model::ObjectMeta;
use serde_json::json;
use tokio::sync::oneshot;

use super::*;
use crate::client::ClientError;
use crate::evidence::tests::{MemoryLog, evidence};
use crate::keys::MemoryKeys;
use crate::store::MemoryState;
use crate::wire::issuer::IssueRequest;
use crate::wire::issuer::issuer_server::Issuer as _;
use crate::{IssuerClient, Options, SystemClock};

/// Tokens and whose they are.
#[derive(Default)]
struct Api {
    tokens: Mutex<HashMap<String, Reviewed>>,
    asked: AtomicUsize,
    down: std::sync::atomic::AtomicBool,
}

impl Reviewer for Api {
    fn review<'r>(&'r self, token: &'r str, audience: &'r str) -> Review<'r> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let known = self.tokens.lock().unwrap().get(token).cloned();
        let down = self.down.load(Ordering::SeqCst);
        Box::pin(async move {
            if down {
                return Err(ReviewError::Unavailable("no route".into()));
            }
            known.ok_or_else(|| ReviewError::Refused {
                audience: audience.to_owned(),
                reason: "token has expired".into(),
            })
        })
    }
}

struct House {
    address: String,
    authority: Arc<Authority>,
    rules: watch::Sender<Arc<RuleSet>>,
    pods: Arc<Pods>,
    api: Arc<Api>,
    log: Arc<MemoryLog>,
    events: Arc<Mutex<Vec<Event>>>,
    federated: watch::Sender<Arc<BundleMap>>,
    _stop: oneshot::Sender<()>,
}

fn meta(namespace: &str, name: &str, uid: &str) -> ObjectMeta {
    ObjectMeta {
        uid: uid.into(),
        ..ObjectMeta::named(namespace, name)
    }
}

fn web() -> SeenPod {
    SeenPod {
        meta: meta("shop", "web", "p1"),
        node: "n1".into(),
        service_account: "cart".into(),
        images: vec!["img".into()],
        ..SeenPod::default()
    }
}

fn reviewed() -> Reviewed {
    Reviewed {
        namespace: "shop".into(),
        service_account: "cart".into(),
        service_account_uid: "a1".into(),
        pod: "web".into(),
        pod_uid: "p1".into(),
        node: "n1".into(),
        node_uid: "m1".into(),
        credential: "JTI=7".into(),
    }
}

fn rules() -> RuleSet {
    let rule = |name: &str, id: &str, priority: i64| {
        let rule = json!({
            "apiVersion": "bailiwick.dev/v1alpha1", "kind": "WorkloadIdentity", "metadata": {"name": name},
            "spec": {"selector": {"pods": {}}, "id": id, "priority": priority},
        });
        decode(&serde_json::from_value(rule).unwrap()).unwrap()
    };
    let first = rule("first", "/ns/{namespace}/sa/{serviceAccount}", 1);
    RuleSet::new(
        TrustDomain::parse("td").unwrap(),
        [first, rule("second", "/second", 0)],
    )
}

async fn house() -> House {
    let options = Options {
        jwt_keys: vec![KeyType::EcP256],
        ..Options::new(TrustDomain::parse("td").unwrap())
    };
    let log = Arc::new(MemoryLog::default());
    let (evidence, events) = evidence(&log);
    let (keys, state) = (
        Box::new(MemoryKeys::default()),
        Box::new(MemoryState::default()),
    );
    let authority = Authority::open(options, keys, state, Arc::new(SystemClock), None);
    let authority = Arc::new(authority.unwrap());
    let pods = Arc::new(Pods::default());
    pods.put(Object::Pod(Box::new(web())));
    pods.put(Object::ServiceAccount(meta("shop", "cart", "a1")));
    pods.put(Object::Node(meta("", "n1", "m1")));
    pods.put(Object::Namespace(meta("", "shop", "s1")));
    let api = Arc::new(Api::default());
    api.tokens.lock().unwrap().insert("good".into(), reviewed());
    let federated = watch::Sender::new(Arc::new(BundleMap::default()));
    let (rules, rules_seen) = watch::channel(Arc::new(rules()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = IdentityServer {
        listener,
        dns_names: Vec::new(),
        authority: Arc::clone(&authority),
        rules: rules_seen,
        pods: Arc::clone(&pods),
        reviewer: Arc::clone(&api) as Arc<dyn Reviewer>,
        evidence,
        agents: None,
        node_certificates: None,
        federated: federated.subscribe(),
        limits: Limits::default(),
    };
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        serve_identities(server, stopped).await.unwrap();
    });
    House {
        address,
        authority,
        rules,
        pods,
        api,
        log,
        events,
        federated,
        _stop: stop,
    }
}

impl House {
    async fn client(&self, token: &str) -> IssuerClient {
        let bundle = Bundle::clone(&self.authority.bundle());
        IssuerClient::connect(&self.address, bundle, token)
            .await
            .unwrap()
    }

    fn issues(&self) -> Vec<IssueRecord> {
        let events = self.events.lock().unwrap();
        let issues = events.iter().filter_map(|event| match event {
            Event::Issue(record) if record.rule != "bailiwick-server" => {
                Some(IssueRecord::clone(record))
            }
            _ => None,
        });
        issues.collect()
    }

    /// How a request for a certificate with this token ends.
    async fn refusal(&self, token: &str) -> (tonic::Code, String) {
        match self.client(token).await.fetch_x509(None).await {
            Err(ClientError::Status(status)) => (status.code(), status.message().to_owned()),
            other => panic!("{other:?}"),
        }
    }

    async fn check(&self, token: &str, code: tonic::Code, part: &str) {
        let (found, message) = self.refusal(token).await;
        assert_eq!(found, code, "{message}");
        assert!(message.contains(part), "{message}");
    }
}

#[tokio::test]
async fn a_pod_gets_a_certificate_and_a_token() {
    let house = house().await;
    let mut client = house.client("good").await;
    let fetched = client.fetch_x509(None).await.unwrap();
    let mut known = BundleMap::default();
    known.insert(fetched.bundle.clone());
    assert_eq!(fetched.bundle, *house.authority.bundle());
    let svid = x509::validate(&fetched.chain, &known, house.authority.now()).unwrap();
    assert_eq!(svid.id().as_str(), "spiffe://td/ns/shop/sa/cart");
    let second = SpiffeId::parse("spiffe://td/second").unwrap();
    let (id, token) = client
        .fetch_jwt(Some(&second), vec!["db".into()])
        .await
        .unwrap();
    assert_eq!(id, second);
    assert_eq!(
        jwt::validate(&token, &["db"], &known, house.authority.now())
            .unwrap()
            .id,
        second
    );
    let issues = house.issues();
    assert_eq!(issues.len(), 2, "{issues:?}");
    for issue in &issues {
        assert_eq!(
            (issue.door, issue.proof.credential.as_str()),
            (Door::Issue, "JTI=7")
        );
        assert_eq!(issue.workload.pod.as_ref().unwrap().uid, "p1");
        assert_eq!(issue.workload.node, "n1");
    }
    // One that the rules do not give.
    let other = SpiffeId::parse("spiffe://td/admin").unwrap();
    let error = client
        .fetch_x509(Some(&other))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("no rule gives pod shop/web"), "{error}");
    assert_eq!(house.issues().len(), 2);
}

#[tokio::test]
async fn k_6_who_is_not_proven_gets_nothing() {
    let house = house().await;
    let denied = tonic::Code::PermissionDenied;
    house
        .check(
            "stolen",
            denied,
            "does not take the token for the audience `td`",
        )
        .await;
    let say = |change: fn(&mut Reviewed)| {
        let mut other = reviewed();
        change(&mut other);
        house
            .api
            .tokens
            .lock()
            .unwrap()
            .insert("other".into(), other);
    };
    // A pod that is gone, and one of the same name that came after it.
    say(|reviewed| reviewed.pod_uid = "p0".into());
    house
        .check("other", denied, "has the UID `p1` and not `p0`")
        .await;
    say(|reviewed| reviewed.node = "n2".into());
    house.check("other", denied, "is on the node `n1`").await;
    say(|reviewed| reviewed.service_account_uid = "a0".into());
    house.check("other", denied, "and not `a0`").await;
    house.pods.remove(ObjectKind::Pod, "shop", "web");
    house
        .check("good", denied, "there is no pod `shop/web`")
        .await;
    assert_eq!(house.issues(), []);
    let events = house.events.lock().unwrap();
    let denials = events
        .iter()
        .filter(|event| matches!(event, Event::Denial(_)));
    assert_eq!(denials.count(), 5);
}

#[tokio::test]
async fn a_pod_may_ask_before_the_watch_shows_it() {
    let house = house().await;
    house.pods.remove(ObjectKind::Pod, "shop", "web");
    let pods = Arc::clone(&house.pods);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        pods.put(Object::Pod(Box::new(web())));
    });
    house.client("good").await.fetch_x509(None).await.unwrap();
}

#[tokio::test]
async fn bans_rules_and_the_log_hold_here_too() {
    let house = house().await;
    let mut bans = Bans::default();
    bans.insert("node:n1".parse().unwrap(), "stolen");
    house.rules.send_replace(Arc::new(rules().banning(bans)));
    house
        .check(
            "good",
            tonic::Code::PermissionDenied,
            "banned (node:n1): stolen",
        )
        .await;
    house.rules.send_replace(Arc::new(rules()));
    house.log.stuck.store(true, Ordering::SeqCst);
    house
        .check(
            "good",
            tonic::Code::Unavailable,
            "while the log cannot be written",
        )
        .await;
    house.log.stuck.store(false, Ordering::SeqCst);
    house.api.down.store(true, Ordering::SeqCst);
    house
        .check("good", tonic::Code::Unavailable, "cannot be reviewed now")
        .await;
    house.api.down.store(false, Ordering::SeqCst);
    assert_eq!(house.issues(), []);
    house.client("good").await.fetch_x509(None).await.unwrap();
}

#[tokio::test]
async fn nonsense_and_floods_reach_no_api_server() {
    let house = house().await;
    let (events, log) = (house.evidence_of_its_own(), Arc::clone(&house.api));
    let throttled = Arc::new(AtomicUsize::new(0));
    let refusals = Arc::new(Refusals::default());
    let door = Issue {
        core: IssuerCore {
            authority: Arc::clone(&house.authority),
            rules: house.rules.subscribe(),
            evidence: events,
        },
        pods: Arc::clone(&house.pods),
        tokens: Arc::new(Tokens::new(log)),
        limit: Limit::new(Rate::per_second(1)),
        too_many: TooMany {
            counted: {
                let throttled = Arc::clone(&throttled);
                Arc::new(move |_| {
                    throttled.fetch_add(1, Ordering::SeqCst);
                })
            },
            refusals: Arc::clone(&refusals),
        },
        federated: house.federated.subscribe(),
    };
    let ask = |message: IssueRequest, token: &'static str| {
        let mut request = tonic::Request::new(message);
        request.extensions_mut().insert(crate::listen::Remote {
            from: [127, 0, 0, 1].into(),
            shown: Shown::Nothing,
            _place: None,
        });
        if !token.is_empty() {
            request
                .metadata_mut()
                .insert("authorization", token.parse().unwrap());
        }
        door.issue(request)
    };
    let audience = || IssueRequest {
        audience: vec!["db".into()],
        ..IssueRequest::default()
    };
    let code =
        |answer: Result<_, Status>| answer.map(|_: tonic::Response<_>| ()).unwrap_err().code();
    assert_eq!(
        code(ask(audience(), "").await),
        tonic::Code::Unauthenticated
    );
    assert_eq!(
        code(ask(audience(), "Basic abc").await),
        tonic::Code::Unauthenticated
    );
    let forged = IssueRequest {
        certificate_request: vec![0x30; 100],
        ..IssueRequest::default()
    };
    assert_eq!(
        code(ask(forged, "Bearer good").await),
        tonic::Code::InvalidArgument
    );
    assert_eq!(
        code(ask(IssueRequest::default(), "Bearer good").await),
        tonic::Code::InvalidArgument
    );
    let id = IssueRequest {
        spiffe_id: "x".into(),
        ..audience()
    };
    assert_eq!(
        code(ask(id, "Bearer good").await),
        tonic::Code::InvalidArgument
    );
    assert_eq!(house.api.asked.load(Ordering::SeqCst), 0);
    for _ in 0..5 {
        ask(audience(), "Bearer good").await.unwrap();
    }
    assert_eq!(
        code(ask(audience(), "Bearer good").await),
        tonic::Code::ResourceExhausted
    );
    assert_eq!(throttled.load(Ordering::SeqCst), 1);
    let untold = refusals.due(9);
    let (topic, often) = &untold.list()[0];
    let expected = "too many requests of the address 127.0.0.1";
    assert_eq!((topic.why.as_str(), often.count), (expected, 1));
    assert_eq!(house.api.asked.load(Ordering::SeqCst), 5);
}

impl House {
    fn evidence_of_its_own(&self) -> Evidence {
        evidence(&self.log).0
    }
}

#[tokio::test]
async fn a_server_of_somebody_else_is_not_believed() {
    // The same domain with other keys.
    let (house, other) = (house().await, house().await);
    let bundle = Bundle::clone(&other.authority.bundle());
    let error = IssuerClient::connect(&house.address, bundle, "good")
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no server of identities to be believed"),
        "{error}"
    );
    assert_eq!(
        house.api.asked.load(Ordering::SeqCst),
        0,
        "the token was shown"
    );
}

#[tokio::test]
async fn the_keys_of_domains_that_an_identity_federates_with_come_with_it() {
    let house = house().await;
    let foreign = |name: &str| {
        let mut bundle = Bundle::new(TrustDomain::parse(name).unwrap());
        bundle.sequence = Some(7);
        bundle
    };
    let mut known = BundleMap::default();
    known.insert(foreign("partner"));
    known.insert(foreign("stranger"));
    house.federated.send_replace(Arc::new(known));
    let mut client = house.client("good").await;
    let none = client.fetch_x509(None).await.unwrap();
    assert_eq!(none.federated, BundleMap::default());
    let rule = json!({
        "apiVersion": "bailiwick.dev/v1alpha1", "kind": "WorkloadIdentity", "metadata": {"name": "r"},
        "spec": {"selector": {"pods": {}}, "id": "/web", "federatesWith": ["partner", "away"]},
    });
    let rule = decode(&serde_json::from_value(rule).unwrap()).unwrap();
    let rules = RuleSet::new(TrustDomain::parse("td").unwrap(), [rule]);
    house.rules.send_replace(Arc::new(rules));
    let fetched = client.fetch_x509(None).await.unwrap();
    let names: Vec<_> = fetched.federated.iter().collect();
    assert_eq!(names, [&foreign("partner")]);
}
