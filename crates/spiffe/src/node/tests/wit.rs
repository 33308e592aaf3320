//! WIT-SVIDs through the agent of a node.

use bailiwick_audit::Document;
use bailiwick_identity::wit::read;
use tonic::Code;

use super::attacks::sign;
use super::*;
use crate::wire::WitsvidRequest;
use crate::wire::issuer::SignRequest;
use crate::wire::spiffe_workload_api_client::SpiffeWorkloadApiClient;

#[tokio::test]
async fn w_2_a_pod_gets_its_wit_svid_through_its_node() {
    let house = house().await;
    let agent = house.agent("a", house.token_file("good-n1"), WEB).await;
    assert_eq!(agent.ids().await, ["spiffe://td/ns/shop/sa/web"]);
    let mut fetched = Vec::new();
    for _ in 0..2 {
        let mut client = SpiffeWorkloadApiClient::new(agent.channel().await);
        let mut request = Request::new(WitsvidRequest::default());
        let headers = request.metadata_mut();
        headers.insert("workload.spiffe.io", "true".parse().unwrap());
        let mut stream = client.fetch_witsvid(request).await.unwrap().into_inner();
        fetched.push(stream.message().await.unwrap().unwrap().svids);
    }
    assert_eq!(fetched[0], fetched[1], "it is kept for half of its life");
    let (bundle, now) = (house.authority.bundle(), SystemClock.now());
    let unproven = read(&fetched[0][0].wit_svid, &*bundle, None, now).unwrap();
    assert_eq!(unproven.subject().as_str(), "spiffe://td/ns/shop/sa/web");
    let issues = house.issues();
    let wits: Vec<_> = issues
        .iter()
        .filter(|issue| issue.document == Document::Wit)
        .collect();
    assert_eq!(wits.len(), 1, "{issues:?}");
    assert_eq!(wits[0].workload.pod.as_ref().unwrap().uid, WEB);
    assert_eq!(wits[0].proof.agent, "spiffe://td/bailiwick/agent/n1/m1");
}

#[tokio::test]
async fn w_2_an_agent_gets_none_for_pods_of_others() {
    let house = house().await;
    let mut agent = house.attacker("n1").await;
    let wit = |pod: &str, id: &str| SignRequest {
        workload_identity_token: true,
        ..sign(pod, id)
    };
    let mut ask = async |request: SignRequest| {
        let answer = agent.client.sign(request).await;
        answer.map(|answer| answer.into_inner().token)
    };
    assert!(ask(wit(WEB, "spiffe://td/ns/shop/sa/web")).await.is_ok());
    let elsewhere = ask(wit(DB, "spiffe://td/ns/shop/sa/db")).await.unwrap_err();
    assert_eq!(elsewhere.code(), Code::PermissionDenied);
    let other = ask(wit(WEB, "spiffe://td/ns/shop/sa/db"))
        .await
        .unwrap_err();
    assert_eq!(other.code(), Code::PermissionDenied);
    // Without a key, and with receivers as if it were a bearer.
    let keyless = SignRequest {
        certificate_request: Vec::new(),
        ..wit(WEB, "spiffe://td/ns/shop/sa/web")
    };
    assert_eq!(
        ask(keyless).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    let bearer = SignRequest {
        audience: vec!["me".into()],
        ..wit(WEB, "spiffe://td/ns/shop/sa/web")
    };
    assert_eq!(ask(bearer).await.unwrap_err().code(), Code::InvalidArgument);
}
