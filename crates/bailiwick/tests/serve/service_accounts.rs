//! Callers that come with tokens of service accounts.

use std::time::{Duration, Instant};

use bailiwick_testkit::servers::Cluster;
use serde_json::{Value, json};

use crate::api_server::until;
use crate::client::Client;
use crate::program::Home;

/// The log holds what `web` has asked, and nothing that looks like a token.
fn no_token_is_logged(home: &Home) {
    let log = home.log();
    let tail = home.run(&["audit", "tail", log.to_str().unwrap(), "--json"]);
    assert!(tail.status.success(), "{tail:?}");
    let records = String::from_utf8(tail.stdout).unwrap();
    assert!(records.contains("\"web\""), "{records}");
    assert!(!records.contains("eyJ"), "a token in the log: {records}");
}

#[test]
fn a_service_account_comes_in_with_a_token_of_the_api_server() {
    comes_in("keys: keys.json", None);
}

/// The API server is asked for its keys.
#[test]
fn a_service_account_comes_in_by_keys_that_the_api_server_tells() {
    let cluster = Cluster::shared().unwrap();
    let (url, ca) = (cluster.server(), cluster.ca());
    let asked = format!(
        "jwks: {{url: '{url}/openid/v1/jwks', ca: '{}', token: asker.token}}",
        ca.display()
    );
    comes_in(&asked, Some("new keys in use"));
}

/// `keys` says where the keys are; it is waited for the line `ready`.
fn comes_in(keys: &str, ready: Option<&str>) {
    let cluster = Cluster::shared().unwrap();
    let admin = cluster.admin();
    for name in ["web", "other", "asker"] {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "default"}});
        admin.apply(&account.to_string()).unwrap();
    }
    let token = |name: &str, audience: &str| {
        let output = admin.kubectl(&["create", "token", name, "--audience", audience]);
        output.unwrap().success().unwrap().trim().to_owned()
    };
    let told = |path: &str| admin.get(path).unwrap().body;
    let issuer: Value = serde_json::from_str(&told("/.well-known/openid-configuration")).unwrap();
    let issuer = issuer["issuer"].as_str().unwrap();
    let home = Home::new(&["api"]);
    home.write("keys.json", &told("/openid/v1/jwks"));
    // Service accounts may read the keys of the API server by default.
    let own = admin.kubectl(&["create", "token", "asker"]);
    home.write("asker.token", &own.unwrap().success().unwrap());
    home.write(
        "manifests.yaml",
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}",
    );
    home.write(
        "serve.yaml",
        &format!(
            "listen: {{address: '127.0.0.1:0', tls: {{certificate: server.crt, key: server.key, clientCa: ca.crt}}}}\n\
             log: {{directory: log}}\nauthzen: {{base: 'https://pdp.example.org'}}\n\
             tokens: [{{issuer: '{issuer}', audience: bailiwick, {keys}}}]\n\
             callers:\n- name: web\n  token: {{issuer: '{issuer}', subject: 'system:serviceaccount:default:web'}}\n\
             \x20 doors: [evaluation]\n  application: shop\n"
        ),
    );
    let mut program = home.serve();
    if let Some(line) = ready {
        program.wait_for(line);
    }
    let client = Client::new(&home, &program, None);
    let question = json!({
        "subject": {"type": "user", "id": "anna"}, "action": {"name": "read"},
        "resource": {"type": "record", "id": "1"},
    });
    let check = |authorization: &str, status: u16, says: &str| {
        let headers = [
            ("content-type", "application/json"),
            ("authorization", authorization),
        ];
        let answer = client.send(
            "POST",
            "/access/v1/evaluation",
            &headers,
            &question.to_string(),
        );
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body.to_string().contains(says), "{}", answer.body);
    };
    check(
        &format!("Bearer {}", token("web", "bailiwick")),
        200,
        "decision",
    );
    check(
        &format!("Bearer {}", token("web", "other")),
        401,
        "for this audience",
    );
    check(
        &format!("Bearer {}", token("other", "bailiwick")),
        403,
        "does not name the subject",
    );
    check(
        &format!("Bearer {}x", token("web", "bailiwick")),
        401,
        "the token is not accepted",
    );
    check(
        &format!("Bearer {}", "x".repeat(17 << 10)),
        401,
        "longer than 16 KiB",
    );
    check("Basic eDp5", 401, "who asks?");
    no_token_is_logged(&home);
}

