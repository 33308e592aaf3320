//! What the program says to input that is broken, and how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test, also where it is no test function"
)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const ROLE: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: shop}
rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: User, name: alice, apiGroup: rbac.authorization.k8s.io}]
";

fn run(directory: &Path, arguments: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bailiwick"))
        .args(arguments)
        .current_dir(directory)
        .env_remove("KUBECONFIG")
        .env("HOME", directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The program may end without reading its input.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

/// Puts `text` into FILE and asks `can alice get pods -n shop -f FILE`.
fn check(text: &[u8], code: i32, answer: &str, said: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("in.yaml"), text).unwrap();
    let arguments = ["can", "alice", "get", "pods", "-n", "shop", "-f", "in.yaml"];
    let output = run(directory.path(), &arguments, "");
    let (stdout, stderr) = (texts(&output.stdout), texts(&output.stderr));
    let shown = String::from_utf8_lossy(text.get(..200).unwrap_or(text)).into_owned();
    assert_eq!(
        output.status.code(),
        Some(code),
        "{shown}\n{stdout}{stderr}"
    );
    assert_eq!(
        stdout.lines().next().unwrap_or_default(),
        answer,
        "{shown}\n{stderr}"
    );
    for part in said {
        assert!(
            stderr.contains(part),
            "{shown}: `{part}` is not in\n{stderr}"
        );
    }
}

fn texts(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn good_input_is_answered() {
    check(ROLE.as_bytes(), 0, "yes", &["default roles and bindings"]);
}

#[test]
fn a_broken_document_costs_itself_alone() {
    let text = format!("a: {{b\n---\n{ROLE}");
    check(
        text.as_bytes(),
        3,
        "yes",
        &["in.yaml:1:", "unclosed bracket", "partial input"],
    );
    let text = format!("{ROLE}---\nkind: [\n");
    check(text.as_bytes(), 3, "yes", &["in.yaml:12:", "partial input"]);
}

#[test]
fn nothing_to_read_is_no_answer() {
    check(b"", 2, "", &["empty"]);
    check(b"# nothing\n", 2, "", &["error"]);
    check(b"replicas: 3\n", 2, "", &["no Kubernetes object"]);
    check(b"a\xff\xfe\0", 2, "", &["neither text"]);
    check(b"kind: {{ .Values.kind }}\n", 2, "", &["helm template"]);
    check(b"{\"kind\": \"Role\", ", 2, "", &["in.yaml"]);
}

#[test]
fn kinds_fields_and_types() {
    let typo = ROLE.replace("kind: RoleBinding", "kind: Rolebinding");
    check(
        typo.as_bytes(),
        3,
        "no",
        &["in.yaml:7:", "write `RoleBinding`"],
    );
    let field = ROLE.replace("verbs: [get]", "verbs: [get], resourcenames: [web]");
    check(
        field.as_bytes(),
        0,
        "yes",
        &["in.yaml:4:", "`rules[0].resourcenames`", "resourceNames"],
    );
    let boolean = ROLE.replace("verbs: [get]", "verbs: [get, no]");
    check(
        boolean.as_bytes(),
        3,
        "no",
        &["in.yaml:4:", "the boolean false", "quotes"],
    );
    let number = ROLE.replace("name: alice", "name: 010");
    check(number.as_bytes(), 3, "no", &["in.yaml:10:", "the number 8"]);
    let twice = ROLE.replace("verbs: [get]", "verbs: [list], verbs: [get]");
    check(twice.as_bytes(), 0, "yes", &["in.yaml:4:", "twice"]);
}

#[test]
fn what_the_api_server_refuses_does_not_count() {
    let foreign = ROLE.replace(
        "apiGroup: rbac.authorization.k8s.io}]",
        "apiGroup: example.com}]",
    );
    check(
        foreign.as_bytes(),
        3,
        "no",
        &["in.yaml:10:", "API server refuses"],
    );
}

#[test]
fn bombs_are_bounded() {
    let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (name, before) in "bcdefghijkl".chars().zip("abcdefghijk".chars()) {
        let nine = vec![format!("*{before}"); 9].join(", ");
        bomb += &format!("{name}: &{name} [{nine}]\n");
    }
    check(bomb.as_bytes(), 2, "", &["aliases"]);
    check(
        format!("a: {}", "[".repeat(100_000)).as_bytes(),
        2,
        "",
        &["in.yaml:1:"],
    );
    check("{\"a\":".repeat(100_000).as_bytes(), 2, "", &["in.yaml:1:"]);
    let deep: String = (0..1_000).map(|depth| " ".repeat(depth) + "a:\n").collect();
    check(deep.as_bytes(), 2, "", &["in.yaml:"]);
}

#[test]
fn wrong_use() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("in.yaml"), ROLE).unwrap();
    let check = |arguments: &[&str], said: &str| {
        let output = run(directory.path(), arguments, "");
        let stderr = texts(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}\n{stderr}");
        assert!(
            stderr.contains(said),
            "{arguments:?}: `{said}` is not in\n{stderr}"
        );
    };
    check(&["can", "alice"], "Usage: bailiwick can");
    check(
        &["can", "sa:x", "get", "pods", "-f", "in.yaml"],
        "write `sa:NAMESPACE/NAME`",
    );
    check(
        &["can", "me", "get", "pods", "-f", "in.yaml"],
        "live cluster",
    );
    check(
        &["can", "alice", "get", "pods", "-f", "missing.yaml"],
        "missing.yaml",
    );
    check(
        &[
            "can",
            "alice",
            "get",
            "pods",
            "-f",
            "in.yaml",
            "--defaults",
            "1.2",
        ],
        "known are 1.29",
    );
    check(
        &[
            "can", "alice", "get", "pods", "-f", "in.yaml", "-o", "sarif",
        ],
        "sarif",
    );
    check(
        &["can", "alice", "get", "pods", "-f", "-", "-f", "-"],
        "more than once",
    );
    check(
        &["can", "alice", "get", "pods", "-n", "a", "-A"],
        "cannot be used with",
    );
    check(
        &["scan", "-f", "in.yaml", "--check", "wildcard-verb"],
        "--check: no check is called `wildcard-verb`; did you mean",
    );
    check(
        &["explain", "no-such-check"],
        "no check, edge or problem is called",
    );
    check(
        &[
            "can",
            "alice",
            "get",
            "pods",
            "--server",
            "https://127.0.0.1:1",
        ],
        "127.0.0.1:1",
    );
    check(
        &["can", "alice", "get", "pods", "--context", "prod"],
        "prod",
    );
}

