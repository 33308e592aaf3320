//! Who identities of a cloud provider are in the cluster.

use bailiwick_core::Str;
use serde::{Deserialize, Serialize};

use crate::meta::ObjectMeta;

/// The ConfigMap `kube-system/aws-auth`, from which EKS and aws-iam-authenticator learn which user and which groups an
/// identity of AWS is. Nothing else of it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IdentityMap {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// What counts of `mapRoles` and `mapUsers`: each identity once.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub identities: Box<[MappedIdentity]>,
    /// The accounts of AWS whose identities are users of their own names, each with its place in `mapAccounts`.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub accounts: Box<[(u32, Str)]>,
}

/// An identity of AWS with the user and the groups that it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MappedIdentity {
    /// The ARN, as it is written. Upper and lower case are the same.
    pub arn: Str,
    /// The user's name, in which placeholders may stand such as `{{SessionName}}`; empty for none.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub username: Str,
    /// The groups, in which placeholders may stand too. An empty name is none.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub groups: Box<[Str]>,
    /// Whether it stands in `mapRoles`, rather than in `mapUsers`.
    pub is_role: bool,
    /// Its place there.
    pub position: u32,
}

impl MappedIdentity {
    /// JSON pointer to the mapping, into the YAML that the text holds.
    pub fn pointer(&self) -> String {
        let key = if self.is_role { "mapRoles" } else { "mapUsers" };
        format!("/data/{key}/{}", self.position)
    }

    /// The account of the identity.
    pub fn account(&self) -> &str {
        account_of_arn(&self.arn).unwrap_or_default()
    }
}

/// The account that an ARN names.
pub fn account_of_arn(arn: &str) -> Option<&str> {
    arn.split(':').nth(4)
}
