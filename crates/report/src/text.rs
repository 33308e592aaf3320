use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use bailiwick_diag::{Excerpt, Finding, Place, Severity, Span};

use crate::inert::{inert, inert_source};
use crate::report::Report;
use crate::style::{Look, Tone};

/// How much to show of many findings of one id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Of more than three findings of one id that stand together, the first in full and the others on a line each.
    #[default]
    Grouped,
    /// Everything about each.
    Full,
}

/// Findings of one id in a row from which on all but the first are shown on a line each.
const MANY: usize = 4;
/// Supporting facts shown with a finding; the rest is counted.
const FACTS: usize = 16;

/// The findings for a terminal: source lines with carets where the file is known, object and pointer otherwise, then
/// what could not be read, and a line that counts.
pub fn findings(report: &Report<'_>, look: &Look, detail: Detail) -> String {
    let mut out = String::new();
    for group in report.findings.chunk_by(|a, b| a.id == b.id) {
        let shown = match (detail, group.len()) {
            (Detail::Full, all) => all,
            (Detail::Grouped, many) if many >= MANY => 1,
            (Detail::Grouped, all) => all,
        };
        let (full, brief) = group.split_at(shown.min(group.len()));
        for finding in full {
            out += &one(finding, look);
            out.push('\n');
        }
        if let [first, ..] = brief {
            let more = format!("{} more of {}:", brief.len(), inert(&first.id));
            let _ = writeln!(out, "{}", look.paint(Tone::Strong, &more));
            for finding in brief {
                out += &line(finding, look);
            }
            out.push('\n');
        }
    }
    out + &closing(report, look)
}

/// Findings that support an answer: each in full, and nothing counted.
pub fn evidence(findings: &[Finding], look: &Look) -> String {
    findings.iter().map(|finding| one(finding, look)).collect()
}

fn closing(report: &Report<'_>, look: &Look) -> String {
    let mut out = String::new();
    for gap in report.gaps {
        let _ = writeln!(
            out,
            "{} {}",
            look.paint(Tone::Warn, "not read:"),
            inert(&gap.message)
        );
    }
    if !report.excepted.is_empty() {
        let title = format!("{} excepted:", report.excepted.len());
        let _ = writeln!(out, "{}", look.paint(Tone::Strong, &title));
    }
    for finding in report.excepted {
        out += &line(finding, look);
        if let Some(answer) = &finding.exception {
            let _ = writeln!(out, "            {}", inert(&answer.to_string()));
        }
    }
    let summary = report.summary();
    let tone = if summary.total == 0 && !report.partial() {
        Tone::Good
    } else {
        Tone::Strong
    };
    out += &look.paint(tone, &summary.line());
    if report.partial() {
        out += ", from partial input: what could not be read may hide more";
    }
    out.push('\n');
    out
}

/// One finding in full.
fn one(finding: &Finding, look: &Look) -> String {
    let title = inert(&finding.message);
    let id = inert(&finding.id);
    let mut group = level(finding.severity)
        .with_name(finding.severity.as_str())
        .primary_title(title.as_ref())
        .id(id.as_ref())
        .elements(Vec::<annotate_snippets::Element<'_>>::new());
    for (position, place) in finding.places.iter().enumerate() {
        group = if let Some((span, excerpt, range)) = excerpt(place) {
            group.element(snippet(span, excerpt, range, &place.label, position == 0))
        } else {
            let label = match &*place.label {
                "" => String::new(),
                label => format!(": {}", inert(label)),
            };
            group.element(Origin::path(format!(
                "{}{label}",
                inert(&place.to_string())
            )))
        };
    }
    let hidden = finding.evidence.len().saturating_sub(FACTS);
    for fact in finding.evidence.iter().take(FACTS) {
        group = group.element(Level::NOTE.message(inert(fact).into_owned()));
    }
    if hidden > 0 {
        group =
            group.element(Level::NOTE.message(format!("{hidden} more; `-o json` has them all")));
    }
    if let Some(help) = &finding.help {
        group = group.element(Level::HELP.message(inert(help).into_owned()));
    }
    let renderer = if look.colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let width = look.width.map_or(usize::from(u16::MAX), usize::from);
    let mut out = renderer.term_width(width.max(40)).render(&[group]);
    out.push('\n');
    if let Some(fix) = &finding.fix {
        let _ = writeln!(
            out,
            "{} {}",
            look.paint(Tone::Good, "fix:"),
            inert(&fix.title)
        );
        for text in fix.text.lines() {
            let _ = writeln!(out, "    {}", look.paint(Tone::Code, &inert(text)));
        }
    }
    out
}

/// One finding on a line.
fn line(finding: &Finding, look: &Look) -> String {
    let severity = look.paint(tone(finding.severity), &format!("{:<8}", finding.severity));
    let place = finding
        .places
        .first()
        .map(ToString::to_string)
        .unwrap_or_default();
    let place = look.paint(Tone::Faint, &inert(&place));
    format!("  {severity}  {}  {place}\n", inert(&finding.message))
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Critical | Severity::High => Level::ERROR,
        Severity::Medium | Severity::Low => Level::WARNING,
        Severity::Info => Level::INFO,
    }
}

fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Critical | Severity::High => Tone::Bad,
        Severity::Medium | Severity::Low => Tone::Warn,
        Severity::Info => Tone::Plain,
    }
}

/// The span of a place whose source lines are at hand and hold it.
fn excerpt(place: &Place) -> Option<(&Span, &Excerpt, Range<usize>)> {
    let span = place.span.as_ref()?;
    let excerpt = span.excerpt.as_ref()?;
    let start = within(excerpt, span.start.offset)?;
    let end = within(excerpt, span.end.offset)?;
    (start <= end).then_some((span, excerpt, start..end))
}

/// Where an offset of the file lies in the excerpt, in bytes, if it does and splits no character.
fn within(excerpt: &Excerpt, offset: u64) -> Option<usize> {
    let at = usize::try_from(offset.checked_sub(excerpt.offset)?).ok()?;
    excerpt.text.is_char_boundary(at).then_some(at)
}

fn snippet<'a>(
    span: &'a Span,
    excerpt: &'a Excerpt,
    range: Range<usize>,
    label: &'a str,
    primary: bool,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let kind = if primary {
        AnnotationKind::Primary
    } else {
        AnnotationKind::Context
    };
    let mut annotation = kind.span(range);
    if !label.is_empty() {
        annotation = annotation.label(inert(label));
    }
    Snippet::source(inert_source(&excerpt.text))
        .line_start(usize::try_from(excerpt.line).unwrap_or(1))
        .path(inert(&span.file))
        .annotation(annotation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inert::acts;
    use crate::sample::Sample;

    const NARROW: Look = Look {
        width: Some(100),
        colour: false,
    };

    #[test]
    fn plain_at_100_columns() {
        let text = findings(&Sample::new().report(), &NARROW, Detail::Grouped);
        assert!(!text.contains(|c| acts(c) && c != '\n'), "{text:?}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn coloured_at_100_columns() {
        let look = Look {
            colour: true,
            ..NARROW
        };
        let text = findings(&Sample::new().report(), &look, Detail::Grouped);
        insta::assert_snapshot!(text.replace('\x1b', "␛"));
    }

    #[test]
    fn many_of_one_id_take_a_line_each() {
        let sample = Sample::many(5);
        let text = findings(&sample.report(), &NARROW, Detail::Grouped);
        assert!(text.contains("4 more of dangling-role:\n"), "{text}");
        assert!(
            text.contains("7 findings: 1 critical, 1 medium, 5 low"),
            "{text}"
        );
        let full = findings(&sample.report(), &NARROW, Detail::Full);
        assert_eq!(full.matches("low[dangling-role]").count(), 5, "{full}");
    }

    #[test]
    fn nothing_found() {
        let text = findings(&Sample::clean().report(), &NARROW, Detail::Grouped);
        assert_eq!(text, "no findings\n");
    }

    #[test]
    fn a_span_outside_its_excerpt_costs_the_excerpt_only() {
        let sample = Sample::new();
        for (start, end) in [(0, 5), (30, 20), (30, 9999), (u64::MAX, u64::MAX)] {
            let mut finding = sample.report().findings[0].clone();
            let span = finding.places[0].span.as_mut().unwrap();
            span.start.offset = start;
            span.end.offset = end;
            let text = one(&finding, &NARROW);
            assert!(text.contains("rbac/ops role.yaml:5"), "{text}");
        }
    }
}
