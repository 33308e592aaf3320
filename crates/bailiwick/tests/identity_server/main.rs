//! Pods that ask without an agent, with tokens of a real API server.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "a test that cannot go on ends, and not every test uses all of the shared module"
)]

mod outage;
#[path = "../program/mod.rs"]
mod program;
mod replicas;
mod statuses;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use bailiwick_testkit::servers::Cluster;
use program::{PROGRAM, Process, check, run, until};
use serde_json::{Value, json};

const RULES: &str = "\
apiVersion: bailiwick.dev/v1alpha1
kind: WorkloadIdentity
metadata: {name: all}
spec: {selector: {pods: {}}, id: '/ns/{namespace}/sa/{serviceAccount}', jwtLifetime: 5m}
";
const MANIFESTS: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: issue}
---
apiVersion: v1
kind: Node
metadata: {name: issue-node}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: cart, namespace: issue}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: server, namespace: issue}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: issue}
spec:
  nodeName: issue-node
  serviceAccountName: cart
  containers: [{name: web, image: web}]
";

/// Arguments of a pod that asks the server.
fn fetch<'a>(address: &'a str, token: &'a str, roots: &'a str) -> [&'a str; 10] {
    [
        "identity",
        "fetch",
        "--server",
        address,
        "--token-file",
        token,
        "--roots",
        roots,
        "--trust-domain",
        "td.example",
    ]
}

