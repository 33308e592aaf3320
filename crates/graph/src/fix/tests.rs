use bailiwick_core::{Kind, ObjectRef};
use proptest::prelude::*;

use super::*;
use crate::condition::Atom;
use crate::edges::EDGES;
use crate::node::Node;

/// Edges between nodes 0 to 7, each with clauses of causes of atoms 0 to 6. Node 7 is the target.
pub(crate) type Shape = Vec<(u8, u8, Vec<Vec<Vec<u8>>>)>;

pub(crate) const NODES: u8 = 8;
pub(crate) const ATOMS: u8 = 7;

pub(crate) fn graph(shape: &Shape) -> (Graph, Vec<NodeId>, Vec<AtomId>) {
    let mut graph = Graph::default();
    let nodes: Vec<NodeId> = (0..NODES)
        .map(|node| graph.put(Node::group(&node.to_string())))
        .collect();
    let atoms: Vec<AtomId> = (0..ATOMS)
        .map(|atom| {
            let object = ObjectRef::new(Kind::RoleBinding, "n", "b");
            graph.atom(Atom::Subject {
                binding: object,
                position: u32::from(atom),
            })
        })
        .collect();
    for (from, to, clauses) in shape {
        let cause = |cause: &Vec<u8>| cause.iter().map(|&atom| atoms[usize::from(atom)]).collect();
        let clause = |clause: &Vec<Vec<u8>>| clause.iter().map(cause).collect();
        let clauses: Vec<Clause> = clauses.iter().map(clause).collect();
        let condition = graph.condition(clauses.into());
        graph.link(
            nodes[usize::from(*from)],
            nodes[usize::from(*to)],
            (EDGES[0], 0),
            condition,
        );
    }
    (graph, nodes, atoms)
}

fn closes(graph: &Graph, sources: &[NodeId], target: NodeId, removed: &BTreeSet<AtomId>) -> bool {
    let open = |edge: &Edge| graph.holds(edge, &|atom| removed.contains(&atom));
    let reaching = graph.reaching_over(target, &open, &|_| false);
    sources
        .iter()
        .all(|&source| reaching.effort(source).is_none())
}

/// The least cost of any set of removable atoms that closes every path.
fn brute_force(
    graph: &Graph,
    sources: &[NodeId],
    target: NodeId,
    atoms: &[AtomId],
    cost: Cost<'_>,
) -> Option<u64> {
    let sets = 0_u32..1 << atoms.len();
    sets.filter_map(|set| {
        let chosen = (0..).zip(atoms).filter(|(bit, _)| set & (1 << bit) != 0);
        let removed: BTreeSet<AtomId> = chosen.map(|(_, &atom)| atom).collect();
        let price: Option<u64> = removed.iter().map(|&atom| cost(atom)).sum();
        price.filter(|_| closes(graph, sources, target, &removed))
    })
    .min()
}

pub(crate) fn shape() -> impl Strategy<Value = Shape> {
    let cause = prop::collection::vec(0..ATOMS, 0..3);
    let clause = prop::collection::vec(cause, 1..3);
    let edge = (0..NODES, 0..NODES, prop::collection::vec(clause, 0..3));
    prop::collection::vec(edge, 0..14)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    /// Costs 0 to 3 by atom, 0 standing for "must stay".
    #[test]
    fn the_cheapest_as_brute_force_finds_it(
        shape in shape(),
        prices in prop::collection::vec(0_u64..4, usize::from(ATOMS)),
    ) {
        let (graph, nodes, atoms) = graph(&shape);
        let (sources, target) = (&nodes[..2], nodes[usize::from(NODES) - 1]);
        let cost = |atom: AtomId| prices.get(atom.0 as usize).copied().filter(|&price| price > 0);
        let expected = brute_force(&graph, sources, target, &atoms, &cost);
        match graph.fix(sources, target, &cost, 100_000) {
            Ok(fix) => {
                prop_assert_eq!(Some(fix.cost), expected);
                prop_assert_eq!(fix.at_least, fix.cost);
                let removed = fix.atoms.iter().copied().collect();
                prop_assert!(closes(&graph, sources, target, &removed));
                // Each is needed: without it there is a path that the whole set closes.
                for &atom in &fix.atoms {
                    let path = graph.path_closed_by(atom, &fix.atoms, sources, target);
                    let path = path.unwrap();
                    let edges = || path.edges.iter().map(|&edge| graph.edge(edge).unwrap());
                    let others = |own: AtomId| own != atom && fix.atoms.contains(&own);
                    prop_assert!(edges().all(|edge| graph.holds(&edge, &others)));
                    let all = |own: AtomId| fix.atoms.contains(&own);
                    prop_assert!(!edges().all(|edge| graph.holds(&edge, &all)));
                }
            }
            Err(path) => {
                prop_assert_eq!(expected, None);
                prop_assert!(!path.edges.is_empty());
            }
        }
    }

    /// However little work is allowed, the bound holds and what is found closes every path.
    #[test]
    fn bounds_hold_with_little_work(shape in shape(), work in 0_u64..20) {
        let (graph, nodes, atoms) = graph(&shape);
        let (sources, target) = (&nodes[..2], nodes[usize::from(NODES) - 1]);
        let cost = |_: AtomId| Some(1);
        let expected = brute_force(&graph, sources, target, &atoms, &cost);
        match graph.fix(sources, target, &cost, work) {
            Ok(fix) => {
                let expected = expected.unwrap();
                prop_assert!(fix.at_least <= expected && expected <= fix.cost);
                let removed = fix.atoms.iter().copied().collect();
                prop_assert!(closes(&graph, sources, target, &removed));
            }
            Err(_) => prop_assert_eq!(expected, None),
        }
    }
}
