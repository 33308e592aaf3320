use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};

/// A plain value, as JSON has it: what a YAML or JSON document says after kubectl's reading of scalars and keys, and
/// before any type is imposed on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number below zero.
    Int(i64),
    /// A whole number from zero.
    UInt(u64),
    /// Any other number; never infinite, never NaN.
    Float(f64),
    /// A text.
    String(String),
    /// A list.
    Array(Vec<Value>),
    /// A mapping.
    Object(Map),
}

/// A mapping with text keys, in the order of the document. Each key is there once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map(Vec<(String, Value)>);

impl Map {
    /// An empty mapping.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, value)| value)
    }

    /// Sets `key`, in the place where it stood, and gives the value that stood there.
    ///
    /// Linear in the number of keys: fields of objects are few. For mappings of unbounded size build with
    /// [`Map::from_unique`].
    pub fn insert(&mut self, key: String, value: Value) -> Option<Value> {
        match self.0.iter_mut().find(|(k, _)| *k == key) {
            Some((_, old)) => Some(std::mem::replace(old, value)),
            None => {
                self.0.push((key, value));
                None
            }
        }
    }

    /// A mapping of entries whose keys the caller knows to be different.
    pub fn from_unique(entries: Vec<(String, Value)>) -> Self {
        Self(entries)
    }

    /// A mapping of entries among which a key may come again: the last value stands, in the place of the first.
    pub fn last_wins(mut entries: Vec<(String, Value)>) -> Self {
        // Few keys are compared with each other, many go through a table, so that a hostile object of a million
        // keys costs no more than an honest one.
        if entries.len() <= 16 {
            let mut kept: Vec<(String, Value)> = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                match kept.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, old)) => *old = value,
                    None => kept.push((key, value)),
                }
            }
            return Self(kept);
        }
        let mut last: HashMap<String, Value> = HashMap::new();
        let mut repeated = false;
        let mut seen: HashSet<&str> = HashSet::with_capacity(entries.len());
        for (key, _) in &entries {
            repeated |= !seen.insert(key);
        }
        if repeated {
            let mut order = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                if last.insert(key.clone(), value).is_none() {
                    order.push(key);
                }
            }
            entries = order
                .into_iter()
                .filter_map(|key| last.remove_entry(&key))
                .collect();
        }
        Self(entries)
    }

    /// Takes `key` out.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let position = self.0.iter().position(|(k, _)| k == key)?;
        Some(self.0.remove(position).1)
    }

    /// Entries in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for Map {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Value {
    /// What kind of value this is, as an error message words it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::UInt(_) | Self::Float(_) => "a number",
            Self::String(_) => "a text",
            Self::Array(_) => "a list",
            Self::Object(_) => "a mapping",
        }
    }

    /// The text, where it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The mapping, where it is one.
    pub fn as_object(&self) -> Option<&Map> {
        match self {
            Self::Object(map) => Some(map),
            _ => None,
        }
    }

    /// The list, where it is one.
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The field `key`, where this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }
}

impl serde::Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::UInt(value) => serializer.serialize_u64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Object(map) => serializer.collect_map(map.iter()),
        }
    }
}

/// How deeply lists and mappings may nest, as in `encoding/json`-based readers of the API server no object comes near.
pub const MAX_DEPTH: usize = 128;

impl<'de> serde::Deserialize<'de> for Value {
    /// Of a key that is there twice the last value stands, as for kubectl. Nesting deeper than [`MAX_DEPTH`] and
    /// numbers that are not finite are errors.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Seed { depth: MAX_DEPTH }.deserialize(deserializer)
    }
}

#[derive(Clone, Copy)]
struct Seed {
    depth: usize,
}

impl Seed {
    fn inner<E: de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| {
            E::custom(format_args!(
                "lists and mappings nest deeper than {MAX_DEPTH} levels"
            ))
        })?;
        Ok(Self { depth })
    }
}

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(match u64::try_from(value) {
            Ok(value) => Value::UInt(value),
            Err(_) => Value::Int(value),
        })
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::UInt(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        if value.is_finite() {
            Ok(Value::Float(value))
        } else {
            Err(E::custom("a number must be finite"))
        }
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
        Ok(Value::Object(Map::last_wins(entries)))
    }
}

impl fmt::Display for Value {
    /// As JSON on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Value, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn the_last_of_equal_keys_stands() {
        let check = |json: &str, expected: &str| {
            assert_eq!(read(json).unwrap().to_string(), expected, "{json}");
        };
        check(r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#);
        check(r#"{"a":{"b":1},"a":null}"#, r#"{"a":null}"#);
        let many: String = (0..40).map(|n| format!("\"k{}\":{n},", n % 20)).collect();
        let value = read(&format!("{{{many}\"end\":true}}")).unwrap();
        assert_eq!(value.as_object().unwrap().len(), 21);
        assert_eq!(value.get("k0"), Some(&Value::UInt(20)));
        assert_eq!(value.get("k19"), Some(&Value::UInt(39)));
    }

    #[test]
    fn numbers_keep_their_value() {
        let check = |json: &str, expected: Value| assert_eq!(read(json).unwrap(), expected);
        check("0", Value::UInt(0));
        check("-1", Value::Int(-1));
        check("18446744073709551615", Value::UInt(u64::MAX));
        check("1.5", Value::Float(1.5));
        check("18446744073709551616", Value::Float(18446744073709551616.0));
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_crash() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(100)).is_ok());
        for depth in [MAX_DEPTH + 1, 100_000] {
            assert!(read(&nested(depth)).is_err());
        }
    }
}
