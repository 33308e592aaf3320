//! What brokers do not get is in the log of the server.

use tonic::Code;

use super::broker::{
    AGENT, BROKER, INVALID, NOT_ENTITLED, NOT_FOUND, by_uid, check, connect, process, scene, svid,
};
use super::*;

#[tokio::test]
async fn r_4_refusals_say_why_to_machines() {
    let mut scene = scene().await;
    check(scene.ids(process(-1)).await, Code::InvalidArgument, INVALID);
    check(scene.ids(by_uid("gone")).await, Code::NotFound, NOT_FOUND);
    check(
        scene.ids(process(i32::MAX)).await,
        Code::NotFound,
        NOT_FOUND,
    );
    // In no pod, in a pod that the server does not know, and in one that gets nothing.
    made_up_process(&scene.agent.proc_root, 7, WEB);
    let cgroup = scene.agent.proc_root.join("7/cgroup");
    fs::write(&cgroup, "0::/system.slice/x.service\n").unwrap();
    let denied = Code::PermissionDenied;
    check(scene.ids(process(7)).await, denied, NOT_ENTITLED);
    made_up_process(&scene.agent.proc_root, 8, DB);
    check(scene.ids(process(8)).await, denied, NOT_ENTITLED);
    let mut poor = pod("poor", "p7", "n1");
    poor.meta.namespace = "bailiwick".into();
    scene.house.pods.put(Object::Pod(Box::new(poor)));
    check(scene.ids(by_uid("p7")).await, denied, NOT_ENTITLED);
    let other = "spiffe://td/ns/shop/sa/db";
    let refused = scene.tokens(Some(by_uid(WEB)), other).await;
    check(refused, denied, NOT_ENTITLED);
    let malformed = scene.tokens(Some(by_uid(WEB)), "td/a").await.unwrap_err();
    assert_eq!(malformed.code(), Code::InvalidArgument);
    assert!(scene.tokens(Some(by_uid(WEB)), "").await.is_ok());
    // The log of the server has them, by the name of the broker and the word of the agent.
    for why in [
        "the number of a process is above 0",
        "there is no pod with the UID `gone`",
        "process 7 runs in no pod",
        "knows of no pod with the UID",
        "no identity for pod bailiwick/poor",
        "no rule gives",
    ] {
        let record = scene.house.report_of(why).await;
        assert_eq!(
            (&*record.proof.broker, &*record.proof.agent),
            (BROKER, AGENT)
        );
        assert_eq!(record.workload.node, "n1");
    }
}

#[tokio::test]
async fn who_is_no_broker_by_his_certificate_is_in_the_log() {
    let scene = scene().await;
    let other = house().await;
    for (known, why) in [
        (false, "peer sent no certificates"),
        (true, "invalid peer certificate"),
    ] {
        for _ in 0..3 {
            let own = known.then(|| svid(&other.authority, BROKER));
            // TLS 1.3 tells a client late.
            if let Ok(mut client) = connect(&scene.house, &scene.agent, own, AGENT).await {
                let request = crate::wire::broker::SubscribeToX509BundlesRequest::default();
                assert!(client.subscribe_to_x509_bundles(request).await.is_err());
            }
        }
        let record = scene.house.report_of(why).await;
        assert!(
            record.why.starts_with("no connection as a broker: "),
            "{record:?}"
        );
        let process = record.workload.process.as_ref().unwrap();
        assert_eq!(process.pid, std::process::id());
        assert_eq!(
            (&*record.workload.node, &*record.proof.agent),
            ("n1", AGENT)
        );
    }
    // Whoever comes again and again is said once until it was reported.
    let news = scene.house.news.lock().unwrap();
    let said = news
        .iter()
        .filter(|news| news.contains("no connection as a broker"));
    assert!(said.count() <= 4, "{news:?}");
}
