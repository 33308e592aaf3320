use std::time::SystemTime;

use super::*;
use crate::encoding::url;
use crate::{Signer, UnixTime, jwt};

#[test]
fn tokens_are_believed_as_go_spiffe_believes_them() {
    let seed = seed(13);
    let mut rng = Rng::new(seed);
    let mut spiffe = Spiffe::start().unwrap();
    let world = world();
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let mut comparison = Comparison::new(
        seed,
        &[
            // JWT-SVID 2.3: a key id is optional.
            (They, "token header missing key id"),
            // RFC 7519 4.1.6 gives `iat` no say in whether a token counts.
            (They, "token issued in the future"),
            // JWT-SVID 2: no other header; 3.1: a workload; RFC 7519 4.1.5: `nbf` is a number where it is there.
            (We, "and nothing else"),
            (We, "has no path: a workload has one"),
            (We, "the claim `nbf` is missing or of a wrong type"),
            (We, "the claim `iat` is missing or of a wrong type"),
        ],
    );
    for _ in 0..4_000 {
        let token = token(&mut rng, &world, now);
        let ours = jwt::validate(&token, &["us"], &world.known, UnixTime::new(now))
            .map_err(|error| error.to_string());
        let theirs = ask(
            &mut spiffe,
            "jwt",
            json!({"token": token, "audience": ["us"], "bundles": world.texts}),
        );
        if let Some((ours, theirs)) = comparison.compare(ours, theirs, &token) {
            assert_eq!(theirs["spiffeId"], ours.id.as_str(), "{token}");
            assert_eq!(theirs["expires"], ours.expires_at.seconds(), "{token}");
        }
    }
    comparison.check("tokens");
}

/// A token with a little of everything, mostly good.
fn token(rng: &mut Rng, world: &World, now: u64) -> String {
    let (kid, algorithm, key): (_, _, &dyn Signer) = if rng.chance(50) {
        ("ec", "ES256", &world.tokens)
    } else {
        ("rsa", "RS256", rsa())
    };
    let mut header = json!({"alg": algorithm, "kid": kid, "typ": "JWT"});
    let mut claims = json!({"sub": "spiffe://td/a", "aud": ["us"], "exp": now + 600, "iat": now});
    let odd = |rng: &mut Rng, values: &[Value]| rng.pick(values).clone();
    for _ in 0..rng.below(3) {
        let (object, name, value) = match rng.below(9) {
            0 => (
                &mut header,
                "alg",
                odd(
                    rng,
                    &[
                        json!("none"),
                        json!("HS256"),
                        json!("RS384"),
                        json!("PS256"),
                        json!("ES384"),
                        json!(1),
                    ],
                ),
            ),
            1 => (
                &mut header,
                "kid",
                odd(
                    rng,
                    &[
                        json!("ec"),
                        json!("rsa"),
                        json!("x"),
                        json!(""),
                        json!(7),
                        Value::Null,
                    ],
                ),
            ),
            2 => (
                &mut header,
                "typ",
                odd(
                    rng,
                    &[json!("JOSE"), json!("jwt"), json!("at+jwt"), Value::Null],
                ),
            ),
            3 => (
                &mut header,
                "crit",
                odd(rng, &[json!(["exp"]), json!([]), json!("b64")]),
            ),
            4 => (
                &mut claims,
                "sub",
                odd(
                    rng,
                    &[
                        json!("spiffe://other/a"),
                        json!("spiffe://x/a"),
                        json!("a"),
                        json!(1),
                        json!("spiffe://td"),
                        Value::Null,
                    ],
                ),
            ),
            5 => (
                &mut claims,
                "aud",
                odd(
                    rng,
                    &[
                        json!("us"),
                        json!(["them", "us"]),
                        json!("them"),
                        json!([]),
                        json!(["us", 1]),
                        json!(1),
                        Value::Null,
                    ],
                ),
            ),
            6 => (
                &mut claims,
                "exp",
                odd(
                    rng,
                    &[
                        json!(now - 600),
                        json!(now as f64 + 99.5),
                        json!("soon"),
                        json!(-1),
                        json!(1e300),
                        Value::Null,
                    ],
                ),
            ),
            7 => (
                &mut claims,
                "nbf",
                odd(
                    rng,
                    &[json!(now - 600), json!(now + 600), json!("x"), Value::Null],
                ),
            ),
            _ => (
                &mut claims,
                "iat",
                odd(rng, &[json!(now + 600), json!("x"), json!(0), Value::Null]),
            ),
        };
        if rng.chance(25)
            && let Some(fields) = object.as_object_mut()
        {
            fields.remove(name);
        } else {
            object[name] = value;
        }
    }
    let signed = format!(
        "{}.{}",
        url(header.to_string().as_bytes()),
        url(claims.to_string().as_bytes())
    );
    let mut token = format!("{signed}.{}", url(&key.sign(signed.as_bytes()).unwrap()));
    if rng.chance(4) {
        let at = rng.below(token.len());
        let with = *rng.pick::<&str>(&["A", ".", "=", "-"]);
        token.replace_range(at..=at, with);
    }
    token
}
