//! What gets through a real Envoy that asks the decision point, in both forms.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::Client;
use crate::program::verify;
use crate::stage::{DOOR, FORMS, Stage, send, stage, stage_of};
use crate::token;

fn bearer(subject: &str, groups: &[&str]) -> String {
    format!(
        "Bearer {}",
        token::signed(&json!({"iss": "people", "sub": subject, "groups": groups, "jti": "t1"}))
    )
}

#[test]
fn ext_authz_decides_in_both_forms_and_names_the_decision() {
    let Some(stage) = stage("") else { return };
    let (anna, root) = (bearer("anna", &["dev"]), bearer("root", &["admins"]));
    for form in FORMS {
        let check = |path: &str, token: Option<&String>, expected: u16| {
            let headers: Vec<(&str, &str)> = token
                .iter()
                .map(|token| ("Authorization", token.as_str()))
                .collect();
            let answer = stage.get(form, path, &headers);
            assert_eq!(answer.status, expected, "{form} {path}: {}", answer.text);
            answer
        };
        let allowed = check("/todos?token=secret", Some(&anna), 200);
        assert!(
            allowed.text.contains("\r\nx-bailiwick-decision-id: "),
            "{form}: {}",
            allowed.text
        );
        assert!(
            allowed.text.contains("GET /todos?token=secret"),
            "the query stays as it was"
        );
        let refused = check("/admin", Some(&anna), 403);
        let id = refused.header("x-bailiwick-decision-id").unwrap();
        assert!(
            refused
                .text
                .ends_with(&format!("access denied (decision {id})\n")),
            "{form}: {}",
            refused.text
        );
        check("/admin/users", Some(&root), 200);
        check("/admin?x=/todos", Some(&anna), 403);
        let nobody = check("/todos", None, 401);
        assert_eq!(
            nobody.header("www-authenticate"),
            Some("Bearer"),
            "{form}: {}",
            nobody.text
        );
        // The gateway refuses it before anybody is asked.
        check("/todos", Some(&"Bearer x.y.z".to_owned()), 401);
        assert_eq!(
            stage.app.lines(),
            [
                "GET /todos?token=secret HTTP/1.1",
                "GET /admin/users HTTP/1.1"
            ],
            "{form}: what reaches the application"
        );
    }
    stage.home.write(
        "policies/revoked.yaml",
        "{apiVersion: bailiwick.dev/v1alpha1, kind: Revocation, metadata: {name: r}, spec: {credential: JTI=t1}}",
    );
    let mut stage = stage;
    stage.program.wait_for_nth("new state revision=", 1);
    for form in FORMS {
        assert_eq!(
            stage
                .get(form, "/todos", &[("Authorization", &anna)])
                .status,
            403,
            "{form}: a revoked token"
        );
    }
    drop(stage.program);
    let (intact, faults) = verify(&stage.home.log());
    assert!(intact, "{faults}");
    let log: String = std::fs::read_dir(stage.home.log())
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap_or_default())
        .collect();
    assert!(
        log.contains(r#""door":"extAuthz","caller":"edge""#) && log.contains(r#""path":"/todos""#),
        "{log}"
    );
    assert!(!log.contains("secret"), "no query in the log");
}

