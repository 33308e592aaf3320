//! What the attacker says in place of the API server of who somebody is and what he may do, to a server that asks.

use bailiwick_testkit::servers::{Cluster, Identity};
use serde_json::json;

use crate::acts::APIS;
use crate::served::Play;
use crate::stage::eventually;

const ACCESS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
const TOKENS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

/// The controller-manager asks the API server about those who want its metrics, as a kubelet about those who want a shell.
#[test]
fn a_server_that_asks_about_its_callers_believes_the_attacker() {
    let play = Play::on(&Cluster::builder().controller_manager_listens());
    assert!(eventually(|| reads_metrics(
        &play,
        play.stage.cluster.admin()
    )));
    assert!(
        !reads_metrics(&play, &play.stage.eve),
        "it asks what eve may do"
    );

    play.take("api-service-reviews", "v1.authorization.k8s.io");
    play.impostor.judge(ACCESS, json!({"allowed": true}));
    assert!(eventually(|| reads_metrics(&play, &play.stage.eve)));
    // The API server decides for itself.
    assert_eq!(play.stage.get("/api/v1/secrets").status, 403);
    play.give_back("v1.authorization.k8s.io");
    assert!(eventually(|| !reads_metrics(&play, &play.stage.eve)));

    let nobody = play
        .stage
        .cluster
        .token_holder("nobody", "made-up")
        .unwrap();
    assert!(!reads_metrics(&play, &nobody));
    play.take_as_well("v1.authentication.k8s.io");
    let masters =
        json!({"authenticated": true, "user": {"username": "eve", "groups": ["system:masters"]}});
    play.impostor.judge(TOKENS, masters);
    assert!(eventually(|| reads_metrics(&play, &nobody)));
    assert_eq!(nobody.get("/api/v1/secrets").unwrap().status, 401);

    // What others have looked at is shown to him.
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": "of-somebody-else"},
    });
    let path = format!("{APIS}/authentication.k8s.io/v1/tokenreviews");
    assert_eq!(
        play.stage
            .cluster
            .admin()
            .post(&path, &review)
            .unwrap()
            .status,
        200
    );
    let is_shown = |body: &[u8]| String::from_utf8_lossy(body).contains("of-somebody-else");
    assert!(
        play.impostor
            .asked()
            .iter()
            .any(|asked| is_shown(&asked.body))
    );
}

/// Whether the controller-manager shows its metrics to somebody.
fn reads_metrics(play: &Play, somebody: &Identity) -> bool {
    let (server, certificate) = play.stage.cluster.controller_manager();
    let authority = certificate.to_str().unwrap();
    let flags = ["--server", server, "--certificate-authority", authority];
    let asked = [&flags[..], &["get", "--raw", "/metrics"]].concat();
    somebody.kubectl(&asked).unwrap().success().is_ok()
}
