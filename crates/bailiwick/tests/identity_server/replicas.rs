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

#[test]
fn two_servers_are_one_authority_by_a_secret() {
    let cluster = Cluster::shared().unwrap();
    cluster
        .admin()
        .apply(&MANIFESTS.replace("issue", "pair"))
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let seal = path("seal.key");
    let state = ["--state-secret", "pair/authority", "--seal-key", &seal];
    let role = ["identity", "server", "--print-role", "pair/server"];
    let (_, role) = run(&[&role[..], &state].concat());
    cluster.admin().apply(&role).unwrap();
    let account = cluster.service_account("pair", "server").unwrap();
    let kubeconfig = account.kubeconfig().to_str().unwrap().to_owned();
    fs::write(path("rules.yaml"), RULES).unwrap();
    let (data, other) = (path("one"), path("two"));
    let place = [
        "--data",
        &data,
        "--trust-domain",
        "td.example",
        "--kubeconfig",
        &kubeconfig,
    ];
    let authority =
        |more: &[&'static str]| [&["identity", "authority"][..], &place, &state, more].concat();
    // Each replica making up a key of its own could read nothing of the others.
    check(&authority(&[]), 2, "holds no sealing key");
    fs::write(&seal, [7; 32]).unwrap();
    fs::set_permissions(&seal, fs::Permissions::from_mode(0o600)).unwrap();

    let rules = path("rules.yaml");
    let start = |data: &str| server(account.kubeconfig(), data, &rules, &state);
    let ((_one, first), (_two, second)) = (start(&data), start(&other));
    let roots = check(&authority(&["--roots"]), 0, "BEGIN CERTIFICATE");
    fs::write(path("roots.pem"), &roots).unwrap();
    let pod = cluster
        .admin()
        .get("/api/v1/namespaces/pair/pods/web")
        .unwrap();
    let pod = pod.json().unwrap();
    let bound =
        json!({"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": pod["metadata"]["uid"]});
    let spec = json!({"audiences": ["td.example"], "boundObjectRef": bound});
    fs::write(path("token"), token(&cluster, "pair", &spec)).unwrap();
    for (number, address) in [&first, &second].into_iter().enumerate() {
        let (token, roots, certs) = (
            path("token"),
            path("roots.pem"),
            path(&format!("certs{number}")),
        );
        let more = ["--write", &certs];
        let ask = [&fetch(address, &token, &roots)[..], &more].concat();
        until(&ask, 0, "spiffe://td.example/ns/pair/sa/cart");
        let bundle = fs::read_to_string(Path::new(&certs).join("bundle.pem")).unwrap();
        assert_eq!(bundle, roots_of(&path("roots.pem")), "of server {number}");
    }
    // What the cluster holds is sealed, and neither folder holds a key.
    let secret = cluster
        .admin()
        .get("/api/v1/namespaces/pair/secrets/authority")
        .unwrap();
    let secret = secret.json().unwrap();
    assert_eq!(secret["type"], "bailiwick.dev/authority");
    let data_of = secret["data"].as_object().unwrap();
    assert!(
        data_of.len() >= 7,
        "the state, a key and the next for three purposes: {data_of:?}"
    );
    for folder in [&data, &other] {
        assert!(
            !Path::new(folder).join("keys").exists()
                && !Path::new(folder).join("authority").exists()
        );
    }
    // The role is enough for this Secret and for no other.
    let denied = account
        .kubectl(&["get", "secret", "elsewhere", "-n", "pair"])
        .unwrap();
    assert!(denied.stderr.contains("Forbidden"), "{}", denied.stderr);
    check(
        &[
            "agent",
            "--embedded",
            "--data",
            &path("three"),
            "--state-secret",
            "pair/authority",
            "--seal-key",
            &seal,
        ],
        2,
        "--state-secret is for programs that work for a cluster",
    );
}

fn roots_of(file: &str) -> String {
    fs::read_to_string(file).unwrap()
}

/// A pod like `web` of another name.
fn another(namespace: &str, name: &str) -> String {
    let (_, pod) = MANIFESTS.rsplit_once("---\n").unwrap();
    let pod = pod.replace("namespace: issue", &format!("namespace: {namespace}"));
    let pod = pod.replace("issue-node", &format!("{namespace}-node"));
    format!(
        "---\n{}",
        pod.replacen("name: web", &format!("name: {name}"), 1)
    )
}

#[test]
fn identities_of_many_pods_are_stored_nowhere() {
    let cluster = Cluster::shared().unwrap();
    let names: Vec<String> = (0..20).map(|number| format!("pod-{number}")).collect();
    let pods: String = names.iter().map(|name| another("rows", name)).collect();
    let manifests = MANIFESTS.replace("issue", "rows") + &pods;
    cluster.admin().apply(&manifests).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("rules.yaml"), RULES).unwrap();
    let seal = path("seal.key");
    fs::write(&seal, [7; 32]).unwrap();
    fs::set_permissions(&seal, fs::Permissions::from_mode(0o600)).unwrap();
    let secret = ["--state-secret", "rows/authority", "--seal-key", &seal];
    let (admin, data) = (cluster.admin().kubeconfig(), path("data"));
    let (_server, address) = server(admin, &data, &path("rules.yaml"), &secret);
    let place = ["--data", &data, "--trust-domain", "td.example"];
    let admin = ["--kubeconfig", admin.to_str().unwrap()];
    let roots = ["identity", "authority", "--roots"];
    let (_, roots) = run(&[&roots[..], &place, &secret, &admin].concat());
    fs::write(path("roots.pem"), roots).unwrap();
    // Everything that is kept, but for the log.
    let kept = || {
        let secret = cluster
            .admin()
            .get("/api/v1/namespaces/rows/secrets/authority");
        let secret = secret.unwrap().json().unwrap();
        let files = fs::read_dir(&data).unwrap().map(|entry| {
            let entry = entry.unwrap();
            let size = entry.metadata().unwrap().len();
            (entry.file_name().into_string().unwrap(), size)
        });
        let mut files: Vec<_> = files.filter(|(name, _)| name != "log").collect();
        files.sort();
        (secret["metadata"]["resourceVersion"].clone(), files)
    };
    let before = kept();
    for name in &names {
        let pod = cluster
            .admin()
            .get(&format!("/api/v1/namespaces/rows/pods/{name}"));
        let pod = pod.unwrap().json().unwrap();
        let uid = &pod["metadata"]["uid"];
        let bound = json!({"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid});
        let spec = json!({"audiences": ["td.example"], "boundObjectRef": bound});
        fs::write(path("token"), token(&cluster, "rows", &spec)).unwrap();
        until(
            &fetch(&address, &path("token"), &path("roots.pem")),
            0,
            "spiffe://td.example/ns/rows/sa/cart",
        );
    }
    assert_eq!(kept(), before);
}
