//! Many streams through one agent.

use bailiwick_identity::rotation::{KeyId, Purpose, Step};
use bailiwick_identity::x509;
use tokio::sync::mpsc;

use super::*;
use crate::Fetched;

const STREAMS: usize = 50;

/// What each stream was told last.
struct Streams {
    last: Vec<Fetched>,
    told: mpsc::UnboundedReceiver<(usize, Fetched)>,
}

impl Streams {
    async fn open(agent: &Agent) -> Self {
        let (tell, mut told) = mpsc::unbounded_channel();
        for number in 0..STREAMS {
            let mut client = agent.client().await;
            let tell = tell.clone();
            tokio::spawn(async move {
                let mut watch = client.watch_x509().await.unwrap();
                while let Ok(mut fetched) = watch.next().await {
                    let _ = tell.send((number, fetched.remove(0)));
                }
            });
        }
        let mut last: Vec<Option<Fetched>> = (0..STREAMS).map(|_| None).collect();
        while last.iter().any(Option::is_none) {
            let (number, fetched) = told.recv().await.unwrap();
            last[number] = Some(fetched);
        }
        let last = last.into_iter().flatten().collect();
        Self { last, told }
    }

    /// Whether each would take each of the others, as in a handshake between them.
    fn check(&self) {
        let mut chains: Vec<&Vec<Vec<u8>>> = self.last.iter().map(|one| &one.chain).collect();
        chains.sort();
        chains.dedup();
        let mut bundles: Vec<&Bundle> = Vec::new();
        for one in &self.last {
            if !bundles.contains(&&one.bundle) {
                bundles.push(&one.bundle);
            }
        }
        for chain in chains {
            for bundle in &bundles {
                x509::validate(chain, *bundle, SystemClock.now()).unwrap();
            }
        }
    }

    /// Hears what is told until all streams are so.
    async fn until_all(&mut self, are: impl Fn(&Fetched) -> bool) {
        while !self.last.iter().all(&are) {
            let told = tokio::time::timeout(Duration::from_secs(60), self.told.recv()).await;
            let (number, fetched) = told.expect("it does not come").unwrap();
            self.last[number] = fetched;
            self.check();
        }
    }
}

fn active_root(house: &House) -> KeyId {
    house
        .authority
        .state()
        .active(Purpose::X509)
        .unwrap()
        .id
        .clone()
}

async fn step(house: &House, step: Step) {
    until(async || house.authority.step(step.clone()).ok()).await;
}

#[tokio::test]
async fn no_stream_holds_what_another_refuses_while_the_root_is_exchanged() {
    let policy = Policy {
        refresh_hint: 1,
        propagation: 2,
        handover: 1,
        skew: 0,
        reissue: 3,
        ..Policy::DEFAULT
    };
    let house = house_with(policy).await;
    let agent = house.agent("a", house.token_file("good-n1"), WEB).await;
    agent.ids().await;
    let mut streams = Streams::open(&agent).await;
    streams.check();
    let (old, first) = (active_root(&house), streams.last[0].chain.clone());
    let roots = streams.last[0].bundle.x509_authorities().to_vec();
    let next = house
        .authority
        .state()
        .successor(Purpose::X509)
        .unwrap()
        .id
        .clone();
    step(&house, Step::Activate(next)).await;
    streams.until_all(|one| one.chain != first).await;
    step(&house, Step::Taint(old.clone())).await;
    step(&house, Step::Revoke(old)).await;
    let is_old = |root: &Vec<u8>| {
        let now = house.authority.bundle();
        roots.contains(root) && !now.x509_authorities().contains(root)
    };
    streams
        .until_all(|one| !one.bundle.x509_authorities().iter().any(is_old))
        .await;
}

#[tokio::test]
async fn keys_of_federated_domains_reach_the_streams_that_may_see_them() {
    let house = house().await;
    let foreign = |name: &str, sequence: u64| {
        let mut bundle = Bundle::new(TrustDomain::parse(name).unwrap());
        let root = house.authority.bundle().x509_authorities()[0].clone();
        bundle.add_x509(root).unwrap();
        bundle.sequence = Some(sequence);
        bundle
    };
    let agent = house.agent("a", house.token_file("good-n1"), WEB).await;
    agent.ids().await;
    let mut watching = agent.client().await.watch_x509().await.unwrap();
    assert_eq!(
        watching.next().await.unwrap()[0].federated,
        BundleMap::default()
    );
    let rule = json!({
        "apiVersion": "bailiwick.dev/v1alpha1", "kind": "WorkloadIdentity", "metadata": {"name": "all"},
        "spec": {
            "selector": {"namespaces": ["shop"]}, "id": "/ns/{namespace}/sa/{serviceAccount}",
            "federatesWith": ["partner"],
        },
    });
    let rule = decode(&serde_json::from_value(rule).unwrap()).unwrap();
    let rules = RuleSet::new(TrustDomain::parse("td").unwrap(), [rule]);
    house.rules.send_replace(Arc::new(rules));
    let mut known = BundleMap::default();
    known.insert(foreign("partner", 1));
    known.insert(foreign("stranger", 1));
    house.federated.send_replace(Arc::new(known));
    // The rule and the bundle may come as one message or as two.
    let names = loop {
        let fetched = watching.next().await.unwrap();
        let federated = fetched[0].federated.iter();
        let names: Vec<_> = federated
            .map(|bundle| bundle.trust_domain().to_string())
            .collect();
        if !names.is_empty() {
            break names;
        }
    };
    assert_eq!(names, ["partner"]);
    let all = agent.client().await.bundles().await.unwrap();
    let names: Vec<_> = all
        .iter()
        .map(|bundle| bundle.trust_domain().to_string())
        .collect();
    assert_eq!(names, ["partner", "td"]);
    // It is gone when the other domain is.
    house.federated.send_replace(Arc::default());
    while !watching.next().await.unwrap()[0]
        .federated
        .eq(&BundleMap::default())
    {}
}
