//! The path of a request, where everybody on the way reads the same into it.

/// Bytes of a path that are looked at.
const LONGEST: usize = 8 << 10;

/// Why nothing is decided about a path: gateway and service could take it for different ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unclear {
    #[error("the path does not start with `/`")]
    Relative,
    #[error("the path is longer than {LONGEST} bytes")]
    Long,
    #[error("the path holds `//`")]
    Empty,
    #[error("the path holds the segment `.` or `..`")]
    Dots,
    #[error("the path holds `{0}`, which services read in different ways")]
    Letter(char),
    #[error("the path holds a `%` without two hexadecimal digits behind it")]
    Escape,
    #[error("the path holds `{0}`, which services decode at different times")]
    Encoded(String),
}

/// A path as it is decided on: percent escapes in capitals, everything else as it arrived.
///
/// Nothing is repaired: what the service gets is what arrived, and what it makes of `..`, `//`, `%2F` or `;` nobody
/// knows but itself. So a path stands only if no two readings of it differ (RFC 3986 section 6.2.2).
pub(super) fn canonical(path: &str) -> Result<String, Unclear> {
    if !path.starts_with('/') {
        return Err(Unclear::Relative);
    }
    if path.len() > LONGEST {
        return Err(Unclear::Long);
    }
    if path.contains("//") {
        return Err(Unclear::Empty);
    }
    if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(Unclear::Dots);
    }
    let mut out = String::with_capacity(path.len());
    let mut rest = path.chars();
    while let Some(letter) = rest.next() {
        match letter {
            '%' => out.push_str(&escape(rest.next(), rest.next())?),
            letter if letter.is_ascii_alphanumeric() || LITERAL.contains(letter) => {
                out.push(letter);
            }
            letter => return Err(Unclear::Letter(letter)),
        }
    }
    Ok(out)
}

/// What a path may hold beside letters and digits (RFC 3986 section 3.3), without `;`, at which some services end a
/// segment.
const LITERAL: &str = "/-._~!$&'()*+,=:@";

/// An escape that means one thing: not of a letter that stands for itself, which is the same as the letter to some and
/// another to others, and not of one that separates segments, ends a text or escapes again.
fn escape(first: Option<char>, second: Option<char>) -> Result<String, Unclear> {
    let digit = |letter: Option<char>| letter.and_then(|letter| letter.to_digit(16));
    let (high, low) = digit(first).zip(digit(second)).ok_or(Unclear::Escape)?;
    let byte = u8::try_from(high * 16 + low).map_err(|_| Unclear::Escape)?;
    let text = format!("%{byte:02X}");
    let literal = byte.is_ascii_alphanumeric() || LITERAL.contains(char::from(byte));
    if literal || byte.is_ascii_control() || b"\\%;?#".contains(&byte) {
        return Err(Unclear::Encoded(text));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_mean_one_thing() {
        for path in [
            "/",
            "/a",
            "/a/",
            "/a.b/..c/d..",
            "/a-b_c~d!$&'()*+,=:@",
            "/%C3%A9",
            "/a%20b",
            "/%7B%7D%22",
        ] {
            assert_eq!(canonical(path).as_deref(), Ok(path));
        }
        assert_eq!(canonical("/%c3%a9/a%20b").as_deref(), Ok("/%C3%A9/a%20b"));
    }

    #[test]
    fn paths_that_could_mean_two_things() {
        let check = |path: &str, expected: Unclear| {
            assert_eq!(canonical(path), Err(expected), "{path}");
        };
        check("", Unclear::Relative);
        check("*", Unclear::Relative);
        check("a/b", Unclear::Relative);
        check("http://x/y", Unclear::Relative);
        check(&format!("/{}", "a".repeat(LONGEST)), Unclear::Long);
        check("//a", Unclear::Empty);
        check("/a//b", Unclear::Empty);
        check("/a//", Unclear::Empty);
        check("/.", Unclear::Dots);
        check("/a/../b", Unclear::Dots);
        check("/a/..", Unclear::Dots);
        check("/a/./b", Unclear::Dots);
        for letter in [
            '\\', ';', '#', '?', ' ', '\t', '\u{0}', 'é', '"', '<', '|', '{',
        ] {
            check(&format!("/a{letter}b"), Unclear::Letter(letter));
        }
        for escape in ["%", "%2", "%zz", "%2", "/%+1", "/%%41"] {
            check(&format!("/a{escape}"), Unclear::Escape);
        }
        for escape in [
            "%2F", "%2E", "%5C", "%00", "%0A", "%25", "%3B", "%3F", "%23", "%41", "%7E", "%40",
            "%7F",
        ] {
            check(&format!("/a{escape}b"), Unclear::Encoded(escape.to_owned()));
            let small = escape.to_lowercase();
            check(&format!("/a{small}b"), Unclear::Encoded(escape.to_owned()));
        }
    }
}
