//! Ways in a graph that changes.

use std::collections::BTreeMap;

use bailiwick_graph::{Graph, Live, Node, Path, Step, tells_apart};

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
            ways.entry(from.clone()).or_default().push(way);
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

/// What was told of stays: a way that the graph has several times as it was told, and of several ways that are as short,
/// where one is asked for, that one.
pub(super) fn keep(
    from: &Node,
    ways: &mut [Way],
    told: Option<&Vec<Way>>,
    one_of_each: bool,
    live: &Live,
) {
    for way in ways {
        let stays = |old: &&Way| {
            let same = if one_of_each {
                old.effort <= way.effort
            } else {
                old.effort == way.effort && old.marks(from) == way.marks(from)
            };
            same && stands(live.graph(), from, old)
        };
        if let Some(known) = told.into_iter().flatten().find(stays) {
            *way = known.clone();
        }
    }
}

impl Way {
    /// What tells it from others.
    fn marks<'w>(&'w self, from: &'w Node) -> Vec<(Option<&'static str>, Option<&'w Node>)> {
        let starts = std::iter::once(from).chain(self.steps.iter().map(|(_, to)| to));
        let steps = starts.zip(&self.steps).map(|(from, (edge, to))| {
            let (by_kind, by_end) = tells_apart(edge, from, to);
            (by_kind.then_some(*edge), by_end.then_some(to))
        });
        steps.filter(|mark| *mark != (None, None)).collect()
    }
}
