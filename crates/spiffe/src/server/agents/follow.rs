//! What an agent is told: who is to get what on its node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use bailiwick_identity::pods::SeenPod;
use bailiwick_identity::rotation::{KeyId, Phase};
use bailiwick_identity::rules::RuleSet;
use bailiwick_identity::{Bundle, BundleMap, TrustDomain};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{Pushes, Service};
use crate::issuer_core::entitled;
use crate::seal::fraction;
use crate::server::clients::AgentId;
use crate::wire::issuer::{Identity, PodIdentities, Push};

/// Why a pod gets nothing is told in no more bytes.
const MAX_DENIAL: usize = 1000;
/// How often it is looked whether an agent still counts, where nothing else happens.
const LOOK: Duration = Duration::from_secs(30);
/// A change that concerns all agents reaches them one after another: so much time for each of them, and so much for
/// all at most. It may make each of them ask for the certificates of all of its pods.
const SPLAY_EACH: Duration = Duration::from_millis(10);
const SPLAY_ALL: Duration = Duration::from_secs(30);

/// One stream, and what it was told.
struct Follower {
    service: Arc<Service>,
    agent: AgentId,
    told: Option<Told>,
}

struct Told {
    pods: BTreeMap<String, PodIdentities>,
    bundles: BTreeMap<String, Bundle>,
    revision: u64,
    /// Keys that are trusted no more.
    tainted: BTreeSet<KeyId>,
}

impl Service {
    /// Tells the agent everything at once, and what changes, until it counts no more or `ended` comes. An agent that is
    /// slow to read is told once what became of many changes.
    pub(super) fn push(self: &Arc<Self>, agent: AgentId, ended: oneshot::Receiver<()>) -> Pushes {
        let (sender, receiver) = mpsc::channel(1);
        let follower = Follower {
            service: Arc::clone(self),
            agent,
            told: None,
        };
        tokio::spawn(follower.run(sender, ended));
        Box::pin(ReceiverStream::new(receiver))
    }

    /// How long one agent waits with a change that concerns all.
    fn splay(&self) -> Duration {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let hint = self.core.authority.bundle().refresh_hint;
        longest_splay(streams.len(), hint).mul_f64(fraction())
    }
}

/// No change is told so late that keys could be used by somebody who was not told: that is reckoned in hints.
fn longest_splay(agents: usize, hint: Option<u64>) -> Duration {
    let agents = u32::try_from(agents).unwrap_or(u32::MAX);
    let hint = hint.map_or(SPLAY_ALL, |hint| Duration::from_secs(hint) / 4);
    SPLAY_EACH.saturating_mul(agents).min(SPLAY_ALL).min(hint)
}

impl Follower {
    async fn run(
        mut self,
        sender: mpsc::Sender<Result<Push, Status>>,
        mut ended: oneshot::Receiver<()>,
    ) {
        let service = Arc::clone(&self.service);
        let mut pods = service.pods.follow(&self.agent.node);
        let mut rules = service.core.rules.clone();
        let mut authority = service.core.authority.subscribe();
        let mut federated = service.federated.clone();
        let mut admitted = service.door.admitted.clone();
        // When this agent is told what concerns all.
        let mut turn: Option<Instant> = None;
        loop {
            let message = match service.check(&self.agent) {
                Ok(()) => self.news(&mut turn).map(Ok),
                Err(status) => Some(Err(status)),
            };
            if let Some(message) = message {
                let last = message.as_ref().err().cloned();
                if sender.send(message).await.is_err() {
                    return;
                }
                if let Some(status) = last {
                    let node = &self.agent.node;
                    return service.refused(node, self.agent.proof(), &status).await;
                }
            }
            let left = turn.map(|turn| turn.saturating_duration_since(Instant::now()));
            let (changed, of_all) = tokio::select! {
                changed = pods.changed() => (changed.is_ok(), false),
                changed = rules.changed() => (changed.is_ok(), true),
                changed = authority.changed() => (changed.is_ok(), true),
                changed = federated.changed() => (changed.is_ok(), true),
                changed = admitted.changed() => (changed.is_ok(), false),
                () = tokio::time::sleep(left.unwrap_or(LOOK)) => (true, false),
                () = sender.closed() => return,
                _ = &mut ended => {
                    let status = Status::aborted("the agent of this node opened another stream");
                    let _ = sender.send(Err(status)).await;
                    return;
                }
            };
            // Whoever changes things is gone, and with him this server soon.
            if !changed {
                return;
            }
            turn = match of_all {
                true => turn.or_else(|| Some(Instant::now() + service.splay())),
                false => None,
            };
        }
    }

