use bailiwick_core::Kind;
use bailiwick_model::{
    Container, HostPathMount, Interner, Namespace, Node, Object, ObjectMeta, PodSpec, Secret,
    Security, ServiceAccount, Snapshot, TokenMount, Workload,
};
use std::sync::Arc;

use super::put;
use super::rng::Rng;
use super::shape::Shape;

/// Pods for a cluster of a [`Shape`], in the number that a cluster of that size has:
///
/// - a node for thirty pods, three nodes of the control plane among them;
/// - on each node three pods of DaemonSets in `kube-system`: two privileged ones, and one that reads logs;
/// - all others in groups of three, each of a Deployment and its ReplicaSet, in the namespaces of the shape by turns and
///   with one of its service accounts. Every Deployment has a Secret of its own and uses it; of a hundred, one is
///   privileged, one mounts the whole file system of its node, one adds capabilities, and four mount a directory for
///   reading;
/// - every third namespace enforces the level `baseline` of Pod Security; in every tenth is a token Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pods {
    /// How many.
    pub pods: usize,
}

/// Pods on a node, on average. Upstream supports 150,000 pods on 5,000 nodes.
const PODS_ON_A_NODE: usize = 30;

const CONTROL_PLANE: usize = 3;

/// Replicas of a Deployment.
const REPLICAS: usize = 3;

impl Pods {
    /// Makes a cluster of the shape with its pods.
    pub fn cluster(&self, shape: &Shape, seed: u64) -> Snapshot {
        let mut maker = Maker {
            snapshot: shape.cluster(seed),
            names: Interner::default(),
            rng: Rng::new(seed),
        };
        maker.snapshot.cluster.name = format!("{self:?} {shape:?} {seed}");
        maker.snapshot.cluster.minor = Some(37);
        let nodes = self.pods.div_ceil(PODS_ON_A_NODE);
        maker.namespaces(shape);
        maker.nodes(nodes);
        let agents = maker.agents(nodes);
        let deployments = self.pods.saturating_sub(agents).div_ceil(REPLICAS);
        for number in 0..deployments {
            maker.deployment(shape, number, nodes);
        }
        maker.snapshot
    }
}

struct Maker {
    snapshot: Snapshot,
    names: Interner,
    rng: Rng,
}

impl Maker {
    fn put(&mut self, mut object: Object) {
        self.names.share(&mut object);
        put(&mut self.snapshot, object);
    }

    fn namespaces(&mut self, shape: &Shape) {
        self.put(Object::Namespace(Namespace {
            metadata: ObjectMeta::named("", "kube-system"),
        }));
        for number in 0..shape.namespaces {
            let name = format!("namespace-{number}");
            let mut metadata = ObjectMeta::named("", &name);
            if number % 3 == 0 {
                metadata.labels = [(
                    "pod-security.kubernetes.io/enforce".into(),
                    "baseline".into(),
                )]
                .into();
            }
            self.put(Object::Namespace(Namespace { metadata }));
            for account in 0..shape.service_accounts {
                self.put(Object::ServiceAccount(ServiceAccount {
                    metadata: ObjectMeta::named(&name, &format!("account-{account}")),
                    ..ServiceAccount::default()
                }));
            }
            if number % 10 == 0 {
                let mut metadata = ObjectMeta::named(&name, "token");
                let account = "kubernetes.io/service-account.name";
                metadata.annotations = [(account.into(), "account-0".into())].into();
                self.put(Object::Secret(Secret {
                    metadata,
                    secret_type: "kubernetes.io/service-account-token".into(),
                }));
            }
        }
    }

    fn nodes(&mut self, nodes: usize) {
        for number in 0..nodes {
            let mut metadata = ObjectMeta::named("", &node(number));
            if number < CONTROL_PLANE {
                let label = "node-role.kubernetes.io/control-plane";
                metadata.labels = [(label.into(), "".into())].into();
            }
            self.put(Object::Node(Node {
                metadata,
                ..Node::default()
            }));
        }
    }

