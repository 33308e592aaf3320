//! The manifests of the documentation, taken by our own loader and by a real API server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::fs;
use std::path::Path;
use std::process::Command;

use bailiwick_testkit::servers::Cluster;

fn run(args: &[&str]) -> (Option<i32>, String) {
    let program = env!("CARGO_BIN_EXE_bailiwick");
    let output = Command::new(program).args(args).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code(), text)
}

#[test]
fn the_manifests_of_the_documentation_are_taken() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/kubernetes");
    let folder = folder.to_str().unwrap();
    // By our own loader: everything in them is read, and nothing reported as unreadable.
    let (code, text) = run(&["scan", "-f", folder, "-o", "json"]);
    assert!(matches!(code, Some(0 | 1)), "{text}");
    // By the API server.
    let cluster = Cluster::shared().unwrap();
    for file in ["server", "agent", "workload"] {
        let text = fs::read_to_string(format!("{folder}/{file}.yaml")).unwrap();
        cluster.admin().apply(&text).unwrap();
    }
    // The rights in them are those that the program prints, and the agent has none.
    let (_, role) = run(&["identity", "server", "--print-role", "bailiwick/server"]);
    let applied = cluster.admin().apply(&role).unwrap();
    let changed = applied.lines().filter(|line| !line.ends_with("unchanged"));
    assert_eq!(changed.count(), 0, "{applied}");
    let agent = "--as=system:serviceaccount:bailiwick:agent";
    for question in [
        ["get", "pods"],
        ["get", "nodes"],
        ["create", "tokenreviews"],
    ] {
        let asked = [&["auth", "can-i", agent], &question[..]].concat();
        let answer = cluster.admin().kubectl(&asked).unwrap();
        assert_eq!(answer.stdout.trim(), "no", "{question:?}");
    }
}
