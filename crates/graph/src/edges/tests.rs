//! What holds of every edge, and of several together.

use super::testing::{check, check_with, graph, has};
use crate::{EDGES, EdgeKind};

/// The newest minor in which an edge works.
fn minor(kind: &EdgeKind) -> u16 {
    kind.versions.until.unwrap_or(37)
}

#[test]
fn every_example_has_its_step() {
    for kind in EDGES {
        let example = &kind.example;
        let graph = graph(example.cluster, minor(kind));
        let steps: Vec<String> = graph
            .edges()
            .map(|step| format!("{}: {} -> {}", step.kind.id, step.from, step.to))
            .collect();
        assert!(
            has(&graph, kind, example.from, example.to),
            "{}: {steps:#?}",
            kind.id
        );
    }
}

#[test]
fn one_word_less_and_the_step_is_gone() {
    for kind in EDGES {
        let example = &kind.example;
        let (word, instead) = example.safe;
        assert_eq!(
            example.cluster.matches(word).count(),
            1,
            "{}: {word}",
            kind.id
        );
        let safe = example.cluster.replace(word, instead);
        let from = example.from.replace(word, instead);
        assert!(
            !has(&graph(&safe, minor(kind)), kind, &from, example.to),
            "{}",
            kind.id
        );
    }
}

#[test]
fn versions_have_two_sides() {
    for kind in EDGES {
        let example = &kind.example;
        let check = |minor: u16, expected: bool| {
            let graph = graph(example.cluster, minor);
            assert_eq!(
                has(&graph, kind, example.from, example.to),
                expected,
                "{} in 1.{minor}",
                kind.id
            );
        };
        if let Some(since) = kind.versions.since {
            check(since - 1, false);
            check(since, true);
        }
        if let Some(until) = kind.versions.until {
            check(until, true);
            check(until + 1, false);
        }
    }
}

#[test]
fn ids_are_sorted_and_unique() {
    let ids: Vec<&str> = EDGES.iter().map(|kind| kind.id).collect();
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(ids, sorted);
}
