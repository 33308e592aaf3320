//! Two servers whose state is one Secret of a real API server.

use super::*;

/// Arguments of whoever works with the Secret.
fn shared<'a>(seal: &'a str, kubeconfig: &'a str, data: &'a str) -> [&'a str; 10] {
    [
        "--state-secret",
        "twins/authority",
        "--seal-key",
        seal,
        "--kubeconfig",
        kubeconfig,
        "--data",
        data,
        "--trust-domain",
        "td.example",
    ]
}

#[test]
fn what_one_replica_bans_or_uses_up_no_other_gives() {
    let cluster = Cluster::shared().unwrap();
    cluster
        .admin()
        .apply(&MANIFESTS.replace("issue", "twins"))
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("rules.yaml"), RULES).unwrap();
    let seal = path("seal.key");
    fs::write(&seal, [7; 32]).unwrap();
    fs::set_permissions(&seal, fs::Permissions::from_mode(0o600)).unwrap();
    let secret = ["--state-secret", "twins/authority", "--seal-key", &seal];
    let print = ["identity", "server", "--print-role", "twins/server"];
    let (_, role) = run(&[&print[..], &secret].concat());
    cluster.admin().apply(&role).unwrap();
    let account = cluster.service_account("twins", "server").unwrap();
    let (one, two) = (path("one"), path("two"));
    let start = |data: &str| server(account.kubeconfig(), data, &path("rules.yaml"), &secret);
    let servers = [start(&one), start(&two)];
    let admin = cluster.admin().kubeconfig().to_str().unwrap().to_owned();
    let elsewhere = path("elsewhere");
    let person = shared(&seal, &admin, &elsewhere);
    let (_, roots) = run(&[&["identity", "authority", "--roots"][..], &person].concat());
    fs::write(path("roots.pem"), roots).unwrap();
    let roots = path("roots.pem");

    let pod = cluster.admin().get("/api/v1/namespaces/twins/pods/web");
    let pod = pod.unwrap().json().unwrap();
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    let bound = json!({"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": uid});
    let spec = json!({"audiences": ["td.example"], "boundObjectRef": bound});
    fs::write(path("token"), token(&cluster, "twins", &spec)).unwrap();
    let good = path("token");
    let everywhere = |code: i32, part: &str| {
        for (_, address) in &servers {
            until(&fetch(address, &good, &roots), code, part);
        }
    };
    everywhere(0, "spiffe://td.example/ns/twins/sa/cart");

    // A ban in a folder would hold nowhere, so there is none.
    let ban = ["identity", "ban", "node:twins-node", "--why", "stolen"];
    let folder = ["--data", &one, "--trust-domain", "td.example"];
    let refused = "add --state-secret twins/authority";
    check(&[&ban[..], &folder].concat(), 2, refused);
    check(&[&ban[..], &person].concat(), 0, "within seconds");
    everywhere(2, "banned");
    check(
        &[&["identity", "bans"][..], &person].concat(),
        0,
        "node:twins-node",
    );
    // It stands in the log of each.
    for data in [&one, &two] {
        let log = format!("{data}/log");
        until(
            &["audit", "tail", &log, "--lines", "50"],
            0,
            "ban of node:twins-node: stolen",
        );
    }
    // A third one knows it from its first moment.
    let three = path("three");
    let third = start(&three);
    let (code, said) = run(&fetch(&third.1, &good, &roots));
    assert!(code == Some(2) && said.contains("banned"), "{said}");
    check(
        &[&["identity", "unban", "node:twins-node"][..], &person].concat(),
        0,
        "",
    );
    everywhere(0, "spiffe://td.example/ns/twins/sa/cart");

    // A join token is good at one of them, one time.
    let token = ["identity", "agent-token", "--node", "twins-node"];
    let (code, token) = run(&[&token[..], &person].concat());
    assert_eq!(code, Some(0), "{token}");
    let token = token.lines().next().unwrap();
    fs::write(path("join"), token).unwrap();
    let agent = |name: &str, address: &str| {
        let mut command = Command::new(PROGRAM);
        command.args(["agent", "--server", address, "--trust-domain", "td.example"]);
        command.args(["--join-token-file", &path("join"), "--trust-bundle", &roots]);
        command.args(["--socket", &path(name), "--log-format", "json"]);
        Process(command.stderr(Stdio::null()).spawn().unwrap())
    };
    let [(_, first), (_, second)] = &servers;
    let _agent = agent("a.sock", first);
    let health = |name: &str, code: i32, part: &str| {
        until(
            &["agent", "healthcheck", "--socket", &path(name)],
            code,
            part,
        );
    };
    health("a.sock", 0, "healthy");
    let _thief = agent("b.sock", second);
    health("b.sock", 1, "was used");
}
