//! Federation with a real SPIRE, both ways.

use std::time::{Duration, Instant};

use bailiwick_testkit::janitor::free_ports;
use bailiwick_testkit::spiffe::Spiffe;
use bailiwick_testkit::spire::Spire;
use serde_json::{Value, json};

use crate::house::{House, speak};

const OURS: &str = "ours.example";
const THEIRS: &str = "spire.example";

#[test]
fn f_1_spire_and_we_federate_both_ways() {
    let dir = tempfile::tempdir().unwrap();
    let [port] = free_ports().unwrap();
    let federates = format!(
        r#"federates_with "{OURS}" {{
      bundle_endpoint_url = "https://localhost:{port}/"
      bundle_endpoint_profile "https_spiffe" {{ endpoint_spiffe_id = "spiffe://{OURS}/bailiwick/server" }}
    }}"#
    );
    let Some(mut spire) = Spire::start(THEIRS, &federates).unwrap() else {
        return;
    };
    let mut go = Spiffe::start().unwrap();
    let address = format!("127.0.0.1:{port}");
    let ours = House::start(dir.path(), OURS, THEIRS, &["--bundle-endpoint", &address]);

    // SPIRE gets our roots alone to begin with; the keys for tokens it can have of our endpoint alone.
    let mut bundle: Value = serde_json::from_str(&ours.bundle()).unwrap();
    let all = bundle["keys"].as_array().unwrap().clone();
    let roots: Vec<Value> = all
        .iter()
        .filter(|key| key["use"] == "x509-svid")
        .cloned()
        .collect();
    assert!(roots.len() < all.len());
    bundle["keys"] = json!(roots);
    bundle["spiffe_sequence"] = json!(0);
    let file = dir.path().join("roots.json");
    std::fs::write(&file, bundle.to_string()).unwrap();
    let (id, path) = (format!("spiffe://{OURS}"), file.to_str().unwrap());
    let given = [
        "bundle", "set", "-id", &id, "-path", path, "-format", "spiffe",
    ];
    spire.command(&given).unwrap();
    let refresh = ["federation", "refresh", "-id", &id];
    let start = Instant::now();
    loop {
        let outcome = spire.command(&refresh);
        let seen = spire
            .command(&["bundle", "list", "-id", &id, "-format", "spiffe"])
            .unwrap();
        let seen: Value = serde_json::from_str(&seen).unwrap();
        if seen["keys"].as_array().unwrap().len() == all.len() {
            break;
        }
        let late = start.elapsed() > Duration::from_secs(90);
        assert!(!late, "{outcome:?} {seen}\n{}", spire.log_end());
        std::thread::sleep(Duration::from_millis(200));
    }

    // We read SPIRE's.
    let theirs = spire
        .command(&["bundle", "show", "-format", "spiffe"])
        .unwrap();
    let url = format!("https://localhost:{}/", spire.bundle_endpoint().port());
    let endpoint = json!({
        "url": url, "profile": "https_spiffe", "spiffeID": format!("spiffe://{THEIRS}/spire/server"),
    });
    ours.federate(THEIRS, &endpoint, Some(&theirs));
    ours.wait_for(&mut go, THEIRS);

    // A workload of each speaks with one of the other.
    let socket = spire.agent().unwrap();
    let own = format!("spiffe://{THEIRS}/web");
    let host = format!("spiffe://{THEIRS}/host");
    let entry = [
        "entry",
        "create",
        "-parentID",
        &host,
        "-spiffeID",
        &own,
        "-selector",
        "unix:uid:0",
        "-federatesWith",
        &id,
    ];
    spire.command(&entry).unwrap();
    let start = Instant::now();
    while let Err(error) = go.ask("fetch_x509", json!({"socket": socket})) {
        let late = start.elapsed() > Duration::from_secs(90);
        assert!(!late, "{error:?}\n{}", spire.log_end());
        std::thread::sleep(Duration::from_millis(300));
    }
    let at_ours = ours.socket();
    speak(&mut go, (&at_ours, OURS), (&socket, THEIRS));
    speak(&mut go, (&socket, THEIRS), (&at_ours, OURS));
}
