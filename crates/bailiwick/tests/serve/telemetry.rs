//! What a collector and standard output are told of decisions.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::client::{Client, EVALUATION, REVIEW, review};
use crate::program::{Home, Program, verify};

/// Takes batches as an OpenTelemetry collector does, and keeps them by path.
#[derive(Clone, Default)]
struct Collector {
    taken: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Collector {
    /// Listens, with the certificate of the server where it is to speak TLS.
    fn start(home: &Home, secure: bool) -> (Self, u16) {
        let read = |name: &str| std::fs::read(home.path(name)).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let certificate = CertificateDer::from_pem_slice(&read("server.crt")).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate],
                PrivateKeyDer::from_pem_slice(&read("server.key")).unwrap(),
            )
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let collector = Self::default();
        let taking = collector.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = match secure {
                    false => taking.take(stream),
                    true => {
                        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                        taking.take(StreamOwned::new(connection, stream))
                    }
                };
            }
        });
        (collector, port)
    }

    fn take(&self, stream: impl Read + Write) -> Option<()> {
        let mut stream = BufReader::new(stream);
        let (mut path, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).ok()?;
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some(rest) = line.strip_prefix("POST ") {
                path = rest.split(' ').next()?.to_owned();
            }
            if let Some((name, value)) = line.split_once(": ") {
                match name {
                    "content-length" => length = value.parse().ok()?,
                    "content-type" => assert_eq!(value, "application/json"),
                    _ => {}
                }
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        let body = serde_json::from_slice(&body).ok()?;
        self.taken.lock().unwrap().push((path, body));
        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
        stream.get_mut().write_all(answer).ok()?;
        stream.get_mut().flush().ok()
    }

    /// Everything at a place of the batches of a path.
    fn all(&self, path: &str, pointer: &str) -> Vec<Value> {
        let taken = self.taken.lock().unwrap();
        let batches = taken.iter().filter(|(found, _)| found == path);
        batches
            .flat_map(|(_, batch)| batch.pointer(pointer).unwrap().as_array().unwrap().clone())
            .collect()
    }

    fn spans(&self) -> Vec<Value> {
        self.all("/otlp/v1/traces", "/resourceSpans/0/scopeSpans/0/spans")
    }

    fn records(&self) -> Vec<Value> {
        self.all("/otlp/v1/logs", "/resourceLogs/0/scopeLogs/0/logRecords")
    }
}

fn start(home: &Home, telemetry: &str) -> Program {
    home.write(
        "manifests.yaml",
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}",
    );
    let doors = "accessReview: {mode: authority}\nauthzen: {base: 'https://pdp.example.org'}\n";
    home.configure("127.0.0.1:0", &format!("{doors}telemetry: {telemetry}\n"));
    home.serve()
}

fn attribute<'a>(of: &'a Value, key: &str) -> &'a str {
    let all = of["attributes"].as_array().unwrap();
    let found = all
        .iter()
        .find(|attribute| attribute["key"] == key)
        .unwrap();
    found["value"]["stringValue"].as_str().unwrap()
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

