use std::cell::Cell;
use std::fmt;

use bailiwick_model::{MAX_DEPTH, Map, Value};
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::problem::{Problem, untyped};
use super::scalar::number;
use super::{Items, Root};
use crate::limits::MAX_NODES;
use crate::walk::json_duplicates;

/// Why the text at some place gives no document.
#[derive(Debug)]
pub(crate) enum JsonError {
    /// It is no JSON: kubectl then tries to read it as YAML.
    Syntax(Problem),
    /// It is JSON, up to the offset given, that cannot be read.
    Refused(Problem, usize),
}

/// Reads one JSON value at byte `start` of `text`, which stands at the first byte that is no space.
pub(crate) fn read_json(
    text: &[u8],
    start: usize,
    items: &mut dyn Items,
) -> Result<Root, JsonError> {
    let rest = text.get(start..).unwrap_or_default();
    let state = State {
        nodes: Cell::new(0),
        duplicates: Cell::new(false),
    };
    let mut reader = serde_json::Deserializer::from_slice(rest);
    let mut inner = None;
    let document = Document {
        state: &state,
        text,
        items,
        problem: &mut inner,
    };
    match document.deserialize(&mut reader) {
        Ok(value) => {
            let length = reader.into_iter::<IgnoredAny>().byte_offset();
            let range = start..start + length;
            let duplicates = if state.duplicates.get() {
                json_duplicates(text, range.clone())
            } else {
                Vec::new()
            };
            Ok(Root {
                value,
                range,
                duplicates,
                ignored: None,
            })
        }
        Err(error) => {
            let problem = inner.unwrap_or_else(|| problem(&error, rest, start));
            Err(match skip(rest) {
                Some(length) => JsonError::Refused(problem, start + length),
                None => JsonError::Syntax(problem),
            })
        }
    }
}

/// Length of the JSON value at the start of `text`, whatever stands in it; `None` where it is no JSON.
fn skip(text: &[u8]) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}

/// The error at its place; serde_json's words with its own line and column taken off.
fn problem(error: &serde_json::Error, text: &[u8], start: usize) -> Problem {
    let line_start = match error.line() {
        0 | 1 => 0,
        line => text
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'\n')
            .nth(line - 2)
            .map_or(text.len(), |(newline, _)| newline + 1),
    };
    let at = (line_start + error.column().saturating_sub(1)).min(text.len());
    let words = error.to_string();
    let message = words
        .rsplit_once(" at line ")
        .map_or(words.as_str(), |(message, _)| message);
    Problem::new(
        "broken-json",
        format!("this is no valid JSON: {message}"),
        "mend the JSON here, or write it anew with the tool that it came from",
        start + at..start + (at + 1).min(text.len()),
    )
}

struct State {
    nodes: Cell<u64>,
    duplicates: Cell<bool>,
}

/// The whole document: a mapping whose `items` are handed on one by one, or any other value.
struct Document<'a, 't> {
    state: &'a State,
    text: &'t [u8],
    items: &'a mut dyn Items,
    problem: &'a mut Option<Problem>,
}

impl<'de> DeserializeSeed<'de> for Document<'_, '_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Document<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        let mut lists = 0;
        while let Some(key) = access.next_key::<String>()? {
            self.state.nodes.set(0);
            if key == "items" {
                lists += 1;
                self.items.begin();
                let list = List {
                    state: self.state,
                    text: self.text,
                    items: &mut *self.items,
                    problem: &mut *self.problem,
                };
                match access.next_value_seed(list)? {
                    None => entries.retain(|(key, _)| key != "items"),
                    Some(value) => entries.push((key, value)),
                }
            } else {
                entries.push((key, access.next_value_seed(Seed::new(self.state))?));
            }
        }
        if lists > 1 {
            self.state.duplicates.set(true);
        }
        Ok(Value::Object(self.state.map(entries)))
    }
}

/// `items`: a list, handed on; `Some` value where it is none.
struct List<'a, 't> {
    state: &'a State,
    text: &'t [u8],
    items: &'a mut dyn Items,
    problem: &'a mut Option<Problem>,
}

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = Option<Value>;

    fn deserialize<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Option<Value>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Option<Value>, A::Error> {
        while let Some(raw) = access.next_element::<&RawValue>()? {
            let raw = raw.get();
            let start = (raw.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
            self.state.nodes.set(0);
            let mut reader = serde_json::Deserializer::from_str(raw);
            match Seed::new(self.state).deserialize(&mut reader) {
                Ok(value) => {
                    let range = start..start + raw.len();
                    if !self.items.item(value, range.clone()) {
                        *self.problem = Some(untyped(range));
                        return Err(A::Error::custom("no more items can be held"));
                    }
                }
                Err(error) => {
                    *self.problem = Some(problem(&error, raw.as_bytes(), start));
                    return Err(A::Error::custom("an item of the list cannot be read"));
                }
            }
        }
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Option<Value>, A::Error> {
        Seed::new(self.state).visit_map(access).map(Some)
    }

    fn visit_unit<E>(self) -> Result<Option<Value>, E> {
        Ok(Some(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Option<Value>, E> {
        Ok(Some(Value::Bool(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Option<Value>, E> {
        Ok(Some(Value::UInt(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Option<Value>, E> {
        Ok(Some(Value::Int(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Option<Value>, E> {
        Ok(Some(Value::Float(value)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Option<Value>, E> {
        Ok(Some(Value::String(text.to_owned())))
    }
}

/// Any value. Notices equal keys and counts.
#[derive(Clone, Copy)]
struct Seed<'a> {
    state: &'a State,
    depth: usize,
}

impl<'a> Seed<'a> {
    fn new(state: &'a State) -> Self {
        Self {
            state,
            depth: MAX_DEPTH,
        }
    }

    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => Err(E::custom(format_args!(
                "lists and mappings nest deeper than {MAX_DEPTH} levels"
            ))),
        }
    }
}

impl State {
    fn count<E: serde::de::Error>(&self) -> Result<(), E> {
        self.nodes.set(self.nodes.get() + 1);
        if self.nodes.get() > MAX_NODES {
            return Err(E::custom(format_args!(
                "one object holds more than {MAX_NODES} values"
            )));
        }
        Ok(())
    }

    fn map(&self, entries: Vec<(String, Value)>) -> Map {
        let keys = entries.len();
        let map = Map::last_wins(entries);
        if map.len() < keys {
            self.duplicates.set(true);
        }
        map
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.state.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(u64::try_from(value).map_or(Value::Int(value), Value::UInt))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::UInt(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        number(value).ok_or_else(|| E::custom("a number is out of range"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<String>()? {
            entries.push((key, access.next_value_seed(inner)?));
        }
        Ok(Value::Object(self.state.map(entries)))
    }
}
