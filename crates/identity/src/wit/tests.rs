mod proofs;

use serde_json::{Value, json};

use super::*;
use crate::encoding::url;
use crate::testing::{Key, NOW, domain, rsa};
use crate::{Bundle, BundleError, BundleMap, KeyType, Signer, SpiffeId, UnixTime, jwt};

/// A domain that signs WIT-SVIDs, and a workload.
struct Case {
    issuer: Key,
    holder: Key,
    bundle: Bundle,
    /// What it was given.
    wit: String,
}

impl Case {
    fn new() -> Self {
        let issuer = Key::ec();
        let mut bundle = Bundle::new(domain("td"));
        bundle.add_wit("k1", issuer.public_key()).unwrap();
        let holder = Key::ec();
        let id = SpiffeId::parse("spiffe://td/a").unwrap();
        let wit = NewWit {
            id: &id,
            key: holder.public_key(),
            not_before: NOW.minus(60),
            expires_at: NOW.plus(600),
            jti: "n1",
        };
        let wit = sign(&wit, "k1", &issuer).unwrap();
        Self {
            issuer,
            holder,
            bundle,
            wit,
        }
    }

    fn claims(&self) -> Value {
        part(&self.wit, 1)
    }

    /// A WIT-SVID with any header and claims, signed as it should be.
    fn token(&self, header: &Value, claims: &Value) -> String {
        signed(&self.issuer, header, claims)
    }

    fn check(&self, token: &str, expected: Result<(), &str>) {
        same(
            &read(token, &self.bundle, None, NOW).map(|_| ()),
            expected,
            token,
        );
    }

    fn header(&self, change: impl Fn(&mut Value), expected: Result<(), &str>) {
        let mut header = header();
        change(&mut header);
        self.check(&self.token(&header, &self.claims()), expected);
    }

    fn claim(&self, change: impl Fn(&mut Value), expected: Result<(), &str>) {
        let mut claims = self.claims();
        change(&mut claims);
        self.check(&self.token(&header(), &claims), expected);
    }

    /// A proof with any header and claims, signed by the holder.
    fn proof(&self, change: impl Fn(&mut Value, &mut Value)) -> (String, String) {
        let wit = self.wit.clone();
        let mut header = json!({"alg": "ES256", "typ": "wpt+jwt"});
        let mut claims = json!({
            "aud": "https://me/path", "exp": NOW.plus(30).seconds(), "jti": "p1", "wth": hash(&wit),
        });
        change(&mut header, &mut claims);
        let proof = signed(&self.holder, &header, &claims);
        (wit, proof)
    }

    fn prove(&self, change: impl Fn(&mut Value, &mut Value), expected: Result<(), &str>) {
        self.prove_with(&Request::default(), change, expected);
    }

    fn prove_with(
        &self,
        request: &Request<'_>,
        change: impl Fn(&mut Value, &mut Value),
        expected: Result<(), &str>,
    ) {
        let (wit, proof) = self.proof(change);
        let request = Request {
            audience: &["https://me/path", "https://me/other"],
            ..request.clone()
        };
        let unproven = read(&wit, &self.bundle, None, NOW).unwrap();
        let proven = unproven.prove(&proof, &request, &mut Replays::default(), NOW);
        if let Ok(svid) = &proven {
            assert_eq!(svid.id.as_str(), "spiffe://td/a");
        }
        same(&proven.map(|_| ()), expected, &proof);
    }
}

fn header() -> Value {
    json!({"alg": "ES256", "kid": "k1", "typ": "wit+jwt"})
}

fn signed(key: &Key, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| url(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = key.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", url(&signature))
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&crate::encoding::from_url(part).unwrap()).unwrap()
}

fn same<E: std::fmt::Display + std::fmt::Debug>(
    actual: &Result<(), E>,
    expected: Result<(), &str>,
    about: &str,
) {
    match (actual, expected) {
        (Ok(()), Ok(())) => {}
        (Err(error), Err(part)) => {
            let error = error.to_string();
            assert!(error.contains(part), "{error} instead of {part}: {about}");
        }
        _ => panic!("{actual:?} instead of {expected:?}: {about}"),
    }
}

#[test]
fn w_1_the_header_says_type_key_and_algorithm() {
    let case = Case::new();
    assert_eq!(part(&case.wit, 0), header());
    case.check(&case.wit, Ok(()));
    // What is not known is ignored, unless it has to be understood.
    case.header(|header| header["x"] = json!(1), Ok(()));
    case.header(|header| header["crit"] = json!(["x"]), Err("crit"));
    for typ in [json!("JWT"), json!("WIT+JWT"), json!("wpt+jwt"), json!(7)] {
        case.header(|header| header["typ"] = typ.clone(), Err("no WIT-SVID"));
    }
    let without = |name: &str| {
        let mut header = header();
        header.as_object_mut().unwrap().remove(name);
        case.token(&header, &case.claims())
    };
    case.check(&without("typ"), Err("no WIT-SVID"));
    case.check(&without("kid"), Err("`kid` is missing"));
    case.check(&without("alg"), Err("`alg` in the header"));
    case.header(|header| header["kid"] = json!(""), Err("`kid` is missing"));
    case.header(|header| header["kid"] = json!("K1"), Err("no key `K1`"));
    for algorithm in ["none", "HS256", "EdDSA", "ES256K", "es256"] {
        let wrong = |header: &mut Value| header["alg"] = json!(algorithm);
        case.header(wrong, Err("`alg` in the header"));
    }
    // A key signs by its own algorithm.
    case.header(|header| header["alg"] = json!("ES384"), Err("signature"));
}

