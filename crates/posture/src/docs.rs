use std::fmt::Write as _;

use crate::CHECKS;

/// A page of the documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Name of the file, below `docs/checks/`.
    pub file: String,
    /// Its text, in Markdown.
    pub text: String,
}

/// The page of every check, and an index of them.
pub fn pages() -> Vec<Page> {
    let mut index = "# Checks\n\n\
        What `bailiwick scan` looks for. `bailiwick explain ID` prints a page. A right or setting that leads further than\n\
        its check says is as severe as [how far it leads](../scan.md).\n\n\
        | Check | Severity at most | Finds |\n| --- | --- | --- |\n"
        .to_owned();
    for check in CHECKS {
        // Writing to a String cannot fail.
        let _ = writeln!(
            index,
            "| [`{id}`]({id}.md) | {} | {} |",
            check.severity,
            check.title,
            id = check.id
        );
    }
    let page = |check: &crate::Check| Page {
        file: format!("{}.md", check.id),
        text: check.page(),
    };
    let index = Page {
        file: "README.md".to_owned(),
        text: index,
    };
    std::iter::once(index)
        .chain(CHECKS.iter().map(page))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::pages;

    #[test]
    fn the_documentation_holds_these_pages() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/checks");
        for page in pages() {
            let committed = std::fs::read_to_string(format!("{folder}/{}", page.file));
            let same = committed.is_ok_and(|text| text == page.text);
            assert!(
                same,
                "docs/checks/{} is out of date; run `cargo xtask docs`",
                page.file
            );
        }
    }
}
