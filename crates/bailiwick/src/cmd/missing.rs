//! What is said about a node that the graph does not have.

use anyhow::{Error, anyhow};
use bailiwick_graph::{Area, Graph, Node, NodeId};
use bailiwick_model::spelling;

/// Most nodes that are named as written alike.
const MOST: usize = 3;

/// What a name on the command line stands for as a start. Nothing for somebody without credentials to whom nothing is
/// open: that is no mistake of whoever asks.
pub(crate) fn start(graph: &Graph, node: &Node, partial: bool) -> Result<Option<NodeId>, Error> {
    match graph.find(node) {
        None if *node != Node::Outside => Err(missing(graph, node, partial)),
        found => Ok(found),
    }
}

/// The error for a node of the command line that is not in the graph, with those that may have been meant.
pub(crate) fn missing(graph: &Graph, node: &Node, partial: bool) -> Error {
    let doubt = match partial {
        true => "; what could not be read may hold it",
        false => "",
    };
    let alike = match alike(graph, node).as_slice() {
        [] => hint(graph, node).to_owned(),
        names => format!("; did you mean {}?", names.join(", ")),
    };
    match node {
        Node::Outside => anyhow!("nothing here is open to somebody without credentials"),
        Node::Area {
            area: Area::Namespace,
            namespace,
        } => anyhow!("namespace {namespace} is not here, and nothing leads there{doubt}{alike}"),
        Node::User { .. } | Node::Group { .. } | Node::ServiceAccount { .. } => {
            anyhow!("{node} has no access here and is reached by nothing{doubt}{alike}")
        }
        _ => anyhow!("{node} is not here, and nothing leads there{doubt}{alike}"),
    }
}

/// Those that are written nearly so, or so behind another kind.
fn alike(graph: &Graph, node: &Node) -> Vec<String> {
    let Some(own) = node.key() else {
        return Vec::new();
    };
    let bare = |key: &str| key.split_once(':').map(|(_, name)| name.to_owned());
    let mut names: Vec<String> = bare(&own).into_iter().collect();
    // A kind that is not known, such as a short name, reads as part of a user's name.
    names.extend(names.first().and_then(|name| bare(name)));
    let keys: Vec<String> = graph.nodes().filter_map(|(_, node)| node.key()).collect();
    let same_name = keys
        .iter()
        .filter(|key| bare(key).is_some_and(|name| names.contains(&name)));
    let mut found: Vec<String> = same_name.take(MOST).cloned().collect();
    if found.is_empty() {
        let kind = |key: &str| key.split_once(':').map(|(kind, _)| kind.to_owned());
        let of_kind = keys.iter().filter(|key| kind(key) == kind(&own));
        let near = spelling::nearest(&own, of_kind.map(String::as_str));
        found.extend(near.map(str::to_owned));
    }
    found
}

/// Why there may be none of the kind.
fn hint(graph: &Graph, node: &Node) -> &'static str {
    let is_machine = |node: &Node| matches!(node, Node::Machine { name } if !name.is_empty());
    match is_machine(node) && !graph.nodes().any(|(_, node)| is_machine(node)) {
        true => {
            "; the input names no nodes, as manifests do not: ask a live cluster or a snapshot of one"
        }
        false => "",
    }
}
