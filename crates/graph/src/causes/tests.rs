use std::collections::BTreeSet;

use bailiwick_core::{Kind, ObjectRef};
use proptest::prelude::*;

use super::*;
use crate::edges::EDGES;
use crate::fix::tests::{ATOMS, NODES, graph, shape};
use crate::node::Node;

/// Who of the sources gets to a target once these atoms are gone.
fn open(
    graph: &Graph,
    sources: &[NodeId],
    targets: &[NodeId],
    gone: &BTreeSet<AtomId>,
) -> Vec<NodeId> {
    let open = |id: ConditionId| {
        let condition = graph.condition_at(id).unwrap();
        condition.holds(&|atom| gone.contains(&atom))
    };
    let reaching = graph.reaching_any_over(targets, &open);
    let there = |source: &NodeId| reaching.effort(*source).is_some();
    sources.iter().copied().filter(there).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    /// Prices 0 to 3 by atom, 0 standing for "must stay". The nodes 5 and 6 are the first goal, 7 is the second.
    #[test]
    fn causes_close_every_way_and_none_is_superfluous(
        shape in shape(),
        prices in prop::collection::vec(0_u64..4, usize::from(ATOMS)),
    ) {
        let (graph, nodes, atoms) = graph(&shape);
        let sources = &nodes[..3];
        let cost = |atom: AtomId| prices.get(atom.0 as usize).copied().filter(|&price| price > 0);
        let index = graph.index();
        let mut causes = Causes::new(&graph, &index, &cost);
        let free: BTreeSet<AtomId> = atoms.iter().copied().filter(|&atom| cost(atom).is_some()).collect();
        let mut mended = BTreeSet::new();
        for targets in [&nodes[5..7], &nodes[7..usize::from(NODES)]] {
            let found = causes.of(sources, targets);
            let by_design = open(&graph, sources, targets, &free);
            for cause in &found {
                prop_assert!(cause.iter().all(|atom| free.contains(atom)), "{cause:?}");
                let others = found.iter().filter(|other| *other != cause).flatten().copied();
                let others: BTreeSet<AtomId> = others.chain(mended.iter().copied()).collect();
                let left = open(&graph, sources, targets, &others);
                prop_assert!(left.len() > by_design.len(), "{cause:?} is superfluous");
            }
            mended.extend(found.into_iter().flatten());
            prop_assert_eq!(open(&graph, sources, targets, &mended), by_design);
        }
    }

    /// Edges closed a few at a time leave what a search from the start would find.
    #[test]
    fn closing_edges_leaves_a_way_to_whoever_has_one(
        shape in shape(),
        steps in prop::collection::vec(prop::collection::vec(0..ATOMS, 1..3), 1..4),
    ) {
        let (graph, nodes, atoms) = graph(&shape);
        let (index, targets) = (graph.index(), &nodes[6..8]);
        let mut tree = Tree::new(&graph, targets, graph.reaching_any(targets));
        let mut gone = BTreeSet::new();
        let open = |gone: &BTreeSet<AtomId>, id| graph.condition_at(id).unwrap().holds(&|atom| gone.contains(&atom));
        for step in steps {
            gone.extend(step.iter().map(|&atom| atoms[usize::from(atom)]));
            let closed: BTreeSet<EdgeId> = gone.iter().flat_map(|&atom| index.edges_on(atom)).collect();
            let closed: Vec<EdgeId> = closed
                .into_iter()
                .filter(|&id| !graph.holds(&graph.edge(id).unwrap(), &|atom| gone.contains(&atom)))
                .collect();
            tree.close(&closed, &|edge| graph.holds(edge, &|atom| gone.contains(&atom)));
            let fresh = graph.reaching_any_over(targets, &|id| open(&gone, id));
            for &node in &nodes {
                prop_assert_eq!(tree.has(node), fresh.effort(node).is_some());
                let mut at = node;
                for edge in tree.way(node) {
                    prop_assert!(edge.from == at && graph.holds(&edge, &|atom| gone.contains(&atom)));
                    at = edge.to;
                }
                prop_assert!(!tree.has(node) || targets.contains(&at));
            }
        }
    }
}

/// Somebody with so many ways, each longer than the one before: each search finds one cause more.
#[test]
fn a_long_row_of_ever_longer_ways_is_closed_to_its_end() {
    const WAYS: usize = 150;
    let mut graph = Graph::default();
    let nodes: Vec<NodeId> = (0..=WAYS + 1)
        .map(|node| graph.put(Node::group(&node.to_string())))
        .collect();
    let kind = *EDGES.iter().find(|kind| kind.effort > 0).unwrap();
    let link = |from: usize, to: usize, causes: Vec<Vec<AtomId>>, graph: &mut Graph| {
        let clauses = Some(causes).filter(|causes| !causes.is_empty());
        let clauses: Vec<Clause> = clauses.into_iter().collect();
        let condition = graph.condition(clauses.into());
        graph.link(nodes[from], nodes[to], (kind, 0), condition);
    };
    for way in 1..=WAYS {
        let atom = graph.atom(Atom::Subject {
            binding: ObjectRef::new(Kind::RoleBinding, "n", &format!("b{way}")),
            position: 0,
        });
        link(0, way, vec![vec![atom]], &mut graph);
        link(way, way + 1, Vec::new(), &mut graph);
    }
    let index = graph.index();
    let mut causes = Causes::new(&graph, &index, &|_| Some(1));
    let found = causes.of(&nodes[..1], &nodes[WAYS + 1..]);
    assert_eq!(found.len(), WAYS);
}
