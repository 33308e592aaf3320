//! PodCertificateRequests and what becomes of them.

use std::collections::BTreeMap;

use bailiwick_identity::UnixTime;
use bailiwick_identity::pods::Claim;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::wire::Meta;

/// A PodCertificateRequest. Nothing in it is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodRequest {
    /// Its namespace, which is that of the pod.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The state of the cluster in which it is as it is here; 0 where that is no number.
    pub version: u64,
    /// The signer that is asked.
    pub signer: String,
    /// The pod.
    pub pod: String,
    /// Its UID.
    pub pod_uid: String,
    /// Its service account.
    pub service_account: String,
    /// The UID of that.
    pub service_account_uid: String,
    /// Its node.
    pub node: String,
    /// The UID of that.
    pub node_uid: String,
    /// The longest life that the certificate may have, in seconds.
    pub longest_life: u64,
    /// The key that the certificate is to be for.
    pub key: RequestedKey,
    /// What whoever wrote the pod wants of the signer, by its name.
    pub wishes: BTreeMap<String, String>,
    /// Whether it was issued, denied or failed.
    pub settled: bool,
}

/// The key of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestedKey {
    /// A certificate signing request (`stubPKCS10Request`), in DER.
    Pkcs10(Vec<u8>),
    /// A SubjectPublicKeyInfo (`pkixPublicKey`) of kubelets before 1.36. That they have the key, they have shown to the
    /// API server.
    Pkix(Vec<u8>),
}

#[derive(Deserialize)]
struct Wire {
    metadata: Meta,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    signer_name: String,
    pod_name: String,
    #[serde(rename = "podUID")]
    pod_uid: String,
    service_account_name: String,
    #[serde(rename = "serviceAccountUID")]
    service_account_uid: String,
    node_name: String,
    #[serde(rename = "nodeUID")]
    node_uid: String,
    max_expiration_seconds: u64,
    /// v1beta1 writes `null` for the one of the two that is not there.
    #[serde(rename = "stubPKCS10Request")]
    stub_pkcs10_request: Option<String>,
    pkix_public_key: Option<String>,
    unverified_user_annotations: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    conditions: Vec<StatusCondition>,
}

#[derive(Deserialize)]
struct StatusCondition {
    r#type: String,
    status: String,
}

impl PodRequest {
    pub(super) fn parse(json: &str) -> Result<Self, String> {
        let wire: Wire = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let Wire {
            metadata,
            spec,
            status,
        } = wire;
        let bytes = |text: &str| STANDARD.decode(text).map_err(|error| error.to_string());
        let key = match spec.stub_pkcs10_request.as_deref() {
            None | Some("") => {
                RequestedKey::Pkix(bytes(spec.pkix_public_key.as_deref().unwrap_or_default())?)
            }
            Some(request) => RequestedKey::Pkcs10(bytes(request)?),
        };
        let final_ = |condition: &StatusCondition| {
            condition.status == "True"
                && matches!(&*condition.r#type, "Issued" | "Denied" | "Failed")
        };
        Ok(Self {
            namespace: metadata.namespace,
            name: metadata.name,
            uid: metadata.uid,
            version: metadata.resource_version.parse().unwrap_or_default(),
            signer: spec.signer_name,
            pod: spec.pod_name,
            pod_uid: spec.pod_uid,
            service_account: spec.service_account_name,
            service_account_uid: spec.service_account_uid,
            node: spec.node_name,
            node_uid: spec.node_uid,
            longest_life: spec.max_expiration_seconds,
            key,
            wishes: spec.unverified_user_annotations,
            settled: status.conditions.iter().any(final_),
        })
    }

    /// What it says of a pod.
    pub fn claim(&self) -> Claim<'_> {
        Claim {
            namespace: &self.namespace,
            pod: &self.pod,
            pod_uid: &self.pod_uid,
            service_account: &self.service_account,
            service_account_uid: &self.service_account_uid,
            node: &self.node,
            node_uid: &self.node_uid,
        }
    }
}

/// What is written into the status of a request, once and for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It gets a certificate.
    Issued(Issued),
    /// It gets none, and the pod does not start until somebody makes it anew.
    Denied {
        /// One word for programs.
        reason: &'static str,
        /// Why, for people.
        message: String,
    },
}

/// A certificate for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// Leaf first, in PEM.
    pub chain: String,
    /// The first second of the leaf.
    pub not_before: UnixTime,
    /// Its last second.
    pub not_after: UnixTime,
    /// When the kubelet begins to ask for the next one.
    pub begin_refresh_at: UnixTime,
}

/// The most that a condition says, in letters (upstream takes 32,768 bytes).
const MESSAGE: usize = 4096;

impl Condition {
    /// As a merge patch of the status. `now` is the time of the condition.
    pub(super) fn patch(&self, version: u64, now: UnixTime) -> Value {
        let condition = |kind: &str, reason: &str, message: &str| {
            let message: String = message.chars().take(MESSAGE).collect();
            json!([{
                "type": kind, "status": "True", "reason": reason, "message": message,
                "lastTransitionTime": now.to_string(),
            }])
        };
        let status = match self {
            Self::Issued(issued) => json!({
                "conditions": condition("Issued", "Issued", "signed by Bailiwick"),
                "certificateChain": issued.chain,
                "notBefore": issued.not_before.to_string(),
                "notAfter": issued.not_after.to_string(),
                "beginRefreshAt": issued.begin_refresh_at.to_string(),
            }),
            Self::Denied { reason, message } => {
                json!({"conditions": condition("Denied", reason, message)})
            }
        };
        json!({"metadata": {"resourceVersion": version.to_string()}, "status": status})
    }
}
