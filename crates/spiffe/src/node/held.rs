//! What is held for pods: each certificate and token is asked for once, and kept while the server is away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bailiwick_identity::rules::Plan;
use bailiwick_identity::{KeyType, SpiffeId, UnixTime, x509};
use tokio::sync::{OwnedMutexGuard, Semaphore};
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use super::{Node, State};
use crate::broker::ForBroker;
use crate::clock::{Clock, SystemClock};
use crate::issuer_core::unavailable;
use crate::keys::WorkloadKey;
use crate::limit::pushback;
use crate::seal::fraction;
use crate::server::MOST_AT_ONCE;
use crate::wire::issuer::node_agents_client::NodeAgentsClient;
use crate::wire::issuer::{SignManyRequest, SignRequest, SignResponse};
use crate::workload::Held;

/// How long an answer of the server may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// When something could not be had, it is asked for again after so long.
const RETRY: Duration = Duration::from_secs(5);
/// Requests for certificates that nobody waits for yet, at the same time.
const AT_ONCE: usize = 4;
/// Tokens that are kept.
const MOST_TOKENS: usize = 10_000;

/// A place for one document; whoever needs it waits for the one who asks for it.
pub(super) type Slot<T> = Arc<tokio::sync::Mutex<Option<Kept<T>>>>;

pub(super) struct Kept<T> {
    pub(super) what: T,
    /// From when on it does not count.
    until: UnixTime,
    /// When the next one is asked for.
    due: Instant,
    /// State of the keys of the authority by which it was made.
    revision: u64,
}

/// Certificates by pod and identity.
#[derive(Default)]
pub(super) struct Certificates(Mutex<HashMap<CertificateKey, Slot<Arc<Held>>>>);

/// Tokens by pod, identity and receivers.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<TokenKey, Slot<String>>>);

/// What a broker gets is made for it, so that the log says so: it shares nothing with the pod or other brokers.
type CertificateKey = (Box<str>, SpiffeId, Option<SpiffeId>);
type TokenKey = (Box<str>, SpiffeId, Vec<String>, Option<SpiffeId>);

impl Node {
    /// A certificate of a pod, with its key.
    pub(crate) async fn certificate(
        &self,
        pod: &str,
        plan: Plan,
        through: Option<&ForBroker>,
    ) -> Result<Arc<Held>, Status> {
        let slot = self.slot(pod, &plan.id, through.map(ForBroker::broker));
        let mut slot = slot.lock().await;
        let revision = self.state().revision;
        if let Some(kept) = &*slot
            && kept.what.plan == plan
            && kept.is_fresh(revision)
        {
            return Ok(Arc::clone(&kept.what));
        }
        let made = self.made(pod, plan, through).await;
        settle(&mut slot, made.map(lasting), revision)
    }

    fn slot(&self, pod: &str, id: &SpiffeId, broker: Option<&SpiffeId>) -> Slot<Arc<Held>> {
        let slots = self.certificates.0.lock();
        let mut slots = slots.unwrap_or_else(PoisonError::into_inner);
        let key = (pod.into(), id.clone(), broker.cloned());
        Arc::clone(slots.entry(key).or_default())
    }

    async fn made(
        &self,
        pod: &str,
        plan: Plan,
        through: Option<&ForBroker>,
    ) -> Result<Arc<Held>, Status> {
        let key = new_key(plan.key_type).await?;
        let answer = self.ask(SignRequest {
            brokered: through.map(ForBroker::wire),
            ..certificate_request(pod, &plan, &key)?
        });
        self.believed(plan, key, answer.await?.chain)
    }

    /// What the server sent for a key.
    fn believed(
        &self,
        plan: Plan,
        key: WorkloadKey,
        chain: Vec<Vec<u8>>,
    ) -> Result<Arc<Held>, Status> {
        let bundle = self.bundle()?;
        let wrong = |why: String| Status::unavailable(format!("the server sent {why}"));
        let validity = own_certificate(&chain, &key, &plan.id, &bundle).map_err(wrong)?;
        Ok(Arc::new(Held {
            plan,
            chain,
            validity,
            key,
        }))
    }

