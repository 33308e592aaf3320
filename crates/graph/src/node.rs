mod parse;

use std::fmt;

use bailiwick_core::{Kind, ObjectRef, Str, Subject, names};
use serde::Serialize;

pub use parse::NodeParseError;

/// Somebody or something that an attacker can be, hold or control.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(tag = "node", rename_all = "camelCase")]
pub enum Node {
    /// A user.
    User {
        /// Its name.
        name: Str,
    },
    /// A user's name without the user's groups, as impersonation gives it.
    UserName {
        /// The name.
        name: Str,
    },
    /// Membership of a group.
    Group {
        /// Its name.
        name: Str,
    },
    /// A service account.
    ServiceAccount {
        /// Its namespace.
        namespace: Str,
        /// Its name.
        name: Str,
    },
    /// Code that runs in a pod, or in every pod of a template.
    Workload(ObjectRef),
    /// A connection to a Pod, or to what lies behind a Service, an Ingress or a route of a Gateway.
    Entry(ObjectRef),
    /// Root on a node.
    Machine {
        /// The node's name; empty is some node, nobody knows which: of a template, or a pod that waits for one.
        name: Str,
    },
    /// The tokens and Secrets of a node's pods, as they lie on its disk.
    PodFiles {
        /// The node's name.
        machine: Str,
    },
    /// What listens on a node's loopback, and what passes its network.
    Network {
        /// The node's name; empty is some node.
        machine: Str,
    },
    /// Memory that processes of a node share.
    Memory {
        /// The node's name; empty is some node.
        machine: Str,
    },
    /// Code in one container. It is in the graph where something tells it from the pod, and where somebody asks for it
    /// ([`crate::Graph::add_container`]).
    Container {
        /// The pod, or what makes it.
        pod: ObjectRef,
        /// The container's name.
        name: Str,
    },
    /// What a driver of volumes does for pods.
    Driver {
        /// Its name.
        name: Str,
    },
    /// What others ask of a version of an API group.
    Requests {
        /// The APIService that says who answers.
        service: Str,
        /// The Service that answers, as `NAMESPACE/NAME`; empty where the API server does itself.
        by: Str,
        /// Whether the API server takes any certificate from it.
        unverified: bool,
    },
    /// Connections of pods that trust what certificates a ClusterTrustBundle holds.
    Trust(Trust),
    /// An operator, as far as it does what objects of a resource say.
    Deputy {
        /// The resource with its group.
        resource: Str,
        /// The namespace in which they have to be; empty is any.
        namespace: Str,
    },
    /// What a Secret holds.
    Secret {
        /// Its namespace.
        namespace: Str,
        /// Its name.
        name: Str,
    },
    /// The rights of a role, bound to oneself.
    Role {
        /// The Role or ClusterRole.
        role: ObjectRef,
        /// Where it holds; empty is the whole cluster.
        namespace: Str,
    },
    /// Everything of a kind within a scope, so that a right to many things is one edge and not one each.
    Area {
        /// What of.
        area: Area,
        /// The namespace; empty is the whole cluster.
        namespace: Str,
    },
    /// Somebody who acts as another where both may.
    Acting {
        /// Who acts.
        by: Box<Node>,
        /// As whom.
        target: Box<Node>,
    },
    /// Somebody who has bound a role to himself, with it and with what he had before.
    Bound {
        /// Who has bound it.
        by: Box<Node>,
        /// The Role or ClusterRole.
        role: ObjectRef,
        /// Where it holds; empty is the whole cluster.
        namespace: Str,
    },
    /// Somebody without credentials.
    Outside,
    /// An identity at a cloud provider.
    Cloud {
        /// Its name there.
        name: Str,
    },
    /// Full control of the cluster: everything is allowed, or nothing stands in the way of making it so.
    Cluster,
}

