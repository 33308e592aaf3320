//! WIT-SVIDs that are held for pods, each asked for once.

use std::sync::Arc;

use bailiwick_identity::rules::Plan;
use bailiwick_identity::{SpiffeId, UnixTime, wit};
use tonic::Status;

use super::Node;
use super::held::{certificate_request, new_key};
use super::slots::{Made, Slots, fresh_or_made};
use crate::wire::issuer::SignRequest;
use crate::workload::HeldWit;

/// By pod and identity.
pub(super) type Wits = Slots<SpiffeId, Arc<HeldWit>>;

impl Node {
    /// A WIT-SVID of a pod, with its key.
    pub(crate) async fn wit(&self, pod: &str, plan: Plan) -> Result<Arc<HeldWit>, Status> {
        let slot = self.wits.slot(pod, plan.id.clone());
        let made = async {
            let held = self.new_wit(pod, plan.clone()).await?;
            Ok(Made {
                until: held.until,
                life: held.plan.jwt_lifetime,
                what: held,
            })
        };
        let good = |held: &Arc<HeldWit>| held.plan == plan;
        fresh_or_made(&slot, || self.now(), good, made).await
    }

    async fn new_wit(&self, pod: &str, plan: Plan) -> Result<Arc<HeldWit>, Status> {
        let key = new_key(HeldWit::key_type(&plan)).await?;
        let request = SignRequest {
            workload_identity_token: true,
            ..certificate_request(pod, &plan, &key)?
        };
        let token = self.ask(request).await?.token;
        let wrong = |why: String| Status::unavailable(format!("the server sent {why}"));
        // Our clock may be late by less than tokens are dated back.
        let read = wit::read(&token, &*self.bundle()?, None, self.clock.now());
        let read = read.map_err(|error| wrong(error.to_string()))?;
        if *read.subject() != plan.id || !read.is_of(&key.public) {
            return Err(wrong("a token of somebody else".into()));
        }
        let until: UnixTime = read.expires_at();
        Ok(Arc::new(HeldWit {
            plan,
            token,
            until,
            key,
        }))
    }
}
