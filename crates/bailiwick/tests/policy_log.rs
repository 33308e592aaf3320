//! `bailiwick policy replay` and `why` over a log that the store wrote.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::fs;
use std::path::Path;
use std::process::Command;

use bailiwick_audit::{
    DecisionId, DecisionRecord, Door, Durability, Event, Input, Log as _, SubjectRef,
};
use bailiwick_core::{
    Effect, Grant, Kind, ObjectRef, PolicyEvidence, Reason, ResourceRequest, Span, Subject,
};
use bailiwick_store::{Options, Store};

fn kubernetes(verb: &str, resource: &str) -> Input {
    Input::Kubernetes {
        request: ResourceRequest::new(verb, "", resource)
            .in_namespace("shop")
            .into(),
    }
}

fn by_rbac() -> Reason {
    Reason::Rbac(Grant {
        binding: ObjectRef::new(Kind::RoleBinding, "shop", "readers"),
        role: ObjectRef::new(Kind::ClusterRole, "", "view"),
        rule: 0,
        subject: Subject::User {
            name: "anna".into(),
        },
    })
}

fn by_policy(id: &str) -> Reason {
    let clause = Span { start: 0, end: 6 };
    Reason::Policies {
        policies: vec![PolicyEvidence {
            namespace: "".into(),
            id: id.into(),
            says: "nobody reads secrets".into(),
            clause,
            error: None,
        }],
    }
}

/// A log with one decision of each of these.
fn log(path: &Path, decisions: Vec<(&str, Input, Effect, Reason)>) {
    let store = Store::open(path, Options::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    for (number, (name, input, effect, reason)) in (1..).zip(decisions) {
        let record = DecisionRecord {
            id: DecisionId { run: 1, number },
            door: Door::AccessReview,
            caller: "kube-apiserver".into(),
            request_id: None,
            subject: SubjectRef {
                name: name.into(),
                ..SubjectRef::default()
            },
            input,
            effect,
            answered: None,
            reason,
            problems: vec![],
            revision: "7".into(),
            micros: 12,
        };
        let event = Event::Decision(Box::new(record)).encode().unwrap();
        runtime
            .block_on(store.append(event, Durability::Written))
            .unwrap();
    }
    store.close();
}

fn check(args: &[&str], code: i32, expected: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_bailiwick"))
        .arg("policy")
        .args(args)
        .output()
        .unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    for part in expected {
        assert!(text.contains(part), "{args:?}: no `{part}` in {text}");
    }
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
}

#[test]
fn a_log_is_decided_anew() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (old, new, extra) = (at("old.cedar"), at("new.cedar"), at("extra.cedar"));
    let secrets = "(principal, action == k8s::Action::\"get\", resource is k8s::Resource) when { \
                   resource.resource == \"secrets\" };";
    fs::write(&old, format!("forbid {secrets}")).unwrap();
    fs::write(
        &new,
        "permit (principal == k8s::User::\"ben\", action == k8s::Action::\"list\", resource);",
    )
    .unwrap();
    fs::write(
        &extra,
        "permit (principal is k8s::User, action, resource) when { principal has extra };",
    )
    .unwrap();
    let path = at("log");
    log(
        Path::new(&path),
        vec![
            ("anna", kubernetes("get", "pods"), Effect::Allow, by_rbac()),
            (
                "anna",
                kubernetes("get", "secrets"),
                Effect::Deny,
                by_policy("old"),
            ),
            (
                "ben",
                kubernetes("list", "pods"),
                Effect::NoOpinion,
                Reason::NoGrant,
            ),
            (
                "ben",
                kubernetes("list", "pods"),
                Effect::NoOpinion,
                Reason::NoGrant,
            ),
        ],
    );
    // What RBAC granted is granted still; nothing else is known of it.
    check(
        &["replay", &path, &old],
        0,
        &["decisions 4: same 4, changed 0, uncertain 0, not replayed 0"],
    );
    // Whether RBAC grants what is not forbidden any more, the log does not tell.
    check(
        &["replay", &path, &new],
        1,
        &[
            "2 times: ben: list pods in namespace \"shop\": no opinion, would be allowed: policy `new`",
            "(first 0000000000000001-3)",
            "decisions 4: same 1, changed 2, uncertain 1, not replayed 0",
        ],
    );
    check(
        &["replay", &path, &new, "-o", "json"],
        1,
        &["\"kind\": \"PolicyReplay\"", "\"count\": 2"],
    );
    // The log does not hold what this one reads.
    check(
        &["replay", &path, &extra],
        3,
        &["same 0, changed 0, uncertain 4"],
    );
    check(&["replay", "/nonexistent", &new], 2, &["/nonexistent"]);
    check(
        &["why", &path, "0000000000000001-2", &old],
        0,
        &[
            "anna: get secrets in namespace \"shop\"",
            "denied: policy `old`: nobody reads secrets",
            "`old` says today: forbid",
        ],
    );
    check(
        &["why", &path, "0000000000000001-1"],
        0,
        &["allowed: RBAC: allowed by RoleBinding \"readers/shop\""],
    );
    check(
        &["why", &path, "0000000000000001-9"],
        2,
        &["has no decision"],
    );
}

