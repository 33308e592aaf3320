//! ClusterTrustBundles.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::{CertificatesApi, Listener, Told};
use crate::cluster::Cluster;
use crate::error::RequestError;
use crate::feed::{Ear, Feeds, News};

/// What was done to a trust bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// It was made.
    Created,
    /// It was changed.
    Changed,
    /// It was deleted: a bundle without roots cannot be.
    Deleted,
    /// It was gone already.
    Gone,
}

#[derive(Deserialize)]
struct Bundle {
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    trust_bundle: String,
}

/// The name of the bundle of a signer: it starts with the signer's own, written with `:` (upstream
/// `ValidateClusterTrustBundleName`).
pub(super) fn name(signer: &str) -> String {
    format!("{}:bailiwick", signer.replace('/', ":"))
}

impl Cluster {
    /// Follows the trust bundle of a signer, so that it can be put right when somebody changes it.
    pub fn follow_trust_bundle(
        &self,
        api: CertificatesApi,
        signer: &str,
        listener: &Listener,
    ) -> Feeds {
        let listener = Arc::clone(listener);
        let known = std::sync::atomic::AtomicBool::new(false);
        let ear: Ear = Arc::new(move |news| {
            use std::sync::atomic::Ordering;
            let told = match news {
                News::Put(json) => {
                    known.store(true, Ordering::SeqCst);
                    match serde_json::from_str::<Bundle>(json) {
                        Ok(bundle) => Told::Bundle(Some(bundle.spec.trust_bundle)),
                        Err(error) => Told::Trouble(format!("the trust bundle: {error}")),
                    }
                }
                News::Gone { .. } => {
                    known.store(false, Ordering::SeqCst);
                    Told::Bundle(None)
                }
                // A list in which it is not.
                News::UpTo(_) if !known.load(Ordering::SeqCst) => Told::Bundle(None),
                News::UpTo(_) => return,
                News::Trouble(error) => Told::Trouble(format!("the trust bundle: {error}")),
            };
            listener(told);
        });
        let path = format!(
            "clustertrustbundles?fieldSelector=metadata.name%3D{}",
            name(signer)
        );
        self.feeds(vec![(api.path(&path), ear)])
    }

    /// Makes the trust bundle of a signer what it is to be. Without roots it is deleted.
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn publish_trust_bundle(
        &self,
        api: CertificatesApi,
        signer: &str,
        roots: &str,
    ) -> Result<Published, RequestError> {
        let name = name(signer);
        let path = api.path(&format!("clustertrustbundles/{name}"));
        if roots.is_empty() {
            return match self.threads.block_on(self.transport.delete(&path)) {
                Ok(_) => Ok(Published::Deleted),
                Err(RequestError::NotFound { .. }) => Ok(Published::Gone),
                Err(error) => Err(error),
            };
        }
        let spec = json!({"signerName": signer, "trustBundle": roots});
        let patch = json!({"spec": spec}).to_string().into_bytes();
        match self.threads.block_on(self.transport.merge(&path, patch)) {
            Ok(_) => Ok(Published::Changed),
            Err(RequestError::NotFound { .. }) => {
                let body = json!({
                    "apiVersion": format!("certificates.k8s.io/{}", api.0),
                    "kind": "ClusterTrustBundle",
                    "metadata": {"name": name},
                    "spec": spec,
                });
                let body = body.to_string().into_bytes();
                let path = api.path("clustertrustbundles");
                let made = self.transport.post(&path, body);
                self.threads.block_on(made).map(|_| Published::Created)
            }
            Err(error) => Err(error),
        }
    }
}