/// A token of the service account `cart`.
fn token(cluster: &Cluster, namespace: &str, spec: &Value) -> String {
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/cart/token");
    let path = path.as_str();
    let body =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
    let reply = cluster.admin().post(path, &body).unwrap();
    let answer = reply.json().unwrap();
    answer["status"]["token"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}

/// Starts the server; gives its address.
fn server(kubeconfig: &Path, data: &str, rules: &str, more: &[&str]) -> (Process, String) {
    let (server, address, _) = server_heard(kubeconfig, data, rules, more);
    (server, address)
}

/// The same, with what it says once it serves.
fn server_heard(
    kubeconfig: &Path,
    data: &str,
    rules: &str,
    more: &[&str],
) -> (Process, String, mpsc::Receiver<String>) {
    let mut child = Command::new(PROGRAM)
        .args([
            "identity",
            "server",
            "--listen",
            "127.0.0.1:0",
            "--trust-domain",
            "td.example",
        ])
        .args(["--data", data, "--rules", rules, "--log-format", "json"])
        .args(more)
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let server = Process(child);
    let mut address = None;
    for line in lines.by_ref() {
        let line = line.unwrap();
        let event: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
        if event["message"] == "giving identities" {
            address = Some(event["address"].as_str().unwrap().to_owned());
        }
        if event["message"] == "the cluster is read" {
            break;
        }
    }
    // Somebody has to go on reading.
    let (sender, said) = mpsc::channel();
    std::thread::spawn(move || lines.for_each(|line| drop(sender.send(line.unwrap_or_default()))));
    (server, address.unwrap(), said)
}

#[test]
fn a_pod_shows_its_token_and_gets_an_identity() {
    let cluster = Cluster::shared().unwrap();
    cluster.admin().apply(MANIFESTS).unwrap();
    let (_, role) = run(&["identity", "server", "--print-role", "issue/server"]);
    cluster.admin().apply(&role).unwrap();
    let account = cluster.service_account("issue", "server").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("rules.yaml"), RULES).unwrap();
    let data = path("data");
    let (_server, address) = server(account.kubeconfig(), &data, &path("rules.yaml"), &[]);
    let (_, roots) = run(&[
        "identity",
        "authority",
        "--data",
        &data,
        "--trust-domain",
        "td.example",
        "--roots",
    ]);
    fs::write(path("roots.pem"), roots).unwrap();

    let pod = cluster
        .admin()
        .get("/api/v1/namespaces/issue/pods/web")
        .unwrap()
        .json()
        .unwrap();
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    let bound = json!({"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": uid});
    let tokens = [
        (
            "good",
            json!({"audiences": ["td.example"], "boundObjectRef": bound}),
        ),
        (
            "other-audience",
            json!({"audiences": ["vault"], "boundObjectRef": bound}),
        ),
        ("api", json!({"boundObjectRef": bound})),
        ("unbound", json!({"audiences": ["td.example"]})),
    ];
    for (name, spec) in &tokens {
        fs::write(path(name), token(&cluster, "issue", spec)).unwrap();
    }
    let (roots, certs) = (path("roots.pem"), path("certs"));
    let ask = |name: &str, more: &[&str], code: i32, part: &str| {
        let token = path(name);
        check(
            &[&fetch(&address, &token, &roots)[..], more].concat(),
            code,
            part,
        )
    };
    let good = path("good");
    let good = fetch(&address, &good, &roots);
    let id = "spiffe://td.example/ns/issue/sa/cart";
    ask("good", &["--write", &certs], 0, id);
    check(
        &[
            "identity",
            "validate",
            &format!("{certs}/svid.pem"),
            "--bundle",
            &format!("td.example={}", path("jwks")),
        ],
        2,
        "cannot be read",
    );
    let jwt = ask("good", &["--audience", "db"], 0, ".");
    assert_eq!(jwt.trim().split('.').count(), 3, "{jwt}");
    ask(
        "other-audience",
        &[],
        2,
        "does not take the token for the audience `td.example`",
    );
    ask(
        "api",
        &[],
        2,
        "does not take the token for the audience `td.example`",
    );
    ask("unbound", &[], 2, "not bound to a pod");

    // Its record has the name that the audit log of the API server has for the token.
    let log = format!("{data}/log");
    let told = check(
        &["audit", "tail", &log, "--lines", "100", "--json"],
        0,
        "\"credential\":\"JTI=",
    );
    assert_eq!(told.matches("\"kind\":\"denial\"").count(), 3, "{told}");

    // What a person is told who asks why.
    let (admin, rules) = (
        cluster.admin().kubeconfig().to_str().unwrap(),
        path("rules.yaml"),
    );
    let why = |pod: &str, code: i32, part: &str| {
        let args = [
            "identity",
            "why",
            "--pod",
            pod,
            "--rules",
            &rules,
            "--trust-domain",
            "td.example",
        ];
        check(
            &[&args[..], &["--data", &data, "--kubeconfig", admin]].concat(),
            code,
            part,
        );
    };
    why("issue/web", 0, id);
    why("issue/nobody", 2, "there is no pod `issue/nobody`");
    let ban = [
        "identity",
        "ban",
        "node:issue-node",
        "--why",
        "stolen",
        "--data",
        &data,
    ];
    check(
        &[&ban[..], &["--trust-domain", "td.example"]].concat(),
        0,
        "within seconds",
    );
    why("issue/web", 1, "banned (node:issue-node): stolen");
    until(&good, 2, "banned");
    let unban = [
        "identity",
        "unban",
        "node:issue-node",
        "--data",
        &data,
        "--trust-domain",
        "td.example",
    ];
    check(&unban, 0, "");
    until(&good, 0, id);

    // The pod is gone, and with it what its token was good for.
    let gone = "/api/v1/namespaces/issue/pods/web?gracePeriodSeconds=0";
    let reply = cluster.admin().request("DELETE", gone, &[], None).unwrap();
    assert_eq!(reply.status, 200, "{}", reply.body);
    until(&good, 2, "");
}

