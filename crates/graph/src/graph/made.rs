//! What each part has put into a graph.

use bailiwick_core::ObjectRef;
use hashbrown::HashSet;

use super::Graph;
use crate::edge::EdgeKind;
use crate::node::Node;

/// What was put into a graph, and has to be taken out again by whoever put it in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Made {
    pub(super) edges: Vec<u32>,
    pub(super) steps: Vec<u32>,
    pub(super) shares: Vec<u32>,
    pub(super) held_back: Vec<usize>,
    pub(super) unfinished: Vec<Node>,
}

impl Made {
    /// Adds what was put in besides.
    pub(crate) fn extend(&mut self, more: Self) {
        let Self {
            edges,
            steps,
            shares,
            held_back,
            unfinished,
        } = more;
        self.edges.extend(edges);
        self.steps.extend(steps);
        self.shares.extend(shares);
        self.held_back.extend(held_back);
        self.unfinished.extend(unfinished);
    }
}

impl Graph {
    /// What was put in since this was last asked.
    pub(crate) fn take_made(&mut self) -> Made {
        std::mem::take(&mut self.made)
    }

    /// Puts back what was taken by [`Graph::take_made`].
    pub(crate) fn put_made(&mut self, made: Made) {
        self.made = made;
    }

    /// Splits off what somebody put in of these kinds, but for what starts where he acts as somebody else, and his shares
    /// in the roles in which he has new ones.
    pub(crate) fn take_of(&self, made: &mut Made, new: &Made, kinds: &[&'static EdgeKind]) -> Made {
        let is_of = |kind: &EdgeKind| kinds.iter().any(|own| std::ptr::eq(*own, kind));
        let is_meant = |from: &Node| !matches!(from, Node::Acting { .. });
        let is_edge = |&position: &u32| {
            let edge = self.edges.value(position);
            let edge = edge.filter(|edge| is_of(edge.kind));
            let from = edge.and_then(|edge| self.nodes.value(edge.from.0));
            from.is_some_and(is_meant)
        };
        let is_held_back = |&position: &usize| {
            let step = self.held_back.get(position).and_then(Option::as_ref);
            step.is_some_and(|step| is_of(step.kind) && is_meant(&step.from))
        };
        let roles = new
            .shares
            .iter()
            .filter_map(|&share| self.role_of_share(share));
        let roles: HashSet<&ObjectRef> = roles.collect();
        let is_renewed = |&share: &u32| {
            let role = || self.role_of_share(share);
            !roles.is_empty() && role().is_some_and(|role| roles.contains(role))
        };
        Made {
            edges: made.edges.extract_if(.., |at| is_edge(at)).collect(),
            shares: made.shares.extract_if(.., |at| is_renewed(at)).collect(),
            held_back: made
                .held_back
                .extract_if(.., |at| is_held_back(at))
                .collect(),
            ..Made::default()
        }
    }

    /// Takes out what somebody put in. What others have put in as well stays.
    pub(crate) fn unmake(&mut self, made: &Made) {
        for &position in &made.edges {
            self.edges.release(position);
        }
        self.release_shared(&made.steps, &made.shares);
        for &position in &made.held_back {
            if let Some(slot) = self.held_back.get_mut(position) {
                *slot = None;
                self.free_held_back.push(position);
            }
        }
        for node in &made.unfinished {
            if let Some(parts) = self.unfinished.get_mut(node) {
                *parts -= 1;
                if *parts == 0 {
                    self.unfinished.remove(node);
                }
            }
        }
    }
}
