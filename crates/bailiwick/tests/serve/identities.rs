//! Identities for the processes of this machine, from the program that decides.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{Client, REVIEW, review};
use crate::program::{Home, verify};

const DOOR: &str = "accessReview: {mode: explain}\n";

fn home(identity: &str) -> Home {
    let home = Home::new(&["api"]);
    home.write(
        "manifests.yaml",
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}",
    );
    home.configure("127.0.0.1:0", &format!("{DOOR}identity: {identity}\n"));
    home
}

/// What `identity fetch` prints at the socket, once it is there.
fn fetched(home: &Home, part: &str) -> String {
    let socket = home.path("svid.sock");
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let output = home.run(&["identity", "fetch", "--socket", socket.to_str().unwrap()]);
        let said = String::from_utf8(output.stdout).unwrap();
        if output.status.success() && said.contains(part) {
            return said;
        }
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(Instant::now() < until, "{said}{why}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn who_decides_gives_identities_too_and_both_stand_in_one_log() {
    let home = home("{trustDomain: dev.example, data: keys, socket: svid.sock}");
    let mut program = home.serve();
    fetched(&home, "spiffe://dev.example/");
    let mode = |name: &str| home.path(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("svid.sock"), mode("keys")), (0o600, 0o700));
    let address = std::fs::read_to_string(home.path("stdout")).unwrap();
    assert!(address.contains("SPIFFE_ENDPOINT_SOCKET=unix:///"));

    let paths = json!({"nonResourceAttributes": {"path": "/x", "verb": "get"}});
    let client = Client::new(&home, &program, Some("api"));
    assert_eq!(client.post(REVIEW, &review(&paths)).status, 200);

    // What people say of the authority stands there as well, whether the program runs or not.
    let keys = home.path("keys");
    let ban = |who: &str| {
        let folder = keys.to_str().unwrap();
        let authority = ["--trust-domain", "dev.example", "--data", folder];
        let output =
            home.run(&[&["identity", "ban", who, "--why", "lost"][..], &authority].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    };
    ban("node:a");
    program.wait_for("node:a");
    assert_eq!(program.terminate(), Some(0));
    ban("node:b");
    assert!(!keys.join("log").exists());
    assert!(!home.path("svid.sock").exists());
    assert_eq!(verify(&home.log()), (true, "[]".to_owned()));
    let segments = bailiwick_store::segments(&home.log()).unwrap();
    let bytes = segments.iter().flat_map(|segment| segment.read().unwrap());
    let text = String::from_utf8(bytes.collect()).unwrap();
    let told = |part: &str| text.lines().filter(|line| line.contains(part)).count();
    assert!(
        told("spiffe://dev.example/") > 0 && told("\"/x\"") == 1,
        "{text}"
    );
    assert_eq!((told("node:a"), told("node:b")), (1, 1), "{text}");
}

#[test]
fn rules_are_read_again_and_a_broken_one_changes_nothing() {
    let home = home(
        "{trustDomain: dev.example, data: keys, socket: svid.sock, rules: [rules], defaultRule: false}",
    );
    std::fs::create_dir(home.path("rules")).unwrap();
    let rule = |id: &str| {
        let uid = std::os::unix::fs::MetadataExt::uid(&home.path("rules").metadata().unwrap());
        json!({
            "apiVersion": "bailiwick.dev/v1alpha1", "kind": "WorkloadIdentity", "metadata": {"name": "own"},
            "spec": {"selector": {"unix": {"uids": [uid]}}, "id": id},
        })
        .to_string()
    };
    home.write("rules/own.json", &rule("/one"));
    let mut program = home.serve();
    fetched(&home, "spiffe://dev.example/one");
    home.write("rules/own.json", &rule("/two"));
    program.signal("HUP");
    fetched(&home, "spiffe://dev.example/two");
    home.write("rules/own.json", "{");
    program.signal("HUP");
    program.wait_for("the rules stay as they are");
    fetched(&home, "spiffe://dev.example/two");
}

#[test]
fn what_is_wrong_with_it_is_told() {
    let check = |identity: &str, more: &[&str], expected: &str| {
        let home = home(identity);
        home.write("broken.yaml", "{apiVersion: bailiwick.dev/v1alpha1, kind: WorkloadIdentity, metadata: {name: a}, spec: {selectr: {}}}");
        home.write("svid.sock", "not a socket");
        let (config, manifests) = (home.path("serve.yaml"), home.path("manifests.yaml"));
        let mut arguments = vec!["serve", "--config", config.to_str().unwrap(), "-f"];
        arguments.push(manifests.to_str().unwrap());
        arguments.extend(more);
        let output = home.run(&arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{identity}: {said}");
        assert!(said.contains(expected), "{identity}: {said}");
    };
    check(
        "{trustDomain: 'a b'}",
        &["--check"],
        "`identity.trustDomain`: ",
    );
    check(
        "{domain: a.example}",
        &["--check"],
        "`identity.domain`: unknown field",
    );
    check(
        "{data: keys, rules: [nowhere.yaml]}",
        &["--check"],
        "nowhere.yaml` cannot be read",
    );
    check(
        "{data: keys, rules: [broken.yaml]}",
        &["--check"],
        "broken.yaml",
    );
    check("{data: keys, socket: svid.sock}", &[], "svid.sock");
}
