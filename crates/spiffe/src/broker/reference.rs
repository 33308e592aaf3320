//! What a broker says of a workload, and what is true of it.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bailiwick_identity::SpiffeId;
use bailiwick_identity::facts::Facts;
use prost::Message;
use tonic::Status;

use super::door::Broker;
use super::errors::Reason;
use crate::clock::{Clock, SystemClock};
use crate::node::Node;
use crate::peer::{Peer, PeerError};
use crate::wire::broker::{KubernetesObjectReference, WorkloadPidReference, WorkloadReference};
use crate::wire::issuer::Brokered;

/// No part of a reference is longer, in bytes.
const MAX_NAME: usize = 253;
/// How often it is looked whether a process is still there.
const LOOK: Duration = Duration::from_secs(1);

/// A pod by what is said of it; what is empty is not said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PodReference {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// The UID of the object.
    pub(crate) uid: String,
}

impl PodReference {
    /// Whether it is that pod.
    pub(crate) fn fits(&self, namespace: &str, name: &str, uid: &str) -> bool {
        let key = self.name.is_empty() || (self.namespace == namespace && self.name == name);
        key && (self.uid.is_empty() || self.uid == uid)
    }

    /// In words.
    pub(crate) fn shown(&self) -> String {
        match (self.name.is_empty(), self.uid.is_empty()) {
            (true, _) => format!("pod with the UID `{}`", self.uid),
            (false, true) => format!("pod `{}/{}`", self.namespace, self.name),
            (false, false) => format!(
                "pod `{}/{}` with the UID `{}`",
                self.namespace, self.name, self.uid
            ),
        }
    }
}

enum Reference {
    Process(Peer),
    Pod(PodReference),
}

/// One workload for which a broker asks.
pub(crate) struct ForBroker {
    broker: Broker,
    reference: Reference,
    /// The pod that it was first, by the UID in its cgroup: a call is about this one to its end.
    pod: OnceLock<String>,
}

impl ForBroker {
    /// Reads the reference of a request. One to a process is about this machine: this socket is not reached from others.
    pub(super) fn read(
        broker: Broker,
        reference: Option<WorkloadReference>,
        proc_root: &Path,
    ) -> Result<Self, Status> {
        let any = reference.and_then(|reference| reference.reference);
        let any = any.ok_or_else(|| Reason::Invalid.status("name the workload by a reference"))?;
        // Whatever is before the last slash says where the type is described.
        let named = any.type_url.rsplit_once('/').map(|(_, name)| name);
        let reference = match named {
            Some("spiffe.broker.WorkloadPIDReference") => {
                Reference::Process(process(&any.value, proc_root)?)
            }
            Some("spiffe.broker.KubernetesObjectReference") => Reference::Pod(object(&any.value)?),
            _ => {
                let known = "WorkloadPIDReference or KubernetesObjectReference";
                return Err(Reason::Invalid.status(format!("the reference is no {known}")));
            }
        };
        Ok(Self {
            broker,
            reference,
            pod: OnceLock::new(),
        })
    }

    /// Who asks.
    pub(crate) fn broker(&self) -> &SpiffeId {
        &self.broker.id
    }

    /// What the server is told, to be checked.
    pub(crate) fn wire(&self) -> Brokered {
        let said = match &self.reference {
            Reference::Process(_) => PodReference::default(),
            Reference::Pod(pod) => pod.clone(),
        };
        Brokered {
            broker: self.broker.id.to_string(),
            namespace: said.namespace,
            name: said.name,
            object_uid: said.uid,
        }
    }

    /// The pod, where it was found.
    pub(crate) fn pod(&self) -> Option<&str> {
        self.pod.get().map(String::as_str)
    }

    /// How long at most until it is looked at again.
    pub(crate) fn patience(&self) -> Duration {
        match self.reference {
            Reference::Process(_) => LOOK,
            Reference::Pod(_) => Duration::MAX,
        }
    }

    /// What is true of the workload now, and the UID in its cgroup; asked again before every message.
    pub(crate) async fn attest(&self, node: &Arc<Node>) -> Result<(Facts, String), Status> {
        if SystemClock.now() >= self.broker.not_after {
            let why = "the certificate of this connection has run out: connect with another one";
            return Err(Status::unauthenticated(why));
        }
        let (facts, pod) = match &self.reference {
            Reference::Process(peer) => process_pod(peer)?,
            Reference::Pod(said) => (Facts::default(), self.find(said, node).await?),
        };
        if *self.pod.get_or_init(|| pod.clone()) != pod {
            return Err(Reason::NotFound.status("the workload is in another pod now"));
        }
        Ok((facts, pod))
    }

    /// The first time it may be that the server has not told of the pod yet; later, one that is not there is gone.
    async fn find(&self, said: &PodReference, node: &Arc<Node>) -> Result<String, Status> {
        let found = match self.pod.get() {
            Some(_) => node.find(said),
            None => node.find_patiently(said).await?,
        };
        let gone = || Reason::NotFound.status(format!("there is no {} on this node", said.shown()));
        found.ok_or_else(gone)
    }
}

fn process(bytes: &[u8], proc_root: &Path) -> Result<Peer, Status> {
    let invalid = |why: &str| Reason::Invalid.status(why);
    let said = WorkloadPidReference::decode(bytes);
    let said = said.map_err(|_| invalid("the reference cannot be read"))?;
    let pid = u32::try_from(said.pid).ok().filter(|pid| *pid > 0);
    let pid = pid.ok_or_else(|| invalid("the number of a process is above 0"))?;
    Peer::of_pid(pid, proc_root).map_err(|error| about_process(&error))
}

fn process_pod(peer: &Peer) -> Result<(Facts, String), Status> {
    let (facts, pod) = peer.attest().map_err(|error| about_process(&error))?;
    let of_host = || Reason::NotEntitled.status(PeerError::OfHost(peer.pid()).to_string());
    Ok((facts, pod.ok_or_else(of_host)?))
}

fn about_process(error: &PeerError) -> Status {
    match error {
        PeerError::Gone(_) => Reason::NotFound.status(error.to_string()),
        _ => Reason::NotEntitled.status(error.to_string()),
    }
}

fn object(bytes: &[u8]) -> Result<PodReference, Status> {
    let invalid = |why: &str| Reason::Invalid.status(why);
    let said = KubernetesObjectReference::decode(bytes);
    let said = said.map_err(|_| invalid("the reference cannot be read"))?;
    let kind = said.r#type.unwrap_or_default();
    if (kind.plural.as_str(), kind.group.as_str()) != ("pods", "core") {
        return Err(invalid(
            "identities are those of pods here: write the type `pods` of the group `core`",
        ));
    }
    let has_key = said.key.is_some();
    let key = said.key.unwrap_or_default();
    if has_key && (key.namespace.is_empty() || key.name.is_empty()) {
        return Err(invalid("the key of a pod has a namespace and a name"));
    }
    if !has_key && said.uid.is_empty() {
        return Err(invalid("name the pod by its key, its UID or both"));
    }
    if [&key.namespace, &key.name, &said.uid]
        .iter()
        .any(|part| part.len() > MAX_NAME)
    {
        return Err(invalid("no name of a pod is so long"));
    }
    Ok(PodReference {
        namespace: key.namespace,
        name: key.name,
        uid: said.uid,
    })
}