/// A rule in the namespace `ruled`, or in none where `namespace` is empty.
fn rule(namespace: &str, name: &str, spec: &Value) -> String {
    let mut metadata = json!({"name": name});
    let mut kind = "WorkloadIdentity";
    if !namespace.is_empty() {
        metadata["namespace"] = json!(namespace);
        kind = "NamespaceWorkloadIdentity";
    }
    json!({"apiVersion": "bailiwick.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}).to_string()
}

#[test]
fn rules_lie_in_the_cluster() {
    let cluster = Cluster::shared().unwrap();
    let admin = cluster.admin();
    admin.apply(&MANIFESTS.replace("issue", "ruled")).unwrap();
    let kubeconfig = admin.kubeconfig().to_str().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let data = path("data");
    let why = |code: i32, part: &str| {
        let args = [
            "identity",
            "why",
            "--pod",
            "ruled/web",
            "--trust-domain",
            "td.example",
            "--data",
            &data,
        ];
        check(
            &[&args[..], &["--kubeconfig", kubeconfig]].concat(),
            code,
            part,
        )
    };
    // Nothing is served yet, so no rule is there.
    why(1, "no rule gives it an identity");
    admin.apply(&run(&["crds"]).1).unwrap();

    // A server may read no more than its role says; without the right to read rules it does not begin.
    let (_, role) = run(&["identity", "server", "--print-role", "ruled/server"]);
    let account = cluster.service_account("ruled", "server").unwrap();
    let forbidden = [
        "identity",
        "server",
        "--listen",
        "127.0.0.1:0",
        "--trust-domain",
        "td.example",
        "--data",
        &data,
        "--kubeconfig",
        account.kubeconfig().to_str().unwrap(),
    ];
    check(&forbidden, 2, "the rules in the cluster cannot be read");
    admin.apply(&role).unwrap();
    fs::create_dir(path("rules")).unwrap();
    let (_server, address) = server(account.kubeconfig(), &data, &path("rules"), &[]);

    let uid = admin
        .get("/api/v1/namespaces/ruled/pods/web")
        .unwrap()
        .json()
        .unwrap();
    let bound =
        json!({"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": uid["metadata"]["uid"]});
    let spec = json!({"audiences": ["td.example"], "boundObjectRef": bound});
    fs::write(path("token"), token(&cluster, "ruled", &spec)).unwrap();
    let authority = [
        "identity",
        "authority",
        "--data",
        &data,
        "--trust-domain",
        "td.example",
    ];
    fs::write(
        path("roots"),
        run(&[&authority[..], &["--roots"]].concat()).1,
    )
    .unwrap();
    let (token, roots) = (path("token"), path("roots"));
    let fetch = fetch(&address, &token, &roots);
    let fetches = |code: i32, part: &str| until(&fetch, code, part);
    fetches(2, "no rule gives it an identity");
    let all = |id: &str| json!({"selector": {"pods": {}}, "id": id});
    admin.apply(&rule("", "all", &all("/pods/{pod}"))).unwrap();
    fetches(0, "spiffe://td.example/pods/web");
    why(0, "spiffe://td.example/pods/web");

    // What cannot be followed changes nothing, and somebody who asks is told. That it was looked at shows in a later one.
    let first = |id: &str| json!({"selector": {"pods": {}}, "id": id, "priority": 1});
    let remove = |plural: &str, name: &str| {
        let path = format!("/apis/bailiwick.dev/v1alpha1/{plural}/{name}");
        let reply = admin.request("DELETE", &path, &[], None).unwrap();
        assert_eq!(reply.status, 200, "{}", reply.body);
    };
    admin.apply(&rule("", "all", &all("/{nothing}"))).unwrap();
    admin.apply(&rule("", "second", &first("/second"))).unwrap();
    fetches(0, "spiffe://td.example/second");
    let told = why(0, "spiffe://td.example/second");
    assert!(told.contains("is no fact"), "{told}");
    remove("workloadidentities", "second");
    fetches(0, "spiffe://td.example/pods/web");

    // A misspelt part of a selector is kept by the API server and refused by us: without it the rule would select more.
    let misspelt = json!({"selector": {"pods": {}, "namespases": ["other"]}, "id": "/more"});
    admin.apply(&rule("", "second", &misspelt)).unwrap();
    why(1, "no field `namespases`");

    // A rule of a namespace reaches no other, and gives nothing above its own.
    admin
        .apply(&rule("ruled", "own", &first("/ns/{namespace}/own")))
        .unwrap();
    admin.apply(&rule("ruled", "root", &all("/root"))).unwrap();
    admin
        .apply(&rule("default", "other", &all("/ns/default/other")))
        .unwrap();
    let told = why(0, "spiffe://td.example/ns/ruled/own");
    fetches(0, "spiffe://td.example/ns/ruled/own");
    assert!(told.contains("gives paths below /ns/ruled/"), "{told}");
    assert!(!told.contains("td.example/root"), "{told}");
    assert!(!told.contains("td.example/ns/default"), "{told}");

    // Gone is gone.
    remove("workloadidentities", "all");
    remove("namespaces/ruled/namespaceworkloadidentities", "own");
    fetches(2, "no rule gives it an identity");
}