#[test]
fn w_1_each_kind_of_key_signs_and_is_bound() {
    let id = SpiffeId::parse("spiffe://td/a").unwrap();
    let p384 = Key::new(KeyType::EcP384);
    let p256 = Key::ec();
    let keys: [(&Key, &str); 3] = [(&p256, "ES256"), (&p384, "ES384"), (rsa(), "RS256")];
    for (issuer, algorithm) in keys {
        for (holder, bound) in keys {
            let wit = NewWit {
                id: &id,
                key: holder.public_key(),
                not_before: NOW,
                expires_at: NOW.plus(60),
                jti: "n",
            };
            let token = sign(&wit, "k", issuer).unwrap();
            let mut bundle = Bundle::new(domain("td"));
            bundle.add_wit("k", issuer.public_key()).unwrap();
            assert_eq!(part(&token, 0)["alg"], algorithm);
            assert_eq!(part(&token, 1)["cnf"]["jwk"]["alg"], bound);
            let unproven = read(&token, &bundle, None, NOW).unwrap();
            assert!(unproven.is_of(holder.public_key()));
            assert!(!unproven.is_of(Key::ec().public_key()));
            let proof = NewProof {
                wit: &token,
                audience: "me",
                expires_at: NOW.plus(10),
                jti: "p",
            };
            let proof = proof.sign(holder).unwrap();
            let request = Request {
                audience: &["me"],
                ..Request::default()
            };
            let mut seen = Replays::default();
            let proven = unproven.prove(&proof, &request, &mut seen, NOW);
            assert_eq!(proven.unwrap().id, id, "{algorithm} {bound}");
        }
    }
}

#[test]
fn w_2_subject_end_and_key_and_no_audience() {
    let case = Case::new();
    let claims = case.claims();
    let names: Vec<&String> = claims.as_object().unwrap().keys().collect();
    assert_eq!(names, ["sub", "exp", "nbf", "iat", "jti", "cnf"]);
    case.claim(|claims| claims["x"] = json!(1), Ok(()));
    case.claim(|claims| claims["iss"] = json!("td"), Ok(()));
    for aud in [json!("me"), json!([]), json!(null)] {
        case.claim(|claims| claims["aud"] = aud.clone(), Err("`aud` is there"));
    }
    for name in ["sub", "exp", "cnf"] {
        let without = |claims: &mut Value| drop(claims.as_object_mut().unwrap().remove(name));
        case.claim(without, Err(&format!("`{name}`")));
        case.claim(|claims| claims[name] = json!([]), Err(&format!("`{name}`")));
    }
    let other = |sub: &'static str| move |claims: &mut Value| claims["sub"] = json!(sub);
    case.claim(other("a"), Err("no SPIFFE ID"));
    case.claim(other("spiffe://td"), Err("no path"));
    case.claim(other("spiffe://other/a"), Err("no bundle"));
    let at = |name: &'static str, time: UnixTime| {
        move |claims: &mut Value| claims[name] = json!(time.seconds())
    };
    case.claim(at("exp", NOW), Err("ran out"));
    case.claim(at("exp", NOW.plus(1)), Ok(()));
    case.claim(at("nbf", NOW.plus(1)), Err("does not count before"));
    case.claim(at("nbf", NOW), Ok(()));
    // It is for those who read logs (WIT-SVID 3.6).
    case.claim(at("iat", NOW.plus(60)), Ok(()));
    case.claim(|claims| claims["iat"] = json!("now"), Err("`iat`"));
    let token = case.wit.clone();
    let (rest, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{rest}.{}", url(&Key::ec().sign(rest.as_bytes()).unwrap()));
    case.check(&forged, Err("signature"));
}

