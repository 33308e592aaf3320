//! Findings and a picture that the tests of every renderer show.

use std::borrow::Cow;

use bailiwick_core::{Kind, ObjectRef, Timestamp};
use bailiwick_diag::{Answer, BaselineState, Excerpt, Finding, Place, Position, Severity, Span};
use bailiwick_model::Gap;

use crate::picture::{Closed, Fact, Picture, PictureCause, PictureNode, PicturePath, PictureStep};
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
    excepted: Vec<Finding>,
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
        let mut accepted = Finding::new("full-control", Severity::Critical, "`ops` may do all").at(
            Place::object(ObjectRef::new(Kind::ClusterRoleBinding, "", "ops")),
        );
        accepted.baseline = Some(BaselineState::New);
        accepted.exception = Some(Answer {
            owner: "ops <b>\u{1b}[31m".into(),
            reason: "it applies | everything".into(),
            expires: Timestamp::from_seconds(1_800_000_000),
        });
        Self {
            findings: vec![wildcard, broken, dangling],
            excepted: vec![accepted],
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

    /// The causes of the paths of [`picture`].
    pub(crate) fn paths() -> Self {
        Self {
            findings: picture().causes(),
            ..Self::clean()
        }
    }

    /// So many findings with a flow of so many steps each.
    pub(crate) fn paths_of(count: usize, steps: usize) -> Self {
        let mut finding = Self::new().findings.remove(0);
        finding.flows = vec![vec![finding.places[0].clone(); steps]];
        Self {
            findings: vec![finding; count],
            ..Self::clean()
        }
    }

    pub(crate) fn clean() -> Self {
        Self {
            findings: vec![],
            excepted: vec![],
            rules: vec![],
            gaps: vec![],
        }
    }

    pub(crate) fn report(&self) -> Report<'_> {
        Report {
            findings: &self.findings,
            excepted: &self.excepted,
            known: &[],
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

/// Two paths of one cause, one of which has a free step before, and one whose name is hostile.
pub(crate) fn picture() -> Picture {
    let node = |kind, label: &str| PictureNode {
        kind,
        label: label.to_owned(),
    };
    let step = |(from, to), edge, title, effort, facts: &[usize]| PictureStep {
        from,
        to,
        edge,
        title,
        effort,
        facts: facts.to_vec(),
        reviews: vec![format!("may it {title}")],
        guards: Vec::new(),
        cut: None,
    };
    let path = |from, effort, steps: &[usize]| PicturePath {
        from,
        effort,
        severity: Severity::Critical,
        steps: steps.to_vec(),
        closed: None,
    };
    let by = |cause, step, path| PicturePath {
        closed: Some(Closed { cause, step }),
        ..path
    };
    let fact = |text: &str, span: Option<Span>| {
        let object = ObjectRef::new(Kind::RoleBinding, "ci", "runner");
        let mut place = Place::field(object, "/subjects/0");
        place.span = span;
        Fact {
            text: text.to_owned(),
            place,
            others: 0,
        }
    };
    Picture {
        subject: "full control of the cluster".to_owned(),
        hub: 3,
        outward: false,
        nodes: vec![
            node("serviceAccount", "service account ci/runner"),
            node("workload", "StatefulSet ci/runner"),
            node("user", "user x\u{1b}[31m\"</script><b>`|#;@all"),
            node("cluster", "full control of the cluster"),
            node("area", "new pods of namespace ci"),
        ],
        steps: vec![
            step((0, 4), "pod-create", "start a pod", 1, &[0]),
            step((4, 3), "contains", "reach everything of a kind", 0, &[]),
            step((1, 0), "mounted-token", "use the pod's token", 0, &[1]),
            step((2, 3), "impersonate-user", "act as a user", 2, &[1]),
        ],
        facts: vec![
            fact(
                "RoleBinding ci/runner, subject 1",
                Some(span("rbac/ops role.yaml", SOURCE, "\"*\"")),
            ),
            fact("ClusterRole x\u{1b}[2J, rule 1", None),
        ],
        paths: vec![
            by(0, 0, path(0, 1, &[0, 1])),
            by(0, 0, path(1, 1, &[2, 0, 1])),
            path(2, 2, &[3]),
        ],
        causes: vec![PictureCause {
            facts: vec![0],
            help: "take service account ci/runner out of RoleBinding ci/runner".to_owned(),
            fix: None,
        }],
        cuts: Vec::new(),
        left_out: 0,
        partial: true,
    }
}

/// The same with a change that closes the two paths of one cause.
pub(crate) fn cut_picture() -> Picture {
    let mut picture = picture();
    picture.cuts = vec!["1. take sa:ci/runner out of RoleBinding <runner>".to_owned()];
    picture.steps[0].cut = Some(0);
    picture
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
