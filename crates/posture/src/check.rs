use bailiwick_diag::{Finding, Goal, Severity};

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
    /// Whether its findings are about something that somebody can use, so that they are ranked by how far it leads.
    pub(crate) weighed: bool,
    /// The goal, for the checks that report what leads to one.
    pub(crate) goal: Option<Goal>,
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
            "# {}\n\nCheck `{}`, severity at most {}{}.\n\n{body}",
            self.title,
            self.id,
            self.severity,
            if self.weighed && self.severity < Severity::Critical {
                ", or as far as it [leads](../scan.md)"
            } else {
                ""
            }
        )
    }

    pub(crate) fn run(&self, scan: &Scan<'_>) -> Vec<Finding> {
        let findings = (self.run)(scan);
        if !self.weighed {
            return findings;
        }
        findings
            .into_iter()
            .map(|finding| scan.weigh(finding))
            .collect()
    }
}

/// Declares the check of a file: `CHECK`, with the doc comment as its page and `run` of the file as its code. The word
/// `weighed` says that its findings are ranked by how far they lead. With `to GOAL` in its place the check has no code: it
/// names the causes by which somebody gets to the goal.
macro_rules! check {
    (@) => { false };
    (@ weighed) => { true };
    ($(#[doc = $doc:literal])* $id:literal, $title:literal, $severity:ident, to $goal:ident) => {
        $(#[doc = $doc])*
        pub(super) const CHECK: $crate::Check = $crate::Check {
            id: $id,
            title: $title,
            severity: bailiwick_diag::Severity::$severity,
            doc: concat!($($doc, "\n"),*),
            weighed: false,
            goal: Some(bailiwick_diag::Goal::$goal),
            run: |_| Vec::new(),
        };
    };
    ($(#[doc = $doc:literal])* $id:literal, $title:literal, $severity:ident $(, $weighed:ident)?) => {
        $(#[doc = $doc])*
        pub(super) const CHECK: $crate::Check = $crate::Check {
            id: $id,
            title: $title,
            severity: bailiwick_diag::Severity::$severity,
            doc: concat!($($doc, "\n"),*),
            weighed: $crate::check::check!(@ $($weighed)?),
            goal: None,
            run,
        };
    };
}
pub(crate) use check;
