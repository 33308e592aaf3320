//! What streams are told of other domains.

use super::*;

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
