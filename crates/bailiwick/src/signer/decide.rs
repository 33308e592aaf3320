//! What becomes of a request, before anything is written.

use bailiwick_identity::facts::Facts;
use bailiwick_identity::pods::{Object, ObjectKind, Unproven, View};
use bailiwick_identity::rules::{Denial, Plan};
use bailiwick_identity::x509::{RequestError as KeyProblem, requested_key};
use bailiwick_identity::{KeyError, PublicKey};
use bailiwick_kube::{PodRequest, RequestError, RequestedKey};

use super::{PATIENCE, Pending, Signer};

/// What becomes of a request.
pub(super) enum Verdict {
    /// It gets this identity for this key.
    Sign(Box<Facts>, Box<Plan>, PublicKey),
    /// It gets nothing, for good.
    Deny {
        facts: Option<Box<Facts>>,
        reason: &'static str,
        why: String,
    },
    /// It gets nothing as things stand.
    Hold(Box<Facts>, String),
    /// The watches have not shown yet what it says.
    Early,
    /// The API server cannot be asked.
    Blind(RequestError),
}

/// Kinds of keys that a request may come with, as pods name them.
const KEY_TYPES: &str = "ECDSAP256, ECDSAP384 or RSA4096";

impl Signer {
    pub(super) fn decide(&self, pending: &Pending) -> Verdict {
        let request = &pending.request;
        let signer = &self.parts.signer;
        let facts = match self.view.prove_mount(&request.claim(), signer) {
            Ok(facts) => facts,
            Err(_) if !self.has_passed(request) && pending.since.elapsed() < PATIENCE => {
                return Verdict::Early;
            }
            // What the watches do not show may still be so: the API server knows.
            Err(_) => match self.now(request) {
                Err(error) => return Verdict::Blind(error),
                Ok(view) => match view.prove_mount(&request.claim(), signer) {
                    Ok(facts) => facts,
                    Err(unproven) => return denied_unproven(&unproven),
                },
            },
        };
        self.entitle(request, Box::new(facts))
    }

    /// Whether the watches show everything that was so when the request was made.
    fn has_passed(&self, request: &PodRequest) -> bool {
        let passed = |kind| {
            self.up_to
                .get(&kind)
                .is_some_and(|up_to| *up_to >= request.version)
        };
        request.version > 0 && ObjectKind::ALL.into_iter().all(passed)
    }

    /// What a request speaks of, as it is now.
    fn now(&self, request: &PodRequest) -> Result<View, RequestError> {
        let mut view = View::default();
        let cluster = &self.parts.cluster;
        let PodRequest {
            namespace,
            pod,
            service_account,
            node,
            ..
        } = request;
        for (kind, namespace, name) in [
            (ObjectKind::Pod, namespace.as_str(), pod.as_str()),
            (ObjectKind::ServiceAccount, namespace, service_account),
            (ObjectKind::Node, "", node),
            (ObjectKind::Namespace, "", namespace),
        ] {
            let object: Option<Object> = cluster.object_now(kind, namespace, name)?;
            object.into_iter().for_each(|object| view.put(object));
        }
        Ok(view)
    }

    /// What a proven request gets.
    fn entitle(&self, request: &PodRequest, facts: Box<Facts>) -> Verdict {
        let deny = |facts, reason, why| Verdict::Deny {
            facts: Some(facts),
            reason,
            why,
        };
        if let Some(wish) = request.wishes.keys().next() {
            let why =
                format!("this signer knows no annotation `{wish}`: leave out userAnnotations");
            return deny(facts, "InvalidUnverifiedUserAnnotations", why);
        }
        let key = match key(&request.key) {
            Ok(key) => key,
            Err(KeyProblem::Key(KeyError::Unsupported(kind))) => {
                let why = format!("this signer takes no {kind} key: set keyType to {KEY_TYPES}");
                return deny(facts, "UnsupportedKeyType", why);
            }
            Err(error) => return deny(facts, "InvalidKey", error.to_string()),
        };
        let rules = std::sync::Arc::clone(&self.parts.rules.borrow());
        match rules
            .explain(&facts)
            .result
            .map(|plans| plans.into_iter().next())
        {
            Ok(Some(plan)) => Verdict::Sign(facts, Box::new(plan), key),
            // `explain` never gives an empty list.
            Ok(None) => self.nothing(facts, &Denial::NoRule),
            Err(denial) => self.nothing(facts, &denial),
        }
    }

    /// The kubelet keeps a denial until the pod is made anew, so that what may change is waited for.
    fn nothing(&self, facts: Box<Facts>, denial: &Denial) -> Verdict {
        let why = format!("no identity for {facts}: {denial}");
        match self.parts.final_ {
            false => Verdict::Hold(facts, why),
            true => Verdict::Deny {
                facts: Some(facts),
                reason: "NotEntitled",
                why,
            },
        }
    }
}

fn denied_unproven(unproven: &Unproven) -> Verdict {
    Verdict::Deny {
        facts: None,
        reason: "Unproven",
        why: format!("the request says what is not so: {unproven}"),
    }
}

fn key(key: &RequestedKey) -> Result<PublicKey, KeyProblem> {
    match key {
        RequestedKey::Pkcs10(der) => requested_key(der),
        RequestedKey::Pkix(der) => Ok(PublicKey::from_spki(der)?),
    }
}
