//! What the cluster itself consists of: volumes, drivers, ways to run containers, and what is asked before an object
//! is stored.

use bailiwick_core::{Kind, Str};
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

/// A ValidatingWebhookConfiguration or MutatingWebhookConfiguration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WebhookConfiguration {
    /// Name and labels.
    pub metadata: ObjectMeta,
    /// Whether it changes what it is asked about.
    #[serde(skip_serializing_if = "is_false")]
    pub mutating: bool,
    /// The webhooks.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub webhooks: Box<[Webhook]>,
}

/// A server that is asked before an object is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Webhook {
    /// Its name.
    pub name: Str,
    /// The namespace of the Service that it is asked through; empty where it has a URL of its own.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub service_namespace: Str,
    /// The name of that Service.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub service_name: Str,
    /// Whether labels of an object's namespace, other than its name, decide whether it is asked.
    #[serde(skip_serializing_if = "is_false")]
    pub by_namespace: bool,
    /// Whether objects pass where it does not answer.
    #[serde(skip_serializing_if = "is_false")]
    pub fails_open: bool,
}

impl WebhookConfiguration {
    /// The kind.
    pub fn kind(&self) -> Kind {
        if self.mutating {
            Kind::MutatingWebhookConfiguration
        } else {
            Kind::ValidatingWebhookConfiguration
        }
    }
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(flag: &bool) -> bool {
    !*flag
}
