use std::borrow::Cow;

use bailiwick_model::Value;

/// A scalar as go-yaml v2 resolves it (`resolve.go`), before it becomes a value or a key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar<'t> {
    Null,
    Bool(bool),
    Int(i64),
    /// A whole number that does not fit into [`Scalar::Int`].
    UInt(u64),
    /// May be infinite or NaN.
    Float(f64),
    Text(Cow<'t, str>),
}

/// A tag that says of which type a scalar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Str,
    Bool,
    Int,
    Float,
    Null,
    Binary,
}

/// Why a scalar has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScalarError {
    /// The text is not of the type that the tag names.
    Tag,
    /// `!!binary` without base64.
    Base64,
    /// Infinity or NaN, which JSON does not know.
    NotFinite,
    /// Null as a key.
    NullKey,
    /// A key from 2^63, which sigs.k8s.io/yaml refuses.
    HugeKey,
}

/// Resolves a plain scalar, or one with a tag.
pub(super) fn resolve(text: Cow<'_, str>, tag: Option<Tag>) -> Result<Scalar<'_>, ScalarError> {
    match tag {
        Some(Tag::Str) => return Ok(Scalar::Text(text)),
        Some(Tag::Binary) => return binary(&text).map(|text| Scalar::Text(text.into())),
        _ => {}
    }
    let scalar = by_shape(&text).unwrap_or(Scalar::Text(text));
    match (tag, scalar) {
        (Some(Tag::Float), Scalar::Int(value)) => Ok(Scalar::Float(value as f64)),
        (None | Some(Tag::Str | Tag::Binary), scalar)
        | (Some(Tag::Bool), scalar @ Scalar::Bool(_))
        | (Some(Tag::Int), scalar @ (Scalar::Int(_) | Scalar::UInt(_)))
        | (Some(Tag::Float), scalar @ Scalar::Float(_))
        | (Some(Tag::Null), scalar @ Scalar::Null) => Ok(scalar),
        _ => Err(ScalarError::Tag),
    }
}

fn by_shape(text: &str) -> Option<Scalar<'static>> {
    if let Some(word) = by_word(text) {
        return Some(word);
    }
    match text.as_bytes().first()? {
        b'.' => float(text, true).map(Scalar::Float),
        b'0'..=b'9' | b'+' | b'-' => {
            let plain: Cow<'_, str> = if text.contains('_') {
                text.replace('_', "").into()
            } else {
                text.into()
            };
            integer(&plain).or_else(|| float(&plain, false).map(Scalar::Float))
        }
        _ => None,
    }
}

fn by_word(text: &str) -> Option<Scalar<'static>> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        _ => return None,
    })
}

/// A whole number with Go's prefixes (`strconv.ParseInt` with base 0): `0x`, `0o`, `0b`, and `0` for octal.
fn integer(text: &str) -> Option<Scalar<'static>> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let signed = digits.len() < text.len();
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, digits.get(2..)?),
        [b'0', b'o' | b'O', _, ..] => (8, digits.get(2..)?),
        [b'0', b'b' | b'B', _, ..] => (2, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    // Rust reads a sign here, Go does not.
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let size = u64::from_str_radix(digits, radix).ok()?;
    match (negative, i64::try_from(size)) {
        (false, Ok(value)) => Some(Scalar::Int(value)),
        (false, Err(_)) if !signed => Some(Scalar::UInt(size)),
        (false, Err(_)) => None,
        (true, Ok(value)) => Some(Scalar::Int(-value)),
        (true, Err(_)) => (size == i64::MIN.unsigned_abs()).then_some(Scalar::Int(i64::MIN)),
    }
}

/// A decimal number within the range of `f64`. With `go` single underscores may stand between digits, as
/// `strconv.ParseFloat` has it; elsewhere they are gone already.
fn float(text: &str, go: bool) -> Option<f64> {
    let plain: Cow<'_, str> = if go && text.contains('_') {
        let between_digits =
            text.split('_')
                .collect::<Vec<_>>()
                .windows(2)
                .all(|pair| match pair {
                    [left, right] => {
                        left.ends_with(|c: char| c.is_ascii_digit())
                            && right.starts_with(|c: char| c.is_ascii_digit())
                    }
                    _ => false,
                });
        if !between_digits {
            return None;
        }
        text.replace('_', "").into()
    } else {
        text.into()
    };
    // Rust also reads words such as `inf`, which never start like this.
    let decimal = plain
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    let value = plain.parse::<f64>().ok().filter(|_| decimal)?;
    value.is_finite().then_some(value)
}

