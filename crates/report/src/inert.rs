use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with every character that acts instead of showing written out as `\n`, `\t`, `\r` or `\u{1b}`.
///
/// These are control characters (with them every ANSI escape sequence), line and paragraph separators, marks that
/// turn the writing direction, and characters without width. What is left stays on its line and shows itself.
pub fn inert(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if acts(c) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Whether a character acts on what shows it, or hides.
pub(crate) fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{fffe}'..='\u{ffff}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Lines of a file with every acting character but the line feed replaced by one that shows and has as many bytes, so
/// that offsets stay true.
pub(crate) fn inert_source(text: &str) -> Cow<'_, str> {
    let bad = |c: char| acts(c) && c != '\n';
    if !text.contains(bad) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| match c.len_utf8() {
        _ if !bad(c) => c,
        1 if matches!(c, '\t' | '\r') => ' ',
        1 => '?',
        2 => '\u{bf}',
        3 => '\u{fffd}',
        _ => '\u{1f6ab}',
    };
    Cow::Owned(text.chars().map(shown).collect())
}

/// JSON text with every acting character in its strings escaped. Outside strings JSON has line feeds and spaces only.
pub(crate) fn inert_json(text: String) -> String {
    let bad = |c: char| acts(c) && c != '\n';
    if !text.contains(bad) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if bad(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &str) {
        assert_eq!(inert(input), expected);
        assert!(!inert(input).contains(acts));
    }

    #[test]
    fn what_acts_is_written_out() {
        check("system:masters", "system:masters");
        check("größe 名前", "größe 名前");
        check("a\nb\tc\r", "a\\nb\\tc\\r");
        check("\x1b[31mred", "\\u{1b}[31mred");
        check("\u{9b}31mred", "\\u{9b}31mred");
        check("user\u{202e}nimda", "user\\u{202e}nimda");
        check("ad\u{200b}min", "ad\\u{200b}min");
        check("tag\u{e0041}", "tag\\u{e0041}");
    }

    #[test]
    fn source_keeps_its_offsets() {
        for text in [
            "a\x1b[1mb\n",
            "a\u{9b}b",
            "a\u{202e}b",
            "a\u{e0041}b",
            "\ta\r\n",
        ] {
            let shown = inert_source(text);
            assert_eq!(shown.len(), text.len(), "{text:?}");
            assert!(!shown.contains(|c| acts(c) && c != '\n'), "{text:?}");
        }
    }

    #[test]
    fn json_reads_back_as_it_was() {
        let text = "a\u{9b}\u{202e}\u{e0041}\u{7f}ö";
        let json = inert_json(serde_json::to_string(text).unwrap());
        assert!(!json.contains(acts));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
