use bailiwick_diag::Position;

const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";

/// The text of a file in UTF-8 as kubectl reads it, and where it starts.
///
/// A byte order mark decides, as in cli-runtime's `FileVisitor`: UTF-16 is recoded, the mark of UTF-8 is skipped.
/// Invalid UTF-8 stays as it is and costs the document that it stands in. The last line gets a line end, as from
/// apimachinery's `LineReader`.
pub(crate) fn to_utf8(mut bytes: Vec<u8>) -> (Vec<u8>, usize) {
    let recoded = match bytes.as_slice() {
        [0xFE, 0xFF, rest @ ..] => Some(recode(rest, u16::from_be_bytes)),
        [0xFF, 0xFE, rest @ ..] => Some(recode(rest, u16::from_le_bytes)),
        _ => None,
    };
    if let Some(recoded) = recoded {
        bytes = recoded;
    }
    if !bytes.is_empty() && bytes.last() != Some(&b'\n') {
        bytes.push(b'\n');
    }
    let start = if bytes.starts_with(UTF8_BOM) {
        UTF8_BOM.len()
    } else {
        0
    };
    (bytes, start)
}

fn recode(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Vec<u8> {
    let (pairs, _) = bytes.as_chunks::<2>();
    char::decode_utf16(pairs.iter().copied().map(unit))
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect::<String>()
        .into_bytes()
}

/// Distance between the remembered positions, in bytes.
pub(crate) const BLOCK: usize = 16 << 10;

/// Lines and columns of a text, to be asked for any byte without counting from the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Vec<Cursor>);

/// A place in a text: line ends before it, and characters since the last of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    line: u32,
    column: u32,
}

impl Cursor {
    /// The place behind `bytes`.
    pub(crate) fn advance(mut self, bytes: &[u8]) -> Self {
        // The byte order mark takes no column.
        let mark = self == Self::default() && bytes.starts_with(UTF8_BOM);
        for byte in bytes.iter().skip(if mark { UTF8_BOM.len() } else { 0 }) {
            match byte {
                b'\n' => {
                    self.line = self.line.saturating_add(1);
                    self.column = 0;
                }
                // The following bytes of a character.
                0x80..=0xBF => {}
                _ => self.column = self.column.saturating_add(1),
            }
        }
        self
    }

    /// As a position, with the offset that it was counted up to.
    pub(crate) fn position(self, offset: u64) -> Position {
        Position {
            offset,
            line: self.line.saturating_add(1),
            column: self.column.saturating_add(1),
        }
    }

    /// The place that is `position`.
    pub(crate) fn at(position: Position) -> Self {
        Self {
            line: position.line.saturating_sub(1),
            column: position.column.saturating_sub(1),
        }
    }
}

impl Lines {
    /// Takes in the next block of the text; all but the last have [`BLOCK`] bytes.
    pub(crate) fn push(&mut self, block: &[u8]) {
        let last = match self.0.last() {
            Some(last) => *last,
            None => {
                self.0.push(Cursor::default());
                Cursor::default()
            }
        };
        self.0.push(last.advance(block));
    }

    /// Of a text that is at hand.
    pub(crate) fn of(text: &[u8]) -> Self {
        let mut lines = Self::default();
        text.chunks(BLOCK).for_each(|block| lines.push(block));
        lines
    }

    /// The place at the start of block `block`.
    pub(crate) fn block(&self, block: usize) -> Cursor {
        self.0
            .get(block)
            .or(self.0.last())
            .copied()
            .unwrap_or_default()
    }

    /// The place of byte `offset` of the text that this was made of.
    pub(crate) fn cursor(&self, text: &[u8], offset: usize) -> Cursor {
        let offset = offset.min(text.len());
        let start = offset / BLOCK * BLOCK;
        let rest = text.get(start..offset).unwrap_or_default();
        self.block(offset / BLOCK).advance(rest)
    }

    /// Line and column of byte `offset` of the text that this was made of.
    pub(crate) fn position(&self, text: &[u8], offset: usize) -> Position {
        let offset = offset.min(text.len());
        self.cursor(text, offset).position(offset as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_order_marks_decide() {
        let check = |bytes: &[u8], text: &str, start: usize| {
            let (read, from) = to_utf8(bytes.to_vec());
            assert_eq!(
                (&read[from..], from),
                (text.as_bytes(), start),
                "{bytes:x?}"
            );
        };
        check(b"", "", 0);
        check(b"a: 1", "a: 1\n", 0);
        check(b"\xEF\xBB\xBFa: 1\n", "a: 1\n", 3);
        check(b"\xFE\xFF\0a\0:\0 \0\xE9\0\n", "a: \u{e9}\n", 0);
        check(
            b"\xFF\xFEa\0:\0 \0\x3D\xD8\x00\xDE\n\0",
            "a: \u{1F600}\n",
            0,
        );
        check(b"\xFF\xFEa\0:\0 \0\x3D\xD8\n\0", "a: \u{FFFD}\n", 0);
    }

    #[test]
    fn positions_count_lines_and_scalar_values() {
        let check = |text: &str, offset: usize, line: u32, column: u32| {
            let lines = Lines::of(text.as_bytes());
            let found = lines.position(text.as_bytes(), offset);
            assert_eq!(
                (found.line, found.column),
                (line, column),
                "{text:?} {offset}"
            );
        };
        check("a: 1\nb: 2\n", 0, 1, 1);
        check("a: 1\nb: 2\n", 8, 2, 4);
        check("a: 1\r\nb: 2\n", 9, 2, 4);
        check("k: \u{e9}\u{e9} x\n", 8, 1, 7);
        check("\u{feff}a: 1\n", 3, 1, 1);
        check("a\n", 99, 2, 1);
        let long = format!("\u{feff}{}\n\u{e9}x", "ab\u{e9}\n".repeat(BLOCK));
        check(&long, 3 + 5 * BLOCK, u32::try_from(BLOCK).unwrap() + 1, 1);
        check(
            &long,
            3 + 5 * BLOCK + 3,
            u32::try_from(BLOCK).unwrap() + 2,
            2,
        );
        check(
            &"x".repeat(3 * BLOCK),
            2 * BLOCK + 5,
            1,
            u32::try_from(2 * BLOCK).unwrap() + 6,
        );
    }
}