#[test]
fn ext_authz_believes_no_header_of_a_client() {
    let Some(stage) = stage("") else { return };
    let (anna, root) = (bearer("anna", &[]), bearer("root", &["admins"]));
    let claims = token::encoded(&json!({"iss": "people", "sub": "root", "groups": ["admins"]}));
    let certificate = "By=spiffe://example.org/edge;URI=spiffe://example.org/web";
    for form in FORMS {
        let check = |path: &str, headers: &[(&str, &str)], expected: u16| {
            let answer = stage.get(form, path, headers);
            assert_eq!(
                answer.status, expected,
                "{form} {path} {headers:?}: {}",
                answer.text
            );
            answer
        };
        let token = ("Authorization", anna.as_str());
        check("/admin", &[token, ("x-claims", &claims)], 403);
        check(
            "/admin",
            &[token, ("X-Claims", &claims), ("x-claims", &claims)],
            403,
        );
        check("/admin", &[("x-claims", &claims)], 401);
        check("/orders", &[("x-forwarded-client-cert", certificate)], 401);
        check(
            "/orders",
            &[
                ("X-Forwarded-Client-Cert", certificate),
                ("x-claims", &claims),
            ],
            401,
        );
        let forged = check(
            "/todos",
            &[token, ("X-Bailiwick-Decision-Id", "forged")],
            200,
        );
        assert!(!forged.text.contains("forged"), "{form}: {}", forged.text);
        // What policies read of headers: each of several counts, however the name is written.
        check("/todos", &[token, ("X-TENANT", "mine")], 200);
        check("/todos", &[token, ("X-Tenant", "other")], 403);
        let both = check(
            "/todos",
            &[token, ("X-Tenant", "mine"), ("x-tenant", "other")],
            403,
        );
        assert!(both.text.contains("access denied"), "{form}: {}", both.text);
        // Two tokens: whichever the gateway takes, the application would see both.
        let two = stage.get(form, "/admin", &[token, ("Authorization", &root)]);
        assert!([401, 403].contains(&two.status), "{form}: {}", two.text);
    }
    stage.app.lines();
    // Only the form that sees all headers can refuse these; the other one is told of none that it does not ask for.
    for (name, value) in [
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Original-URL", "/admin"),
        ("X-Rewrite-URL", "/admin"),
    ] {
        let answer = stage.get("grpc", "/todos", &[("Authorization", &anna), (name, value)]);
        assert_eq!(answer.status, 400, "{name}: {}", answer.text);
    }
    assert_eq!(stage.app.lines(), [] as [&str; 0]);
}

/// Paths by which a request for `/admin` could look like one for something else.
const TRICKS: &[&str] = &[
    "/x/../admin",
    "/./admin",
    "/x/..%2fadmin",
    "/x/..%2Fadmin",
    "/x%2f..%2fadmin",
    "/%2e%2e/admin",
    "/x/%2e%2e/admin",
    "/x/.%2e/admin",
    "//admin",
    "/x//../admin",
    "///admin",
    "/%61dmin",
    "/adm%69n",
    "/%2fadmin",
    "/;/admin",
    "/x;/../admin",
    "/..;/admin",
    "/admin;x=1",
    "/x\\..\\admin",
    "/x%5c..%5cadmin",
    "/%252e%252e/admin",
    "/admin%00",
    "/admin%0a",
    "/admin%23",
    "/admin%3f",
    "/%",
    "/%zz",
    "/admin/../todos",
    "/todos#/../admin",
    "/admin",
    "/admin/",
    "/admin.json",
];

#[test]
fn ext_authz_takes_no_path_for_another_one() {
    for connection in [
        "",
        "normalize_path: true, merge_slashes: true, path_with_escaped_slashes_action: UNESCAPE_AND_FORWARD",
    ] {
        let lines = connection.replace(", ", "\n          ");
        let Some(stage) = stage(&lines) else { return };
        let anna = bearer("anna", &[]);
        for form in FORMS {
            for path in TRICKS {
                let answer = stage.get(form, path, &[("Authorization", &anna)]);
                let seen = stage.app.lines();
                // Whatever the gateway makes of a path: what comes through is in one spelling, and not what is closed.
                let fine = |line: &String| {
                    ["GET /todos HTTP/1.1", "GET /x/admin HTTP/1.1"].contains(&line.as_str())
                };
                assert!(
                    seen.iter().all(fine),
                    "{form} {path} with `{connection}`: {seen:?}"
                );
                let expected: &[u16] = if seen.is_empty() { &[400, 403] } else { &[200] };
                assert!(
                    expected.contains(&answer.status),
                    "{form} {path} with `{connection}`: {}",
                    answer.text
                );
                if connection.is_empty() {
                    assert!(
                        seen.is_empty(),
                        "{form} {path}: nothing is repaired on the way"
                    );
                }
            }
            for path in ["/todos", "/files/my%20doc", "/caf%c3%a9", "/a.b/..c/~d"] {
                assert_eq!(
                    stage.get(form, path, &[("Authorization", &anna)]).status,
                    200,
                    "{form} {path}"
                );
                assert_eq!(
                    stage.app.lines(),
                    [format!("GET {path} HTTP/1.1")],
                    "{form}"
                );
            }
        }
    }
}

