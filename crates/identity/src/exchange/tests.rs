mod oauth;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value as Json, json};

use super::*;
use crate::UnixTime;

/// A token that says this. Nobody here checks signatures; clouds do.
fn token(alg: &str, claims: &Json) -> Zeroizing<String> {
    let part = |json: &Json| URL_SAFE_NO_PAD.encode(json.to_string());
    let header = part(&json!({"alg": alg, "kid": "k", "typ": "JWT"}));
    Zeroizing::new(format!("{header}.{}.c2ln", part(claims)))
}

fn subject(alg: &str, id: &str) -> Subject {
    let claims = json!({"sub": id, "aud": ["you"], "iss": "https://id", "exp": 1_900_000_000u64});
    Subject::new(token(alg, &claims), "you", None).ok().unwrap()
}

fn fails<T>(outcome: Result<T, ExchangeError>, part: &str) {
    let error = outcome.err().unwrap().to_string();
    assert!(error.contains(part), "{error}");
    assert!(!error.contains("c2ln"), "the token is in {error}");
}

fn form(request: &Request) -> Vec<(String, String)> {
    let body = request.body.encode();
    let fields = body.split('&').map(|field| field.split_once('=').unwrap());
    fields
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn shown(credential: &Credential) -> Json {
    serde_json::from_str(credential.expose()).unwrap()
}

#[test]
fn c_1_the_token_is_what_a_cloud_takes() {
    let check = |claims: Json, issuer: Option<&str>, part: &str| {
        fails(Subject::new(token("ES256", &claims), "you", issuer), part);
    };
    check(
        json!({"sub": "spiffe://td/a", "aud": "you"}),
        None,
        "names no issuer",
    );
    check(
        json!({"iss": "https://id/", "aud": "you"}),
        Some("https://id"),
        "`https://id/` and not `https://id`",
    );
    check(
        json!({"iss": "https://id", "aud": ["me", "them"]}),
        None,
        "is not for `you`",
    );
    check(json!({"iss": "https://id"}), None, "is not for `you`");
    fails(
        Subject::new(Zeroizing::new("x".to_owned()), "you", None),
        "cannot be read",
    );
    let one = Subject::new(
        token("ES256", &json!({"iss": "https://id", "aud": "you"})),
        "you",
        Some("https://id"),
    );
    assert!(one.is_ok());
}

fn aws() -> Aws {
    Aws {
        role: "arn:aws:iam::123456789012:role/shop".to_owned(),
        session: None,
        seconds: None,
        region: None,
    }
}

#[test]
fn a_role_of_aws() {
    let subject = subject("ES256", "spiffe://td/ns/shop/sa/web");
    let request = aws().request(aws().endpoint(), &subject).ok().unwrap();
    assert_eq!(request.url, "https://sts.amazonaws.com/");
    let fields = form(&request);
    let expected = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", "arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fshop"),
        ("RoleSessionName", "td-ns-shop-sa-web"),
    ];
    for (field, (name, value)) in fields.iter().zip(expected) {
        assert_eq!((field.0.as_str(), field.1.as_str()), (name, value));
    }
    assert_eq!(fields[4].0, "WebIdentityToken");
    assert!(fields[4].1.ends_with(".c2ln"));
    let text = request.redacted();
    assert!(
        text.contains("WebIdentityToken=REDACTED") && !text.contains("c2ln"),
        "{text}"
    );
    let regional = |region: &str| {
        Aws {
            region: Some(region.to_owned()),
            ..aws()
        }
        .endpoint()
    };
    assert_eq!(
        regional("eu-west-1"),
        "https://sts.eu-west-1.amazonaws.com/"
    );
    assert_eq!(
        regional("cn-north-1"),
        "https://sts.cn-north-1.amazonaws.com.cn/"
    );
    let long = format!("spiffe://td/{}/end", "a".repeat(100));
    let request = aws()
        .request(String::new(), &self::subject("ES256", &long))
        .ok()
        .unwrap();
    assert_eq!(form(&request)[3].1.len(), 64);
    assert!(form(&request)[3].1.ends_with("-end"));
    let no = |aws: Aws, part: &str| fails(aws.request(String::new(), &subject), part);
    no(
        Aws {
            role: "shop".into(),
            ..aws()
        },
        "no ARN of a role",
    );
    no(
        Aws {
            role: "arn:aws:iam::123456789012:user/shop".into(),
            ..aws()
        },
        "no ARN of a role",
    );
    no(
        Aws {
            session: Some("a b".into()),
            ..aws()
        },
        "no name of one",
    );
    no(
        Aws {
            session: Some("a".into()),
            ..aws()
        },
        "no name of one",
    );
    no(
        Aws {
            seconds: Some(899),
            ..aws()
        },
        "between 900 and 43200",
    );
    no(
        Aws {
            region: Some("a.evil/".into()),
            ..aws()
        },
        "no name of a region",
    );
}

