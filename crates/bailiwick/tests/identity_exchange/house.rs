//! A workload with an identity, and servers that take down what they are asked.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use bailiwick_identity::{Bundle, TrustDomain, UnixTime, jwt};
use serde_json::Value;

use crate::ISSUER;
use crate::program::{PROGRAM, Process, check, run, until};

/// What a server got.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Got {
    pub(crate) fn form(&self) -> BTreeMap<String, String> {
        assert_eq!(
            self.headers["content-type"],
            "application/x-www-form-urlencoded"
        );
        let field = |field: &str| {
            let (name, value) = field.split_once('=').unwrap();
            (name.to_owned(), unescape(value))
        };
        self.body.split('&').map(field).collect()
    }
}

fn unescape(text: &str) -> String {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        out.push(char::from(u8::from_str_radix(&part[..2], 16).unwrap()));
        out.push_str(&part[2..]);
    }
    out
}

fn read(stream: &mut TcpStream) -> Got {
    let mut bytes = Vec::new();
    let end = loop {
        let mut part = [0; 4096];
        let length = stream.read(&mut part).unwrap();
        assert!(length > 0, "it broke off");
        bytes.extend(&part[..length]);
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap().to_owned();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_ascii_lowercase(), value.to_owned())
    };
    let headers: BTreeMap<_, _> = lines.map(header).collect();
    let length: usize = headers["content-length"].parse().unwrap();
    let mut body = bytes[end + 4..].to_vec();
    let mut rest = vec![0; length - body.len()];
    stream.read_exact(&mut rest).unwrap();
    body.extend(rest);
    let body = String::from_utf8(body).unwrap();
    Got {
        line,
        headers,
        body,
    }
}

/// A server that gives this answer once; its address, and what it got.
pub(crate) fn cloud(status: u16, answer: impl Into<String>) -> (String, mpsc::Receiver<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/ask", listener.local_addr().unwrap());
    let (sender, got) = mpsc::channel();
    let answer = answer.into();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let got = read(&mut stream);
        let length = answer.len();
        write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nLocation: http://127.0.0.1:1/\r\n\r\n{answer}").unwrap();
        let _ = sender.send(got);
    });
    (url, got)
}

pub(crate) struct House {
    pub(crate) dir: tempfile::TempDir,
    _agent: Process,
}

impl House {
    pub(crate) fn new(more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let rules = format!(
            "apiVersion: bailiwick.dev/v1alpha1\nkind: WorkloadIdentity\nmetadata: {{name: web}}\nspec: {{selector: {{unix: {{uids: [{}]}}}}, id: /ns/shop/sa/web}}\n",
            nix_uid(),
        );
        fs::write(path("rules.yaml"), rules).unwrap();
        let agent = Command::new(PROGRAM)
            .args([
                "agent",
                "--embedded",
                "--trust-domain",
                "a.example",
                "--data",
                &path("data"),
            ])
            .args(["--socket", &path("s"), "--rules", &path("rules.yaml")])
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let house = Self {
            _agent: Process(agent.unwrap()),
            dir,
        };
        until(
            &["identity", "fetch", "--socket", &house.socket()],
            0,
            "/sa/web",
        );
        house
    }

    pub(crate) fn socket(&self) -> String {
        self.dir.path().join("s").to_str().unwrap().to_owned()
    }

    pub(crate) fn exchange(&self, args: &[&str], code: i32, part: &str) -> String {
        let socket = self.socket();
        check(
            &[&["identity", "exchange", "--socket", &socket][..], args].concat(),
            code,
            part,
        )
    }

    /// Checks a token as a cloud does, by the keys of the issuer; its algorithm.
    pub(crate) fn judge(&self, token: &str, audience: &str) -> String {
        let (_, bundle) = run(&["identity", "bundle", "--socket", &self.socket()]);
        let bundle =
            Bundle::from_json(TrustDomain::parse("a.example").unwrap(), bundle.as_bytes()).unwrap();
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        let svid =
            jwt::validate(token, &[audience], &bundle, UnixTime::new(now.as_secs())).unwrap();
        assert_eq!(svid.claims["iss"], ISSUER);
        assert_eq!(svid.claims["sub"], "spiffe://a.example/ns/shop/sa/web");
        let header = token.split('.').next().unwrap();
        let header = base64_url(header);
        let header: Value = serde_json::from_slice(&header).unwrap();
        header["alg"].as_str().unwrap().to_owned()
    }
}

fn base64_url(text: &str) -> Vec<u8> {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bits = 0u32;
    let mut count = 0;
    let mut out = Vec::new();
    for letter in text.chars() {
        bits = (bits << 6) | u32::try_from(LETTERS.find(letter).unwrap()).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from((bits >> count) & 0xff).unwrap());
        }
    }
    out
}

fn nix_uid() -> String {
    let output = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
