//! Names in manifests cannot make the terminal do anything, whatever the command and the form of its output.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test, also where it is no test function"
)]

use std::io::Write as _;
use std::process::{Command, Stdio};

/// RBAC names may hold anything but `/` and `%`, and the API server stores them.
const MANIFEST: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "a\e[31m\nb\x9b2J\u202e|<b>@all`"}
rules: [{apiGroups: ["", "g\e[1m"], resources: ["*", "r\e[2m"], verbs: ["get", "v\e[3m"], resourceNames: ["n\e[4m"]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "c\e[31m"}
rules: [{apiGroups: [""], resources: ["secrets", "pods/exec", "users", "groups"], verbs: ["*"]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "d\e]0;title\a"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "a\e[31m\nb\x9b2J\u202e|<b>@all`"}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: "u\e[5m\nroot"}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "e\e[31m"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "c\e[31m"}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "h\e[6m"}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "f\e[31m"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "gone\e[7m"}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "h\e[6m"}]
"#;

/// What a terminal obeys, and what turns or hides text.
fn acts(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[test]
fn every_command_writes_them_out() {
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    file.write_all(MANIFEST.as_bytes()).unwrap();
    let commands: &[(&[&str], &[&str])] = &[
        (
            &["scan", "--min-severity", "info"],
            &[
                "table", "wide", "json", "yaml", "sarif", "junit", "markdown",
            ],
        ),
        (
            &["paths"],
            &[
                "table", "wide", "json", "yaml", "sarif", "junit", "markdown", "mermaid", "dot",
                "html",
            ],
        ),
        (
            &["paths", "--from", "group:h\u{1b}[6m"],
            &["table", "junit"],
        ),
        (
            &["blast", "group:h\u{1b}[6m"],
            &[
                "table", "json", "markdown", "mermaid", "dot", "html", "name",
            ],
        ),
        (
            &["fix"],
            &["table", "json", "yaml", "sarif", "junit", "markdown"],
        ),
        (
            &["who-can", "get", "secrets"],
            &["table", "wide", "json", "yaml", "markdown", "name"],
        ),
        (
            &["access", "group:h\u{1b}[6m"],
            &["table", "wide", "json", "yaml", "markdown"],
        ),
        (&["access", "user:u\u{1b}[5m\nroot"], &["table", "json"]),
        (
            &["can", "group:h\u{1b}[6m", "get", "secrets"],
            &["table", "json", "yaml"],
        ),
        (
            &["explain", "group:h\u{1b}[6m", "get", "secrets"],
            &["table", "json", "yaml"],
        ),
        (
            &["explain", "u\u{1b}[5m\nroot", "delete", "secrets"],
            &["table", "json"],
        ),
        (
            &["can", "bob\u{1b}[6m", "get", "secrets\u{1b}[6m"],
            &["table"],
        ),
    ];
    let mut names_seen = 0;
    for (arguments, formats) in commands {
        for format in *formats {
            let output = Command::new(env!("CARGO_BIN_EXE_bailiwick"))
                .args(*arguments)
                .args(["-o", format, "-f"])
                .arg(file.path())
                .output()
                .unwrap();
            for stream in [output.stdout, output.stderr] {
                let text = String::from_utf8(stream).unwrap();
                let found = text.chars().find(|c| acts(*c));
                assert_eq!(found, None, "{arguments:?} -o {format}:\n{text:?}");
                names_seen += text.matches("[31m").count();
            }
        }
    }
    assert!(
        names_seen > 100,
        "the names were seen {names_seen} times only"
    );
}

#[test]
fn graphviz_reads_them_as_names() {
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    file.write_all(MANIFEST.as_bytes()).unwrap();
    let drawing = Command::new(env!("CARGO_BIN_EXE_bailiwick"))
        .args(["paths", "-o", "dot", "-f"])
        .arg(file.path())
        .output()
        .unwrap();
    let dot = Command::new("dot")
        .arg("-Tplain")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut dot) = dot else {
        eprintln!("NOT TESTED with Graphviz: dot is not installed");
        return;
    };
    dot.stdin
        .take()
        .unwrap()
        .write_all(&drawing.stdout)
        .unwrap();
    let output = dot.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(r#""group h\\u{1b}[6m""#), "{text}");
}
