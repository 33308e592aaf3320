//! The engine against a running kube-apiserver, asked by SubjectAccessReview, on a made-up cluster of everything odd
//! that an API server stores, beside the roles and bindings that it brings along.
//!
//! `BAILIWICK_SEED` repeats a run, `BAILIWICK_REVIEWS` asks for more than the usual 1,000 reviews
//! (`cargo xtask soak live` does).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test, also where it is no test function"
)]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bailiwick_core::names::MASTERS;
use bailiwick_core::{Kind, Request, ResourceRequest, UserInfo};
use bailiwick_model::{Delta, Interner, Object, Origin, Snapshot, Value, decode};
use bailiwick_rbac::Engine;
use bailiwick_testkit::generate::{Question, Requests, Rng, Wild, manifest, seed};
use bailiwick_testkit::servers::{Cluster, Identity};
use serde_json::json;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const THREADS: usize = 8;

/// Many objects for their number of names, so that few requests meet nothing.
fn wild() -> Wild {
    Wild {
        namespaces: 4,
        cluster_roles: 60,
        roles: 60,
        cluster_role_bindings: 40,
        role_bindings: 120,
        storable: true,
        prefix: String::new(),
    }
}

#[test]
fn every_review_is_answered_as_the_server_answers_it() {
    let seed = seed(0x2026_1121);
    let reviews: usize = std::env::var("BAILIWICK_REVIEWS").map_or(1_000, |n| n.parse().unwrap());
    println!("BAILIWICK_SEED={seed} BAILIWICK_REVIEWS={reviews}");
    let mut rng = Rng::new(seed);
    let cluster = Cluster::builder().start().unwrap();
    let admin = cluster.admin();
    create(admin, &wild().cluster(rng.bits()));
    wait_for_sentinels(admin);

    let engine = Engine::new(stored(admin));
    assert!(
        engine.snapshot().bindings.len() > 160,
        "the made-up bindings are there"
    );
    let mut requests = Requests::new(engine.snapshot(), rng.bits());
    let questions: Vec<Question> = std::iter::repeat_with(|| question(&mut requests, &mut rng))
        .filter(|q| !(q.user.name.is_empty() && q.user.groups.is_empty()))
        .take(reviews)
        .collect();

    let (next, allowed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(question) = questions.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let is_allowed = compare(&engine, admin, question, seed);
                    allowed.fetch_add(usize::from(is_allowed), Ordering::Relaxed);
                }
            });
        }
    });
    let share = allowed.into_inner() * 100 / reviews;
    println!("{reviews} reviews, {share} % allowed, 0 differences");
    assert!(
        (30..=80).contains(&share),
        "{share} % of the reviews are allowed"
    );
}

/// One in fifty is a member of `system:masters`.
fn question(requests: &mut Requests<'_>, rng: &mut Rng) -> Question {
    let mut question = requests.question();
    if rng.chance(2) {
        question.user.groups.push(MASTERS.to_owned());
    }
    question
}

fn compare(engine: &Engine, admin: &Identity, question: &Question, seed: u64) -> bool {
    let (user, request) = (&question.user, &question.request);
    let status = review(admin, user, request);
    let verdict = engine.decide(user, request);
    let context = format!("BAILIWICK_SEED={seed}: {question:?}\n{verdict:?}\n{status}");
    let is_allowed = status["allowed"] == json!(true);
    assert_eq!(verdict.is_allowed(), is_allowed, "{context}");
    let reason = status["reason"].as_str().unwrap_or("");
    let reasons: BTreeSet<String> = engine
        .grants(user, request)
        .iter()
        .map(|grant| grant.to_grant().to_string())
        .collect();
    if user.is_master() {
        assert_eq!(reason, "", "{context}");
    } else if is_allowed {
        assert!(reasons.contains(reason), "{context}\n{reasons:?}");
    } else {
        assert_eq!(verdict.met_dangling(), !reason.is_empty(), "{context}");
    }
    is_allowed
}

fn review(admin: &Identity, user: &UserInfo, request: &Request) -> serde_json::Value {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": manifest::review_spec(user, request),
    });
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let reply = admin.post(path, &review).unwrap();
    assert_eq!(reply.status, 201, "{review}\n{}", reply.body);
    reply.json().unwrap()["status"].clone()
}

