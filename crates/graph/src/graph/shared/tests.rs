use std::collections::{BTreeMap, BTreeSet};

use bailiwick_core::{Kind, ObjectRef};
use proptest::prelude::*;

use super::*;
use crate::condition::{Atom, AtomId};
use crate::edges::EDGES;
use crate::node::Node;

const NODES: usize = 6;
const ATOMS: u32 = 10;

/// Steps of roles: role, where they lead, what gives the right, and a setting beside it.
type Steps = Vec<(usize, usize, u32, Option<u32>)>;

/// Who has a role: the node, the role, and what gives it.
type Shares = Vec<(usize, usize, u32)>;

fn base() -> (Graph, Vec<NodeId>, Vec<AtomId>) {
    let mut graph = Graph::default();
    let nodes = (0..NODES).map(|node| graph.put(Node::group(&node.to_string())));
    let nodes = nodes.collect();
    let atoms = (0..ATOMS).map(|position| {
        let binding = ObjectRef::new(Kind::RoleBinding, "n", "b");
        graph.atom(Atom::Subject { binding, position })
    });
    let atoms = atoms.collect();
    (graph, nodes, atoms)
}

fn condition(clauses: Vec<Clause>, graph: &mut Graph) -> ConditionId {
    let clauses = clauses.into_iter().map(|mut clause| {
        clause.sort();
        clause.dedup();
        clause
    });
    let clauses: Vec<Clause> = clauses.collect();
    graph.condition(clauses.into())
}

/// The graph with steps that are there once for each role.
fn shared(steps: &Steps, shares: &Shares) -> (Graph, Vec<NodeId>, Vec<AtomId>) {
    let (mut graph, nodes, atoms) = base();
    let role = |number: usize, graph: &mut Graph| {
        let role = ObjectRef::new(Kind::ClusterRole, "", &number.to_string());
        graph.common(Common::Role(SharedRole {
            role,
            namespace: "".into(),
            without: Vec::new(),
        }))
    };
    let mut merged: BTreeMap<(usize, usize, Option<u32>), Clause> = BTreeMap::new();
    for &(of, to, right, setting) in steps {
        let clause = merged.entry((of, to, setting)).or_default();
        clause.push(vec![atoms[right as usize]]);
    }
    for ((of, to, setting), clause) in merged {
        let setting = setting.map(|atom| vec![vec![atoms[atom as usize]]]);
        let clauses = std::iter::once(clause).chain(setting).collect();
        let condition = condition(clauses, &mut graph);
        let role = role(of, &mut graph);
        graph.link_shared(role, nodes[to], (EDGES[0], 0), condition);
    }
    let mut held: BTreeMap<(usize, usize), Clause> = BTreeMap::new();
    for &(holder, of, by) in shares {
        let clause = held.entry((holder, of)).or_default();
        clause.push(vec![atoms[by as usize]]);
    }
    for ((holder, of), clause) in held {
        let condition = condition(vec![clause], &mut graph);
        let role = role(of, &mut graph);
        graph.share(nodes[holder], role, condition);
    }
    (graph, nodes, atoms)
}

/// The same with an edge from everybody who has a role.
fn spelled_out(steps: &Steps, shares: &Shares) -> (Graph, Vec<NodeId>) {
    let (mut graph, nodes, atoms) = base();
    let mut merged: BTreeMap<(usize, usize, Option<u32>), Clause> = BTreeMap::new();
    for &(holder, role, by) in shares {
        for &(_, to, right, setting) in steps.iter().filter(|step| step.0 == role) {
            let clause = merged.entry((holder, to, setting)).or_default();
            clause.push(vec![atoms[by as usize], atoms[right as usize]]);
        }
    }
    for ((from, to, setting), clause) in merged {
        let setting = setting.map(|atom| vec![vec![atoms[atom as usize]]]);
        let clauses = std::iter::once(clause).chain(setting).collect();
        let condition = condition(clauses, &mut graph);
        graph.link(nodes[from], nodes[to], (EDGES[0], 0), condition);
    }
    (graph, nodes)
}

fn listed_steps(graph: &Graph) -> BTreeSet<String> {
    let steps = graph.edges();
    let steps = steps.map(|step| format!("{:?} {:?} {:?}", step.from, step.to, step.evidence));
    steps.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Nobody who asks sees a difference, whatever is taken away.
    #[test]
    fn shared_steps_are_those_of_everybody_who_has_the_role(
        steps in prop::collection::vec((0..3_usize, 0..NODES, 5..8_u32, prop::option::of(8..ATOMS)), 0..8),
        shares in prop::collection::vec((0..NODES, 0..3_usize, 0..5_u32), 0..8),
        gone in prop::collection::btree_set(0..ATOMS, 0..3),
    ) {
        let (shared, nodes, atoms) = shared(&steps, &shares);
        let (whole, same) = spelled_out(&steps, &shares);
        prop_assert_eq!(&nodes, &same);
        prop_assert_eq!(listed_steps(&shared), listed_steps(&whole));
        prop_assert_eq!(shared.nodes().count(), whole.edges().flat_map(|step| [step.from, step.to]).collect::<BTreeSet<_>>().len());
        let gone: BTreeSet<AtomId> = gone.iter().map(|&atom| atoms[atom as usize]).collect();
        let removed = |atom: AtomId| gone.contains(&atom);
        let target = nodes[NODES - 1];
        let of = |graph: &Graph| {
            let open = |edge: &Edge| graph.holds(edge, &removed);
            let reaching = graph.reaching_over(target, &open, &|_| false);
            nodes.iter().map(|&node| reaching.effort(node)).collect::<Vec<_>>()
        };
        prop_assert_eq!(of(&shared), of(&whole));
        let paths = |graph: &Graph| {
            let paths = graph.paths(nodes[0], target, 20);
            paths.iter().map(|path| path.effort).collect::<Vec<_>>()
        };
        prop_assert_eq!(paths(&shared), paths(&whole));
        let fix = |graph: &Graph| graph.fix(&nodes[..2], target, &|_| Some(1), 10_000);
        prop_assert_eq!(fix(&shared).map(|fix| fix.cost), fix(&whole).map(|fix| fix.cost));
        let index = shared.index();
        let mut causes = crate::causes::Causes::new(&shared, &index, &|_| Some(1));
        let found: BTreeSet<AtomId> = causes.of(&nodes[..2], &[target]).into_iter().flatten().collect();
        let open = |edge: &Edge| whole.holds(edge, &|atom| found.contains(&atom));
        let left = whole.reaching_over(target, &open, &|_| false);
        prop_assert!(nodes[..2].iter().all(|&node| node == target || left.effort(node).is_none()));
    }

    /// What nobody puts in any more is gone, with all that it rests on.
    #[test]
    fn what_is_unmade_is_gone(
        steps in prop::collection::vec((0..3_usize, 0..NODES, 5..8_u32, prop::option::of(8..ATOMS)), 0..8),
        shares in prop::collection::vec((0..NODES, 0..3_usize, 0..5_u32), 0..8),
    ) {
        let (mut graph, ..) = shared(&steps, &shares);
        let made = graph.take_made();
        graph.unmake(&made);
        graph.sweep();
        prop_assert_eq!((graph.nodes.len(), graph.edge_count()), (0, 0));
        prop_assert_eq!((graph.conditions.len(), graph.atoms.len(), graph.shared.commons.len()), (0, 0, 0));
        prop_assert_eq!(graph.edges().count(), 0);
    }
}
