//! `paths --watch` on a real API server: a binding makes a way, and its end ends it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test fails the test"
)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use bailiwick_testkit::servers::{Cluster, Identity};
use serde_json::Value;

/// How long anything may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// The program, and the lines that it prints.
struct Watching {
    program: Child,
    lines: Receiver<String>,
}

impl Watching {
    fn start(identity: &Identity, arguments: &[&str]) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_bailiwick"))
            .args(["paths", "--watch", "--kubeconfig"])
            .arg(identity.kubeconfig())
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let output = program.stdout.take().unwrap();
        Self::reading(program, output)
    }

    fn reading(program: Child, output: impl Read + Send + 'static) -> Self {
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { program, lines }
    }

    /// Passes over lines up to one that holds this.
    #[track_caller]
    fn until(&self, part: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => seen.push(line),
                Err(error) => panic!("no `{part}` ({error}) after: {seen:#?}"),
            }
        }
    }

    /// Presses Ctrl-C.
    fn interrupt(mut self) {
        let pid = self.program.id().to_string();
        let sent = Command::new("kill").args(["-s", "INT", &pid]).status();
        assert!(sent.unwrap().success());
        assert_eq!(self.program.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // A test that failed leaves nothing running.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

fn binding(name: &str, user: &str) -> String {
    format!(
        "{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {{name: {name}}}, \
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {name}}}, \
         subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: {user}}}]}}"
    )
}

const MINT: &str = "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: mint},
 rules: [{apiGroups: [''], resources: [serviceaccounts/token], resourceNames: [clusterrole-aggregation-controller], verbs: [create]}]}";

#[test]
fn ways_appear_and_vanish() {
    let server = Cluster::builder().start().unwrap();
    server.wait_for_aggregation().unwrap();
    let admin = server.admin();
    let all = Watching::start(admin, &["--color", "never"]);
    all.until("to full control of the cluster; watching");
    let json = Watching::start(admin, &["-o", "json", "--from", "eve", "--to", "cluster"]);
    let start: Value = serde_json::from_str(&json.until("\"start\"")).unwrap();
    assert_eq!(
        (&start["ways"], &start["partial"]),
        (&Value::from(0), &Value::from(false))
    );

    // Two objects are needed; it is the second that makes the way.
    admin.apply(MINT).unwrap();
    admin.apply(&binding("mint", "eve")).unwrap();
    let line = all.until("+ user eve → full control of the cluster");
    assert!(line.contains("effort"), "{line}");
    all.until("ClusterRoleBinding mint has changed, resourceVersion ");
    all.until("ClusterRole mint, rule 1");
    all.until("eve may create serviceaccounts/token");
    let event: Value = serde_json::from_str(&json.until("\"appeared\"")).unwrap();
    assert_eq!(event["from"]["name"], "eve");
    let cause = &event["causes"][0];
    assert_eq!(
        (&cause["kind"], &cause["name"]),
        (&"ClusterRoleBinding".into(), &"mint".into())
    );
    assert!(
        cause["resourceVersion"]
            .as_str()
            .is_some_and(|version| !version.is_empty())
    );
    assert_eq!(event["steps"][0]["edge"], "token-request");
    assert!(
        event["steps"][0]["proof"][0]
            .as_str()
            .unwrap()
            .contains("eve may create")
    );

    // Somebody else's way is none of eve's.
    admin
        .apply(&binding("cluster-admin", "eva").replace("{name: cluster-admin},", "{name: eva},"))
        .unwrap();
    all.until("+ user eva → full control of the cluster");

    let gone = admin
        .kubectl(&["delete", "clusterrolebinding", "mint"])
        .unwrap();
    gone.success().unwrap();
    all.until("− user eve → full control of the cluster");
    all.until("ClusterRoleBinding mint has changed");
    let event: Value = serde_json::from_str(&json.until("\"event\"")).unwrap();
    assert_eq!(
        (&event["event"], &event["from"]["name"]),
        (&"vanished".into(), &"eve".into())
    );
    all.interrupt();
    json.interrupt();
}

#[test]
fn ways_that_may_be_missing_are_told() {
    let server = Cluster::builder().start().unwrap();
    server.wait_for_aggregation().unwrap();
    let admin = server.admin();
    let names: Vec<String> = (0..200).map(|role| format!("mint-{role}")).collect();
    let role = |name: &String| {
        format!(
            "{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {{name: {name}}}, \
             rules: [{{apiGroups: [''], resources: [secrets], verbs: [create]}}]}}"
        )
    };
    let roles: Vec<String> = names.iter().map(role).collect();
    let list = format!(
        "{{apiVersion: v1, kind: List, items: [{}]}}",
        roles.join(", ")
    );
    admin.apply(&list).unwrap();
    let binder = format!(
        "{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {{name: binder}}, rules: [\
         {{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], resourceNames: [{}], verbs: [bind]}}, \
         {{apiGroups: [rbac.authorization.k8s.io], resources: [clusterrolebindings], verbs: [create]}}]}}",
        names.join(", ")
    );
    admin.apply(&binder).unwrap();
    let json = Watching::start(admin, &["-o", "json", "--from", "eve"]);
    let start: Value = serde_json::from_str(&json.until("\"start\"")).unwrap();
    assert_eq!(start["partial"], false);
    admin.apply(&binding("binder", "eve")).unwrap();
    let event: Value = serde_json::from_str(&json.until("\"cutShort\"")).unwrap();
    let why = event["why"].as_str().unwrap();
    assert!(why.starts_with("user eve can bind so many roles"), "{why}");
    // One that starts now says so at once.
    let later = Watching::start(admin, &["-o", "json", "--from", "eve"]);
    let start: Value = serde_json::from_str(&later.until("\"start\"")).unwrap();
    assert_eq!(start["partial"], true);
    later.until("\"cutShort\"");
    later.interrupt();
    let gone = admin.kubectl(&["delete", "clusterrolebinding", "binder"]);
    gone.unwrap().success().unwrap();
    json.until("\"complete\"");
    json.interrupt();
}

/// It may come later, but a slip of the pen never does.
#[test]
fn who_is_not_there_is_named_at_the_start() {
    let cluster = Cluster::shared().unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_bailiwick"))
        .args([
            "paths",
            "--watch",
            "--from",
            "sa:kube-system/defualt",
            "--kubeconfig",
        ])
        .arg(cluster.admin().kubeconfig())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = program.stderr.take().unwrap();
    let mut watching = Watching::reading(program, said);
    let said = watching.until("defualt");
    assert!(
        said.contains("has no access here and is reached by nothing"),
        "{said}"
    );
    assert!(watching.program.try_wait().unwrap().is_none(), "it goes on");
    watching.interrupt();
}

#[test]
fn a_watch_that_cannot_be_is_refused() {
    let check = |arguments: &[&str], expected: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_bailiwick"))
            .args(["paths", "--watch"])
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
    };
    check(
        &["-o", "sarif"],
        "--watch prints text, or with `-o json` one object a line",
    );
    check(&["-f", "."], "--watch follows a live cluster");
    let container = "--watch follows pods as a whole, not one container; write pod:shop/web";
    check(&["--from", "container:shop/web/app"], container);
    check(&["--to", "container:shop/web/app"], container);
}
