//! What somebody tries who has a node, a token of somebody else, or an old certificate.

use tonic::{Code, Request};

use super::*;
use crate::channel;
use crate::keys::WorkloadKey;
use crate::node::own::Own;
use crate::wire::issuer::join_request::Proof;
use crate::wire::issuer::{FollowRequest, JoinRequest, SignRequest};

/// Speaks the protocol by hand.
pub(super) struct Attacker {
    own: Own,
    pub(super) client: NodeAgentsClient<Channel>,
}

impl Attacker {
    /// What it shows in handshakes.
    pub(super) fn shows(&self) -> channel::Shows {
        self.own.shown()
    }
}

impl House {
    async fn stranger(&self) -> NodeAgentsClient<Channel> {
        let bundle = self.authority.bundle();
        NodeAgentsClient::new(
            channel::connect(&self.address, &bundle, None, self.clock.clone())
                .await
                .unwrap(),
        )
    }

    pub(super) async fn try_join(&self, proof: Option<Proof>) -> Result<Own, Status> {
        let key = WorkloadKey::generate(KeyType::EcP256).unwrap();
        let request = JoinRequest {
            certificate_request: key.request().unwrap(),
            proof,
        };
        let answer = self.stranger().await.join(request).await?.into_inner();
        Ok(Own::of(answer, key, &self.authority.bundle(), SystemClock.now()).unwrap())
    }

    /// An agent of a node that does what it likes.
    pub(super) async fn attacker(&self, node: &str) -> Attacker {
        let proof = Proof::ServiceAccountToken(format!("good-{node}"));
        let own = self.try_join(Some(proof)).await.unwrap();
        let client = self.with(&own).await;
        Attacker { own, client }
    }

    async fn with(&self, own: &Own) -> NodeAgentsClient<Channel> {
        let bundle = self.authority.bundle();
        let channel = channel::connect(
            &self.address,
            &bundle,
            Some(own.shown()),
            self.clock.clone(),
        )
        .await;
        NodeAgentsClient::new(channel.unwrap())
    }
}

pub(super) fn sign(pod: &str, id: &str) -> SignRequest {
    let key = WorkloadKey::generate(KeyType::EcP256).unwrap();
    SignRequest {
        pod_uid: pod.into(),
        spiffe_id: id.into(),
        certificate_request: key.request().unwrap(),
        ..SignRequest::default()
    }
}

#[track_caller]
fn check<T: std::fmt::Debug>(outcome: Result<T, Status>, code: Code, part: &str) {
    let status = outcome.unwrap_err();
    assert_eq!(status.code(), code, "{status}");
    assert!(status.message().contains(part), "{status}");
}

#[tokio::test]
async fn who_proves_no_node_does_not_join() {
    let house = house().await;
    let service_account = |token: &str| Some(Proof::ServiceAccountToken(token.into()));
    let try_it = async |proof, part: &str| {
        let outcome = house.try_join(proof).await.map(|own| own.id);
        check(outcome, Code::PermissionDenied, part);
    };
    try_it(None, "prove the node").await;
    try_it(service_account("stolen"), "for somebody else").await;
    // A token of the agent's own pod for another audience: that of workloads.
    house.token("workload", "td", reviewed("n1", "m1"));
    try_it(service_account("workload"), "for somebody else").await;
    // A pod that is no agent, with a token for agents.
    let mut other = reviewed("n1", "m1");
    (other.namespace, other.service_account) = ("shop".into(), "web".into());
    house.token("pod", "td/agent", other);
    try_it(service_account("pod"), "`shop/web` is not that of agents").await;
    // The token says another node than the watch shows.
    house.token(
        "moved",
        "td/agent",
        Reviewed {
            node: "n2".into(),
            node_uid: "m2".into(),
            ..reviewed("n1", "m1")
        },
    );
    try_it(service_account("moved"), "is on the node `n1`").await;
    // The agent pod is gone, and its token lives on for a minute.
    let gone = reviewed("n2", "m2");
    house.token("gone", "td/agent", gone);
    house.pods.remove(ObjectKind::Pod, "bailiwick", "agent-n2");
    try_it(service_account("gone"), "there is no pod").await;
    try_it(Some(Proof::JoinToken("guessed".into())), "is not known").await;
    let token = house.invited("n1", SystemClock.now().minus(601), 600);
    let late = Some(Proof::JoinToken(token.reveal().into()));
    try_it(late, "has run out").await;
    assert_eq!(house.joined(), []);
    assert_eq!(house.denials().lines().count(), 8);
}

