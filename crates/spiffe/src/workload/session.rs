use std::sync::Arc;
use std::time::{Duration, Instant};

use bailiwick_audit::{Door, Proof};
use bailiwick_identity::facts::Facts;
use bailiwick_identity::rules::Plan;
use bailiwick_identity::x509::Validity;
use bailiwick_identity::{Bundle, BundleMap, SpiffeId, TrustDomain, UnixTime};
use tonic::{Request, Status};

use super::changes::Changes;
use super::{Giver, HeldWit, Shared};
use crate::broker::ForBroker;
use crate::clock::{Clock, Due, life};
use crate::issuer_core::{Asker, unavailable};
use crate::keys::WorkloadKey;
use crate::listen::Local;
use crate::node::Node;
use crate::peer::{Peer, PeerError};
use crate::refusals::{Refusal, RefusedCaller};

/// When something failed that will be better, it is tried again after so long.
pub(super) const RETRY: Duration = Duration::from_secs(5);

/// One caller, who is attested anew for every message.
pub(crate) struct Session {
    door: Door,
    who: Who,
    giver: Giver,
}

/// Whom a session is about.
enum Who {
    /// The process that calls.
    Caller(Arc<Peer>),
    /// A workload that somebody else asks for.
    Other(Arc<ForBroker>),
}

/// Who the caller is at one moment.
pub(crate) struct Caller {
    asker: Asker,
    /// The UID of its pod, where it runs in one.
    pod: Option<String>,
    /// Who asks for it.
    through: Option<Arc<ForBroker>>,
}

/// An identity with its certificate and key.
pub(crate) struct Held {
    pub(crate) plan: Plan,
    /// Leaf first, without the root, in DER.
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) validity: Validity,
    pub(crate) key: WorkloadKey,
}

/// Everything that a caller holds at one moment.
pub(crate) struct Holding {
    pub(crate) identities: Vec<Arc<Held>>,
    pub(crate) bundle: Arc<Bundle>,
    /// Bundles of the domains that its rules federate with.
    pub(crate) federated: Vec<Bundle>,
}

impl Session {
    /// The caller of a request.
    pub(crate) fn of<T>(
        door: Door,
        request: &Request<T>,
        shared: &Shared,
    ) -> impl Future<Output = Result<Self, Status>> + Send + use<T> {
        // Not the request itself: one with a stream cannot be looked at from several threads.
        let local = request.extensions().get::<Local>();
        let peer = local.map(|local| Arc::clone(&local.peer));
        Self::from_peer(door, peer, shared.clone())
    }

    async fn from_peer(
        door: Door,
        peer: Option<Arc<Result<Arc<Peer>, PeerError>>>,
        shared: Shared,
    ) -> Result<Self, Status> {
        let why = match peer {
            Some(peer) => match peer.as_ref() {
                Ok(peer) if shared.limit.admits(peer.share(), 1, Instant::now()).is_ok() => {
                    return Ok(Self {
                        door,
                        who: Who::Caller(Arc::clone(peer)),
                        giver: shared.giver,
                    });
                }
                // Not `ResourceExhausted`: the standard has this code for servers that are busy (E-3).
                Ok(peer) => {
                    let caller = RefusedCaller::Workload(peer.share());
                    let refusal = Refusal::too_many(caller, door, Some(peer.process()));
                    shared.giver.refused_often(refusal).await;
                    return Err(Status::unavailable(
                        "too many requests of this pod or user: try again later",
                    ));
                }
                Err(error) => (error.reason(), error.to_string()),
            },
            None => {
                let why = "nothing is known of the caller".to_owned();
                (why.clone(), why)
            }
        };
        let nobody = asker(door, Facts::default());
        let refusal = Refusal::of(&nobody, None, why.0).telling(why.1);
        Err(shared.giver.denied(refusal).await)
    }

    /// About a workload of this node that a broker named.
    pub(crate) fn for_broker(about: ForBroker, node: Arc<Node>) -> Self {
        Self {
            door: Door::WorkloadApi,
            who: Who::Other(Arc::new(about)),
            giver: Giver::Server(node),
        }
    }

    /// How long at most until the workload is looked at again, whatever happens.
    pub(super) fn patience(&self) -> Duration {
        match &self.who {
            Who::Caller(_) => Duration::MAX,
            Who::Other(about) => about.patience(),
        }
    }

    /// Who the workload is and what it is to get, now.
    pub(crate) async fn plans(&self) -> Result<(Caller, Vec<Plan>), Status> {
        match &self.who {
            Who::Caller(peer) => self.plans_of(peer).await,
            Who::Other(about) => {
                let Giver::Server(node) = &self.giver else {
                    return Err(Status::permission_denied(
                        "brokers ask agents of nodes alone",
                    ));
                };
                let (facts, pod) = about.attest(node).await?;
                let mut asker = asker(self.door, facts);
                asker.proof.broker = about.broker().to_string();
                let plans = node.plans(&asker, &pod).await?;
                let caller = Caller {
                    asker,
                    pod: Some(pod),
                    through: Some(Arc::clone(about)),
                };
                Ok((caller, plans))
            }
        }
    }

