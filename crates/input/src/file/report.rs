use std::ops::Range;

use bailiwick_core::{Kind, Str};
use bailiwick_diag::{Excerpt, Finding, Place, Position, Severity, Span};
use bailiwick_model::{Decoded, DecodedKind, Gap, Value};

use super::secrecy::{Quote, is_harmless, is_plain_field, quote_for};
use super::staging::{Item, Staged};
use super::{File, FileRead};
use crate::limits::MAX_FINDINGS;
use crate::read::{Duplicate, Lines, Problem, Syntax};
use crate::walk::{find_in_embedded, find_in_json};

/// Longest line that is shown, in bytes, and most lines of one excerpt.
const MAX_LINE: usize = 300;
const MAX_LINES: usize = 3;

/// The lines that `range` of `text` stands on, where they may be shown and are short enough to be. Nothing outside
/// `object` is shown: it could belong to a Secret. The offset is counted in `text`.
pub(crate) fn excerpt(
    text: &[u8],
    object: &Range<usize>,
    range: &Range<usize>,
    line: u32,
    quote: Quote,
) -> Option<Excerpt> {
    let end = range.end.max(range.start);
    let line_start = text
        .get(..range.start)?
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |newline| newline + 1);
    let line_end = text
        .get(end..)?
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(text.len(), |newline| end + newline + 1);
    let foreign = |bytes: Option<&[u8]>, known: &[u8]| {
        bytes.is_some_and(|bytes| bytes.iter().any(|byte| !known.contains(byte)))
    };
    if foreign(text.get(line_start..object.start), b" -\xEF\xBB\xBF")
        || foreign(text.get(object.end..line_end), b" \r\n,")
    {
        return None;
    }
    let lines = std::str::from_utf8(text.get(line_start..line_end)?).ok()?;
    let lines = lines.strip_prefix('\u{feff}').unwrap_or(lines);
    let short = lines.lines().count() <= MAX_LINES && lines.lines().all(|l| l.len() <= MAX_LINE);
    let allowed = match quote {
        Quote::Lines => !lines.contains("last-applied"),
        Quote::Field => lines.lines().count() == 1 && is_plain_field(lines),
        Quote::Nothing => false,
    };
    (short && allowed).then(|| Excerpt {
        text: lines.into(),
        offset: (line_end - lines.len()) as u64,
        line,
    })
}

