//! Authorization servers that take a JWT-SVID for a client secret.

use std::fs;

use bailiwick_identity::{Bundle, TrustDomain, UnixTime, jwt};
use serde_json::{Value, json};

use crate::house::{House, cloud};
use crate::program::run;

#[test]
fn c_2_a_jwt_svid_in_place_of_a_client_secret() {
    // Without an issuer: the server knows the trust domain and its bundle.
    let house = House::new(&[]);
    let issuer = "https://as.example";
    let id = "spiffe://a.example/ns/shop/sa/web";
    let judge = |token: &str| {
        let (_, bundle) = run(&["identity", "bundle", "--socket", &house.socket()]);
        let domain = TrustDomain::parse("a.example").unwrap();
        let bundle = Bundle::from_json(domain, bundle.as_bytes()).unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = UnixTime::new(now.unwrap().as_secs());
        let svid = jwt::validate(token, &[issuer], &bundle, now).unwrap();
        assert_eq!(svid.claims["sub"], id);
        // The issuer of the server alone, so that nobody else can use it.
        assert_eq!(svid.claims["aud"], json!([issuer]));
    };
    let asked = |more: &[&str], answer: Value, part: &str, expected: &[(&str, &str)]| {
        let (url, got) = cloud(200, answer.to_string());
        let args = ["--token-endpoint", &url, "--audience", issuer];
        let text = house.exchange(&[&args[..], more].concat(), 0, part);
        let mut form = got.recv().unwrap().form();
        judge(&form.remove("client_assertion").unwrap());
        let own = form
            .get("subject_token")
            .filter(|_| !more.contains(&"--subject-token-file"));
        own.into_iter().for_each(|token| judge(token));
        if own.is_some() {
            form.remove("subject_token");
        }
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
        let all = [&[("client_assertion_type", kind)], expected].concat();
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        assert_eq!(form, all.iter().map(owned).collect());
        text
    };
    let bearer = json!({"access_token": "at-1", "token_type": "Bearer", "expires_in": 300, "refresh_token": "rt"});
    let text = asked(
        &[
            "--scope",
            "read write",
            "--client-id",
            id,
            "--resource",
            "https://orders.example",
        ],
        bearer.clone(),
        "at-1",
        &[
            ("grant_type", "client_credentials"),
            ("client_id", id),
            ("scope", "read write"),
            ("resource", "https://orders.example"),
        ],
    );
    let shown: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        shown,
        json!({"access_token": "at-1", "token_type": "Bearer", "expires_in": 300})
    );

    // The token of a user for one that the workload may use in his name.
    let user = house.dir.path().join("user.token");
    fs::write(&user, "user-token\n").unwrap();
    let access = "urn:ietf:params:oauth:token-type:access_token";
    let jwt_type = "urn:ietf:params:oauth:token-type:jwt";
    let exchanged =
        json!({"access_token": "at-2", "token_type": "Bearer", "issued_token_type": access});
    let grant = "urn:ietf:params:oauth:grant-type:token-exchange";
    asked(
        &[
            "--grant",
            "token-exchange",
            "--subject-token-file",
            user.to_str().unwrap(),
            "--requested-token-type",
            access,
            "--for",
            "orders",
        ],
        exchanged.clone(),
        "at-2",
        &[
            ("grant_type", grant),
            ("subject_token", "user-token"),
            ("subject_token_type", access),
            ("requested_token_type", access),
            ("audience", "orders"),
        ],
    );
    asked(
        &["--grant", "token-exchange"],
        exchanged,
        "at-2",
        &[("grant_type", grant), ("subject_token_type", jwt_type)],
    );

    // What is printed holds no token, and nobody is asked.
    let nobody = [
        "--token-endpoint",
        "https://as.invalid/token",
        "--audience",
        issuer,
    ];
    let print = [&nobody[..], &["--grant", "token-exchange", "--print"]].concat();
    let text = house.exchange(&print, 0, "client_assertion=REDACTED");
    assert!(
        text.contains("subject_token=REDACTED") && !text.contains("eyJ"),
        "{text}"
    );

    // Wrong input.
    let (url, _got) = cloud(
        401,
        r#"{"error":"invalid_client","error_description":"unknown client"}"#,
    );
    let at = |url: &str, more: &[&str], part: &str| {
        let args = ["--token-endpoint", url, "--audience", issuer];
        house.exchange(&[&args[..], more].concat(), 2, part);
    };
    at(&url, &[], "refuses (401, invalid_client): unknown client");
    at(
        "http://192.0.2.1/",
        &[],
        "would carry the token in the open",
    );
    at(
        "https://as.invalid",
        &["--client-id", "web"],
        "is not the id of the workload",
    );
    at(
        "https://as.invalid",
        &["--resource", "orders"],
        "is no absolute address",
    );
    at(
        "https://as.invalid",
        &["--for", "orders"],
        "--for is for --grant token-exchange",
    );
    at(
        "https://as.invalid",
        &["--issuer", "x"],
        "--issuer is for clouds",
    );
    at(
        "https://as.invalid",
        &["--cloud", "aws"],
        "cannot be used with",
    );
    let missing = [
        "--grant",
        "token-exchange",
        "--subject-token-file",
        "/nonexistent",
    ];
    at("https://as.invalid", &missing, "`/nonexistent`");
    house.exchange(&["--token-endpoint", "https://as.invalid"], 2, "--audience");
    house.exchange(&[], 2, "--cloud");
}
