//! Exchanges with servers that check what a cloud documents: the clouds themselves cannot be asked.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "a test that cannot go on ends, and not every test uses all of the shared module"
)]

mod program;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use bailiwick_identity::{Bundle, TrustDomain, UnixTime, jwt};
use program::{PROGRAM, Process, check, run, until};
use serde_json::{Value, json};

const ISSUER: &str = "https://id.a.example";
const PROVIDER: &str = "projects/12/locations/global/workloadIdentityPools/p/providers/q";

/// What a server got.
#[derive(Debug)]
struct Got {
    line: String,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Got {
    fn form(&self) -> BTreeMap<String, String> {
        assert_eq!(
            self.headers["content-type"],
            "application/x-www-form-urlencoded"
        );
        let field = |field: &str| {
            let (name, value) = field.split_once('=').unwrap();
            (name.to_owned(), unescape(value))
        };
        self.body.split('&').map(field).collect()
    }
}

fn unescape(text: &str) -> String {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        out.push(char::from(u8::from_str_radix(&part[..2], 16).unwrap()));
        out.push_str(&part[2..]);
    }
    out
}

fn read(stream: &mut TcpStream) -> Got {
    let mut bytes = Vec::new();
    let end = loop {
        let mut part = [0; 4096];
        let length = stream.read(&mut part).unwrap();
        assert!(length > 0, "it broke off");
        bytes.extend(&part[..length]);
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap().to_owned();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_ascii_lowercase(), value.to_owned())
    };
    let headers: BTreeMap<_, _> = lines.map(header).collect();
    let length: usize = headers["content-length"].parse().unwrap();
    let mut body = bytes[end + 4..].to_vec();
    let mut rest = vec![0; length - body.len()];
    stream.read_exact(&mut rest).unwrap();
    body.extend(rest);
    let body = String::from_utf8(body).unwrap();
    Got {
        line,
        headers,
        body,
    }
}

/// A server that gives this answer once; its address, and what it got.
fn cloud(status: u16, answer: impl Into<String>) -> (String, mpsc::Receiver<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/ask", listener.local_addr().unwrap());
    let (sender, got) = mpsc::channel();
    let answer = answer.into();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let got = read(&mut stream);
        let length = answer.len();
        write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nLocation: http://127.0.0.1:1/\r\n\r\n{answer}").unwrap();
        let _ = sender.send(got);
    });
    (url, got)
}

struct House {
    dir: tempfile::TempDir,
    _agent: Process,
}

impl House {
    fn new(more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let rules = format!(
            "apiVersion: bailiwick.dev/v1alpha1\nkind: WorkloadIdentity\nmetadata: {{name: web}}\nspec: {{selector: {{unix: {{uids: [{}]}}}}, id: /ns/shop/sa/web}}\n",
            nix_uid(),
        );
        fs::write(path("rules.yaml"), rules).unwrap();
        let agent = Command::new(PROGRAM)
            .args([
                "agent",
                "--embedded",
                "--trust-domain",
                "a.example",
                "--data",
                &path("data"),
            ])
            .args(["--socket", &path("s"), "--rules", &path("rules.yaml")])
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let house = Self {
            _agent: Process(agent.unwrap()),
            dir,
        };
        until(
            &["identity", "fetch", "--socket", &house.socket()],
            0,
            "/sa/web",
        );
        house
    }

    fn socket(&self) -> String {
        self.dir.path().join("s").to_str().unwrap().to_owned()
    }

    fn exchange(&self, args: &[&str], code: i32, part: &str) -> String {
        let socket = self.socket();
        check(
            &[&["identity", "exchange", "--socket", &socket][..], args].concat(),
            code,
            part,
        )
    }

    /// Checks a token as a cloud does, by the keys of the issuer; its algorithm.
    fn judge(&self, token: &str, audience: &str) -> String {
        let (_, bundle) = run(&["identity", "bundle", "--socket", &self.socket()]);
        let bundle =
            Bundle::from_json(TrustDomain::parse("a.example").unwrap(), bundle.as_bytes()).unwrap();
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        let svid =
            jwt::validate(token, &[audience], &bundle, UnixTime::new(now.as_secs())).unwrap();
        assert_eq!(svid.claims["iss"], ISSUER);
        assert_eq!(svid.claims["sub"], "spiffe://a.example/ns/shop/sa/web");
        let header = token.split('.').next().unwrap();
        let header = base64_url(header);
        let header: Value = serde_json::from_slice(&header).unwrap();
        header["alg"].as_str().unwrap().to_owned()
    }
}

fn base64_url(text: &str) -> Vec<u8> {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bits = 0u32;
    let mut count = 0;
    let mut out = Vec::new();
    for letter in text.chars() {
        bits = (bits << 6) | u32::try_from(LETTERS.find(letter).unwrap()).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from((bits >> count) & 0xff).unwrap());
        }
    }
    out
}

fn nix_uid() -> String {
    let output = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

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