    /// Three pods on each node; says how many that are.
    fn agents(&mut self, nodes: usize) -> usize {
        let agents = [
            (
                "kube-proxy",
                security(true, &[]),
                mounts(&[("/lib/modules", true)]),
            ),
            (
                "cni",
                security(true, &[]),
                mounts(&[("/opt/cni/bin", false)]),
            ),
            ("logs", security(false, &[]), mounts(&[("/var/log", true)])),
        ];
        let count = agents.len();
        for (name, security, host_paths) in agents {
            self.put(Object::ServiceAccount(ServiceAccount {
                metadata: ObjectMeta::named("kube-system", name),
                ..ServiceAccount::default()
            }));
            let spec = Arc::new(PodSpec {
                containers: [Container {
                    name: name.into(),
                    security,
                    host_paths,
                    ..Container::default()
                }]
                .into(),
                ..spec(name)
            });
            let set = metadata("kube-system", name, name, None);
            self.workload(Kind::DaemonSet, set, "", &spec);
            for number in 0..nodes {
                let own = format!("{name}-{}", self.suffix());
                let pod = metadata("kube-system", &own, name, Some(("DaemonSet", name)));
                self.workload(Kind::Pod, pod, &node(number), &spec);
            }
        }
        count * nodes
    }

    fn deployment(&mut self, shape: &Shape, number: usize, nodes: usize) {
        let namespace = format!("namespace-{}", number % shape.namespaces);
        let name = format!("app-{number}");
        self.put(Object::Secret(Secret {
            metadata: ObjectMeta::named(&namespace, &name),
            secret_type: "Opaque".into(),
        }));
        let account = format!("account-{}", self.rng.below(shape.service_accounts));
        let (security, host_paths) = match number % 100 {
            0 => (security(true, &[]), mounts(&[])),
            1 => (security(false, &[]), mounts(&[("/", false)])),
            2 => (security(false, &["SYS_ADMIN", "NET_ADMIN"]), mounts(&[])),
            3..7 => (security(false, &[]), mounts(&[("/var/log/pods", true)])),
            _ => (security(false, &[]), mounts(&[])),
        };
        let container = Container {
            name: name.as_str().into(),
            security,
            host_paths,
            ..Container::default()
        };
        let says_something =
            container.security != Security::default() || !container.host_paths.is_empty();
        let spec = Arc::new(PodSpec {
            secrets: [name.as_str().into()].into(),
            containers: Some(container)
                .filter(|_| says_something)
                .into_iter()
                .collect(),
            ..spec(&account)
        });
        let deployment = metadata(&namespace, &name, &name, None);
        self.workload(Kind::Deployment, deployment, "", &spec);
        let set = format!("{name}-{}", self.suffix());
        let set_meta = metadata(&namespace, &set, &name, Some(("Deployment", &name)));
        self.workload(Kind::ReplicaSet, set_meta, "", &spec);
        for _ in 0..REPLICAS {
            let own = format!("{set}-{}", self.suffix());
            let pod = metadata(&namespace, &own, &name, Some(("ReplicaSet", &set)));
            // Ordinary pods stay off the control plane.
            let ordinary = nodes.saturating_sub(CONTROL_PLANE).max(1);
            let place = node(CONTROL_PLANE.min(nodes.saturating_sub(1)) + self.rng.below(ordinary));
            self.workload(Kind::Pod, pod, &place, &spec);
        }
    }

    fn workload(&mut self, kind: Kind, metadata: ObjectMeta, node: &str, pod: &Arc<PodSpec>) {
        let mut metadata = metadata;
        metadata.uid = format!("{:016x}-{:016x}", self.rng.bits(), self.rng.bits()).into();
        self.put(Object::Workload(Workload {
            kind,
            metadata,
            node_name: node.into(),
            pod: pod.clone(),
        }));
    }

    /// What Kubernetes puts behind a name to make it unique.
    fn suffix(&mut self) -> String {
        format!("{:08x}", self.rng.bits() >> 32)
    }
}

fn node(number: usize) -> String {
    format!("node-{number}")
}

fn metadata(namespace: &str, name: &str, app: &str, owner: Option<(&str, &str)>) -> ObjectMeta {
    ObjectMeta {
        labels: [("app.kubernetes.io/name".into(), app.into())].into(),
        controller: owner.map(|(kind, name)| (kind.into(), name.into())),
        ..ObjectMeta::named(namespace, name)
    }
}

/// What every pod has.
fn spec(account: &str) -> PodSpec {
    PodSpec {
        service_account_name: account.into(),
        tokens: [TokenMount {
            expiration_seconds: Some(3607),
            ..TokenMount::default()
        }]
        .into(),
        ..PodSpec::default()
    }
}

fn security(privileged: bool, capabilities: &[&str]) -> Security {
    Security {
        privileged,
        capabilities: super::strs(capabilities),
        ..Security::default()
    }
}

fn mounts(paths: &[(&str, bool)]) -> Box<[HostPathMount]> {
    let mounts = (0..)
        .zip(paths)
        .map(|(position, (path, read_only))| HostPathMount {
            position,
            path: (*path).into(),
            read_only: *read_only,
            recursive: false,
        });
    mounts.collect()
}
