//! The signer of PodCertificateRequests and publisher of its trust bundle: agentless identities for pods.

mod decide;
mod sign;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use bailiwick_audit::Event;
use bailiwick_identity::pods::{ObjectKind, View};
use bailiwick_identity::rules::{RuleSet, Tally};
use bailiwick_kube::{CertificatesApi, Cluster, PodRequest, Told};
use bailiwick_server::{NotYet, Ready};
use bailiwick_spiffe::{Authority, Clock, Evidence, pem};
use tokio::sync::watch;

use self::sign::Outcome;
use crate::cmd::identity::census::Census;

/// How long nothing happens before what is due is looked for.
const LOOK: Duration = Duration::from_millis(250);
/// How long the watches may take to show what a request says, before the API server is asked itself.
const PATIENCE: Duration = Duration::from_secs(2);
/// Requests that are worked on at the same time.
const HANDS: usize = 8;
/// How long after the trust bundle was written, or could not be, it may be written again: somebody else may write it
/// too.
const PUBLISH_AGAIN: Duration = Duration::from_secs(5);

/// What the signer works with.
pub(crate) struct Parts {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) api: CertificatesApi,
    /// Its name.
    pub(crate) signer: String,
    /// Whether pods that get nothing by the rules, or are banned, are denied for good. They wait otherwise.
    pub(crate) final_: bool,
    pub(crate) authority: Arc<Authority>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rules: watch::Receiver<Arc<RuleSet>>,
    /// Tells what has become of rules in the cluster, where there are some.
    pub(crate) census: Option<Census>,
    pub(crate) evidence: Evidence,
    pub(crate) ready: Ready,
}

/// What the signer hears.
pub(crate) enum Input {
    /// Something of the cluster.
    Told(Told),
    /// To end.
    Stop,
}

/// The signer of one name.
pub(crate) struct Signer {
    parts: Parts,
    view: View,
    /// Up to which state of the cluster each kind is known.
    up_to: BTreeMap<ObjectKind, u64>,
    pending: HashMap<(String, String), Pending>,
    /// The trust bundle that is there; nothing before it was seen.
    published: Option<Option<String>>,
    publish_at: Instant,
    authority_changes: watch::Receiver<u64>,
    reading: Option<NotYet>,
    skewed: Option<NotYet>,
}

/// A request that waits for something.
struct Pending {
    request: PodRequest,
    since: Instant,
    next: Instant,
    /// Why it waits, so that it is said once.
    told: Option<String>,
}

impl Signer {
    pub(crate) fn new(parts: Parts) -> Self {
        let now = Instant::now();
        Self {
            view: View::default(),
            up_to: BTreeMap::new(),
            pending: HashMap::new(),
            published: None,
            publish_at: now,
            authority_changes: parts.authority.subscribe(),
            reading: Some(
                parts
                    .ready
                    .wait_for("pods, service accounts, nodes and namespaces are read"),
            ),
            skewed: None,
            parts,
        }
    }