    /// A token of a pod.
    pub(crate) async fn token(
        &self,
        pod: &str,
        plan: &Plan,
        audience: &[String],
        through: Option<&ForBroker>,
    ) -> Result<String, Status> {
        let slot = {
            let slots = self.tokens.0.lock();
            let mut slots = slots.unwrap_or_else(PoisonError::into_inner);
            if slots.len() >= MOST_TOKENS {
                let now = SystemClock.now();
                slots.retain(|_, slot| {
                    let kept = slot.try_lock();
                    kept.is_ok_and(|kept| kept.as_ref().is_some_and(|kept| now < kept.until))
                });
            }
            let broker = through.map(ForBroker::broker).cloned();
            let key = (pod.into(), plan.id.clone(), audience.to_vec(), broker);
            match slots.len() < MOST_TOKENS {
                true => Arc::clone(slots.entry(key).or_default()),
                false => Slot::default(),
            }
        };
        let mut slot = slot.lock().await;
        let revision = self.state().revision;
        if let Some(kept) = &*slot
            && kept.is_fresh(revision)
        {
            return Ok(kept.what.clone());
        }
        let answer = self.ask(SignRequest {
            pod_uid: pod.to_owned(),
            spiffe_id: plan.id.to_string(),
            audience: audience.to_vec(),
            brokered: through.map(ForBroker::wire),
            ..SignRequest::default()
        });
        let made = answer.await;
        let made = made.map(|answer| (answer.token, UnixTime::new(answer.until)));
        settle(&mut slot, made, revision)
    }

    pub(super) async fn ask(&self, request: SignRequest) -> Result<SignResponse, Status> {
        self.patiently(request, async |client, request| client.sign(request).await)
            .await
    }

