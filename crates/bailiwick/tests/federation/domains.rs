//! Two trust domains of ours, one known by its SVID, one by a certificate of the web.

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
            std::thread::sleep(std::time::Duration::from_millis(100));
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
