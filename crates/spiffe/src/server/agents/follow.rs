//! What an agent is told: who is to get what on its node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bailiwick_identity::pods::SeenPod;
use bailiwick_identity::rules::RuleSet;
use bailiwick_identity::{BundleMap, TrustDomain};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{Pushes, Service};
use crate::issuer_core::entitled;
use crate::server::clients::AgentId;
use crate::wire::issuer::{Identity, PodIdentities, Push};

/// Why a pod gets nothing is told in no more bytes.
const MAX_DENIAL: usize = 1000;
/// How often it is looked whether an agent still counts, where nothing else happens.
const LOOK: Duration = Duration::from_secs(30);

/// One stream, and what it was told.
struct Follower {
    service: Arc<Service>,
    agent: AgentId,
    told: Option<Told>,
}

struct Told {
    pods: BTreeMap<String, PodIdentities>,
    bundles: BTreeMap<String, Vec<u8>>,
    revision: u64,
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
        loop {
            let message = match service.check(&self.agent) {
                Ok(()) => self.news().map(Ok),
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
            let changed = tokio::select! {
                changed = pods.changed() => changed.is_ok(),
                changed = rules.changed() => changed.is_ok(),
                changed = authority.changed() => changed.is_ok(),
                changed = federated.changed() => changed.is_ok(),
                changed = admitted.changed() => changed.is_ok(),
                () = tokio::time::sleep(LOOK) => true,
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
        }
    }

    /// What the agent has not been told yet.
    fn news(&mut self) -> Option<Push> {
        let core = &self.service.core;
        let rules = core.rules.borrow().clone();
        let revision = core.authority.state().revision().0;
        let pods = self.pods(&rules);
        let bundles = self.bundles(&pods);
        let now = Told {
            pods,
            bundles,
            revision,
        };
        let push = now.after(self.told.as_ref());
        self.told = Some(now);
        push
    }

    fn pods(&self, rules: &RuleSet) -> BTreeMap<String, PodIdentities> {
        let view = self.service.pods.view();
        let node = &self.agent.node;
        let tell = |pod: &SeenPod| {
            let uid = pod.cgroup_uid();
            let facts = view.on_node(uid, node).and_then(|pod| view.facts(pod));
            let plans = match &facts {
                Ok(facts) => entitled(rules, facts),
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
    fn bundles(&self, pods: &BTreeMap<String, PodIdentities>) -> BTreeMap<String, Vec<u8>> {
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
            .map(|bundle| {
                let json = bundle.to_json().to_string().into_bytes();
                (bundle.trust_domain().to_string(), json)
            })
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
                bundles: self.bundles.clone(),
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
                false => self.bundles.clone(),
            },
            revision: self.revision,
        };
        let same = push.pods.is_empty()
            && push.gone.is_empty()
            && push.bundles.is_empty()
            && self.revision == before.revision;
        (!same).then_some(push)
    }
}