#[test]
fn a_service_account_comes_in_by_the_word_of_the_api_server() {
    let cluster = Cluster::builder()
        .without_controller_manager()
        .start()
        .unwrap();
    let admin = cluster.admin();
    for (namespace, name) in [
        ("shop", "web"),
        ("shop", "gone"),
        ("shop", "other"),
        ("bailiwick", "serve"),
    ] {
        let objects = format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {namespace}}}}}\n---\n\
             {{apiVersion: v1, kind: ServiceAccount, metadata: {{name: {name}, namespace: {namespace}}}}}\n"
        );
        admin.apply(&objects).unwrap();
    }
    let token = |name: &str, audience: &str| {
        let output = admin.kubectl(&[
            "create",
            "token",
            name,
            "-n",
            "shop",
            "--audience",
            audience,
        ]);
        output.unwrap().success().unwrap().trim().to_owned()
    };
    let home = Home::new(&["api"]);
    home.write(
        "serve.yaml",
        "listen: {address: '127.0.0.1:0', tls: {certificate: server.crt, key: server.key, clientCa: ca.crt}}\n\
         log: {directory: log}\nauthzen: {base: 'https://pdp.example.org', budget: 30s}\n\
         cluster: {documents: false}\ntokenReview: {audience: bailiwick}\nstaleness: 60s\n\
         callers:\n- {name: web, serviceAccount: shop/web, doors: [evaluation], application: shop}\n\
         - {name: gone, serviceAccount: shop/gone, doors: [evaluation], application: shop}\n",
    );
    let config = home.path("serve.yaml");
    let role = home.run(&[
        "serve",
        "--config",
        config.to_str().unwrap(),
        "--print-role",
        "bailiwick/serve",
    ]);
    assert!(role.status.success(), "{role:?}");
    admin
        .apply(&String::from_utf8(role.stdout).unwrap())
        .unwrap();
    let identity = cluster.service_account("bailiwick", "serve").unwrap();
    let mut program = home.serve_cluster(identity.kubeconfig());
    program.wait_for("new state revision=");
    let client = Client::new(&home, &program, None);
    let question = json!({
        "subject": {"type": "user", "id": "anna"}, "action": {"name": "read"},
        "resource": {"type": "record", "id": "1"},
    })
    .to_string();
    let ask = |token: &str| {
        let authorization = format!("Bearer {token}");
        let headers = [
            ("content-type", "application/json"),
            ("authorization", authorization.as_str()),
        ];
        let answer = client.send("POST", "/access/v1/evaluation", &headers, &question);
        (answer.status, answer.body.to_string())
    };
    let check = |token: &str, status: u16, says: &str| {
        let answer = ask(token);
        assert!(answer.0 == status && answer.1.contains(says), "{answer:?}");
    };
    let refused = "knows no service account";
    let (web, gone) = (token("web", "bailiwick"), token("gone", "bailiwick"));
    check(&web, 200, "decision");
    check(&gone, 200, "decision");
    check(&token("web", "other"), 401, refused);
    // The right audience beside another one.
    let both = admin.kubectl(&[
        "create",
        "token",
        "web",
        "-n",
        "shop",
        "--audience",
        "other",
        "--audience",
        "bailiwick",
    ]);
    check(both.unwrap().success().unwrap().trim(), 200, "decision");
    check(
        &token("other", "bailiwick"),
        403,
        "does not name the subject",
    );
    check(&format!("{web}x"), 401, refused);
    check("x", 401, refused);
    // A token for the API server itself is none for anybody else.
    let own = admin.kubectl(&["create", "token", "web", "-n", "shop"]);
    check(own.unwrap().success().unwrap().trim(), 401, refused);
    // An account that is deleted: the API server and the program each remember for 10 s.
    let deleted = admin.kubectl(&["delete", "serviceaccount", "gone", "-n", "shop"]);
    deleted.unwrap().success().unwrap();
    let start = Instant::now();
    while ask(&gone).0 == 200 {
        assert!(
            start.elapsed() < Duration::from_secs(25),
            "the token of nobody"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    println!(
        "refused {:?} after the account was deleted",
        start.elapsed()
    );
    check(&gone, 401, refused);
    check(&web, 200, "decision");
    // Nobody to ask: what was said of late counts for its time, and nothing is allowed anew.
    let fresh = token("web", "bailiwick");
    let stopped = cluster.pids()[1].to_string();
    let signal = |name: &str| {
        let sent = std::process::Command::new("kill")
            .args(["-s", name, &stopped])
            .status();
        assert!(sent.unwrap().success());
    };
    signal("STOP");
    check(&fresh, 503, "nobody can say now");
    std::thread::sleep(Duration::from_secs(11));
    check(&web, 503, "nobody can say now");
    signal("CONT");
    until(|| ask(&fresh).0 == 200, "not asked again");
    no_token_is_logged(&home);
}
