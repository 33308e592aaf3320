//! Clocks that are apart, that jump, and that stand still while a machine sleeps.

use super::*;

const HOUR: i64 = 3600;

impl House {
    /// Waits until an agent says this.
    async fn told(&self, what: &str) -> String {
        until(async || {
            let news = self.news.lock().unwrap();
            news.iter().find(|news| news.contains(what)).cloned()
        })
        .await
    }

    fn own_certificates(&self) -> usize {
        let events = self.events.lock().unwrap();
        let own = |event: &&Event| matches!(event, Event::Issue(record) if record.rule == "bailiwick-agent");
        events.iter().filter(own).count()
    }
}

impl Agent {
    /// The end of the first certificate that counts at that time, as soon as there is one.
    async fn until_good(&self, clock: &Skewed) -> UnixTime {
        let mut client = self.client().await;
        until(async || {
            let fetched = client.fetch_x509().await.ok()?;
            let leaf = bailiwick_identity::x509::leaf_profile(&fetched[0].chain[0]).unwrap();
            let now = clock.now();
            (leaf.validity.not_before <= now && now < leaf.validity.not_after)
                .then_some(leaf.validity.not_after)
        })
        .await
    }
}

#[tokio::test]
async fn clocks_of_node_and_server_may_be_four_minutes_apart() {
    for ahead in [240, -240] {
        let house = house().await;
        house.clock.set(ahead);
        let agent = house.agent("a", house.token_file("good-n1"), WEB).await;
        assert_eq!(agent.ids().await, ["spiffe://td/ns/shop/sa/web"]);
        let mut client = agent.client().await;
        let fetched = client.fetch_x509().await.unwrap();
        let (bundle, now) = (house.authority.bundle(), house.clock.now());
        let checked = bailiwick_identity::x509::validate(&fetched[0].chain, &*bundle, now);
        assert_eq!(checked.unwrap().id(), &fetched[0].id);
        let tokens = client.fetch_jwt(vec!["db".into()], None).await.unwrap();
        client.validate_jwt("db", &tokens[0].1).await.unwrap();
        assert_eq!(house.issues().len(), 2, "nothing is asked for twice");
        let news = house.news.lock().unwrap();
        assert!(!news.iter().any(|news| news.contains("clock")), "{news:?}");
    }
}

#[tokio::test]
async fn a_clock_that_is_far_behind_is_named_and_needs_no_other_join_token() {
    let house = house().await;
    house.clock.set(-20 * 60 - 30);
    let token = house.invited("n1", SystemClock.now(), 600);
    let path = house.path("join-token");
    fs::write(&path, token.reveal()).unwrap();
    let agent = house.agent("a", NodeProof::JoinTokenFile(path), WEB).await;
    let why = house.told("clock of this machine").await;
    assert!(
        why.starts_with("Trouble(")
            && why.contains("it is 20 minutes behind that of the server; put the clocks right"),
        "{why}"
    );
    // Probes and workloads hear of it.
    let client = agent.client().await;
    let state = client.agent_state().await.unwrap().unwrap();
    assert!(
        !state.ready && state.trouble.contains("put the clocks right"),
        "{state:?}"
    );
    house.clock.set(0);
    assert_eq!(agent.ids().await, ["spiffe://td/ns/shop/sa/web"]);
}

#[tokio::test]
async fn a_clock_that_is_ahead_is_named_and_the_server_is_not_flooded() {
    let house = house().await;
    house.clock.set(40 * 60 + 30);
    let agent = house.agent("a", house.token_file("good-n1"), WEB).await;
    agent.ids().await;
    let why = house.told("Clocks(").await;
    assert!(
        why.contains("is 40 minutes ahead of that of the server; put the clocks right"),
        "{why}"
    );
    // More than half of the life of what it got is over by its clock.
    let mut client = agent.client().await;
    for _ in 0..20 {
        client.fetch_x509().await.unwrap();
    }
    assert_eq!((house.own_certificates(), house.issues().len()), (1, 1));
}

