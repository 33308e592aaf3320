//! The API server is silent, away, or starts anew.

use std::time::{Duration, Instant};

use bailiwick_testkit::wire::Wire;
use serde_json::json;

use crate::api_server::{ANNA_READS_PODS, until};
use crate::client::Client;
use crate::following::{Stage, document};

/// Its connections stay open, and nothing comes through them.
#[test]
fn an_api_server_that_says_nothing_makes_what_it_said_stale() {
    let stage = Stage::new("authority");
    stage.cluster.admin().apply(ANNA_READS_PODS).unwrap();
    until(|| stage.asks(), "not granted");
    stage.signal_api_server("STOP");
    let start = Instant::now();
    until(|| !stage.asks(), "allowed for ever");
    let took = start.elapsed();
    assert!(
        took > Duration::from_secs(2) && took < Duration::from_secs(7),
        "{took:?}"
    );
    let (status, text) = stage.told("/readyz");
    assert!(status == 503 && text.contains("last confirmed"), "{text}");
    stage.signal_api_server("CONT");
    until(|| stage.asks(), "stale though it is heard again");
    until(
        || stage.told("/readyz").0 == 200,
        "not ready though it is heard again",
    );
}

#[test]
fn a_start_without_an_api_server_denies_what_was_denied_and_allows_nothing() {
    let mut stage = Stage::new("guard");
    stage.cluster.admin().apply(ANNA_READS_PODS).unwrap();
    until(|| stage.asks(), "not granted");
    stage.create(
        "revocations",
        &document(
            "Revocation",
            "ben",
            &json!({"user": "ben", "reason": "gone"}),
        ),
    );
    let kept = || {
        let documents = std::fs::read_to_string(stage.home.path("kept.bwk.documents"));
        documents.is_ok_and(|text| text.contains("\"ben\"")) && stage.home.path("kept.bwk").exists()
    };
    until(kept, "nothing is kept");
    stage.program.kill_and_stay();
    stage.signal_api_server("STOP");
    stage.program = stage.home.serve_cluster(stage.cluster.admin().kubeconfig());
    stage
        .program
        .wait_for("answering from what was kept on disk");
    assert!(!stage.asks(), "allowed by what may be of any age");
    let (status, text) = stage.told("/readyz");
    assert!(status == 503 && text.contains("last confirmed"), "{text}");
    let api = Client::new(&stage.home, &stage.program, Some("api"));
    let review = |user: &str| {
        let spec =
            json!({"user": user, "nonResourceAttributes": {"path": "/healthz", "verb": "get"}});
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec});
        api.post("/kubernetes/authorize", &review).body["status"]["denied"] == true
    };
    assert!(review("ben") && !review("cleo"));
    stage.signal_api_server("CONT");
    until(|| stage.asks(), "the cluster is back and nobody reads it");
    assert!(review("ben"));
}

/// The API server forgets what a watch goes on from: its memory starts anew with it.
#[test]
fn a_restarted_api_server_is_followed_without_a_wrong_answer() {
    let mut stage = Stage::new("guard");
    stage.cluster.admin().apply(ANNA_READS_PODS).unwrap();
    stage.create(
        "revocations",
        &document(
            "Revocation",
            "ben",
            &json!({"user": "ben", "reason": "gone"}),
        ),
    );
    until(|| stage.asks(), "not granted");
    let address = stage.program.address.clone();
    let client = Client::at(&stage.home, &address, Some("api"));
    let spec = json!({"user": "ben", "nonResourceAttributes": {"path": "/x", "verb": "get"}});
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec});
    let denied = || client.post("/kubernetes/authorize", &review).body["status"]["denied"] == true;
    until(denied, "not revoked");
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let asking = std::thread::spawn(move || {
        let mut asked = 0;
        while stopped.try_recv().is_err() {
            let answer = client.post("/kubernetes/authorize", &review);
            assert_eq!(answer.body["status"]["denied"], true, "{}", answer.body);
            asked += 1;
        }
        asked
    });
    stage.cluster.restart_api_server().unwrap();
    stage.create(
        "revocations",
        &document(
            "Revocation",
            "anna",
            &json!({"user": "anna", "reason": "gone"}),
        ),
    );
    until(
        || !stage.asks(),
        "what happens after the start is not heard",
    );
    stage.delete("revocations/anna");
    until(|| stage.asks(), "what happens after the start is not heard");
    stop.send(()).unwrap();
    println!("{} reviews meanwhile", asking.join().unwrap());
}

/// What happened in between is gone from etcd: the program hears 410 Gone and lists everything anew.
#[test]
fn what_the_api_server_has_forgotten_is_listed_without_a_wrong_answer() {
    // Without its own memory the API server asks etcd for what was.
    let mut stage = Stage::with_flags("guard", &[("watch-cache", "false")]);
    stage.cluster.admin().apply(ANNA_READS_PODS).unwrap();
    let revocation = |name: &str| {
        let spec = json!({"user": name, "reason": "gone"});
        document("Revocation", name, &spec)
    };
    stage.create("revocations", &revocation("ben"));
    stage.create("revocations", &revocation("cleo"));
    stage.program.kill_and_stay();
    let wire = Wire::to(stage.cluster.server()).unwrap();
    stage.program = stage
        .home
        .serve_cluster_at(stage.cluster.admin().kubeconfig(), &wire.address);
    stage.program.wait_for("new state revision=");
    let denied = |stage: &Stage, user: &str| {
        let client = Client::new(&stage.home, &stage.program, Some("api"));
        let spec = json!({"user": user, "nonResourceAttributes": {"path": "/x", "verb": "get"}});
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec});
        client.post("/kubernetes/authorize", &review).body["status"]["denied"] == true
    };
    until(|| denied(&stage, "cleo") && stage.asks(), "not read");
    wire.cut();
    stage.delete("revocations/cleo");
    stage.create("revocations", &revocation("anna"));
    stage.cluster.compact().unwrap();
    // Nobody has told yet.
    assert!(denied(&stage, "ben") && denied(&stage, "cleo"));
    wire.mend();
    until(|| denied(&stage, "anna"), "what came is not known");
    until(|| !denied(&stage, "cleo"), "what went is still there");
    assert!(denied(&stage, "ben"), "lost on the way");
    until(|| stage.told("/readyz").0 == 200, "not ready again");
}
