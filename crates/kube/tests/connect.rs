//! Connections to a real API server, and every way in which one does not come about.

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
use std::path::{Path, PathBuf};
use std::time::Duration;

use bailiwick_core::UserInfo;
use bailiwick_kube::{
    Cluster, ConnectError, ConnectOptions, LoadKinds, LoadOptions, RequestError, Token,
};
use bailiwick_testkit::servers::{self, AUDIT_METADATA};
use serde_json::json;

use support::connect::{check, service_account, with, with_user};
use support::{Fake, version};

#[test]
fn the_connection_is_the_one_of_kubectl() {
    let server = servers::Cluster::shared().unwrap();
    let cluster = Cluster::connect(&with(server.admin().kubeconfig())).unwrap();
    assert_eq!(cluster.name(), "test");
    assert_eq!(cluster.server(), server.server());
    assert_eq!(cluster.default_namespace(), "default");
    assert_eq!(cluster.minor(), Some(37));
    let me = cluster.whoami().unwrap();
    assert_eq!(me.name, "admin");
    assert_eq!(me.groups, ["system:masters", "system:authenticated"]);
}

#[test]
fn contexts_are_chosen_by_name() {
    let server = servers::Cluster::shared().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let options = with_user(dir.path(), &server, &json!({"token": "planted"}));
    let choose = |context: &str| ConnectOptions {
        context: Some(context.to_owned()),
        ..options.clone()
    };
    check(
        &choose("nowhere"),
        &["context `nowhere`", "`broken`, `other`, `own`"],
    );
    check(&choose("broken"), &["cluster `missing`", "there is `c`"]);
    check(
        &ConnectOptions {
            user: Some("nobody".into()),
            ..options.clone()
        },
        &["user `nobody`", "`u`"],
    );
    check(
        &ConnectOptions {
            cluster: Some("none".into()),
            ..options.clone()
        },
        &["cluster `none`", "`c`"],
    );

    // A user entry that is missing is nobody, as with kubectl.
    let nobody = Cluster::connect(&choose("other")).unwrap();
    let refused = nobody.whoami().unwrap_err().to_string();
    assert!(refused.contains("system:anonymous"), "{refused}");

    let kubeconfig = fs::read_to_string(server.admin().kubeconfig()).unwrap();
    fs::write(
        dir.path().join("admin"),
        kubeconfig.replace("\"current-context\":\"test\",", ""),
    )
    .unwrap();
    check(
        &with(&dir.path().join("admin")),
        &["no current context", "`test`"],
    );
}

#[test]
fn a_namespace_comes_from_the_flag_then_the_context() {
    let server = servers::Cluster::shared().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let options = with_user(dir.path(), &server, &json!({}));
    assert_eq!(
        Cluster::connect(&options).unwrap().default_namespace(),
        "shop"
    );
    let flag = ConnectOptions {
        namespace: Some("bank".into()),
        ..options
    };
    assert_eq!(Cluster::connect(&flag).unwrap().default_namespace(), "bank");
}

#[test]
fn kubeconfig_files_that_cannot_be_used() {
    let dir = tempfile::tempdir().unwrap();
    check(
        &with(Path::new("/nowhere/config")),
        &["kubeconfig /nowhere/config", "No such file"],
    );
    check(&with(dir.path()), &["cannot use kubeconfig"]);
    let broken = dir.path().join("broken");
    fs::write(&broken, "users:\n- name: u\n  user: {token: planted\n").unwrap();
    check(
        &with(&broken),
        &["broken", "not a valid kubeconfig at line"],
    );
    fs::write(&broken, "users:\n- name: u\n  user: {token: [planted]}\n").unwrap();
    check(
        &with(&broken),
        &["broken", "not a valid kubeconfig at line"],
    );
    fs::write(&broken, "").unwrap();
    check(&with(&broken), &["no current context"]);
}

#[test]
fn a_server_that_is_not_there() {
    let server = servers::Cluster::shared().unwrap();
    let admin = with(server.admin().kubeconfig());
    let at = |address: &str| ConnectOptions {
        server: Some(address.to_owned()),
        ..admin.clone()
    };
    check(
        &at("https://127.0.0.1:1"),
        &["cannot reach", "127.0.0.1:1", "refused"],
    );
    check(
        &at("https://no-such-host.invalid"),
        &["cannot reach", "no-such-host.invalid"],
    );
    check(&at("https://"), &["no address"]);
    check(&at("ftp://127.0.0.1"), &["no address"]);
}

