//! Two trust domains of ours, one known by its SVID, one by a certificate of the web.

use std::time::{Duration, Instant};

use bailiwick_testkit::janitor::free_ports;
use bailiwick_testkit::spiffe::Spiffe;
use serde_json::{Value, json};

use crate::house::{House, ask, speak, web_certificate};

const A: &str = "a.example";
const B: &str = "b.example";

#[test]
fn f_1_two_domains_federate_by_svid_and_by_the_web() {
    let dir = tempfile::tempdir().unwrap();
    let mut go = Spiffe::start().unwrap();
    let [port_a, port_b] = free_ports().unwrap();
    let (at_a, at_b) = (format!("127.0.0.1:{port_a}"), format!("127.0.0.1:{port_b}"));
    let (certificate, key, roots) = web_certificate(dir.path(), "web");
    let endpoint_a = ["--bundle-endpoint", at_a.as_str()];
    let a = House::start(dir.path(), A, B, &endpoint_a);
    let web = [
        "--bundle-endpoint-certificate",
        &certificate,
        "--bundle-endpoint-key",
        &key,
    ];
    let endpoint_b = [["--bundle-endpoint", at_b.as_str()].as_slice(), &web].concat();
    let b = House::start(dir.path(), B, A, &endpoint_b);

    // go-spiffe reads both.
    let url = |port: u16| format!("https://localhost:{port}/");
    let id = "spiffe://a.example/bailiwick/server";
    let read: Value = serde_json::from_str(&a.bundle()).unwrap();
    let own: Vec<&Value> = read["keys"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|key| key["use"] == "x509-svid")
        .map(|key| &key["x5c"][0])
        .collect();
    let by_svid = json!({
        "trustDomain": A, "url": url(port_a), "endpointID": id, "endpointX509": own,
    });
    let seen = go.ask("fetch_bundle", by_svid).unwrap();
    assert_eq!(seen["x509"].as_array().unwrap().len(), own.len());
    assert_eq!(seen["refreshHint"], 300);
    let by_web = json!({"trustDomain": B, "url": url(port_b), "roots": roots});
    assert!(go.ask("fetch_bundle", by_web).is_ok());
    let by_web = json!({"trustDomain": A, "url": url(port_a), "roots": roots});
    assert!(go.ask("fetch_bundle", by_web).is_err());

    // Each learns the keys of the other, and workloads of both speak with one another.
    let known_by_svid = json!({"url": url(port_a), "profile": "https_spiffe", "spiffeID": id});
    b.federate(A, &known_by_svid, Some(&a.bundle()));
    let known_by_web = json!({"url": url(port_b), "profile": "https_web", "roots": roots});
    a.federate(B, &known_by_web, None);
    a.wait_for(&mut go, B);
    b.wait_for(&mut go, A);
    let (at_a, at_b) = ((a.socket(), A), (b.socket(), B));
    speak(&mut go, (&at_a.0, at_a.1), (&at_b.0, at_b.1));
    speak(&mut go, (&at_b.0, at_b.1), (&at_a.0, at_a.1));

    // The log of each says so.
    for (house, partner) in [(&a, B), (&b, A)] {
        let record = format!("domain {partner}: ");
        let mut looks = 0;
        while !house.log().contains(&record) {
            looks += 1;
            assert!(looks < 600, "no `{record}` in {}", house.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    // Commands show the same.
    let list: Value = serde_json::from_str(&a.federation(&["list", "-o", "json"])).unwrap();
    assert_eq!(list["items"][0]["trustDomain"], B);
    assert_eq!(list["items"][0]["x509Keys"], 2);
    let shown: Value = serde_json::from_str(&a.federation(&["show", B])).unwrap();
    let theirs: Value = serde_json::from_str(&b.bundle()).unwrap();
    assert_eq!(shown["keys"], theirs["keys"]);
    let refreshed = b.federation(&["refresh", A]);
    assert!(
        refreshed.starts_with("a.example: 2 X.509 and 4 JWT keys"),
        "{refreshed}"
    );

    // What was believed last is there after a restart, though the endpoint is gone.
    drop((a, b));
    let a = House::start(dir.path(), A, B, &endpoint_a);
    a.wait_for(&mut go, B);
    let socket = a.socket();
    let all = ask(&["identity", "bundle", "--all", "--socket", &socket]);
    let all: Value = serde_json::from_str(&all).unwrap();
    assert!(all["trust_domains"].get(B).is_some(), "{all}");
}

/// A sample of `/metrics`, by its name and domain.
fn sample(operations: &str, name: &str, domain: &str) -> Option<String> {
    let url = format!("http://{operations}/metrics");
    let mut answer = ureq::get(url).call().unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    let start = format!("bailiwick_{name}{{trust_domain=\"{domain}\"}} ");
    let mut values = text.lines().filter_map(|line| line.strip_prefix(&start));
    values.next().map(str::to_owned)
}

#[test]
fn an_endpoint_that_fails_comes_back_and_is_dropped_shows_in_the_metrics() {
    const UP: &str = "federation_up";
    const FETCHED: &str = "federation_bundle_fetched_timestamp_seconds";
    let dir = tempfile::tempdir().unwrap();
    let [port, nobody, operations] = free_ports().unwrap();
    let (certificate, key, roots) = web_certificate(dir.path(), "web");
    let endpoint = format!("127.0.0.1:{port}");
    let operations = format!("127.0.0.1:{operations}");
    let b = House::start(
        dir.path(),
        B,
        A,
        &[
            "--bundle-endpoint",
            &endpoint,
            "--bundle-endpoint-certificate",
            &certificate,
            "--bundle-endpoint-key",
            &key,
        ],
    );
    let a = House::start(dir.path(), A, B, &["--operations", &operations]);
    let seen = |name: &str| sample(&operations, name, B);
    let ready = || {
        let answer = ureq::get(format!("http://{operations}/readyz")).call();
        answer.unwrap().status().as_u16()
    };
    let wait = |up: Option<&str>| {
        let end = Instant::now() + Duration::from_secs(90);
        while seen(UP).as_deref() != up {
            assert!(
                Instant::now() < end,
                "{up:?} and {:?}: {}",
                seen(UP),
                a.log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    assert_eq!((seen(UP), seen(FETCHED)), (None, None));
    let at = |port: u16| json!({"url": format!("https://localhost:{port}/"), "profile": "https_web", "roots": roots});
    // Nothing came ever: there is no age of what is not there, and own workloads are served.
    a.federate(B, &at(nobody), None);
    wait(Some("0"));
    assert_eq!((seen(FETCHED), ready()), (None, 200));
    a.federate(B, &at(port), None);
    wait(Some("1"));
    let fetched: u64 = seen(FETCHED).unwrap().parse().unwrap();
    // It is gone again: the moment stays at which the bundle came that still counts.
    drop(b);
    a.federate(B, &at(nobody), None);
    let still: u64 = seen(FETCHED).unwrap().parse().unwrap();
    assert!(still >= fetched, "{still} and {fetched}");
    // Nobody is told of a domain that is not asked any more, whether it ever answered or not.
    std::fs::remove_file(a.dir.join(format!("federation/{B}.json"))).unwrap();
    a.federate("c.example", &at(nobody), None);
    wait(None);
    assert_eq!(seen(FETCHED), None);
    let end = Instant::now() + Duration::from_secs(90);
    while sample(&operations, UP, "c.example").as_deref() != Some("0") {
        assert!(Instant::now() < end, "{}", a.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    std::fs::remove_file(a.dir.join("federation/c.example.json")).unwrap();
    a.reload();
    while sample(&operations, UP, "c.example").is_some() {
        assert!(Instant::now() < end, "{}", a.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn what_cannot_be_federated_with_is_said_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    let check = |spec: Value, expected: &str| {
        let document = json!({
            "apiVersion": "bailiwick.dev/v1alpha1", "kind": "FederatedTrustDomain",
            "metadata": {"name": "x"}, "spec": spec,
        });
        let file = dir.path().join("one.json");
        std::fs::write(&file, document.to_string()).unwrap();
        let output = std::process::Command::new(crate::house::PROGRAM)
            .args(["agent", "--embedded", "--trust-domain", A, "--data", folder])
            .args(["--federation", file.to_str().unwrap()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
    };
    let web = |url: &str| json!({"url": url, "profile": "https_web"});
    let own = json!({"trustDomain": A, "endpoint": web("https://a")});
    check(own, "own trust domain");
    let plain = json!({"trustDomain": B, "endpoint": web("http://b")});
    check(plain, "one.json:1");
    let spiffe = json!({"url": "https://b", "profile": "https_spiffe", "spiffeID": "spiffe://b/s"});
    check(json!({"trustDomain": "b", "endpoint": spiffe}), "no bundle");
}
