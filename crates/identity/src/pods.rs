//! Pods and what they stand on, as a watch of the Kubernetes API shows them, and proof of what others say of them.

use std::collections::{BTreeSet, HashMap};
use std::pin::Pin;

use bailiwick_model::ObjectMeta;
use thiserror::Error;

use crate::facts::{Facts, Pod};

/// A pod, as far as identities go by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenPod {
    /// Name, namespace, UID and labels.
    pub meta: ObjectMeta,
    /// The node that it is bound to; empty before it is scheduled.
    pub node: String,
    /// Its service account.
    pub service_account: String,
    /// Images of all of its containers.
    pub images: Vec<String>,
    /// Signers whose certificates its volumes project.
    pub signers: Vec<String>,
    /// Whether it mirrors a static pod of its node: its contents are the node's word.
    pub mirror: bool,
    /// The UID that the node itself calls a static pod by, and its cgroup (`kubernetes.io/config.hash`); empty for others.
    pub config_hash: String,
    /// Whether its containers have ended for good.
    pub ended: bool,
}

/// An object that identities go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A pod.
    Pod(Box<SeenPod>),
    /// A service account.
    ServiceAccount(ObjectMeta),
    /// A node.
    Node(ObjectMeta),
    /// A namespace.
    Namespace(ObjectMeta),
}

/// Kinds of these objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// Pods.
    Pod,
    /// Service accounts.
    ServiceAccount,
    /// Nodes.
    Node,
    /// Namespaces.
    Namespace,
}

impl ObjectKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pod, Self::ServiceAccount, Self::Node, Self::Namespace];
}

/// Namespace and name.
type Key = (Box<str>, Box<str>);

/// The objects of a cluster that identities go by, as far as they were seen.
#[derive(Debug, Default)]
pub struct View {
    pods: HashMap<Key, SeenPod>,
    /// Pods by UID, without mirrors: theirs is in no cgroup.
    by_uid: HashMap<Box<str>, Key>,
    /// Mirrors by the hash that stands in the cgroup of what they mirror. Whoever may create pods can write one.
    by_hash: HashMap<Box<str>, BTreeSet<Key>>,
    /// Pods by the name of their node.
    by_node: HashMap<Box<str>, BTreeSet<Key>>,
    accounts: HashMap<Key, ObjectMeta>,
    nodes: HashMap<Box<str>, ObjectMeta>,
    namespaces: HashMap<Box<str>, ObjectMeta>,
    changes: u64,
}

/// What somebody says of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim<'c> {
    /// Namespace of the pod and of its service account.
    pub namespace: &'c str,
    /// Name of the pod.
    pub pod: &'c str,
    /// Its UID.
    pub pod_uid: &'c str,
    /// Name of its service account.
    pub service_account: &'c str,
    /// UID of that.
    pub service_account_uid: &'c str,
    /// Name of its node.
    pub node: &'c str,
    /// UID of that.
    pub node_uid: &'c str,
}

/// Whose a token of a service account is: a pod that existed when the API server was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reviewed {
    /// Namespace of the service account and of the pod.
    pub namespace: String,
    /// The service account.
    pub service_account: String,
    /// UID of that.
    pub service_account_uid: String,
    /// The pod that the token is bound to.
    pub pod: String,
    /// UID of that.
    pub pod_uid: String,
    /// The node of the pod.
    pub node: String,
    /// UID of that.
    pub node_uid: String,
    /// Its name in the audit log of the API server.
    pub credential: String,
}

impl Reviewed {
    /// What the API server said of the pod, to be compared with what the watches show.
    pub fn claim(&self) -> Claim<'_> {
        Claim {
            namespace: &self.namespace,
            pod: &self.pod,
            pod_uid: &self.pod_uid,
            service_account: &self.service_account,
            service_account_uid: &self.service_account_uid,
            node: &self.node,
            node_uid: &self.node_uid,
        }
    }
}

/// Why a token proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReviewError {
    /// The API server does not take it, or not for us.
    #[error("the API server does not take the token for the audience `{audience}`: {reason}")]
    Refused {
        /// What it has to be for.
        audience: String,
        /// What the API server said.
        reason: String,
    },
    /// It is of no pod.
    #[error(
        "the token is not bound to a pod: project one with a serviceAccountToken volume, for the audience `{0}`"
    )]
    Unbound(String),
    /// Nobody can say.
    #[error("the token cannot be reviewed now: {0}")]
    Unavailable(String),
}

/// An answer that is on its way.
pub type Review<'r> = Pin<Box<dyn Future<Output = Result<Reviewed, ReviewError>> + Send + 'r>>;

/// Says whose tokens are: the API server does.
pub trait Reviewer: Send + Sync {
    /// Whose a token is, which has to be for `audience` (K-6).
    fn review<'r>(&'r self, token: &'r str, audience: &'r str) -> Review<'r>;
}