#[test]
fn certificates_that_do_not_hold() {
    let server = servers::Cluster::shared().unwrap();
    let admin = with(server.admin().kubeconfig());
    let dir = tempfile::tempdir().unwrap();
    let other = dir.path().join("other.crt");
    fs::write(&other, authority().cert.pem()).unwrap();
    let trusting = |path: PathBuf| ConnectOptions {
        certificate_authority: Some(path),
        ..admin.clone()
    };
    check(
        &trusting(other),
        &["cannot be trusted", "authority", "--certificate-authority"],
    );
    check(
        &trusting("/nowhere/ca.crt".into()),
        &["/nowhere/ca.crt", "No such file"],
    );
    check(
        &trusting("/dev/null".into()),
        &["/dev/null", "no certificate"],
    );
    check(
        &ConnectOptions {
            tls_server_name: Some("elsewhere.example".into()),
            ..admin.clone()
        },
        &["cannot be trusted", "another name", "--tls-server-name"],
    );

    let right = ConnectOptions {
        tls_server_name: Some("kubernetes.default.svc".into()),
        ..admin.clone()
    };
    Cluster::connect(&right).unwrap();
    Cluster::connect(&ConnectOptions {
        insecure_skip_tls_verify: true,
        ..admin
    })
    .unwrap();
}

fn authority() -> rcgen::CertifiedKey<rcgen::KeyPair> {
    rcgen::generate_simple_self_signed(["other authority".to_owned()]).unwrap()
}

#[test]
fn credentials_that_are_not_accepted() {
    let server = servers::Cluster::shared().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let of = |user: &serde_json::Value| with_user(dir.path(), &server, user);
    check(
        &of(&json!({"token": "planted"})),
        &["401", "token of the kubeconfig", "log in again"],
    );

    let flag = ConnectOptions {
        token: Some(Token::from("planted".to_owned())),
        ..of(&json!({}))
    };
    check(&flag, &["401", "`--token`"]);

    // Header and signature do not matter to the message: the claims say that it ended in 2001.
    let expired = "e30.eyJleHAiOjEwMDAwMDAwMDB9.c2ln";
    check(
        &of(&json!({"token": expired})),
        &["401", "expired", "days ago", "get a new one"],
    );

    let file = dir.path().join("token");
    fs::write(&file, "planted\n").unwrap();
    check(
        &of(&json!({"tokenFile": file})),
        &["401", "the token in", "token"],
    );

    fs::write(&file, "\n").unwrap();
    check(
        &of(&json!({"tokenFile": file})),
        &["token file", "is empty"],
    );
    check(
        &of(&json!({"tokenFile": "/nowhere/token"})),
        &["/nowhere/token", "No such file"],
    );
    let two = ConnectOptions {
        token: Some(Token::from("planted one\ntwo".to_owned())),
        ..of(&json!({}))
    };
    check(&two, &["the token holds spaces"]);

    let mut params = rcgen::CertificateParams::default();
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let (certificate, path) = (params.self_signed(&key).unwrap(), dir.path().join("old"));
    fs::write(path.with_extension("crt"), certificate.pem()).unwrap();
    fs::write(path.with_extension("key"), key.serialize_pem()).unwrap();
    let user = json!({"client-certificate": path.with_extension("crt"), "client-key": path.with_extension("key")});
    check(
        &of(&user),
        &["401", "client certificate", "expired", "days ago"],
    );

    let user = json!({"client-certificate": "/nowhere/a.crt", "client-key": "/nowhere/a.key"});
    check(&of(&user), &["/nowhere/a.crt"]);
    let user = json!({"auth-provider": {"name": "oidc", "config": {"id-token": "planted one"}}});
    check(&of(&user), &["the token holds spaces"]);
    let user = json!({"auth-provider": {"name": "oidc", "config": {"id-token": expired}}});
    check(&of(&user), &["401", "auth-provider `oidc`", "expired"]);
    let user = json!({"auth-provider": {"name": "oidc", "config": {}}});
    check(
        &of(&user),
        &["the credentials of the kubeconfig cannot be used"],
    );
    let user = json!({"auth-provider": {"name": "gcp", "config": {"cmd-path": "planted"}}});
    check(&of(&user), &["auth-provider `gcp` is not supported"]);
}

#[test]
fn a_token_of_the_flag_counts_more_than_the_kubeconfig() {
    let server = servers::Cluster::shared().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let exec = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "false", "interactiveMode": "Never"}});
    let me = service_account(&server, "token-flag");
    let options = ConnectOptions {
        token: Some(Token::from(me)),
        ..with_user(dir.path(), &server, &exec)
    };
    let user = Cluster::connect(&options).unwrap().whoami().unwrap();
    assert_eq!(user.name, "system:serviceaccount:default:token-flag");
    assert!(
        user.groups
            .contains(&"system:serviceaccounts:default".to_owned()),
        "{user:?}"
    );
}

