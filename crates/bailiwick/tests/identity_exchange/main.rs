//! Exchanges with servers that check what a cloud documents: the clouds themselves cannot be asked.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "a test that cannot go on ends, and not every test uses all of the shared module"
)]

mod house;
mod oauth;
#[path = "../program/mod.rs"]
mod program;

use house::{House, cloud};
use serde_json::{Value, json};

const ISSUER: &str = "https://id.a.example";
const PROVIDER: &str = "projects/12/locations/global/workloadIdentityPools/p/providers/q";

#[test]
fn tokens_become_credentials_of_clouds() {
    let house = House::new(&["--jwt-issuer", ISSUER]);

    // AWS.
    let (url, got) = cloud(
        200,
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
        <AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>wJal/r</SecretAccessKey><SessionToken>AQ==</SessionToken>\
        <Expiration>2026-11-21T23:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
    );
    let role = "arn:aws:iam::123456789012:role/shop";
    let aws = ["--cloud", "aws", "--role-arn", role, "--issuer", ISSUER];
    let text = house.exchange(
        &[&aws[..], &["--endpoint", &url, "--duration", "900"]].concat(),
        0,
        "",
    );
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        answer,
        json!({"Version": 1, "AccessKeyId": "ASIA", "SecretAccessKey": "wJal/r", "SessionToken": "AQ==", "Expiration": "2026-11-21T23:00:00Z"})
    );
    let got = got.recv().unwrap();
    assert_eq!(got.line, "POST /ask HTTP/1.1");
    let mut form = got.form();
    let token = form.remove("WebIdentityToken").unwrap();
    assert_eq!(house.judge(&token, "sts.amazonaws.com"), "ES256");
    let expected = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("DurationSeconds", "900"),
        ("RoleArn", role),
        ("RoleSessionName", "a.example-ns-shop-sa-web"),
        ("Version", "2011-06-15"),
    ];
    assert_eq!(
        form,
        expected
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    );

    // Google, with a service account.
    let pool = json!({"access_token": "pool-token", "issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "token_type": "Bearer", "expires_in": 3599});
    let (url, got) = cloud(200, pool.to_string());
    let (second_url, second_got) = cloud(
        200,
        json!({"accessToken": "ya29", "expireTime": "2026-11-21T23:00:00Z"}).to_string(),
    );
    let gcp = ["--cloud", "gcp", "--provider", PROVIDER];
    let account = [
        "--service-account",
        "shop@p.iam.gserviceaccount.com",
        "--impersonation-endpoint",
        &second_url,
    ];
    let text = house.exchange(
        &[&gcp[..], &account, &["--endpoint", &url]].concat(),
        0,
        "ya29",
    );
    assert!(!text.contains("pool-token"));
    let mut form = got.recv().unwrap().form();
    let token = form.remove("subject_token").unwrap();
    house.judge(&token, &format!("https://iam.googleapis.com/{PROVIDER}"));
    let audience = format!("//iam.googleapis.com/{PROVIDER}");
    let expected = [
        ("audience", audience.as_str()),
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        (
            "requested_token_type",
            "urn:ietf:params:oauth:token-type:access_token",
        ),
        ("scope", "https://www.googleapis.com/auth/cloud-platform"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
    ];
    assert_eq!(
        form,
        expected
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    );
    let second = second_got.recv().unwrap();
    assert_eq!(second.headers["authorization"], "Bearer pool-token");
    assert_eq!(second.headers["content-type"], "application/json");
    let body: Value = serde_json::from_str(&second.body).unwrap();
    assert_eq!(
        body,
        json!({"scope": ["https://www.googleapis.com/auth/cloud-platform"], "lifetime": "3600s"})
    );
    let text = house.exchange(&[&gcp[..], &["--executable"]].concat(), 0, "");
    let executable: Value = serde_json::from_str(&text).unwrap();
    house.judge(
        executable["id_token"].as_str().unwrap(),
        &format!("https://iam.googleapis.com/{PROVIDER}"),
    );

    // Microsoft: signed by RSA, though the authority signs by ES256 otherwise.
    let (url, got) = cloud(
        200,
        json!({"token_type": "Bearer", "expires_in": 3599, "access_token": "eyJ0"}).to_string(),
    );
    let azure = ["--cloud", "azure", "--tenant", "t", "--client-id", "c"];
    let text = house.exchange(&[&azure[..], &["--endpoint", &url]].concat(), 0, "");
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&answer["accessToken"], &answer["tenant"]),
        (&json!("eyJ0"), &json!("t"))
    );
    let mut form = got.recv().unwrap().form();
    let token = form.remove("client_assertion").unwrap();
    assert_eq!(house.judge(&token, "api://AzureADTokenExchange"), "RS256");
    let expected = [
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_id", "c"),
        ("grant_type", "client_credentials"),
        ("scope", "https://management.azure.com/.default"),
    ];
    assert_eq!(
        form,
        expected
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    );

    // What is printed holds no token, and nobody is asked.
    let text = house.exchange(
        &[&azure[..], &["--print"]].concat(),
        0,
        "client_assertion=REDACTED",
    );
    assert!(
        text.contains("POST https://login.microsoftonline.com/t/oauth2/v2.0/token")
            && !text.contains("eyJ"),
        "{text}"
    );
    let text = house.exchange(
        &[&gcp[..], &account, &["--print"]].concat(),
        0,
        "Authorization: Bearer REDACTED",
    );
    assert!(
        text.contains("POST https://sts.googleapis.com/v1/token") && !text.contains("eyJ"),
        "{text}"
    );

    refusals(&house, &aws, &gcp, &azure);
}

