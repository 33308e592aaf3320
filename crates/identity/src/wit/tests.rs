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

#[test]
fn w_6_a_proof_is_for_this_wit_and_this_receiver() {
    let case = Case::new();
    case.prove(|_, _| {}, Ok(()));
    case.prove(
        |_, claims| claims["aud"] = json!(["x", "https://me/other"]),
        Ok(()),
    );
    case.prove(
        |header, _| header["typ"] = json!("application/WPT+jwt"),
        Ok(()),
    );
    case.prove(|_, claims| claims["x"] = json!(1), Ok(()));
    case.prove(|header, _| header["typ"] = json!("JWT"), Err("no proof"));
    case.prove(
        |header, _| header["typ"] = json!("wit+jwt"),
        Err("no proof"),
    );
    case.prove(|header, _| header["crit"] = json!(["x"]), Err("crit"));
    case.prove(
        |header, _| header["alg"] = json!("ES384"),
        Err("not `ES256`"),
    );
    case.prove(
        |header, _| header["alg"] = json!("none"),
        Err("not `ES256`"),
    );
    for name in ["aud", "exp", "jti", "wth"] {
        let without =
            |_: &mut Value, claims: &mut Value| drop(claims.as_object_mut().unwrap().remove(name));
        case.prove(without, Err(&format!("`{name}`")));
    }
    case.prove(
        |_, claims| claims["aud"] = json!("https://you"),
        Err("for others"),
    );
    case.prove(
        |_, claims| claims["aud"] = json!("https://me/path?q"),
        Err("for others"),
    );
    case.prove(|_, claims| claims["aud"] = json!([1]), Err("`aud`"));
    case.prove(
        |_, claims| claims["wth"] = json!(hash("x")),
        Err("another WIT-SVID"),
    );
    case.prove(
        |_, claims| claims["jti"] = json!("j".repeat(257)),
        Err("`jti`"),
    );
    let at = |name: &'static str, time: UnixTime| {
        move |_: &mut Value, claims: &mut Value| claims[name] = json!(time.seconds())
    };
    case.prove(at("exp", NOW), Err("ran out"));
    case.prove(at("exp", NOW.plus(MAX_PROOF_SECONDS)), Ok(()));
    case.prove(at("exp", NOW.plus(MAX_PROOF_SECONDS + 1)), Err("longer"));
    case.prove(at("nbf", NOW.plus(1)), Err("does not count before"));
    // Who stole the token and not the key.
    let (wit, proof) = case.proof(|_, _| {});
    let stolen = signed(&Key::ec(), &part(&proof, 0), &part(&proof, 1));
    let prove = |audience: &[&str], proof: &str| {
        let unproven = read(&wit, &case.bundle, None, NOW).unwrap();
        let request = Request {
            audience,
            ..Request::default()
        };
        let proven = unproven.prove(proof, &request, &mut Replays::default(), NOW);
        proven.map(|_| ())
    };
    let own = ["https://me/path"];
    assert_eq!(prove(&own, &stolen), Err(ProofError::Signature));
    assert_eq!(prove(&own, &wit), Err(ProofError::Type));
    assert_eq!(prove(&[], &proof), Err(ProofError::NoOwnAudience));
    assert_eq!(prove(&[""], &proof), Err(ProofError::NoOwnAudience));
}

#[test]
fn w_6_a_proof_names_the_tokens_beside_it() {
    let case = Case::new();
    let with = Request {
        access_token: Some("at"),
        transaction_token: Some("tt"),
        other_tokens: [("x-token", " xt ")].into(),
        ..Request::default()
    };
    let all = |_: &mut Value, claims: &mut Value| {
        claims["ath"] = json!(hash("at"));
        claims["tth"] = json!(hash("tt"));
        claims["oth"] = json!({"x-token": hash("xt")});
    };
    case.prove_with(&with, all, Ok(()));
    case.prove_with(&with, |_, _| {}, Err("`ath`"));
    case.prove(all, Err("`ath`"));
    let changed = |name: &'static str, value: Value| {
        move |header: &mut Value, claims: &mut Value| {
            all(header, claims);
            claims[name] = value.clone();
        }
    };
    case.prove_with(&with, changed("ath", json!(hash("x"))), Err("`ath`"));
    case.prove_with(&with, changed("tth", json!(7)), Err("`tth`"));
    case.prove_with(&with, changed("oth", json!({})), Err("`oth`"));
    case.prove_with(&with, changed("oth", json!([])), Err("`oth`"));
    let more = json!({"x-token": hash("xt"), "y": hash("y")});
    case.prove_with(&with, changed("oth", more), Err("`oth`"));
}

#[test]
fn w_6_a_proof_is_good_for_one_time() {
    let case = Case::new();
    let (wit, proof) = case.proof(|_, _| {});
    let mut seen = Replays::default();
    let request = Request {
        audience: &["https://me/path"],
        ..Request::default()
    };
    let mut show = |proof: &str, now: UnixTime| {
        let unproven = read(&wit, &case.bundle, None, now).unwrap();
        let shown = unproven.prove(proof, &request, &mut seen, now);
        (shown.map(|_| ()), seen.len())
    };
    assert_eq!(show(&proof, NOW), (Ok(()), 1));
    assert_eq!(show(&proof, NOW.plus(29)), (Err(ProofError::Replayed), 1));
    let ran_out = Err(ProofError::Expired(NOW.plus(30)));
    assert_eq!(show(&proof, NOW.plus(30)), (ran_out, 1));
    // The same number with another end is the same proof; another number is another.
    let (_, longer) = case.proof(|_, claims| claims["exp"] = json!(NOW.plus(40).seconds()));
    assert_eq!(show(&longer, NOW), (Err(ProofError::Replayed), 1));
    let (_, other) = case.proof(|_, claims| claims["jti"] = json!("p2"));
    assert_eq!(show(&other, NOW), (Ok(()), 2));
    // What is refused for another reason is not used up.
    let (_, wrong) = case.proof(|_, claims| {
        claims["jti"] = json!("p3");
        claims["aud"] = json!("x");
    });
    assert_eq!(show(&wrong, NOW), (Err(ProofError::Audience), 2));
    // What does not count any more is forgotten.
    let (_, late) = case.proof(|_, claims| {
        claims["jti"] = json!("p4");
        claims["exp"] = json!(NOW.plus(90).seconds());
    });
    assert_eq!(show(&late, NOW.plus(60)), (Ok(()), 1));
}

#[test]
fn no_more_proofs_are_remembered_than_there_is_room_for() {
    let mut seen = Replays::holding(3);
    let id = SpiffeId::parse("spiffe://td/a").unwrap();
    for number in ["1", "2", "3"] {
        assert!(seen.take(&id, number, NOW.plus(60), NOW).is_ok());
    }
    let full = seen.take(&id, "4", NOW.plus(60), NOW);
    assert!(matches!(full, Err(replay::Taken::Full)));
    assert_eq!(seen.len(), 3);
    // They make room again.
    assert!(seen.take(&id, "4", NOW.plus(90), NOW.plus(60)).is_ok());
    assert_eq!(seen.len(), 1);
}
