use std::fmt;

use bailiwick_core::{Kind, ObjectRef, UserInfo};
use bailiwick_model::Gap;

use crate::engine::Engine;
use crate::index::{BindingSlot, RoleSlot, Symbol};

/// What keeps an answer from being the whole truth. What RBAC allows in spite of problems stays allowed: rights only
/// add up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem<'a> {
    /// A binding that applies refers to a role that nobody defines: it grants nothing until somebody creates it.
    MissingRole {
        /// The binding.
        binding: ObjectRef,
        /// The role.
        role: ObjectRef,
    },
    /// A binding that applies has a `roleRef` that no role can answer: a kind that is neither Role nor ClusterRole,
    /// or a ClusterRoleBinding that names a Role.
    UnusableRoleRef {
        /// The binding.
        binding: ObjectRef,
    },
    /// Something could not be read.
    Gap(&'a Gap),
    /// The user is a node. The Node authorizer, which is not RBAC, answers for it too, and what it allows depends on
    /// the pods that run there.
    NodeAuthorizer {
        /// The user name.
        user: &'a str,
    },
}

impl fmt::Display for Problem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingRole { binding, role } => write!(
                f,
                "{binding} refers to {role}, which does not exist: it grants nothing until somebody creates it"
            ),
            Self::UnusableRoleRef { binding } => write!(
                f,
                "the roleRef of {binding} can name no role: a ClusterRoleBinding needs a ClusterRole, a RoleBinding a \
                 Role or ClusterRole"
            ),
            Self::Gap(gap) => f.write_str(&gap.message),
            Self::NodeAuthorizer { user } => write!(
                f,
                "`{user}` is a node, for which the Node authorizer answers besides RBAC: it may allow more"
            ),
        }
    }
}

impl Engine {
    /// The problem that a binding has with its role, where it has one.
    pub(crate) fn role_problem<'a>(&self, binding: &BindingSlot) -> Option<Problem<'a>> {
        let role = self.index.role(binding.role);
        if role.is_some() && self.index.rules(binding.role).is_some() {
            return None;
        }
        let binding = ObjectRef {
            kind: binding.kind(),
            namespace: self.index.symbols.shared(binding.namespace),
            name: binding.name.clone(),
        };
        Some(match role {
            None => Problem::UnusableRoleRef { binding },
            Some(role) => Problem::MissingRole {
                binding,
                role: self.role_ref(role),
            },
        })
    }

    /// The bindings in `namespace`, and the cluster-wide ones, or all where `everywhere`, that have no role.
    pub(crate) fn dangling_bindings<'a>(
        &'a self,
        namespace: &str,
        everywhere: bool,
    ) -> impl Iterator<Item = Problem<'a>> {
        let namespace = self.index.symbols.find(namespace);
        self.index
            .dangling_bindings()
            .filter(move |slot| {
                everywhere || slot.namespace == Symbol::EMPTY || slot.namespace == namespace
            })
            .filter_map(|slot| self.role_problem(slot))
    }

    pub(crate) fn role_ref(&self, role: &RoleSlot) -> ObjectRef {
        ObjectRef {
            kind: role.kind(),
            namespace: self.index.symbols.shared(role.namespace),
            name: self.index.symbols.shared(role.name),
        }
    }

    /// What could not be read of roles and bindings that count in `namespace` (empty: the cluster-wide ones).
    pub(crate) fn gap_problems<'a>(
        &'a self,
        namespace: &str,
        everywhere: bool,
    ) -> impl Iterator<Item = Problem<'a>> {
        let cluster: &[Kind] = &[Kind::ClusterRole, Kind::ClusterRoleBinding];
        let kinds = if namespace.is_empty() && !everywhere {
            cluster
        } else {
            &Kind::RBAC
        };
        self.snapshot()
            .gaps
            .iter()
            .filter(move |gap| gap.touches(kinds, namespace))
            .map(Problem::Gap)
    }
}

/// The note that a node's answers need.
pub(crate) fn node_problem(user: &UserInfo) -> Option<Problem<'_>> {
    user.is_node()
        .then_some(Problem::NodeAuthorizer { user: &user.name })
}