#[test]
fn questions_of_applications_and_gateways_are_replayed_with_the_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let read = || Input::Application {
        action: "read".into(),
        resource_type: "record".into(),
        resource_id: "1".into(),
    };
    let http = |method: &str, host: &str| Input::Http {
        method: method.into(),
        host: host.into(),
        path: "/records/1".into(),
    };
    let (path, policies, tags) = (at("log"), at("a.cedar"), at("tags.cedar"));
    log(
        Path::new(&path),
        vec![
            ("anna", read(), Effect::NoOpinion, Reason::NoGrant),
            (
                "anna",
                http("GET", "shop:8443"),
                Effect::NoOpinion,
                Reason::NoGrant,
            ),
            (
                "anna",
                http("PUT", "shop:8443"),
                Effect::NoOpinion,
                Reason::NoGrant,
            ),
            (
                "anna",
                http("GET", "other"),
                Effect::NoOpinion,
                Reason::NoGrant,
            ),
        ],
    );
    fs::write(
        &policies,
        "permit (principal is app::Subject, action, resource is app::Resource) when { \
         principal.application == \"shop\" && context.action == \"read\" && resource.type == \"record\" };",
    )
    .unwrap();
    fs::write(
        &tags,
        "permit (principal is app::Subject, action, resource is app::Resource) when { \
         principal.hasTag(\"role\") };",
    )
    .unwrap();
    let config = at("serve.yaml");
    fs::write(
        &config,
        "listen: {address: '127.0.0.1:0'}\nlog: {directory: log}\nauthzen: {base: 'http://127.0.0.1'}\n\
         extAuthz: {routes: [{host: shop, path: '/records/{id}', type: record, actions: {GET: read}}]}\n\
         callers: [{name: kube-apiserver, loopback: true, doors: [evaluation, extAuthz], application: shop}]\n",
    )
    .unwrap();
    check(
        &["replay", &path, &policies],
        3,
        &["decisions 4: same 0, changed 0, uncertain 0, not replayed 4"],
    );
    check(
        &["replay", &path, &policies, "--config", &config],
        1,
        &[
            "1 times: anna: read record:1: no opinion, would be allowed: policy `a`",
            "1 times: anna: GET shop:8443/records/1: no opinion, would be allowed: policy `a`",
            "decisions 4: same 2, changed 2, uncertain 0, not replayed 0",
        ],
    );
    // The log does not hold what this one reads.
    check(
        &["replay", &path, &tags, "--config", &config],
        3,
        &["same 0, changed 0, uncertain 4"],
    );
}

#[test]
fn a_log_without_decisions_answers_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (empty, policies) = (at("log"), at("new.cedar"));
    log(Path::new(&empty), vec![]);
    fs::write(&policies, "permit (principal, action, resource);").unwrap();
    let expected = format!("there is no decision in `{empty}`");
    check(&["replay", &empty, &policies], 2, &[&expected]);
}
