//! WIT-SVIDs that are held for pods, each asked for once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bailiwick_identity::rules::Plan;
use bailiwick_identity::{SpiffeId, UnixTime, wit};
use tonic::Status;

use super::Node;
use super::held::{Slot, certificate_request, new_key, settle};
use crate::clock::{Clock, SystemClock};
use crate::wire::issuer::SignRequest;
use crate::workload::HeldWit;

type Key = (Box<str>, SpiffeId);

/// By pod and identity.
#[derive(Default)]
pub(super) struct Wits(Mutex<HashMap<Key, Slot<Arc<HeldWit>>>>);

impl Wits {
    fn slot(&self, pod: &str, id: &SpiffeId) -> Slot<Arc<HeldWit>> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry((pod.into(), id.clone())).or_default())
    }

    /// Forgets those of pods that are not to be kept.
    pub(super) fn forget(&self, keep: impl Fn(&str) -> bool) {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|(pod, _), _| keep(pod));
    }
}

impl Node {
    /// A WIT-SVID of a pod, with its key.
    pub(crate) async fn wit(&self, pod: &str, plan: Plan) -> Result<Arc<HeldWit>, Status> {
        let slot = self.wits.slot(pod, &plan.id);
        let mut slot = slot.lock().await;
        let revision = self.state().revision;
        if let Some(kept) = &*slot
            && kept.what.plan == plan
            && kept.is_fresh(revision)
        {
            return Ok(Arc::clone(&kept.what));
        }
        let made = self.new_wit(pod, plan).await;
        let made = made.map(|held| (Arc::clone(&held), held.until));
        settle(&mut slot, made, revision)
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
        let read = wit::read(&token, &*self.bundle()?, None, SystemClock.now());
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
