use bailiwick_audit::{Document, IssueRecord};
use bailiwick_identity::wit::{NewProof, Replays, Request, read};
use bailiwick_identity::{Bundle, KeyType, PublicKey, SignError, Signer};
use serde_json::Value;
use tonic::{Code, Streaming};

use super::*;
use crate::wire::{JwtBundlesRequest, WitBundlesRequest, WitsvidRequest, WitsvidResponse};

async fn wit_house(rules: Vec<Rule>) -> House {
    let options = Options {
        wit: true,
        ..Options::new(domain("td"))
    };
    house_with(rules, Arc::new(SystemClock), options).await
}

async fn open(house: &House, id: &str) -> Result<Streaming<WitsvidResponse>, Status> {
    let message = WitsvidRequest {
        spiffe_id: id.to_owned(),
    };
    let answer = house.raw().await.fetch_witsvid(request(message)).await;
    answer.map(tonic::Response::into_inner)
}

/// The first message, or how the stream ends before there is one.
async fn first(house: &House, id: &str) -> Result<WitsvidResponse, Status> {
    let message = soon(open(house, id).await?.message()).await?;
    Ok(message.expect("a message"))
}

/// The private key as it came.
struct Key(aws_lc_rs::signature::EcdsaKeyPair, PublicKey);

impl Key {
    fn of(jwk: &str) -> Self {
        let jwk: Value = serde_json::from_str(jwk).unwrap();
        let number = |name: &str| {
            use base64::Engine as _;
            let text = jwk[name].as_str().unwrap();
            let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
            engine.decode(text).unwrap()
        };
        let (signing, curve) = match jwk["crv"].as_str().unwrap() {
            "P-256" => (
                &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
                "ES256",
            ),
            _ => (
                &aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED_SIGNING,
                "ES384",
            ),
        };
        assert_eq!(jwk["alg"], curve);
        let point = [vec![4], number("x"), number("y")].concat();
        let pair = aws_lc_rs::signature::EcdsaKeyPair::from_private_key_and_public_key(
            signing,
            &number("d"),
            &point,
        );
        Self(pair.unwrap(), PublicKey::ec(&point).unwrap())
    }
}

impl Signer for Key {
    fn public_key(&self) -> &PublicKey {
        &self.1
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let random = aws_lc_rs::rand::SystemRandom::new();
        Ok(self.0.sign(&random, message).unwrap().as_ref().to_vec())
    }
}

