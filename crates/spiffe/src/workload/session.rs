use std::sync::Arc;
use std::time::{Duration, Instant};

use bailiwick_audit::{DenialRecord, Door, Proof};
use bailiwick_identity::facts::Facts;
use bailiwick_identity::rules::{Denial, Outcome, Plan, RuleSet};
use bailiwick_identity::{Bundle, BundleMap, TrustDomain, UnixTime};
use tokio::sync::watch;
use tonic::{Request, Status};

use super::Shared;
use crate::authority::IssuedX509;
use crate::evidence::{certificate_record, token_record};
use crate::keys::WorkloadKey;
use crate::listen::Local;
use crate::peer::{Peer, PeerError};

/// Several pushes do not happen at the same moment: each waits up to this long after a change.
const SPLAY: Duration = Duration::from_millis(50);
/// When something failed that will be better, it is tried again after so long.
pub(super) const RETRY: Duration = Duration::from_secs(5);

/// One caller, who is attested anew for every message.
pub(crate) struct Session {
    door: Door,
    peer: Arc<Peer>,
    shared: Shared,
}

/// An identity with its certificate and key.
pub(crate) struct Held {
    pub(crate) plan: Plan,
    pub(crate) issued: IssuedX509,
    pub(crate) key: WorkloadKey,
}

/// Everything that a caller holds at one moment.
pub(crate) struct Holding {
    pub(crate) identities: Vec<Held>,
    pub(crate) bundle: Arc<Bundle>,
    /// Bundles of the domains that its rules federate with.
    pub(crate) federated: Vec<Bundle>,
}

/// What to wait for before the next message of a stream.
pub(crate) struct Changes {
    authority: watch::Receiver<u64>,
    rules: watch::Receiver<Arc<RuleSet>>,
    federated: watch::Receiver<Arc<BundleMap>>,
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
                Ok(peer) if shared.limit.admits(peer.uid(), Instant::now()) => {
                    return Ok(Self {
                        door,
                        peer: Arc::clone(peer),
                        shared,
                    });
                }
                Ok(_) => {
                    return Err(Status::unavailable(
                        "too many requests of this user: try again later",
                    ));
                }
                Err(error) => error.to_string(),
            },
            None => "nothing is known of the caller".to_owned(),
        };
        Err(denied(door, &shared, None, why).await)
    }

    /// Who the caller is and what the rules give, now.
    pub(crate) async fn plans(&self) -> Result<(Facts, Vec<Plan>), Status> {
        let facts = match self.peer.attest() {
            Ok(facts) => facts,
            Err(error) => {
                return Err(denied(self.door, &self.shared, None, error.to_string()).await);
            }
        };
        let rules = Arc::clone(&self.shared.rules.borrow());
        let explanation = rules.explain(&facts);
        match explanation.result {
            Ok(plans) => Ok((facts, plans)),
            Err(denial) => {
                let mut why = format!("no identity for {facts}: {denial}");
                if denial == Denial::NoRule {
                    for verdict in &explanation.verdicts {
                        if let Outcome::Fails(reason) = &verdict.outcome {
                            why.push_str(&format!("; rule `{}` fits, but {reason}", verdict.rule));
                        }
                    }
                    why.push_str("; `bailiwick identity why` shows each rule");
                }
                Err(self.denied(&facts, why).await)
            }
        }
    }

    /// Writes that the caller gets nothing, and gives what it hears.
    pub(crate) async fn denied(&self, facts: &Facts, why: String) -> Status {
        denied(self.door, &self.shared, Some(facts), why).await
    }

    /// Certificates and keys for these identities, made now.
    async fn hold(
        &self,
        facts: &Facts,
        plans: Vec<Plan>,
        federated: Vec<Bundle>,
    ) -> Result<Holding, Status> {
        let mut identities = Vec::new();
        for plan in plans {
            let key = WorkloadKey::generate(plan.key_type);
            let key = key.map_err(|error| unavailable(&error))?;
            let issued = self.shared.authority.issue_x509(&plan, &key.public);
            let issued = issued.map_err(|error| unavailable(&error))?;
            let record =
                certificate_record(self.door, &plan, &issued, facts.into(), Proof::default());
            let written = self.shared.evidence.issued(record).await;
            written.map_err(|error| unavailable(&error))?;
            identities.push(Held { plan, issued, key });
        }
        Ok(Holding {
            identities,
            bundle: self.shared.authority.bundle(),
            federated,
        })
    }

    /// A token for one identity, made now.
    pub(crate) async fn token(
        &self,
        facts: &Facts,
        plan: &Plan,
        audience: &[String],
    ) -> Result<String, Status> {
        let issued = self.shared.authority.issue_jwt(plan, audience);
        let issued = issued.map_err(|error| unavailable(&error))?;
        let proof = Proof::default();
        let record = token_record(self.door, plan, &issued, audience, facts.into(), proof);
        let written = self.shared.evidence.issued(record).await;
        written.map_err(|error| unavailable(&error))?;
        Ok(issued.token)
    }

    /// Bundles that a caller may see: its own domain's is not among them.
    pub(crate) fn federated(&self, mut domains: Vec<TrustDomain>) -> Vec<Bundle> {
        domains.sort();
        domains.dedup();
        let known = Arc::clone(&self.shared.federated.borrow());
        let own = self.shared.authority.trust_domain();
        let foreign = domains.iter().filter(|domain| *domain != own);
        foreign
            .filter_map(|domain| known.bundle(domain).cloned())
            .collect()
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Changes from now on.
    pub(crate) fn changes(&self) -> Changes {
        Changes {
            authority: self.shared.authority.subscribe(),
            rules: self.shared.rules.clone(),
            federated: self.shared.federated.clone(),
        }
    }
}

