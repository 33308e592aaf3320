use serde_json::{Value, json};

use super::*;
use crate::KeyType;
use crate::testing::{Key, Root, domain, rsa};

fn read(json: &Value) -> Result<Bundle, BundleError> {
    Bundle::from_json(domain("td"), json.to_string().as_bytes())
}

fn check(json: &Value, expected: Result<(usize, usize), &str>) {
    let read = read(json);
    let read = read
        .as_ref()
        .map(|bundle| (bundle.x509.len(), bundle.jwt.len()))
        .map_err(ToString::to_string);
    match (&read, expected) {
        (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
        _ => assert_eq!(read, expected.map_err(str::to_owned), "{json}"),
    }
}

fn full() -> Bundle {
    let mut bundle = Bundle::new(domain("td"));
    bundle.add_x509(Root::new("td").der).unwrap();
    bundle.add_jwt("ec", Key::ec().public_key()).unwrap();
    let p384 = Key::new(KeyType::EcP384);
    bundle.add_jwt("p384", p384.public_key()).unwrap();
    bundle.add_jwt("rsa", rsa().public_key()).unwrap();
    bundle.sequence = Some(u64::MAX);
    bundle.refresh_hint = Some(60);
    bundle
}

use crate::Signer;

#[test]
fn x_8_a_certificate_as_jwk() {
    let root = Root::new("td");
    let mut bundle = Bundle::new(domain("td"));
    bundle.add_x509(root.der.clone()).unwrap();
    let jwk = &bundle.to_json()["keys"][0];
    assert_eq!(jwk["use"], "x509-svid");
    assert_eq!(jwk["kty"], "EC");
    assert_eq!(jwk.get("kid"), None);
    assert_eq!(jwk["x5c"].as_array().unwrap().len(), 1);

    let x5c = jwk["x5c"][0].clone();
    let second = crate::encoding::standard(b"no certificate");
    let with = |x5c: Value| json!({"keys": [{"use": "x509-svid", "kty": "EC", "x5c": x5c}]});
    check(&with(json!([x5c])), Ok((1, 0)));
    check(&with(json!([x5c, second])), Ok((1, 0)));
    check(&with(json!([])), Ok((0, 0)));
    check(
        &json!({"keys": [{"use": "x509-svid", "kty": "EC"}]}),
        Ok((0, 0)),
    );
    check(&with(json!([second])), Err("key 0 of the bundle: `x5c`"));
    check(&with(json!(["%"])), Err("not base64"));
    check(&with(json!(x5c)), Err("`x5c` is no list"));
}

#[test]
fn x_8_bytes_after_a_certificate() {
    let mut der = Root::new("td").der;
    der.push(0);
    let x5c = crate::encoding::standard(&der);
    check(
        &json!({"keys": [{"use": "x509-svid", "kty": "EC", "x5c": [x5c]}]}),
        Err("`x5c` holds no certificate"),
    );
    assert!(Bundle::new(domain("td")).add_x509(der).is_err());
}

#[test]
fn j_5_a_key_for_tokens_has_a_name() {
    let mut jwk = full().to_json()["keys"][1].clone();
    assert_eq!(jwk["use"], "jwt-svid");
    assert_eq!(jwk["kid"], "ec");
    check(&json!({"keys": [jwk]}), Ok((0, 1)));
    check(
        &json!({"keys": [jwk, jwk]}),
        Err("two keys have the id `ec`"),
    );
    jwk["kid"] = json!("");
    check(&json!({"keys": [jwk]}), Err("`kid` is missing"));
    jwk.as_object_mut().unwrap().remove("kid");
    check(&json!({"keys": [jwk]}), Err("`kid` is missing"));
}

#[test]
fn b_1_what_is_written_is_read_again() {
    let bundle = full();
    let json = bundle.to_json();
    assert_eq!(json["spiffe_sequence"], u64::MAX);
    assert_eq!(json["spiffe_refresh_hint"], 60);
    assert_eq!(read(&json).unwrap(), bundle);
}

#[test]
fn b_1_unknown_keys_are_left_out() {
    check(
        &json!({"keys": [
            {"use": "x509-svid-2", "kty": "EC"},
            {"kty": "RSA"},
            {"use": "jwt-svid", "kty": "OKP", "kid": "a"},
            {"use": "jwt-svid", "kty": "EC", "crv": "secp256k1", "kid": "a"},
            {"use": 5},
            7,
        ], "else": {}}),
        Ok((0, 0)),
    );
}

#[test]
fn b_1_no_keys_and_no_field_keys() {
    check(&json!({"keys": []}), Ok((0, 0)));
    assert!(read(&json!({"keys": []})).unwrap().is_empty());
    // What says nothing must not revoke everything.
    check(&json!({}), Err("`keys` is missing"));
    check(&json!({"keys": null}), Err("`keys` is missing"));
    check(&json!([]), Err("no bundle in SPIFFE format"));
    check(
        &json!({"keys": [], "spiffe_sequence": -1}),
        Err("no bundle"),
    );
}

#[test]
fn half_a_bundle_is_no_bundle() {
    let key = full().to_json()["keys"][1].clone();
    let broken = |name: &str, value: Value| {
        let mut broken = key.clone();
        broken[name] = value;
        broken["kid"] = json!("broken");
        check(&json!({"keys": [key, broken]}), Err("key 1 of the bundle"));
    };
    broken("x", json!("AA"));
    broken("y", json!("!"));
    broken("y", json!(null));
}

#[test]
fn bundles_are_bounded() {
    let keys = vec![json!({}); 1001];
    check(&json!({ "keys": keys }), Err("1001 keys in one bundle"));
    let long = vec![b' '; MAX_BUNDLE_BYTES + 1];
    assert_eq!(
        Bundle::from_json(domain("td"), &long),
        Err(BundleError::TooLong(MAX_BUNDLE_BYTES + 1))
    );
}

#[test]
fn b_2_bundle_maps() {
    let mut map = BundleMap::default();
    let mut bundle = full();
    map.insert(bundle.clone());
    map.insert(Bundle::new(domain("other")));
    let json = map.to_json();
    let again = BundleMap::from_json(json.to_string().as_bytes()).unwrap();
    assert_eq!(json["trust_domains"]["td"].get("spiffe_refresh_hint"), None);
    bundle.refresh_hint = None;
    assert_eq!(again.bundle(&domain("td")), Some(&bundle));
    assert!(again.bundle(&domain("other")).unwrap().is_empty());
    assert_eq!(again.bundle(&domain("third")), None);
}

#[test]
fn b_2_bundle_maps_with_names_twice() {
    let refused = |json: &str, part: &str| {
        let error = BundleMap::from_json(json.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    };
    refused(
        r#"{"trust_domains": {"td": {"keys": []}, "td": {"keys": []}}}"#,
        "`td` is there twice",
    );
    refused(
        r#"{"trust_domains": {"td": {"keys": []}, "TD": {"keys": []}}}"#,
        "`td` is there twice",
    );
    refused(
        r#"{"trust_domains": {"a/b": {"keys": []}}}"#,
        "`a/b` is no trust domain",
    );
    refused(r#"{}"#, "trust_domains");
}

#[test]
fn b_2_refresh_hints_of_single_bundles_are_ignored() {
    let json = r#"{"trust_domains": {"td": {"keys": [], "spiffe_refresh_hint": 1}}}"#;
    let map = BundleMap::from_json(json.as_bytes()).unwrap();
    assert_eq!(map.bundle(&domain("td")).unwrap().refresh_hint, None);
}

#[test]
fn f_7_a_bundle_answers_for_its_own_domain_alone() {
    let bundle = full();
    assert!(Anchors::x509_authorities(&bundle, &domain("td")).is_some());
    assert!(Anchors::x509_authorities(&bundle, &domain("other")).is_none());
}

#[test]
fn a_7_the_keys_for_tokens_alone() {
    let bundle = full().jwt_only();
    assert_eq!((bundle.x509.len(), bundle.jwt.len()), (0, 3));
}

#[test]
fn c_1_keys_for_other_verifiers() {
    let json = full().to_oidc_json();
    let field = |index: usize, name: &str| json["keys"][index][name].as_str().unwrap().to_owned();
    assert_eq!(json["keys"].as_array().unwrap().len(), 3);
    for (index, alg) in ["ES256", "ES384", "RS256"].into_iter().enumerate() {
        assert_eq!(field(index, "use"), "sig");
        assert_eq!(field(index, "alg"), alg);
    }
    assert_eq!(field(2, "e"), "AQAB");
}
