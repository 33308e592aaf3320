use std::borrow::Cow;

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

/// Line and column of a byte of `text`.
pub(crate) fn position(text: &[u8], offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |newline| newline + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = columns(before.get(line_start..).unwrap_or_default()) + 1;
    Position {
        offset: before.len() as u64,
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
    }
}

/// Number of Unicode scalar values in the start of a line. The byte order mark is no part of it.
fn columns(line: &[u8]) -> usize {
    let text: Cow<'_, str> = String::from_utf8_lossy(line);
    text.trim_start_matches('\u{feff}').chars().count()
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
            let found = position(text.as_bytes(), offset);
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
    }
}
