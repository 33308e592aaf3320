//! What an agent refuses by itself is in the log of the server, and nobody fills that log by it.

use bailiwick_audit::{DenialRecord, Door, Proof};
use bailiwick_identity::facts::Facts;
use tonic::Code;

use super::attacks::Attacker;
use super::*;
use crate::limit::pushback;
use crate::wire::issuer::{RefusalReport, RefusedProcess, ReportRequest};

/// A pod of the first node that no rule fits.
const POOR: &str = "22222222-3333-4444-5555-666666666666";
const AGENT: &str = "spiffe://td/bailiwick/agent/n1/m1";

impl House {
    /// The agent of the first node, in whose eyes this process runs in that pod.
    async fn agent_of_poor(&self) -> Agent {
        let mut poor = pod("poor", POOR, "n1");
        poor.meta.namespace = "bailiwick".into();
        self.pods.put(Object::Pod(Box::new(poor)));
        self.agent("a", self.token_file("good-n1"), POOR).await
    }

    fn reported(&self) -> Vec<DenialRecord> {
        let events = self.events.lock().unwrap();
        let denials = events.iter().filter_map(|event| match event {
            Event::Denial(record) if record.times.is_some() => Some(DenialRecord::clone(record)),
            _ => None,
        });
        denials.collect()
    }

    /// The report of one refusal, as soon as it is there.
    pub(super) async fn report_of(&self, why: &str) -> DenialRecord {
        until(async || {
            let mut reported = self.reported().into_iter();
            reported.find(|record| record.why.contains(why))
        })
        .await
    }
}

fn count(records: &[DenialRecord]) -> u64 {
    records.iter().map(DenialRecord::count).sum()
}

#[tokio::test]
async fn what_an_agent_refuses_is_in_the_log_of_the_server() {
    let house = house().await;
    let agent = house.agent_of_poor().await;
    agent.refusal().await;
    let record = house.report_of("no identity for pod bailiwick/poor").await;
    let pod = record.workload.pod.as_ref().unwrap();
    assert_eq!((&*pod.name, &*pod.uid), ("poor", POOR));
    assert_eq!(
        (&*record.workload.node, &*record.proof.agent),
        ("n1", AGENT)
    );
    let process = record.workload.process.as_ref().unwrap();
    assert_eq!(process.pid, std::process::id());
    assert_eq!((&process.program, &*record.claimed_pod), (&None, ""));
    assert_eq!(record.door, Door::WorkloadApi);
    let times = record.times.as_ref().unwrap();
    let now = SystemClock.now().seconds();
    assert!(times.first <= times.last);
    assert!(now.abs_diff(times.last.seconds().unsigned_abs()) < 60);

    // A pod that runs elsewhere: what the agent says of it is its word.
    made_up_proc(&agent.proc_root, DB);
    agent.refusal().await;
    let record = house.report_of("knows of no pod").await;
    assert_eq!((&record.workload.pod, &*record.claimed_pod), (&None, DB));
    // A process of the host, and one that cannot be told.
    let own = agent.proc_root.join(std::process::id().to_string());
    fs::write(own.join("cgroup"), "0::/user.slice\n").unwrap();
    agent.refusal().await;
    let record = house.report_of("the process runs in no pod").await;
    assert_eq!((&record.workload.pod, &*record.claimed_pod), (&None, ""));
    fs::write(
        own.join("cgroup"),
        "0::/kubepods/pod1/c\n1::/kubepods/pod2/c\n",
    )
    .unwrap();
    agent.refusal().await;
    house.report_of("the process cannot be attested").await;
    // A ban of a pod is pushed; the agent refuses by it.
    made_up_proc(&agent.proc_root, WEB);
    house.ban(&format!("pod:{WEB}"));
    until(async || {
        let error = agent.client().await.fetch_x509().await.err();
        error.filter(|error| error.to_string().contains("stolen"))
    })
    .await;
    let record = house.report_of("stolen").await;
    assert_eq!(record.workload.pod.unwrap().uid, WEB);
}

#[tokio::test]
async fn who_asks_again_and_again_fills_no_log() {
    let house = house().await;
    let agent = house.agent_of_poor().await;
    agent.refusal().await;
    let first = house.report_of("no identity").await.count();
    let mut client = agent.client().await;
    let mut refused = 0;
    for _ in 0..300 {
        refused += u64::from(client.fetch_x509().await.unwrap_err().is_denied());
    }
    assert!(refused > 200, "{refused}");
    assert_eq!(count(&house.reported()), first, "each of them is written");
    // At the end the log has all of them.
    drop((client, agent));
    until(async || (count(&house.reported()) == first + refused).then_some(())).await;
    assert!(house.reported().len() <= 2, "{:?}", house.reported());
}

#[tokio::test]
async fn reasons_that_a_caller_makes_up_take_no_room() {
    let house = house().await;
    let agent = house.agent("a", house.token_file("good-n1"), WEB).await;
    agent.ids().await;
    let mut client = agent.client().await;
    let mut refused = 0;
    for number in 0..100 {
        let id = SpiffeId::parse(&format!("spiffe://td/{number}")).unwrap();
        let asked = client.fetch_jwt(vec!["me".into()], Some(&id)).await;
        refused += u64::from(asked.unwrap_err().is_denied());
    }
    drop((client, agent));
    until(async || (count(&house.reported()) >= refused).then_some(())).await;
    let further = house.report_of("further reasons").await;
    assert!(further.count() > 50, "{further:?}");
    let reasons: std::collections::BTreeSet<String> = house
        .reported()
        .into_iter()
        .map(|record| record.why)
        .collect();
    assert!(reasons.len() <= 17, "{reasons:?}");
}

