//! What an edge rests on, and what would have to be taken away for it to vanish.

use bailiwick_core::{ObjectRef, Str};
use serde::Serialize;

use crate::graph::NodeId;

/// Something in the cluster that can be changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(tag = "atom", rename_all = "camelCase")]
pub enum Atom {
    /// A subject of a binding.
    Subject {
        /// The binding.
        binding: ObjectRef,
        /// Position in its `subjects`.
        position: u32,
    },
    /// A rule of a role.
    Rule {
        /// The role.
        role: ObjectRef,
        /// Position in its `rules`.
        position: u32,
    },
    /// A setting of an object.
    Field {
        /// The object.
        object: ObjectRef,
        /// JSON pointer to the setting; empty is the object itself.
        pointer: String,
    },
}

impl Atom {
    /// The object that would be changed.
    pub fn object(&self) -> &ObjectRef {
        match self {
            Self::Subject { binding, .. } => binding,
            Self::Rule { role, .. } => role,
            Self::Field { object, .. } => object,
        }
    }

    /// JSON pointer to what would be changed.
    pub fn pointer(&self) -> String {
        match self {
            Self::Subject { position, .. } => format!("/subjects/{position}"),
            Self::Rule { position, .. } => format!("/rules/{position}"),
            Self::Field { pointer, .. } => pointer.clone(),
        }
    }
}

/// Position of an [`Atom`] in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AtomId(pub(crate) u32);

/// One thing that gives a right: all of its atoms have to be there.
pub(crate) type Cause = Vec<AtomId>;

/// Causes any of which will do.
pub(crate) type Clause = Vec<Cause>;

/// Position of a condition in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ConditionId(pub(crate) u32);

/// When an edge is there: each clause has a cause left. Without clauses it always is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Condition {
    /// Further clauses, before the others, that the graph looks up: what gives somebody the legs of an edge.
    pub(crate) by_roles: Option<Box<ByRoles>>,
    pub(crate) clauses: Vec<Clause>,
}

/// That somebody holds every leg of a rule of an edge by roles of his own, on all objects. Where one of them changes, he
/// still does as long as another gives the same, and what says so need not be written anew.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ByRoles {
    pub(crate) holder: NodeId,
    /// The rule, by its position in the list of all.
    pub(crate) rule: u16,
    /// Where; empty is the whole cluster.
    pub(crate) scope: Str,
}

impl From<Vec<Clause>> for Condition {
    fn from(clauses: Vec<Clause>) -> Self {
        Self {
            by_roles: None,
            clauses,
        }
    }
}

impl Condition {
    /// Every atom, as often as it stands there.
    pub(crate) fn atoms(&self) -> impl Iterator<Item = &AtomId> {
        self.clauses.iter().flatten().flatten()
    }

    /// What is left once the atoms for which `removed` says so are gone; nothing where the edge is gone with them.
    pub(crate) fn without(&self, removed: &impl Fn(AtomId) -> bool) -> Option<Self> {
        let left = |clause: &Clause| {
            let mut left = clause.clone();
            left.retain(|cause| !cause.iter().any(|&atom| removed(atom)));
            (!left.is_empty()).then_some(left)
        };
        let clauses: Option<Vec<Clause>> = self.clauses.iter().map(left).collect();
        clauses.map(Self::from)
    }

    /// Whether the edge is still there once the atoms for which `removed` says so are gone.
    pub(crate) fn holds(&self, removed: &impl Fn(AtomId) -> bool) -> bool {
        self.clauses.iter().all(|clause| {
            clause
                .iter()
                .any(|cause| !cause.iter().any(|&atom| removed(atom)))
        })
    }
}