#[test]
fn ext_authz_knows_a_host_however_it_is_written() {
    let Some(stage) = stage("") else { return };
    let anna = bearer("anna", &[]);
    for form in FORMS {
        let check = |host: &str, expected: &[u16]| {
            let answer = stage.ask(form, "GET", "/todos", host, &[("Authorization", &anna)]);
            assert!(
                expected.contains(&answer.status),
                "{form} {host}: {}",
                answer.text
            );
        };
        check("open.example.org", &[200]);
        check("Open.Example.ORG:8080", &[200]);
        check("closed.example.org", &[403]);
        check("CLOSED.example.org", &[403]);
        check("closed.example.org:8080", &[403]);
        check("closed.example.org.", &[400]);
        check("closed.example.org.:8080", &[400]);
        check("open.example.org, closed.example.org", &[400]);
        check("x@closed.example.org", &[400]);
        check("", &[400]);
    }
}

#[test]
fn ext_authz_takes_large_headers_or_refuses_them() {
    let Some(stage) = stage("") else { return };
    for form in FORMS {
        for kibibytes in [1, 8, 16, 32, 48, 128] {
            let token = token::signed(
                &json!({"iss": "people", "sub": "anna", "pad": "x".repeat(kibibytes << 10)}),
            );
            let token = format!("Bearer {token}");
            let large = "y".repeat(kibibytes << 8);
            let headers = [
                ("Authorization", token.as_str()),
                ("x-tenant", large.as_str()),
            ];
            let (fine, closed) = (
                stage.get(form, "/todos", &headers),
                stage.get(form, "/admin", &headers),
            );
            let expected: &[u16] = if kibibytes <= 8 {
                &[200]
            } else {
                &[200, 400, 403, 431]
            };
            assert!(
                expected.contains(&fine.status),
                "{form} {kibibytes} KiB: {}",
                fine.text
            );
            // A gateway that takes no more may hang up in the middle of the head.
            assert!(
                [0, 400, 403, 431].contains(&closed.status),
                "{form} {kibibytes} KiB: {}",
                closed.text
            );
        }
        let lines = stage.app.lines();
        assert!(
            lines.iter().all(|line| line.starts_with("GET /todos ")),
            "{lines:?}"
        );
    }
}

#[test]
fn ext_authz_is_open_to_listed_gateways_alone() {
    let Some(stage) = stage_of("", "stranger") else {
        return;
    };
    for form in FORMS {
        let answer = stage.get(form, "/todos", &[("Authorization", &bearer("anna", &[]))]);
        assert_eq!(answer.status, 403, "{form}: {}", answer.text);
    }
    assert_eq!(stage.app.lines(), [] as [&str; 0]);
    drop(stage.program);
    let report = bailiwick_store::verify(&stage.home.log(), None).unwrap();
    assert_eq!(
        (report.is_intact(), report.decisions),
        (true, 0),
        "a stranger's question is no decision"
    );
}

