//! The real servers start, answer, and are gone afterwards.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a helper of a test fails the test"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, panic, thread};

use bailiwick_testkit::servers::{AUDIT_METADATA, Cluster, ServersError};
use serde_json::{Value, json};

const REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

fn review(cluster: &Cluster, spec: &Value) -> Value {
    let body = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec});
    let reply = cluster.admin().post(REVIEWS, &body).unwrap();
    assert_eq!(reply.status, 201, "{}", reply.body);
    reply.json().unwrap()["status"].clone()
}

#[test]
fn reviews_follow_bindings() {
    let cluster = Cluster::shared().unwrap();
    let made = cluster.admin().apply(
        "apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reviews-reader}
rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reviews-reader, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reviews-reader}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: reviewers}]
",
    );
    assert!(
        made.unwrap()
            .contains("rolebinding.rbac.authorization.k8s.io/reviews-reader created")
    );
    for (verb, namespace, groups, allowed) in [
        ("get", "default", ["reviewers"], true),
        ("list", "default", ["reviewers"], false),
        ("get", "kube-system", ["reviewers"], false),
        ("get", "default", ["others"], false),
        ("delete", "kube-system", ["system:masters"], true),
    ] {
        let attributes = json!({"verb": verb, "resource": "pods", "namespace": namespace});
        let spec = json!({"user": "anna", "groups": groups, "resourceAttributes": attributes});
        // The authorizer sees a new binding through its watch, a moment later.
        let wanted = Some(&Value::Bool(allowed));
        let start = Instant::now();
        let mut status = review(&cluster, &spec);
        while status.get("allowed") != wanted && start.elapsed() < Duration::from_secs(5) {
            thread::sleep(Duration::from_millis(20));
            status = review(&cluster, &spec);
        }
        assert_eq!(status.get("allowed"), wanted, "{spec} {status}");
    }
}

#[test]
fn the_controllers_fill_the_aggregated_roles() {
    Cluster::shared().unwrap().wait_for_aggregation().unwrap();
}

#[test]
fn everybody_is_who_they_say() {
    let cluster = Cluster::builder()
        .without_controller_manager()
        .user("anna", &["dev", "ops"])
        .start()
        .unwrap();
    let account = r#"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"robot","namespace":"default"}}"#;
    cluster.admin().apply(account).unwrap();
    let robot = cluster.service_account("default", "robot").unwrap();
    let carl = cluster
        .certificate_user("carl@example.com", Some("dev"))
        .unwrap();
    for (identity, name, groups) in [
        (cluster.user("anna").unwrap(), "anna", vec!["dev", "ops"]),
        (&carl, "carl@example.com", vec!["dev"]),
        (
            &robot,
            "system:serviceaccount:default:robot",
            vec!["system:serviceaccounts", "system:serviceaccounts:default"],
        ),
    ] {
        let output = identity.kubectl(&["auth", "whoami", "-o", "json"]).unwrap();
        let answer: Value = serde_json::from_str(&output.success().unwrap()).unwrap();
        let user = &answer["status"]["userInfo"];
        let groups: Vec<&str> = groups.into_iter().chain(["system:authenticated"]).collect();
        assert_eq!(
            (&user["username"], &user["groups"]),
            (&json!(name), &json!(groups))
        );
        let refused = identity.get("/api/v1/secrets").unwrap();
        assert_eq!(refused.status, 403, "{}", refused.body);
    }
    assert!(matches!(cluster.user("bert"), Err(ServersError::NoUser(_))));
}

#[test]
fn requests_are_audited() {
    let cluster = Cluster::builder()
        .without_controller_manager()
        .audit_policy(AUDIT_METADATA)
        .start()
        .unwrap();
    cluster
        .admin()
        .get("/api/v1/namespaces/default?pretty=audited")
        .unwrap();
    let events = cluster.audit_events().unwrap();
    let asked = |event: &&Value| {
        event["requestURI"]
            .as_str()
            .is_some_and(|uri| uri.ends_with("pretty=audited"))
    };
    let event = events
        .iter()
        .find(asked)
        .expect("the request is in the audit log");
    assert_eq!(
        (
            &event["user"]["username"],
            &event["verb"],
            &event["objectRef"]["name"]
        ),
        (&json!("admin"), &json!("get"), &json!("default"))
    );
}

/// Answers every SubjectAccessReview: allowed for the user `friend`.
fn serve_authorization(listener: &TcpListener) {
    for mut stream in listener.incoming().flatten() {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).unwrap() > 2 {
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let mut review: Value = serde_json::from_slice(&body).unwrap();
        review["status"] = json!({"allowed": review["spec"]["user"] == "friend"});
        let body = review.to_string();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
        write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    }
}

