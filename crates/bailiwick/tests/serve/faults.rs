//! What callers, disks and operators do to the doors. Whatever it is, nothing is allowed by it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

use crate::client::{Client, EVALUATION, REVIEW, review};
use crate::program::{Home, Program, verify};
use crate::stage::{FORMS, stage};
use crate::token;

const POLICY: &str = "permit (principal is app::Subject, action, resource is app::Resource);";

/// A decision point whose doors allow everything that reaches a policy, with more of `listen`.
fn start(listen: &str) -> (Home, Program) {
    let home = Home::new(&["api", "shop", "edge"]);
    prepare(&home, listen);
    let program = home.serve();
    (home, program)
}

fn prepare(home: &Home, listen: &str) {
    let manifests = "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: all}, rules: \
         [{nonResourceURLs: ['*'], verbs: ['*']}]}\n---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: \
         ClusterRoleBinding, metadata: {name: all}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: \
         all}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: anna}]}";
    home.write("manifests.yaml", manifests);
    home.write("policy.cedar", POLICY);
    home.configure(
        "127.0.0.1:0",
        "accessReview: {mode: authority}\nauthzen: {base: 'https://pdp.example.org'}\n\
         extAuthz: {jwt: {header: x-claims}}\npolicies: [policy.cedar]\n",
    );
    let config = std::fs::read_to_string(home.path("serve.yaml")).unwrap();
    home.write(
        "serve.yaml",
        &config.replacen("  tls:", &format!("{listen}  tls:"), 1),
    );
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A connection on which bytes are sent as they are.
fn connect(home: &Home, program: &Program, name: &str) -> Stream {
    let read = |name: String| std::fs::read(home.path(&name)).unwrap();
    let certificate = |name: String| CertificateDer::from_pem_slice(&read(name)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.crt".to_owned())).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::from_pem_slice(&read(format!("{name}.key"))).unwrap();
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate(format!("{name}.crt"))], key)
        .unwrap();
    let connection =
        ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let tcp = TcpStream::connect(&program.address).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    StreamOwned::new(connection, tcp)
}

/// The head of a question and all but the last byte of its body.
fn begin(stream: &mut Stream, path: &str, body: &str) {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body.as_bytes()[..length - 1]).unwrap();
    stream.flush().unwrap();
}

fn end(stream: &mut Stream, body: &str) {
    stream
        .write_all(&body.as_bytes()[body.len() - 1..])
        .unwrap();
    stream.flush().unwrap();
}

/// The status of the next answer, 0 where the connection ends instead.
fn status(stream: &mut Stream) -> u16 {
    let mut bytes = [0; 12];
    match stream.read_exact(&mut bytes) {
        Ok(()) => String::from_utf8_lossy(&bytes[9..]).parse().unwrap(),
        Err(_) => 0,
    }
}

fn question() -> Value {
    json!({
        "subject": {"type": "user", "id": "anna"}, "action": {"name": "read"}, "resource": {"type": "note", "id": "menu"},
    })
}

fn asked() -> Value {
    review(&json!({"user": "anna", "nonResourceAttributes": {"path": "/x", "verb": "get"}}))
}

#[test]
fn a_caller_that_asks_too_much_is_shed_and_keeps_nobody_away() {
    let (home, program) = start("  requests: 4\n  arrival: 8s\n");
    let (shop, api) = (
        Client::new(&home, &program, Some("shop")),
        Client::new(&home, &program, Some("api")),
    );
    let body = question().to_string();
    let mut slow: Vec<Stream> = (0..2).map(|_| connect(&home, &program, "shop")).collect();
    for stream in &mut slow {
        begin(stream, EVALUATION, &body);
    }
    let until = Instant::now() + Duration::from_secs(10);
    let shed = loop {
        let answer = shop.post(EVALUATION, &question());
        if answer.status == 503 {
            break answer;
        }
        assert!(Instant::now() < until, "never shed");
    };
    assert!(!shed.body.to_string().contains("decision"), "{}", shed.body);
    assert!(!shed.headers.contains_key("retry-after"));
    for _ in 0..20 {
        assert_eq!(api.post(REVIEW, &asked()).body["status"]["allowed"], true);
    }
    // One goes on and is answered, the other one took too long.
    end(&mut slow[0], &body);
    assert_eq!((status(&mut slow[0]), status(&mut slow[1])), (200, 408));
    assert_eq!(shop.post(EVALUATION, &question()).body["decision"], true);
}

