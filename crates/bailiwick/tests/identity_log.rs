//! An agent, the bans that it follows and the log that it leaves.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    reason = "a test that cannot go on ends, and not every test uses all of the shared module"
)]

mod program;

use std::path::Path;
use std::process::{Command, Stdio};

use program::{PROGRAM, Process, check, until};

fn agent(data: &str, socket: &str) -> Process {
    let command = Command::new(PROGRAM)
        .args(["agent", "--embedded", "--data", data, "--socket", socket])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Process(command.unwrap())
}

#[test]
fn a_ban_holds_within_a_second_and_everything_is_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (data, socket, log) = (path("data"), path("s"), path("data/log"));
    let health = ["agent", "healthcheck", "--socket", &socket];
    check(&health, 1, "unhealthy: no Workload API answers");
    let mut running = agent(&data, &socket);
    until(&health, 0, "healthy");
    let fetch = ["identity", "fetch", "--socket", &socket];
    let table = until(&[&fetch[..], &["-o", "json"]].concat(), 0, "/bailiwick");
    let serial = table.split("\"serial\": \"").nth(1).unwrap();
    let (serial, _) = serial.split_once('"').unwrap();
    let id = table.split("\"id\": \"").nth(1).unwrap();
    let (id, _) = id.split_once('"').unwrap();

    // Who got the certificate, by its serial, however a tool prints it.
    let who = format!("id: {id}");
    check(&["audit", "show", &log, serial], 0, &who);
    check(
        &["audit", "show", &log, &serial.to_uppercase()],
        0,
        "document: x509",
    );
    check(
        &["audit", "show", &log, &"0".repeat(32)],
        2,
        "no decision and no document",
    );

    let name = format!("id:{id}");
    check(
        &["identity", "ban", &name, "--why", "stolen", "--data", &data],
        0,
        "within seconds",
    );
    until(&fetch, 2, "stolen");
    // Who gets nothing can say that the agent is well.
    check(&health, 0, "healthy");
    check(&["identity", "why", "--data", &data], 1, "stolen");
    check(&["identity", "bans", "--data", &data], 0, &name);
    // Lists are documents for machines too.
    for list in [
        &["bans", "--data", &data][..],
        &["authority", "--data", &data],
        &["rules"],
    ] {
        check(
            &[&["identity"], list, &["-o", "json"]].concat(),
            0,
            "\"items\": [",
        );
    }
    check(&["identity", "unban", &name, "--data", &data], 0, "");
    until(&fetch, 0, id);
    check(
        &["identity", "unban", &name, "--data", &data],
        2,
        "is not banned",
    );
    check(
        &["identity", "ban", "pod", "--why", "x", "--data", &data],
        2,
        "names nobody",
    );

    // With nobody at the log, the command writes it itself.
    running.0.kill().unwrap();
    running.0.wait().unwrap();
    check(
        &[
            "identity", "ban", "node:n1", "--why", "old", "--data", &data,
        ],
        0,
        "",
    );
    check(
        &["identity", "rotate", "jwt-ec-p256", "--data", &data],
        2,
        "cannot be activated before",
    );
    check(&["audit", "verify", &log], 0, "intact");
    let told = check(&["audit", "tail", &log, "--lines", "1000"], 0, "issue x509");
    for part in [
        "for X.509 is active",
        "ban of id:spiffe://localhost/uid/",
        "denied process ",
        " (workloadApi): ",
        "ban lifted of id:spiffe://localhost/uid/",
        "ban of node:n1: old",
    ] {
        assert!(told.contains(part), "no `{part}` in {told}");
    }
    assert!(Path::new(&log).is_dir());
}
