use serde_json::json;

use super::super::{JwtIssueError, Token, sign};
use super::*;
use crate::encoding::url;
use crate::testing::{Key, NOW, domain, rsa};
use crate::{Bundle, BundleMap, KeyType, Signer};

struct Case {
    key: Key,
    bundle: Bundle,
}

impl Case {
    fn new() -> Self {
        let key = Key::ec();
        let mut bundle = Bundle::new(domain("td"));
        bundle.add_jwt("k1", key.public_key()).unwrap();
        Self { key, bundle }
    }

    /// A signed token of any header and claims.
    fn token(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| url(value.to_string().as_bytes());
        self.raw(&format!("{}.{}", part(header), part(claims)))
    }

    fn raw(&self, signed: &str) -> String {
        let signature = self.key.sign(signed.as_bytes()).unwrap();
        format!("{signed}.{}", url(&signature))
    }

    fn header(&self, header: &Value, expected: Result<(), &str>) {
        self.check(&self.token(header, &claims()), expected);
    }

    fn claim(&self, name: &str, value: Value, expected: Result<(), &str>) {
        let mut claims = claims();
        claims[name] = value;
        self.check(&self.token(&header(), &claims), expected);
    }

    fn without(&self, name: &str, expected: Result<(), &str>) {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        self.check(&self.token(&header(), &claims), expected);
    }

    fn check(&self, token: &str, expected: Result<(), &str>) {
        let checked = validate(token, &["me", "also-me"], &self.bundle, NOW);
        match (&checked, expected) {
            (Ok(svid), Ok(())) => assert_eq!(svid.id.as_str(), "spiffe://td/a"),
            (Err(error), Err(part)) => {
                let error = error.to_string();
                assert!(error.contains(part), "{error}");
            }
            _ => panic!("{checked:?} instead of {expected:?}"),
        }
    }
}

fn header() -> Value {
    json!({"alg": "ES256", "kid": "k1", "typ": "JWT"})
}

fn claims() -> Value {
    json!({"sub": "spiffe://td/a", "aud": ["you", "me"], "exp": NOW.plus(60).seconds()})
}

#[test]
fn j_1_compact_form_only() {
    let case = Case::new();
    let token = case.token(&header(), &claims());
    case.check(&token, Ok(()));
    let part = |index: usize| token.split('.').nth(index).unwrap().to_owned();
    let (header, claims, signature) = (part(0), part(1), part(2));
    let json = json!({"protected": header, "payload": claims, "signature": signature});
    case.check(&json.to_string(), Err("three parts"));
    case.check("", Err("three parts"));
    case.check(&format!("{header}.{claims}"), Err("three parts"));
    case.check(&format!("{token}.a.b"), Err("three parts"));
    case.check(&format!(".{claims}.{signature}"), Err("three parts"));
    case.check(
        &format!("{token}="),
        Err("signature of the token is not base64url"),
    );
    case.check(
        &format!("{header}=.{claims}.{signature}"),
        Err("header of the token"),
    );
    case.check(&format!(" {token}"), Err("header of the token"));
    case.check(&format!("{token}\n"), Err("signature of the token"));
}

#[test]
fn j_2_header_fields() {
    let case = Case::new();
    case.header(&json!({"alg": "ES256", "kid": "k1"}), Ok(()));
    case.header(&json!({"alg": "ES256"}), Ok(()));
    case.header(&json!({"alg": "ES256", "typ": "JOSE"}), Ok(()));
    for typ in ["jwt", "at+jwt", "wit+jwt", ""] {
        case.header(&json!({"alg": "ES256", "typ": typ}), Err("`typ` is"));
    }
    let refused = |name: &str, value: Value| {
        let mut header = header();
        header[name] = value;
        case.header(&header, Err("`alg`, `kid` and `typ`"));
    };
    refused("crit", json!(["b64"]));
    refused("jku", json!("https://example.com/keys"));
    refused("jwk", json!({}));
    refused("x5u", json!("https://example.com/keys"));
    refused("cty", json!("JWT"));
    refused("kid", json!(7));
    refused("kid", json!(null));
    case.header(&json!({"kid": "k1"}), Err("`alg`, `kid` and `typ`"));
    case.header(&json!([]), Err("header of the token is no JSON object"));
}