#[test]
fn answers_of_aws() {
    let answer = "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">
      <AssumeRoleWithWebIdentityResult><SubjectFromWebIdentityToken>spiffe://td/a</SubjectFromWebIdentityToken>
      <Credentials><SessionToken>a/b+c=</SessionToken><SecretAccessKey>s&amp;k</SecretAccessKey>
      <Expiration>2026-11-21T23:00:00Z</Expiration><AccessKeyId>ASIA</AccessKeyId></Credentials>
      </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
    let read = aws().read(200, answer.as_bytes()).ok().unwrap();
    let expected = json!({
        "Version": 1, "AccessKeyId": "ASIA", "SecretAccessKey": "s&k", "SessionToken": "a/b+c=",
        "Expiration": "2026-11-21T23:00:00Z",
    });
    assert_eq!(shown(&read), expected);
    let error = "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code>
      <Message>No OpenIDConnect provider found &lt;x&gt;</Message></Error></ErrorResponse>";
    fails(
        aws().read(400, error.as_bytes()),
        "(400, InvalidIdentityToken): No OpenIDConnect provider found <x>",
    );
    fails(aws().read(503, b"busy"), "(503) cannot be read");
    fails(aws().read(200, b"<html>"), "holds no Credentials");
    fails(
        aws().read(
            200,
            b"<Credentials><AccessKeyId>A</AccessKeyId></Credentials>",
        ),
        "lack a part",
    );
}

fn gcp() -> Gcp {
    Gcp {
        provider: "projects/12/locations/global/workloadIdentityPools/p/providers/q".to_owned(),
        service_account: Some("shop@project.iam.gserviceaccount.com".to_owned()),
        scope: Gcp::SCOPE.to_owned(),
    }
}

#[test]
fn a_pool_of_google() {
    let subject = subject("ES256", "spiffe://td/a");
    assert_eq!(
        gcp().audience(),
        format!("https://iam.googleapis.com/{}", gcp().provider)
    );
    let request = gcp().request(gcp().endpoint(), &subject).ok().unwrap();
    assert_eq!(request.url, "https://sts.googleapis.com/v1/token");
    let fields = form(&request);
    let value = |name: &str| {
        fields
            .iter()
            .find(|field| field.0 == name)
            .unwrap()
            .1
            .replace("%3A", ":")
            .replace("%2F", "/")
    };
    assert_eq!(
        value("grant_type"),
        "urn:ietf:params:oauth:grant-type:token-exchange"
    );
    assert_eq!(
        value("audience"),
        format!("//iam.googleapis.com/{}", gcp().provider)
    );
    assert_eq!(
        value("subject_token_type"),
        "urn:ietf:params:oauth:token-type:jwt"
    );
    assert_eq!(
        value("requested_token_type"),
        "urn:ietf:params:oauth:token-type:access_token"
    );
    assert_eq!(value("scope"), Gcp::SCOPE);
    let executable = shown(&gcp().executable(&subject).ok().unwrap());
    assert_eq!(executable["expiration_time"], 1_900_000_000u64);
    assert_eq!(
        (&executable["version"], &executable["success"]),
        (&json!(1), &json!(true))
    );
    let no = |gcp: Gcp, part: &str| fails(gcp.request(String::new(), &subject), part);
    no(
        Gcp {
            provider: "projects/p".into(),
            ..gcp()
        },
        "is no name of one",
    );
    no(
        Gcp {
            provider: gcp().provider.replace("/p/", "//"),
            ..gcp()
        },
        "is no name of one",
    );
    no(
        Gcp {
            service_account: Some("a@b/../c".into()),
            ..gcp()
        },
        "is no address",
    );
    let id = |length: usize| format!("spiffe://td/{}", "a".repeat(length - 12));
    assert!(
        gcp()
            .request(String::new(), &self::subject("ES256", &id(127)))
            .is_ok()
    );
    fails(
        gcp().request(String::new(), &self::subject("ES256", &id(128))),
        "127 bytes that google.subject",
    );
    fails(
        gcp().executable(&self::subject("ES256", &id(128))),
        "127 bytes",
    );
}