fn refusals(house: &House, aws: &[&str], gcp: &[&str], azure: &[&str]) {
    let check = |args: &[&str], status: u16, answer: &str, part: &str| {
        let (url, got) = cloud(status, answer);
        let text = house.exchange(&[args, &["--endpoint", &url]].concat(), 2, part);
        let token = got.recv().unwrap().body;
        let token = token
            .rsplit('.')
            .next()
            .unwrap()
            .split('&')
            .next()
            .unwrap()
            .to_owned();
        assert!(!text.contains(&token), "a token is in {text}");
    };
    check(
        aws,
        403,
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>",
        "refuses (403, AccessDenied): Not authorized",
    );
    check(
        gcp,
        400,
        r#"{"error":"invalid_target","error_description":"The target service indicated by the \"audience\" parameters is invalid."}"#,
        "refuses (400, invalid_target): The target service",
    );
    check(
        azure,
        401,
        r#"{"error":"invalid_client","error_description":"AADSTS700211: No matching federated identity record found for presented assertion issuer"}"#,
        "refuses (401, invalid_client): AADSTS700211",
    );
    check(azure, 302, "", "(302) cannot be read");
    check(
        azure,
        200,
        &"x".repeat(300 * 1024),
        "sent no answer of at most 262144 bytes",
    );
    house.exchange(
        &[azure, &["--audience", "mine"]].concat(),
        2,
        "Entra takes tokens signed by RS or PS alone, and this one has ES256",
    );
    house.exchange(
        &[aws, &["--endpoint", "http://192.0.2.1/"]].concat(),
        2,
        "would carry the token in the open",
    );
    house.exchange(
        &[aws, &["--endpoint", "ftp://localhost/"]].concat(),
        2,
        "is no address",
    );
    house.exchange(&["--cloud", "aws"], 2, "--cloud aws needs --role-arn");
    house.exchange(
        &["--cloud", "azure", "--tenant", "t"],
        2,
        "needs --tenant and --client-id",
    );
    house.exchange(
        &[
            "--cloud",
            "aws",
            "--role-arn",
            "arn:aws:iam::123456789012:role/shop",
            "--issuer",
            "https://id.a.example/",
        ],
        2,
        "a cloud compares every letter",
    );
}

#[test]
fn a_token_without_an_issuer_goes_to_no_cloud() {
    let house = House::new(&[]);
    let role = [
        "--cloud",
        "aws",
        "--role-arn",
        "arn:aws:iam::123456789012:role/shop",
    ];
    house.exchange(
        &[&role[..], &["--endpoint", "http://127.0.0.1:1/"]].concat(),
        2,
        "run the authority with --jwt-issuer",
    );
}
