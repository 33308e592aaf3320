//! A graph that follows its cluster, change by change.
//!
//! The graph is made of parts, one for each thing of the cluster. While a part is made, everything that its
//! edges read is noted. A change wakes the parts that read what has changed; they alone are made anew. No edge says by
//! itself what it depends on, so that none can say it wrongly.

#[cfg(test)]
mod kind_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bailiwick_core::{Kind, Str};
use bailiwick_model::{Delta, Gap, Snapshot};

use crate::build::{Builder, Parts};
use crate::graph::Graph;
use crate::world::{Index, Woken, World, is_untold};

/// A cluster and its graph, which changes with it.
pub struct Live {
    snapshot: Snapshot,
    memberships: BTreeMap<Str, Vec<Str>>,
    index: Index,
    graph: Graph,
    parts: Parts,
}

impl Live {
    /// The graph of a cluster, as [`Graph::new`] makes it.
    pub fn new(snapshot: Snapshot, memberships: BTreeMap<Str, Vec<Str>>) -> Self {
        let index = Index::new(&snapshot, memberships.clone());
        let mut live = Self {
            snapshot,
            memberships,
            index,
            graph: Graph::to_change(),
            parts: Parts::default(),
        };
        live.make_all();
        live
    }

    fn make_all(&mut self) {
        let world = World::new(&self.snapshot, &self.index);
        let mut builder = Builder::new(&world, &mut self.graph, Some(&mut self.parts));
        builder.everything();
    }

    /// The cluster.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Its graph. Nodes and edges that stay keep their positions; those of what has gone may come to mean others.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Makes one change. Says whether the cluster is another for it.
    ///
    /// Any sequence of changes leaves the graph as [`Graph::new`] would make it of the result.
    pub fn apply(&mut self, delta: Delta) -> bool {
        let old = self.snapshot.object(&delta.object_ref());
        let new = match &delta {
            Delta::Upsert(object, _) => Some(&**object),
            Delta::Remove(_) => None,
        };
        if old.as_ref() == new {
            self.snapshot.apply(delta);
            return false;
        }
        let mut woken = Woken::default();
        self.index
            .change(old.as_ref(), new, &self.snapshot.roles, &mut woken);
        let before = what_runs(&self.snapshot);
        self.snapshot.apply(delta);
        if before != what_runs(&self.snapshot) {
            self.make_anew();
            return true;
        }
        self.wake(woken);
        true
    }

    /// Says anew what could not be read.
    pub fn replace_gaps(&mut self, gaps: Vec<Gap>) {
        if self.snapshot.gaps != gaps {
            self.snapshot.gaps = gaps;
            self.make_anew();
        }
    }

    fn make_anew(&mut self) {
        let snapshot = std::mem::take(&mut self.snapshot);
        *self = Self::new(snapshot, std::mem::take(&mut self.memberships));
    }

    /// Makes anew what depends on a change.
    fn wake(&mut self, mut woken: Woken) {
        let world = World::new(&self.snapshot, &self.index);
        world.wake_holders(&mut woken);
        world.ask_again(&mut woken);
        let mut builder = Builder::new(&world, &mut self.graph, Some(&mut self.parts));
        builder.change(&woken);
    }
}

/// What decides for the whole cluster what runs: whether there are pods, since templates run only as long as there are
/// none, and whether manifests say anything of it.
fn what_runs(snapshot: &Snapshot) -> [bool; 2] {
    [
        snapshot.workloads.contains_key(&Kind::Pod),
        is_untold(snapshot),
    ]
}
