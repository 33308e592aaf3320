use std::ops::Range;

use bailiwick_diag::{Finding, Place, Position, Severity, Span};
use bailiwick_model::Value;

use crate::limits::MAX_UNTYPED_BYTES;
use crate::read::{Documents, Items, Lines, Problem, Root, Syntax, read_documents, to_utf8};
use crate::walk::find_in_yaml;

/// A document of a file that holds no cluster objects, such as a list of access reviews.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// What it says.
    pub value: Value,
    /// Its place among the YAML documents of the file, empty ones included, from 0; `None` for JSON.
    pub piece: Option<usize>,
    /// Where it starts.
    pub start: Position,
    /// Where it ends, exclusive.
    pub end: Position,
}

/// The documents of a file, YAML or JSON, one or many, read as kubectl reads them. Empty ones are left out. `name` is
/// for the findings about documents that cannot be read, which lose nothing of the others.
pub fn documents(name: &str, bytes: Vec<u8>) -> (Vec<Document>, Vec<Finding>) {
    documents_wanted(name, bytes, &mut |_| true)
}

/// The same for whoever knows some of them already: of YAML, `wanted` is asked about the text of each document, and
/// those that are not are passed over unread. Not asked about JSON.
pub fn documents_wanted(
    name: &str,
    bytes: Vec<u8>,
    wanted: &mut dyn FnMut(&[u8]) -> bool,
) -> (Vec<Document>, Vec<Finding>) {
    let (text, start) = to_utf8(bytes);
    let mut taker = Taker {
        name,
        text: &text,
        lines: Lines::of(&text),
        items: None,
        bytes: 0,
        documents: Vec::new(),
        findings: Vec::new(),
        wanted,
        piece: 0,
    };
    read_documents(&text, start, &mut taker);
    (taker.documents, taker.findings)
}

/// Where in a file of one document a JSON pointer leads, or the nearest thing above it that is there.
pub fn position(bytes: &[u8], pointer: &str) -> Option<Position> {
    let (text, _) = to_utf8(bytes.to_vec());
    let found = find_in_yaml(std::str::from_utf8(&text).ok()?, 0, pointer)?;
    Some(Lines::of(&text).position(&text, found.underline(&text).start))
}

struct Taker<'a> {
    name: &'a str,
    text: &'a [u8],
    lines: Lines,
    items: Option<Vec<Value>>,
    /// Bytes of all items so far.
    bytes: usize,
    documents: Vec<Document>,
    findings: Vec<Finding>,
    wanted: &'a mut dyn FnMut(&[u8]) -> bool,
    /// How often `wanted` was asked.
    piece: usize,
}

impl Items for Taker<'_> {
    fn begin(&mut self) {
        self.items = Some(Vec::new());
    }

    fn item(&mut self, value: Value, range: Range<usize>) -> bool {
        self.bytes += range.len();
        self.items.get_or_insert_default().push(value);
        self.bytes <= MAX_UNTYPED_BYTES
    }
}

impl Taker<'_> {
    fn span(&self, range: &Range<usize>) -> Span {
        Span {
            file: self.name.into(),
            start: self.lines.position(self.text, range.start),
            end: self.lines.position(self.text, range.end),
            excerpt: None,
        }
    }
}

impl Documents for Taker<'_> {
    fn wants(&mut self, document: &[u8]) -> bool {
        self.piece += 1;
        (self.wanted)(document)
    }

    fn begin_document(&mut self, _: usize) {
        self.items = None;
    }

    fn document(&mut self, root: Root, _: usize, _: Syntax) {
        let mut value = root.value;
        if let (Some(items), Value::Object(map)) = (self.items.take(), &mut value)
            && map.get("items").is_none()
        {
            map.insert("items".into(), Value::Array(items));
        }
        for duplicate in &root.duplicates {
            let finding = Finding::new(
                "duplicate-key",
                Severity::Medium,
                "a key is there twice in one mapping",
            )
            .at(Place::span(self.span(&duplicate.kept)).label("this one counts"))
            .at(Place::span(self.span(&duplicate.lost)).label("this one is lost"))
            .help("delete one of them");
            self.findings.push(finding);
        }
        if value != Value::Null {
            self.documents.push(Document {
                value,
                piece: self.piece.checked_sub(1),
                start: self.lines.position(self.text, root.range.start),
                end: self.lines.position(self.text, root.range.end),
            });
        }
    }

    fn broken(&mut self, problem: &Problem, base: usize, _: Range<usize>) {
        let at = base + problem.at.start..base + problem.at.end;
        let finding = Finding::new(problem.id, Severity::High, problem.message.clone())
            .at(Place::span(self.span(&at)))
            .help(problem.help)
            .losing_input();
        self.findings.push(finding);
    }
}
