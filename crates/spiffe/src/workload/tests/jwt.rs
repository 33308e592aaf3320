use bailiwick_identity::{Bundle, SpiffeId, jwt};
use tonic::Code;

use super::*;
use crate::wire::{JwtBundlesRequest, JwtsvidRequest, JwtsvidResponse, ValidateJwtsvidRequest};

async fn fetch(
    house: &House,
    audience: &[&str],
    spiffe_id: &str,
) -> Result<JwtsvidResponse, Status> {
    let message = JwtsvidRequest {
        audience: audience.iter().map(ToString::to_string).collect(),
        spiffe_id: spiffe_id.to_owned(),
    };
    let answer = house.raw().await.fetch_jwtsvid(request(message)).await;
    answer.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_3_an_audience_has_to_be_named() {
    let house = house(vec![rule("r", json!({}))]).await;
    let long = "x".repeat(2049);
    let many = vec!["x"; 101];
    for audience in [&[][..], &[""], &["me", ""], &[&long], &many] {
        let status = fetch(&house, audience, "").await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
    }
    assert!(fetch(&house, &["me"], "").await.is_ok());
}

#[tokio::test]
async fn a_6_all_identities_or_the_one_that_is_asked_for() {
    let two = vec![
        rule("a", json!({"hint": "first", "claims": {"team": "shop"}})),
        rule("b", json!({"id": "/b"})),
    ];
    let house = house(two).await;
    let all = fetch(&house, &["me"], "").await.unwrap().svids;
    let ids: Vec<&str> = all.iter().map(|svid| svid.spiffe_id.as_str()).collect();
    assert_eq!(ids, ["spiffe://td/a", "spiffe://td/b"]);
    assert_eq!(all[0].hint, "first");
    let (bundle, now) = (house.authority.bundle(), SystemClock.now());
    let checked = jwt::validate(&all[0].svid, &["me"], &*bundle, now).unwrap();
    assert_eq!(checked.claims["team"], "shop");
    let one = fetch(&house, &["me"], "spiffe://td/b").await.unwrap().svids;
    assert_eq!(one.len(), 1);
    let check = |id: &'static str, code: Code| {
        let house = &house;
        async move {
            let status = fetch(house, &["me"], id).await.unwrap_err();
            assert_eq!(status.code(), code, "{id}");
        }
    };
    check("spiffe://td/c", Code::PermissionDenied).await;
    check("spiffe://other/a", Code::PermissionDenied).await;
    check("td/a", Code::InvalidArgument).await;
}

#[tokio::test]
async fn a_7_jwt_bundles_hold_keys_for_tokens_alone() {
    let house = house(vec![rule("r", json!({}))]).await;
    let mut stream = house
        .raw()
        .await
        .fetch_jwt_bundles(request(JwtBundlesRequest {}))
        .await
        .unwrap()
        .into_inner();
    let message = soon(stream.message()).await.unwrap().unwrap();
    let names: Vec<&String> = message.bundles.keys().collect();
    assert_eq!(names, ["spiffe://td"]);
    let bundle = Bundle::from_json(domain("td"), &message.bundles["spiffe://td"]).unwrap();
    assert!(bundle.x509_authorities().is_empty());
    // The key that signs and the one that will.
    assert_eq!(bundle.jwt_authorities().len(), 2);
}

#[tokio::test]
async fn a_8_tokens_are_checked_in_full() {
    let house = house(vec![rule("r", json!({"claims": {"team": "shop"}}))]).await;
    let token = fetch(&house, &["me", "you"], "").await.unwrap().svids[0]
        .svid
        .clone();
    let mut client = house.client().await;
    let (id, claims) = client.validate_jwt("you", &token).await.unwrap();
    assert_eq!(id, SpiffeId::parse("spiffe://td/a").unwrap());
    assert_eq!(claims["team"], "shop");
    assert_eq!(claims["aud"], json!(["me", "you"]));
    let refused = |audience: &'static str, token: String, part: &'static str| {
        let house = &house;
        async move {
            let message = ValidateJwtsvidRequest {
                audience: audience.into(),
                svid: token,
            };
            let answer = house.raw().await.validate_jwtsvid(request(message)).await;
            let status = answer.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument);
            assert!(status.message().contains(part), "{status}");
        }
    };
    refused("them", token.clone(), "not for us").await;
    refused("", token.clone(), "no audience").await;
    refused("me", String::new(), "three parts").await;
    refused("me", format!("{token}A"), "signature").await;
    // Of a domain that the caller does not federate with nothing is said.
    let header = token.split('.').next().unwrap();
    refused("me", format!("{header}.e30.AAAA"), "`sub`").await;
}
