//! The first hour with identities on one machine, with what goes wrong in it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    reason = "a test that cannot go on ends, and not every test uses all of the shared module"
)]

mod program;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use program::{PROGRAM, Process, check, run, said, until};

/// A folder in which an agent runs that was given relative paths.
struct Desk {
    dir: tempfile::TempDir,
    address: String,
    _agent: Process,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(PROGRAM)
            .args([
                "agent",
                "--embedded",
                "--data",
                "data",
                "--socket",
                "a.sock",
            ])
            .current_dir(dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let address = line.strip_prefix("SPIFFE_ENDPOINT_SOCKET=").unwrap().trim();
        Self {
            address: address.to_owned(),
            dir,
            _agent: Process(child),
        }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// Arguments of commands that ask the agent.
    fn asked<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        [&["identity"], args, &["--socket", &self.address]].concat()
    }
}

#[test]
fn from_the_address_that_is_printed_to_a_document_that_is_believed() {
    let desk = Desk::new();
    // The address is one, though the socket was named by a relative path.
    assert_eq!(desk.address, format!("unix://{}", desk.path("a.sock")));
    let asked = |args: &[&'static str]| desk.asked(args);
    let (certs, token) = (desk.path("certs"), desk.path("token"));
    let id = "spiffe://localhost/uid/";
    check(&desk.asked(&["fetch", "--write", &certs]), 0, id);
    let svid = format!("{certs}/svid.pem");
    check(
        &desk.asked(&["validate", &svid]),
        0,
        "valid: spiffe://localhost/uid/",
    );
    let (code, text) = run(&asked(&["fetch", "--audience", "orders"]));
    assert_eq!(code, Some(0), "{text}");
    fs::write(&token, text).unwrap();
    check(
        &desk.asked(&["validate", &token, "--audience", "orders"]),
        0,
        "valid: ",
    );
    check(
        &desk.asked(&["validate", &token, "--audience", "shop"]),
        1,
        "not for us",
    );
    check(&desk.asked(&["validate", &token]), 2, "--audience");
    fs::write(desk.path("no.pem"), "-----BEGIN CERTIFICATE-----\n").unwrap();
    let broken = desk.path("no.pem");
    check(
        &desk.asked(&["validate", &broken]),
        2,
        "holds no certificates in PEM",
    );
    fs::write(&broken, "\n").unwrap();
    check(&desk.asked(&["validate", &broken]), 2, "no.pem` is empty");
    check(&asked(&["bundle"]), 0, "x509-svid");
    let socket = desk.path("a.sock");
    check(&["agent", "healthcheck", "--socket", &socket], 0, "healthy");

    let data = desk.path("data");
    let placed = |args: &[&'static str]| [&["identity"], args, &["--data", data.as_str()]].concat();
    check(&placed(&["authority"]), 0, "published");
    // Too early: validators do not know the next key yet.
    check(
        &placed(&["rotate"]),
        2,
        "validators would reject what is signed with it",
    );
    check(
        &placed(&["taint", "x"]),
        2,
        "`bailiwick identity authority` lists them",
    );
    check(
        &placed(&["ban", "uid:0", "--why", "x"]),
        2,
        "pod:UID, node:NAME or id:SPIFFE-ID",
    );
    let me = check(&asked(&["fetch"]), 0, id);
    let me = me
        .split_whitespace()
        .find(|word| word.starts_with(id))
        .unwrap();
    let me = format!("id:{me}");
    let ban: Vec<&str> = ["identity", "ban", &me, "--why", "lost", "--data", &data].into();
    check(&ban, 0, "within seconds");
    until(&asked(&["fetch"]), 2, "lost");
    check(&["identity", "unban", &me, "--data", &data], 0, "");
    until(&asked(&["fetch"]), 0, id);
    check(
        &["identity", "unban", &me, "--data", &data],
        2,
        "is not banned",
    );
}

#[test]
fn what_goes_wrong_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let nowhere = path("none.sock");
    // Once, and what is to be done.
    let said = check(
        &["agent", "healthcheck", "--socket", &nowhere],
        1,
        "(No such file or directory (os error 2)): is `bailiwick agent` running?",
    );
    assert_eq!(said.matches("os error 2").count(), 1, "{said}");
    check(
        &["identity", "fetch", "--socket", &nowhere],
        2,
        "is `bailiwick agent` running?",
    );
    check(
        &["identity", "fetch", "--socket", "there"],
        2,
        "write unix:///PATH or tcp://IP:PORT",
    );
    check(
        &["agent"],
        2,
        "--embedded, for the programs of this machine, or --server HOST:PORT",
    );
    for bad in ["nonsense", "https://server:8443", "::1:8443", "server:0"] {
        check(
            &["agent", "--server", bad, "--trust-bundle", "x"],
            2,
            "write HOST:PORT",
        );
        check(
            &["identity", "fetch", "--server", bad],
            2,
            "write HOST:PORT",
        );
    }
    check(
        &["identity", "why", "abc"],
        2,
        "write the number of a process",
    );
    check(
        &["identity", "why", "4194304"],
        2,
        "there is no process 4194304",
    );
    check(
        &["identity", "why", "--pod", "web"],
        2,
        "write NAMESPACE/NAME",
    );
    check(
        &["identity", "server", "--print-role", "web"],
        2,
        "write NAMESPACE/NAME",
    );

    let agent = |data: &str, socket: &str, more: &[&str], part: &str| {
        let args = ["agent", "--embedded", "--data", data, "--socket", socket];
        check(&[&args[..], more].concat(), 2, part);
    };
    let (data, socket) = (path("data"), path("a.sock"));
    // A folder: `chmod 600` would lock its owner out.
    fs::create_dir(path("open")).unwrap();
    fs::set_permissions(path("open"), fs::Permissions::from_mode(0o777)).unwrap();
    agent(
        &path("open"),
        &socket,
        &[],
        "has mode 777: others could read or change what is in it; run `chmod go-rwx`",
    );
    fs::write(path("file"), "").unwrap();
    agent(&path("file"), &socket, &[], "not a directory");
    agent(&data, &path("file"), &[], "is there and is no socket");
    agent(&data, &path("none/a.sock"), &[], "cannot make the socket");
    agent(
        &data,
        &socket,
        &["--trust-domain", "Bad Domain"],
        "in the trust domain",
    );
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    for flag in ["--operations", "--bundle-endpoint"] {
        agent(&data, &socket, &[flag, &taken], "cannot be listened on");
    }
    agent(&data, "none/a.sock", &[], "cannot make the socket");
    let server = ["identity", "server", "--data", &data, "--listen", &taken];
    check(&server, 2, &format!("`{taken}` cannot be listened on"));
    // What is wrong there is said before an authority is made that nobody wants.
    assert!(!std::path::Path::new(&data).exists());
}

#[test]
fn another_user_hears_that_the_socket_is_not_for_him() {
    let desk = Desk::new();
    // Where this user is no root he cannot be another one.
    let mut other = Command::new("setpriv");
    other.args([
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
        PROGRAM,
    ]);
    other.args(["identity", "fetch", "--socket", &desk.address]);
    let root = run_as("id", &["-u"]) == "0";
    if !root {
        println!("NOT TESTED: this user cannot become another one");
        return;
    }
    fs::set_permissions(desk.dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let (code, text) = said(other.output().unwrap());
    if text.contains("failed to execute") {
        println!("NOT TESTED: another user may not run {PROGRAM}");
        return;
    }
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("this user may not open") && text.contains("--socket-mode"),
        "{text}"
    );
}

fn run_as(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