/// What was said of a pod and is not so.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Unproven {
    /// No object of this name.
    #[error("there is no {0}")]
    Missing(String),
    /// An object of this name that is another one.
    #[error("{what} has the UID `{is}` and not `{said}`")]
    OtherUid {
        /// Which object.
        what: String,
        /// The UID that it has.
        is: String,
        /// The UID that was said.
        said: String,
    },
    /// The pod runs elsewhere.
    #[error("the pod `{pod}` is on {is} and not on the node `{said}`")]
    Elsewhere {
        /// Which pod.
        pod: String,
        /// Where it is.
        is: String,
        /// Where it was said to be.
        said: String,
    },
    /// The pod runs as another service account.
    #[error("the pod `{pod}` runs as the service account `{is}` and not as `{said}`")]
    OtherAccount {
        /// Which pod.
        pod: String,
        /// The account that it has.
        is: String,
        /// The account that was said.
        said: String,
    },
    /// Nobody but its node vouches for it.
    #[error("the pod `{0}` mirrors a static pod of its node: such pods get no certificates")]
    Mirror(String),
    /// Two pods say that they mirror the same static pod, of which one is made up.
    #[error(
        "several pods mirror the static pod `{0}` of this node: delete those that its kubelet did not make"
    )]
    Twice(String),
    /// It runs no more.
    #[error("the pod `{0}` has ended")]
    Ended(String),
    /// It does not ask for certificates of this signer.
    #[error("the pod `{pod}` mounts no certificate of the signer `{signer}`")]
    NoMount {
        /// Which pod.
        pod: String,
        /// Which signer.
        signer: String,
    },
}

impl SeenPod {
    /// The UID in the cgroup of its containers.
    pub fn cgroup_uid(&self) -> &str {
        match self.config_hash.as_str() {
            "" => &self.meta.uid,
            hash => hash,
        }
    }
}

impl View {
    /// An object as it is now.
    pub fn put(&mut self, object: Object) {
        self.changes += 1;
        match object {
            Object::Pod(pod) => {
                let key = key(&pod.meta.namespace, &pod.meta.name);
                self.remove_pod(&key);
                let here = self.by_node.entry(pod.node.as_str().into());
                here.or_default().insert(key.clone());
                if pod.config_hash.is_empty() {
                    self.by_uid.insert((&*pod.meta.uid).into(), key.clone());
                } else {
                    let hash = pod.config_hash.as_str().into();
                    self.by_hash.entry(hash).or_default().insert(key.clone());
                }
                self.pods.insert(key, *pod);
            }
            Object::ServiceAccount(meta) => {
                self.accounts.insert(key(&meta.namespace, &meta.name), meta);
            }
            Object::Node(meta) => {
                self.nodes.insert((&*meta.name).into(), meta);
            }
            Object::Namespace(meta) => {
                self.namespaces.insert((&*meta.name).into(), meta);
            }
        }
    }

    /// An object that is gone.
    pub fn remove(&mut self, kind: ObjectKind, namespace: &str, name: &str) {
        self.changes += 1;
        match kind {
            ObjectKind::Pod => self.remove_pod(&key(namespace, name)),
            ObjectKind::ServiceAccount => {
                self.accounts.remove(&key(namespace, name));
            }
            ObjectKind::Node => {
                self.nodes.remove(name);
            }
            ObjectKind::Namespace => {
                self.namespaces.remove(name);
            }
        }
    }

    fn remove_pod(&mut self, key: &Key) {
        let Some(old) = self.pods.remove(key) else {
            return;
        };
        remove_from(&mut self.by_node, &old.node, key);
        if old.config_hash.is_empty() {
            self.by_uid.remove(&*old.meta.uid);
        } else {
            remove_from(&mut self.by_hash, &old.config_hash, key);
        }
    }