/// `!!binary`: standard base64 with padding, line ends ignored; bytes that are no UTF-8 are replaced, as in Go's JSON.
fn binary(text: &str) -> Result<String, ScalarError> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !matches!(byte, b'\r' | b'\n'))
        .collect();
    let (quads, rest) = digits.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(ScalarError::Base64);
    }
    let mut bytes = Vec::with_capacity(quads.len() * 3);
    for (position, quad) in quads.iter().enumerate() {
        let padding = quad.iter().rev().take_while(|byte| **byte == b'=').count();
        if padding > 2 || (padding > 0 && position + 1 < quads.len()) {
            return Err(ScalarError::Base64);
        }
        let mut word: u32 = 0;
        for byte in quad.iter().take(4 - padding) {
            word = word << 6 | u32::from(sextet(*byte).ok_or(ScalarError::Base64)?);
        }
        word <<= 6 * padding;
        let [_, high, middle, low] = word.to_be_bytes();
        bytes.extend([high, middle, low].into_iter().take(3 - padding));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn sextet(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

impl Scalar<'_> {
    /// The value that kubectl sends on as JSON.
    pub(super) fn into_value(self) -> Result<Value, ScalarError> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => u64::try_from(value).map_or(Value::Int(value), Value::UInt),
            Self::UInt(value) => Value::UInt(value),
            Self::Float(value) => number(value).ok_or(ScalarError::NotFinite)?,
            Self::Text(text) => Value::String(text.into_owned()),
        })
    }

    /// The text that a key becomes (`convertToJSONableObject` of sigs.k8s.io/yaml).
    pub(super) fn into_key(self) -> Result<String, ScalarError> {
        Ok(match self {
            Self::Null => return Err(ScalarError::NullKey),
            Self::UInt(_) => return Err(ScalarError::HugeKey),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => float_key(value),
            Self::Text(text) => text.into_owned(),
        })
    }
}

/// A number as it reaches the API server: what Go's JSON writes for it, read again, so that a whole one is whole.
/// `None` for infinity and NaN.
pub(super) fn number(value: f64) -> Option<Value> {
    if !value.is_finite() {
        return None;
    }
    if value.fract() != 0.0 || value.abs() >= 1e21 {
        return Some(Value::Float(value));
    }
    // The shortest digits that read back as this number, not all of its digits.
    let digits = value.to_string();
    Some(match (digits.parse::<u64>(), digits.parse::<i64>()) {
        (Ok(value), _) => Value::UInt(value),
        (_, Ok(0)) => Value::UInt(0),
        (_, Ok(value)) => Value::Int(value),
        _ => Value::Float(value),
    })
}

