//! YAML that kubectl reads back as the same value.
//!
//! A text stays plain only where no reader of YAML 1.1 or 1.2 could take it for anything else: it starts with a
//! letter, `/` or `_`, holds no character with a meaning, and is none of the words that mean a boolean or null.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use crate::inert::acts;

/// The value as a YAML document, keys sorted, lists as deep as their key, as kubectl prints them.
///
/// # Errors
/// Where `value` has keys that are no texts.
pub fn to_yaml<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let value = serde_json::to_value(value)?;
    let mut out = String::new();
    match &value {
        Value::Object(map) if !map.is_empty() => mapping(&mut out, map, 0, false),
        Value::Array(items) if !items.is_empty() => sequence(&mut out, items, 0, false),
        scalar => {
            put_scalar(&mut out, scalar, 0);
            out.push('\n');
        }
    }
    Ok(out)
}

/// Writes the entries, each line indented; `started` says that the first line already is.
fn mapping(
    out: &mut String,
    map: &serde_json::Map<String, Value>,
    indent: usize,
    mut started: bool,
) {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    for (key, value) in entries {
        pad(out, indent, &mut started);
        // A reader need not look further than 1,024 characters ahead for the colon of a plain key.
        if key.len() > 1000 {
            out.push_str("? ");
            put_text(out, key);
            out.push('\n');
            pad(out, indent, &mut false);
        } else {
            put_text(out, key);
        }
        out.push(':');
        match value {
            Value::Object(map) if !map.is_empty() => {
                out.push('\n');
                mapping(out, map, indent + 2, false);
            }
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                sequence(out, items, indent, false);
            }
            scalar => {
                out.push(' ');
                put_scalar(out, scalar, indent + 2);
                out.push('\n');
            }
        }
    }
}

fn sequence(out: &mut String, items: &[Value], indent: usize, mut started: bool) {
    for item in items {
        pad(out, indent, &mut started);
        out.push_str("- ");
        match item {
            Value::Object(map) if !map.is_empty() => mapping(out, map, indent + 2, true),
            Value::Array(items) if !items.is_empty() => sequence(out, items, indent + 2, true),
            scalar => {
                put_scalar(out, scalar, indent + 2);
                out.push('\n');
            }
        }
    }
}

fn pad(out: &mut String, indent: usize, started: &mut bool) {
    if !std::mem::take(started) {
        out.extend(std::iter::repeat_n(' ', indent));
    }
}

/// Writes a scalar or an empty collection without its line end; `indent` is that of a block below it.
fn put_scalar(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        // JSON's numbers are YAML's numbers.
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) if is_block(text) => put_block(out, text, indent),
        Value::String(text) => put_text(out, text),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
    }
}

fn put_text(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push_str(text);
    } else {
        put_quoted(out, text);
    }
}

/// Words that YAML 1.1 reads as something else than a text, in any spelling of upper and lower case.
const WORDS: [&str; 11] = [
    "y", "n", "yes", "no", "on", "off", "true", "false", "null", "inf", "nan",
];

fn is_plain(text: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '/' || c == '_';
    let inner = |c: char| c.is_ascii_alphanumeric() || "/_-.:@+= (),*".contains(c);
    text.starts_with(first)
        && text.chars().all(inner)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// Whether a text of several lines can stand as a block: every line shows, and none starts or ends with a space.
fn is_block(text: &str) -> bool {
    let body = text.trim_end_matches('\n');
    body.contains('\n')
        && !text.contains(|c| acts(c) && c != '\n')
        && !text.starts_with([' ', '\n'])
        && body.lines().all(|line| !line.ends_with(' '))
}

fn put_block(out: &mut String, text: &str, indent: usize) {
    let body = text.trim_end_matches('\n');
    let ends = text.len() - body.len();
    out.push_str(match ends {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    let blank = std::iter::repeat_n("", ends.saturating_sub(1));
    for line in body.split('\n').chain(blank) {
        out.push('\n');
        if !line.is_empty() {
            pad(out, indent, &mut false);
            out.push_str(line);
        }
    }
}

fn put_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if acts(c) => {
                let code = u32::from(c);
                // Writing to a String cannot fail.
                let _ = match code {
                    0..=0xff => write!(out, "\\x{code:02x}"),
                    0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(value: &Value, expected: &str) {
        assert_eq!(to_yaml(value).unwrap(), expected);
    }

    #[test]
    fn as_kubectl_prints() {
        check(
            &json!({
                "kind": "Role",
                "apiVersion": "v1",
                "rules": [{"verbs": ["get", "*"], "apiGroups": [""]}, {}],
                "empty": [],
                "nested": [[1, 2], []],
                "nothing": null,
            }),
            "apiVersion: v1\nempty: []\nkind: Role\nnested:\n- - 1\n  - 2\n- []\nnothing: null\nrules:\n\
             - apiGroups:\n  - \"\"\n  verbs:\n  - get\n  - \"*\"\n- {}\n",
        );
        check(&json!("text"), "text\n");
        check(&json!({}), "{}\n");
        check(&json!([]), "[]\n");
    }

    #[test]
    fn texts_stay_texts() {
        for text in [
            "no",
            "No",
            "on",
            "y",
            "TRUE",
            "null",
            "~",
            "",
            "010",
            "0x1F",
            "1e3",
            "1:30",
            ".inf",
            "2001-01-01",
            "-",
            "- a",
            "a: b",
            "a:",
            "a #b",
            "#",
            "&a",
            "*a",
            "!a",
            "|",
            ">",
            "%",
            "@a",
            "`a",
            "{a}",
            "[a]",
            "a ",
            " a",
            "'a'",
            "\"",
            "\\",
            "=",
            "<<",
            "---",
            "...",
            "?",
            "a\tb",
            "\u{feff}",
            "+1",
            "1_000",
            "0b11",
        ] {
            let yaml = to_yaml(&text).unwrap();
            assert!(
                yaml.starts_with('"') && yaml.ends_with("\"\n"),
                "{text:?} became {yaml}"
            );
        }
        for text in [
            "get",
            "pods/log",
            "/healthz",
            "system:masters",
            "rbac.authorization.k8s.io",
            "a b",
        ] {
            assert_eq!(to_yaml(&text).unwrap(), format!("{text}\n"));
        }
    }

    #[test]
    fn lines_stand_as_a_block() {
        check(&json!({"a": "x\ny"}), "a: |-\n  x\n  y\n");
        check(&json!({"a": "x\n\ny\n"}), "a: |\n  x\n\n  y\n");
        check(&json!({"a": ["x\ny\n\n"]}), "a:\n- |+\n  x\n  y\n\n");
        check(&json!({"a": "x \ny"}), "a: \"x \\ny\"\n");
        check(&json!({"a": " x\ny"}), "a: \" x\\ny\"\n");
        check(&json!({"a": "x\n"}), "a: \"x\\n\"\n");
    }

    #[test]
    fn what_acts_is_escaped() {
        check(&json!("a\x1b[1m"), "\"a\\x1b[1m\"\n");
        check(&json!("a\u{202e}\u{e0041}"), "\"a\\u202e\\U000e0041\"\n");
    }
}