    /// Works until it is told to stop.
    pub(crate) fn run(mut self, inputs: &Receiver<Input>) {
        loop {
            match inputs.recv_timeout(LOOK) {
                Ok(input) => {
                    // Everything that has come, so that one decision is made of the newest state.
                    for input in std::iter::once(input).chain(inputs.try_iter()) {
                        match input {
                            Input::Told(told) => self.hear(told),
                            Input::Stop => return,
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.publish();
            if self.parts.rules.has_changed().unwrap_or(false) {
                self.parts.rules.mark_unchanged();
                self.look_again();
            }
            self.work();
            self.count();
        }
    }

    fn count(&mut self) {
        let read = self.is_read();
        if let Some(census) = self.parts.census.as_mut().filter(|_| read) {
            let view = &self.view;
            census.look(view.changes(), |rules| {
                let mut tally = Tally::default();
                for node in view.nodes_of_pods() {
                    tally.count(rules, view, node);
                }
                tally
            });
        }
    }

    fn hear(&mut self, told: Told) {
        match told {
            Told::Put(object) => self.view.put(object),
            Told::Gone(kind, namespace, name) => self.view.remove(kind, &namespace, &name),
            Told::UpTo(kind, version) => {
                self.up_to.insert(kind, version);
                if self.reading.is_some() && self.is_read() {
                    tracing::info!(pods = self.view.pods(), "the cluster is read");
                    self.reading = None;
                }
            }
            Told::Request(request) => self.hear_of(*request),
            Told::RequestGone(namespace, name) => {
                self.pending.remove(&(namespace, name));
            }
            Told::Bundle(bundle) => self.published = Some(bundle),
            Told::Trouble(why) => tracing::warn!(why, "the cluster cannot be followed"),
        }
    }

    fn hear_of(&mut self, request: PodRequest) {
        let key = (request.namespace.clone(), request.name.clone());
        if request.settled || request.signer != self.parts.signer {
            self.pending.remove(&key);
            return;
        }
        let now = Instant::now();
        let old = self
            .pending
            .remove(&key)
            .filter(|old| old.request.uid == request.uid);
        let told = old.and_then(|old| old.told);
        self.pending.insert(
            key,
            Pending {
                request,
                since: now,
                next: now,
                told,
            },
        );
    }

    fn is_read(&self) -> bool {
        ObjectKind::ALL
            .iter()
            .all(|kind| self.up_to.contains_key(kind))
    }

    /// Rules or bans are others: what waits for them is looked at again.
    fn look_again(&mut self) {
        let now = Instant::now();
        self.pending
            .values_mut()
            .for_each(|pending| pending.next = now);
    }

    /// Makes the trust bundle what the authority says, also where somebody else changed it.
    fn publish(&mut self) {
        let Some(published) = &self.published else {
            return;
        };
        self.authority_changes.mark_unchanged();
        let bundle = self.parts.authority.bundle();
        let roots = pem::certificates(bundle.x509_authorities());
        let there = published.as_deref().unwrap_or_default();
        if there == roots || Instant::now() < self.publish_at {
            return;
        }
        self.publish_at = Instant::now() + PUBLISH_AGAIN;
        let Parts {
            cluster,
            api,
            signer,
            ..
        } = &self.parts;
        match cluster.publish_trust_bundle(*api, signer, &roots) {
            Ok(done) => {
                tracing::info!(?done, sequence = bundle.sequence, "trust bundle");
                self.published = Some(Some(roots).filter(|roots| !roots.is_empty()));
            }
            Err(error) => {
                tracing::warn!(%error, "the trust bundle cannot be written");
            }
        }
    }

    /// Settles what can be settled.
    fn work(&mut self) {
        if !self.is_read() {
            return;
        }
        let now = Instant::now();
        let due = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.next <= now);
        let mut due: Vec<_> = due.map(|(key, pending)| (key.clone(), pending)).collect();
        if due.is_empty() {
            return;
        }
        due.sort_by_key(|(_, pending)| pending.since);
        let each = due.len().div_ceil(HANDS);
        let this = &*self;
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let hands = due.chunks(each).map(|part| {
                scope.spawn(move || -> Vec<_> {
                    let settle = |(key, pending): &(_, &Pending)| -> ((String, String), Outcome) {
                        (Clone::clone(key), this.settle(pending))
                    };
                    part.iter().map(settle).collect()
                })
            });
            let hands: Vec<_> = hands.collect();
            let done = hands.into_iter().filter_map(|hand| hand.join().ok());
            done.flatten().collect()
        });
        for (key, outcome) in outcomes {
            self.note(&key, outcome);
        }
    }

    fn note(&mut self, key: &(String, String), outcome: Outcome) {
        let Some(pending) = self.pending.get_mut(key) else {
            return;
        };
        let name = format!("{}/{}", key.0, key.1);
        match outcome {
            Outcome::Settled => {
                self.pending.remove(key);
                if self.skewed.take().is_some() {
                    tracing::info!("the clocks agree again");
                }
            }
            Outcome::Wait(time) => pending.next = Instant::now() + time,
            Outcome::Again(time, why) => {
                pending.next = Instant::now() + time;
                if pending.told.as_ref() != Some(&why) {
                    tracing::warn!(request = name, why, "not signed, to be tried again");
                    pending.told = Some(why);
                }
            }
            Outcome::Held(why, record) => {
                pending.next = Instant::now() + sign::HOLD;
                if pending.told.as_ref() != Some(&why) {
                    tracing::warn!(
                        request = name,
                        why,
                        "the request waits: a rule, or the end of a ban, lets it go on"
                    );
                    pending.told = Some(why);
                    // It waits with or without a record.
                    let _ = self
                        .parts
                        .evidence
                        .write_blocking(&Event::Denial(Box::new(*record)));
                }
            }
            Outcome::Skewed(why) => {
                tracing::error!(
                    request = name,
                    why,
                    "the clocks of this machine and of the API server are 5 minutes or more apart: nothing can be signed"
                );
                pending.next = Instant::now() + sign::HOLD;
                let ready = &self.parts.ready;
                let waiting = || ready.wait_for("the clock agrees with that of the API server");
                self.skewed.get_or_insert_with(waiting);
            }
        }
    }
}

#[cfg(test)]
mod tests;
