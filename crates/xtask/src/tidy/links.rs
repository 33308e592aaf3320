//! Documentation holds together: links lead somewhere, and every page can be reached.

use std::collections::BTreeSet;

use super::Complaint;
use super::tree::{File, Tree};

/// Where a reader starts.
const START: &str = "README.md";

/// Relative links lead to files, and the pages of `docs/` can be reached from the start.
pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for page in tree.with_extension(&["md"]) {
        for (line, target) in links(page) {
            if !exists(tree, &target) {
                let message = format!("the link leads to `{target}`, which is not there");
                complaints.push(Complaint::line(&page.path, line, message));
            }
        }
    }
    let reached = reached(tree);
    for page in tree.with_extension(&["md"]) {
        if page.path.starts_with("docs/") && !reached.contains(page.path.as_str()) {
            let message =
                format!("no way leads here from {START}: link it from a page that one reads");
            complaints.push(Complaint::file(&page.path, message));
        }
    }
    complaints
}

/// A file, or a directory with a file in it.
fn exists(tree: &Tree, target: &str) -> bool {
    let folder = format!("{target}/");
    tree.files
        .iter()
        .any(|file| file.path == target || file.path.starts_with(&folder))
}

fn reached(tree: &Tree) -> BTreeSet<&str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&File> = tree.file(START).into_iter().collect();
    while let Some(page) = next.pop() {
        if reached.insert(page.path.as_str()) {
            next.extend(
                links(page)
                    .iter()
                    .filter_map(|(_, target)| tree.file(target)),
            );
        }
    }
    reached
}

/// Lines and targets of the relative links of a page, from the root of the checkout.
fn links(page: &File) -> Vec<(usize, String)> {
    let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut links = Vec::new();
    let mut fenced = false;
    for (number, line) in page.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for rest in line.split("](").skip(1) {
            let target = rest.split([')', '#', ' ']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains(':') {
                links.push((number + 1, join(folder, target)));
            }
        }
    }
    links
}

/// `a/b` and `../c` make `a/c`.
fn join(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::said;

    #[test]
    fn links_lead_somewhere() {
        let tree = Tree::of(&[
            (
                "README.md",
                "[a](docs/a.md#top) [web](https://bailiwick.dev/x.md) [dir](examples/acme)",
            ),
            (
                "docs/a.md",
                "[up](../README.md)\n[gone](b.md)\n```\n[code](c.md)\n```\n",
            ),
            ("examples/acme/x.yaml", "[no](page.md)"),
        ]);
        assert_eq!(
            said(&check(&tree)),
            ["docs/a.md:2: the link leads to `docs/b.md`, which is not there"]
        );
    }

    #[test]
    fn every_page_can_be_reached() {
        let tree = Tree::of(&[
            ("README.md", "[a](docs/a.md)"),
            ("docs/a.md", "[b](deep/b.md)"),
            ("docs/deep/b.md", "[a](../a.md)"),
            ("docs/lost.md", "[a](a.md)"),
            ("crates/x/README.md", ""),
        ]);
        assert_eq!(
            said(&check(&tree)),
            ["docs/lost.md: no way leads here from README.md: link it from a page that one reads"]
        );
    }
}
