//! Nodes as people write them.

use std::fmt;
use std::str::FromStr;

use bailiwick_core::{Kind, ObjectRef, Str, Subject};

use super::{Area, Node};

/// Why a text names no node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeParseError(String);

impl std::error::Error for NodeParseError {}

impl fmt::Display for NodeParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` names nothing in the graph; write user:NAME, group:NAME, sa:NAMESPACE/NAME, pod:NAMESPACE/NAME (or \
             deployment:, service:, ingress:, ...), \
             container:NAMESPACE/POD/NAME, node:NAME, secret:NAMESPACE/NAME, namespace:NAME, cloud:IDENTITY, cluster or outside",
            self.0
        )
    }
}

impl FromStr for Node {
    type Err = NodeParseError;

    /// Reads what [`Node::key`] writes, and a bare user name.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || NodeParseError(text.to_owned());
        let Some((word, rest)) = text.split_once(':') else {
            return match text {
                "cluster" => Ok(Self::Cluster),
                "outside" => Ok(Self::Outside),
                "" => Err(wrong()),
                user => Ok(Self::of(&Subject::from_user_name(user))),
            };
        };
        let two = || two(rest).ok_or_else(wrong);
        let one = || {
            if rest.is_empty() {
                Err(wrong())
            } else {
                Ok(Str::from(rest))
            }
        };
        match word {
            "node" => Ok(Self::Machine { name: one()? }),
            "namespace" => Ok(Self::area(Area::Namespace, &one()?)),
            "cloud" => Ok(Self::Cloud { name: one()? }),
            "secret" => two().map(|(namespace, name)| Self::Secret { namespace, name }),
            "container" => container(rest).ok_or_else(wrong),
            _ => {
                match namespaced(word) {
                    Some(kind) => two().map(|(namespace, name)| {
                        let object = ObjectRef {
                            kind,
                            namespace,
                            name,
                        };
                        match kind {
                            Kind::Service
                            | Kind::Ingress
                            | Kind::HTTPRoute
                            | Kind::GRPCRoute
                            | Kind::TLSRoute
                            | Kind::TCPRoute
                            | Kind::UDPRoute => Self::Entry(object),
                            _ => Self::Workload(object),
                        }
                    }),
                    // A user name may hold a colon, as `system:admin` does.
                    None => text
                        .parse()
                        .map(|subject| Self::of(&subject))
                        .map_err(|_| wrong()),
                }
            }
        }
    }
}

/// A namespace and a name.
fn two(text: &str) -> Option<(Str, Str)> {
    let (namespace, name) = text.split_once('/')?;
    let whole = !namespace.is_empty() && !name.is_empty();
    whole.then(|| (namespace.into(), name.into()))
}

fn namespaced(word: &str) -> Option<Kind> {
    let mut kinds = Kind::ALL.into_iter();
    kinds.find(|kind| kind.is_namespaced() && kind.as_str().eq_ignore_ascii_case(word))
}

/// `NAMESPACE/POD/NAME`, or `deployment:NAMESPACE/NAME/NAME` of what makes pods.
fn container(text: &str) -> Option<Node> {
    let (kind, text) = match text.split_once(':') {
        Some((word, text)) => (namespaced(word)?, text),
        None => (Kind::Pod, text),
    };
    let (pod, name) = text.rsplit_once('/')?;
    let (namespace, pod) = two(pod)?;
    let whole = !name.is_empty() && !pod.contains('/');
    whole.then(|| Node::Container {
        pod: ObjectRef {
            kind,
            namespace,
            name: pod,
        },
        name: name.into(),
    })
}
