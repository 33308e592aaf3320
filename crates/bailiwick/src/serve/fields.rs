//! How fields of a configuration are written, and how it is told what is wrong with them.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize as _, Deserializer};

/// A number with `ms`, `s`, `m` or `h`; never zero.
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    value.as_str().and_then(parse_time).ok_or_else(|| {
        D::Error::custom(format!(
            "`{}` is no time; write a number with ms, s, m or h, such as 400ms",
            shown(&value)
        ))
    })
}

/// Where to listen.
pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    parsed_address(&serde_json::Value::deserialize(deserializer)?)
}

pub(super) fn maybe_address<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    let there = (!value.is_null()).then(|| parsed_address(&value));
    there.transpose()
}

fn parsed_address<E: serde::de::Error>(value: &serde_json::Value) -> Result<SocketAddr, E> {
    let address = value.as_str().and_then(|text| text.parse().ok());
    address.ok_or_else(|| {
        E::custom(format!(
            "`{}` is no address; write IP:PORT, such as 127.0.0.1:8181 or [::]:9443",
            shown(value)
        ))
    })
}

/// A value as whoever wrote it would know it again.
fn shown(value: &serde_json::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn parse_time(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok().filter(|number| *number > 0)?;
    let millis: u64 = match text.get(digits.len()..)? {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(millis)?))
}

/// The one document of a file, typed. Errors name line and field.
pub(super) fn document<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T> {
    let (documents, findings) = bailiwick_input::documents(name, bytes.to_vec());
    if let Some(finding) = findings.first() {
        let place = finding.places.first().and_then(|place| place.span.as_ref());
        let line = place
            .map(|span| format!(":{}", span.start.line))
            .unwrap_or_default();
        bail!("{name}{line}: {}", finding.message);
    }
    let document = match documents.as_slice() {
        [document] => document,
        [] => bail!("`{name}` is empty"),
        _ => bail!("`{name}` holds several documents; put everything into one"),
    };
    let value = serde_json::to_value(&document.value)?;
    if !value.is_object() {
        bail!("`{name}` holds no mapping of fields to what they say");
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let pointer = pointer(error.path());
        let line = bailiwick_input::position(bytes, &pointer);
        let line = line
            .map(|at| format!(":{}:{}", at.line, at.column))
            .unwrap_or_default();
        let field = match pointer.trim_start_matches('/').replace('/', ".") {
            field if field.is_empty() => String::new(),
            field => format!("`{field}`: "),
        };
        anyhow::anyhow!("{name}{line}: {field}{}", in_words(error.inner()))
    })
}

/// What serde says, without the names that our types have in the code.
pub(crate) fn in_words(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    match text.split_once("expected struct ") {
        Some((before, _)) => format!("{before}expected a mapping"),
        None => text,
    }
}

/// The way to a field as RFC 6901 writes it.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut out = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => out += &format!("/{index}"),
            Segment::Map { key } => {
                out += &format!("/{}", key.replace('~', "~0").replace('/', "~1"));
            }
            _ => {}
        }
    }
    out
}
