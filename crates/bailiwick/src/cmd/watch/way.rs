//! Ways in a graph that changes.

use std::collections::BTreeMap;

use bailiwick_graph::{Graph, Live, Node, Path, Step};

use crate::cmd::paths::PathsArgs;

/// A way, in the words of which it consists: the graph it was in may have changed since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) effort: u32,
    pub(super) steps: Vec<(&'static str, Node)>,
}

/// The ways of which is told: of one start several, else of each the one of least effort.
pub(super) fn ways(args: &PathsArgs, live: &Live) -> BTreeMap<Node, Vec<Way>> {
    let graph = live.graph();
    let Some(target) = graph.find(&args.to) else {
        return BTreeMap::new();
    };
    let paths: Vec<Path> = match &args.from {
        Some(from) => {
            let source = graph.find(from).into_iter();
            let count = usize::from(args.count);
            source
                .flat_map(|source| graph.paths(source, target, count))
                .collect()
        }
        None => {
            let reaching = graph.reaching(target);
            let starts = graph.starts(live.snapshot()).into_iter();
            // Those who have full control as it is count, too: that somebody gets it is what people watch for.
            let starts = starts.filter(|&node| node != target);
            starts
                .filter_map(|node| graph.path(node, &reaching))
                .collect()
        }
    };
    let mut ways: BTreeMap<Node, Vec<Way>> = BTreeMap::new();
    for path in paths {
        let steps = path.edges.iter().filter_map(|&edge| graph.step(edge));
        let steps = steps.map(|step| (step.kind.id, step.to.clone()));
        let way = Way {
            effort: path.effort,
            steps: steps.collect(),
        };
        if let Some(from) = graph.node(path.from) {
            let of_start = ways.entry(from.clone()).or_default();
            if !of_start.contains(&way) {
                of_start.push(way);
            }
        }
    }
    ways
}

/// The step from a node that a way takes, where it is there.
pub(super) fn step_of<'g>(
    graph: &'g Graph,
    from: &Node,
    (edge, to): &(&str, Node),
) -> Option<Step<'g>> {
    let (from, to) = (graph.find(from)?, graph.find(to)?);
    let mut edges = graph.edges_from(from);
    let id = edges.find(|&id| {
        let leads = graph.ends(id).is_some_and(|(_, end)| end == to);
        leads && graph.step(id).is_some_and(|step| step.kind.id == *edge)
    });
    graph.step(id?)
}

/// Whether every step of a way is there.
pub(super) fn stands(graph: &Graph, from: &Node, way: &Way) -> bool {
    let mut at = from;
    way.steps.iter().all(|step| {
        let there = step_of(graph, at, step).is_some();
        at = &step.1;
        there
    })
}

/// Of several ways that are as short the one that was told of stays.
pub(super) fn keep(from: &Node, ways: &mut [Way], told: Option<&Vec<Way>>, live: &Live) {
    if let [way] = ways
        && let Some(known) = told
            .into_iter()
            .flatten()
            .find(|old| old.effort <= way.effort)
        && stands(live.graph(), from, known)
    {
        *way = known.clone();
    }
}