#[test]
fn an_authorization_webhook_is_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || serve_authorization(&listener));
    let cluster = Cluster::builder()
        .without_controller_manager()
        .file(
            "webhook.kubeconfig",
            &json!({
                "apiVersion": "v1", "kind": "Config", "current-context": "webhook",
                "contexts": [{"name": "webhook", "context": {"cluster": "webhook", "user": ""}}],
                "clusters": [{"name": "webhook", "cluster": {"server": format!("http://127.0.0.1:{port}/")}}],
            })
            .to_string(),
        )
        .authorization_config(
            "apiVersion: apiserver.config.k8s.io/v1
kind: AuthorizationConfiguration
authorizers:
- {type: Node, name: node}
- type: Webhook
  name: test
  webhook:
    authorizedTTL: 10s
    unauthorizedTTL: 10s
    timeout: 3s
    subjectAccessReviewVersion: v1
    matchConditionSubjectAccessReviewVersion: v1
    failurePolicy: NoOpinion
    connectionInfo: {type: KubeConfigFile, kubeConfigFile: '{dir}/webhook.kubeconfig'}
    matchConditions: [{expression: \"!('system:masters' in request.groups)\"}]
- {type: RBAC, name: rbac}
",
        )
        .start()
        .unwrap();
    for (user, allowed) in [("friend", true), ("stranger", false)] {
        let attributes = json!({"verb": "get", "resource": "secrets", "namespace": "default"});
        let status = review(
            &cluster,
            &json!({"user": user, "resourceAttributes": attributes}),
        );
        assert_eq!(status["allowed"], json!(allowed), "{user} {status}");
    }
}

#[test]
fn a_server_that_refuses_its_flags_says_why() {
    let error = Cluster::builder()
        .flag("no-such-flag", "x")
        .start()
        .unwrap_err();
    let text = format!("{error:?}");
    assert!(text.contains("unknown flag: --no-such-flag"), "{text}");
    let ServersError::NotReady { dir, .. } = error else {
        panic!("{text}")
    };
    assert!(dir.join("kube-apiserver.log").is_file(), "logs are kept");
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn settings_reach_the_server() {
    let cluster = Cluster::builder()
        .without_controller_manager()
        .emulated_version("1.36")
        .runtime_config("api/beta=true")
        .feature_gates("AllAlpha=false")
        .disable_admission_plugins("ServiceAccount")
        .enable_admission_plugins("AlwaysPullImages")
        .authentication_config(
            "apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous: {enabled: true, conditions: [{path: /readyz}]}
",
        )
        .authorization_modes("AlwaysDeny,RBAC")
        .start()
        .unwrap();
    let version = cluster.admin().get("/version").unwrap().json().unwrap();
    assert_eq!(version["emulationMinor"], "36", "{version}");
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: i}]}}";
    cluster.admin().apply(pod).unwrap();
    let pod = cluster
        .admin()
        .get("/api/v1/namespaces/default/pods/p")
        .unwrap();
    assert_eq!(
        pod.json().unwrap()["spec"]["containers"][0]["imagePullPolicy"],
        "Always"
    );
}

/// A lost race for a port is tried again with other ports, which cannot help here.
#[test]
fn a_taken_port_is_recognised() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let error = Cluster::builder()
        .flag("secure-port", &port)
        .start()
        .unwrap_err();
    let ServersError::NotReady {
        dir, log, ended, ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert!(ended && log.contains("address already in use"), "{log}");
    fs::remove_dir_all(dir).unwrap();
}

/// A process that is there and not merely waiting for its parent to notice its end.
fn alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !matches!(
        stat.rsplit(") ")
            .next()
            .and_then(|rest| rest.chars().next()),
        None | Some('Z' | 'X')
    )
}

fn gone_within(limit: Duration, pids: &[u32], dir: &Path) -> bool {
    let start = Instant::now();
    while pids.iter().any(|&pid| alive(pid)) || dir.exists() {
        if start.elapsed() > limit {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
    true
}

#[test]
fn a_dropped_cluster_leaves_nothing_behind() {
    let cluster = Cluster::builder().start().unwrap();
    let (pids, dir) = (cluster.pids(), cluster.dir().to_owned());
    assert!(
        pids.len() == 3 && pids.iter().all(|&pid| alive(pid)),
        "{pids:?}"
    );
    drop(cluster);
    assert!(gone_within(Duration::ZERO, &pids, &dir));
}

#[test]
fn a_failed_test_keeps_its_logs() {
    let failed = thread::spawn(|| {
        let cluster = Cluster::builder()
            .without_controller_manager()
            .start()
            .unwrap();
        panic::panic_any((cluster.pids(), cluster.dir().to_owned()));
    });
    let payload = failed.join().unwrap_err();
    let (pids, dir) = payload.downcast_ref::<(Vec<u32>, PathBuf)>().unwrap();
    assert!(!pids.iter().any(|&pid| alive(pid)));
    assert!(dir.join("kube-apiserver.log").is_file() && dir.join("etcd.log").is_file());
    fs::remove_dir_all(dir).unwrap();
}

const CHILD: &str = "BAILIWICK_TEST_CHILD";

#[test]
#[ignore = "runs in a process of its own, started by no_server_outlives_its_test_process"]
fn child_with_a_shared_cluster() {
    let cluster = Cluster::shared().unwrap();
    println!("\ncluster {} {:?}", cluster.dir().display(), cluster.pids());
    if env::var(CHILD).unwrap() == "killed" {
        thread::sleep(Duration::from_secs(60));
    }
}

#[test]
fn no_server_outlives_its_test_process() {
    for end in ["ends", "killed"] {
        let mut child = Command::new(env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "child_with_a_shared_cluster",
                "--nocapture",
            ])
            .env(CHILD, end)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut lines = output.lines().map_while(Result::ok);
        let line = lines
            .find(|line| line.starts_with("cluster "))
            .expect("the child starts a cluster");
        let mut words = line.splitn(3, ' ').skip(1);
        let dir = PathBuf::from(words.next().unwrap());
        let pids: Vec<u32> = serde_json::from_str(words.next().unwrap()).unwrap();
        if end == "killed" {
            child.kill().unwrap();
        }
        child.wait().unwrap();
        assert!(
            gone_within(Duration::from_secs(10), &pids, &dir),
            "{end}: {line}"
        );
    }
}
