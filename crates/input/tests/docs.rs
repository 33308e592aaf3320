//! Every id of a finding about the input has a page.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bailiwick_model::PROBLEMS;

#[test]
fn every_finding_is_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut ids = BTreeSet::new();
    let crates = ["input", "kube", "model"].map(|name| root.join("crates").join(name).join("src"));
    for file in crates.iter().flat_map(|source| sources(source)) {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for start in ["Finding::new(", "Problem::new(", "lost(", "id: "] {
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
    let known: BTreeSet<String> = PROBLEMS.iter().map(|own| own.id.to_owned()).collect();
    let missing: Vec<_> = ids.difference(&known).collect();
    assert!(missing.is_empty(), "without a page: {missing:?}");
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
