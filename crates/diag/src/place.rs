use std::fmt;

use bailiwick_core::{ObjectRef, Str};
use serde::{Deserialize, Serialize};

/// Where something stands: in an object, in a file, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectRef>,
    /// JSON pointer (RFC 6901) into the object; empty is the object itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pointer: String,
    /// The stretch of the file, once somebody has looked it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// What is to be seen there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
}

/// A stretch of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The path as the user gave it; `-` is standard input.
    pub file: Str,
    /// Where it starts.
    pub start: Position,
    /// Where it ends, exclusive.
    pub end: Position,
    /// The lines around it, for a caret. Absent where they could hold a secret or are too long to show.
    #[serde(skip)]
    pub excerpt: Option<Excerpt>,
}

/// A position in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Bytes from the start of the file.
    pub offset: u64,
    /// Line, from 1.
    pub line: u32,
    /// Column in Unicode scalar values, from 1.
    pub column: u32,
}

/// Lines of a file, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The lines, with their line ends.
    pub text: Str,
    /// Bytes from the start of the file to the first of them.
    pub offset: u64,
    /// Number of the first line, from 1.
    pub line: u32,
}

impl Place {
    /// A field of an object.
    pub fn field(object: ObjectRef, pointer: impl Into<String>) -> Self {
        Self {
            object: Some(object),
            pointer: pointer.into(),
            ..Self::default()
        }
    }

    /// An object.
    pub fn object(object: ObjectRef) -> Self {
        Self::field(object, "")
    }

    /// A stretch of a file.
    pub fn span(span: Span) -> Self {
        Self {
            span: Some(span),
            ..Self::default()
        }
    }

    /// Says what is to be seen there.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }
}

impl fmt::Display for Place {
    /// `FILE:LINE:COLUMN` where the file is known, else the object and the pointer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.span, &self.object) {
            (Some(span), _) => write!(f, "{}:{}:{}", span.file, span.start.line, span.start.column),
            (None, Some(object)) if self.pointer.is_empty() => write!(f, "{object}"),
            (None, Some(object)) => write!(f, "{object} {}", self.pointer),
            (None, None) => f.write_str("the input"),
        }
    }
}