    /// The same of all identities, or of the one that is wanted: whoever is not entitled to that one is told so.
    pub(super) async fn plans_for(
        &self,
        wanted: Option<&SpiffeId>,
    ) -> Result<(Caller, Vec<Plan>), Status> {
        let (caller, mut plans) = self.plans().await?;
        let Some(id) = wanted else {
            return Ok((caller, plans));
        };
        plans.retain(|plan| plan.id == *id);
        if plans.is_empty() {
            let why = format!("no rule gives the caller `{id}`");
            return Err(self.denied(&caller, why).await);
        }
        Ok((caller, plans))
    }

    async fn plans_of(&self, peer: &Peer) -> Result<(Caller, Vec<Plan>), Status> {
        let (facts, pod) = match peer.attest() {
            Ok(attested) => attested,
            Err(error) => {
                let asker = asker(self.door, peer.facts());
                let refusal = Refusal::of(&asker, peer.first_pod(), error.reason());
                let refusal = refusal.telling(error.to_string());
                return Err(self.giver.denied(refusal).await);
            }
        };
        let asker = asker(self.door, facts);
        let elsewhere = async |error: PeerError| {
            let refusal = Refusal::of(&asker, pod.as_deref(), error.reason());
            self.giver.denied(refusal.telling(error.to_string())).await
        };
        let plans = match (&self.giver, &pod) {
            (Giver::Own { core, .. }, None) => match core.entitled(&asker.facts) {
                Ok(plans) => plans,
                Err(why) => {
                    let told = format!("no identity for {}: {why}", asker.facts);
                    let refusal = Refusal::of(&asker, None, why).telling(told);
                    return Err(self.giver.denied(refusal).await);
                }
            },
            (Giver::Server(node), Some(pod)) => node.plans(&asker, pod).await?,
            (Giver::Own { .. }, Some(_)) => {
                return Err(elsewhere(PeerError::InPod(peer.pid())).await);
            }
            (Giver::Server(_), None) => {
                return Err(elsewhere(PeerError::OfHost(peer.pid())).await);
            }
        };
        let caller = Caller {
            asker,
            pod,
            through: None,
        };
        Ok((caller, plans))
    }

    /// Writes that the caller gets nothing, and gives what it hears.
    pub(crate) async fn denied(&self, caller: &Caller, why: String) -> Status {
        let refusal = Refusal::of(&caller.asker, caller.pod.as_deref(), why);
        self.giver.denied(refusal).await
    }

    /// Certificates and keys for these identities.
    async fn hold(
        &self,
        caller: &Caller,
        plans: Vec<Plan>,
        federated: Vec<Bundle>,
    ) -> Result<Holding, Status> {
        let mut identities = Vec::new();
        for plan in plans {
            let held = match (&self.giver, &caller.pod) {
                (Giver::Server(node), Some(pod)) => {
                    let through = caller.through.as_deref();
                    node.certificate(pod, plan, through).await?
                }
                (Giver::Server(_), None) => continue,
                (Giver::Own { core, .. }, _) => {
                    let key = WorkloadKey::generate(plan.key_type);
                    let key = key.map_err(|error| unavailable(&error))?;
                    let issued = core.certificate(&caller.asker, &plan, &key.public).await?;
                    Arc::new(Held {
                        plan,
                        chain: issued.chain,
                        validity: issued.validity,
                        key,
                    })
                }
            };
            identities.push(held);
        }
        Ok(Holding {
            identities,
            bundle: self.bundle()?,
            federated,
        })
    }

    /// A token for one identity.
    pub(crate) async fn token(
        &self,
        caller: &Caller,
        plan: &Plan,
        audience: &[String],
    ) -> Result<String, Status> {
        match (&self.giver, &caller.pod) {
            (Giver::Own { core, .. }, _) => {
                Ok(core.token(&caller.asker, plan, audience).await?.token)
            }
            (Giver::Server(node), Some(pod)) => {
                let through = caller.through.as_deref();
                node.token(pod, plan, audience, through).await
            }
            (Giver::Server(_), None) => Err(Status::permission_denied("the caller is in no pod")),
        }
    }

    /// A WIT-SVID for one identity.
    pub(super) async fn wit(&self, caller: &Caller, plan: Plan) -> Result<Arc<HeldWit>, Status> {
        match (&self.giver, &caller.pod) {
            (Giver::Own { core, .. }, _) => {
                let key = WorkloadKey::generate(HeldWit::key_type(&plan));
                let key = key.map_err(|error| unavailable(&error))?;
                let issued = core.wit(&caller.asker, &plan, &key.public).await?;
                Ok(Arc::new(HeldWit {
                    plan,
                    token: issued.token,
                    until: issued.expires_at,
                    key,
                }))
            }
            (Giver::Server(node), Some(pod)) => node.wit(pod, plan).await,
            (Giver::Server(_), None) => Err(Status::permission_denied("the caller is in no pod")),
        }
    }

