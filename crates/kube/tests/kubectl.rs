//! kubectl as the judge: with the same flags and the same kubeconfig, the API server has to take both for the same
//! user, or both must fail.

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
use std::path::Path;

use bailiwick_kube::{Cluster, ConnectOptions};
use bailiwick_testkit::servers::{self, Identity};
use serde_json::{Value, json};

use support::connect::service_account;

/// A kubeconfig with a user entry for every mix of credentials.
fn kubeconfig(dir: &Path, server: &servers::Cluster) -> String {
    let text = |name: &str| service_account(server, name);
    let file = dir.join("from-file");
    fs::write(&file, text("from-file") + "\n").unwrap();
    let certificate = server
        .certificate_user("by-certificate", Some("dev"))
        .unwrap();
    let config: Value =
        serde_json::from_str(&fs::read_to_string(certificate.kubeconfig()).unwrap()).unwrap();
    let certificate = config["users"][0]["user"].clone();
    let answer = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": text("by-plugin")}});
    let exec = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
        "command": "echo", "args": [answer.to_string()],
    });
    let with = |base: &Value, more: Value| {
        let mut all = base.clone();
        all.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        all
    };
    let token = json!({"token": text("by-token")});
    let users = [
        ("nobody", json!({})),
        ("token", token.clone()),
        ("wrong-token", json!({"token": "wrong"})),
        ("empty-token", json!({"token": ""})),
        ("file", json!({"tokenFile": "from-file"})),
        (
            "token-and-file",
            with(&token, json!({"tokenFile": "from-file"})),
        ),
        (
            "token-and-missing-file",
            with(&token, json!({"tokenFile": "missing"})),
        ),
        ("missing-file", json!({"tokenFile": "missing"})),
        ("certificate", certificate.clone()),
        ("certificate-and-token", with(&certificate, token.clone())),
        ("plugin", json!({"exec": exec})),
        ("plugin-and-token", with(&token, json!({"exec": exec}))),
        (
            "plugin-and-certificate",
            with(&certificate, json!({"exec": exec})),
        ),
        (
            "impersonating",
            with(&token, json!({"as": "anna", "as-groups": ["dev"]})),
        ),
        (
            "impersonating-groups",
            with(&token, json!({"as-groups": ["dev"]})),
        ),
    ];
    let contexts = users
        .iter()
        .map(|(name, _)| json!({"name": name, "context": {"cluster": "c", "user": name}}));
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "token",
        "clusters": [
            {"name": "c", "cluster": {"server": server.server(), "certificate-authority": server.ca()}},
            {"name": "no-authority", "cluster": {"server": server.server()}},
            {"name": "no-server", "cluster": {}},
        ],
        "contexts": contexts.chain([json!({"name": "no-user", "context": {"cluster": "c", "user": "missing"}})]).collect::<Vec<_>>(),
        "users": users.iter().map(|(name, user)| json!({"name": name, "user": user})).collect::<Vec<_>>(),
    });
    let path = dir.join("config");
    fs::write(&path, config.to_string()).unwrap();
    path.display().to_string()
}

/// Flags as kubectl takes them, and the same as options.
fn options(config: &str, flags: &[&str]) -> ConnectOptions {
    let mut options = ConnectOptions {
        kubeconfig: Some(config.into()),
        ..ConnectOptions::default()
    };
    for flag in flags {
        let (name, value) = flag.trim_start_matches("--").split_once('=').unwrap();
        let value = value.to_owned();
        match name {
            "context" => options.context = Some(value),
            "cluster" => options.cluster = Some(value),
            "user" => options.user = Some(value),
            "server" => options.server = Some(value),
            "token" => options.token = Some(value.into()),
            "as" => options.impersonate = Some(value),
            "as-group" => options.impersonate_groups.push(value),
            "as-uid" => options.impersonate_uid = Some(value),
            "certificate-authority" => options.certificate_authority = Some(value.into()),
            "insecure-skip-tls-verify" => options.insecure_skip_tls_verify = value == "true",
            "tls-server-name" => options.tls_server_name = Some(value),
            _ => panic!("{name}"),
        }
    }
    options
}

