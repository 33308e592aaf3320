#![allow(clippy::panic, reason = "a test that cannot go on ends")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};

use super::super::tests::{Signer, claims};
use super::super::{Claims, KeySource, Refused, TokenIssuer, Tokens};
use super::*;

/// An issuer that answers what it is told to answer.
struct Issuer {
    address: String,
    answers: Arc<Mutex<Vec<(String, String)>>>,
    asked: Arc<AtomicUsize>,
    home: tempfile::TempDir,
}

impl Issuer {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned()];
        let certificate = rcgen::CertificateParams::new(names).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        std::fs::write(home.path().join("ca.pem"), certificate.pem()).unwrap();
        std::fs::write(home.path().join("token"), "let-me-in\n").unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialized_der().to_vec()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = Self {
            address: format!(
                "https://localhost:{}",
                listener.local_addr().unwrap().port()
            ),
            answers: Arc::default(),
            asked: Arc::default(),
            home,
        };
        let (answers, asked) = (Arc::clone(&issuer.answers), Arc::clone(&issuer.asked));
        let config = Arc::new(config);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Ok(connection) = rustls::ServerConnection::new(Arc::clone(&config)) else {
                    return;
                };
                let mut stream = rustls::StreamOwned::new(connection, stream);
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                asked.fetch_add(1, Ordering::SeqCst);
                let answers = answers.lock().unwrap().clone();
                let found = answers.into_iter().find(|(at, _)| *at == path);
                let invited = head
                    .to_lowercase()
                    .contains("authorization: bearer let-me-in\r\n");
                let (status, body) = match found {
                    Some((_, body)) if invited => ("200 OK", body),
                    Some(_) => ("401 Unauthorized", String::new()),
                    None => ("404 Not Found", String::new()),
                };
                let length = body.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        });
        issuer
    }

    fn says(&self, path: &str, body: &Value) {
        self.says_text(path, &body.to_string());
    }

    fn says_text(&self, path: &str, body: &str) {
        let mut answers = self.answers.lock().unwrap();
        answers.retain(|(at, _)| at != path);
        answers.push((path.to_owned(), body.to_owned()));
    }

    fn remote(&self, address: KeyAddress) -> RemoteKeys {
        RemoteKeys {
            address,
            ca: self.home.path().join("ca.pem"),
            credential: Some(self.home.path().join("token")),
            refresh: Duration::from_secs(600),
            max_age: Duration::from_secs(3600),
        }
    }

    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }
}

fn tokens(remote: RemoteKeys) -> Arc<Tokens> {
    let issuer = TokenIssuer {
        issuer: "https://issuer".into(),
        audience: "bailiwick".into(),
        keys: KeySource::Remote(remote),
    };
    Arc::new(Tokens::load(vec![issuer]).unwrap())
}

async fn verify(tokens: &Tokens, token: &str) -> Result<Claims, Refused> {
    tokens.verify(token, SystemTime::now()).await
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread();
    { runtime }.enable_all().build().unwrap().block_on(work)
}

const KEYS: &str = "/keys";
const DISCOVERY: &str = "/.well-known/openid-configuration";

#[test]
fn a_new_key_is_asked_for_once_and_an_old_one_is_forgotten() {
    let (one, two) = (Signer::new("one"), Signer::new("two"));
    let issuer = Issuer::start();
    issuer.says(KEYS, &json!({"keys": [one.jwk()]}));
    issuer.says(
        DISCOVERY,
        &json!({"issuer": "https://issuer", "jwks_uri": format!("{}{KEYS}", issuer.address)}),
    );
    run(async {
        let address = KeyAddress::Discovery(Some(issuer.address.clone()));
        let tokens = tokens(issuer.remote(address));
        let good = |signer: &Signer| signer.sign(&claims(json!({})));
        // Nobody has asked the issuer yet.
        assert_eq!(
            verify(&tokens, &good(&one)).await,
            Err(Refused::NobodyCanSay)
        );
        let (end, ending) = watch::channel(false);
        let watching = tokio::spawn(Arc::clone(&tokens).watch(ending));
        let mut asked = tokens.issuers[0].refresher.asked.subscribe();
        asked.wait_for(|asked| *asked > 0).await.unwrap();
        assert_eq!(verify(&tokens, &good(&one)).await.unwrap().sub, "shop");
        // Keys are exchanged: everybody who comes with the new one waits for the same question.
        issuer.says(KEYS, &json!({"keys": [two.jwk()]}));
        *tokens.issuers[0].refresher.once.lock().unwrap() = None;
        issuer.asked();
        let token = good(&two);
        let (first, second) = tokio::join!(verify(&tokens, &token), verify(&tokens, &token));
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(issuer.asked(), 2, "discovery and keys");
        // The old one does not count any more, and keys that nobody has cost no further question.
        for signer in [&one, &Signer::new("three"), &Signer::new("four")] {
            let refused = verify(&tokens, &good(signer)).await;
            assert!(matches!(refused, Err(Refused::NotAccepted(_))));
        }
        // Nor do tokens of others, or without a name of a key that could be new.
        let other = Signer::new("five").sign(&claims(json!({"iss": "https://other"})));
        assert!(verify(&tokens, &other).await.is_err());
        assert_eq!(issuer.asked(), 0);
        end.send(true).unwrap();
        watching.await.unwrap();
    });
}

