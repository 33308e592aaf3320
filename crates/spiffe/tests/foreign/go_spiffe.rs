use std::time::{Duration, Instant};

use bailiwick_identity::KeyType;
use bailiwick_identity::rotation::{Policy, Purpose, Step};
use bailiwick_spiffe::Options;
use bailiwick_testkit::spiffe::Spiffe;
use serde_json::{Value, json};

use crate::house::{House, rules};

fn go() -> Spiffe {
    Spiffe::start().unwrap()
}

fn texts(list: &Value, field: &str) -> Vec<String> {
    let items = list.as_array().unwrap().iter();
    items
        .map(|item| item[field].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn it_fetches_certificates_and_tokens() {
    let house = House::with(
        &["/a", "/b"],
        Policy::DEFAULT,
        vec![KeyType::EcP256, KeyType::Rsa2048],
    );
    let (mut go, socket) = (go(), house.endpoint());
    let fetched = go.ask("fetch_x509", json!({"socket": socket})).unwrap();
    let svids = &fetched["svids"];
    assert_eq!(
        texts(svids, "spiffeId"),
        ["spiffe://td.example/a", "spiffe://td.example/b"]
    );
    assert_eq!(texts(svids, "hint"), ["/a", "/b"]);
    assert_eq!(svids[0]["dnsNames"], json!(["localhost"]));
    assert_eq!(svids[0]["chain"].as_array().unwrap().len(), 2);
    assert_eq!(
        fetched["bundles"]["td.example"].as_array().unwrap().len(),
        2
    );

    let bundle = house.authority.bundle().to_json().to_string();
    let read = json!({"trustDomain": "td.example", "text": bundle});
    let read = go.ask("bundle", read).unwrap();
    assert_eq!(read["x509"].as_array().unwrap().len(), 2);
    assert_eq!(read["jwt"].as_array().unwrap().len(), 4);
    let bundles = json!({"td.example": bundle});
    let question = json!({"chain": svids[0]["chain"], "bundles": bundles, "at": 0});
    let judged = go.ask("x509", question).unwrap();
    assert_eq!(judged["spiffeId"], "spiffe://td.example/a");

    let question = json!({"socket": socket, "audience": ["me"], "spiffeID": ""});
    let tokens = go.ask("fetch_jwt", question).unwrap();
    assert_eq!(
        texts(&tokens, "spiffeId"),
        ["spiffe://td.example/a", "spiffe://td.example/b"]
    );
    let token = &tokens[0]["token"];
    let judge =
        |audience: &str| json!({"token": token, "audience": [audience], "bundles": bundles});
    let judged = go.ask("jwt", judge("me")).unwrap();
    assert_eq!(judged["claims"]["team"], "shop");
    assert!(go.ask("jwt", judge("you")).is_err());
    let ids = go
        .ask("fetch_jwt_bundles", json!({"socket": socket}))
        .unwrap();
    assert_eq!(ids["td.example"].as_array().unwrap().len(), 4);
    let ask = |audience: &str| json!({"socket": socket, "token": token, "audience": audience});
    let valid = go.ask("validate_jwt", ask("me")).unwrap();
    assert_eq!(valid["spiffeId"], "spiffe://td.example/a");
    assert!(go.ask("validate_jwt", ask("you")).is_err());
}

#[test]
fn w_2_it_fetches_wit_svids_and_their_keys() {
    let house = House::of(&["/a", "/b"], |options| Options {
        wit: true,
        ..options
    });
    let (mut go, socket) = (go(), house.endpoint());
    let fetched = go.ask("fetch_wit", json!({"socket": socket})).unwrap();
    let svids = &fetched["svids"];
    assert_eq!(
        texts(svids, "spiffeId"),
        ["spiffe://td.example/a", "spiffe://td.example/b"]
    );
    assert_eq!(texts(svids, "hint"), ["/a", "/b"]);
    let keys = fetched["keys"]["td.example"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    assert!(keys.contains(&svids[0]["keyId"]));
    // It is no bearer (W-3), and the whole bundle is still one.
    let bundle = house.authority.bundle().to_json().to_string();
    let bundles = json!({"td.example": bundle});
    let bearer = json!({"token": svids[0]["token"], "audience": ["me"], "bundles": bundles});
    assert!(go.ask("jwt", bearer).is_err());
    let read = json!({"trustDomain": "td.example", "text": bundle});
    assert_eq!(
        go.ask("bundle", read).unwrap()["jwt"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn w_1_it_hears_that_the_profile_is_not_there() {
    let house = House::new(&["/a"]);
    let refused = go().ask("fetch_wit", json!({"socket": house.endpoint()}));
    let error = format!("{:?}", refused.unwrap_err());
    assert!(error.contains("Unimplemented"), "{error}");
}

#[test]
fn it_is_refused_without_a_rule() {
    let house = House::new(&[]);
    let refused = go().ask("fetch_x509", json!({"socket": house.endpoint()}));
    let error = format!("{:?}", refused.unwrap_err());
    assert!(error.contains("PermissionDenied"), "{error}");
}

#[test]
fn it_speaks_mutual_tls() {
    let house = House::new(&["/a"]);
    let (mut go, socket) = (go(), house.endpoint());
    let own = "id:spiffe://td.example/a";
    let listening = go
        .ask("listen", json!({"socket": socket, "accept": own}))
        .unwrap();
    let mut dial = |accept: &str| {
        let question = json!({
            "socket": socket, "accept": accept, "address": listening["address"], "message": "hello",
        });
        go.ask("dial", question)
    };
    let spoken = dial(own).unwrap();
    assert_eq!(spoken["peer"], "spiffe://td.example/a");
    let reply = spoken["reply"].as_str().unwrap();
    assert_eq!(reply.trim(), "spiffe://td.example/a hello");
    assert!(dial("id:spiffe://td.example/b").is_err());
    assert!(dial("member:other.example").is_err());
}

#[test]
fn a_2_it_hears_of_changes() {
    let house = House::new(&["/a"]);
    let mut go = go();
    let watch = go
        .ask("watch_x509", json!({"socket": house.endpoint()}))
        .unwrap()["watch"]
        .clone();
    let first = json!({"watch": watch, "after": 0, "millis": 10_000});
    assert_eq!(go.ask("updates", first).unwrap()["count"], 1);
    house.rules.send_replace(rules(&["/a", "/b"]));
    let second = json!({"watch": watch, "after": 1, "millis": 10_000});
    let heard = go.ask("updates", second).unwrap();
    assert_eq!(heard["last"]["svids"].as_array().unwrap().len(), 2);
}

/// Small numbers, so that a root comes and goes while the test runs.
const HASTY: Policy = Policy {
    refresh_hint: 1,
    propagation: 2,
    handover: 1,
    skew: 0,
    longest_life: 60,
    reissue: 3,
    root_period: 3600,
    jwt_period: 3600,
};

#[test]
fn no_handshake_fails_while_the_root_is_exchanged() {
    let house = House::with(&["/a"], HASTY, vec![KeyType::EcP256]);
    let (mut go, socket) = (go(), house.endpoint());
    let own = "id:spiffe://td.example/a";
    let listening = go
        .ask("listen", json!({"socket": socket, "accept": own}))
        .unwrap();
    let mut shakes = 0;
    let mut shake_for = |time: Duration| {
        let end = Instant::now() + time;
        while Instant::now() < end {
            let question = json!({
                "socket": socket, "accept": own, "address": listening["address"], "message": "hello",
            });
            let spoken = go.ask("dial", question);
            assert!(spoken.is_ok(), "after {shakes} handshakes: {spoken:?}");
            shakes += 1;
        }
        shakes
    };
    shake_for(Duration::from_millis(2500));
    let state = house.authority.state();
    let root = state.active(Purpose::X509).unwrap().id.clone();
    let next = state.successor(Purpose::X509).unwrap().id.clone();
    house.authority.step(Step::Activate(next.clone())).unwrap();
    shake_for(Duration::from_millis(500));
    house.authority.step(Step::Taint(root.clone())).unwrap();
    shake_for(Duration::from_millis(3500));
    house.authority.step(Step::Revoke(root.clone())).unwrap();
    let shakes = shake_for(Duration::from_millis(1000));
    assert!(shakes > 20, "{shakes} handshakes");
    let state = house.authority.state();
    assert!(state.authority(&root).is_none());
    assert_eq!(state.active(Purpose::X509).unwrap().id, next);
}