    /// The keys of the own domain.
    pub(crate) fn bundle(&self) -> Result<Arc<Bundle>, Status> {
        match &self.giver {
            Giver::Own { core, .. } => Ok(core.authority.bundle()),
            Giver::Server(node) => node.bundle(),
        }
    }

    /// Bundles that a caller may see: its own domain's is not among them.
    pub(crate) fn federated(&self, mut domains: Vec<TrustDomain>) -> Vec<Bundle> {
        domains.sort();
        domains.dedup();
        let found = |known: &BundleMap, own: &TrustDomain| {
            let foreign = domains.iter().filter(|domain| *domain != own);
            let found = foreign.filter_map(|domain| known.bundle(domain).cloned());
            found.collect()
        };
        match &self.giver {
            Giver::Own {
                core, federated, ..
            } => found(&federated.borrow().clone(), core.authority.trust_domain()),
            Giver::Server(node) => found(&node.state().bundles, node.trust_domain()),
        }
    }

    /// Counts changes of the authority.
    pub(super) fn revision(&self) -> u64 {
        match &self.giver {
            Giver::Own { core, .. } => *core.authority.subscribe().borrow(),
            Giver::Server(node) => node.state().revision,
        }
    }

    /// The clock by which documents are made.
    pub(super) fn clock(&self) -> &dyn Clock {
        match &self.giver {
            Giver::Own { core, .. } => core.authority.clock(),
            Giver::Server(node) => &*node.clock,
        }
    }

    /// The time by that.
    pub(crate) fn now(&self) -> UnixTime {
        self.clock().now()
    }

    /// Changes from now on.
    pub(crate) fn changes(&self) -> Changes {
        match &self.giver {
            Giver::Own {
                core, federated, ..
            } => Changes::Own {
                authority: core.authority.subscribe(),
                rules: core.rules.clone(),
                federated: federated.clone(),
            },
            Giver::Server(node) => Changes::Node {
                state: node.changes(),
                pod: match &self.who {
                    Who::Caller(peer) => peer.attest().ok().and_then(|(_, pod)| pod),
                    Who::Other(about) => about.pod().map(str::to_owned),
                },
            },
        }
    }
}

fn asker(door: Door, facts: Facts) -> Asker {
    let proof = Proof::default();
    Asker { door, facts, proof }
}

/// When a caller gets new certificates: when it is entitled to others, when the authority changed, and when half of
/// their life is over.
#[derive(Default)]
pub(crate) struct Renewals {
    last: Option<Last>,
}

struct Last {
    plans: Vec<Plan>,
    /// The leaves that it was sent.
    leaves: Vec<Option<Vec<u8>>>,
    sequence: Option<u64>,
    federated: Vec<Bundle>,
    authority: u64,
    renew: Due,
}

impl Renewals {
    /// New certificates, where they are due.
    pub(crate) async fn due(&mut self, session: &Session) -> Result<Option<Holding>, Status> {
        let (caller, plans) = session.plans().await?;
        let domains = plans.iter().flat_map(|plan| plan.federates_with.clone());
        let federated = session.federated(domains.collect());
        let authority = session.revision();
        let sequence = session.bundle()?.sequence;
        let same = self.last.as_ref().is_some_and(|last| {
            last.plans == plans
                && last.sequence == sequence
                && last.federated == federated
                && last.authority == authority
                && !last.renew.has_come(session.now())
        });
        if same {
            return Ok(None);
        }
        let holding = session.hold(&caller, plans.clone(), federated.clone());
        let holding = holding.await?;
        let renew = holding.renewal(session.now());
        let leaves = holding.identities.iter();
        let leaves: Vec<_> = leaves.map(|held| held.chain.first().cloned()).collect();
        // A certificate that several processes share is made anew when it is due, not when one of them asks.
        let known = self.last.as_ref().is_some_and(|last| {
            last.leaves == leaves
                && last.sequence == sequence
                && last.federated == federated
                && last.plans == plans
        });
        self.last = Some(Last {
            plans,
            leaves,
            sequence,
            federated,
            authority,
            renew,
        });
        Ok((!known).then_some(holding))
    }

    /// How long until the next ones.
    pub(crate) fn left(&self, session: &Session) -> Duration {
        let renew = self.last.as_ref().map(|last| last.renew);
        renew.map_or(Duration::ZERO, |renew| renew.left(session.now()))
    }
}

impl Holding {
    /// When certificates are made anew.
    fn renewal(&self, now: UnixTime) -> Due {
        let identities = self.identities.iter();
        let documents = identities.map(|held| (held.validity.not_after, life(held.validity)));
        Due::half(documents, now)
    }
}
