use std::collections::HashMap;
use std::sync::Arc;

use bailiwick_identity::rules::Plan;
use bailiwick_identity::{Bundle, BundleMap, TrustDomain};

use crate::broker::PodReference;
use crate::client::ClientError;
use crate::wire::issuer::Push;
use crate::wire_plan::plan;

/// What a server said.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// By the UID in the cgroup of their containers.
    pub(super) pods: HashMap<Box<str>, Arc<PodPlans>>,
    /// Keys of the own domain; nothing before the server was heard.
    pub(super) bundle: Option<Arc<Bundle>>,
    /// Keys of all domains.
    pub(crate) bundles: Arc<BundleMap>,
    /// State of the keys of the authority.
    pub(crate) revision: u64,
    /// Why nobody on this node gets anything.
    pub(super) refused: Option<String>,
}

/// What a pod is to get, or why it gets nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PodPlans {
    pub(super) plans: Result<Vec<Plan>, String>,
    /// NAMESPACE/NAME.
    name: String,
    /// The UID of the object.
    object_uid: String,
}

impl State {
    /// What is known after one more message.
    pub(super) fn after(&self, push: Push, domain: &TrustDomain) -> Result<Self, ClientError> {
        let mut next = self.clone();
        next.refused = None;
        next.revision = push.revision;
        if push.reset {
            next.pods.clear();
        }
        for uid in &push.gone {
            next.pods.remove(uid.as_str());
        }
        for pod in push.pods {
            let plans: Option<Vec<Plan>> = pod.identities.into_iter().map(plan).collect();
            let plans =
                plans.ok_or_else(|| ClientError::Protocol("an identity that is none".into()))?;
            let plans = match plans.is_empty() {
                true => Err(pod.denial),
                false => Ok(plans),
            };
            let told = PodPlans {
                plans,
                name: pod.name,
                object_uid: pod.object_uid,
            };
            let known = self.pods.get(pod.uid.as_str());
            let known = known.filter(|known| ***known == told).cloned();
            let pod_plans = known.unwrap_or_else(|| Arc::new(told));
            next.pods.insert(pod.uid.into(), pod_plans);
        }
        if !push.bundles.is_empty() {
            let mut bundles = BundleMap::default();
            for (name, json) in push.bundles {
                let named = TrustDomain::parse(&name);
                let named = named.map_err(|error| ClientError::Protocol(error.to_string()))?;
                bundles.insert(Bundle::from_json(named, &json)?);
            }
            if bundles != *self.bundles {
                next.bundles = Arc::new(bundles);
            }
            let own = next.bundles.bundle(domain).cloned();
            next.bundle = own.map(Arc::new);
        }
        match next.bundle {
            Some(_) => Ok(next),
            None => Err(ClientError::Protocol(format!("no bundle of `{domain}`"))),
        }
    }

    /// The pod of which this was said, by the UID in its cgroup.
    pub(super) fn find(&self, said: &PodReference) -> Option<String> {
        let mut pods = self.pods.iter();
        let found = pods.find(|(_, pod)| {
            let named = pod.name.split_once('/');
            named.is_some_and(|(namespace, name)| said.fits(namespace, name, &pod.object_uid))
        });
        found.map(|(uid, _)| uid.to_string())
    }

    /// Whether one pod would be told the same by both.
    pub(crate) fn is_same_for(&self, pod: Option<&str>, other: &Self) -> bool {
        let of = |state: &Self| pod.and_then(|pod| state.pods.get(pod).cloned());
        let same = match (of(self), of(other)) {
            (Some(one), Some(two)) => Arc::ptr_eq(&one, &two),
            (one, two) => one.is_none() && two.is_none(),
        };
        same && self.revision == other.revision
            && self.refused == other.refused
            && Arc::ptr_eq(&self.bundles, &other.bundles)
    }
}