#[test]
fn answers_of_google() {
    let pool = json!({"access_token": "t", "token_type": "Bearer", "expires_in": 3599,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"})
    .to_string();
    let read = shown(&gcp().read(200, pool.as_bytes()).ok().unwrap());
    assert_eq!(
        read,
        json!({"access_token": "t", "token_type": "Bearer", "expires_in": 3599})
    );
    let bearer = gcp().pool_token(200, pool.as_bytes()).ok().unwrap();
    let second = gcp().impersonation(gcp().impersonation_endpoint().unwrap(), &bearer);
    assert_eq!(
        second.url,
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/shop@project.iam.gserviceaccount.com:generateAccessToken"
    );
    assert!(second.redacted().contains("Bearer REDACTED"));
    assert_eq!(
        second.body.encode().as_str(),
        json!({"scope": [Gcp::SCOPE], "lifetime": "3600s"}).to_string()
    );
    let account = json!({"accessToken": "u", "expireTime": "2026-11-21T23:00:00Z"}).to_string();
    let read = shown(
        &gcp()
            .read_impersonation(200, account.as_bytes())
            .ok()
            .unwrap(),
    );
    assert_eq!(read["access_token"], "u");
    let error = json!({"error": "invalid_grant", "error_description": "The audience in ID Token does not match\u{1b}[31m"});
    fails(
        gcp().read(400, error.to_string().as_bytes()),
        "(400, invalid_grant): The audience in ID Token does not match [31m",
    );
    let error = json!({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "iam.serviceAccounts.getAccessToken"}});
    fails(
        gcp().read_impersonation(403, error.to_string().as_bytes()),
        "(403, PERMISSION_DENIED)",
    );
    fails(gcp().read(200, b"{}"), "holds no access_token");
    fails(
        gcp().read(200, br#"{"access_token": "t", "token_type": "MAC"}"#),
        "of the type Bearer",
    );
    fails(gcp().read(302, b""), "(302) cannot be read");
    fails(gcp().read_impersonation(200, b"{"), "is no JSON object");
}

fn azure() -> Azure {
    Azure {
        tenant: "example.onmicrosoft.com".to_owned(),
        client: "11111111-2222-3333-4444-555555555555".to_owned(),
        scope: Azure::SCOPE.to_owned(),
    }
}

#[test]
fn an_application_of_entra() {
    let rsa = subject("RS256", "spiffe://td/a");
    let request = azure().request(azure().endpoint(), &rsa).ok().unwrap();
    assert_eq!(
        request.url,
        "https://login.microsoftonline.com/example.onmicrosoft.com/oauth2/v2.0/token"
    );
    let fields = form(&request);
    let value = |name: &str| {
        fields
            .iter()
            .find(|field| field.0 == name)
            .unwrap()
            .1
            .replace("%3A", ":")
            .replace("%2F", "/")
    };
    assert_eq!(value("grant_type"), "client_credentials");
    assert_eq!(
        value("client_assertion_type"),
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    );
    assert_eq!(value("client_id"), azure().client);
    assert_eq!(value("scope"), Azure::SCOPE);
    assert!(value("client_assertion").ends_with(".c2ln"));
    for alg in ["ES256", "ES384", "ES512"] {
        fails(
            azure().request(String::new(), &subject(alg, "spiffe://td/a")),
            "Entra takes tokens signed by RS or PS alone",
        );
    }
    assert!(
        azure()
            .request(String::new(), &subject("PS256", "spiffe://td/a"))
            .is_ok()
    );
    fails(
        Azure {
            tenant: "a/b".into(),
            ..azure()
        }
        .request(String::new(), &rsa),
        "the tenant `a/b` is no id",
    );
    fails(
        Azure {
            client: String::new(),
            ..azure()
        }
        .request(String::new(), &rsa),
        "the application",
    );
    let answer =
        json!({"token_type": "Bearer", "expires_in": 3599, "access_token": "t"}).to_string();
    let read = shown(
        &azure()
            .read(200, answer.as_bytes(), UnixTime::new(1000))
            .ok()
            .unwrap(),
    );
    assert_eq!(
        read,
        json!({"accessToken": "t", "expires_on": 4599, "tenant": azure().tenant, "tokenType": "Bearer"})
    );
    let error = json!({"error": "invalid_client", "error_description": "AADSTS700213: No matching federated identity record found"});
    fails(
        azure().read(401, error.to_string().as_bytes(), UnixTime::new(0)),
        "(401, invalid_client): AADSTS700213",
    );
    fails(
        azure().read(200, b"{}", UnixTime::new(0)),
        "holds no access_token with expires_in",
    );
}
