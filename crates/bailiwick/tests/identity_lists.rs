//! A certificate that a person revokes, and the lists that an agent with an authority of its own serves.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "a test that cannot go on ends, and not every test uses all of the shared module"
)]

mod program;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use program::{PROGRAM, Process, check, said, until, until_said};
use serde_json::Value;

/// What is served there.
fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: lists\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// An agent with an authority of its own that serves lists, and where it serves them.
fn start(data: &str, socket: &str) -> (Process, String) {
    let mut child = Command::new(PROGRAM)
        .args(["agent", "--embedded", "--data", data, "--socket", socket])
        .args([
            "--crl-endpoint",
            "127.0.0.1:0",
            "--crl-url",
            "http://crl.example",
        ])
        .args(["--log-format", "json"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let running = Process(child);
    let address = lines.by_ref().find_map(|line| {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let told = line["message"] == "lists of revoked certificates";
        told.then(|| line["address"].as_str().unwrap().to_owned())
    });
    std::thread::spawn(move || lines.for_each(drop));
    (running, address.unwrap())
}

#[test]
fn a_person_revokes_a_certificate_and_the_lists_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (data, socket, certs) = (path("data"), path("s"), path("certs"));
    let (_running, address) = start(&data, &socket);
    let fetch = ["identity", "fetch", "--socket", &socket];
    until(&[&fetch[..], &["--write", &certs]].concat(), 0, "");
    let openssl = |arguments: &[&str], input: &str| {
        std::fs::write(path("input"), input).unwrap();
        let mut command = Command::new("openssl");
        command.args(arguments).current_dir(&certs);
        said(command.output().unwrap())
    };
    let (_, leaf) = openssl(
        &["x509", "-in", "svid.pem", "-noout", "-text", "-serial"],
        "",
    );
    let (_, rest) = leaf.split_once("URI:http://crl.example").unwrap();
    let list = rest.lines().next().unwrap();
    let (_, serial) = leaf.split_once("serial=").unwrap();
    let serial = serial.trim();
    let text = || {
        let served = get(&address, "/all.pem");
        let input = path("input");
        openssl(&["crl", "-in", &input, "-noout", "-text"], &served)
    };
    until_said(text, 0, "X509v3 CRL Number");
    assert!(
        get(&address, list).contains("application/pkix-crl"),
        "{list}"
    );
    assert!(get(&address, "/other.crl").starts_with("HTTP/1.1 404"));

    let ban = |who: &str, why: &str, code: i32, part: &str| {
        check(
            &["identity", "ban", who, "--why", why, "--data", &data],
            code,
            part,
        );
    };
    ban("serial:4f", "x", 2, "is no serial");
    ban(
        &format!("serial:{serial}"),
        &"x".repeat(121),
        2,
        "at most 120 bytes",
    );
    ban(&format!("serial:{serial}"), "stolen", 0, "within seconds");
    // It is on the list of its issuer alone.
    let told = until_said(
        || {
            let served = get(&address, "/all.pem");
            let blocks = served.split("-----BEGIN X509 CRL-----").skip(1);
            let all = blocks.map(|block| {
                let pem = format!("-----BEGIN X509 CRL-----{block}");
                openssl(&["crl", "-in", &path("input"), "-noout", "-text"], &pem).1
            });
            (Some(0), all.collect())
        },
        0,
        serial,
    );
    assert_eq!(told.matches("Serial Number:").count(), 1, "{told}");
    let log = path("data/log");
    let record = format!("ban of serial:{}: stolen", serial.to_lowercase());
    until(&["audit", "tail", &log, "--lines", "50"], 0, &record);
}

/// What OpenSSL says of something in PEM.
fn openssl(arguments: &[&str], pem: &str) -> String {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(pem.as_bytes()).unwrap();
    drop(input);
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn who_is_banned_loses_what_he_holds() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (data, socket) = (path("data"), path("s"));
    let (running, address) = start(&data, &socket);
    let fetch = |to: &str| {
        let fetch = ["identity", "fetch", "--socket", &socket, "--write", to];
        until(&fetch, 0, "");
        let leaf = std::fs::read_to_string(format!("{to}/svid.pem")).unwrap();
        let told = openssl(
            &["x509", "-noout", "-serial", "-ext", "subjectAltName"],
            &leaf,
        );
        let (_, serial) = told.split_once("serial=").unwrap();
        let (_, id) = told.split_once("URI:").unwrap();
        let first = |text: &str| text.split_whitespace().next().unwrap().to_owned();
        (first(serial), first(id))
    };
    let listed = |address: &str| {
        let served = get(address, "/all.pem");
        let blocks = served.split("-----BEGIN X509 CRL-----").skip(1);
        let block = |block: &str| {
            let pem = format!("-----BEGIN X509 CRL-----{block}");
            openssl(&["crl", "-noout", "-text"], &pem)
        };
        (Some(0), blocks.map(block).collect::<String>())
    };
    let (first, id) = fetch(&path("first"));
    let (second, _) = fetch(&path("second"));
    assert_ne!(first, second);
    let who = format!("id:{id}");
    let ban = |why: &str| {
        let ban = ["identity", "ban", &who, "--why", why, "--data", &data];
        check(&ban, 0, "");
    };
    ban("stolen");
    until_said(|| listed(&address), 0, &first);
    until_said(|| listed(&address), 0, &second);
    // What it gets after the ban was lifted is another thing, until it is banned while nobody runs: the log tells it.
    check(&["identity", "unban", &who, "--data", &data], 0, "");
    let (third, _) = fetch(&path("third"));
    assert!(!listed(&address).1.contains(&third));
    drop(running);
    ban(&"stolen again, with a long reason ".repeat(10));
    let (_running, address) = start(&data, &socket);
    let told = until_said(|| listed(&address), 0, &third);
    assert!(told.contains(&first) && told.contains(&second), "{told}");
}