#[test]
fn w_2_the_key_of_the_holder() {
    let case = Case::new();
    let jwk = |name: &'static str, value: Value| {
        move |claims: &mut Value| claims["cnf"]["jwk"][name] = value.clone()
    };
    for algorithm in [json!("none"), json!("HS256"), json!("EdDSA"), json!(1)] {
        case.claim(jwk("alg", algorithm), Err("`alg` in the key"));
    }
    let without = |claims: &mut Value| {
        drop(claims["cnf"]["jwk"].as_object_mut().unwrap().remove("alg"));
    };
    case.claim(without, Err("`alg` in the key"));
    case.claim(jwk("alg", json!("RS256")), Err("another kind of key"));
    case.claim(jwk("alg", json!("ES384")), Err("another kind of key"));
    case.claim(jwk("crv", json!("P-384")), Err("as long as the curve"));
    case.claim(jwk("kty", json!("oct")), Err("known curve"));
    case.claim(jwk("d", json!("AA")), Err("private key"));
    case.claim(jwk("x", json!("=")), Err("base64url"));
    case.claim(
        |claims| claims["cnf"] = json!({"jku": "https://x"}),
        Err("`cnf`"),
    );
    case.claim(|claims| claims["cnf"]["jwk"] = json!("x"), Err("`cnf`"));
}

#[test]
fn w_2_what_is_no_wit_svid_is_not_made() {
    let case = Case::new();
    let root = SpiffeId::parse("spiffe://td").unwrap();
    let id = SpiffeId::parse("spiffe://td/a").unwrap();
    let check = |id: &SpiffeId, life: u64, expected: &str| {
        let wit = NewWit {
            id,
            key: case.holder.public_key(),
            not_before: NOW,
            expires_at: NOW.plus(life),
            jti: "n",
        };
        same(
            &sign(&wit, "k1", &case.issuer).map(|_| ()),
            Err(expected),
            "",
        );
    };
    check(&root, 60, "no path");
    check(&id, 0, "not live");
}

#[test]
fn w_3_no_bearer_is_believed() {
    let case = Case::new();
    let wit = case.wit.clone();
    // Also where the same key were to sign both kinds, and with an audience in it.
    let mut bundle = Bundle::new(domain("td"));
    bundle.add_jwt("k1", case.issuer.public_key()).unwrap();
    let mut claims = case.claims();
    claims["aud"] = json!("me");
    for token in [wit.clone(), case.token(&header(), &claims)] {
        let error = jwt::validate(&token, &["me"], &bundle, NOW).unwrap_err();
        assert!(error.to_string().contains("`wit+jwt`"), "{error}");
    }
    // A key for the one kind is none for the other.
    let plain = case.token(&json!({"alg": "ES256", "kid": "k1", "typ": "JWT"}), &claims);
    let error = jwt::validate(&plain, &["me"], &case.bundle, NOW).unwrap_err();
    assert!(error.to_string().contains("no key `k1`"), "{error}");
    let error = read(&wit, &bundle, None, NOW).unwrap_err();
    assert!(error.to_string().contains("no key `k1`"), "{error}");
}

#[test]
fn w_4_keys_have_names_that_no_other_key_has() {
    let case = Case::new();
    let json = case.bundle.to_json();
    let jwk = &json["keys"][0];
    assert_eq!(
        (&jwk["use"], &jwk["kid"]),
        (&json!("wit-svid"), &json!("k1"))
    );
    let of = |keys: Value| {
        let text = json!({"keys": keys}).to_string();
        Bundle::from_json(domain("td"), text.as_bytes())
    };
    assert_eq!(of(json["keys"].clone()), Ok(case.bundle.clone()));
    let mut other = jwk.clone();
    other["kid"] = json!("k2");
    let both = of(json!([jwk, other])).unwrap();
    assert_eq!(both.wit_authorities().len(), 2);
    assert_eq!(both.jwt_only().wit_authorities().len(), 0);
    assert_eq!(both.wit_only(), both);
    let mut token_key = jwk.clone();
    token_key["use"] = json!("jwt-svid");
    let twice = Err(BundleError::DuplicateKid("k1".into()));
    assert_eq!(of(json!([jwk, jwk])), twice);
    assert_eq!(of(json!([jwk, token_key])), twice);
    assert_eq!(of(json!([token_key, jwk])), twice);
    let mut nameless = jwk.clone();
    nameless.as_object_mut().unwrap().remove("kid");
    assert!(
        of(json!([nameless]))
            .unwrap_err()
            .to_string()
            .contains("`kid`")
    );
    // Whoever knows OpenID Connect never hears of them.
    assert_eq!(case.bundle.to_oidc_json(), json!({"keys": []}));
    // Each domain has its own.
    let mut map = BundleMap::default();
    map.insert(case.bundle.clone());
    assert!(read(&case.wit, &map, None, NOW).is_ok());
    assert!(read(&case.wit, &BundleMap::default(), None, NOW).is_err());
}

#[test]
fn w_5_a_receiver_may_limit_the_life() {
    let case = Case::new();
    let check = |token: &str, longest, expected| {
        let checked = read(token, &case.bundle, Some(longest), NOW);
        same(&checked.map(|_| ()), expected, token);
    };
    check(&case.wit, 660, Ok(()));
    check(&case.wit, 659, Err("longer than 659 seconds"));
    let mut claims = case.claims();
    claims.as_object_mut().unwrap().remove("nbf");
    let endless = case.token(&header(), &claims);
    check(&endless, 660, Err("from when on"));
    case.check(&endless, Ok(()));
}
