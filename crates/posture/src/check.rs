use bailiwick_diag::{Finding, Severity};

use crate::scan::Scan;

/// Something to look for in a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Stable id in kebab case.
    pub id: &'static str,
    /// What it finds, in a few words.
    pub title: &'static str,
    /// How much it matters at most.
    pub severity: Severity,
    /// The doc comment, each line with the space that follows the slashes.
    pub(crate) doc: &'static str,
    pub(crate) run: fn(&Scan<'_>) -> Vec<Finding>,
}

impl Check {
    /// The page, in Markdown: what it finds, why that matters, an example, and what to do.
    pub fn page(&self) -> String {
        let body: String = self
            .doc
            .lines()
            .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
            .collect();
        format!(
            "# {}\n\nCheck `{}`, severity at most {}.\n\n{body}",
            self.title, self.id, self.severity
        )
    }

    pub(crate) fn run(&self, scan: &Scan<'_>) -> Vec<Finding> {
        (self.run)(scan)
    }
}

/// Declares the check of a file: `CHECK`, with the doc comment as its page and `run` of the file as its code.
macro_rules! check {
    ($(#[doc = $doc:literal])* $id:literal, $title:literal, $severity:ident) => {
        $(#[doc = $doc])*
        pub(super) const CHECK: $crate::Check = $crate::Check {
            id: $id,
            title: $title,
            severity: bailiwick_diag::Severity::$severity,
            doc: concat!($($doc, "\n"),*),
            run,
        };
    };
}
pub(crate) use check;
