use std::sync::Arc;

use bailiwick_core::{Kind, ObjectRef, Str};
use serde::{Deserialize, Serialize};

use crate::meta::ObjectMeta;
use crate::network::ContainerPort;

/// A Pod, or an object with a pod template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// Pod, Deployment, ReplicaSet, StatefulSet, DaemonSet, Job, CronJob or ReplicationController.
    pub kind: Kind,
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// The node that a Pod runs on; empty before it is scheduled and in most templates.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub node_name: Str,
    /// Its pods. Pods of one controller are equal but for their node, and share it.
    pub pod: Arc<PodSpec>,
}

/// What Bailiwick keeps of a pod spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// The service account; empty means `default`.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub service_account_name: Str,
    /// Whether the service account's token is mounted; `None` leaves it to the service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automount_service_account_token: Option<bool>,
    /// Service account tokens that volumes project.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub tokens: Box<[TokenMount]>,
    /// Names of Secrets that containers see, in volumes or environment variables, sorted, each once.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub secrets: Box<[Str]>,
    /// Names of Secrets that the node uses for the pod, to pull images and to mount volumes, sorted, each once.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub node_secrets: Box<[Str]>,
    /// Whether its containers see the processes of the node.
    #[serde(rename = "hostPID", skip_serializing_if = "is_false")]
    pub host_pid: bool,
    /// Whether its containers have the network of the node.
    #[serde(skip_serializing_if = "is_false")]
    pub host_network: bool,
    /// Whether its containers share memory with the processes of the node.
    #[serde(rename = "hostIPC", skip_serializing_if = "is_false")]
    pub host_ipc: bool,
    /// Whether its containers see the processes of each other.
    #[serde(skip_serializing_if = "is_false")]
    pub share_process_namespace: bool,
    /// The RuntimeClass; empty is the node's usual way to run containers.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub runtime_class_name: Str,
    /// The taints of nodes that it tolerates.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub tolerations: Box<[Toleration]>,
    /// The labels that its node must have, sorted.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub node_selector: Box<[(Str, Str)]>,
    /// The CSI drivers of which it has volumes without a claim, sorted, each once.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub csi_drivers: Box<[Str]>,
    /// The FlexVolume drivers of which it has volumes, sorted, each once.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub flex_drivers: Box<[Str]>,
    /// Names of ClusterTrustBundles that it has in its files, sorted, each once.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub trust_bundles: Box<[Str]>,
    /// Signers of whose ClusterTrustBundles it has some in its files, whatever they are called, sorted, each once.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub trusted_signers: Box<[Str]>,
    /// Whether its users are those of the node; `None` means yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_users: Option<bool>,
    /// The labels of the pods that a template makes, sorted. A Pod has its own in its metadata.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub labels: Box<[(Str, Str)]>,
    /// The ports of its containers.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub ports: Box<[ContainerPort]>,
    /// What holds for containers that do not say otherwise.
    #[serde(skip_serializing_if = "Security::is_default")]
    pub security: Security,
    /// The containers of every sort that say something about security, mount paths of the node or claims, or see each
    /// other's processes.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub containers: Box<[Container]>,
    /// Names of the other containers, in order of their lists.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub quiet_containers: Box<[Str]>,
}

/// A container, with what it says about security.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    /// The list that it stands in.
    pub list: ContainerList,
    /// Its position in that list.
    pub position: u32,
    /// Its name.
    pub name: Str,
    /// Whether it is one of `initContainers` that runs on beside the others; those without end before these start.
    #[serde(skip_serializing_if = "is_false")]
    pub sidecar: bool,
    /// Its own security context.
    #[serde(skip_serializing_if = "Security::is_default")]
    pub security: Security,
    /// The paths of the node that it mounts.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub host_paths: Box<[HostPathMount]>,
    /// The volumes behind claims that it mounts.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub claims: Box<[ClaimMount]>,
}

/// The lists of containers in a pod spec.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub enum ContainerList {
    /// `containers`.
    #[default]
    Containers,
    /// `initContainers`, sidecars included.
    InitContainers,
    /// `ephemeralContainers`.
    EphemeralContainers,
}