#[tokio::test]
async fn of_many_who_show_one_join_token_one_joins() {
    let house = house().await;
    let token = house.invited("n1", SystemClock.now(), 60);
    let proof = || Some(Proof::JoinToken(token.reveal().into()));
    let (a, b, c, d) = tokio::join!(
        house.try_join(proof()),
        house.try_join(proof()),
        house.try_join(proof()),
        house.try_join(proof())
    );
    let joined = [a, b, c, d].into_iter().filter(Result::is_ok).count();
    assert_eq!((joined, house.joined().len()), (1, 1));
}

#[tokio::test]
async fn a_node_gets_nothing_of_other_nodes() {
    let house = house().await;
    let mut attacker = house.attacker("n1").await;
    let web = "spiffe://td/ns/shop/sa/web";
    attacker.client.sign(sign(WEB, web)).await.unwrap();
    let denied = Code::PermissionDenied;
    let db = attacker.client.sign(sign(DB, "spiffe://td/ns/shop/sa/db"));
    check(db.await, denied, "is on the node `n2`");
    let other = attacker.client.sign(sign(WEB, "spiffe://td/ns/shop/sa/db"));
    check(other.await, denied, "no rule gives");
    let server = attacker
        .client
        .sign(sign(WEB, "spiffe://td/bailiwick/server"));
    check(server.await, denied, "no rule gives");
    // Between the push and the request the pod was deleted, or made anew under its name.
    house.pods.remove(ObjectKind::Pod, "shop", "web");
    check(
        attacker.client.sign(sign(WEB, web)).await,
        denied,
        "pod with the UID",
    );
    house
        .pods
        .put(Object::Pod(Box::new(pod("web", "new", "n1"))));
    check(
        attacker.client.sign(sign(WEB, web)).await,
        denied,
        "pod with the UID",
    );
    // One that has ended is nobody either.
    let ended = SeenPod {
        ended: true,
        ..pod("web", WEB, "n1")
    };
    house.pods.put(Object::Pod(Box::new(ended)));
    check(
        attacker.client.sign(sign(WEB, web)).await,
        denied,
        "has ended",
    );
    assert_eq!(house.issues().len(), 1);
    // What it is told is of its own node.
    let pushes = attacker.client.follow(FollowRequest {}).await.unwrap();
    let push = pushes.into_inner().message().await.unwrap().unwrap();
    assert!(push.pods.iter().all(|pod| pod.uid != DB), "{push:?}");
}

#[tokio::test]
async fn a_fake_mirror_of_a_static_pod_takes_no_identity() {
    let house = house().await;
    let hash = "0123456789abcdef0123456789abcdef";
    let mirror = |name: &str| SeenPod {
        mirror: true,
        config_hash: hash.into(),
        ..pod(name, &format!("mirror-{name}"), "n1")
    };
    house.pods.put(Object::Pod(Box::new(mirror("static"))));
    let mut attacker = house.attacker("n1").await;
    let id = "spiffe://td/ns/shop/sa/static";
    attacker.client.sign(sign(hash, id)).await.unwrap();
    // Its mirror has a UID that no cgroup has.
    let by_mirror = attacker.client.sign(sign("mirror-static", id)).await;
    check(by_mirror, Code::PermissionDenied, "pod with the UID");
    house.pods.put(Object::Pod(Box::new(mirror("forged"))));
    let twice = attacker
        .client
        .sign(sign(hash, "spiffe://td/ns/shop/sa/forged"));
    check(twice.await, Code::PermissionDenied, "several pods mirror");
}

