//! What SPIFFE calls incubating is off where nobody asks for it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "a test that cannot go on ends, and not every test uses all of the shared module"
)]

mod program;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use bailiwick_identity::wit::{NewProof, NewWit};
use bailiwick_identity::{Bundle, PublicKey, SignError, Signer, SpiffeId, TrustDomain, UnixTime};
use bailiwick_spiffe::{Clock as _, SystemClock};
use bailiwick_testkit::spiffe::Spiffe;
use program::{PROGRAM, Process, check, until};
use rcgen::{PublicKeyData as _, SigningKey as _};
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

/// A key that signs as those of workloads do.
struct Key {
    pair: rcgen::KeyPair,
    public: PublicKey,
}

impl Key {
    fn new() -> Self {
        let pair = rcgen::KeyPair::generate().unwrap();
        let public = PublicKey::from_spki(&pair.subject_public_key_info()).unwrap();
        Self { pair, public }
    }
}

impl Signer for Key {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// The two numbers side by side, which rcgen gives in DER.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        fn number(der: &[u8]) -> (Vec<u8>, &[u8]) {
            let length = usize::from(der[1]);
            let (number, rest) = der[2..].split_at(length);
            let number = &number[length.saturating_sub(32)..];
            ([vec![0; 32 - number.len()], number.to_vec()].concat(), rest)
        }
        let der = self.pair.sign(message).unwrap();
        let (first, rest) = number(&der[2..]);
        Ok([first, number(rest).0].concat())
    }
}

#[test]
fn a_wit_svid_is_believed_with_its_proof_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let write = |name: &str, text: String| {
        std::fs::write(path(name), text + "\n").unwrap();
        path(name)
    };
    let (issuer, holder, other) = (Key::new(), Key::new(), Key::new());
    let mut bundle = Bundle::new(TrustDomain::parse("td").unwrap());
    bundle.add_wit("k1", issuer.public_key()).unwrap();
    let keys = format!("td={}", write("td.json", bundle.to_json().to_string()));
    let id = SpiffeId::parse("spiffe://td/a").unwrap();
    let now = SystemClock.now();
    let made = |name: &str, until: UnixTime| {
        let wit = NewWit {
            id: &id,
            key: holder.public_key(),
            not_before: now.minus(3600),
            expires_at: until,
            jti: "n1",
        };
        let wit = bailiwick_identity::wit::sign(&wit, "k1", &issuer).unwrap();
        (write(name, wit.clone()), wit)
    };
    let (file, wit) = made("wit", now.plus(600));
    let proof = |name: &str, key: &Key| {
        let proof = NewProof {
            wit: &wit,
            audience: "https://orders.example/",
            expires_at: now.plus(200),
            jti: "p1",
        };
        write(name, proof.sign(key).unwrap())
    };
    let (good, stolen) = (proof("wpt", &holder), proof("stolen", &other));
    let access = write("access", "an.access.token".into());
    let validate = |file: &str, more: &[&str], code: i32, part: &str| {
        let args = ["identity", "validate", file, "--bundle", &keys];
        check(&[&args[..], more].concat(), code, part);
    };
    let me = ["--audience", "https://orders.example/"];
    let with = |proof| [me[0], me[1], "--proof", proof];
    validate(&file, &with(&good), 0, "valid: spiffe://td/a until ");
    validate(&file, &[], 2, "proves nothing of whoever shows it");
    validate(&file, &me, 2, "--proof");
    validate(&file, &["--unproven"], 0, "unproven: spiffe://td/a until ");
    validate(&file, &["--proof", &good], 2, "--audience");
    validate(
        &file,
        &with(&stolen),
        1,
        "not signed by the key in the WIT-SVID",
    );
    let elsewhere = ["--audience", "https://shop.example/", "--proof", &good];
    validate(&file, &elsewhere, 1, "the proof is for others");
    let came_along = [&with(&good)[..], &["--access-token", &access]].concat();
    validate(&file, &came_along, 1, "do not belong together: `ath`");
    let named = format!("x-token={access}");
    let came_along = [&with(&good)[..], &["--other-token", &named]].concat();
    validate(&file, &came_along, 1, "do not belong together: `oth`");
    validate(&good, &me, 2, "this is a proof: name the WIT-SVID");
    validate(&file, &with(&file), 1, "`typ` is not `wpt+jwt`");
    validate(&access, &["--unproven"], 2, "are for WIT-SVIDs");
    validate(
        &made("old", now.minus(1)).0,
        &with(&good),
        1,
        "the token ran out at",
    );
    let foreign = write(
        "foreign.json",
        Bundle::new(id.trust_domain()).to_json().to_string(),
    );
    let foreign = format!("td={foreign}");
    let args = [
        "identity",
        "validate",
        &file,
        "--unproven",
        "--bundle",
        &foreign,
    ];
    check(&args, 1, "has no key `k1` for WIT-SVIDs");
    // Without a file the keys are those of the Workload API, which may have none.
    let (data, socket) = (path("data"), path("s"));
    let common = ["--embedded", "--data", &data, "--socket", &socket];
    let _agent = agent(&common, 1);
    let args = [
        "identity",
        "validate",
        &file,
        "--unproven",
        "--socket",
        &socket,
    ];
    check(
        &args,
        2,
        "start what serves it with --experimental wit-svid",
    );
}
