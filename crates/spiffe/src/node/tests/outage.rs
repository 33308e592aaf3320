//! The server goes away and comes back.

use bailiwick_identity::rotation::Step;

use super::rotation::{HASTY, step, successor};
use super::*;

#[tokio::test]
async fn workloads_keep_what_they_have_while_the_server_is_away() {
    let mut house = house().await;
    let agent = house.agent("a", house.token_file("good-n1"), WEB).await;
    agent.ids().await;
    let mut client = agent.client().await;
    let first = client.fetch_x509().await.unwrap();
    let token = client.fetch_jwt(vec!["db".into()], None).await.unwrap();
    let mut watching = agent.client().await.watch_x509().await.unwrap();
    watching.next().await.unwrap();
    assert_eq!(client.agent_state().await.unwrap().unwrap().stale, 0);

    house.kill();
    let state = until(async || {
        let state = client.agent_state().await.unwrap().unwrap();
        (state.stale > 0).then_some(state)
    })
    .await;
    assert!(state.ready && !state.trouble.is_empty(), "{state:?}");
    // Also for processes that come now, and for streams that are open.
    let mut late = agent.client().await;
    assert_eq!(late.fetch_x509().await.unwrap()[0].chain, first[0].chain);
    let kept = late.fetch_jwt(vec!["db".into()], None).await.unwrap();
    assert_eq!(kept[0].1, token[0].1);
    let nothing = tokio::time::timeout(Duration::from_millis(500), watching.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    // What was never given cannot be: it may be had later.
    let error = late.fetch_jwt(vec!["new".into()], None).await.unwrap_err();
    assert!(!error.is_denied(), "{error}");

    // It comes back, knows nothing of before, and does not make the agent join again.
    let address = house.address.clone();
    house.start(&address).await;
    until(async || {
        let state = client.agent_state().await.unwrap().unwrap();
        (state.stale == 0).then_some(())
    })
    .await;
    late.fetch_jwt(vec!["new".into()], None).await.unwrap();
    assert_eq!(late.fetch_x509().await.unwrap()[0].chain, first[0].chain);
    assert_eq!(house.joined().len(), 1);
}

#[tokio::test]
async fn nobody_is_turned_away_before_the_cluster_is_read() {
    let mut house = house().await;
    let agent = house.agent("a", house.token_file("good-n1"), WEB).await;
    agent.ids().await;
    house.kill();
    // The server starts anew and has seen nothing yet.
    let full = std::mem::take(&mut house.pods);
    let address = house.address.clone();
    house.start(&address).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut client = agent.client().await;
    client.fetch_x509().await.unwrap();
    assert!(client.agent_state().await.unwrap().unwrap().stale > 0);
    drop(full);
}

#[tokio::test]
async fn keys_that_change_reach_every_stream() {
    let house = house_with(HASTY).await;
    let agent = house.agent("a", house.token_file("good-n1"), WEB).await;
    agent.ids().await;
    let mut watching = agent.client().await.watch_x509().await.unwrap();
    let first = watching.next().await.unwrap();
    step(&house, Step::Activate(successor(&house))).await;
    let second = watching.next().await.unwrap();
    assert_ne!(first[0].chain, second[0].chain);
    let now = SystemClock.now();
    for fetched in first.iter().chain(&second) {
        bailiwick_identity::x509::validate(&fetched.chain, &second[0].bundle, now).unwrap();
    }
}

#[tokio::test]
async fn half_a_lifetime_passes_before_a_workload_notices_that_the_server_is_gone() {
    const LIFE: u64 = 20;
    let policy = Policy {
        longest_life: LIFE,
        ..Policy::DEFAULT
    };
    let mut house = house_with(policy).await;
    let agent = house.agent("a", house.token_file("good-n1"), WEB).await;
    agent.ids().await;
    let mut client = agent.client().await;
    let mut watching = agent.client().await.watch_x509().await.unwrap();
    let first = watching.next().await.unwrap();
    // The worst moment: just before the next certificate would come.
    tokio::time::sleep(Duration::from_secs(LIFE * 2 / 5)).await;
    house.kill();
    let killed = Instant::now();
    // Less what a busy machine may have been late.
    while killed.elapsed() < Duration::from_secs(LIFE / 2 - 2) {
        let fetched = client.fetch_x509().await.unwrap();
        let bundle = &fetched[0].bundle;
        let checked =
            bailiwick_identity::x509::validate(&fetched[0].chain, bundle, SystemClock.now());
        checked.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // The stream neither ended nor said anything.
    let nothing = tokio::time::timeout(Duration::from_millis(10), watching.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    assert_eq!(client.fetch_x509().await.unwrap()[0].chain, first[0].chain);
}