#[test]
fn standard_input_and_quiet() {
    let directory = tempfile::tempdir().unwrap();
    let asked = ["can", "alice", "get", "pods", "-n", "shop", "-f", "-"];
    let output = run(directory.path(), &asked, ROLE);
    assert_eq!(
        (output.status.code(), texts(&output.stdout).lines().next()),
        (Some(0), Some("yes"))
    );
    let quiet: Vec<&str> = asked.iter().copied().chain(["-q"]).collect();
    let output = run(directory.path(), &quiet, ROLE);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        (texts(&output.stdout), texts(&output.stderr)),
        (String::new(), String::new())
    );
    let output = run(directory.path(), &quiet, "a: {b\n---\n");
    assert_eq!(output.status.code(), Some(2));
}

/// `get` on `pods/exec` alone opens no shell since 1.35, though a SubjectAccessReview says yes.
#[test]
fn a_whole_request_is_asked_twice_where_the_server_asks_twice() {
    let directory = tempfile::tempdir().unwrap();
    let check = |verbs: &str, arguments: &[&str], code: i32| {
        let exec = ROLE.replace(
            "resources: [pods], verbs: [get]",
            &format!("resources: [pods/exec], verbs: [{verbs}]"),
        );
        std::fs::write(directory.path().join("in.yaml"), exec).unwrap();
        let output = run(directory.path(), arguments, "");
        assert_eq!(output.status.code(), Some(code), "{verbs} {arguments:?}");
        assert!(
            texts(&output.stderr).contains("since Kubernetes 1.35"),
            "{verbs} {arguments:?}"
        );
    };
    let http = [
        "can",
        "alice",
        "GET",
        "/api/v1/namespaces/shop/pods/web/exec",
        "-f",
        "in.yaml",
    ];
    let review = [
        "can",
        "alice",
        "get",
        "pods/web",
        "--subresource",
        "exec",
        "-n",
        "shop",
        "-f",
        "in.yaml",
    ];
    check("get", &http, 1);
    check("get, create", &http, 0);
    check("get", &review, 0);
}

#[test]
fn values_of_secrets_are_nowhere() {
    const PLANTED: &str = "cGxhbnRlZC12YWx1ZQ";
    let text = format!(
        "{ROLE}---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  annotations:\n    \
         kubectl.kubernetes.io/last-applied-configuration: '{{\"data\":{{\"k\":\"{PLANTED}\"}}}}'\ndata:\n  k: \
         {PLANTED}\nstringData:\n  k: [{PLANTED}]\n---\napiVersion: v1\nkind: Secret\nmetadata: {{name: t}}\ndata:\n  k: \
         {{{PLANTED}\n"
    );
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("in.yaml"), text).unwrap();
    let mut seen = Vec::new();
    for arguments in [
        &[
            "scan",
            "-f",
            "in.yaml",
            "-o",
            "wide",
            "--min-severity",
            "info",
        ][..],
        &[
            "scan",
            "-f",
            "in.yaml",
            "-o",
            "json",
            "--min-severity",
            "info",
        ],
        &[
            "scan",
            "-f",
            "in.yaml",
            "-o",
            "sarif",
            "--min-severity",
            "info",
        ],
        &[
            "scan",
            "-f",
            "in.yaml",
            "-o",
            "markdown",
            "--min-severity",
            "info",
        ],
        &[
            "can", "alice", "get", "secrets", "-n", "shop", "-f", "in.yaml",
        ],
        &["snapshot", "-f", "in.yaml", "-o", "out.bwk"],
        &[
            "scan",
            "-f",
            "out.bwk",
            "-o",
            "json",
            "--min-severity",
            "info",
        ],
    ] {
        let output = run(directory.path(), arguments, "");
        assert!(matches!(output.status.code(), Some(0..=3)), "{arguments:?}");
        seen.extend(output.stdout);
        seen.extend(output.stderr);
    }
    assert!(!texts(&seen).contains(PLANTED), "{}", texts(&seen));
    assert!(directory.path().join("out.bwk").exists());
}
