//! What pods get through the agents of their nodes.

use super::*;

#[tokio::test]
async fn a_pod_gets_its_identity_through_its_node() {
    let house = house().await;
    let agent = house.agent("a", house.token_file("good-n1"), WEB).await;
    assert_eq!(agent.ids().await, ["spiffe://td/ns/shop/sa/web"]);
    let mut client = agent.client().await;
    let fetched = client.fetch_x509().await.unwrap();
    let checked = bailiwick_identity::x509::validate(
        &fetched[0].chain,
        &*house.authority.bundle(),
        SystemClock.now(),
    );
    assert_eq!(checked.unwrap().id(), &fetched[0].id);
    let tokens = client.fetch_jwt(vec!["db".into()], None).await.unwrap();
    let again = client.fetch_jwt(vec!["db".into()], None).await.unwrap();
    assert_eq!(
        tokens[0].1, again[0].1,
        "a token is kept for half of its life"
    );

    // One certificate for all processes of the pod, and one token; the log says through whom.
    let issues = house.issues();
    assert_eq!(issues.len(), 2, "{issues:?}");
    for issue in issues {
        assert_eq!(issue.door, bailiwick_audit::Door::Agent);
        assert_eq!(issue.workload.pod.unwrap().uid, WEB);
        assert_eq!(issue.workload.node, "n1");
        assert_eq!(issue.proof.agent, "spiffe://td/bailiwick/agent/n1/m1");
    }
    assert_eq!(
        house.joined(),
        [("n1".to_owned(), "token of its pod".to_owned())]
    );
    let (known, now) = (house.known.load().unwrap(), SystemClock.now());
    assert_eq!(known.iter(&Admissions::default(), now).count(), 1);
}

#[tokio::test]
async fn what_changes_is_pushed() {
    let house = house().await;
    let agent = house.agent("a", house.token_file("good-n1"), DB).await;
    assert!(agent.refusal().await.contains("knows of no pod"));
    // The pod comes to this node, and its stream opens; then it loses its rule, and the stream ends.
    house.pods.remove(ObjectKind::Pod, "shop", "db");
    house.pods.put(Object::Pod(Box::new(pod("db", DB, "n1"))));
    assert_eq!(agent.ids().await, ["spiffe://td/ns/shop/sa/db"]);
    let mut watching = agent.client().await.watch_x509().await.unwrap();
    watching.next().await.unwrap();
    // Another pod is none of its business.
    house
        .pods
        .put(Object::Pod(Box::new(pod("other", "p9", "n1"))));
    let nothing = tokio::time::timeout(Duration::from_millis(300), watching.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    house.pods.remove(ObjectKind::Pod, "shop", "db");
    assert!(watching.next().await.unwrap_err().is_denied());
}

#[tokio::test]
async fn an_agent_that_keeps_its_key_needs_no_second_join_token() {
    let house = house().await;
    let token = house.invited("n1", SystemClock.now(), 60);
    fs::write(house.path("join"), token.reveal()).unwrap();
    let proof = NodeProof::JoinTokenFile(house.path("join"));
    let agent = house.agent("a", proof.clone(), WEB).await;
    assert_eq!(agent.ids().await, ["spiffe://td/ns/shop/sa/web"]);
    assert_eq!(house.joined(), [("n1".to_owned(), "join token".to_owned())]);
    // Replayed by somebody else on another machine.
    let thief = house.agent("b", proof, WEB).await;
    until(async || {
        house
            .denials()
            .contains("was used, or has run out")
            .then_some(())
    })
    .await;
    assert!(thief.client().await.fetch_x509().await.is_err());
    assert_eq!(house.joined().len(), 1);
}
