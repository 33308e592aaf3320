//! Lists that a real API server cannot be made to give: expired, broken, too large, late.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test fails the test"
)]

#[allow(dead_code, reason = "the other tests use the rest of it")]
mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bailiwick_core::Kind;
use bailiwick_kube::{Cluster, ConnectOptions, LoadKinds, LoadOptions};

use support::load::load;
use support::{Fake, version};

/// The names of the Roles that a scripted list gives, and the messages of the gaps.
fn scripted(
    answer: impl Fn(&str) -> Option<(u16, String)> + Send + Sync + 'static,
) -> (Vec<String>, Vec<String>) {
    let fake = Fake::start(move |path| version(path).or_else(|| answer(path)));
    let options = ConnectOptions {
        request_timeout: Some(Duration::from_secs(10)),
        ..fake.options()
    };
    let cluster = Cluster::connect(&options).unwrap();
    let loaded = load(&cluster, &LoadOptions::new(LoadKinds::of(&[Kind::Role])));
    let names = loaded
        .snapshot
        .roles
        .iter()
        .map(|role| role.metadata.name.to_string())
        .collect();
    (
        names,
        loaded
            .snapshot
            .gaps
            .into_iter()
            .map(|gap| gap.message)
            .collect(),
    )
}

fn page(names: &[&str], next: &str) -> String {
    let items: Vec<_> = names
        .iter()
        .map(|name| serde_json::json!({"metadata": {"name": name, "namespace": "shop"}, "rules": []}))
        .collect();
    serde_json::json!({"kind": "RoleList", "metadata": {"continue": next}, "items": items})
        .to_string()
}

#[test]
fn a_list_that_expires_is_read_again_from_the_start() {
    let asked = AtomicUsize::new(0);
    let (names, gaps) = scripted(move |path| {
        let first = !path.contains("continue=");
        Some(match (asked.fetch_add(1, Ordering::SeqCst), first) {
            (0, true) => (200, page(&["deleted-meanwhile", "a"], "t/1")),
            (1, false) => (
                410,
                r#"{"kind":"Status","code":410,"message":"too old"}"#.to_owned(),
            ),
            (2, true) => (200, page(&["a", "b"], "t/2")),
            (3, false) if path.ends_with("continue=t%2F2") => (200, page(&["c"], "")),
            other => panic!("{path} {other:?}"),
        })
    });
    assert_eq!(
        (names.as_slice(), gaps.as_slice()),
        (&["a", "b", "c"].map(str::to_owned)[..], &[][..])
    );
}

#[test]
fn lists_that_cannot_be_read_to_the_end() {
    let check = |answer: fn(&str) -> Option<(u16, String)>, expected: &[&str], reason: &str| {
        let (names, gaps) = scripted(answer);
        assert_eq!(names, expected);
        assert!(gaps.len() == 1 && gaps[0].contains(reason), "{gaps:?}");
    };
    let forever = |path: &str| {
        Some(if path.contains("continue=") {
            (410, String::new())
        } else {
            (200, page(&["a"], "t"))
        })
    };
    check(forever, &["a"], "410");
    check(
        |_| Some((200, "{".to_owned())),
        &[],
        "does not answer like a Kubernetes API server",
    );
    check(
        |_| Some((200, r#"{"kind":"RoleList","items":{}}"#.to_owned())),
        &[],
        "a page of roles cannot be read",
    );
    check(
        |_| Some((500, r#"{"message":"etcd is down"}"#.to_owned())),
        &[],
        "etcd is down",
    );
    check(
        |_| Some((404, String::new())),
        &[],
        "does not serve /apis/rbac.authorization.k8s.io/v1/roles",
    );
    check(|_| None, &[], "no answer");
}

#[test]
fn a_page_that_is_too_large_is_asked_for_in_smaller_ones() {
    let (names, gaps) = scripted(|path| {
        Some(match path.split_once('?').map(|(_, query)| query) {
            Some("limit=2000") => (
                200,
                page(&["a", "b"], "").replace("[]", &"1".repeat(65 << 20)),
            ),
            Some("limit=250") => (200, page(&["a", "b"], "")),
            other => panic!("{other:?}"),
        })
    });
    assert_eq!(
        (names, gaps),
        (vec!["a".to_owned(), "b".to_owned()], Vec::new())
    );
}

#[test]
fn a_busy_server_is_asked_again() {
    let asked = AtomicUsize::new(0);
    let (names, gaps) = scripted(move |_| {
        Some(match asked.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => (429, r#"{"kind":"Status","code":429}"#.to_owned()),
            _ => (200, page(&["a"], "")),
        })
    });
    assert_eq!((names, gaps), (vec!["a".to_owned()], Vec::new()));
}

#[test]
fn reading_ends_at_its_time_limit() {
    // Everything but the version stays without an answer.
    let fake = Fake::start(version);
    let cluster = Cluster::connect(&fake.options()).unwrap();
    let options = LoadOptions {
        time_limit: Duration::from_millis(300),
        ..LoadOptions::new(LoadKinds::rbac())
    };
    let start = Instant::now();
    let loaded = load(&cluster, &options);
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(loaded.snapshot.gaps.len(), 4);
}