/// A security context, of a container or of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Security {
    /// Whether it has every capability and every device of the node. A pod does not say.
    #[serde(skip_serializing_if = "is_false")]
    pub privileged: bool,
    /// Capabilities beyond those that the container runtime gives, as written. A pod does not say.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub capabilities: Box<[Str]>,
    /// The user that it runs as; `None` leaves it to the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_user: Option<i64>,
    /// Whether the kubelet refuses to run it as root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_non_root: Option<bool>,
    /// Its AppArmor profile; `None` is the container runtime's where the node has AppArmor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_armor: Option<AppArmor>,
    /// Whether it is a process of a Windows node without a container around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_process: Option<bool>,
}

/// What AppArmor does to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AppArmor {
    /// The profile of the container runtime holds it back, or one of the node.
    Confined,
    /// Nothing.
    Unconfined,
}

/// A path of the node that a container mounts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HostPathMount {
    /// Position in the container's `volumeMounts`.
    pub position: u32,
    /// The path on the node, `subPath` included.
    pub path: Str,
    /// Whether the container can only read.
    #[serde(skip_serializing_if = "is_false")]
    pub read_only: bool,
    /// Whether that holds for file systems mounted below the path as well.
    #[serde(skip_serializing_if = "is_false")]
    pub recursive: bool,
}

/// A volume behind a claim that a container mounts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClaimMount {
    /// Position in the container's `volumeMounts`.
    pub position: u32,
    /// The claim's name.
    pub claim: Str,
    /// The path within the volume; empty is the whole volume.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub below: Str,
    /// Whether the container can only read.
    #[serde(skip_serializing_if = "is_false")]
    pub read_only: bool,
    /// Whether that holds for file systems mounted below the path as well.
    #[serde(skip_serializing_if = "is_false")]
    pub recursive: bool,
}

/// Taints of nodes that a pod tolerates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Toleration {
    /// The taint's key; empty is every key.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub key: Str,
    /// The taint's value; `None` is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Str>,
    /// The taint's effect; empty is any.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub effect: Str,
}

/// A projected service account token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TokenMount {
    /// The audience; empty is the API server's own.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub audience: Str,
    /// Lifetime in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_seconds: Option<i64>,
}

impl Workload {
    /// The reference to this object.
    pub fn object_ref(&self) -> ObjectRef {
        ObjectRef {
            kind: self.kind,
            namespace: self.metadata.namespace.clone(),
            name: self.metadata.name.clone(),
        }
    }

    /// The object in which its settings are kept: the outermost of those that control it, or itself. `find` looks up the
    /// workload of a kind, namespace and name.
    pub fn keeper<'a>(&'a self, find: impl Fn(Kind, &str, &str) -> Option<&'a Self>) -> &'a Self {
        let controller = |workload: &&'a Self| {
            let (kind, name) = workload.metadata.controller.as_ref()?;
            find(kind.parse().ok()?, &workload.metadata.namespace, name)
        };
        // Kubernetes nests three: CronJob, Job, Pod. More are a loop.
        let chain = std::iter::successors(Some(self), controller);
        chain.take(4).last().unwrap_or(self)
    }

    /// The labels of its pods.
    pub fn pod_labels(&self) -> &[(Str, Str)] {
        match self.kind {
            Kind::Pod => &self.metadata.labels,
            _ => &self.pod.labels,
        }
    }

    /// JSON pointer to the pod spec.
    pub fn pod_pointer(&self) -> &'static str {
        match self.kind {
            Kind::Pod => "/spec",
            Kind::CronJob => "/spec/jobTemplate/spec/template/spec",
            _ => "/spec/template/spec",
        }
    }
}

impl PodSpec {
    /// The names of its containers of every sort.
    pub fn container_names(&self) -> impl Iterator<Item = &Str> {
        let kept = self.containers.iter().map(|container| &container.name);
        kept.chain(&self.quiet_containers)
    }

    /// The service account that the pod runs as.
    pub fn service_account(&self) -> &str {
        match &*self.service_account_name {
            "" => "default",
            name => name,
        }
    }
}

impl Container {
    /// Whether it runs as long as the pod does.
    pub fn runs_on(&self) -> bool {
        self.list != ContainerList::InitContainers || self.sidecar
    }

    /// JSON pointer to the container, within the pod spec.
    pub fn pointer(&self) -> String {
        let list = match self.list {
            ContainerList::Containers => "containers",
            ContainerList::InitContainers => "initContainers",
            ContainerList::EphemeralContainers => "ephemeralContainers",
        };
        format!("/{list}/{}", self.position)
    }
}

impl Security {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(flag: &bool) -> bool {
    !*flag
}