    /// A pod by its name.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&SeenPod> {
        self.pods.get(&key(namespace, name))
    }

    /// The pods that are bound to a node, in order of their names.
    pub fn pods_on(&self, node: &str) -> impl Iterator<Item = &SeenPod> {
        let here = self.by_node.get(node).into_iter().flatten();
        here.filter_map(|key| self.pods.get(key))
    }

    /// The names of all nodes to which pods are bound, in no order.
    pub fn nodes_of_pods(&self) -> impl Iterator<Item = &str> {
        self.by_node.keys().map(|name| &**name)
    }

    /// How often anything has changed: as long as this is the same, all is.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// How many pods there are.
    pub fn pods(&self) -> usize {
        self.pods.len()
    }

    /// A node by its name.
    pub fn node(&self, name: &str) -> Option<&ObjectMeta> {
        self.nodes.get(name)
    }

    /// Checks every word of a claim, and that the pod mounts a certificate of the signer.
    ///
    /// The API server checks these things only where a node asks. Anyone else who may create a request writes what they
    /// like (NodeRestriction, `plugin/pkg/admission/noderestriction` of Kubernetes 1.37).
    ///
    /// # Errors
    /// What is not so.
    pub fn prove_mount(&self, claim: &Claim<'_>, signer: &str) -> Result<Facts, Unproven> {
        let pod = self.prove(claim)?;
        let name = full_name(pod);
        if pod.mirror {
            return Err(Unproven::Mirror(name));
        }
        if !pod.signers.iter().any(|mounted| mounted == signer) {
            let signer = signer.to_owned();
            return Err(Unproven::NoMount { pod: name, signer });
        }
        self.facts(pod)
    }

    /// The pod of a claim, every word of which is so.
    ///
    /// # Errors
    /// What is not so.
    pub fn prove(&self, claim: &Claim<'_>) -> Result<&SeenPod, Unproven> {
        let Claim { namespace, .. } = *claim;
        let said = format!("{namespace}/{}", claim.pod);
        let pod = self.pods.get(&key(namespace, claim.pod));
        let pod = pod.ok_or_else(|| Unproven::Missing(format!("pod `{said}`")))?;
        same_uid(|| format!("the pod `{said}`"), &pod.meta, claim.pod_uid)?;
        if pod.node != claim.node {
            return Err(elsewhere(pod, claim.node));
        }
        let node = self.nodes.get(claim.node);
        let node = node.ok_or_else(|| Unproven::Missing(format!("node `{}`", claim.node)))?;
        same_uid(
            || format!("the node `{}`", claim.node),
            node,
            claim.node_uid,
        )?;
        if pod.service_account != claim.service_account {
            return Err(Unproven::OtherAccount {
                pod: said,
                is: pod.service_account.clone(),
                said: claim.service_account.to_owned(),
            });
        }
        let account = format!("{namespace}/{}", claim.service_account);
        let seen = self.accounts.get(&key(namespace, claim.service_account));
        let seen = seen.ok_or_else(|| Unproven::Missing(format!("service account `{account}`")))?;
        let what = || format!("the service account `{account}`");
        same_uid(what, seen, claim.service_account_uid)?;
        if pod.ended {
            return Err(Unproven::Ended(said));
        }
        Ok(pod)
    }

    /// What rules are asked about a pod.
    ///
    /// # Errors
    /// When it is not scheduled, has ended, or its node or namespace was not seen.
    pub fn facts(&self, pod: &SeenPod) -> Result<Facts, Unproven> {
        if pod.ended {
            return Err(Unproven::Ended(full_name(pod)));
        }
        let namespace = &pod.meta.namespace;
        let node = self.nodes.get(pod.node.as_str());
        let node = node.ok_or_else(|| Unproven::Missing(format!("node `{}`", pod.node)))?;
        let space = self.namespaces.get(&**namespace);
        let space = space.ok_or_else(|| Unproven::Missing(format!("namespace `{namespace}`")))?;
        Ok(Facts {
            process: None,
            pod: Some(Pod {
                meta: pod.meta.clone(),
                namespace: space.clone(),
                node: node.clone(),
                service_account: pod.service_account.clone(),
                images: pod.images.clone(),
                own_image: None,
            }),
        })
    }

    /// The pod whose cgroup carries this UID, if it runs on this node.
    ///
    /// # Errors
    /// When there is none, or it runs elsewhere.
    pub fn on_node(&self, uid: &str, node: &str) -> Result<&SeenPod, Unproven> {
        if let Some(pod) = self.by_uid.get(uid).and_then(|key| self.pods.get(key)) {
            return match pod.node == node {
                true => Ok(pod),
                false => Err(elsewhere(pod, node)),
            };
        }
        let mirrors = self.by_hash.get(uid).into_iter().flatten();
        let mirrors = mirrors.filter_map(|key| self.pods.get(key));
        let mut here = mirrors.filter(|pod| pod.node == node);
        match (here.next(), here.next()) {
            (Some(pod), None) => Ok(pod),
            (Some(_), Some(_)) => Err(Unproven::Twice(uid.to_owned())),
            _ => Err(Unproven::Missing(format!("pod with the UID `{uid}`"))),
        }
    }
}

fn remove_from(index: &mut HashMap<Box<str>, BTreeSet<Key>>, name: &str, key: &Key) {
    if let Some(keys) = index.get_mut(name) {
        keys.remove(key);
        if keys.is_empty() {
            index.remove(name);
        }
    }
}

fn key(namespace: &str, name: &str) -> Key {
    (namespace.into(), name.into())
}

fn full_name(pod: &SeenPod) -> String {
    format!("{}/{}", pod.meta.namespace, pod.meta.name)
}

fn elsewhere(pod: &SeenPod, said: &str) -> Unproven {
    let is = match pod.node.as_str() {
        "" => "no node yet".to_owned(),
        node => format!("the node `{node}`"),
    };
    let (pod, said) = (full_name(pod), said.to_owned());
    Unproven::Elsewhere { pod, is, said }
}

fn same_uid(what: impl FnOnce() -> String, meta: &ObjectMeta, said: &str) -> Result<(), Unproven> {
    // An object without UID is none of a cluster, and proves nothing.
    if !said.is_empty() && *meta.uid == *said {
        return Ok(());
    }
    Err(Unproven::OtherUid {
        what: what(),
        is: meta.uid.to_string(),
        said: said.to_owned(),
    })
}

#[cfg(test)]
mod tests;
