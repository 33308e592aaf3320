use std::fmt;

use serde::{Deserialize, Serialize};

use crate::object::ObjectRef;
use crate::subject::Subject;
use crate::{Str, Timestamp};

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
    /// It depends on the object: [`Reason::Conditions`] says on what. Whoever cannot have the conditions evaluated
    /// takes [`Decision::unconditional`].
    Conditional,
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
    /// A grant of the static floor, which no revocation and no policy overrides.
    Floor(Grant),
    /// The subject, or the credential that it came with, is revoked.
    Revoked(Revoked),
    /// Policies that deny, or, where none does, policies that allow. Never empty.
    Policies {
        /// The policies, by namespace and id.
        policies: Vec<PolicyEvidence>,
    },
    /// A chain of relations from the resource to the subject.
    Relation {
        /// Each step as `TYPE:ID#RELATION@SUBJECT`, the resource first.
        path: Vec<String>,
    },
    /// What the answer depends on.
    Conditions(Conditions),
    /// The question itself cannot be decided: it breaks a limit, or it speaks of something unknown.
    Refused {
        /// What is wrong with it.
        message: String,
    },
    /// Nothing allows it.
    NoGrant,
}

impl fmt::Display for Reason {
    /// For people, in one line: names, never the text of a policy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Masters => f.write_str("a member of system:masters may do everything"),
            Self::Rbac(grant) => grant.fmt(f),
            Self::Floor(grant) => write!(f, "static floor: {grant}"),
            Self::Revoked(revoked) => {
                write!(f, "`{}` is revoked", revoked.target)?;
                match &*revoked.reason {
                    "" => Ok(()),
                    reason => write!(f, ": {reason}"),
                }
            }
            Self::Policies { policies } => {
                for (index, policy) in policies.iter().enumerate() {
                    f.write_str(if index == 0 { "policy " } else { ", policy " })?;
                    policy.fmt(f)?;
                }
                Ok(())
            }
            Self::Relation { path } => write!(f, "relation {}", path.join(", ")),
            Self::Conditions(_) => f.write_str("it depends on the object"),
            Self::Refused { message } => f.write_str(message),
            Self::NoGrant => f.write_str("nothing allows it"),
        }
    }
}

impl fmt::Display for PolicyEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.namespace {
            "" => write!(f, "`{}`", self.id)?,
            namespace => write!(f, "`{namespace}/{}`", self.id)?,
        }
        match &*self.says {
            "" => Ok(()),
            says => write!(f, ": {says}"),
        }
    }
}

/// A revocation that applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revoked {
    /// Name of the revocation.
    pub name: Str,
    /// What is revoked, such as `user:anna` or `credential:JTI=...`.
    pub target: String,
    /// Why, as whoever revoked it wrote.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub reason: Str,
    /// When it ends; `None` means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// A policy that counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyEvidence {
    /// Namespace of the policy; empty in the cluster's tier.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub namespace: Str,
    /// Its id.
    pub id: Str,
    /// What its author wrote for whoever reads the answer: the annotation `@reason`.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub says: Str,
    /// The bytes of its text that hold the conditions; the whole text where it has none.
    pub clause: Span,
    /// Why it could not be evaluated. A policy that denies counts in spite of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Bytes of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// First byte after it.
    pub end: u32,
}

/// On what a decision depends. The first list with a condition that holds decides: denials, then abstentions, then
/// permissions; nothing holds means no opinion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Conditions {
    /// Any of these that holds, or that fails, denies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<Condition>,
    /// Any of these that holds, or that fails, takes away what `allow` would give.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub no_opinion: Vec<Condition>,
    /// Any of these that holds allows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Condition>,
}

/// A part of the answer that waits for the object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Unique among the conditions of a decision, with the syntax of a label key and a domain.
    pub id: String,
    /// What is left to evaluate, as text of the policy's language; empty where it holds whatever the object is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub residual: String,
    /// What the condition comes from.
    pub reason: Box<Reason>,
}

impl Conditions {
    /// What the decision is where nobody evaluates the conditions.
    pub fn failure(&self) -> Effect {
        if self.deny.is_empty() {
            Effect::NoOpinion
        } else {
            Effect::Deny
        }
    }
}

impl Decision {
    /// The decision for whoever cannot have conditions evaluated: what may be denied is denied, what may be allowed is
    /// not. The conditions stay as the reason.
    #[must_use]
    pub fn unconditional(mut self) -> Self {
        if let (Effect::Conditional, Reason::Conditions(conditions)) = (self.effect, &self.reason) {
            self.effect = conditions.failure();
        }
        self
    }
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
