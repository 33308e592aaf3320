//! The query of a list or watch, read as Go's `net/url` and the API server's parameter codec read it.

use std::collections::HashMap;

use super::selector;

/// With more parameters than this Go 1.26 drops the whole query.
const MOST_PARAMETERS: usize = 10_000;

/// What of a query changes the authorization of a list or watch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ListOptions {
    /// Whether this is a watch.
    pub(super) watch: bool,
    /// The one name that the field selector asks for.
    pub(super) name: Option<String>,
}

impl ListOptions {
    /// Reads `query`. Where one of its options is invalid the API server authorizes a list or watch without a name
    /// (and answers 400 afterwards); so do we.
    pub(super) fn parse(query: &str) -> Self {
        let parameters = Parameters::parse(query);
        let first = |key| parameters.first(key).unwrap_or_default();
        let integer = |key| {
            parameters
                .first(key)
                .is_none_or(|text| text.parse::<i64>().is_ok())
        };
        let watch = parameters.first("watch");
        let valid = integer("timeoutSeconds")
            && integer("limit")
            && selector::is_label_selector(first("labelSelector"));
        match selector::required_field(first("fieldSelector"), "metadata.name") {
            Ok(name) if valid => Self {
                watch: watch.is_some_and(|text| text != "0" && !is_false(text)),
                name: name.filter(|name| is_path_segment(name)),
            },
            // Upstream reads `watch` once more here, with another comparison.
            _ => Self {
                watch: watch.is_some_and(|text| text != "0" && !text.eq_ignore_ascii_case("false")),
                name: None,
            },
        }
    }
}

/// `false` under Unicode's simple case folding, by which `ſ` is an `s`.
fn is_false(text: &str) -> bool {
    text.replace('\u{17f}', "s").eq_ignore_ascii_case("false")
}

/// Whether `name` could be one segment of a path (`content.IsPathSegmentName`).
fn is_path_segment(name: &str) -> bool {
    name != "." && name != ".." && !name.contains(['/', '%'])
}

/// The parameters of a query, each with its first value.
struct Parameters(HashMap<String, String>);

impl Parameters {
    /// Reads what can be read: a parameter with a broken escape or a semicolon is left out, as `url.Values` leaves
    /// it out.
    fn parse(query: &str) -> Self {
        let mut found = HashMap::new();
        if query.bytes().filter(|&byte| byte == b'&').count() >= MOST_PARAMETERS {
            return Self(found);
        }
        for parameter in query
            .split('&')
            .filter(|text| !text.is_empty() && !text.contains(';'))
        {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if let (Ok(key), Ok(value)) = (unescape(key, true), unescape(value, true)) {
                found.entry(lossy(&key)).or_insert_with(|| lossy(&value));
            }
        }
        Self(found)
    }

    fn first(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
}

/// Bytes that are no UTF-8 make no valid label and are in no rule, so that their exact value does not matter.
fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Resolves percent escapes, and `+` to a space where `plus` says so. The error is the escape that is none.
pub(super) fn unescape(text: &str, plus: bool) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'%' => {
                let byte = match after {
                    [high, low, ..] => hex(*high).zip(hex(*low)),
                    _ => None,
                };
                let Some((high, low)) = byte else {
                    let shown: Vec<u8> =
                        [b'%'].iter().chain(after.iter().take(2)).copied().collect();
                    return Err(lossy(&shown));
                };
                out.push(high << 4 | low);
                rest = after.get(2..).unwrap_or_default();
            }
            b'+' if plus => out.push(b' '),
            byte => out.push(*byte),
        }
    }
    Ok(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}
