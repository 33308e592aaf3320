use std::borrow::Cow;

use bailiwick_diag::{Finding, Severity};
use bailiwick_model::Gap;
use serde::Serialize;

use crate::document;

/// Findings with what a reader has to know beside them.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The findings, in the order in which they are shown.
    pub findings: &'a [Finding],
    /// Findings that somebody answers for. They are shown as such and do not count.
    pub excepted: &'a [Finding],
    /// Findings of the baseline that are as they were. Only SARIF holds them, for services that close what is missing.
    pub known: &'a [Finding],
    /// What is known of the ids that findings may have, the checks that found nothing included.
    pub rules: &'a [Rule<'a>],
    /// What could not be read.
    pub gaps: &'a [Gap],
    /// Version of this program.
    pub version: &'a str,
}

/// What is known of a finding's id.
#[derive(Clone, Debug)]
pub struct Rule<'a> {
    /// The id.
    pub id: &'a str,
    /// What it finds, in a few words.
    pub title: &'a str,
    /// How much it matters at most.
    pub severity: Severity,
    /// Its page, in Markdown.
    pub page: Cow<'a, str>,
}

/// Number of findings by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    pub(crate) total: usize,
    pub(crate) critical: usize,
    pub(crate) high: usize,
    pub(crate) medium: usize,
    pub(crate) low: usize,
    pub(crate) info: usize,
}

#[derive(Serialize)]
struct FindingList<'a> {
    summary: Summary,
    partial: bool,
    gaps: &'a [Gap],
    items: &'a [Finding],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    excepted: &'a [Finding],
}

/// The findings as JSON: a `FindingList` with `summary` (number by severity), `partial` (whether something could not
/// be read), `gaps` (what), `items`, and `excepted` where somebody answers for findings.
pub fn json_findings(report: &Report<'_>) -> Result<String, serde_json::Error> {
    document::json("FindingList", &report.list())
}

/// The findings as YAML, in the form of [`json_findings`].
pub fn yaml_findings(report: &Report<'_>) -> Result<String, serde_json::Error> {
    document::yaml("FindingList", &report.list())
}

impl<'a> Report<'a> {
    /// Whether something could not be read, so that the absence of a finding says less.
    pub fn partial(&self) -> bool {
        let mut all = self.findings.iter().chain(self.excepted).chain(self.known);
        !self.gaps.is_empty() || all.any(|finding| finding.input_lost)
    }

    pub(crate) fn summary(&self) -> Summary {
        let mut summary = Summary {
            total: self.findings.len(),
            ..Summary::default()
        };
        for finding in self.findings {
            *match finding.severity {
                Severity::Critical => &mut summary.critical,
                Severity::High => &mut summary.high,
                Severity::Medium => &mut summary.medium,
                Severity::Low => &mut summary.low,
                Severity::Info => &mut summary.info,
            } += 1;
        }
        summary
    }

    pub(crate) fn rule(&self, id: &str) -> Option<&'a Rule<'a>> {
        self.rules.iter().find(|rule| rule.id == id)
    }

    fn list(&self) -> FindingList<'a> {
        FindingList {
            summary: self.summary(),
            partial: self.partial(),
            gaps: self.gaps,
            items: self.findings,
            excepted: self.excepted,
        }
    }
}

impl Summary {
    /// Number by severity, most severe first, without those that have none.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (Severity, usize)> {
        [
            (Severity::Critical, self.critical),
            (Severity::High, self.high),
            (Severity::Medium, self.medium),
            (Severity::Low, self.low),
            (Severity::Info, self.info),
        ]
        .into_iter()
        .filter(|(_, count)| *count > 0)
    }

    /// `3 findings: 1 critical, 2 low`.
    pub(crate) fn line(&self) -> String {
        let counts: Vec<String> = self
            .counts()
            .map(|(severity, count)| format!("{count} {severity}"))
            .collect();
        match self.total {
            0 => "no findings".to_owned(),
            1 => format!("1 finding: {}", counts.join(", ")),
            total => format!("{total} findings: {}", counts.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;

    #[test]
    fn as_json() {
        insta::assert_snapshot!(json_findings(&Sample::new().report()).unwrap());
    }

    #[test]
    fn as_yaml() {
        insta::assert_snapshot!(yaml_findings(&Sample::new().report()).unwrap());
    }

    #[test]
    fn lost_input_makes_a_report_partial() {
        let sample = Sample::new();
        let report = Report {
            gaps: &[],
            ..sample.report()
        };
        assert!(report.partial());
        let report = Report {
            findings: &report.findings[..1],
            ..report
        };
        assert!(!report.partial());
    }
}