#[test]
fn of_a_flood_some_is_answered_and_the_rest_is_refused() {
    let (home, program) = start("  requests: 2\n");
    let counts: Vec<(usize, usize)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let (home, program) = (&home, &program);
                scope.spawn(move || {
                    let name = ["api", "shop", "edge"][number % 3];
                    let client = Client::new(home, program, Some(name));
                    let claims = token::encoded(&json!({"sub": "anna"}));
                    let mut counts = (0, 0);
                    for _ in 0..150 {
                        let answer = match name {
                            "api" => client.post(REVIEW, &asked()),
                            "shop" => client.post(EVALUATION, &question()),
                            _ => client.send(
                                "GET",
                                "/ext_authz/x",
                                &[("x-claims", claims.as_str())],
                                "",
                            ),
                        };
                        assert!(
                            [200, 503].contains(&answer.status),
                            "{name}: {} {}",
                            answer.status,
                            answer.body
                        );
                        let said = answer.body.to_string();
                        let allowed = said.contains("true") || said == "\"\"";
                        assert_eq!(allowed, answer.status == 200, "{name}: {said}");
                        counts.0 += usize::from(allowed);
                        counts.1 += usize::from(!allowed);
                    }
                    counts
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let allowed: usize = counts.iter().map(|(allowed, _)| allowed).sum();
    assert!(allowed > 0, "{counts:?}");
    assert_eq!(program.terminate(), Some(0));
    let report = bailiwick_store::verify(&home.log(), None).unwrap();
    assert_eq!(
        (report.is_intact(), report.decisions),
        (true, allowed as u64),
        "each answer has its record, no refusal has one"
    );
}

#[test]
fn who_says_nothing_is_hung_up_on() {
    let (home, program) = start("  arrival: 500ms\n");
    // A connection without a handshake.
    let mut silent = TcpStream::connect(&program.address).unwrap();
    silent
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    assert_eq!(silent.read(&mut [0]).unwrap_or(0), 0, "hung up on");
    // A handshake without a head, a head without an end, a body without an end.
    let mut mute = connect(&home, &program, "shop");
    mute.flush().unwrap();
    assert_eq!(status(&mut mute), 0);
    let mut half = connect(&home, &program, "shop");
    half.write_all(b"POST /access/v1/evaluation HTTP/1.1\r\nhost: ")
        .unwrap();
    assert!([0, 408].contains(&status(&mut half)));
    let mut slow = connect(&home, &program, "shop");
    begin(&mut slow, EVALUATION, &question().to_string());
    assert_eq!(status(&mut slow), 408);
    assert_eq!(
        Client::new(&home, &program, Some("shop"))
            .post(EVALUATION, &question())
            .body["decision"],
        true
    );
}

/// A peer that is gone without a word: its machine lost power, or a firewall forgot the connection.
#[test]
fn a_connection_with_nobody_at_its_other_end_is_given_up() {
    let (home, program) = start("  connections: 1\n  arrival: 500ms\n");
    // HTTP/2 without an end: settings, and then nothing, not even answers to pings.
    let mut gone = connect(&home, &program, "shop");
    gone.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .unwrap();
    gone.flush().unwrap();
    gone.sock
        .set_read_timeout(Some(Duration::from_secs(120)))
        .unwrap();
    let start = Instant::now();
    let mut heard = Vec::new();
    // It ends by itself, whatever kind of an end that is.
    let _ = gone.read_to_end(&mut heard);
    println!("given up after {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(110), "kept for ever");
    // Its place is free: there is one alone.
    let client = Client::new(&home, &program, Some("shop"));
    assert_eq!(client.post(EVALUATION, &question()).body["decision"], true);
}

/// Whoever is in very many groups is refused, and is not taken for somebody in fewer.
#[test]
fn a_token_of_very_many_groups_opens_nothing() {
    let home = Home::new(&["api", "shop", "edge"]);
    prepare(&home, "");
    home.write(
        "policy.cedar",
        &format!(
            "{POLICY}\nforbid (principal is app::Subject, action, resource is app::Resource) when {{ \
             principal in app::Group::\"last\" }};"
        ),
    );
    let program = home.serve();
    let status = |groups: usize, last: &str| {
        let mut names: Vec<String> = (1..groups).map(|number| format!("g{number}")).collect();
        names.push(last.to_owned());
        let claims = json!({"sub": "anna", "groups": names}).to_string();
        let claims = URL_SAFE_NO_PAD.encode(claims);
        let client = Client::new(&home, &program, Some("edge"));
        let answer = client.try_send("GET", "/ext_authz/menu", &[("x-claims", &claims)], "");
        answer.map(|answer| answer.status)
    };
    assert_eq!(status(512, "first").unwrap(), 200);
    assert_eq!(status(512, "last").unwrap(), 403);
    for groups in [513, 10_000] {
        for last in ["first", "last"] {
            match status(groups, last) {
                Ok(status) => assert!((400..500).contains(&status), "{groups} {last}: {status}"),
                // A head that is too long is not read to its end: the connection may end while it is still being sent.
                Err(ureq::Error::Io(_)) => assert_eq!(groups, 10_000),
                Err(error) => panic!("{groups} {last}: {error}"),
            }
        }
    }
    // What an application says of its subject is read to its end, or not at all.
    let names: Vec<String> = (0..10_000).map(|number| format!("g{number}")).collect();
    for last in ["first", "last"] {
        let mut question = question();
        let groups = [&names[..], &[last.to_owned()]].concat();
        question["subject"]["properties"] = json!({"groups": groups});
        let answer = Client::new(&home, &program, Some("shop")).post(EVALUATION, &question);
        let allowed = answer.status == 200 && answer.body["decision"] == true;
        assert!(!allowed || last == "first", "{}", answer.body);
    }
}

#[test]
fn who_is_being_answered_when_the_program_ends_gets_the_answer() {
    let (home, mut program) = start("");
    let body = question().to_string();
    let mut slow = connect(&home, &program, "shop");
    begin(&mut slow, EVALUATION, &body);
    // The head has arrived once this has been answered on a later connection.
    Client::new(&home, &program, Some("shop")).post(EVALUATION, &question());
    program.signal("TERM");
    program.wait_for("requests under way are finished first");
    std::thread::sleep(Duration::from_millis(300));
    assert!(
        TcpStream::connect(&program.address).is_err(),
        "nobody new comes in"
    );
    end(&mut slow, &body);
    assert_eq!(status(&mut slow), 200);
    let start = Instant::now();
    assert_eq!(program.terminate(), Some(0));
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(
        bailiwick_store::verify(&home.log(), None)
            .unwrap()
            .decisions,
        2
    );
}

/// Streams of gRPC that a gateway keeps open do not hold up the end, and nothing gets through behind it.
#[test]
fn a_gateway_with_open_connections_holds_nobody_up() {
    let Some(stage) = stage("") else { return };
    let claims = json!({"iss": "people", "sub": "anna"});
    let bearer = format!("Bearer {}", token::signed(&claims));
    let headers = [("Authorization", bearer.as_str())];
    for form in FORMS {
        assert_eq!(stage.get(form, "/todos", &headers).status, 200, "{form}");
    }
    stage.app.lines();
    let start = Instant::now();
    assert_eq!(stage.program.terminate(), Some(0));
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    for form in FORMS {
        let listener = stage.envoy.listener(form).unwrap();
        let head = format!(
            "GET /todos HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {bearer}\r\n\r\n"
        );
        assert_eq!(crate::stage::send(listener, &head).status, 403, "{form}");
    }
    assert_eq!(stage.app.lines(), [] as [&str; 0]);
    assert!(verify(&stage.home.log()).0);
}

/// A file system of its own, gone when dropped.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    fn mount(place: &'a Path) -> Option<Self> {
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
            .arg(place)
            .output();
        mount
            .is_ok_and(|output| output.status.success())
            .then_some(Self(place))
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        // What stays mounted is seen in the list of mounts; the test has ended either way.
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn on_a_full_disk_no_door_allows() {
    let home = Home::new(&["api", "shop", "edge"]);
    prepare(&home, "");
    std::fs::create_dir(home.log()).unwrap();
    let log = home.log();
    let Some(_small) = Small::mount(&log) else {
        println!("NOT TESTED on a full disk: no small file system can be mounted here");
        return;
    };
    let program = home.serve();
    let client = |name| Client::new(&home, &program, Some(name));
    let (api, shop, edge) = (client("api"), client("shop"), client("edge"));
    let claims = token::encoded(&json!({"sub": "anna"}));
    let gateway = || edge.send("GET", "/ext_authz/x", &[("x-claims", claims.as_str())], "");
    let check = |full: bool| {
        let answer = api.post(REVIEW, &asked());
        assert_eq!(
            (answer.status, &answer.body["status"]["allowed"]),
            (200, &json!(!full)),
            "{}",
            answer.body
        );
        assert_eq!(
            answer.body["status"]["denied"] == true,
            full,
            "{}",
            answer.body
        );
        let answer = shop.post(EVALUATION, &question());
        assert_eq!(
            answer.status,
            if full { 503 } else { 200 },
            "{}",
            answer.body
        );
        let answer = gateway();
        assert_eq!(
            answer.status,
            if full { 503 } else { 200 },
            "{}",
            answer.body
        );
    };
    check(false);
    let fill = log.join("fill");
    let mut file = std::fs::File::create(&fill).unwrap();
    while file.write_all(&[0; 1024]).is_ok() {}
    // What is left of the last page takes some records.
    for _ in 0..200 {
        if gateway().status == 503 {
            break;
        }
    }
    check(true);
    std::fs::remove_file(&fill).unwrap();
    drop(file);
    let until = Instant::now() + Duration::from_secs(20);
    while gateway().status != 200 {
        assert!(Instant::now() < until, "no answer though there is room");
    }
    check(false);
    assert_eq!(program.terminate(), Some(0));
    let report = bailiwick_store::verify(&log, None).unwrap();
    assert!(report.is_intact() && report.gaps > 0, "{report:?}");
}