#[tokio::test]
async fn a_clock_that_jumps_and_comes_back_costs_no_identity() {
    let mut house = house().await;
    let path = house.path("join-token");
    let token = house.invited("n1", SystemClock.now(), 600);
    fs::write(&path, token.reveal()).unwrap();
    fs::create_dir_all(house.path("a").join("keep")).unwrap();
    let proof = NodeProof::JoinTokenFile(path);
    let agent = house.agent("a", proof.clone(), WEB).await;
    agent.ids().await;
    let mut watching = agent.client().await.watch_x509().await.unwrap();
    watching.next().await.unwrap();

    house.clock.set(2 * HOUR);
    let why = house.told("a certificate that ended at").await;
    assert!(why.contains("it is ahead of that of the server"), "{why}");
    let mut client = agent.client().await;
    let error = until(async || client.fetch_x509().await.err()).await;
    assert!(
        !error.is_denied() && error.to_string().contains("put the clocks right"),
        "{error}"
    );
    // The way to the server is lost meanwhile, and another agent starts from what is kept.
    let address = house.address.clone();
    house.kill();
    house.start(&address).await;
    house.told("the certificate of the server ended at").await;
    fs::create_dir_all(house.path("b")).unwrap();
    fs::rename(house.path("a").join("keep"), house.path("b").join("keep")).unwrap();
    let second = house.agent("b", proof, WEB).await;
    let late = second.client().await;
    until(async || {
        let state = late.agent_state().await.unwrap().unwrap();
        state.trouble.contains("ended at").then_some(())
    })
    .await;

    house.clock.set(0);
    agent.ids().await;
    second.ids().await;
    assert_eq!(house.joined().len(), 1);
    let quiet = tokio::time::timeout(Duration::from_millis(200), watching.next()).await;
    assert!(!matches!(quiet, Ok(Err(_))), "the stream ended");
}

#[tokio::test]
async fn what_ran_out_while_a_machine_slept_is_made_anew() {
    let clock = Arc::<Skewed>::default();
    let house = house_of(Policy::DEFAULT, Arc::clone(&clock)).await;
    let agent = house.agent("a", house.token_file("good-n1"), WEB).await;
    let before = agent.until_good(&house.clock).await;
    let mut watching = agent.client().await.watch_x509().await.unwrap();
    watching.next().await.unwrap();
    let mut client = agent.client().await;
    let token = client.fetch_jwt(vec!["db".into()], None).await.unwrap();
    // Nothing that counts seconds hears of it.
    clock.set(2 * HOUR);
    house.clock.set(2 * HOUR);
    let after = agent.until_good(&house.clock).await;
    assert!(after.since(before) > 3600, "{before} {after}");
    let pushed = watching.next().await.unwrap();
    let leaf = bailiwick_identity::x509::leaf_profile(&pushed[0].chain[0]).unwrap();
    assert!(leaf.validity.not_after > house.clock.now());
    let renewed = client.fetch_jwt(vec!["db".into()], None).await.unwrap();
    assert_ne!(renewed[0].1, token[0].1);
    client.validate_jwt("db", &renewed[0].1).await.unwrap();
    // So is what server and agent show each other.
    until(async || (house.own_certificates() > 1).then_some(())).await;
}

#[tokio::test]
async fn a_token_that_has_run_out_is_read_again_when_it_was_renewed() {
    let house = house().await;
    let NodeProof::TokenFile(path) = house.token_file("expired") else {
        panic!("another proof");
    };
    let agent = house
        .agent("a", NodeProof::TokenFile(path.clone()), WEB)
        .await;
    let why = house.told("Trouble(").await;
    assert!(why.contains("token"), "{why}");
    fs::write(&path, "good-n1").unwrap();
    assert_eq!(agent.ids().await, ["spiffe://td/ns/shop/sa/web"]);
}
