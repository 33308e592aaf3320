use std::collections::BTreeMap;

use bailiwick_core::{Kind, ObjectRef};
use proptest::prelude::*;

use super::*;
use crate::condition::Atom;
use crate::edges::EDGES;
use crate::node::Area;

const PEOPLE: usize = 4;
const NODES: usize = 7;

/// Steps: from, to, which kind.
type Steps = Vec<(usize, usize, usize)>;

/// The first nodes are groups, the others everything of a kind. Each step rests on something of its own.
fn graph(steps: &Steps) -> (Graph, Vec<NodeId>) {
    let mut graph = Graph::default();
    let nodes = (0..NODES).map(|number| {
        let name = number.to_string();
        graph.put(if number < PEOPLE {
            Node::group(&name)
        } else {
            Node::area(Area::Pods, &name.as_str().into())
        })
    });
    let nodes: Vec<NodeId> = nodes.collect();
    let kinds: Vec<_> = [CONTAINS.id, "full-control", "exec", "secret-mint"]
        .iter()
        .map(|id| *EDGES.iter().find(|kind| kind.id == *id).unwrap())
        .collect();
    for (position, &(from, to, kind)) in (0..).zip(steps) {
        let binding = ObjectRef::new(Kind::RoleBinding, "n", "b");
        let atom = graph.atom(Atom::Subject { binding, position });
        let condition = graph.condition(vec![vec![vec![atom]]].into());
        graph.link(nodes[from], nodes[to], (kinds[kind], 0), condition);
    }
    (graph, nodes)
}

type Marks = Vec<(Option<&'static str>, Option<NodeId>)>;

fn marks(graph: &Graph, edges: &[EdgeId]) -> Marks {
    let edges = edges.iter().map(|&id| graph.edge(id).unwrap());
    let marks = edges.map(|edge| graph.mark(&edge));
    marks
        .map(|mark| (mark.kind, mark.to))
        .filter(|mark| *mark != (None, None))
        .collect()
}

/// The least effort of every way, found by trying all of them.
fn every_way(graph: &Graph, source: NodeId, target: NodeId) -> BTreeMap<Marks, u32> {
    let mut ways = BTreeMap::new();
    let mut open: Vec<(Vec<NodeId>, Vec<EdgeId>, u32)> = vec![(vec![source], Vec::new(), 0)];
    let left = graph.reaching(target);
    while let Some((nodes, edges, effort)) = open.pop() {
        let node = *nodes.last().unwrap();
        if node == target {
            let least = ways.entry(marks(graph, &edges)).or_insert(effort);
            *least = effort.min(*least);
            continue;
        }
        let is_there = node != source && left.effort(node) == Some(0);
        for (id, edge) in graph.outgoing(node) {
            let free = edge.kind.effort == 0 && left.effort(edge.to) == Some(0);
            if !nodes.contains(&edge.to) && (free || !is_there) {
                let nodes = nodes.iter().copied().chain([edge.to]).collect();
                let edges = edges.iter().copied().chain([id]).collect();
                open.push((nodes, edges, effort + edge.kind.effort));
            }
        }
    }
    ways
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, ..ProptestConfig::default() })]

    /// Nothing but the ways that there are, each once, those of least effort first.
    #[test]
    fn the_ways_of_least_effort_are_found(
        steps in prop::collection::vec((0..NODES, 0..NODES, 0..4_usize), 0..14),
        count in 1..6_usize,
    ) {
        let (graph, nodes) = graph(&steps);
        let target = nodes[PEOPLE - 1];
        let expected = every_way(&graph, nodes[0], target);
        let found = graph.paths(nodes[0], target, count);
        let mut least: Vec<u32> = expected.values().copied().collect();
        least.sort();
        least.truncate(count);
        let efforts: Vec<u32> = found.iter().map(|path| path.effort).collect();
        prop_assert_eq!(efforts, least);
        let told: BTreeMap<Marks, u32> = found.iter().map(|path| (marks(&graph, &path.edges), path.effort)).collect();
        prop_assert_eq!(told.len(), found.len());
        for (way, effort) in told {
            prop_assert_eq!(expected.get(&way), Some(&effort));
        }
    }
}

/// Bindings that give the same, everything of the cluster by way of each namespace, and what somebody may do who has the
/// target by then are no further ways.
#[test]
fn a_way_is_told_once() {
    let [source, one, other, target, everywhere, there, minted] = [0, 1, 2, 3, 4, 5, 6];
    let [contains, full_control, exec, mint] = [0, 1, 2, 3];
    let steps = vec![
        (source, everywhere, exec),
        (source, everywhere, exec),
        (everywhere, there, contains),
        (there, one, contains),
        (everywhere, minted, mint),
        (there, minted, mint),
        (minted, one, contains),
        (one, target, exec),
        (one, other, exec),
        (other, target, full_control),
        (other, target, mint),
    ];
    let (graph, nodes) = graph(&steps);
    let paths = graph.paths(nodes[source], nodes[target], 10);
    let told = paths.iter().map(|path| {
        let steps = path.edges.iter().filter_map(|&edge| graph.step(edge));
        let kinds: Vec<&str> = steps.map(|step| step.kind.id).collect();
        format!("{} {}", path.effort, kinds.join(" "))
    });
    let mut told: Vec<String> = told.collect();
    told.sort();
    let expected = [
        "2 exec contains contains exec",
        "2 exec contains contains exec full-control",
        "4 exec secret-mint contains exec",
        "4 exec secret-mint contains exec full-control",
    ];
    assert_eq!(told, expected);
}
