//! Clusters in few words and what their graphs hold.

use std::collections::BTreeMap;
use std::io::Write as _;

use bailiwick_core::Str;
use bailiwick_input::{Defaults, LoadOptions, Source, load};
use bailiwick_model::{Delta, Origin, Snapshot};
use bailiwick_testkit::notation;

use crate::{EdgeKind, Graph};

/// The cluster of an example: roles and bindings in the notation of the testkit, below a line `---` other objects in
/// YAML, each starting with `{`.
pub(crate) fn cluster(text: &str, minor: u16) -> Snapshot {
    let mut lines = text.lines().map(str::trim);
    let rbac: Vec<&str> = lines.by_ref().take_while(|line| *line != "---").collect();
    let yaml: String = lines
        .map(|line| match line {
            line if line.starts_with('{') => format!("---\n{line}\n"),
            line => format!(" {line}\n"),
        })
        .collect();
    let mut snapshot = objects(&yaml);
    for object in notation::objects(&rbac.join("\n")) {
        snapshot.apply(Delta::Upsert(Box::new(object), Origin::Live));
    }
    snapshot.cluster.stored = true;
    snapshot.cluster.minor = Some(minor);
    snapshot
}

fn objects(yaml: &str) -> Snapshot {
    if yaml.is_empty() {
        return Snapshot::default();
    }
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    file.write_all(yaml.as_bytes()).unwrap();
    let options = LoadOptions {
        defaults: Defaults::None,
        ..LoadOptions::default()
    };
    let loaded = load(&[Source::Path(file.path().to_owned())], &options);
    assert_eq!(loaded.findings, [], "{yaml}");
    loaded.snapshot
}

/// The graph of a cluster.
pub(crate) fn graph(text: &str, minor: u16) -> Graph {
    Graph::new(&cluster(text, minor), BTreeMap::new())
}

/// Whether the graph has a step of this kind between these nodes.
pub(crate) fn has(graph: &Graph, kind: &EdgeKind, from: &str, to: &str) -> bool {
    graph.edges().any(|step| {
        std::ptr::eq(step.kind, kind) && step.from.to_string() == from && step.to.to_string() == to
    })
}

/// Asserts where a step of this kind leads in a cluster of the newest version, in any order.
#[track_caller]
pub(crate) fn check(id: &str, from: &str, text: &str, expected: &[&str]) {
    check_with(id, from, text, &[], expected);
}

/// The same with memberships, as `user group`.
#[track_caller]
pub(crate) fn check_with(
    id: &str,
    from: &str,
    text: &str,
    members: &[(&str, &str)],
    expected: &[&str],
) {
    let mut memberships: BTreeMap<Str, Vec<Str>> = BTreeMap::new();
    for &(user, group) in members {
        memberships
            .entry(user.into())
            .or_default()
            .push(group.into());
    }
    let graph = Graph::new(&cluster(text, 37), memberships);
    let steps = graph
        .edges()
        .filter(|step| step.kind.id == id && step.from.to_string() == from);
    let mut found: Vec<String> = steps.map(|step| step.to.to_string()).collect();
    found.sort();
    found.dedup();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected, "{id} from {from}");
}