#[test]
fn spans_and_records_of_decisions() {
    for secure in [false, true] {
        let home = Home::new(&["api", "shop"]);
        let (collector, port) = Collector::start(&home, secure);
        let address = if secure {
            "https://localhost"
        } else {
            "http://127.0.0.1"
        };
        let otlp = format!(
            "{{endpoint: '{address}:{port}/otlp', ca: ca.crt, traces: 0.000001, records: true}}"
        );
        let program = start(&home, &format!("{{otlp: {otlp}, stdout: true}}"));
        let shop = Client::new(&home, &program, Some("shop"));
        let question = json!({
            "subject": {"type": "user", "id": "alice"}, "action": {"name": "read"}, "resource": {"type": "note", "id": "menu"},
        });
        let ask = |parent: &str| {
            let headers = [
                ("content-type", "application/json"),
                ("traceparent", parent),
            ];
            let answer = shop.send("POST", EVALUATION, &headers, &question.to_string());
            answer.body["context"]["id"].as_str().unwrap().to_owned()
        };
        let kept = ask(&format!("00-{TRACE}-b7ad6b7169203331-01"));
        // The caller does not keep this trace, and this one is none.
        let others = [
            ask(&format!("00-{TRACE}-b7ad6b7169203331-00")),
            ask("nonsense"),
        ];
        let path = json!({"user": "anna", "nonResourceAttributes": {"path": "/x", "verb": "get"}});
        Client::new(&home, &program, Some("api")).post(REVIEW, &review(&path));
        // What is told when the program ends is not lost.
        assert_eq!(program.terminate(), Some(0));
        let (spans, records) = (collector.spans(), collector.records());
        assert_eq!(
            (spans.len(), records.len()),
            (1, 4),
            "{spans:?} {records:?}"
        );
        let span = &spans[0];
        assert_eq!(
            (span["traceId"].as_str(), span["parentSpanId"].as_str()),
            (Some(TRACE), Some("b7ad6b7169203331"))
        );
        assert_eq!(
            (span["name"].as_str(), span["kind"].as_u64()),
            (Some("decide authzen"), Some(2))
        );
        assert_eq!(attribute(span, "bailiwick.decision.id"), kept);
        assert_eq!(attribute(span, "bailiwick.decision.answered"), "deny");
        let nanos = |key: &str| span[key].as_str().unwrap().parse::<u128>().unwrap();
        let took = nanos("endTimeUnixNano") - nanos("startTimeUnixNano");
        assert!((1..5_000_000_000).contains(&took), "{took}");
        assert!(
            !spans[0].to_string().contains("alice"),
            "a span names nobody"
        );
        let bodies: Vec<Value> = records
            .iter()
            .map(|record| {
                serde_json::from_str(record["body"]["stringValue"].as_str().unwrap()).unwrap()
            })
            .collect();
        assert_eq!(
            (&bodies[0]["id"], &bodies[1]["id"]),
            (&json!(kept), &json!(others[0]))
        );
        assert_eq!(records[0]["traceId"], TRACE);
        assert_eq!(bodies[3]["door"], "accessReview");
        let lines = std::fs::read_to_string(home.path("stdout")).unwrap();
        let printed: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(printed, bodies, "standard output has the same records");
        assert!(verify(&home.log()).0);
    }
}

#[test]
fn a_collector_that_is_away_is_waited_for_by_nobody() {
    let home = Home::new(&["api", "shop"]);
    // Somebody listens there and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut program = start(
        &home,
        &format!("{{otlp: {{endpoint: 'http://127.0.0.1:{port}', records: true}}}}"),
    );
    let api = Client::new(&home, &program, Some("api"));
    let path = json!({"user": "anna", "nonResourceAttributes": {"path": "/x", "verb": "get"}});
    let start = Instant::now();
    for _ in 0..200 {
        assert_eq!(api.post(REVIEW, &review(&path)).status, 200);
    }
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    program.wait_for("the collector takes nothing");
    drop(silent);
    assert_eq!(program.terminate(), Some(0));
    assert_eq!(
        bailiwick_store::verify(&home.log(), None)
            .unwrap()
            .decisions,
        200
    );
}

#[test]
fn telemetry_that_cannot_work_is_refused() {
    let home = Home::new(&["api"]);
    home.write(
        "manifests.yaml",
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}",
    );
    let check = |telemetry: &str, expected: &str| {
        home.configure(
            "127.0.0.1:0",
            &format!("accessReview: {{mode: explain}}\ntelemetry: {telemetry}\n"),
        );
        let (config, manifests) = (home.path("serve.yaml"), home.path("manifests.yaml"));
        let arguments = [
            "serve",
            "--check",
            "--config",
            config.to_str().unwrap(),
            "-f",
            manifests.to_str().unwrap(),
        ];
        let output = home.run(&arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && said.contains(expected),
            "{telemetry}: {said}"
        );
    };
    check(
        "{otlp: {endpoint: 'http://collector.example.org', traces: 1}}",
        "has no TLS",
    );
    check(
        "{otlp: {endpoint: 'https://collector.example.org', traces: 1}}",
        "`ca` is missing",
    );
    check(
        "{otlp: {endpoint: 'http://127.0.0.1:1'}}",
        "the collector would get nothing",
    );
    check(
        "{otlp: {endpoint: 'http://127.0.0.1:1', traces: 2}}",
        "is a share of all decisions",
    );
    check(
        "{otlp: {endpoint: 'http://127.0.0.1:1', traces: x}}",
        "`telemetry.otlp.traces`",
    );
    check("{out: true}", "unknown field `out`");
}