/// Which ClusterTrustBundles a pod has in its files.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(tag = "trust", rename_all = "camelCase")]
pub enum Trust {
    /// One.
    Bundle {
        /// Its name.
        name: Str,
    },
    /// Those of a signer that have some labels, which is up to whoever writes them.
    Signer {
        /// The signer's name.
        name: Str,
    },
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundle { name } => write!(f, "ClusterTrustBundle {name}"),
            Self::Signer { name } => write!(f, "ClusterTrustBundles of signer {name}"),
        }
    }
}

/// What an area is everything of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Area {
    /// Being any service account.
    ServiceAccounts,
    /// Being any service account that bindings name and that does not exist, once it is made.
    MissingAccounts,
    /// Running code in any pod that is there.
    Pods,
    /// Starting pods of one's own.
    NewPods,
    /// Starting containers of one's own in any pod that is there.
    NewContainers,
    /// Privileged containers in any pod of a namespace that takes them.
    PrivilegedContainers,
    /// Reading any Secret.
    Secrets,
    /// Root on any node.
    Machines,
    /// Being any user, service accounts excepted.
    Users,
    /// Being in any group but `system:masters`.
    Groups,
    /// Full control of a namespace.
    Namespace,
    /// Changing the pods that any object of a kind makes.
    Templates(Kind),
    /// Connections to any port of any pod, its loopback included.
    Ports,
    /// What containers and nodes have logged.
    Logs,
    /// Links in place of the logs of any pod that may write where its node keeps them.
    PodLogs,
    /// Links among the logs of any node with such a pod.
    NodeLogs,
    /// What others send to the API server.
    Requests,
    /// What others send to each other.
    Traffic,
    /// Certificates in the name of any pod and its service account.
    Certificates,
    /// Root on any node whose kernel or container runtime has a known flaw that lets pods out.
    FlawedMachines,
    /// What CSI drivers do for pods that have volumes of them without a claim.
    Drivers,
    /// What FlexVolume drivers do for pods.
    FlexDrivers,
    /// What is stored in volumes.
    Volumes,
    /// Devices, whoever else uses them.
    Devices,
    /// What refuses or corrects objects before they are stored, or keeps pods apart from their nodes.
    Guards,
    /// Identities at a cloud provider that service accounts name.
    Clouds,
    /// Being any node at the API server.
    NodeUsers,
    /// Being anybody at the servers that extend the API.
    Extensions,
    /// That what runs goes on running.
    Running,
    /// What kubelets tell of their nodes.
    Kubelets,
    /// Memory of containers, on the disks of their nodes.
    Checkpoints,
    /// What anybody may do, as the API server tells it.
    Decisions,
    /// Whose a token is, as the API server tells it.
    TokenOwners,
    /// UIDs and extra values of requests.
    Claims,
    /// Giving to others what one has.
    Sharing,
}

impl Node {
    /// The node of a subject.
    pub fn of(subject: &Subject) -> Self {
        match subject {
            Subject::User { name } => match Subject::from_user_name(name) {
                Subject::ServiceAccount { namespace, name } => Self::ServiceAccount {
                    namespace: namespace.into(),
                    name: name.into(),
                },
                _ => Self::User {
                    name: name.as_str().into(),
                },
            },
            Subject::Group { name } => Self::Group {
                name: name.as_str().into(),
            },
            Subject::ServiceAccount { namespace, name } => Self::ServiceAccount {
                namespace: namespace.as_str().into(),
                name: name.as_str().into(),
            },
        }
    }

    /// How people write it, where they can: `sa:NAMESPACE/NAME`, `node:NAME`, `cluster`, ...
    pub fn key(&self) -> Option<String> {
        Some(match self {
            Self::User { name } => format!("user:{name}"),
            Self::Group { name } => format!("group:{name}"),
            Self::ServiceAccount { namespace, name } => format!("sa:{namespace}/{name}"),
            Self::Entry(object) if object.kind == Kind::Pod => return None,
            Self::Workload(object) | Self::Entry(object) => {
                let kind = object.kind.as_str().to_lowercase();
                format!("{kind}:{}/{}", object.namespace, object.name)
            }
            Self::Container { pod, name } => {
                let kind = match pod.kind {
                    Kind::Pod => String::new(),
                    kind => format!("{}:", kind.as_str().to_lowercase()),
                };
                format!("container:{kind}{}/{}/{name}", pod.namespace, pod.name)
            }
            Self::Machine { name } if !name.is_empty() => format!("node:{name}"),
            Self::Secret { namespace, name } => format!("secret:{namespace}/{name}"),
            Self::Area {
                area: Area::Namespace,
                namespace,
            } if !namespace.is_empty() => {
                format!("namespace:{namespace}")
            }
            Self::Cloud { name } => format!("cloud:{name}"),
            Self::Cluster => "cluster".to_owned(),
            Self::Outside => "outside".to_owned(),
            _ => return None,
        })
    }

