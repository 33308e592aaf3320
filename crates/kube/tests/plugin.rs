//! Credential plugins of the kubeconfig, good, bad and hanging.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test fails the test"
)]

#[allow(dead_code, reason = "the other tests use the rest of it")]
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use bailiwick_kube::{Cluster, ConnectOptions};
use bailiwick_testkit::servers;
use serde_json::json;

use support::connect::{check, failure, service_account, with_user};

/// A plugin script, and a user entry that runs it.
fn plugin(dir: &Path, script: &str) -> serde_json::Value {
    let path = dir.join("plugin");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "./plugin",
        "args": ["first argument"],
        "env": [{"name": "PLUGIN_WORD", "value": "from the kubeconfig"}],
        "interactiveMode": "Never",
        "provideClusterInfo": true,
        "installHint": "install the plugin from the shelf",
    }})
}

#[test]
fn a_plugin_gives_the_credentials() {
    let server = servers::Cluster::shared().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let token = service_account(&server, "plugin-token");
    let answer = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}});
    let script = format!(
        "echo \"$1|$PLUGIN_WORD|$KUBERNETES_EXEC_INFO\" >> {}/calls\necho '{answer}'",
        dir.path().display()
    );
    let options = with_user(dir.path(), &server, &plugin(dir.path(), &script));
    let user = Cluster::connect(&options).unwrap().whoami().unwrap();
    assert_eq!(user.name, "system:serviceaccount:default:plugin-token");

    let calls = fs::read_to_string(dir.path().join("calls")).unwrap();
    assert_eq!(calls.lines().count(), 1, "run once: {calls}");
    let parts: Vec<_> = calls.trim().splitn(3, '|').collect();
    assert_eq!(parts[..2], ["first argument", "from the kubeconfig"]);
    let info: serde_json::Value = serde_json::from_str(parts[2]).unwrap();
    assert_eq!(info["apiVersion"], json!("client.authentication.k8s.io/v1"));
    assert_eq!(info["kind"], json!("ExecCredential"));
    assert_eq!(info["spec"]["interactive"], json!(false));
    assert_eq!(info["spec"]["cluster"]["server"], json!(server.server()));
}

#[test]
fn a_plugin_gives_a_certificate() {
    let server = servers::Cluster::shared().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let identity = server
        .certificate_user("plugin-certificate", Some("dev"))
        .unwrap();
    let config: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(identity.kubeconfig()).unwrap()).unwrap();
    let read = |field: &str| {
        fs::read_to_string(config["users"][0]["user"][field].as_str().unwrap()).unwrap()
    };
    let answer = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {
        "clientCertificateData": read("client-certificate"), "clientKeyData": read("client-key"),
    }});
    fs::write(dir.path().join("answer"), answer.to_string()).unwrap();
    let script = format!("cat {}/answer", dir.path().display());
    let options = with_user(dir.path(), &server, &plugin(dir.path(), &script));
    assert_eq!(
        Cluster::connect(&options).unwrap().whoami().unwrap().name,
        "plugin-certificate"
    );
}

#[test]
fn plugins_that_do_not_deliver() {
    let server = servers::Cluster::shared().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let run = |script: &str| with_user(dir.path(), &server, &plugin(dir.path(), script));
    check(
        &run("echo planted; echo 'please log in' >&2; exit 3"),
        &["credential plugin", "failed (exit code 3)", "please log in"],
    );
    let long = "i=0; while [ $i -lt 3000 ]; do echo 'many words on standard error' >&2; i=$((i+1)); done; echo end >&2; exit 1";
    let text = failure(&run(long));
    assert!(
        text.len() < 4_000 && text.contains("end"),
        "{} bytes",
        text.len()
    );
    check(
        &run("echo planted"),
        &["no usable answer", "not an ExecCredential"],
    );
    check(
        &run(
            r#"echo '{"apiVersion":"client.authentication.k8s.io/v1","status":{"token":"planted"}'"#,
        ),
        &["no usable answer"],
    );

    let mut user = plugin(dir.path(), "true");
    user["exec"]["command"] = json!("no-such-plugin");
    check(
        &with_user(dir.path(), &server, &user),
        &["`no-such-plugin`", "cannot be started", "from the shelf"],
    );
    let mut user = plugin(dir.path(), "true");
    user["exec"]["interactiveMode"] = json!("Always");
    let options = ConnectOptions {
        stdin_in_use: true,
        ..with_user(dir.path(), &server, &user)
    };
    check(
        &options,
        &["interactiveMode: Always", "standard input is the input"],
    );
    let mut user = plugin(dir.path(), "true");
    user["exec"]["apiVersion"] = json!("client.authentication.k8s.io/v1alpha1");
    check(
        &with_user(dir.path(), &server, &user),
        &["v1alpha1", "client.authentication.k8s.io/v1"],
    );
}

#[test]
fn a_plugin_that_hangs_is_stopped() {
    let server = servers::Cluster::shared().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "echo $$ > {}/pid; echo 'waiting for the browser' >&2; exec sleep 1000",
        dir.path().display()
    );
    let options = ConnectOptions {
        plugin_timeout: Some(Duration::from_secs(1)),
        ..with_user(dir.path(), &server, &plugin(dir.path(), &script))
    };
    let start = Instant::now();
    check(
        &options,
        &[
            "no answer within 1 s",
            "was stopped",
            "waiting for the browser",
        ],
    );
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
    let pid = fs::read_to_string(dir.path().join("pid")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    let state = || fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    while !state().is_empty() && !state().contains(") Z ") {
        assert!(Instant::now() < deadline, "it still runs: {}", state());
        std::thread::sleep(Duration::from_millis(20));
    }
}