#[tokio::test]
async fn w_2_tokens_come_with_the_keys_that_they_name() {
    let house = wit_house(vec![
        rule("a", json!({"hint": "first"})),
        rule("b", json!({"id": "/b", "keyType": "ec-p384"})),
        rule("c", json!({"id": "/c", "keyType": "rsa-2048"})),
    ])
    .await;
    let svids = first(&house, "").await.unwrap().svids;
    let ids: Vec<&str> = svids.iter().map(|svid| svid.spiffe_id.as_str()).collect();
    assert_eq!(ids, ["spiffe://td/a", "spiffe://td/b", "spiffe://td/c"]);
    assert_eq!(svids[0].hint, "first");
    let mut seen = Replays::default();
    for (svid, kind) in svids.iter().zip([
        KeyType::EcP256,
        KeyType::EcP384,
        // Keys of RSA are for certificates alone.
        KeyType::EcP256,
    ]) {
        let key = Key::of(&svid.wit_svid_key);
        assert_eq!(key.1.key_type(), kind);
        let now = SystemClock.now();
        let unproven = read(&svid.wit_svid, &*house.authority.bundle(), None, now).unwrap();
        assert!(unproven.is_of(&key.1));
        let proof = NewProof {
            wit: &svid.wit_svid,
            audience: "me",
            expires_at: now.plus(60),
            jti: "1",
        };
        let proof = proof.sign(&key).unwrap();
        let shown = Request {
            audience: &["me"],
            ..Request::default()
        };
        let proven = unproven.prove(&proof, &shown, &mut seen, now).unwrap();
        assert_eq!(proven.id.as_str(), svid.spiffe_id);
    }
    let one = first(&house, "spiffe://td/b").await.unwrap().svids;
    assert_eq!(one.len(), 1);
    let status = first(&house, "spiffe://td/d").await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    let status = first(&house, "td/a").await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn w_1_without_the_flag_the_profile_is_not_there() {
    let house = house(vec![rule("a", json!({}))]).await;
    let mut raw = house.raw().await;
    let status = raw.fetch_witsvid(request(WitsvidRequest::default())).await;
    assert_eq!(status.unwrap_err().code(), Code::Unimplemented);
    let status = raw.fetch_wit_bundles(request(WitBundlesRequest {})).await;
    assert_eq!(status.unwrap_err().code(), Code::Unimplemented);
    assert!(house.authority.bundle().wit_authorities().is_empty());
    // Nor without the header (E-2), and nobody gets anything without a rule (E-3).
    let house = wit_house(Vec::new()).await;
    let mut raw = house.raw().await;
    let bare = tonic::Request::new(WitsvidRequest::default());
    let status = raw.fetch_witsvid(bare).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let status = first(&house, "").await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn w_4_bundles_hold_keys_of_one_kind_alone() {
    let house = wit_house(vec![rule("a", json!({"federatesWith": ["partner"]}))]).await;
    let mut partner = Bundle::new(domain("partner"));
    let key = crate::keys::WorkloadKey::generate(KeyType::EcP256).unwrap();
    partner.add_wit("p", &key.public).unwrap();
    let mut federated = BundleMap::default();
    federated.insert(partner.clone());
    house.federated.send_replace(Arc::new(federated));
    let mut raw = house.raw().await;
    let wit = raw.fetch_wit_bundles(request(WitBundlesRequest {})).await;
    let wit = soon(wit.unwrap().into_inner().message()).await.unwrap();
    let wit = wit.unwrap().bundles;
    let names: Vec<&String> = wit.keys().collect();
    assert_eq!(names, ["spiffe://partner", "spiffe://td"]);
    let own = Bundle::from_json(domain("td"), wit["spiffe://td"].as_bytes()).unwrap();
    // One that signs, and one that will.
    assert_eq!(own.wit_authorities().len(), 2);
    assert_eq!(own, house.authority.bundle().wit_only());
    let jwt = raw.fetch_jwt_bundles(request(JwtBundlesRequest {})).await;
    let jwt = soon(jwt.unwrap().into_inner().message()).await.unwrap();
    let jwt = jwt.unwrap().bundles;
    let own = Bundle::from_json(domain("td"), &jwt["spiffe://td"]).unwrap();
    assert_eq!(
        (own.wit_authorities().len(), own.jwt_authorities().len()),
        (0, 2)
    );
}

#[tokio::test]
async fn wit_svids_are_recorded_renewed_and_end_with_the_identity() {
    let house = wit_house(vec![rule("a", json!({}))]).await;
    let mut stream = open(&house, "").await.unwrap();
    let one = soon(stream.message()).await.unwrap().unwrap();
    {
        let events = house.events.lock().unwrap();
        let issued: Vec<&IssueRecord> = events
            .iter()
            .filter_map(|event| match event {
                Event::Issue(record) => Some(&**record),
                _ => None,
            })
            .collect();
        let [record] = issued.as_slice() else {
            panic!("{issued:?}");
        };
        assert_eq!(record.document, Document::Wit);
        assert_eq!(record.id, "spiffe://td/a");
        assert!(record.audience.is_empty());
    }
    house.rules.send_replace(set(vec![
        rule("a", json!({})),
        rule("b", json!({"id": "/b"})),
    ]));
    let two = soon(stream.message()).await.unwrap().unwrap();
    assert_eq!((one.svids.len(), two.svids.len()), (1, 2));
    house.rules.send_replace(set(Vec::new()));
    let status = soon(stream.message()).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    // Where the log does not take the record nothing leaves.
    house.rules.send_replace(set(vec![rule("a", json!({}))]));
    house
        .log
        .closed
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let status = first(&house, "").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
}
