//! Findings that the tests of every renderer show.

use std::borrow::Cow;

use bailiwick_core::{Kind, ObjectRef};
use bailiwick_diag::{Excerpt, Finding, Place, Position, Severity, Span};
use bailiwick_model::Gap;

use crate::report::{Report, Rule};

const SOURCE: &str = "\
kind: ClusterRole
metadata:
  name: ops
rules:
- verbs: [\"*\"]
  resources: [pods]\u{1b}[2J
";

/// A report of a finding with a file, one without, and one whose names are hostile.
pub(crate) struct Sample {
    findings: Vec<Finding>,
    rules: Vec<Rule<'static>>,
    gaps: Vec<Gap>,
}

impl Sample {
    pub(crate) fn new() -> Self {
        let ops = ObjectRef::new(Kind::ClusterRole, "", "ops");
        let mut place = Place::field(ops, "/rules/0/verbs/0").label("every verb");
        place.span = Some(span("rbac/ops role.yaml", SOURCE, "\"*\""));
        let wildcard = Finding::new(
            "wildcard-verbs",
            Severity::Critical,
            "ClusterRole `ops` allows every verb on `pods`",
        )
        .at(place)
        .because("group:platform through ClusterRoleBinding ops")
        .because("sa:ci/runner through RoleBinding ci/ops")
        .help("name the verbs that are used")
        .fix(
            "drop the rule",
            "kubectl patch clusterrole ops --type=json \\\n  -p '[{\"op\":\"remove\"}]'",
        );
        let hostile = ObjectRef::new(Kind::RoleBinding, "shop", "x\u{1b}[31m\n@admins <script>|`");
        let dangling = Finding::new(
            "dangling-role",
            Severity::Low,
            format!("{hostile} names a role that does not exist"),
        )
        .at(Place::field(hostile, "/roleRef"));
        let broken = Finding::new("yaml-syntax", Severity::Medium, "the document is no YAML")
            .at(Place::span(Span {
                excerpt: None,
                ..span("-", SOURCE, "rules")
            }))
            .losing_input();
        Self {
            findings: vec![wildcard, broken, dangling],
            rules: vec![Rule {
                id: "wildcard-verbs",
                title: "Every verb at once",
                severity: Severity::Critical,
                page: Cow::Borrowed("# Every verb at once\n\nText with `code`.\n"),
            }],
            gaps: vec![Gap {
                kinds: vec![Kind::Secret],
                namespace: "".into(),
                except: Default::default(),
                message: "secrets: forbidden\u{7}".into(),
            }],
        }
    }

    /// The last finding this many times over.
    pub(crate) fn many(count: usize) -> Self {
        let mut sample = Self::new();
        let last = sample.findings.pop().unwrap();
        sample.findings.extend(std::iter::repeat_n(last, count));
        sample
    }

    pub(crate) fn clean() -> Self {
        Self {
            findings: vec![],
            rules: vec![],
            gaps: vec![],
        }
    }

    pub(crate) fn report(&self) -> Report<'_> {
        Report {
            findings: &self.findings,
            rules: &self.rules,
            gaps: &self.gaps,
            version: "0.1.0",
        }
    }

    /// Sets the primary place of the first finding.
    pub(crate) fn move_down(&mut self, lines: u32) {
        for place in &mut self.findings[0].places {
            let span = place.span.as_mut().unwrap();
            span.start.line += lines;
            span.end.line += lines;
        }
    }
}

fn span(file: &str, source: &str, token: &str) -> Span {
    let position = |offset: usize| Position {
        offset: offset as u64,
        line: source[..offset].matches('\n').count() as u32 + 1,
        column: source[..offset]
            .chars()
            .rev()
            .take_while(|c| *c != '\n')
            .count() as u32
            + 1,
    };
    let start = source.find(token).unwrap();
    let first = source[..start].rfind("metadata").unwrap_or(0);
    Span {
        file: file.into(),
        start: position(start),
        end: position(start + token.len()),
        excerpt: Some(Excerpt {
            text: source[first..].into(),
            offset: first as u64,
            line: position(first).line,
        }),
    }
}
