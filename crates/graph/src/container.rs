//! One container of a pod as a place to start from, or to end at.

use bailiwick_core::ObjectRef;
use bailiwick_model::{Container, Snapshot, Workload};

use crate::condition::{Atom, Condition};
use crate::edges::CONTAINS;
use crate::graph::{Edge, Graph, NodeId};
use crate::host::field;
use crate::node::Node;

/// Why there is no such container.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoContainer {
    /// Its pod is not there, or it is of a template whose pods are there themselves.
    #[error(
        "there is no {pod} that runs, so no container of it; write container:NAMESPACE/POD/NAME"
    )]
    Pod {
        /// The pod, or what makes it.
        pod: ObjectRef,
    },
    /// The pod has others.
    #[error("{pod} has no container `{name}`; it has {}", others.join(", "))]
    Name {
        /// The pod, or what makes it.
        pod: ObjectRef,
        /// The name that it has not.
        name: String,
        /// Those that it has.
        others: Vec<String>,
    },
}

impl Graph {
    /// Puts one container of a pod into the graph, which else knows pods as a whole: who controls the pod controls the
    /// container, and from the container lead the steps of the pod that do not rest on the settings of another one.
    ///
    /// `snapshot` is the one that the graph was made of.
    pub fn add_container(
        &mut self,
        snapshot: &Snapshot,
        pod: &ObjectRef,
        name: &str,
    ) -> Result<NodeId, NoContainer> {
        let none = || NoContainer::Pod { pod: pod.clone() };
        let workloads = snapshot.workloads.get(&pod.kind).ok_or_else(none)?;
        let workload = workloads.get(&pod.namespace, &pod.name);
        let workload = workload.ok_or_else(none)?;
        let whole = Node::Workload(pod.clone());
        let whole = self.find(&whole).ok_or_else(none)?;
        let mut names = workload.pod.container_names();
        if !names.any(|own| **own == *name) {
            let others = workload.pod.container_names().map(ToString::to_string);
            return Err(NoContainer::Name {
                pod: pod.clone(),
                name: name.to_owned(),
                others: others.collect(),
            });
        }
        let others = Others::of(snapshot, workload, name);
        let id = self.put(Node::Container {
            pod: pod.clone(),
            name: name.into(),
        });
        let steps: Vec<Edge> = self.own_outgoing(whole).map(|(_, edge)| edge).collect();
        for step in steps {
            let without = self.condition_of(&step).without(&|atom| {
                let atom = self.atom_of(atom);
                atom.is_some_and(|atom| others.has(atom))
            });
            if let Some(condition) = without {
                let condition = self.condition(condition);
                self.link(id, step.to, (step.kind, step.rule), condition);
            }
        }
        let always = self.condition(Condition::default());
        self.link(whole, id, (CONTAINS, 0), always);
        Ok(id)
    }
}

/// The settings of all containers of a pod but one.
struct Others {
    /// Each container, as it stands in the pod and in what keeps its settings.
    fields: Vec<Atom>,
}

impl Others {
    fn of(snapshot: &Snapshot, workload: &Workload, name: &str) -> Self {
        let keeper = snapshot.keeper(workload);
        let fields = |kept: &Workload| {
            let others = kept
                .pod
                .containers
                .iter()
                .filter(|other| *other.name != *name);
            let fields = others.map(|other: &Container| field(kept, &other.pointer()));
            fields.collect::<Vec<Atom>>()
        };
        let mut all = fields(workload);
        all.extend(fields(keeper));
        Self { fields: all }
    }

    fn has(&self, atom: &Atom) -> bool {
        let Atom::Field { object, pointer } = atom else {
            return false;
        };
        self.fields.iter().any(|other| {
            let own = other.pointer();
            let below = pointer.strip_prefix(own.as_str());
            other.object() == object
                && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

#[cfg(test)]
mod tests;