#[tokio::test]
async fn certificates_that_are_no_agents_open_nothing() {
    let house = house().await;
    let mut attacker = house.attacker("n1").await;
    // Without one.
    let unknown = house
        .stranger()
        .await
        .sign(sign(WEB, "spiffe://td/a"))
        .await;
    check(unknown, Code::Unauthenticated, "join first");
    let unknown = house
        .stranger()
        .await
        .follow(FollowRequest {})
        .await
        .map(drop);
    check(unknown, Code::Unauthenticated, "join first");
    // That of a workload: the handshake is refused.
    let key = WorkloadKey::generate(KeyType::EcP256).unwrap();
    let request = SignRequest {
        certificate_request: key.request().unwrap(),
        ..sign(WEB, "spiffe://td/ns/shop/sa/web")
    };
    let chain = attacker
        .client
        .sign(request)
        .await
        .unwrap()
        .into_inner()
        .chain;
    let stolen = crate::wire::issuer::JoinResponse {
        spiffe_id: "spiffe://td/ns/shop/sa/web".into(),
        chain,
        bundle: Vec::new(),
    };
    let stolen = Own::of(stolen, key, &house.authority.bundle(), SystemClock.now()).unwrap();
    let bundle = house.authority.bundle();
    if let Ok(channel) = channel::connect(
        &house.address,
        &bundle,
        Some(stolen.shown()),
        house.clock.clone(),
    )
    .await
    {
        let mut client = NodeAgentsClient::new(channel);
        assert!(
            client
                .sign(sign(WEB, "spiffe://td/ns/shop/sa/web"))
                .await
                .is_err()
        );
    }
    // One of another authority with the same names.
    let other = super::house().await;
    let forged = other.attacker("n1").await;
    if let Ok(channel) = channel::connect(
        &house.address,
        &bundle,
        Some(forged.own.shown()),
        house.clock.clone(),
    )
    .await
    {
        let mut client = NodeAgentsClient::new(channel);
        assert!(
            client
                .sign(sign(WEB, "spiffe://td/ns/shop/sa/web"))
                .await
                .is_err()
        );
    }
    assert_eq!(house.issues().len(), 1);
}

#[tokio::test]
async fn a_node_that_was_made_anew_or_evicted_has_to_join_again() {
    let house = house().await;
    let mut attacker = house.attacker("n1").await;
    let mut pushes = attacker
        .client
        .follow(FollowRequest {})
        .await
        .unwrap()
        .into_inner();
    pushes.message().await.unwrap().unwrap();
    house.pods.put(Object::Node(meta("", "n1", "m9")));
    let ended = until(async || pushes.message().await.err()).await;
    check::<()>(Err(ended), Code::Unauthenticated, "of an earlier node");
    let web = "spiffe://td/ns/shop/sa/web";
    check(
        attacker.client.sign(sign(WEB, web)).await,
        Code::Unauthenticated,
        "earlier node",
    );
    house.pods.put(Object::Node(meta("", "n1", "m1")));
    attacker.client.sign(sign(WEB, web)).await.unwrap();
    let now = SystemClock.now();
    house.agents.send_modify(|agents| {
        let mut next = Admissions::clone(agents);
        next.evict("n1", now);
        *agents = Arc::new(next);
    });
    check(
        attacker.client.sign(sign(WEB, web)).await,
        Code::Unauthenticated,
        "was evicted",
    );
    let mut renewing = house.with(&attacker.own).await;
    let key = WorkloadKey::generate(KeyType::EcP256).unwrap();
    let request = crate::wire::issuer::RenewRequest {
        certificate_request: key.request().unwrap(),
    };
    check(
        renewing.renew(request).await,
        Code::Unauthenticated,
        "was evicted",
    );
}

#[tokio::test]
async fn a_ban_ends_the_stream_and_what_was_given() {
    let house = house().await;
    let agent = house.agent("a", house.token_file("good-n1"), WEB).await;
    agent.ids().await;
    let mut watching = agent.client().await.watch_x509().await.unwrap();
    watching.next().await.unwrap();
    house.ban("node:n1");
    let error = watching.next().await.unwrap_err();
    assert!(error.is_denied(), "{error}");
    assert!(agent.refusal().await.contains("banned: stolen"));
    assert!(house.denials().contains("the node `n1` is banned: stolen"));
    let outcome = house
        .try_join(Some(Proof::ServiceAccountToken("good-n1".into())))
        .await;
    check(outcome.map(|own| own.id), Code::PermissionDenied, "banned");
    // Lifted, the agent comes back by itself.
    house.rules.send_replace(Arc::new(rules()));
    assert_eq!(agent.ids().await, ["spiffe://td/ns/shop/sa/web"]);
    // One pod alone.
    house.ban(&format!("pod:{WEB}"));
    assert!(agent.refusal().await.contains("banned"));
}