    /// What the agent has not been told yet. What takes nothing from anybody waits for its turn.
    fn news(&mut self, turn: &mut Option<Instant>) -> Option<Push> {
        let now = self.now();
        let waits = turn.is_some_and(|turn| Instant::now() < turn);
        match &self.told {
            Some(told) if waits && !now.takes_from(told) => None,
            told => {
                *turn = None;
                let push = now.after(told.as_ref());
                self.told = Some(now);
                push
            }
        }
    }

    fn now(&self) -> Told {
        let core = &self.service.core;
        let rules = core.rules.borrow().clone();
        let state = core.authority.state();
        let keys = state.authorities().iter();
        let tainted = keys.filter(|key| key.phase == Phase::Tainted);
        let tainted = tainted.map(|key| key.id.clone()).collect();
        let pods = self.pods(&rules);
        Told {
            bundles: self.bundles(&pods),
            pods,
            revision: state.revision().0,
            tainted,
        }
    }

    fn pods(&self, rules: &RuleSet) -> BTreeMap<String, PodIdentities> {
        let view = self.service.pods.view();
        let node = &self.agent.node;
        let tell = |pod: &SeenPod| {
            let uid = pod.cgroup_uid();
            let facts = view.on_node(uid, node).and_then(|pod| view.facts(pod));
            let plans = match &facts {
                Ok(facts) => {
                    entitled(rules, facts).map_err(|why| format!("no identity for {facts}: {why}"))
                }
                Err(unproven) => Err(unproven.to_string()),
            };
            let (identities, denial) = match plans {
                Ok(plans) => (plans.iter().map(Identity::from).collect(), String::new()),
                Err(why) => (Vec::new(), why.chars().take(MAX_DENIAL).collect()),
            };
            let told = PodIdentities {
                uid: uid.to_owned(),
                name: format!("{}/{}", pod.meta.namespace, pod.meta.name),
                identities,
                denial,
                object_uid: pod.meta.uid.to_string(),
            };
            (uid.to_owned(), told)
        };
        view.pods_on(node).map(tell).collect()
    }

    /// The own bundle, and those of the domains that pods here federate with.
    fn bundles(&self, pods: &BTreeMap<String, PodIdentities>) -> BTreeMap<String, Bundle> {
        let own = self.service.core.authority.bundle();
        let known: Arc<BundleMap> = self.service.federated.borrow().clone();
        let identities = pods.values().flat_map(|pod| &pod.identities);
        let named: BTreeSet<&String> = identities
            .flat_map(|identity| &identity.federates_with)
            .collect();
        let foreign = named.into_iter().filter_map(|name| {
            let domain = TrustDomain::parse(name).ok()?;
            known.bundle(&domain).cloned()
        });
        std::iter::once((*own).clone())
            .chain(foreign)
            .map(|bundle| (bundle.trust_domain().to_string(), bundle))
            .collect()
    }
}

impl Told {
    /// What is other than in what was told before; everything where nothing was.
    fn after(&self, before: Option<&Self>) -> Option<Push> {
        let Some(before) = before else {
            return Some(Push {
                reset: true,
                pods: self.pods.values().cloned().collect(),
                gone: Vec::new(),
                bundles: self.bundles_in_json(),
                revision: self.revision,
            });
        };
        let changed = self.pods.iter();
        let changed = changed.filter(|(uid, pod)| before.pods.get(*uid) != Some(pod));
        let gone = before.pods.keys();
        let gone = gone.filter(|uid| !self.pods.contains_key(*uid));
        let push = Push {
            reset: false,
            pods: changed.map(|(_, pod)| pod.clone()).collect(),
            gone: gone.cloned().collect(),
            bundles: match self.bundles == before.bundles {
                true => BTreeMap::new(),
                false => self.bundles_in_json(),
            },
            revision: self.revision,
        };
        let same = push.pods.is_empty()
            && push.gone.is_empty()
            && push.bundles.is_empty()
            && self.revision == before.revision;
        (!same).then_some(push)
    }

