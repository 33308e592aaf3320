//! What our YAML parser lets pass and kubectl's (go-yaml v2, a YAML 1.1 scanner) refuses or reads as something else.
//! All of it is refused here too: a document must not mean one thing to us and another to the cluster.

use std::ops::Range;

use granit_parser::{Event, ScalarStyle, Span, StructureStyle};

use super::problem::Problem;
use super::yaml::MEND;

/// Control characters, which go-yaml refuses, and the three characters that it takes for line ends and YAML 1.2 does
/// not: text behind one of them could mean one thing here and another to kubectl.
pub(super) fn characters(text: &str) -> Result<(), Problem> {
    // Nearly every document.
    let plain = |byte: u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
    if text.bytes().all(plain) {
        return Ok(());
    }
    let found = text.char_indices().find_map(|(at, character)| {
        let message = match character {
            '\t' | '\n' | '\r' | ' '..='~' => return None,
            '\u{85}' | '\u{2028}' | '\u{2029}' => {
                "kubectl takes this invisible character for a line end, others do not"
            }
            '\0'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => {
                "control characters are not allowed in YAML"
            }
            '\u{feff}' => "a byte order mark stands inside the document",
            _ => return None,
        };
        Some((message, at..at + character.len_utf8()))
    });
    match found {
        None => Ok(()),
        Some((message, at)) => Err(Problem::new(
            "broken-yaml",
            message,
            "delete the character, or write it as an escape in a text in double quotes",
            at,
        )),
    }
}

/// Looks at every event of a document.
pub(super) struct Refusals<'t> {
    text: &'t str,
    /// The open lists and mappings.
    open: Vec<Open>,
    /// Where the last scalar or bracket ended.
    last: usize,
    /// Whether that was a plain scalar.
    after_plain: bool,
    /// Indentation of the list or mapping around it.
    plain_indent: usize,
}

/// An open list or mapping.
#[derive(Clone, Copy)]
enum Open {
    /// In brackets.
    Flow,
    /// In lines that start at this column, counted from 0.
    Block(usize),
}

