use bailiwick_core::{Effect, Reason, Request};
use serde::{Deserialize, Serialize};

use crate::id::DecisionId;

/// One decision, with what it was made of.
///
/// There is no field for a token, a header, a body, a property or a query: they cannot get in. Of the person there is
/// the reference by which policies know it, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DecisionRecord {
    /// Its name, which the answer carries too.
    pub id: DecisionId,
    /// The door through which the question came.
    pub door: Door,
    /// Name of the caller in the allow-list.
    pub caller: String,
    /// What the caller calls the request, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Who asks.
    pub subject: SubjectRef,
    /// What is asked for.
    pub input: Input,
    /// What the engine decided.
    pub effect: Effect,
    /// What was answered, where a mode made it something else: a door that explains or shadows has no opinion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<Effect>,
    /// What the effect rests on.
    pub reason: Reason,
    /// What kept the engine from seeing everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// The state of roles, policies and the rest that was asked.
    pub revision: String,
    /// From the last byte of the question to the end of the decision, in microseconds.
    pub micros: u64,
}

/// A protocol by which questions come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Door {
    /// SubjectAccessReview of a Kubernetes API server.
    AccessReview,
    /// AuthZEN Authorization API 1.0.
    Authzen,
    /// Envoy's external authorization.
    ExtAuthz,
    /// The SPIFFE Workload API.
    WorkloadApi,
    /// Envoy's secret discovery.
    SecretDiscovery,
    /// PodCertificateRequests of a Kubernetes API server.
    PodCertificate,
    /// Agents of nodes, for themselves and for the pods there.
    Agent,
    /// Pods that ask without an agent, with a token.
    Issue,
}

impl Door {
    /// As a record spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AccessReview => "accessReview",
            Self::Authzen => "authzen",
            Self::ExtAuthz => "extAuthz",
            Self::WorkloadApi => "workloadApi",
            Self::SecretDiscovery => "secretDiscovery",
            Self::PodCertificate => "podCertificate",
            Self::Agent => "agent",
            Self::Issue => "issue",
        }
    }
}

/// The reference of a subject.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubjectRef {
    /// What kind of subject, where the protocol has kinds: `user` or a type of an application.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The groups that it was said to be in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "camelCase")]
#[non_exhaustive]
pub enum Input {
    /// A request to the Kubernetes API.
    Kubernetes {
        /// The request.
        request: Request,
    },
    /// An action on a resource of an application.
    #[serde(rename_all = "camelCase")]
    Application {
        /// Name of the action.
        action: String,
        /// Type of the resource.
        resource_type: String,
        /// Id of the resource.
        resource_id: String,
    },
    /// A request to a service behind a gateway. The path is without its query, which may hold tokens.
    Http {
        /// The method.
        method: String,
        /// The host asked for.
        host: String,
        /// The normalised path.
        path: String,
    },
}

/// One search. What it found is not repeated: it can be asked again at the revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchRecord {
    /// The door through which it came.
    pub door: Door,
    /// Name of the caller in the allow-list.
    pub caller: String,
    /// What the caller calls the request, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// What was looked for: `subject`, `resource` or `action`.
    pub wanted: String,
    /// The subject, of which a search for subjects has the kind alone.
    pub subject: SubjectRef,
    /// Name of the action; empty in a search for actions.
    pub action: String,
    /// Type of the resource.
    pub resource_type: String,
    /// Its id; empty in a search for resources.
    pub resource_id: String,
    /// How many there are.
    pub found: u64,
    /// The state of roles, policies and the rest that was asked.
    pub revision: String,
}