    fn bundles_in_json(&self) -> BTreeMap<String, Vec<u8>> {
        let json = |bundle: &Bundle| bundle.to_json().to_string().into_bytes();
        let bundles = self.bundles.iter();
        bundles
            .map(|(name, bundle)| (name.clone(), json(bundle)))
            .collect()
    }

    /// Whether somebody loses something: an identity, or the trust of others. That is told at once.
    fn takes_from(&self, before: &Self) -> bool {
        let loses = |(uid, pod): (&String, &PodIdentities)| {
            let now = self.pods.get(uid).map_or(&[][..], |pod| &pod.identities);
            let is_there = |id: &str| now.iter().any(|identity| identity.spiffe_id == id);
            let mut identities = pod.identities.iter();
            identities.any(|identity| !is_there(&identity.spiffe_id))
        };
        let narrower = |(name, before): (&String, &Bundle)| {
            self.bundles.get(name).is_none_or(|now| {
                lacks(now.x509_authorities(), before.x509_authorities())
                    || lacks(now.jwt_authorities(), before.jwt_authorities())
                    || lacks(now.wit_authorities(), before.wit_authorities())
            })
        };
        before.pods.iter().any(loses)
            || before.bundles.iter().any(narrower)
            || !self.tainted.is_subset(&before.tainted)
    }
}

/// Whether something is not in `now` that was there before.
fn lacks<T: PartialEq>(now: &[T], before: &[T]) -> bool {
    before.iter().any(|key| !now.contains(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_10_a_change_is_spread_over_agents_within_bounds() {
        let check = |agents, hint, millis| {
            let longest = longest_splay(agents, hint);
            assert_eq!(longest, Duration::from_millis(millis), "{agents} {hint:?}");
        };
        check(1, Some(300), 10);
        check(100, Some(300), 1_000);
        check(2_000, Some(300), 20_000);
        check(5_000, Some(300), 30_000);
        check(usize::MAX, None, 30_000);
        // Validators are never told later than a quarter of a hint.
        check(5_000, Some(8), 2_000);
        check(5_000, Some(0), 0);
    }

    #[test]
    fn a_10_who_loses_something_waits_for_nobody() {
        let domain = TrustDomain::parse("td").unwrap();
        let told = |ids: &[&str], sequence: u64, tainted: &[u8]| {
            let identity = |id: &&str| Identity {
                spiffe_id: (*id).into(),
                ..Identity::default()
            };
            let pod = PodIdentities {
                identities: ids.iter().map(identity).collect(),
                ..PodIdentities::default()
            };
            let mut bundle = Bundle::new(domain.clone());
            bundle.sequence = Some(sequence);
            Told {
                pods: BTreeMap::from([("p".to_owned(), pod)]),
                bundles: BTreeMap::from([("td".to_owned(), bundle)]),
                revision: sequence,
                tainted: tainted.iter().map(|key| KeyId::new([*key; 16])).collect(),
            }
        };
        let before = told(&["a", "b"], 1, &[1]);
        let check = |now: Told, expected| assert_eq!(now.takes_from(&before), expected);
        check(told(&["a", "b"], 1, &[1]), false);
        check(told(&["b", "c", "a"], 2, &[]), false);
        check(told(&["a"], 1, &[1]), true);
        check(told(&[], 1, &[1]), true);
        check(told(&["a", "b"], 2, &[1, 2]), true);
        let mut away = told(&["a", "b"], 1, &[1]);
        away.pods.clear();
        check(away, true);
        let mut narrower = told(&["a", "b"], 2, &[1]);
        narrower.bundles.clear();
        check(narrower, true);
    }
}