#[test]
fn whoever_is_impersonated_stands_in_the_audit_log() {
    let server = servers::Cluster::builder()
        .without_controller_manager()
        .audit_policy(AUDIT_METADATA)
        .start()
        .unwrap();
    let admin = with(server.admin().kubeconfig());
    let options = ConnectOptions {
        impersonate: Some("anna".into()),
        impersonate_groups: vec!["dev".into(), "ops".into()],
        impersonate_uid: Some("uid-7".into()),
        ..admin.clone()
    };
    let cluster = Cluster::connect(&options).unwrap();
    let expected = UserInfo {
        uid: "uid-7".into(),
        ..UserInfo::exactly("anna", &["dev", "ops", "system:authenticated"])
    };
    assert_eq!(cluster.whoami().unwrap(), expected);
    let loaded = cluster.load(&LoadOptions::new(LoadKinds::rbac()), &mut |_| {});
    assert_eq!(loaded.snapshot.gaps.len(), 4, "{:?}", loaded.snapshot.gaps);
    assert!(
        loaded.snapshot.gaps[0]
            .message
            .contains("User \"anna\" cannot list resource"),
        "{:?}",
        loaded.snapshot.gaps
    );

    let events = server.audit_events().unwrap();
    let own = |event: &&serde_json::Value| {
        event.pointer("/impersonatedUser/username") == Some(&json!("anna"))
    };
    let event = events
        .iter()
        .find(own)
        .expect("an event with an impersonated user");
    assert_eq!(event["user"]["username"], json!("admin"));
    assert_eq!(event["impersonatedUser"]["uid"], json!("uid-7"));
    assert_eq!(
        event["impersonatedUser"]["groups"],
        json!(["dev", "ops", "system:authenticated"])
    );

    let groups_alone = ConnectOptions {
        impersonate_groups: vec!["dev".into()],
        ..admin
    };
    check(&groups_alone, &["without a user", "--as"]);
}

#[test]
fn credentials_never_travel_in_the_clear() {
    let fake = Fake::start(version);
    let options = ConnectOptions {
        token: Some(Token::from("planted".to_owned())),
        ..fake.options()
    };
    Cluster::connect(&options).unwrap();
    let seen = fake.seen.lock().unwrap().join("\n").to_lowercase();
    assert!(
        seen.starts_with("get /version") && !seen.contains("authorization"),
        "{seen}"
    );
}

#[test]
fn a_proxy_of_the_kubeconfig_is_used() {
    let fake = Fake::start(|_| Some((403, "no way".to_owned())));
    let server = servers::Cluster::shared().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let options = with_user(dir.path(), &server, &json!({}));
    let path = options.kubeconfig.clone().unwrap();
    let config = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        config.replace(
            "\"server\":",
            &format!("\"proxy-url\":\"{}\",\"server\":", fake.address),
        ),
    )
    .unwrap();
    check(&options, &["cannot reach"]);
    let seen = fake.seen.lock().unwrap().join("\n");
    assert!(
        seen.starts_with(&format!(
            "CONNECT {} ",
            server.server().trim_start_matches("https://")
        )),
        "{seen}"
    );
}

#[test]
fn servers_that_are_no_kubernetes() {
    let page = Fake::start(|_| Some((200, "<html>welcome</html>".to_owned())));
    check(
        &page.options(),
        &["does not answer like a Kubernetes API server"],
    );
    let gone = Fake::start(|_| Some((404, "nothing here".to_owned())));
    check(&gone.options(), &["does not serve /version"]);
    let broken = Fake::start(|_| Some((500, "\u{1b}[31mred".to_owned())));
    check(&broken.options(), &["answered 500: [31mred"]);
    let silent = Fake::start(|_| None);
    let options = ConnectOptions {
        request_timeout: Some(Duration::from_millis(300)),
        ..silent.options()
    };
    check(
        &options,
        &["no answer", "within 0.3 s", "--request-timeout"],
    );
}

#[test]
fn a_version_that_nobody_may_see_is_not_known() {
    let fake = Fake::start(|_| Some((403, r#"{"kind":"Status","message":"no"}"#.to_owned())));
    assert_eq!(Cluster::connect(&fake.options()).unwrap().minor(), None);
    let odd = Fake::start(|_| Some((200, r#"{"major":"1","minor":"33+"}"#.to_owned())));
    assert_eq!(Cluster::connect(&odd.options()).unwrap().minor(), Some(33));
}

#[test]
fn errors_can_be_told_apart() {
    let fake = Fake::start(|_| Some((401, String::new())));
    let error = Cluster::connect(&fake.options()).err().unwrap();
    assert!(
        matches!(
            error,
            ConnectError::Request(RequestError::Unauthorized { .. })
        ),
        "{error:?}"
    );
}
