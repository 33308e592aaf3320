//! Committed pages are what the program would print.

use super::Complaint;
use super::tree::Tree;

/// The pages of the checks are there, are current, and are all.
pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    compare(tree, &crate::docs::pages())
}

fn compare(tree: &Tree, pages: &[(String, String)]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut complain = |path: &str, what: &str| {
        complaints.push(Complaint::file(
            path,
            format!("{what}: run `cargo xtask docs`"),
        ));
    };
    for (path, text) in pages {
        match tree.file(path) {
            None => complain(path, "this page is missing"),
            Some(file) if file.text != *text => complain(path, "not what the check says"),
            Some(_) => {}
        }
    }
    for file in tree
        .files
        .iter()
        .filter(|file| file.path.starts_with("docs/checks/"))
    {
        if !pages.iter().any(|(path, _)| *path == file.path) {
            complain(&file.path, "the page of no check");
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::said;

    #[test]
    fn pages_are_there_and_current() {
        let page = |name: &str| (format!("docs/checks/{name}"), "text".to_owned());
        let tree = Tree::of(&[
            ("docs/checks/good.md", "text"),
            ("docs/checks/old.md", "other text"),
            ("docs/checks/gone.md", "text"),
        ]);
        assert_eq!(
            said(&compare(
                &tree,
                &[page("good.md"), page("old.md"), page("new.md")]
            )),
            [
                "docs/checks/old.md: not what the check says: run `cargo xtask docs`",
                "docs/checks/new.md: this page is missing: run `cargo xtask docs`",
                "docs/checks/gone.md: the page of no check: run `cargo xtask docs`",
            ]
        );
    }
}
