use std::fmt;

use bailiwick_model::{Map, Value};

/// What is wrong with a document, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// As people write it: `spec.selector.pods`.
    pub path: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl std::error::Error for Problem {}

/// The fields of one mapping of a document. A field that nobody asks for is a problem: a misspelt selector must not
/// select everything.
pub(crate) struct Fields<'v> {
    map: Option<&'v Map>,
    path: String,
}

impl<'v> Fields<'v> {
    pub(crate) fn of(value: &'v Value, path: &str, known: &[&str]) -> Result<Self, Problem> {
        let problem = |message: String| Problem {
            path: path.to_owned(),
            message,
        };
        let map = match value {
            Value::Null => None,
            Value::Object(map) => Some(map),
            other => return Err(problem(format!("{} where a mapping belongs", other.kind()))),
        };
        for (key, _) in map.into_iter().flat_map(Map::iter) {
            if !known.contains(&key) {
                let key: String = key.chars().take(60).collect();
                let known = known.join(", ");
                return Err(problem(format!("no field `{key}`: there are {known}")));
            }
        }
        Ok(Self {
            map,
            path: path.to_owned(),
        })
    }

    /// The field, where it is there and not null.
    pub(crate) fn value(&self, key: &str) -> Option<&'v Value> {
        self.map?.get(key).filter(|value| **value != Value::Null)
    }

    pub(crate) fn path(&self, key: &str) -> String {
        if self.path.is_empty() {
            return key.to_owned();
        }
        format!("{}.{key}", self.path)
    }

    pub(crate) fn problem(&self, key: &str, message: impl fmt::Display) -> Problem {
        Problem {
            path: self.path(key),
            message: message.to_string(),
        }
    }

    pub(crate) fn mapping(&self, key: &str, known: &[&str]) -> Result<Self, Problem> {
        Self::of(
            self.value(key).unwrap_or(&Value::Null),
            &self.path(key),
            known,
        )
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<&'v str>, Problem> {
        self.value(key)
            .map(|value| self.text_of(key, value))
            .transpose()
    }

    fn text_of(&self, key: &str, value: &'v Value) -> Result<&'v str, Problem> {
        let wrong = || self.problem(key, format!("{} where a text belongs", value.kind()));
        value.as_str().ok_or_else(wrong)
    }

    pub(crate) fn required(&self, key: &str) -> Result<&'v str, Problem> {
        match self.text(key)? {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(self.problem(key, "is missing")),
        }
    }

    pub(crate) fn flag(&self, key: &str) -> Result<bool, Problem> {
        match self.value(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => {
                Err(self.problem(key, format!("{} where true or false belongs", other.kind())))
            }
        }
    }

    pub(crate) fn list(&self, key: &str) -> Result<&'v [Value], Problem> {
        let Some(value) = self.value(key) else {
            return Ok(&[]);
        };
        let wrong = || self.problem(key, format!("{} where a list belongs", value.kind()));
        value.as_array().ok_or_else(wrong)
    }

    pub(crate) fn texts(&self, key: &str) -> Result<Vec<&'v str>, Problem> {
        let items = self.list(key)?.iter();
        items.map(|item| self.text_of(key, item)).collect()
    }

    /// Texts of a mapping, in its order.
    pub(crate) fn text_map(&self, key: &str) -> Result<Vec<(&'v str, &'v str)>, Problem> {
        match self.value(key) {
            None => Ok(Vec::new()),
            Some(Value::Object(map)) => {
                let pair = |(name, value)| Ok((name, self.text_of(key, value)?));
                map.iter().map(pair).collect()
            }
            Some(other) => {
                Err(self.problem(key, format!("{} where a mapping belongs", other.kind())))
            }
        }
    }

    /// Numbers of users and groups.
    pub(crate) fn numbers(&self, key: &str) -> Result<Vec<u32>, Problem> {
        let number = |value: &Value| match value {
            Value::UInt(number) => u32::try_from(*number).ok(),
            _ => None,
        };
        let wrong = || self.problem(key, "numbers from 0 to 4294967295 belong here");
        let items = self.list(key)?.iter();
        items.map(|item| number(item).ok_or_else(wrong)).collect()
    }

    /// A time span in seconds, such as `1h` or `1h30m`.
    pub(crate) fn seconds(&self, key: &str) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        let wrong = || {
            self.problem(
                key,
                format!("`{text}`: write a time such as 1h, 30m or 1h30m"),
            )
        };
        seconds(text).map(Some).ok_or_else(wrong)
    }
}

/// Seconds of `1h30m`, as Go writes durations, without fractions.
fn seconds(text: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut digits = String::new();
    for letter in text.chars() {
        let factor = match letter {
            '0'..='9' => {
                digits.push(letter);
                continue;
            }
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        let number: u64 = std::mem::take(&mut digits).parse().ok()?;
        total = total.checked_add(number.checked_mul(factor)?)?;
    }
    (digits.is_empty() && !text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans() {
        let check = |text: &str, expected| assert_eq!(seconds(text), expected, "{text}");
        check("1h", Some(3600));
        check("1h30m5s", Some(5405));
        check("90s", Some(90));
        check("5", None);
        check("", None);
        check("h", None);
        check("1.5h", None);
        check("-1h", None);
        check("1d", None);
        check("18446744073709551615h", None);
        check("99999999999999999999s", None);
    }
}