#[test]
fn j_2_header_fields_twice() {
    let case = Case::new();
    let claims = url(claims().to_string().as_bytes());
    let header = url(br#"{"alg":"ES256","alg":"none"}"#);
    case.check(
        &case.raw(&format!("{header}.{claims}")),
        Err("has a key twice"),
    );
    let header = url(br#"{"alg":"ES256"}"#);
    let twice = url(br#"{"sub":"spiffe://td/a","sub":"spiffe://td/b"}"#);
    case.check(
        &case.raw(&format!("{header}.{twice}")),
        Err("has a key twice"),
    );
}

#[test]
fn j_3_algorithms() {
    let case = Case::new();
    for name in [
        "none", "None", "HS256", "HS512", "EdDSA", "ES256K", "es256", "", "RS1",
    ] {
        let expected = format!("`{name}` signs no JWT-SVID");
        case.header(&json!({"alg": name, "kid": "k1"}), Err(&expected));
    }
    // Known algorithms with a key of another family or curve.
    for name in ["RS256", "PS256", "ES384", "ES512"] {
        case.header(&json!({"alg": name, "kid": "k1"}), Err("signature"));
    }
}

#[test]
fn j_3_each_kind_of_key_signs() {
    let (p256, p384) = (Key::ec(), Key::new(KeyType::EcP384));
    let mut bundle = Bundle::new(domain("td"));
    let keys = [("p256", &p256), ("p384", &p384), ("rsa", rsa())];
    for (kid, key) in keys {
        bundle.add_jwt(kid, key.public_key()).unwrap();
    }
    for (kid, key) in keys {
        let token = sign(&token(), kid, key).unwrap();
        assert!(validate(&token, &["me"], &bundle, NOW).is_ok(), "{kid}");
    }
    let wrong = sign(&token(), "p384", &p256).unwrap();
    assert_eq!(
        validate(&wrong, &["me"], &bundle, NOW),
        Err(JwtError::Signature(domain("td")))
    );
}

#[test]
fn j_3_the_public_key_is_no_shared_secret() {
    let case = Case::new();
    let part = |value: &Value| url(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(&json!({"alg": "HS256"})), part(&claims()));
    let secret =
        aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &case.key.public_key().spki());
    let tag = aws_lc_rs::hmac::sign(&secret, signed.as_bytes());
    case.check(
        &format!("{signed}.{}", url(tag.as_ref())),
        Err("`HS256` signs no"),
    );
}

#[test]
fn j_4_subject() {
    let case = Case::new();
    case.without("sub", Err("claim `sub`"));
    case.claim("sub", json!(7), Err("claim `sub`"));
    case.claim("sub", json!("alice"), Err("no SPIFFE ID"));
    case.claim("sub", json!("spiffe://td"), Err("has no path"));
}

#[test]
fn j_4_audience() {
    let case = Case::new();
    case.without("aud", Err("claim `aud`"));
    case.claim("aud", json!([]), Err("claim `aud`"));
    case.claim("aud", json!(["me", 7]), Err("claim `aud`"));
    case.claim("aud", json!("me"), Ok(()));
    case.claim("aud", json!(["x", "also-me"]), Ok(()));
    case.claim("aud", json!(["x", "y"]), Err("for `x`, `y`, not for us"));
    case.claim("aud", json!("ME"), Err("not for us"));
    let token = case.token(&header(), &claims());
    for own in [&[][..], &[""][..]] {
        assert_eq!(
            validate(&token, own, &case.bundle, NOW),
            Err(JwtError::NoOwnAudience)
        );
    }
}

#[test]
fn j_4_expiry() {
    let case = Case::new();
    let now = NOW.seconds();
    case.without("exp", Err("claim `exp`"));
    case.claim("exp", json!("soon"), Err("claim `exp`"));
    case.claim("exp", json!(-1), Err("claim `exp`"));
    case.claim("exp", json!(null), Err("claim `exp`"));
    case.claim("exp", json!(now + 1), Ok(()));
    case.claim("exp", json!(now as f64 + 1.5), Ok(()));
    case.claim("exp", json!(now), Err("ran out"));
    case.claim("exp", json!(now - 1), Err("ran out"));
    case.claim("exp", json!(1e300), Err("claim `exp`"));
    case.claim("nbf", json!(now), Ok(()));
    case.claim("nbf", json!(now + 1), Err("does not count before"));
    case.claim("nbf", json!("x"), Err("claim `nbf`"));
}

#[test]
fn j_5_only_keys_of_the_own_domain() {
    let case = Case::new();
    case.header(
        &json!({"alg": "ES256", "kid": "k2"}),
        Err("the bundle of `td` has no key `k2`"),
    );
    case.claim(
        "sub",
        json!("spiffe://other/a"),
        Err("no bundle of the trust domain `other`"),
    );
    // A federated domain cannot speak for ours, with or without the name of its key.
    let theirs = Key::ec();
    let mut bundles = BundleMap::default();
    bundles.insert(case.bundle.clone());
    let mut other = Bundle::new(domain("other"));
    other.add_jwt("k2", theirs.public_key()).unwrap();
    bundles.insert(other);
    let forger = Case {
        key: theirs,
        bundle: Bundle::new(domain("other")),
    };
    for header in [
        header(),
        json!({"alg": "ES256", "kid": "k2"}),
        json!({"alg": "ES256"}),
    ] {
        let token = forger.token(&header, &claims());
        assert!(validate(&token, &["me"], &bundles, NOW).is_err());
    }
}

#[test]
fn b_1_an_empty_bundle_revokes_every_token() {
    let case = Case::new();
    let token = case.token(&json!({"alg": "ES256"}), &claims());
    assert!(validate(&token, &["me"], &case.bundle, NOW).is_ok());
    assert!(validate(&token, &["me"], &Bundle::new(domain("td")), NOW).is_err());
}

#[test]
fn no_change_of_a_token_passes() {
    let case = Case::new();
    let token = case.token(&header(), &claims());
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(
            validate(&changed, &["me"], &case.bundle, NOW).is_err(),
            "byte {at}"
        );
    }
    let long = format!("{token}{}", "A".repeat(super::super::MAX_TOKEN_BYTES));
    case.check(&long, Err("the most is 16384"));
}

fn token() -> Token<'static> {
    static CLAIMS: std::sync::OnceLock<(SpiffeId, Vec<String>, Map<String, Value>)> =
        std::sync::OnceLock::new();
    let (id, audience, claims) = CLAIMS.get_or_init(|| {
        let claims = json!({"team": "shop"}).as_object().unwrap().clone();
        (
            SpiffeId::parse("spiffe://td/a").unwrap(),
            vec!["me".into()],
            claims,
        )
    });
    Token {
        id,
        audience,
        issuer: Some("https://td.example"),
        issued_at: NOW,
        expires_at: NOW.plus(300),
        jti: "0001",
        claims,
    }
}

