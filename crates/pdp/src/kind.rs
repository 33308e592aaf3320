use std::fmt;
use std::str::FromStr;

use bailiwick_core::Str;
use bailiwick_model::CustomKind;

use crate::documents::API_VERSION;

/// The kinds of documents that decisions are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DocumentKind {
    /// Policies of the cluster.
    ClusterPolicy,
    /// Policies of a namespace.
    Policy,
    /// Types and their relations.
    RelationSchema,
    /// Relations of the cluster.
    ClusterRelations,
    /// Relations of a namespace.
    Relations,
    /// What namespaces may grant.
    Delegation,
    /// Whom to refuse.
    Revocation,
}

impl DocumentKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::ClusterPolicy,
        Self::Policy,
        Self::RelationSchema,
        Self::ClusterRelations,
        Self::Relations,
        Self::Delegation,
        Self::Revocation,
    ];

    /// As `kind` says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClusterPolicy => "ClusterPolicy",
            Self::Policy => "Policy",
            Self::RelationSchema => "RelationSchema",
            Self::ClusterRelations => "ClusterRelations",
            Self::Relations => "Relations",
            Self::Delegation => "Delegation",
            Self::Revocation => "Revocation",
        }
    }

    /// The resource under which the Kubernetes API serves it.
    pub fn plural(self) -> &'static str {
        match self {
            Self::ClusterPolicy => "clusterpolicies",
            Self::Policy => "policies",
            Self::RelationSchema => "relationschemas",
            Self::ClusterRelations => "clusterrelations",
            Self::Relations => "relations",
            Self::Delegation => "delegations",
            Self::Revocation => "revocations",
        }
    }

    /// Whether it lies in a namespace: only what speaks for a namespace does.
    pub fn is_namespaced(self) -> bool {
        matches!(self, Self::Policy | Self::Relations)
    }

    /// As the Kubernetes API serves it.
    pub fn custom(self) -> CustomKind {
        let (group, version) = API_VERSION.split_once('/').unwrap_or_default();
        CustomKind {
            group,
            version,
            kind: self.as_str(),
            plural: self.plural(),
            namespaced: self.is_namespaced(),
        }
    }
}

impl fmt::Display for DocumentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DocumentKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = |kind: &Self| kind.as_str() == text;
        Self::ALL.into_iter().find(named).ok_or_else(|| {
            let [first @ .., last] = Self::ALL.map(Self::as_str);
            format!(
                "there is no kind `{text}`: write {} or {last}",
                first.join(", ")
            )
        })
    }
}

/// Which document.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentId {
    /// Its kind.
    pub kind: DocumentKind,
    /// Its namespace; empty where the kind lies in none.
    pub namespace: Str,
    /// Its name.
    pub name: Str,
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.namespace {
            "" => write!(f, "{} {}", self.kind, self.name),
            namespace => write!(f, "{} {namespace}/{}", self.kind, self.name),
        }
    }
}
