use super::*;

#[test]
fn the_bundle_holds_what_is_published() {
    let root = Root::new("td");
    let jwt = Key::ec();
    let new = |number: u8, purpose, public: Vec<u8>| NewAuthority {
        id: id(number),
        purpose,
        not_after: NOW.plus(1_000_000),
        public,
        upstream: false,
    };
    let ec = Purpose::Jwt(KeyType::EcP256);
    let keys = vec![
        new(0, Purpose::X509, root.der.clone()),
        new(1, ec, jwt.public_key().spki()),
    ];
    let state = State::birth(domain("td"), keys, NOW);
    let next = Key::ec();
    let state = state
        .apply(
            Step::Prepare(new(2, ec, next.public_key().spki())),
            NOW,
            &POLICY,
        )
        .unwrap();
    let bundle = state.bundle(&POLICY).unwrap();
    assert_eq!(bundle.x509_authorities(), [root.der]);
    assert_eq!(bundle.jwt_authorities().len(), 1);
    assert_eq!(bundle.jwt_authorities()[0].kid(), id(1).as_str());
    assert_eq!(bundle.sequence, Some(1));
    let state = state.apply(Step::Publish(id(2)), NOW, &POLICY).unwrap();
    assert_eq!(state.bundle(&POLICY).unwrap().jwt_authorities().len(), 2);
}

#[test]
fn states_are_stored_and_read() {
    let state = World::new().state;
    let json = state.to_json();
    assert_eq!(
        State::from_json(json.to_string().as_bytes()).unwrap(),
        state
    );
    let refused = |change: fn(&mut serde_json::Value), part: &str| {
        let mut other = json.clone();
        change(&mut other);
        let error = State::from_json(other.to_string().as_bytes()).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    };
    refused(|json| json["format"] = 2.into(), "format 2");
    refused(|json| json["else"] = 2.into(), "unknown field");
    refused(|json| json["domain"] = "".into(), "trust domain is empty");
    let twice = |json: &mut serde_json::Value| {
        let first = json["authorities"][0].clone();
        json["authorities"].as_array_mut().unwrap().push(first);
    };
    refused(twice, "two keys have one name");
    refused(
        |json| {
            let mut first = json["authorities"][0].clone();
            first["id"] = "other".into();
            json["authorities"].as_array_mut().unwrap().push(first);
        },
        "two keys sign for one purpose",
    );
    let _: &TrustDomain = state.trust_domain();
}