    /// A group.
    pub fn group(name: &str) -> Self {
        Self::Group { name: name.into() }
    }

    /// A service account.
    pub fn service_account(namespace: &Str, name: &Str) -> Self {
        Self::ServiceAccount {
            namespace: namespace.clone(),
            name: name.clone(),
        }
    }

    /// Everything of a kind in a namespace, or (empty) in the cluster.
    pub fn area(area: Area, namespace: &Str) -> Self {
        Self::Area {
            area,
            namespace: namespace.clone(),
        }
    }

    /// Whether this is everything of a kind.
    pub fn is_area(&self) -> bool {
        matches!(self, Self::Area { .. })
    }

    /// Whether everybody is this: without credentials, or with any.
    pub fn is_everybody(&self) -> bool {
        let everybody = [names::AUTHENTICATED, names::UNAUTHENTICATED];
        match self {
            Self::Outside => true,
            Self::Group { name } => everybody.contains(&&**name),
            Self::User { name } => **name == *names::ANONYMOUS,
            _ => false,
        }
    }

    /// Whether this is membership of `system:masters`.
    pub(crate) fn is_masters(&self) -> bool {
        matches!(self, Self::Group { name } if **name == *names::MASTERS)
    }

    /// The groups whose rights somebody who is this node has by that, without anybody writing it down.
    pub fn implied_groups(&self) -> Vec<Str> {
        match self {
            Self::ServiceAccount { namespace, .. } => vec![
                format!("{}:{namespace}", names::SERVICE_ACCOUNTS).into(),
                names::SERVICE_ACCOUNTS.into(),
                names::AUTHENTICATED.into(),
            ],
            Self::User { name } if **name == *names::ANONYMOUS => {
                vec![names::UNAUTHENTICATED.into()]
            }
            Self::User { name } if name.starts_with(names::NODE_USER_PREFIX) => {
                vec![names::NODES.into(), names::AUTHENTICATED.into()]
            }
            Self::User { .. } | Self::UserName { .. } => vec![names::AUTHENTICATED.into()],
            Self::Group { name } => match &**name {
                names::AUTHENTICATED | names::UNAUTHENTICATED => Vec::new(),
                name if name.starts_with(&format!("{}:", names::SERVICE_ACCOUNTS)) => {
                    vec![names::SERVICE_ACCOUNTS.into(), names::AUTHENTICATED.into()]
                }
                _ => vec![names::AUTHENTICATED.into()],
            },
            _ => Vec::new(),
        }
    }
}