#[test]
fn ext_authz_knows_workloads_by_their_certificates() {
    let Some(stage) = stage("") else { return };
    for form in FORMS {
        let address = stage.envoy.listener(&format!("{form}-tls")).unwrap();
        let check =
            |client: &str, method: &str, path: &str, headers: &[(&str, &str)], expected: u16| {
                let client = Client::at(&stage.home, &address.to_string(), Some(client));
                let status = client.send(method, path, headers, "").status;
                assert_eq!(status, expected, "{form} {method} {path} {headers:?}");
            };
        let (web, other) = ("spiffe://example.org/web", "spiffe://example.org/other");
        check(web, "GET", "/orders", &[], 200);
        check(web, "POST", "/orders", &[], 403);
        check(web, "GET", "/todos", &[], 403);
        check(other, "GET", "/orders", &[], 403);
        // A certificate without a SPIFFE id is nobody's.
        check("edge", "GET", "/orders", &[], 401);
        let forged = format!("URI={web}");
        check(
            other,
            "GET",
            "/orders",
            &[("x-forwarded-client-cert", &forged)],
            403,
        );
        check(
            "edge",
            "GET",
            "/orders",
            &[("x-forwarded-client-cert", &forged)],
            401,
        );
        // A person through a workload is the person.
        let anna = bearer("anna", &[]);
        check(other, "GET", "/orders", &[("authorization", &anna)], 200);
        check(web, "GET", "/admin", &[("authorization", &anna)], 403);
    }
}

#[test]
fn ext_authz_that_is_killed_under_load_lets_nothing_through() {
    let Some(stage) = stage("") else { return };
    let Stage {
        home,
        program,
        envoy,
        app,
    } = stage;
    let (anna, end) = (bearer("anna", &[]), Arc::new(AtomicBool::new(false)));
    let dead = Arc::new(AtomicBool::new(false));
    let listeners: Vec<SocketAddr> = FORMS
        .iter()
        .map(|form| envoy.listener(form).unwrap())
        .collect();
    let threads: Vec<_> = (0..6)
        .map(|number| {
            let (end, dead, anna) = (Arc::clone(&end), Arc::clone(&dead), anna.clone());
            let (address, path) = (listeners[number % 2], if number < 4 { "/todos" } else { "/admin" });
            std::thread::spawn(move || {
                let mut counts = (0, 0);
                while !end.load(Ordering::SeqCst) {
                    let killed = dead.load(Ordering::SeqCst);
                    let head = format!(
                        "GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nAuthorization: {anna}\r\n\r\n"
                    );
                    let answer = send(address, &head);
                    let allowed = answer.status == 200;
                    assert!(!(allowed && path == "/admin"), "{}", answer.text);
                    assert!(!(allowed && killed), "allowed by nobody: {}", answer.text);
                    counts.0 += usize::from(allowed);
                    counts.1 += usize::from(killed);
                }
                counts
            })
        })
        .collect();
    std::thread::sleep(Duration::from_secs(2));
    let address = program.address.clone();
    program.kill();
    dead.store(true, Ordering::SeqCst);
    std::thread::sleep(Duration::from_secs(2));
    end.store(true, Ordering::SeqCst);
    let counts: Vec<(usize, usize)> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    let (allowed, refused) = counts
        .iter()
        .fold((0, 0), |sum, next| (sum.0 + next.0, sum.1 + next.1));
    assert!(allowed > 10 && refused > 10, "{counts:?}");
    let lines = app.lines();
    assert!(
        lines.iter().all(|line| line == "GET /todos HTTP/1.1"),
        "{lines:?}"
    );
    // It comes back at the same address, and so do its answers.
    home.configure(&address, DOOR);
    let program = home.serve();
    let until = Instant::now() + Duration::from_secs(20);
    for listener in listeners {
        let head = format!(
            "GET /todos HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nAuthorization: {anna}\r\n\r\n"
        );
        while send(listener, &head).status != 200 {
            assert!(Instant::now() < until, "no answer after the restart");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    // A record that was half written when it was killed is cut off at the start, and the log says so.
    drop(program);
    let (intact, faults) = verify(&home.log());
    assert!(intact, "{faults}");
}
