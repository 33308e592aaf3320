use std::ops::Range;

use super::{Items, JsonError, Piece, Problem, Root, Splitter, read_json, read_yaml};
use crate::limits::MAX_DOCUMENTS;

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    Yaml,
    Json,
}

/// Takes what a stream of documents holds.
pub(crate) trait Documents: Items {
    /// Whether the YAML document with this text is to be read at all.
    fn wants(&mut self, _document: &[u8]) -> bool {
        true
    }

    /// A document begins; the ranges of its items are counted from byte `base` of the text.
    fn begin_document(&mut self, base: usize);

    /// The document that began last, which starts at byte `start`.
    fn document(&mut self, root: Root, start: usize, syntax: Syntax);

    /// The document that began last cannot be read; the problem's place is counted from byte `base`.
    fn broken(&mut self, problem: &Problem, base: usize, document: Range<usize>);
}

/// Reads the documents of `text` from byte `start` on. Gives their number.
pub(crate) fn read_documents(text: &[u8], start: usize, taker: &mut dyn Documents) -> usize {
    let mut stream = Stream {
        text,
        taker,
        documents: 0,
    };
    stream.read_all(start);
    stream.documents
}

struct Stream<'a> {
    text: &'a [u8],
    taker: &'a mut dyn Documents,
    documents: usize,
}

impl Stream<'_> {
    /// JSON as long as it lasts, then YAML, as apimachinery's `YAMLOrJSONDecoder` does it.
    fn read_all(&mut self, start: usize) {
        let head = self.text.get(start..).unwrap_or_default();
        let head = head.get(..4096).unwrap_or(head);
        if head.trim_ascii_start().starts_with(b"{") {
            self.read_json_stream(start);
        } else {
            self.read_yaml_stream(start, None);
        }
    }

    fn read_json_stream(&mut self, start: usize) {
        let mut at = start;
        let mut values = 0_usize;
        loop {
            let rest = self.text.get(at..).unwrap_or_default();
            let space = rest.len() - rest.trim_ascii_start().len();
            let value = at + space;
            if space == rest.len() || !self.another_document(value) {
                return;
            }
            if values > 0 && self.text.get(value).is_some_and(u8::is_ascii_digit) {
                at = self.refuse_number(value);
                values += 1;
                continue;
            }
            self.taker.begin_document(0);
            match read_json(self.text, value, self.taker) {
                Ok(root) => {
                    at = root.range.end;
                    self.taker.document(root, value, Syntax::Json);
                }
                Err(JsonError::Refused(problem, end)) => {
                    self.taker.broken(&problem, 0, value..end);
                    at = end;
                }
                // Up to here the stream could as well be YAML: kubectl tries that.
                Err(JsonError::Syntax(problem)) if values <= 1 => {
                    match self.yaml_start(at) {
                        Some(resume) => self.read_yaml_stream(resume, Some(problem)),
                        None => self.taker.broken(&problem, 0, at..self.text.len()),
                    }
                    return;
                }
                Err(JsonError::Syntax(problem)) => {
                    let end = self.next_json_start(value);
                    self.taker.broken(&problem, 0, value..end);
                    at = end;
                }
            }
            values += 1;
        }
    }

    /// A number between documents is no object. Go reads `010` as two numbers, so it is stepped over as a whole.
    fn refuse_number(&mut self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|byte| byte.is_ascii_whitespace() || *byte == b'{')
            .unwrap_or(rest.len());
        let range = at..at + length;
        let problem = Problem::new(
            "broken-json",
            "a number stands between the documents",
            "delete it",
            range.clone(),
        );
        self.taker.broken(&problem, 0, range.clone());
        range.end
    }

    /// Where YAML starts in what is no JSON: behind the white space up to the end of the line. As in upstream's
    /// `consumeWhitespace` a rest of fewer than four bytes is none.
    fn yaml_start(&self, mut at: usize) -> Option<usize> {
        loop {
            let rest = self.text.get(at..).filter(|rest| rest.len() > 4)?;
            match rest.first()? {
                b'\n' => return Some(at + 1),
                byte if byte.is_ascii_whitespace() => at += 1,
                _ => return Some(at),
            }
        }
    }

    /// Where the next JSON value may start: at the next line that opens with a brace.
    fn next_json_start(&self, at: usize) -> usize {
        let rest = self.text.get(at + 1..).unwrap_or_default();
        rest.windows(2)
            .position(|pair| pair == b"\n{")
            .map_or(self.text.len(), |newline| at + 1 + newline + 1)
    }

    /// Reads YAML documents from byte `start` on. `json` is why the first of them is no JSON, though it looks like it.
    fn read_yaml_stream(&mut self, start: usize, mut json: Option<Problem>) {
        for piece in Splitter::new(self.text, start) {
            let (Piece::Yaml(range) | Piece::BadSeparator(range, _)) = &piece;
            if !self.another_document(range.start) {
                return;
            }
            let json = json.take();
            match piece {
                Piece::Yaml(range) => self.read_yaml_document(range, json),
                Piece::BadSeparator(range, separator) => {
                    let problem = Problem::new(
                        "broken-yaml",
                        "behind `---` only a comment may stand; kubectl refuses this line",
                        "move what stands there to the next line",
                        separator.clone(),
                    );
                    self.taker.broken(&problem, 0, separator.start..range.end);
                }
            }
        }
    }

    fn read_yaml_document(&mut self, range: Range<usize>, json: Option<Problem>) {
        let bytes = self.text.get(range.clone()).unwrap_or_default();
        if !self.taker.wants(bytes) {
            return;
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
            Err(error) => {
                let at = error.valid_up_to();
                let problem = Problem::new(
                    "invalid-utf8",
                    "this byte is no UTF-8",
                    "save the file as UTF-8",
                    at..at + error.error_len().unwrap_or(1),
                );
                self.taker.broken(&problem, range.start, range);
                return;
            }
        };
        let base = range.end - text.len();
        self.taker.begin_document(base);
        match read_yaml(text, self.taker) {
            Ok(mut root) => {
                root.range = base + root.range.start..base + root.range.end;
                root.ignored = root.ignored.map(|at| base + at);
                for duplicate in &mut root.duplicates {
                    for range in [&mut duplicate.lost, &mut duplicate.kept] {
                        *range = base + range.start..base + range.end;
                    }
                }
                self.taker.document(root, range.start, Syntax::Yaml);
            }
            Err(problem) => {
                match json {
                    // It opens like JSON: say what is wrong with it as JSON.
                    Some(json) if range.contains(&json.at.start) => {
                        self.taker.broken(&json, 0, range);
                    }
                    _ => self.taker.broken(&problem, base, range),
                }
            }
        }
    }

    fn another_document(&mut self, at: usize) -> bool {
        self.documents += 1;
        if self.documents <= MAX_DOCUMENTS {
            return true;
        }
        let problem = Problem::new(
            "too-many-documents",
            format!("the file holds more than {MAX_DOCUMENTS} documents; the rest is not read"),
            "split the file",
            at..at,
        );
        self.taker.broken(&problem, 0, at..self.text.len());
        false
    }
}
