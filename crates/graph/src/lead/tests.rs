use proptest::prelude::*;

use super::*;
use crate::condition::ConditionId;
use crate::fix::tests::{graph, shape};

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    /// The lead of an atom is the shortest path whose first step rests on it.
    #[test]
    fn leads_are_the_shortest_paths_over_an_atom(shape in shape()) {
        let (graph, nodes, atoms) = graph(&shape);
        let index = graph.index();
        let goal = graph.reaching_any(&nodes[6..8]);
        let toward = Toward::new(&graph, &nodes[6..8]);
        for &atom in &atoms {
            let lead = toward.lead(&index, &[atom]);
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
                for user in toward.users(&lead, usize::MAX) {
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
    let (index, toward) = (graph.index(), Toward::new(&graph, &nodes[1..2]));
    let of_use = (0..)
        .zip(&atoms)
        .filter(|(_, atom)| toward.lead(&index, &[**atom]).is_some());
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
