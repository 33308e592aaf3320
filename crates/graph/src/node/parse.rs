//! Nodes as people write them.

use std::fmt;
use std::str::FromStr;

use bailiwick_core::{Kind, ObjectRef, Str, Subject};

use super::{Area, Node};

/// Why a text names no node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeParseError {
    text: String,
    /// How nodes of its kind are written, where it names one.
    form: Option<String>,
}

impl std::error::Error for NodeParseError {}

impl fmt::Display for NodeParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.text;
        if let Some(form) = &self.form {
            return write!(f, "`{text}` names nothing in the graph; write {form}");
        }
        write!(
            f,
            "`{text}` names nothing in the graph; write user:NAME, group:NAME, sa:NAMESPACE/NAME, pod:NAMESPACE/NAME (or \
             deployment:, service:, ingress:, ...), \
             container:NAMESPACE/POD/NAME, node:NAME, secret:NAMESPACE/NAME, namespace:NAME, cloud:IDENTITY, cluster or outside"
        )
    }
}

impl FromStr for Node {
    type Err = NodeParseError;

    /// Reads what [`Node::key`] writes, and a bare user name.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |form: Option<String>| NodeParseError {
            text: text.to_owned(),
            form,
        };
        let Some((word, rest)) = text.split_once(':') else {
            return match text {
                "cluster" => Ok(Self::Cluster),
                "outside" => Ok(Self::Outside),
                "" => Err(wrong(None)),
                user => Ok(Self::of(&Subject::from_user_name(user))),
            };
        };
        let two = || two(rest).ok_or_else(|| wrong(Some(format!("{word}:NAMESPACE/NAME"))));
        let one = || match rest {
            "" => Err(wrong(Some(format!("{word}:NAME")))),
            rest => Ok(Str::from(rest)),
        };
        match word {
            "sa" | "serviceaccount" => {
                two().map(|(namespace, name)| Self::ServiceAccount { namespace, name })
            }
            "node" => Ok(Self::Machine { name: one()? }),
            "namespace" => Ok(Self::area(Area::Namespace, &one()?)),
            "cloud" => Ok(Self::Cloud { name: one()? }),
            "secret" => two().map(|(namespace, name)| Self::Secret { namespace, name }),
            "container" => container(rest).ok_or_else(|| {
                wrong(Some(
                    "container:NAMESPACE/POD/NAME or container:deployment:NAMESPACE/NAME/NAME"
                        .to_owned(),
                ))
            }),
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
                        .map_err(|_| wrong(None)),
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
