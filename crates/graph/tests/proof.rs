//! Every right that a graph says somebody has, asked of the engine, and for the example company of a real API server.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test, also where it is no test function"
)]

mod replay;

use bailiwick_input::{LoadOptions, Source, load};
use bailiwick_model::Snapshot;
use bailiwick_rbac::Engine;
use bailiwick_testkit::directory::{Fields, acme, apply};
use bailiwick_testkit::generate::{Rng, Shape, Wild, seed};
use bailiwick_testkit::servers::Cluster;

use crate::replay::{assert_allowed, reviews};

fn example_company() -> Snapshot {
    load(&[Source::Path(acme())], &LoadOptions::default()).snapshot
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
    let asked = assert_allowed(&cluster, &reviews(&example_company()));
    println!("{asked} reviews, 0 refused");
}