/// Name, UID and groups of the user that the API server sees.
type Seen = (String, String, Vec<String>);

fn kubectl(admin: &Identity, config: &str, flags: &[&str]) -> Result<Seen, String> {
    let kubeconfig = format!("--kubeconfig={config}");
    let arguments = [&["auth", "whoami", "-o", "json", &kubeconfig], flags].concat();
    let output = admin.kubectl(&arguments).unwrap();
    let Ok(text) = output.clone().success() else {
        return Err(output.stderr);
    };
    let review: Value = serde_json::from_str(&text).unwrap();
    let user = &review["status"]["userInfo"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let groups = user["groups"]
        .as_array()
        .into_iter()
        .flatten()
        .map(text)
        .collect();
    Ok((text(&user["username"]), text(&user["uid"]), groups))
}

fn bailiwick(config: &str, flags: &[&str]) -> Result<Seen, String> {
    let cluster = Cluster::connect(&options(config, flags)).map_err(|error| error.to_string())?;
    let user = cluster.whoami().map_err(|error| error.to_string())?;
    Ok((user.name, user.uid, user.groups))
}

#[test]
fn the_user_is_the_one_of_kubectl() {
    let server = servers::Cluster::shared().unwrap();
    let admin = server.admin();
    admin
        .apply(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: may-impersonate}\n\
             roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\n\
             subjects: [{kind: ServiceAccount, name: by-token, namespace: default}]\n",
        )
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config = kubeconfig(dir.path(), &server);
    let token = format!("--token={}", service_account(&server, "by-flag"));
    let address = format!("--server={}", server.server());
    let bare = format!(
        "--server={}",
        server.server().trim_start_matches("https://")
    );
    let authority = format!("--certificate-authority={}", server.ca().display());

    let contexts = [
        "nobody",
        "token",
        "wrong-token",
        "empty-token",
        "file",
        "token-and-file",
        "token-and-missing-file",
        "missing-file",
        "certificate",
        "certificate-and-token",
        "plugin",
        "plugin-and-token",
        "plugin-and-certificate",
        "impersonating",
        "impersonating-groups",
        "no-user",
        "not-there",
    ];
    let contexts = contexts.map(|name| format!("--context={name}"));
    let mut cases: Vec<Vec<&str>> = vec![
        vec![],
        vec!["--user=certificate"],
        vec!["--user=not-there"],
        vec!["--cluster=not-there"],
        vec!["--cluster=no-authority"],
        vec!["--cluster=no-server"],
        vec!["--cluster=no-server", &address, &authority],
        vec!["--cluster=no-authority", &authority],
        vec!["--cluster=no-authority", "--insecure-skip-tls-verify=true"],
        vec!["--insecure-skip-tls-verify=true"],
        vec!["--tls-server-name=localhost"],
        vec!["--tls-server-name=elsewhere.example"],
        vec![&address],
        vec![&bare],
        vec!["--server=https://127.0.0.1:1"],
        vec!["--as=anna"],
        vec![
            "--as=anna",
            "--as-group=dev",
            "--as-group=ops",
            "--as-uid=7",
        ],
        vec!["--as-group=dev"],
        vec!["--as-uid=7"],
        vec!["--context=impersonating", "--as=berta"],
        vec!["--context=impersonating", "--as-group=ops"],
    ];
    for context in &contexts {
        cases.push(vec![context]);
        cases.push(vec![context, &token]);
    }

    let mut agreed = (0, 0);
    for flags in &cases {
        match (kubectl(admin, &config, flags), bailiwick(&config, flags)) {
            (Ok(expected), Ok(seen)) => {
                assert_eq!(seen, expected, "{flags:?}");
                agreed.0 += 1;
            }
            (Err(_), Err(_)) => agreed.1 += 1,
            (kubectl, bailiwick) => {
                panic!("{flags:?}: kubectl {kubectl:?}, bailiwick {bailiwick:?}")
            }
        }
    }
    assert!(
        agreed.0 >= 25 && agreed.1 >= 10,
        "users and failures compared: {agreed:?}"
    );
}
