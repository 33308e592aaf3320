//! Every right that a graph says somebody has, asked of a real API server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bailiwick_graph::{Graph, Review};
use bailiwick_model::Snapshot;
use bailiwick_testkit::generate::manifest;
use bailiwick_testkit::servers::{Cluster, Identity};
use serde_json::json;

const THREADS: usize = 8;

/// The reviews of all steps, each once with a step that needs it.
pub(crate) fn reviews(snapshot: &Snapshot) -> Vec<(String, Review)> {
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

/// Asserts that the API server allows all of them. Gives how many there are.
pub(crate) fn assert_allowed(cluster: &Cluster, reviews: &[(String, Review)]) -> usize {
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
    asked.into_inner()
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
