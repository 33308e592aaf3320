use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::fix::tests::{ATOMS, NODES, graph, shape};

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

    /// The lead of an atom is the shortest path whose first step rests on it.
    #[test]
    fn leads_are_the_shortest_paths_over_an_atom(shape in shape()) {
        let (graph, nodes, atoms) = graph(&shape);
        let index = graph.index();
        let goal = graph.reaching_any(&nodes[6..8]);
        for &atom in &atoms {
            let lead = graph.lead(&index, &[atom], &goal);
            // Nobody who has no cheaper way without the atom may be missed.
            let without = |id: ConditionId| graph.condition_at(id).unwrap().holds(&|own| own == atom);
            let without = graph.reaching_any_over(&nodes[6..8], &without);
            let needs = |node: &&NodeId| without.effort(**node) > goal.effort(**node) || (without.effort(**node).is_none() && goal.effort(**node).is_some());
            prop_assert!(lead.is_some() || !nodes.iter().any(|node| needs(&node)));
            if let Some(lead) = lead {
                let mut at = lead.path.from;
                let mut effort = 0;
                for &id in &lead.path.edges {
                    let edge = graph.edge(id).unwrap();
                    prop_assert_eq!(edge.from, at);
                    at = edge.to;
                    effort += edge.kind.effort;
                }
                prop_assert_eq!(goal.effort(at), Some(0));
                prop_assert_eq!(effort, lead.path.effort);
                prop_assert!(lead.holders.contains(&(lead.path.from, lead.path.effort)));
                for user in graph.users(&lead, &goal, usize::MAX) {
                    let holder = lead.holders.iter().any(|&(node, _)| node == user);
                    let shortest = lead.holders.iter().filter_map(|&(node, rest)| {
                        Some(graph.reach(&[user]).effort(node)? + rest)
                    });
                    prop_assert!(holder || shortest.min() == goal.effort(user));
                }
            }
        }
    }
}

/// A graph of steps from node 0 to node 1, the goal, each with clauses of causes of atoms; those that are of use.
#[track_caller]
fn check_of_use(steps: &[&[&[&[u8]]]], expected: &[u8]) {
    let owned = |clauses: &&[&[&[u8]]]| {
        let clause = |clause: &&[&[u8]]| clause.iter().map(|cause| cause.to_vec()).collect();
        (0, 1, clauses.iter().map(clause).collect())
    };
    let (graph, nodes, atoms) = graph(&steps.iter().map(owned).collect());
    let (index, goal) = (graph.index(), graph.reaching_any(&nodes[1..2]));
    let of_use = (0..)
        .zip(&atoms)
        .filter(|(_, atom)| graph.lead(&index, &[**atom], &goal).is_some());
    assert_eq!(
        of_use.map(|(atom, _)| atom).collect::<Vec<u8>>(),
        expected,
        "{steps:?}"
    );
}

#[test]
fn what_others_make_needless_leads_nowhere() {
    // Alternatives, alone and beside a second leg.
    check_of_use(&[&[&[&[1, 2], &[1, 3]]]], &[1, 2, 3]);
    check_of_use(&[&[&[&[1, 2]], &[&[1, 3], &[1, 4]]]], &[1, 2, 3, 4]);
    // Who has the first leg by 1 and 2 has the second by them too, in one step or by another.
    check_of_use(&[&[&[&[1, 2]], &[&[1, 2], &[5, 6]]]], &[1, 2]);
    check_of_use(&[&[&[&[1, 2]], &[&[5]]], &[&[&[1, 2]]]], &[1, 2]);
    // What is there anyway needs nothing.
    check_of_use(&[&[&[&[1]]], &[]], &[]);
}