impl Changes {
    /// Waits until something changes that the caller should hear of, or `longest` is over.
    pub(crate) async fn wait(&mut self, longest: Duration) {
        let changed = tokio::select! {
            authority = self.authority.changed() => authority.is_ok(),
            rules = self.rules.changed() => rules.is_ok(),
            federated = self.federated.changed() => federated.is_ok(),
            () = tokio::time::sleep(longest) => return,
        };
        if changed {
            tokio::time::sleep(SPLAY.mul_f64(fraction())).await;
            self.authority.mark_unchanged();
            self.rules.mark_unchanged();
            self.federated.mark_unchanged();
        } else {
            // Whoever changes things is gone, and with him this server soon.
            tokio::time::sleep(RETRY).await;
        }
    }
}

/// When a caller gets new certificates: when it is entitled to others, when the authority changed, and when half of
/// their life is over.
#[derive(Default)]
pub(crate) struct Renewals {
    last: Option<Last>,
}

struct Last {
    plans: Vec<Plan>,
    sequence: Option<u64>,
    federated: Vec<Bundle>,
    authority: u64,
    renew: Instant,
}

impl Renewals {
    /// New certificates, where they are due.
    pub(crate) async fn due(&mut self, session: &Session) -> Result<Option<Holding>, Status> {
        let (facts, plans) = session.plans().await?;
        let domains = plans.iter().flat_map(|plan| plan.federates_with.clone());
        let federated = session.federated(domains.collect());
        let authority = *session.shared.authority.subscribe().borrow();
        let sequence = session.shared.authority.bundle().sequence;
        let same = self.last.as_ref().is_some_and(|last| {
            last.plans == plans
                && last.sequence == sequence
                && last.federated == federated
                && last.authority == authority
                && Instant::now() < last.renew
        });
        if same {
            return Ok(None);
        }
        let holding = session.hold(&facts, plans.clone(), federated.clone());
        let holding = holding.await?;
        let life = holding.renewal(session.shared.authority.now());
        self.last = Some(Last {
            plans,
            sequence,
            federated,
            authority,
            renew: Instant::now() + life,
        });
        Ok(Some(holding))
    }

    /// How long until the next ones.
    pub(crate) fn left(&self) -> Duration {
        let renew = self.last.as_ref().map(|last| last.renew);
        renew.map_or(Duration::ZERO, |renew| {
            renew.saturating_duration_since(Instant::now())
        })
    }
}

impl Holding {
    /// After how long certificates are made anew: half of what the first of them has to live, a little less at random.
    fn renewal(&self, now: UnixTime) -> Duration {
        let ends = self
            .identities
            .iter()
            .map(|held| held.issued.validity.not_after);
        let left = ends.min().map_or(0, |end| end.since(now));
        let half = Duration::from_secs(left) / 2;
        half.mul_f64(0.9 + 0.1 * fraction())
            .max(Duration::from_secs(1))
    }
}

/// Writes that somebody gets nothing, and gives what it hears.
async fn denied(door: Door, shared: &Shared, facts: Option<&Facts>, why: String) -> Status {
    let record = DenialRecord {
        door,
        why: why.clone(),
        workload: facts.map(Into::into).unwrap_or_default(),
        proof: Proof::default(),
    };
    shared.evidence.denied(record).await;
    Status::permission_denied(why)
}

/// Something in us failed: the caller may come again (E-3).
pub(crate) fn unavailable(error: &dyn std::error::Error) -> Status {
    Status::unavailable(error.to_string())
}

/// A random number from 0 to 1.
pub(crate) fn fraction() -> f64 {
    let [byte, ..] = crate::seal::random().unwrap_or_default();
    f64::from(byte) / 255.0
}
