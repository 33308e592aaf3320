use std::collections::HashMap;
use std::ops::Range;

use super::{EACH, Found, steps};
use crate::read::Duplicate;

/// Keys that a mapping of the JSON value at `range` has more than once. The text is known to be JSON.
pub(crate) fn json_duplicates(text: &[u8], range: Range<usize>) -> Vec<Duplicate> {
    let mut scanner = Scanner::new(text, &range);
    let mut found = Vec::new();
    scanner.duplicates(&mut found);
    found.sort_by_key(|duplicate| duplicate.kept.start);
    found
}

/// Where `pointer` leads in the JSON value at `range`; `None` where the text is no JSON.
pub(crate) fn find_in_json(text: &[u8], range: Range<usize>, pointer: &str) -> Option<Found> {
    Scanner::new(text, &range).find(&steps(pointer), None)
}

/// The elements of the list to which `pointer` leads in a JSON text, in one walk. None where it is no list there.
pub(crate) fn elements_in_json(text: &[u8], pointer: &str) -> Vec<Found> {
    let mut scanner = Scanner::new(text, &(0..text.len()));
    let walked = scanner.find(&steps(&format!("{pointer}/{EACH}")), None);
    walked.map(|_| scanner.elements).unwrap_or_default()
}

/// Walks JSON by its brackets, keys and commas.
struct Scanner<'t> {
    text: &'t [u8],
    at: usize,
    /// What stands where a path ends with [`EACH`].
    elements: Vec<Found>,
}

impl<'t> Scanner<'t> {
    fn new(text: &'t [u8], range: &Range<usize>) -> Self {
        Self {
            text: text.get(..range.end).unwrap_or(text),
            at: range.start,
            elements: Vec::new(),
        }
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.get(self.at)? {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }

    /// A text with its quotes.
    fn string(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        if self.peek()? != b'"' {
            return None;
        }
        let start = start.max(self.at);
        self.at += 1;
        loop {
            match self.text.get(self.at)? {
                b'\\' => self.at += 2,
                b'"' => {
                    self.at += 1;
                    return Some(start..self.at);
                }
                _ => self.at += 1,
            }
        }
    }

    /// A key with its colon behind it, and its text.
    fn key(&mut self) -> Option<(Range<usize>, String)> {
        let range = self.string()?;
        let text = serde_json::from_slice(self.text.get(range.clone())?).ok()?;
        if self.peek()? != b':' {
            return None;
        }
        self.at += 1;
        Some((range, text))
    }

    /// Steps over one value.
    fn skip(&mut self) -> Option<Range<usize>> {
        self.peek()?;
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                    continue;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' => {
                    self.at += 1;
                    continue;
                }
                _ => self.word(),
            }
            if depth == 0 {
                return Some(start..self.at);
            }
        }
    }

    /// A number or a word.
    fn word(&mut self) {
        while let Some(byte) = self.text.get(self.at) {
            if matches!(
                byte,
                b',' | b']' | b'}' | b':' | b' ' | b'\t' | b'\r' | b'\n'
            ) {
                return;
            }
            self.at += 1;
        }
    }

    /// Steps over a comma; `false` at the closing bracket, which is consumed.
    fn more(&mut self, close: u8) -> Option<bool> {
        match self.peek()? {
            b',' => {
                self.at += 1;
                Some(true)
            }
            byte if byte == close => {
                self.at += 1;
                Some(false)
            }
            _ => None,
        }
    }

    /// Steps into a list or a mapping; `false` where it is empty, which is consumed.
    fn enter(&mut self, close: u8) -> Option<bool> {
        self.at += 1;
        if self.peek()? == close {
            self.at += 1;
            return Some(false);
        }
        Some(true)
    }

    fn duplicates(&mut self, found: &mut Vec<Duplicate>) -> Option<()> {
        match self.peek()? {
            b'{' => {
                let mut keys: HashMap<String, Range<usize>> = HashMap::new();
                let mut more = self.enter(b'}')?;
                while more {
                    let (kept, key) = self.key()?;
                    if let Some(lost) = keys.insert(key.clone(), kept.clone()) {
                        found.push(Duplicate { key, lost, kept });
                    }
                    self.duplicates(found)?;
                    more = self.more(b'}')?;
                }
            }
            b'[' => {
                let mut more = self.enter(b']')?;
                while more {
                    self.duplicates(found)?;
                    more = self.more(b']')?;
                }
            }
            _ => {
                self.skip()?;
            }
        }
        Some(())
    }

    fn find(&mut self, steps: &[String], key: Option<Range<usize>>) -> Option<Found> {
        let open = self.peek()?;
        let start = self.at;
        let mut inner = None;
        match (open, steps.split_first()) {
            (b'{', Some((step, rest))) => {
                let mut more = self.enter(b'}')?;
                while more {
                    let (range, key) = self.key()?;
                    if key == *step {
                        inner = Some(self.find(rest, Some(range))?);
                    } else {
                        self.skip()?;
                    }
                    more = self.more(b'}')?;
                }
            }
            (b'[', Some((step, rest))) => {
                let wanted = step.parse::<usize>().ok();
                let mut position = 0;
                let mut more = self.enter(b']')?;
                while more {
                    if Some(position) == wanted {
                        inner = Some(self.find(rest, None)?);
                    } else if steps == [EACH] {
                        let element = self.find(&[], None)?;
                        self.elements.push(element);
                    } else {
                        self.skip()?;
                    }
                    position += 1;
                    more = self.more(b']')?;
                }
            }
            _ => {
                self.skip()?;
            }
        }
        Some(inner.unwrap_or(Found {
            key,
            value: start..self.at,
            is_collection: matches!(open, b'{' | b'['),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"  {"kind": "Role", "rules": [{"verbs": ["get", "a\"]"], "x": {}}, {"verbs": []}], "n": -1.5e3, "kind":"B"}"#;

    #[test]
    fn pointers_lead_to_their_text() {
        let check = |pointer: &str, expected: &str| {
            let found = find_in_json(TEXT.as_bytes(), 0..TEXT.len(), pointer).unwrap();
            assert_eq!(
                &TEXT[found.underline(TEXT.as_bytes())],
                expected,
                "{pointer}"
            );
        };
        check("", TEXT.trim_start());
        check("/kind", "\"B\"");
        check("/rules", "\"rules\"");
        check("/rules/0/verbs/0", "\"get\"");
        check("/rules/0/verbs/1", r#""a\"]""#);
        check("/rules/0/x", "\"x\"");
        check("/rules/1/verbs", "\"verbs\"");
        check("/rules/1", r#"{"verbs": []}"#);
        check("/n", "-1.5e3");
        // What is not there: the nearest thing above it.
        check("/rules/1/resources", r#"{"verbs": []}"#);
        check("/rules/7/verbs", "\"rules\"");
        check("/metadata/name", TEXT.trim_start());
    }

    #[test]
    fn repeated_keys_are_found_at_any_depth() {
        let text = r#"{"a":1,"b":[{"c":1,"c":{"d":0}},2],"\u0061":2,"a":3}"#;
        let found: Vec<(String, &str, usize)> = json_duplicates(text.as_bytes(), 0..text.len())
            .into_iter()
            .map(|d| (d.key, &text[d.kept], d.lost.start))
            .collect();
        assert_eq!(
            found,
            [
                ("c".to_owned(), "\"c\"", 13),
                ("a".to_owned(), "\"\\u0061\"", 1),
                ("a".to_owned(), "\"a\"", 35),
            ]
        );
    }
}
