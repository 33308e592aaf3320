//! Which crate may use which. ARCHITECTURE.md explains why.

use super::tree::{Package, Tree};
use super::{Complaint, tree};

/// The layers from the words at the bottom to the program at the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer {
    /// L0: the words.
    Words,
    /// L1: engines, pure and synchronous.
    Engines,
    /// L2: adapters to files, sockets, clocks and terminals.
    Adapters,
    /// L3: the program.
    Program,
    /// Tests and chores; nothing of the product needs them to run.
    Dev,
}

/// Every crate of the workspace. Within the words and the engines a crate may use those above it
/// in this list; adapters do not know one another.
const CRATES: &[(&str, Layer)] = &[
    ("bailiwick-core", Layer::Words),
    ("bailiwick-diag", Layer::Words),
    ("bailiwick-model", Layer::Engines),
    ("bailiwick-rbac", Layer::Engines),
    ("bailiwick-graph", Layer::Engines),
    ("bailiwick-posture", Layer::Engines),
    ("bailiwick-pdp", Layer::Engines),
    ("bailiwick-audit", Layer::Engines),
    ("bailiwick-identity", Layer::Engines),
    ("bailiwick-input", Layer::Adapters),
    ("bailiwick-kube", Layer::Adapters),
    ("bailiwick-report", Layer::Adapters),
    ("bailiwick-store", Layer::Adapters),
    ("bailiwick-spiffe", Layer::Adapters),
    ("bailiwick-prove", Layer::Adapters),
    ("bailiwick-server", Layer::Adapters),
    ("bailiwick", Layer::Program),
    ("bailiwick-testkit", Layer::Dev),
    ("xtask", Layer::Dev),
];

/// The layer of a crate of the workspace.
pub(super) fn layer(name: &str) -> Option<Layer> {
    CRATES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, layer)| *layer)
}

fn rank(name: &str) -> Option<usize> {
    CRATES.iter().position(|(known, _)| *known == name)
}

/// Edges point downward, and every crate has its place.
pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for package in &tree.packages {
        let manifest = format!("{}/Cargo.toml", package.folder);
        if layer(&package.name).is_none() {
            let message = format!("`{}` has no layer: {PLACE}", package.name);
            complaints.push(Complaint::file(manifest, message));
            continue;
        }
        for dependency in &package.dependencies {
            if let Some(message) = objection(package, dependency) {
                complaints.push(Complaint::file(manifest.clone(), message));
            }
        }
    }
    complaints
}

const PLACE: &str = "give it one in the list of crates/xtask/src/tidy/layers.rs";

fn objection(package: &Package, dependency: &tree::Dependency) -> Option<String> {
    let (from, to) = (layer(&package.name)?, layer(&dependency.name)?);
    let names = format!(
        "`{}` must not depend on `{}`",
        package.name, dependency.name
    );
    if dependency.dev {
        // A test may lean on anything but the program, which leans on everything.
        return (to == Layer::Program).then(|| format!("{names}: that is the program"));
    }
    if to == Layer::Dev && from != Layer::Dev {
        return Some(format!(
            "{names}: that is for tests alone (dev-dependencies)"
        ));
    }
    if to > from {
        return Some(format!(
            "{names}: edges point downward, from the program to the words"
        ));
    }
    if to == from && to == Layer::Adapters {
        return Some(format!("{names}: adapters meet in the program alone"));
    }
    (to == from && rank(&dependency.name) > rank(&package.name))
        .then(|| format!("{names}: within a layer edges point up the list of layers.rs"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::said;

    fn check_edge(from: &str, to: &str, expected: Option<&str>) {
        let complaints = said(&check(&Tree::default().package(from, &[to])));
        match expected {
            None => assert!(complaints.is_empty(), "{from} -> {to}: {complaints:?}"),
            Some(part) => {
                assert_eq!(complaints.len(), 1, "{from} -> {to}");
                assert!(
                    complaints[0].contains(part),
                    "{from} -> {to}: {complaints:?}"
                );
            }
        }
    }

    #[test]
    fn edges_point_downward() {
        let up = Some("edges point downward");
        check_edge("bailiwick-core", "bailiwick-model", up);
        check_edge("bailiwick-rbac", "bailiwick-input", up);
        check_edge("bailiwick-kube", "bailiwick", up);
        check_edge("bailiwick-core", "bailiwick-diag", Some("up the list"));
        check_edge("bailiwick-model", "bailiwick-rbac", Some("up the list"));
        check_edge(
            "bailiwick-input",
            "bailiwick-kube",
            Some("adapters meet in the program"),
        );
        check_edge(
            "bailiwick-rbac",
            "bailiwick-testkit",
            Some("for tests alone"),
        );
        check_edge(
            "bailiwick-rbac",
            "dev:bailiwick",
            Some("that is the program"),
        );

        check_edge("bailiwick-posture", "bailiwick-rbac", None);
        check_edge("bailiwick", "bailiwick-kube", None);
        check_edge("bailiwick-rbac", "dev:bailiwick-testkit", None);
        check_edge("xtask", "bailiwick-testkit", None);
        check_edge("bailiwick-core", "serde", None);
    }

    #[test]
    fn every_crate_has_a_layer() {
        check_edge(
            "bailiwick-surprise",
            "serde",
            Some("`bailiwick-surprise` has no layer"),
        );
    }
}
