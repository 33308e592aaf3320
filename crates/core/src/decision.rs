use std::fmt;

use serde::{Deserialize, Serialize};

use crate::object::ObjectRef;
use crate::subject::Subject;

/// What an authorizer says. RBAC alone never says [`Effect::Deny`]: what it does not allow it leaves to the next
/// authorizer, and the API server refuses what nobody allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// Allowed.
    Allow,
    /// Refused, whatever others say.
    Deny,
    /// Neither: the next authorizer is asked.
    NoOpinion,
}

/// One reason for which a request is allowed: a binding gives a role to a subject, and a rule of the role matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The RoleBinding or ClusterRoleBinding.
    pub binding: ObjectRef,
    /// The Role or ClusterRole.
    pub role: ObjectRef,
    /// Position of the matching rule in the role's `rules`.
    pub rule: usize,
    /// The subject of the binding that applies to the user.
    pub subject: Subject,
}

impl fmt::Display for Grant {
    /// Worded as the API server words it in a SubjectAccessReview's `reason`
    /// (`plugin/pkg/auth/authorizer/rbac/rbac.go`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RBAC: allowed by {} {:?}",
            self.binding.kind,
            self.qualified_binding()
        )?;
        write!(
            f,
            " of {} {:?} to {} ",
            self.role.kind,
            &*self.role.name,
            self.subject.kind()
        )?;
        match &self.subject {
            Subject::User { name } | Subject::Group { name } => write!(f, "{name:?}"),
            Subject::ServiceAccount { namespace, name } => write!(f, "\"{name}/{namespace}\""),
        }
    }
}

impl Grant {
    fn qualified_binding(&self) -> String {
        match &*self.binding.namespace {
            "" => self.binding.name.to_string(),
            namespace => format!("{}/{namespace}", self.binding.name),
        }
    }
}

/// Why a decision came out as it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "camelCase")]
#[non_exhaustive]
pub enum Reason {
    /// The user is in `system:masters`, which the API server allows everything before it asks an authorizer.
    Masters,
    /// A grant of RBAC.
    Rbac(Grant),
    /// Nothing allows it.
    NoGrant,
}

/// An answer that can name its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The answer.
    pub effect: Effect,
    /// Its evidence.
    pub reason: Reason,
    /// What kept the engine from seeing everything, such as a binding whose role does not exist. An answer of
    /// [`Effect::Allow`] stands in spite of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}