/// Go's `strconv.FormatFloat(value, 'g', -1, 32)`, with YAML's words for what is not finite.
fn float_key(value: f64) -> String {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "rounding to 32 bits is what upstream does to keys"
    )]
    let value = value as f32;
    if value.is_nan() {
        return ".nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.into();
    }
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Result<String, ScalarError> {
        let value = resolve(text.into(), None)?.into_value()?;
        Ok(value.to_string())
    }

    #[test]
    fn plain_scalars_are_what_kubectl_reads() {
        let check = |text: &str, expected: &str| {
            assert_eq!(plain(text).as_deref(), Ok(expected), "{text:?}");
        };
        let text = |text: &str| check(text, &format!("{text:?}"));
        for (octal, value) in [
            ("010", "8"),
            ("007", "7"),
            ("0o10", "8"),
            ("0O17", "15"),
            ("-010", "-8"),
        ] {
            check(octal, value);
        }
        for (number, value) in [
            ("08", "8"),
            ("09.5", "9.5"),
            ("0x1F", "31"),
            ("0X1f", "31"),
            ("-0x1F", "-31"),
            ("+12", "12"),
            ("0b11", "3"),
            ("-0b11", "-3"),
            ("1_000", "1000"),
            ("0x_1_F", "31"),
            ("1__0", "10"),
            ("1_", "1"),
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("1e3", "1000"),
            ("1.", "1"),
            ("1.5", "1.5"),
            (".5", "0.5"),
            ("+.5", "0.5"),
            (".5_5", "0.55"),
            ("1E-2", "0.01"),
            ("-1.5e3", "-1500"),
            ("9223372036854775807", "9223372036854775807"),
            ("9223372036854775808", "9223372036854775808"),
            ("18446744073709551615", "18446744073709551615"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("+9223372036854775808", "9223372036854776000"),
            ("18446744073709551616", "1.8446744073709552e+19"),
            ("1e400", "\"1e400\""),
            ("1e-400", "0"),
            ("1.2345678901234567e18", "1234567890123456800"),
        ] {
            check(number, value);
        }
        for yes in [
            "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON",
        ] {
            check(yes, "true");
        }
        for no in [
            "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF",
        ] {
            check(no, "false");
        }
        for null in ["", "~", "null", "Null", "NULL"] {
            check(null, "null");
        }
        for word in [
            "1:30",
            "2001-01-01",
            "100m",
            "0o8",
            "0b12",
            "0x",
            "0xG",
            "yES",
            "nULL",
            "+",
            "-",
            ".",
            "..",
            "._5",
            ".5_",
            ".e3",
            "1e",
            "--1",
            "+-1",
            "0x-1",
            "infinity",
            "inf",
            "NaN",
            "-inf",
            "1.2.3",
            "0x1p3",
            "=",
            "<<",
            "1 2",
        ] {
            text(word);
        }
        for endless in [".inf", "-.INF", "+.Inf", ".nan"] {
            assert_eq!(plain(endless), Err(ScalarError::NotFinite), "{endless}");
        }
    }

    #[test]
    fn tags_say_the_type() {
        let check = |tag: Tag, text: &str, expected: Result<&str, ScalarError>| {
            let found = resolve(text.into(), Some(tag))
                .and_then(Scalar::into_value)
                .map(|value| value.to_string());
            assert_eq!(found, expected.map(str::to_owned), "{tag:?} {text:?}");
        };
        check(Tag::Str, "no", Ok("\"no\""));
        check(Tag::Int, "010", Ok("8"));
        check(Tag::Int, "1e3", Err(ScalarError::Tag));
        check(Tag::Int, "x", Err(ScalarError::Tag));
        check(Tag::Float, "1", Ok("1"));
        check(Tag::Float, "9223372036854775808", Err(ScalarError::Tag));
        check(Tag::Float, ".inf", Err(ScalarError::NotFinite));
        check(Tag::Bool, "off", Ok("false"));
        check(Tag::Bool, "0", Err(ScalarError::Tag));
        check(Tag::Null, "~", Ok("null"));
        check(Tag::Null, "nil", Err(ScalarError::Tag));
        check(Tag::Binary, "aGVs\nbG8=", Ok("\"hello\""));
        check(Tag::Binary, "/w==", Ok("\"\u{fffd}\""));
        check(Tag::Binary, "aGVsbG8", Err(ScalarError::Base64));
        check(Tag::Binary, "a===", Err(ScalarError::Base64));
    }

    #[test]
    fn keys_become_text() {
        let check = |text: &str, expected: Result<&str, ScalarError>| {
            let found = resolve(text.into(), None).and_then(Scalar::into_key);
            assert_eq!(found, expected.map(str::to_owned), "{text:?}");
        };
        for (key, text) in [
            ("on", "true"),
            ("010", "8"),
            ("1e3", "1000"),
            ("1.0", "1"),
            ("1e6", "1e+06"),
            ("123456789.0", "1.2345679e+08"),
            ("0.0001", "0.0001"),
            ("0.00001", "1e-05"),
            ("1e40", ".inf"),
            (".nan", ".nan"),
            ("-.inf", "-.inf"),
            ("-2.5e-7", "-2.5e-07"),
            ("a", "a"),
            ("1:30", "1:30"),
        ] {
            check(key, Ok(text));
        }
        check("~", Err(ScalarError::NullKey));
        check("9223372036854775808", Err(ScalarError::HugeKey));
    }
}
