//! What SPIFFE calls incubating is off where nobody asks for it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    reason = "a test that cannot go on ends, and not every test uses all of the shared module"
)]

mod program;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use bailiwick_testkit::spiffe::Spiffe;
use program::{PROGRAM, Process, check, until};
use serde_json::json;

/// Starts an agent, and what it prints first.
fn agent(args: &[&str], lines: usize) -> (Process, Vec<String>) {
    let mut child: Child = Command::new(PROGRAM)
        .arg("agent")
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.take().unwrap()).lines();
    let process = Process(child);
    let said = said.take(lines).map(Result::unwrap).collect();
    (process, said)
}

#[test]
fn wit_svids_need_their_flag() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (data, socket) = (path("data"), path("s"));
    let common = ["--embedded", "--data", &data, "--socket", &socket];
    let asked = json!({"socket": format!("unix://{socket}")});
    let fetch = || Spiffe::start().unwrap().ask("fetch_wit", asked.clone());
    let without = agent(&common, 1);
    let refused = format!("{:?}", fetch().unwrap_err());
    assert!(refused.contains("Unimplemented"), "{refused}");
    drop(without);
    // Validators know keys of this authority already: the first one for these documents is published before it signs.
    let with = agent(&[&common[..], &["--experimental", "wit-svid"]].concat(), 1);
    let waiting = format!("{:?}", fetch().unwrap_err());
    assert!(waiting.contains("no key signs for WIT now"), "{waiting}");
    let keys = ["identity", "authority", "--data", &data];
    until(&keys, 0, "WIT");
    drop(with);
    let other = path("other");
    let young = ["--embedded", "--data", &other, "--socket", &socket];
    let _with = agent(&[&young[..], &["--experimental", "wit-svid"]].concat(), 1);
    let fetched = fetch().unwrap();
    let id = fetched["svids"][0]["spiffeId"].as_str().unwrap();
    assert!(id.starts_with("spiffe://localhost/"), "{fetched}");
    check(
        &[&["agent"], &young[..], &["--experimental", "x"]].concat(),
        2,
        "wit-svid, broker-api",
    );
}

#[test]
fn brokers_need_their_flag_and_a_list() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (socket, brokers) = (path("s"), path("brokers"));
    std::fs::write(path("token"), "token").unwrap();
    let (roots, token) = (path("roots.pem"), path("token"));
    let common = [
        "--server",
        "127.0.0.1:1",
        "--trust-domain",
        "td.example",
        "--trust-bundle",
        &roots,
        "--token-file",
        &token,
        "--socket",
        &socket,
    ];
    let refused = |more: &[&str], part: &str| {
        check(&[&["agent"], &common[..], more].concat(), 2, part);
    };
    let at = ["--broker-socket", &brokers];
    let named = ["--broker", "spiffe://td.example/proxy"];
    let on = ["--experimental", "broker-api"];
    refused(&at, "--broker");
    refused(&named, "--broker-socket");
    refused(&[at, named].concat(), "add --experimental broker-api");
    let foreign = ["--broker", "spiffe://other.example/proxy"];
    refused(
        &[at, foreign, on].concat(),
        "is not of the trust domain `td.example`",
    );
    refused(&[at, ["--broker", "proxy"], on].concat(), "proxy");
    let (_agent, said) = agent(&[&common[..], &at, &named, &on].concat(), 2);
    assert_eq!(
        said,
        [
            format!("SPIFFE_ENDPOINT_SOCKET=unix://{socket}"),
            format!("SPIFFE_BROKER_SOCKET=unix://{brokers}"),
        ]
    );
    let mode = std::fs::metadata(&brokers).unwrap().permissions();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
        0o600
    );
}