impl File<'_> {
    /// Everything that has been said, with what is said once for the whole file.
    pub(super) fn finish(mut self, documents: usize) -> FileRead {
        if let Some(first) = self.foreign.first().copied() {
            let what = match (self.foreign.len(), documents) {
                (all, _) if all == documents => "the file holds no Kubernetes object".into(),
                (1, _) => "a document holds no Kubernetes object".into(),
                (many, _) => format!("{many} documents hold no Kubernetes object"),
            };
            let message = format!("{what} and is left aside");
            let span = self.span(&(0..0), &(first..first), Quote::Nothing);
            let note = Finding::new("not-kubernetes", Severity::Info, message)
                .at(Place::span(span).label("neither `kind` nor `apiVersion`"));
            self.read.findings.push(note);
        }
        if self.unspoken > 0 {
            let message = format!(
                "{}: {} more findings about this file are not spelt out",
                self.name, self.unspoken
            );
            let finding = Finding::new("too-many-findings", Severity::Medium, message)
                .help("mend the file, then read it again");
            self.read.findings.push(finding);
        }
        self.read
    }

    /// A document that cannot be read. The problem's place is counted from byte `base`.
    pub(super) fn say_broken(&mut self, problem: &Problem, base: usize, document: Range<usize>) {
        let text = self.text.get(document.clone()).unwrap_or_default();
        let quote = if is_harmless(text) {
            Quote::Lines
        } else {
            Quote::Nothing
        };
        let at = base + problem.at.start..base + problem.at.end;
        let span = self.span(&document, &at, quote);
        let line = self.position(document.start).line;
        let templated = text.windows(2).any(|pair| pair == b"{{") && problem.id == "broken-yaml";
        let (id, help) = if templated {
            (
                "template",
                "this looks like a template: render it first, as with `helm template NAME CHART`, and read the result",
            )
        } else {
            (problem.id, problem.help)
        };
        let message = format!(
            "the document at line {line} cannot be read: {}",
            problem.message
        );
        self.read.gaps.push(Gap {
            kinds: Vec::new(),
            except: Str::default(),
            namespace: Str::default(),
            message: format!("{}: {message}", self.name),
        });
        let finding = Finding::new(id, Severity::High, message)
            .at(Place::span(span))
            .help(help)
            .losing_input();
        self.say(finding);
    }

    /// What decoding has to say about the object at `range`.
    pub(super) fn say_issues(&mut self, decoded: &Decoded, range: &Range<usize>, syntax: Syntax) {
        let kind = match decoded.kind {
            DecodedKind::Read(kind) => Some(kind),
            _ => None,
        };
        for issue in &decoded.issues {
            let mut place = match &decoded.about {
                Some(object) => Place::field(object.clone(), issue.pointer.clone()),
                None => Place {
                    pointer: issue.pointer.clone(),
                    ..Place::default()
                },
            };
            if self.read.findings.len() < MAX_FINDINGS {
                let at = self.underline(range, &issue.pointer, syntax);
                place.span = Some(self.span(range, &at, quote_for(kind)));
            }
            let mut finding =
                Finding::new(issue.id, issue.severity, issue.message.clone()).at(place);
            finding.help.clone_from(&issue.help);
            if issue.lost {
                finding = finding.losing_input();
                self.read.gaps.push(Gap {
                    kinds: kind.into_iter().collect(),
                    except: Str::default(),
                    namespace: decoded
                        .about
                        .as_ref()
                        .map(|object| object.namespace.clone())
                        .unwrap_or_default(),
                    message: format!("{}: {}", self.name, issue.message),
                });
            }
            self.say(finding);
        }
    }

    /// Where `pointer` leads in the object at `range`.
    fn underline(&self, range: &Range<usize>, pointer: &str, syntax: Syntax) -> Range<usize> {
        let text = self.text.get(range.clone()).unwrap_or_default();
        let found = match syntax {
            Syntax::Json => find_in_json(text, 0..text.len(), pointer),
            Syntax::Yaml => {
                let column = self.position(range.start).column as usize - 1;
                std::str::from_utf8(text)
                    .ok()
                    .and_then(|text| find_in_embedded(text, column, pointer))
            }
        };
        let at = found.map_or(0..0, |found| found.underline(text));
        range.start + at.start..range.start + at.end
    }

    /// Equal keys in one mapping.
    pub(super) fn say_duplicates(
        &mut self,
        duplicates: &[Duplicate],
        staged: &Staged,
        root: &Value,
        range: &Range<usize>,
        syntax: Syntax,
    ) {
        let root_kind = root
            .get("kind")
            .and_then(Value::as_str)
            .and_then(|kind| kind.parse::<Kind>().ok());
        let room = MAX_FINDINGS.saturating_sub(self.read.findings.len());
        self.unspoken += duplicates.len().saturating_sub(room);
        for duplicate in duplicates.iter().take(room) {
            let item = staged.item_at(duplicate.kept.start);
            let kind = item.map_or(root_kind, Item::kind);
            let object = item.map_or(range, |item| &item.range);
            let quote = quote_for(kind);
            let key = match quote {
                Quote::Nothing => "a key".to_owned(),
                _ => format!("`{}`", duplicate.key),
            };
            let place = |range: &Range<usize>, label: &str| {
                Place::span(self.span(object, range, quote)).label(label)
            };
            let finding = Finding::new(
                "duplicate-key",
                Severity::Medium,
                format!("{key} is there twice in one mapping"),
            )
            .at(place(&duplicate.kept, "this one counts"))
            .at(place(&duplicate.lost, "this one is lost"))
            .help(match syntax {
                Syntax::Yaml => "delete one of them; kubectl takes the last without a word",
                Syntax::Json => "delete one of them; the API server takes the last without a word",
            });
            self.say(finding);
        }
    }

    pub(super) fn say_ignored(&mut self, at: usize) {
        let message = "kubectl does not read on from here to the next `---`";
        let finding = Finding::new("text-ignored", Severity::Medium, message)
            .at(Place::span(self.span(&(0..0), &(at..at), Quote::Nothing)))
            .help("separate documents with `---`");
        self.say(finding);
    }

    pub(super) fn list_without_kind(&mut self, range: Range<usize>) {
        let problem = Problem::new(
            "list-without-kind",
            "it has `items` but no `kind`, and kubectl refuses it",
            "write `kind: List` and `apiVersion: v1` at its top",
            range.start..range.start,
        );
        self.say_broken(&problem, 0, range);
    }

    pub(super) fn list_of_no_items(&mut self, range: Range<usize>) {
        let problem = Problem::new(
            "list-of-no-items",
            "its `items` is no list, and kubectl refuses it",
            "make `items` a list of objects",
            range.start..range.start,
        );
        self.say_broken(&problem, 0, range);
    }

    fn span(&self, object: &Range<usize>, range: &Range<usize>, quote: Quote) -> Span {
        let start = self.position(range.start);
        Span {
            file: self.name.clone(),
            start,
            end: self.position(range.end),
            excerpt: excerpt(self.text, object, range, start.line, quote),
        }
    }

    fn position(&self, offset: usize) -> Position {
        let lines = self.lines.get_or_init(|| Lines::of(self.text));
        lines.position(self.text, offset)
    }

    fn say(&mut self, finding: Finding) {
        if self.read.findings.len() < MAX_FINDINGS {
            self.read.findings.push(finding);
        } else {
            self.unspoken += 1;
        }
    }
}
