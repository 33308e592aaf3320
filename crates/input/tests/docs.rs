//! Every id of a finding about the input stands in its documentation.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_finding_is_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = fs::read_to_string(root.join("docs/input.md")).unwrap();
    let mut ids = BTreeSet::new();
    for file in sources(&root.join("crates/input/src")) {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for start in ["Finding::new(", "Problem::new(", "lost("] {
            for call in code.split(start).skip(1) {
                let id = call
                    .trim_start()
                    .strip_prefix('"')
                    .and_then(|id| id.split('"').next());
                ids.extend(id.map(str::to_owned));
            }
        }
    }
    assert!(ids.len() > 20, "{ids:?}");
    let missing: Vec<_> = ids
        .iter()
        .filter(|id| !docs.contains(&format!("`{id}`")))
        .collect();
    assert!(missing.is_empty(), "not in docs/input.md: {missing:?}");
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else {
            files.push(path);
        }
    }
    files
}