impl Area {
    fn words(self) -> &'static str {
        match self {
            Self::ServiceAccounts => "every service account",
            Self::MissingAccounts => "every missing service account",
            Self::Pods => "code in every pod",
            Self::NewPods => "new pods",
            Self::NewContainers => "new containers in every pod",
            Self::PrivilegedContainers => "privileged containers in every pod",
            Self::Templates(_) => "every pod template",
            Self::Secrets => "every Secret",
            Self::Machines => "every node",
            Self::Users => "every user",
            Self::Groups => "every group",
            Self::Namespace => "full control",
            Self::Ports => "every port",
            Self::Logs => "every log",
            Self::PodLogs => "links in place of the logs of pods",
            Self::NodeLogs => "links among the logs of the nodes of pods",
            Self::Requests => "every request",
            Self::Traffic => "every connection",
            Self::Certificates => "every certificate",
            Self::FlawedMachines => "every node with a known flaw",
            Self::Drivers => "volumes without a claim of every driver",
            Self::FlexDrivers => "volumes of every FlexVolume driver",
            Self::Volumes => "the contents of every volume",
            Self::Devices => "every device",
            Self::Guards => "every guard",
            Self::Clouds => "every cloud identity",
            Self::NodeUsers => "the identity of every node",
            Self::Extensions => "every identity at servers that extend the API",
            Self::Running => "the running of everything",
            Self::Kubelets => "what kubelets tell",
            Self::Checkpoints => "memory images of containers",
            Self::Decisions => "what anybody may do",
            Self::TokenOwners => "the owner of any token",
            Self::Claims => "every uid and extra value",
            Self::Sharing => "one's own rights for others",
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User { name } => write!(f, "user {name}"),
            Self::UserName { name } => write!(f, "user {name} without groups"),
            Self::Group { name } => write!(f, "group {name}"),
            Self::ServiceAccount { namespace, name } => {
                write!(f, "service account {namespace}/{name}")
            }
            Self::Entry(object) if object.kind == Kind::Pod => write!(f, "the ports of {object}"),
            Self::Workload(object) | Self::Entry(object) => write!(f, "{object}"),
            Self::Machine { name } if name.is_empty() => f.write_str("some node"),
            Self::Machine { name } => write!(f, "node {name}"),
            Self::PodFiles { machine } => write!(f, "the files of the pods on node {machine}"),
            Self::Network { machine } if machine.is_empty() => {
                f.write_str("the network of some node")
            }
            Self::Network { machine } => write!(f, "the network of node {machine}"),
            Self::Memory { machine } if machine.is_empty() => {
                f.write_str("the shared memory of some node")
            }
            Self::Memory { machine } => write!(f, "the shared memory of node {machine}"),
            Self::Container { pod, name } => write!(f, "container {name} of {pod}"),
            Self::Driver { name } => write!(f, "volumes of driver {name}"),
            Self::Requests {
                service,
                by,
                unverified,
            } => {
                write!(f, "every request to APIService {service}, which ")?;
                match &**by {
                    "" => f.write_str("the API server answers itself"),
                    by if *unverified => write!(f, "Service {by} answers unverified"),
                    by => write!(f, "Service {by} answers"),
                }
            }
            Self::Trust(trust) => write!(f, "every connection of pods that trust {trust}"),
            Self::Deputy {
                resource,
                namespace,
            } if namespace.is_empty() => {
                write!(f, "what obeys {resource}")
            }
            Self::Deputy {
                resource,
                namespace,
            } => {
                write!(f, "what obeys {resource} of namespace {namespace}")
            }
            Self::Secret { namespace, name } => write!(f, "Secret {namespace}/{name}"),
            Self::Role { role, namespace } if namespace.is_empty() => {
                write!(f, "the rights of {role} in the cluster")
            }
            Self::Role { role, namespace } => {
                write!(f, "the rights of {role} in namespace {namespace}")
            }
            Self::Area {
                area: Area::Namespace,
                namespace,
            } if namespace.is_empty() => f.write_str("full control of every namespace"),
            Self::Area {
                area: Area::Templates(kind),
                namespace,
            } if namespace.is_empty() => write!(f, "the template of every {kind} of the cluster"),
            Self::Area { area, namespace } if namespace.is_empty() => {
                write!(f, "{} of the cluster", area.words())
            }
            Self::Area { area, namespace } => {
                write!(f, "{} of namespace {namespace}", area.words())
            }
            Self::Acting { by, target } => write!(f, "{by} as {target}"),
            Self::Bound {
                by,
                role,
                namespace,
            } if namespace.is_empty() => write!(f, "{by} with {role}"),
            Self::Bound {
                by,
                role,
                namespace,
            } => write!(f, "{by} with {role} in namespace {namespace}"),
            Self::Outside => f.write_str("anybody"),
            Self::Cloud { name } => write!(f, "cloud identity {name}"),
            Self::Cluster => f.write_str("full control of the cluster"),
        }
    }
}

#[cfg(test)]
mod tests;
