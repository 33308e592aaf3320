//! What is held for pods: each certificate and token is asked for once, and kept while the server is away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bailiwick_identity::rules::Plan;
use bailiwick_identity::{KeyType, SpiffeId, UnixTime, x509};
use tokio::sync::{OwnedMutexGuard, Semaphore};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::slots::{Kept, Made, Now, Slots, fresh_or_made, settle};
use super::{Node, State};
use crate::broker::ForBroker;
use crate::clock::{life, other_time};
use crate::issuer_core::unavailable;
use crate::keys::WorkloadKey;
use crate::limit::pushback;
use crate::server::MOST_AT_ONCE;
use crate::wire::issuer::node_agents_client::NodeAgentsClient;
use crate::wire::issuer::{SignManyRequest, SignRequest, SignResponse};
use crate::workload::Held;

/// How long an answer of the server may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// When something could not be had, it is asked for again after so long.
pub(super) const RETRY: Duration = Duration::from_secs(5);
/// Requests for certificates that nobody waits for yet, at the same time.
const AT_ONCE: usize = 4;
/// Tokens that are kept.
const MOST_TOKENS: usize = 10_000;

/// Certificates by pod and identity. What a broker gets is made for it, so that the log says so: it shares nothing with the
/// pod or other brokers.
pub(super) type Certificates = Slots<(SpiffeId, Option<SpiffeId>), Arc<Held>>;
/// Tokens by pod, identity and receivers, and for a broker.
pub(super) type Tokens = Slots<(SpiffeId, Vec<String>, Option<SpiffeId>), String>;

impl Node {
    /// A certificate of a pod, with its key.
    pub(crate) async fn certificate(
        &self,
        pod: &str,
        plan: Plan,
        through: Option<&ForBroker>,
    ) -> Result<Arc<Held>, Status> {
        let key = (plan.id.clone(), through.map(ForBroker::broker).cloned());
        let slot = self.certificates.slot(pod, key);
        let made = async { self.made(pod, plan.clone(), through).await.map(lasting) };
        let good = |held: &Arc<Held>| held.plan == plan;
        fresh_or_made(&slot, || self.now(), good, made).await
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
        let validity = own_certificate(&chain, &key, &plan.id, &bundle, self.clock.now());
        let validity = validity.map_err(wrong)?;
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
        let broker = through.map(ForBroker::broker).cloned();
        let key = (plan.id.clone(), audience.to_vec(), broker);
        let slot = self
            .tokens
            .slot_among(MOST_TOKENS, self.clock.now(), pod, key);
        let answer = self.ask(SignRequest {
            pod_uid: pod.to_owned(),
            spiffe_id: plan.id.to_string(),
            audience: audience.to_vec(),
            brokered: through.map(ForBroker::wire),
            ..SignRequest::default()
        });
        let made = async {
            let answer = answer.await?;
            Ok(Made {
                what: answer.token,
                until: UnixTime::new(answer.until),
                life: plan.jwt_lifetime,
            })
        };
        fresh_or_made(&slot, || self.now(), |_| true, made).await
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
        let now = self.now();
        let mut asking = Vec::new();
        let mut requests = Vec::new();
        for (pod, plan) in wanted {
            let slot = self.certificates.slot(&pod, (plan.id.clone(), None));
            let Ok(slot) = slot.try_lock_owned() else {
                continue;
            };
            let fresh = |kept: &Kept<Arc<Held>>| kept.what.plan == plan && kept.is_fresh(now);
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
            let _ = settle(&mut slot, made.map(lasting), now);
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
        let (mut missing, now) = (Vec::new(), self.now());
        for (pod, known) in &state.pods {
            for plan in known.plans.iter().flatten() {
                if !self.has(pod, plan, now) {
                    missing.push((pod.clone(), plan.clone()));
                }
            }
        }
        missing
    }

    /// Whether a certificate need not be asked for, or is being asked for.
    fn has(&self, pod: &str, plan: &Plan, now: Now) -> bool {
        let Some(slot) = self.certificates.find(pod, (plan.id.clone(), None)) else {
            return false;
        };
        slot.try_lock().map_or(true, |kept| {
            kept.as_ref()
                .is_some_and(|kept| kept.what.plan == *plan && kept.is_fresh(now))
        })
    }

    /// Forgets what is held for pods that are not to be kept.
    pub(super) fn forget(&self, keep: impl Fn(&str) -> bool) {
        self.certificates.forget(&keep);
        self.tokens.forget(&keep);
        self.wits.forget(&keep);
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

/// With how long it counts.
fn lasting(held: Arc<Held>) -> Made<Arc<Held>> {
    let (until, life) = (held.validity.not_after, life(held.validity));
    let what = held;
    Made { what, until, life }
}

/// Whether a chain that came just now is ours: our key, our name, signed by our domain.
pub(super) fn own_certificate(
    chain: &[Vec<u8>],
    key: &WorkloadKey,
    id: &SpiffeId,
    bundle: &bailiwick_identity::Bundle,
    now: UnixTime,
) -> Result<x509::Validity, String> {
    let leaf = chain.first().ok_or("no certificate")?;
    let leaf = x509::leaf_profile(leaf).map_err(|error| error.to_string())?;
    // Our clock may be late.
    let now = now.max(leaf.validity.not_before);
    if let Some(wrong) = other_time(leaf.validity, now) {
        return Err(format!("a certificate that {wrong}"));
    }
    let svid = x509::validate(chain, bundle, now).map_err(|error| error.to_string())?;
    if svid.id() != id || svid.profile.public_key.as_ref() != Some(&key.public) {
        return Err("a certificate of somebody else".into());
    }
    Ok(svid.profile.validity)
}
