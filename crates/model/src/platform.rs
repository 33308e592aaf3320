//! What the cluster itself consists of: volumes, drivers and ways to run containers.

use bailiwick_core::Str;
use serde::{Deserialize, Serialize};

use crate::meta::ObjectMeta;

/// A PersistentVolume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PersistentVolume {
    /// Name and labels.
    pub metadata: ObjectMeta,
    /// The path of the node that it is; empty for volumes elsewhere.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub path: Str,
    /// Whether that path is a `local` volume and no `hostPath`.
    #[serde(skip_serializing_if = "is_false")]
    pub local: bool,
    /// The CSI driver that provides it; empty for none.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub driver: Str,
    /// The namespace of the claim that it is bound to; empty while it waits for one.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub claim_namespace: Str,
    /// The name of that claim.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub claim_name: Str,
}

/// A PersistentVolumeClaim.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeClaim {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// The PersistentVolume that it asks for or is bound to; empty while nobody has chosen one.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub volume: Str,
}

/// A CSIDriver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CsiDriver {
    /// Name and labels.
    pub metadata: ObjectMeta,
    /// Whether pods may have volumes of it without a claim.
    #[serde(skip_serializing_if = "is_false")]
    pub inline: bool,
}

/// A RuntimeClass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeClass {
    /// Name and labels.
    pub metadata: ObjectMeta,
    /// What the node's container runtime calls the way to run its containers.
    #[serde(default)]
    pub handler: Str,
}

/// An APIService: who answers requests for a version of an API group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiService {
    /// Name, which is version and group, and labels.
    pub metadata: ObjectMeta,
    /// The namespace of the Service that answers; empty where the API server does itself.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub service_namespace: Str,
    /// The name of that Service.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub service_name: Str,
    /// Whether the API server takes any certificate from it.
    #[serde(skip_serializing_if = "is_false")]
    pub unverified: bool,
}

impl ApiService {
    /// Whether the API server answers itself.
    pub fn is_local(&self) -> bool {
        self.service_name.is_empty()
    }
}

/// A ClusterTrustBundle, without its certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TrustBundle {
    /// Name and labels.
    pub metadata: ObjectMeta,
    /// The signer whose authorities it holds; empty for a bundle of nobody's.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub signer: Str,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(flag: &bool) -> bool {
    !*flag
}
