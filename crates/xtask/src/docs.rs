//! `cargo xtask docs`: the pages that the program holds, as files.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Where the pages of the checks are, from the root of the checkout.
const CHECKS: &str = "docs/checks";
/// Where the pages of the edges are.
const EDGES: &str = "docs/edges";

/// Where the problems of the input are.
const PROBLEMS: &str = "docs/problems.md";

/// Paths from the root of the checkout, and what the files there must hold.
pub(crate) fn pages() -> Vec<(String, String)> {
    let page = |page: bailiwick_posture::Page| (format!("{CHECKS}/{}", page.file), page.text);
    let checks = bailiwick_posture::pages().into_iter().map(page);
    let edges = bailiwick_graph::pages().into_iter();
    checks
        .chain(edges.map(|(file, text)| (format!("{EDGES}/{file}"), text)))
        .chain([(PROBLEMS.to_owned(), bailiwick_model::problems_page())])
        .collect()
}

/// Writes the pages, and removes those of checks and edges that are gone.
///
/// # Errors
/// When a file cannot be written or removed.
pub(crate) fn run() -> Result<()> {
    write(crate::root(), &pages())
}

fn write(root: &Path, pages: &[(String, String)]) -> Result<()> {
    for folder in [CHECKS, EDGES].map(|folder| root.join(folder)) {
        fs::create_dir_all(&folder).context("cannot create the folder of the pages")?;
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if !pages.iter().any(|(page, _)| root.join(page) == path) {
                fs::remove_file(&path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
    }
    for (page, text) in pages {
        fs::write(root.join(page), text).with_context(|| format!("cannot write {page}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_checks_that_are_gone_go_too() {
        let root = tempfile::tempdir().unwrap();
        let page = |name: &str| (format!("{CHECKS}/{name}"), format!("page of {name}"));
        write(root.path(), &[page("a.md"), page("b.md")]).unwrap();
        write(root.path(), &[page("b.md")]).unwrap();
        assert!(!root.path().join(CHECKS).join("a.md").exists());
        let text = fs::read_to_string(root.path().join(CHECKS).join("b.md")).unwrap();
        assert_eq!(text, "page of b.md");
    }
}