#[test]
fn keys_that_nobody_tells_any_more_grow_too_old() {
    let one = Signer::new("one");
    let issuer = Issuer::start();
    issuer.says(KEYS, &json!({"keys": [one.jwk()]}));
    run(async {
        let address = KeyAddress::Keys(format!("{}{KEYS}", issuer.address));
        let remote = RemoteKeys {
            refresh: Duration::from_millis(50),
            max_age: Duration::from_secs(2),
            ..issuer.remote(address)
        };
        let tokens = tokens(remote);
        let (_end, ending) = watch::channel(false);
        let watching = tokio::spawn(Arc::clone(&tokens).watch(ending));
        let mut asked = tokens.issuers[0].refresher.asked.subscribe();
        asked.wait_for(|asked| *asked > 0).await.unwrap();
        let token = one.sign(&claims(json!({})));
        assert!(verify(&tokens, &token).await.is_ok());
        issuer.says_text(KEYS, "{");
        let start = Instant::now();
        while verify(&tokens, &token).await.is_ok() {
            assert!(start.elapsed() < Duration::from_secs(60), "for ever");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(verify(&tokens, &token).await, Err(Refused::NobodyCanSay));
        issuer.says(KEYS, &json!({"keys": [one.jwk()]}));
        while verify(&tokens, &token).await.is_err() {
            assert!(start.elapsed() < Duration::from_secs(60), "never again");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        watching.abort();
    });
}

#[test]
fn what_is_wrong_with_an_issuer_is_told() {
    let issuer = Issuer::start();
    let at = |path: &str| format!("{}{path}", issuer.address);
    let keys = |path: &str| issuer.remote(KeyAddress::Keys(at(path)));
    let discovery = |path: &str| issuer.remote(KeyAddress::Discovery(Some(at(path))));
    let check = |remote: RemoteKeys, expected: &str| {
        let wrong = run(remote.fetch("https://issuer")).err().unwrap();
        assert!(wrong.contains(expected), "{wrong}");
    };
    issuer.says("/empty", &json!({"keys": []}));
    issuer.says("/many", &json!({"keys": vec![json!({}); 101]}));
    issuer.says_text("/large", &" ".repeat(MOST_BYTES + 1));
    issuer.says(
        "/other/.well-known/openid-configuration",
        &json!({"issuer": "https://other", "jwks_uri": at("/keys")}),
    );
    issuer.says(
        "/plain/.well-known/openid-configuration",
        &json!({"issuer": "https://issuer", "jwks_uri": "http://localhost/keys"}),
    );
    check(keys("/empty"), "no key in it is public");
    check(keys("/many"), "more than 100 keys");
    check(keys("/large"), "more than 1048576 bytes");
    check(keys("/nothing"), "answers 404");
    check(discovery("/other"), "its issuer is `https://other`");
    check(discovery("/plain"), "does not begin with https://");
    let uninvited = RemoteKeys {
        credential: None,
        ..keys("/empty")
    };
    check(uninvited, "answers 401");
    let unknown = RemoteKeys {
        ca: issuer.home.path().join("other.pem"),
        ..keys("/empty")
    };
    check(unknown.clone(), "other.pem` cannot be read");
    let other = rcgen::KeyPair::generate().unwrap();
    let other = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .self_signed(&other)
        .unwrap();
    std::fs::write(&unknown.ca, other.pem()).unwrap();
    check(unknown, "certificate");
    // An address that nobody can use is told before anything starts.
    let wrong = issuer.remote(KeyAddress::Keys("http://localhost/keys".into()));
    assert!(wrong.check("https://issuer").is_err());
}