#[test]
fn what_is_signed_says_everything() {
    let case = Case::new();
    let signed = sign(&token(), "k1", &case.key).unwrap();
    let svid = validate(&signed, &["me"], &case.bundle, NOW).unwrap();
    assert_eq!(
        Value::Object(svid.claims),
        json!({
            "sub": "spiffe://td/a", "aud": ["me"], "exp": NOW.plus(300).seconds(),
            "iat": NOW.seconds(), "jti": "0001", "iss": "https://td.example", "team": "shop",
        })
    );
    let header = signed.split('.').next().unwrap();
    let header = crate::encoding::from_url(header).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&header).unwrap(),
        json!({"alg": "ES256", "kid": "k1", "typ": "JWT"})
    );
}

#[test]
fn j_4_tokens_that_are_not_signed() {
    let key = Key::ec();
    let check = |change: &dyn Fn(&mut Token<'static>), expected: JwtIssueError| {
        let mut token = token();
        change(&mut token);
        assert_eq!(sign(&token, "k1", &key), Err(expected));
    };
    check(&|token| token.audience = &[], JwtIssueError::NoAudience);
    check(&|token| token.expires_at = NOW, JwtIssueError::Dead);
    let domain = Box::leak(Box::new(SpiffeId::parse("spiffe://td").unwrap()));
    check(
        &|token| token.id = domain,
        JwtIssueError::NoPath(domain.clone()),
    );
    for name in super::super::RESERVED_CLAIMS {
        let claims = json!({name: "x"}).as_object().unwrap().clone();
        let claims: &'static _ = Box::leak(Box::new(claims));
        check(
            &|token| token.claims = claims,
            JwtIssueError::ReservedClaim(name.to_owned()),
        );
    }
}
