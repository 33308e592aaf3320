//! Proofs that whoever shows a WIT-SVID has its key.

use super::*;

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