    /// Asks the server; where we come too early, again when it says.
    async fn patiently<Q: Clone, A>(
        &self,
        question: Q,
        ask: impl AsyncFn(&mut NodeAgentsClient<Channel>, Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, Status> {
        let end = Instant::now() + PATIENCE;
        loop {
            let mut request = Request::new(question.clone());
            request.set_timeout(end.saturating_duration_since(Instant::now()));
            let status = match ask(&mut self.client()?, request).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => status,
            };
            match pushback(&status) {
                Some(wait) if Instant::now() + wait < end => tokio::time::sleep(wait).await,
                _ => return Err(status),
            }
        }
    }

    /// Asks for many certificates at once. What somebody else asks for at this moment is left to him; what fails is
    /// tried again by [`Node::prepare`], and by whoever needs it.
    async fn ask_for(&self, wanted: Vec<(Box<str>, Plan)>) {
        let revision = self.state().revision;
        let mut asking = Vec::new();
        let mut requests = Vec::new();
        for (pod, plan) in wanted {
            let slot = self.slot(&pod, &plan.id, None).try_lock_owned();
            let Ok(slot) = slot else { continue };
            let fresh = |kept: &Kept<Arc<Held>>| kept.what.plan == plan && kept.is_fresh(revision);
            if slot.as_ref().is_some_and(fresh) {
                continue;
            }
            let key = new_key(plan.key_type).await;
            let asked = key.and_then(|key| Ok((certificate_request(&pod, &plan, &key)?, key)));
            let Ok((request, key)) = asked else { continue };
            requests.push(request);
            asking.push(Asking { slot, plan, key });
        }
        if requests.is_empty() {
            return;
        }
        let request = SignManyRequest { requests };
        let answer = self.patiently(request, async |client, request| {
            client.sign_many(request).await
        });
        let mut outcomes = match answer.await {
            Ok(answer) => answer.outcomes.into_iter().map(Result::from).collect(),
            Err(status) => vec![Err(status); asking.len()],
        }
        .into_iter();
        for Asking {
            mut slot,
            plan,
            key,
        } in asking
        {
            let missing = || Err(Status::unavailable("the server sent too few outcomes"));
            let outcome = outcomes.next().unwrap_or_else(missing);
            let made = outcome.and_then(|signed| self.believed(plan, key, signed.chain));
            let _ = settle(&mut slot, made.map(lasting), revision);
        }
    }

    /// Asks for certificates before anybody needs them: of pods that come, and of those whose time is half over.
    pub(super) async fn prepare(self: Arc<Self>) {
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        let mut changes = self.changes();
        loop {
            let state = self.state();
            self.forget(|pod| state.pods.contains_key(pod));
            for batch in batches(self.missing(&state)) {
                let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
                    return;
                };
                let node = Arc::clone(&self);
                tokio::spawn(async move {
                    node.ask_for(batch).await;
                    drop(permit);
                });
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }

    /// What is not held as it should be.
    fn missing(&self, state: &State) -> Vec<(Box<str>, Plan)> {
        let mut missing = Vec::new();
        for (pod, known) in &state.pods {
            for plan in known.plans.iter().flatten() {
                if !self.has(pod, plan, state.revision) {
                    missing.push((pod.clone(), plan.clone()));
                }
            }
        }
        missing
    }

    /// Whether a certificate need not be asked for, or is being asked for.
    fn has(&self, pod: &str, plan: &Plan, revision: u64) -> bool {
        let slots = self.certificates.0.lock();
        let slots = slots.unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = slots.get(&(Box::from(pod), plan.id.clone(), None)) else {
            return false;
        };
        slot.try_lock().map_or(true, |kept| {
            kept.as_ref()
                .is_some_and(|kept| kept.what.plan == *plan && kept.is_fresh(revision))
        })
    }

    /// Forgets what is held for pods that are not to be kept.
    pub(super) fn forget(&self, keep: impl Fn(&str) -> bool) {
        let slots = self.certificates.0.lock();
        let mut slots = slots.unwrap_or_else(PoisonError::into_inner);
        slots.retain(|(pod, ..), _| keep(pod));
        let tokens = self.tokens.0.lock();
        let mut tokens = tokens.unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|(pod, ..), _| keep(pod));
        self.wits.forget(keep);
    }
}

impl<T> Kept<T> {
    pub(super) fn is_fresh(&self, revision: u64) -> bool {
        self.revision == revision && Instant::now() < self.due
    }
}

/// A certificate that is being asked for.
struct Asking {
    slot: OwnedMutexGuard<Option<Kept<Arc<Held>>>>,
    plan: Plan,
    key: WorkloadKey,
}

pub(super) async fn new_key(kind: KeyType) -> Result<WorkloadKey, Status> {
    let key = match is_slow(kind) {
        true => {
            let made = tokio::task::spawn_blocking(move || WorkloadKey::generate(kind));
            made.await.map_err(|error| unavailable(&error))?
        }
        false => WorkloadKey::generate(kind),
    };
    key.map_err(|error| unavailable(&error))
}

/// Whether keys of a kind take long to make.
fn is_slow(kind: KeyType) -> bool {
    matches!(kind, KeyType::Rsa2048 | KeyType::Rsa4096)
}

/// What is asked for together. Nobody waits for a key that takes long to make but he who gets it.
fn batches(missing: Vec<(Box<str>, Plan)>) -> Vec<Vec<(Box<str>, Plan)>> {
    let (slow, fast): (Vec<_>, Vec<_>) = missing
        .into_iter()
        .partition(|(_, plan)| is_slow(plan.key_type));
    let fast = fast.chunks(MOST_AT_ONCE).map(<[_]>::to_vec);
    fast.chain(slow.into_iter().map(|one| vec![one])).collect()
}

pub(super) fn certificate_request(
    pod: &str,
    plan: &Plan,
    key: &WorkloadKey,
) -> Result<SignRequest, Status> {
    Ok(SignRequest {
        pod_uid: pod.to_owned(),
        spiffe_id: plan.id.to_string(),
        certificate_request: key.request().map_err(|error| unavailable(&error))?,
        ..SignRequest::default()
    })
}

/// With the time from which on it does not count.
fn lasting(held: Arc<Held>) -> (Arc<Held>, UnixTime) {
    let until = held.validity.not_after;
    (held, until)
}

/// Keeps what was made; where nothing was, what is kept goes on, unless the server said no.
pub(super) fn settle<T: Clone>(
    slot: &mut Option<Kept<T>>,
    made: Result<(T, UnixTime), Status>,
    revision: u64,
) -> Result<T, Status> {
    let now = SystemClock.now();
    match made {
        Ok((what, until)) => {
            let half = Duration::from_secs(until.since(now)) / 2;
            *slot = Some(Kept {
                what: what.clone(),
                until,
                due: Instant::now() + half.mul_f64(0.9 + 0.1 * fraction()),
                revision,
            });
            Ok(what)
        }
        Err(status) if matches!(status.code(), Code::PermissionDenied | Code::Unimplemented) => {
            *slot = None;
            Err(status)
        }
        Err(status) => match slot {
            Some(kept) if now < kept.until => {
                kept.due = Instant::now() + RETRY;
                kept.revision = revision;
                Ok(kept.what.clone())
            }
            _ => Err(Status::unavailable(status.message())),
        },
    }
}

/// Whether a chain is ours: our key, our name, signed by our domain.
pub(super) fn own_certificate(
    chain: &[Vec<u8>],
    key: &WorkloadKey,
    id: &SpiffeId,
    bundle: &bailiwick_identity::Bundle,
) -> Result<x509::Validity, String> {
    let leaf = chain.first().ok_or("no certificate")?;
    let leaf = x509::leaf_profile(leaf).map_err(|error| error.to_string())?;
    // Our clock may be late.
    let now = SystemClock.now().max(leaf.validity.not_before);
    let svid = x509::validate(chain, bundle, now).map_err(|error| error.to_string())?;
    if svid.id() != id || svid.profile.public_key.as_ref() != Some(&key.public) {
        return Err("a certificate of somebody else".into());
    }
    Ok(svid.profile.validity)
}
