//! The counter-examples of edges: what the changed word takes away, the API server refuses.

use std::collections::BTreeMap;
use std::io::Write as _;

use bailiwick_graph::{EDGES, EdgeKind, Graph, Review};
use bailiwick_input::{Defaults, LoadOptions, Source, load};
use bailiwick_model::{Delta, Origin};
use bailiwick_testkit::notation;
use bailiwick_testkit::servers::Cluster;

use crate::stage::{Stage, yaml};

/// The reviews of an example's step, asked of the running server with the word and without it: all are allowed, then
/// one is refused.
#[test]
fn what_the_word_took_away_is_refused() {
    let stage = Stage::new(&Cluster::builder());
    let mut asked = 0;
    for kind in EDGES {
        let reviews = reviews_of_example(kind);
        let (word, _) = kind.example.safe;
        let (rbac, _) = kind
            .example
            .cluster
            .split_once("---")
            .unwrap_or((kind.example.cluster, ""));
        if reviews.is_empty() || !rbac.contains(word) {
            continue;
        }
        let answers = || -> Vec<bool> {
            reviews
                .iter()
                .map(|review| stage.is_allowed(review))
                .collect()
        };
        let all = |answers: &[bool]| answers.iter().all(|allowed| *allowed);
        let paths = stage.put_rbac(rbac);
        assert!(all(&answers()), "{}: {reviews:#?}", kind.id);
        stage.remove_rbac(&paths);
        let safe = rbac.replace(word, kind.example.safe.1);
        let paths = stage.put_rbac(&safe);
        assert!(!all(&answers()), "{}: {reviews:#?}", kind.id);
        stage.remove_rbac(&paths);
        asked += 1;
    }
    println!("{asked} edges");
    assert!(asked > 50);
}

/// The reviews of the step in an edge's example.
fn reviews_of_example(kind: &EdgeKind) -> Vec<Review> {
    let example = &kind.example;
    let (rbac, objects) = example
        .cluster
        .split_once("---")
        .unwrap_or((example.cluster, ""));
    let text = yaml(objects);
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let options = LoadOptions {
        defaults: Defaults::None,
        ..LoadOptions::default()
    };
    let mut snapshot = load(&[Source::Path(file.path().to_owned())], &options).snapshot;
    for object in notation::objects(rbac) {
        snapshot.apply(Delta::Upsert(Box::new(object), Origin::Live));
    }
    snapshot.cluster.stored = true;
    snapshot.cluster.minor = Some(kind.versions.until.unwrap_or(37));
    let graph = Graph::new(&snapshot, BTreeMap::new());
    let mut steps = graph.edges().filter(|step| {
        let same = step.kind.id == kind.id && step.from.to_string() == example.from;
        same && step.to.to_string() == example.to
    });
    let proof = steps.next().unwrap().proof(&snapshot).into_iter();
    proof.filter(|review| review.user.is_some()).collect()
}