#[tokio::test]
async fn what_is_refused_while_the_server_is_away_is_told_when_it_is_back() {
    let mut house = house().await;
    let agent = house.agent_of_poor().await;
    agent.refusal().await;
    house.report_of("no identity").await;
    let (address, before) = (house.address.clone(), count(&house.reported()));
    house.kill();
    until(async || {
        let news = house.news.lock().unwrap();
        news.iter()
            .any(|news| news.contains("Trouble"))
            .then_some(())
    })
    .await;
    // Another reason, so that it is no repetition of what was told.
    let own = agent.proc_root.join(std::process::id().to_string());
    fs::write(own.join("cgroup"), "0::/user.slice\n").unwrap();
    agent.refusal().await;
    house.start(&address).await;
    house.report_of("runs in no pod").await;
    assert!(count(&house.reported()) > before);
}

fn refusal(pod: &str, why: &str) -> RefusalReport {
    RefusalReport {
        why: why.into(),
        pod_uid: pod.into(),
        process: Some(RefusedProcess::default()),
        count: 1,
        ..RefusalReport::default()
    }
}

async fn report(attacker: &mut Attacker, refusals: Vec<RefusalReport>) -> Result<u32, Status> {
    let answer = attacker.client.report(ReportRequest { refusals }).await?;
    Ok(answer.into_inner().taken)
}

#[tokio::test]
async fn an_agent_that_lies_says_it_in_its_own_name_and_within_bounds() {
    let house = house().await;
    let mut attacker = house.attacker("n1").await;
    // Of a pod of another node, with times and a reason of its own making.
    let lie = RefusalReport {
        count: u32::MAX,
        first_ago: 0,
        last_ago: u64::MAX,
        ..refusal(DB, &"x".repeat(100_000))
    };
    assert_eq!(report(&mut attacker, vec![lie]).await.unwrap(), 1);
    let [record] = &house.reported()[..] else {
        panic!("{:?}", house.reported());
    };
    assert_eq!((&record.workload.pod, &*record.claimed_pod), (&None, DB));
    assert_eq!(
        (&*record.workload.node, &*record.proof.agent),
        ("n1", AGENT)
    );
    assert_eq!(record.why.len(), 1000);
    let times = record.times.as_ref().unwrap();
    assert!(times.first <= times.last);
    let day = 24 * 3600 + 60;
    let now = i64::try_from(SystemClock.now().seconds()).unwrap();
    assert!(now - times.first.seconds() <= day);
    // What is none is not written.
    let long = refusal(&"u".repeat(300), "x");
    let broker = RefusalReport {
        broker: "spiffe://other/broker".into(),
        ..refusal("", "x")
    };
    for (refusals, part) in [
        (vec![refusal("", "x"), long], "so long"),
        (vec![refusal("", "x"), broker], "another trust domain"),
        (vec![refusal("", "x"); 101], "101 refusals at once"),
    ] {
        let status = report(&mut attacker, refusals).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().contains(part), "{status}");
    }
    assert_eq!(house.reported().len(), 1);
    // A flood is refused, and says when to come again; another node is heard.
    let mut refused = None;
    for _ in 0..100 {
        match report(&mut attacker, vec![refusal("", "x"); 100]).await {
            Ok(_) => {}
            Err(status) => {
                refused = Some(status);
                break;
            }
        }
    }
    let refused = refused.expect("it is never too much");
    assert!(pushback(&refused).is_some(), "{refused:?}");
    assert!(house.reported().len() < 1000, "{}", house.reported().len());
    let mut other = house.attacker("n2").await;
    assert_eq!(report(&mut other, vec![refusal("", "x")]).await.unwrap(), 1);
}

#[tokio::test]
async fn a_server_of_before_is_said_to_take_no_reports() {
    let house = house().await;
    let news = Arc::clone(&house.news);
    let node = Arc::new(Node::new(&NodeAgent {
        socket: Socket::new(house.path("s"), 0o600),
        server: house.address.clone(),
        domain: TrustDomain::parse("td").unwrap(),
        trust_bundle: house.path("roots.pem"),
        proof: house.token_file("good-n1"),
        folder: None,
        wit_svid: false,
        brokers: None,
        clock: Arc::new(SystemClock),
        tell: Arc::new(move |said| news.lock().unwrap().push(format!("{said:?}"))),
    }));
    // One that knows no such call, as a server of before.
    let (client, server) = tokio::io::duplex(64 * 1024);
    let health =
        crate::wire::issuer::agent_health_server::AgentHealthServer::new(Health(Arc::clone(&node)));
    let incoming = tokio_stream::once(Ok::<_, std::io::Error>(server));
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(health)
            .serve_with_incoming(incoming),
    );
    let mut client = Some(hyper_util::rt::TokioIo::new(client));
    let connector = tower::service_fn(move |_: tonic::transport::Uri| {
        let client = client.take().ok_or_else(|| std::io::Error::other("once"));
        std::future::ready(client)
    });
    let channel = tonic::transport::Endpoint::from_static("http://localhost")
        .connect_with_connector(connector)
        .await
        .unwrap();
    node.server.send_replace(Server {
        client: Some(NodeAgentsClient::new(channel)),
        away: None,
    });
    let asker = Asker {
        door: Door::WorkloadApi,
        facts: Facts::default(),
        proof: Proof::default(),
    };
    node.denied(Refusal::of(&asker, None, "no rule".into()));
    let reporting = tokio::spawn(Arc::clone(&node).report());
    until(async || {
        let news = house.news.lock().unwrap();
        news.iter()
            .any(|news| news.contains("takes no reports"))
            .then_some(())
    })
    .await;
    reporting.abort();
    assert!(reporting.await.is_err());
    let rest = node.refusals.rest(9);
    assert_eq!(rest.list().len(), 1, "it is kept for a newer one");
}
