//! What holds of every edge.

use std::collections::BTreeMap;

use bailiwick_rbac::{Engine, Right, Scope};

use super::testing::{cluster, graph, has};
use crate::{EDGES, EdgeKind, Graph, Review};

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

#[test]
fn reviews_are_allowed_with_the_word_and_refused_without_it() {
    for kind in EDGES {
        let example = &kind.example;
        let snapshot = cluster(example.cluster, minor(kind));
        let graph = Graph::new(&snapshot, BTreeMap::new());
        let mut steps = graph.edges().filter(|step| {
            step.kind.id == kind.id
                && step.from.to_string() == example.from
                && step.to.to_string() == example.to
        });
        let proof = steps.next().unwrap().proof(&snapshot);
        let needs = kind.needs_rights();
        assert_eq!(!proof.is_empty(), needs, "{}", kind.id);
        let allowed = |cluster| {
            let engine = Engine::new(cluster);
            let is_allowed = |review: &Review| {
                let user = review.user.as_ref().unwrap();
                engine.decide(user, &review.request).is_allowed()
            };
            proof.iter().all(is_allowed)
        };
        assert!(allowed(snapshot.clone()), "{}: {proof:#?}", kind.id);
        let (word, instead) = example.safe;
        let (rbac, _) = example
            .cluster
            .split_once("---")
            .unwrap_or((example.cluster, ""));
        if needs && rbac.contains(word) {
            let safe = cluster(&example.cluster.replace(word, instead), minor(kind));
            assert!(!allowed(safe), "{}: {proof:#?}", kind.id);
        }
    }
}

/// Rights that a RoleBinding cannot give, bound by one; and rights on what no API server has.
#[test]
fn no_edge_comes_of_rights_that_are_dead() {
    let (mut rules, mut alive) = (0, 0);
    for kind in EDGES {
        for (number, rule) in (0_u8..).zip(kind.rules) {
            let legs = rule.every_leg();
            if legs.is_empty() {
                continue;
            }
            let by_rolebinding = dead(
                legs,
                |right| right.resource.to_owned(),
                "RoleBinding shop/r",
            );
            let everywhere = "ClusterRoleBinding r";
            let unknown = dead(legs, |right| format!("x{}", right.resource), everywhere);
            let capital = dead(legs, |right| right.resource.to_uppercase(), everywhere);
            let slash = dead(
                legs,
                |right| format!("{}/*", right.resource.split('/').next().unwrap()),
                everywhere,
            );
            let needs_cluster =
                |leg: &&[Right]| leg.iter().all(|right| right.scope == Scope::Cluster);
            let is_dead = legs.iter().any(&needs_cluster);
            let mut cases = vec![unknown, capital, slash];
            cases.extend(Some(by_rolebinding).filter(|_| is_dead));
            for text in cases {
                assert_eq!(leads(kind, number, &text), None, "{}: {text}", kind.id);
            }
            let as_they_are = dead(legs, |right| right.resource.to_owned(), everywhere);
            rules += 1;
            alive += usize::from(leads(kind, number, &as_they_are).is_some());
        }
    }
    // The others take names, other objects or subjects.
    assert!(alive * 3 > rules * 2, "{alive} of {rules}");
}

/// Where the first step of a rule of an edge leads from eve, with what stands in its example beside roles and bindings.
fn leads(kind: &EdgeKind, number: u8, rbac: &str) -> Option<String> {
    let objects = kind.example.cluster.split_once("---");
    let objects = objects.map_or_else(String::new, |(_, objects)| format!("---{objects}"));
    let graph = graph(&format!("{rbac}\n{objects}"), minor(kind));
    let mut steps = graph.edges().filter(|step| {
        let same = std::ptr::eq(step.kind, kind) && step.rule == number;
        same && step.from.to_string() == "user eve"
    });
    steps.next().map(|step| step.to.to_string())
}

/// A role with every right of these legs, bound to eve.
fn dead(legs: &[&[Right]], resource: impl Fn(&Right) -> String, binding: &str) -> String {
    let mut text = "ClusterRole r\n".to_owned();
    for right in legs
        .iter()
        .copied()
        .flatten()
        .filter(|right| **right != Right::EVERYTHING)
    {
        let group = if right.group.is_empty() {
            "''"
        } else {
            right.group
        };
        let verbs = right.verbs.join(",");
        text += &format!("  {verbs} on {} of {group}\n", resource(right));
    }
    format!("{text}{binding} gives ClusterRole/r to user:eve")
}
