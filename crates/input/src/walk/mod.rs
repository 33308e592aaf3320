//! Where in the text of one object a JSON pointer leads, and where keys are repeated.

mod embedded;
mod json;
mod yaml;

use std::ops::Range;

pub(crate) use embedded::find_in_embedded;
pub(crate) use json::{elements_in_json, find_in_json, json_duplicates};
pub(crate) use yaml::{elements_in_yaml, find_in_yaml};

/// The step of a path that stands for all elements of a list. No element has such a number.
const EACH: &str = "*";

/// What a pointer leads to, or the nearest thing above it that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The key in front of the value, in a mapping.
    pub(crate) key: Option<Range<usize>>,
    /// The value.
    pub(crate) value: Range<usize>,
    /// Whether the value is a list or a mapping.
    pub(crate) is_collection: bool,
}

impl Found {
    /// What to underline: a scalar itself; of a list or a mapping its key, or else its first line.
    pub(crate) fn underline(&self, text: &[u8]) -> Range<usize> {
        match &self.key {
            Some(key) if self.is_collection || self.value.is_empty() => key.clone(),
            _ => {
                let value = text.get(self.value.clone()).unwrap_or_default();
                let line = value
                    .split(|byte| *byte == b'\n')
                    .next()
                    .unwrap_or_default();
                let length = line.trim_ascii_end().len();
                self.value.start..self.value.start + length
            }
        }
    }
}

/// The steps of a JSON pointer (RFC 6901).
fn steps(pointer: &str) -> Vec<String> {
    pointer
        .split('/')
        .skip(1)
        .map(|step| step.replace("~1", "/").replace("~0", "~"))
        .collect()
}
