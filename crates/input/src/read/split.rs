use std::ops::Range;

/// A stretch of a stream of documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A YAML document.
    Yaml(Range<usize>),
    /// A document whose separator line, the second range, holds more than `---` and a comment. kubectl refuses it.
    BadSeparator(Range<usize>, Range<usize>),
}

/// Cuts YAML text into documents at lines that start with `---`, as `YAMLReader` of apimachinery does: whatever the
/// YAML around it says, a line that starts so is a separator.
#[derive(Clone, Debug)]
pub(crate) struct Splitter<'t> {
    text: &'t [u8],
    at: usize,
    /// The separator line in front of the next document, where it is a bad one.
    bad: Option<Range<usize>>,
}

impl<'t> Splitter<'t> {
    /// Starts at byte `at` of `text`.
    pub(crate) fn new(text: &'t [u8], at: usize) -> Self {
        Self {
            text,
            at,
            bad: None,
        }
    }
}

impl Iterator for Splitter<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let start = self.at;
        let bad = self.bad.take();
        if start >= self.text.len() && bad.is_none() {
            return None;
        }
        let mut line_start = start;
        let document = loop {
            let rest = self.text.get(line_start..).unwrap_or_default();
            if rest.is_empty() {
                self.at = line_start;
                break start..line_start;
            }
            let length = rest
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(rest.len(), |newline| newline + 1);
            let line = rest.get(..length).unwrap_or(rest);
            if let Some(behind) = line.strip_prefix(b"---") {
                self.at = line_start + length;
                let text = String::from_utf8_lossy(behind);
                let behind = text.trim();
                self.bad =
                    (!behind.is_empty() && !behind.starts_with('#')).then_some(line_start..self.at);
                break start..line_start;
            }
            line_start += length;
        };
        Some(match bad {
            Some(separator) => Piece::BadSeparator(document, separator),
            None => Piece::Yaml(document),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_end_at_separator_lines() {
        let check = |text: &str, expected: &[&str]| {
            let pieces: Vec<String> = Splitter::new(text.as_bytes(), 0)
                .map(|piece| match piece {
                    Piece::Yaml(range) => text[range].to_owned(),
                    Piece::BadSeparator(range, line) => {
                        format!("BAD {:?} {}", &text[line], &text[range])
                    }
                })
                .collect();
            assert_eq!(pieces, expected, "{text:?}");
        };
        check("", &[]);
        check("a: 1\n", &["a: 1\n"]);
        check("a: 1\n---\nb: 2\n", &["a: 1\n", "b: 2\n"]);
        check("---\na: 1\n---\n", &["", "a: 1\n"]);
        check("---\n---\n", &["", ""]);
        check("a: 1\r\n---\r\nb: 2\r\n", &["a: 1\r\n", "b: 2\r\n"]);
        check("a: 1\n--- # next\nb: 2\n", &["a: 1\n", "b: 2\n"]);
        check("a: 1\n ---\nb: 2\n", &["a: 1\n ---\nb: 2\n"]);
        check("a: |\n  x\n---\n  y\n", &["a: |\n  x\n", "  y\n"]);
        check(
            "a: 1\n--- {b: 2}\nc: 3\n---\nd: 4\n",
            &["a: 1\n", "BAD \"--- {b: 2}\\n\" c: 3\n", "d: 4\n"],
        );
        check("---x\n", &["", "BAD \"---x\\n\" "]);
        check("a: 1\n----\n", &["a: 1\n", "BAD \"----\\n\" "]);
        check("a: 1\n...\nb: 2\n", &["a: 1\n...\nb: 2\n"]);
    }

    #[test]
    fn no_byte_is_lost_between_documents_and_separators() {
        let text = "# top\n---\na: 1\n--- |\n x\n---\n\n--- #\nz";
        let mut seen = 0;
        for piece in Splitter::new(text.as_bytes(), 0) {
            let (Piece::Yaml(range) | Piece::BadSeparator(range, _)) = piece;
            assert!(
                text[seen..range.start].is_empty() || text[seen..range.start].starts_with("---")
            );
            seen = range.end;
        }
        assert_eq!(seen, text.len());
    }
}