/// Creates all objects, and last of each kind one by which we notice that the authorizer has seen the others.
fn create(admin: &Identity, snapshot: &Snapshot) {
    for namespace in wild().namespaces() {
        let body =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        post(admin, "/api/v1/namespaces", &body);
    }
    let objects = manifest::objects(snapshot);
    let lists = [
        objects.roles,
        objects.cluster_roles,
        objects.role_bindings,
        objects.cluster_role_bindings,
    ];
    thread::scope(|scope| {
        for list in &lists {
            scope.spawn(move || list.iter().for_each(|object| post_rbac(admin, object)));
        }
    });
    sentinels()
        .iter()
        .for_each(|object| post_rbac(admin, object));
}

fn sentinels() -> [serde_json::Value; 4] {
    let rules =
        json!([{"verbs": ["get"], "apiGroups": ["sentinel.example"], "resources": ["posts"]}]);
    let subjects = json!([{
        "kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "sentinel",
    }]);
    let object = |kind: &str, fields: serde_json::Value| {
        let mut object = fields;
        object["apiVersion"] = json!("rbac.authorization.k8s.io/v1");
        object["kind"] = json!(kind);
        object["metadata"] = json!({"name": "zz-sentinel"});
        if !kind.starts_with("Cluster") {
            object["metadata"]["namespace"] = json!("ns-0");
        }
        object
    };
    let role_ref = |kind: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "zz-sentinel"});
    let named = json!([{
        "verbs": ["list"], "apiGroups": ["sentinel.example"], "resources": ["posts"],
    }]);
    [
        object("Role", json!({"rules": named})),
        object("ClusterRole", json!({"rules": rules})),
        object(
            "RoleBinding",
            json!({"roleRef": role_ref("Role"), "subjects": subjects}),
        ),
        object(
            "ClusterRoleBinding",
            json!({"roleRef": role_ref("ClusterRole"), "subjects": subjects}),
        ),
    ]
}

fn wait_for_sentinels(admin: &Identity) {
    let sentinel = UserInfo::exactly("sentinel", &[]);
    let on_posts = |verb| ResourceRequest::new(verb, "sentinel.example", "posts");
    let requests = [on_posts("get"), on_posts("list").in_namespace("ns-0")];
    let end = Instant::now() + Duration::from_secs(30);
    for request in requests.map(Request::from) {
        while review(admin, &sentinel, &request)["allowed"] != json!(true) {
            assert!(
                Instant::now() < end,
                "the authorizer does not see {request}"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn post_rbac(admin: &Identity, object: &serde_json::Value) {
    let kind: Kind = object["kind"].as_str().unwrap().parse().unwrap();
    let resource = kind.resource();
    let path = match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{RBAC}/namespaces/{namespace}/{resource}"),
        None => format!("{RBAC}/{resource}"),
    };
    post(admin, &path, object);
}

fn post(admin: &Identity, path: &str, object: &serde_json::Value) {
    let reply = admin.post(path, object).unwrap();
    // Of two made-up objects with one name the first stays.
    assert!(
        matches!(reply.status, 201 | 409),
        "{object}\n{}",
        reply.body
    );
}

/// The roles and bindings that the server holds, read as the product reads them.
fn stored(admin: &Identity) -> Snapshot {
    let mut snapshot = Snapshot::default();
    snapshot.cluster.stored = true;
    let mut names = Interner::default();
    for kind in Kind::RBAC {
        let reply = admin.get(&format!("{RBAC}/{}", kind.resource())).unwrap();
        let list = reply.json().unwrap();
        for item in list["items"].as_array().unwrap() {
            let mut item = item.clone();
            item["apiVersion"] = json!("rbac.authorization.k8s.io/v1");
            item["kind"] = json!(kind.as_str());
            let value: Value = serde_json::from_value(item.clone()).unwrap();
            let decoded = decode(value, &mut names);
            assert!(decoded.issues.is_empty(), "{item}\n{:?}", decoded.issues);
            let object: Object = decoded.object.unwrap();
            snapshot.apply(Delta::Upsert(Box::new(object), Origin::Live));
        }
    }
    snapshot
}
