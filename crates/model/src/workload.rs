use bailiwick_core::{Kind, ObjectRef, Str};
use serde::{Deserialize, Serialize};

use crate::meta::ObjectMeta;

/// A Pod, or an object with a pod template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// Pod, Deployment, ReplicaSet, StatefulSet, DaemonSet, Job, CronJob or ReplicationController.
    pub kind: Kind,
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// Its pods.
    pub pod: PodSpec,
}

/// What Bailiwick keeps of a pod spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// The service account; empty means `default`.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub service_account_name: Str,
    /// Whether the service account's token is mounted; `None` leaves it to the service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automount_service_account_token: Option<bool>,
    /// The node that a Pod runs on; empty before it is scheduled and in templates.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub node_name: Str,
    /// Service account tokens that volumes project.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub tokens: Box<[TokenMount]>,
    /// Names of Secrets that volumes, environment variables or image pulls use, sorted, each once.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub secrets: Box<[Str]>,
}

/// A projected service account token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TokenMount {
    /// The audience; empty is the API server's own.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub audience: Str,
    /// Lifetime in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_seconds: Option<i64>,
}

impl Workload {
    /// The reference to this object.
    pub fn object_ref(&self) -> ObjectRef {
        ObjectRef {
            kind: self.kind,
            namespace: self.metadata.namespace.clone(),
            name: self.metadata.name.clone(),
        }
    }
}

impl PodSpec {
    /// The service account that the pod runs as.
    pub fn service_account(&self) -> &str {
        match &*self.service_account_name {
            "" => "default",
            name => name,
        }
    }
}