impl<'t> Refusals<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            open: Vec::new(),
            last: 0,
            after_plain: false,
            plain_indent: 0,
        }
    }

    pub(super) fn check(
        &mut self,
        event: &Event<'_>,
        at: &Range<usize>,
        span: &Span,
    ) -> Result<(), Problem> {
        let in_flow = matches!(self.open.last(), Some(Open::Flow));
        self.tag(span)?;
        match event {
            Event::Scalar(_, style, ..) => {
                self.gap(at, in_flow)?;
                self.scalar(*style, at, in_flow)?;
                if *style == ScalarStyle::Plain {
                    self.plain_lines(at)?;
                }
                self.key_line(at, in_flow)?;
                self.ended(at, *style == ScalarStyle::Plain);
            }
            Event::Alias(_) => {
                self.gap(at, in_flow)?;
                self.name(at)?;
                self.key_line(at, in_flow)?;
                self.ended(at, false);
            }
            Event::Anchor(..) => self.name(at)?,
            Event::SequenceStart(style, ..) | Event::MappingStart(style, ..) => {
                self.gap(at, in_flow)?;
                let is_flow = in_flow || *style == StructureStyle::Flow;
                self.open.push(if is_flow {
                    Open::Flow
                } else {
                    Open::Block(span.start.col())
                });
                if is_flow {
                    self.ended(at, false);
                }
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
                self.ended(at, false);
            }
            _ => {}
        }
        Ok(())
    }

    fn ended(&mut self, at: &Range<usize>, plain: bool) {
        if !at.is_empty() {
            self.last = at.end;
            self.after_plain = plain;
            self.plain_indent = self.indent();
        }
    }

    /// What stands between the last value and the one at `at`.
    fn gap(&self, at: &Range<usize>, in_flow: bool) -> Result<(), Problem> {
        if in_flow {
            return Ok(());
        }
        if self.open.is_empty() {
            self.head(at.start)?;
        }
        self.tabs(at.start)
    }

    /// Indentation of the innermost list or mapping without brackets.
    fn indent(&self) -> usize {
        let blocks = self.open.iter().rev().map(|open| match open {
            Open::Flow => None,
            Open::Block(column) => Some(*column),
        });
        blocks.flatten().next().unwrap_or(0)
    }

    /// In a text of several lines without quotes a tab may stand behind the indentation only.
    fn plain_lines(&self, at: &Range<usize>) -> Result<(), Problem> {
        let text = self.text.get(at.clone()).unwrap_or_default();
        let mut start = at.start;
        for (position, line) in text.split_inclusive('\n').enumerate() {
            let blank = line.len() - line.trim_start_matches([' ', '\t']).len();
            let tab = line.get(..blank).and_then(|blank| blank.find('\t'));
            if let Some(tab) = tab.filter(|tab| position > 0 && *tab <= self.indent()) {
                return refused_tab(start + tab);
            }
            start += line.len();
        }
        Ok(())
    }

    /// Where a key or an entry may start, only spaces may stand in front of it: no tab in front of or behind the
    /// indicators of a line. Behind a plain scalar a line of blanks still belongs to it, and may hold tabs further in.
    fn tabs(&self, end: usize) -> Result<(), Problem> {
        let line_start = self
            .text
            .get(..self.last)
            .and_then(|before| before.rfind('\n'))
            .map_or(0, |newline| newline + 1);
        let first = self.text.get(line_start..self.last).unwrap_or_default();
        let behind = self.text.get(self.last..).unwrap_or_default();
        let is_key = behind.trim_start_matches([' ', '\t']).starts_with(':');
        let after_plain = self.after_plain && !is_key;
        let is_lead = |c: char| matches!(c, ' ' | '\t' | '-' | '?' | ':');
        // The line of the last value counts only as long as nothing but indicators stood on it.
        let mut start = if first.chars().all(is_lead) {
            line_start
        } else {
            self.last
        };
        let mut is_line_start = start == line_start;
        for line in self
            .text
            .get(start..end)
            .unwrap_or_default()
            .split_inclusive('\n')
        {
            let lead = line.get(..line.len() - line.trim_start_matches(is_lead).len());
            let lead = lead.filter(|_| is_line_start).unwrap_or_default();
            if let Some(tab) = lead.find('\t') {
                let blank = lead.trim_start_matches([' ', '\t']).is_empty();
                if !(blank && after_plain && tab > self.plain_indent) {
                    return refused_tab(start + tab);
                }
            }
            start += line.len();
            is_line_start = true;
        }
        Ok(())
    }

    /// What stands behind the last value, up to `...` or the end.
    pub(super) fn tail(&self) -> Result<(), Problem> {
        self.tabs(self.text.len())
    }

    /// Nothing but comments may stand in front of the first value.
    fn head(&self, end: usize) -> Result<(), Problem> {
        let head = self.text.get(..end).unwrap_or_default();
        match head.find("...") {
            Some(at) if at == 0 || head.as_bytes().get(at - 1) == Some(&b'\n') => {
                refused("a document ends here before it began", at..at + 3)
            }
            _ => Ok(()),
        }
    }

    /// A document without a value may hold comments only, with spaces in front.
    pub(super) fn nothing(&self) -> Result<(), Problem> {
        let mut at = 0;
        for line in self.text.split_inclusive('\n') {
            let behind = line.trim_start_matches(' ');
            if behind.starts_with('\t') {
                let tab = at + line.len() - behind.len();
                return refused_tab(tab);
            }
            if !behind.trim().is_empty() && !behind.starts_with('#') {
                return refused("a value is missing here", at..at + line.trim_end().len());
            }
            at += line.len();
        }
        Ok(())
    }

    /// go-yaml takes a comma or a bracket right behind a tag for a part of it, and refuses `#` in it and behind it.
    fn tag(&self, span: &Span) -> Result<(), Problem> {
        let tag = span.tag_span();
        let Some((tag, end)) = tag.and_then(|tag| Some((tag, tag.end.byte_offset()?))) else {
            return Ok(());
        };
        let text = tag
            .start
            .byte_offset()
            .and_then(|start| self.text.get(start..end));
        if text.is_some_and(|text| text.contains('#')) {
            return refused("`#` has no place in a tag", end - 1..end);
        }
        match self.text.as_bytes().get(end) {
            None | Some(b' ' | b'\t' | b'\r' | b'\n') => Ok(()),
            Some(_) => refused("a space is missing behind the tag", end..end + 1),
        }
    }

    /// The names of anchors and aliases are letters, digits, `_` and `-`.
    fn name(&self, at: &Range<usize>) -> Result<(), Problem> {
        let name = self.text.get(at.start + 1..at.end).unwrap_or_default();
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if name.bytes().all(known) {
            return Ok(());
        }
        refused(
            "the name of an anchor may hold letters, digits, `_` and `-` only",
            at.clone(),
        )
    }

    fn scalar(&self, style: ScalarStyle, at: &Range<usize>, in_flow: bool) -> Result<(), Problem> {
        let text = self.text.get(at.clone()).unwrap_or_default();
        match style {
            ScalarStyle::Plain if in_flow && (text.contains('?') || text.starts_with(':')) => {
                refused(
                    "in brackets a text with a question mark, or with a colon in front, needs quotes",
                    at.clone(),
                )
            }
            ScalarStyle::Plain if in_flow && self.ends_in_colon(at.end) => refused(
                "in brackets a space is missing behind the colon",
                at.clone(),
            ),
            ScalarStyle::DoubleQuoted => match foreign_escape(text) {
                Some((offset, length)) => refused(
                    "kubectl does not know this escape",
                    at.start + offset..at.start + offset + length,
                ),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Whether a colon follows that go-yaml takes for a part of the text in front of it.
    fn ends_in_colon(&self, end: usize) -> bool {
        let behind = self.text.get(end..).unwrap_or_default().trim_ascii_start();
        let mut bytes = behind.bytes();
        bytes.next() == Some(b':') && matches!(bytes.next(), Some(b',' | b'[' | b']' | b'{' | b'}'))
    }

    /// In brackets too a key and its colon stand on one line.
    fn key_line(&self, at: &Range<usize>, in_flow: bool) -> Result<(), Problem> {
        if !in_flow {
            return Ok(());
        }
        let mut behind = self.text.get(at.end..).unwrap_or_default();
        loop {
            behind = behind.trim_ascii_start();
            if !behind.starts_with('#') {
                break;
            }
            behind = behind
                .find('\n')
                .and_then(|end| behind.get(end..))
                .unwrap_or_default();
        }
        let colon = self.text.len() - behind.len();
        let text = self.text.get(at.start..colon).unwrap_or_default();
        if behind.starts_with(':') && text.contains('\n') {
            return refused("a key and its colon have to stand on one line", at.clone());
        }
        Ok(())
    }
}

fn refused_tab(at: usize) -> Result<(), Problem> {
    refused("a tab stands where kubectl takes spaces only", at..at + 1)
}

fn refused(message: &'static str, at: Range<usize>) -> Result<(), Problem> {
    Err(Problem::new("broken-yaml", message, MEND, at))
}

/// Offset and length of the first escape that go-yaml does not know: `\/` and surrogates.
fn foreign_escape(text: &str) -> Option<(usize, usize)> {
    let mut at = 0;
    let bytes = text.as_bytes();
    while let Some(offset) = text.get(at..)?.find('\\') {
        let start = at + offset;
        let digits = match bytes.get(start + 1)? {
            b'/' => return Some((start, 2)),
            b'u' => 4,
            b'U' => 8,
            _ => 0,
        };
        let code = text.get(start + 2..start + 2 + digits).unwrap_or_default();
        if let Ok(0xD800..=0xDFFF) = u32::from_str_radix(code, 16) {
            return Some((start, 2 + digits));
        }
        // The escaped character may be of several bytes.
        at = start
            + 1
            + text
                .get(start + 1..)?
                .chars()
                .next()
                .map_or(1, char::len_utf8);
    }
    None
}
