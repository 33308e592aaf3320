//! Every right that a graph says somebody has, asked of the engine, and for the example company of a real API server.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test, also where it is no test function"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bailiwick_graph::{Graph, Review};
use bailiwick_input::{LoadOptions, Source, load};
use bailiwick_model::Snapshot;
use bailiwick_rbac::Engine;
use bailiwick_testkit::directory::{Fields, acme, apply};
use bailiwick_testkit::generate::{Rng, Shape, Wild, manifest, seed};
use bailiwick_testkit::servers::{Cluster, Identity};
use serde_json::json;

const THREADS: usize = 8;

fn example_company() -> Snapshot {
    load(&[Source::Path(acme())], &LoadOptions::default()).snapshot
}

/// The reviews of all steps, each with the step.
fn reviews(snapshot: &Snapshot) -> Vec<(String, Review)> {
    let graph = Graph::new(snapshot, BTreeMap::new());
    let mut reviews = Vec::new();
    let mut known = BTreeSet::new();
    for step in graph.edges() {
        for review in step.proof(snapshot) {
            if review.user.is_some() && known.insert(format!("{review:?}")) {
                let text = format!("{}: {} -> {}", step.kind.id, step.from, step.to);
                reviews.push((text, review));
            }
        }
    }
    reviews
}

fn check(snapshot: Snapshot) -> usize {
    let reviews = reviews(&snapshot);
    let engine = Engine::new(snapshot);
    for (step, review) in &reviews {
        let user = review.user.as_ref().unwrap();
        let verdict = engine.decide(user, &review.request);
        assert!(verdict.is_allowed(), "{step}: {review:#?}");
    }
    reviews.len()
}

#[test]
fn every_review_is_allowed() {
    assert!(check(example_company()) > 100);
    let seed = seed(0x2026_1121);
    println!("BAILIWICK_SEED={seed}");
    let mut rng = Rng::new(seed);
    for storable in [true, false] {
        let wild = Wild {
            namespaces: 4,
            cluster_roles: 60,
            roles: 60,
            cluster_role_bindings: 40,
            role_bindings: 120,
            storable,
            prefix: String::new(),
        };
        for _ in 0..20 {
            assert!(check(wild.cluster(rng.bits())) > 0);
        }
    }
    assert!(check(Shape::mixed(500).cluster(rng.bits())) > 0);
}

#[test]
fn a_real_api_server_allows_every_review_of_the_example_company() {
    let cluster = Cluster::builder().start().unwrap();
    cluster.wait_for_aggregation().unwrap();
    apply(&cluster, &acme(), Fields::Warn).unwrap();
    let reviews = reviews(&example_company());
    let (next, asked) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((step, review)) = reviews.get(next.fetch_add(1, Ordering::Relaxed)) {
                    assert!(is_allowed(cluster.admin(), review), "{step}: {review:#?}");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    println!("{} reviews, 0 refused", asked.into_inner());
}

fn is_allowed(admin: &Identity, review: &Review) -> bool {
    let body = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": manifest::review_spec(review.user.as_ref().unwrap(), &review.request),
    });
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let reply = admin.post(path, &body).unwrap();
    assert_eq!(reply.status, 201, "{body}\n{}", reply.body);
    let answer = reply.json().unwrap();
    answer
        .pointer("/status/allowed")
        .unwrap()
        .as_bool()
        .unwrap()
}