#[tokio::test]
async fn one_stream_for_a_node() {
    let house = house().await;
    let mut attacker = house.attacker("n1").await;
    let mut first = attacker
        .client
        .follow(FollowRequest {})
        .await
        .unwrap()
        .into_inner();
    first.message().await.unwrap().unwrap();
    let mut second = attacker
        .client
        .follow(FollowRequest {})
        .await
        .unwrap()
        .into_inner();
    let ended = first.message().await;
    check(ended, Code::Aborted, "another stream");
    assert!(second.message().await.unwrap().unwrap().reset);
}

#[tokio::test]
async fn a_process_that_takes_a_number_or_moves_gets_nothing_of_others() {
    let house = house().await;
    let agent = house.agent("a", house.token_file("good-n1"), WEB).await;
    agent.ids().await;
    let mut watching = agent.client().await.watch_x509().await.unwrap();
    watching.next().await.unwrap();
    let own = agent.proc_root.join(std::process::id().to_string());
    let cgroup = fs::read(own.join("cgroup")).unwrap();
    let mut client = agent.client().await;
    // In a cgroup that says two pods, and in one of the host.
    for text in [
        format!("0::/kubepods/pod{DB}/1/kubepods/pod{WEB}/2\n"),
        format!("0::/user.slice/kubepods/pod{WEB}/2\n"),
        "0::/\n".to_owned(),
    ] {
        fs::write(own.join("cgroup"), &text).unwrap();
        assert!(client.fetch_x509().await.unwrap_err().is_denied(), "{text}");
    }
    fs::write(own.join("cgroup"), &cgroup).unwrap();
    client.fetch_x509().await.unwrap();
    // The number is that of a process that started later: at the next message the stream ends.
    let stat = fs::read_to_string(own.join("stat")).unwrap();
    let (name, fields) = stat.rsplit_once(')').unwrap();
    let mut fields: Vec<String> = fields.split(' ').map(str::to_owned).collect();
    fields[20].push('1');
    fs::write(own.join("stat"), format!("{name}){}", fields.join(" "))).unwrap();
    assert!(client.fetch_x509().await.unwrap_err().is_denied());
    let relabelled = SeenPod {
        service_account: "other".into(),
        ..pod("web", WEB, "n1")
    };
    house.pods.put(Object::Pod(Box::new(relabelled)));
    assert!(watching.next().await.unwrap_err().is_denied());
}

#[tokio::test]
async fn nothing_leaves_without_a_record_and_nobody_is_told_no_too_early() {
    let house = house().await;
    let mut attacker = house.attacker("n1").await;
    house.log.stuck.store(true, Ordering::SeqCst);
    let outcome = attacker
        .client
        .sign(sign(WEB, "spiffe://td/ns/shop/sa/web"))
        .await;
    check(
        outcome,
        Code::Unavailable,
        "while the log cannot be written",
    );
    let outcome = house
        .try_join(Some(Proof::ServiceAccountToken("good-n2".into())))
        .await;
    check(
        outcome.map(|own| own.id),
        Code::Unavailable,
        "while the log cannot be written",
    );
    house.log.stuck.store(false, Ordering::SeqCst);
    assert!(house.issues().is_empty());
    let broken = SignRequest {
        certificate_request: vec![0x30; 100],
        ..sign(WEB, "spiffe://td/ns/shop/sa/web")
    };
    check(
        attacker.client.sign(broken).await,
        Code::InvalidArgument,
        "",
    );
    let request = Request::new(sign(WEB, "no id"));
    check(
        attacker.client.sign(request).await,
        Code::InvalidArgument,
        "",
    );
}
