use std::fs;
use std::path::{Path, PathBuf};

use bailiwick_testkit::servers;
use secrecy::ExposeSecret;

use super::*;
use crate::Cluster as Connection;

fn environment(files: &[&Path]) -> Environment {
    Environment {
        kubeconfig: Some(std::env::join_paths(files).unwrap()),
        ..Environment::default()
    }
}

fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

fn server_and_token(access: &Access) -> (Option<&str>, Option<&str>) {
    let token = access.auth.token.as_ref().map(ExposeSecret::expose_secret);
    (access.cluster.server.as_deref(), token)
}

#[test]
fn of_several_files_the_first_to_set_a_name_wins() {
    let dir = tempfile::tempdir().unwrap();
    let first = write(
        dir.path(),
        "a/config",
        "current-context: ''\nusers: [{name: u, user: {token: first}}]\n",
    );
    let second = write(
        dir.path(),
        "b/config",
        "current-context: both\n\
         contexts: [{name: both, context: {cluster: c, user: u, namespace: shop}}]\n\
         clusters: [{name: c, cluster: {server: 'https://b', certificate-authority: ca.crt}}]\n\
         users: [{name: u, user: {token: second, as: someone}}]\n",
    );
    let third = write(
        dir.path(),
        "c/config",
        "current-context: third\ncontexts:\nusers:\n",
    );
    let missing = dir.path().join("missing");
    let environment = environment(&[&missing, &first, &second, &third, &first]);
    let access = resolve(&ConnectOptions::default(), &environment).unwrap();
    assert_eq!(
        server_and_token(&access),
        (Some("https://b"), Some("first"))
    );
    assert_eq!(
        (access.name.as_str(), access.namespace.as_deref()),
        ("both", Some("shop"))
    );
    // Nothing of an entry that came too late, and paths are relative to the file that names them.
    assert_eq!(access.auth.impersonate, None);
    let authority = dir.path().join("b/ca.crt").display().to_string();
    assert_eq!(access.cluster.certificate_authority, Some(authority));

    let broken = write(dir.path(), "broken", "users: {");
    let error = resolve(
        &ConnectOptions::default(),
        &self::environment(&[&second, &broken]),
    );
    assert!(error.err().unwrap().to_string().contains("broken"));
}

#[test]
fn without_a_kubeconfig_the_message_says_where_it_was_looked_for() {
    let check = |environment: &Environment, expected: &str| {
        let error = resolve(&ConnectOptions::default(), environment)
            .err()
            .unwrap();
        assert!(error.to_string().contains(expected), "{error}");
    };
    let home = Environment {
        home: Some("/home/anna".into()),
        ..Environment::default()
    };
    check(&home, "looked at /home/anna/.kube/config");
    check(
        &environment(&[Path::new("/a"), Path::new("/b")]),
        "looked at /a, /b",
    );
}

#[test]
fn flags_lie_over_the_kubeconfig() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(
        dir.path(),
        "config",
        "current-context: x\n\
         contexts: [{name: x, context: {cluster: c, user: u}}]\n\
         clusters: [{name: c, cluster: {server: 'https://c', certificate-authority-data: AA==, tls-server-name: n}}]\n\
         users: [{name: u, user: {tokenFile: /nowhere, username: a, password: b, as: someone, as-groups: [g]}}]\n",
    );
    let environment = environment(&[&file]);
    let resolve = |options: ConnectOptions| resolve(&options, &environment).unwrap();

    let plain = resolve(ConnectOptions::default());
    assert_eq!(plain.cluster.tls_server_name.as_deref(), Some("n"));
    assert_eq!(plain.auth.impersonate_groups, Some(vec!["g".to_owned()]));

    let server = resolve(ConnectOptions {
        server: Some("https://d".into()),
        ..Default::default()
    });
    assert_eq!(server.cluster.server.as_deref(), Some("https://d"));
    assert_eq!(server.cluster.tls_server_name, None);
    assert!(server.cluster.certificate_authority_data.is_some());

    let insecure = resolve(ConnectOptions {
        insecure_skip_tls_verify: true,
        ..Default::default()
    });
    assert_eq!(insecure.cluster.insecure_skip_tls_verify, Some(true));
    assert_eq!(insecure.cluster.certificate_authority_data, None);

    let flag = ConnectOptions {
        token: Some("t".to_owned().into()),
        impersonate: Some("anna".into()),
        impersonate_groups: vec!["h".into()],
        ..Default::default()
    };
    let flag = resolve(flag);
    assert_eq!(server_and_token(&flag), (Some("https://c"), Some("t")));
    assert_eq!((flag.auth.token_file, flag.auth.username), (None, None));
    assert_eq!(flag.auth.impersonate.as_deref(), Some("anna"));
    assert_eq!(flag.auth.impersonate_groups, Some(vec!["h".to_owned()]));
}

#[test]
fn a_pod_reads_with_its_service_account() {
    let server = servers::Cluster::shared().unwrap();
    let manifest =
        "{apiVersion: v1, kind: ServiceAccount, metadata: {name: pod, namespace: default}}";
    server.admin().apply(manifest).unwrap();
    let identity = server.service_account("default", "pod").unwrap();
    let text = fs::read_to_string(identity.kubeconfig()).unwrap();
    let config: serde_json::Value = serde_json::from_str(&text).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let token = config["users"][0]["user"]["token"].as_str().unwrap();
    write(dir.path(), "token", &format!("{token}\n"));
    write(dir.path(), "namespace", "default\n");
    fs::copy(server.ca(), dir.path().join("ca.crt")).unwrap();
    let address = server
        .server()
        .trim_start_matches("https://")
        .split_once(':')
        .unwrap();
    let environment = Environment {
        service: Some((address.0.to_owned(), address.1.to_owned())),
        service_account: dir.path().to_owned(),
        ..Environment::default()
    };

    let cluster = Connection::connect_from(&ConnectOptions::default(), &environment).unwrap();
    assert_eq!(
        (cluster.name(), cluster.default_namespace()),
        ("in-cluster", "default")
    );
    assert_eq!(
        cluster.whoami().unwrap().name,
        "system:serviceaccount:default:pod"
    );

    // A kubeconfig is used before it.
    let admin = Environment {
        kubeconfig: Some(server.admin().kubeconfig().into()),
        ..environment
    };
    let cluster = Connection::connect_from(&ConnectOptions::default(), &admin).unwrap();
    assert_eq!(cluster.whoami().unwrap().name, "admin");
}
