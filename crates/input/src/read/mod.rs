//! Text into plain values, one document at a time, as kubectl reads it.

mod embedded;
mod entries;
mod json;
mod node;
mod problem;
mod refuse;
mod scalar;
mod split;
mod stream;
mod text;
mod yaml;

use std::ops::Range;

use bailiwick_model::Value;

pub use embedded::read_embedded;
pub(crate) use json::{JsonError, read_json};
pub(crate) use node::{is_merge, key_text};
pub(crate) use problem::{Duplicate, Problem};
pub(crate) use split::{Piece, Splitter};
pub(crate) use stream::{Documents, Syntax, read_documents};
pub(crate) use text::{BLOCK, Cursor, Lines, to_utf8};
pub(crate) use yaml::read_yaml;

/// Receives the items of a list while the document is being read, so that a large list is never held whole.
pub(crate) trait Items {
    /// A list `items` starts; the items received so far, if any, belong to an earlier key of the same name and are
    /// not to count.
    fn begin(&mut self);

    /// The next item and where it stands in the document; `false` where no more can be taken.
    fn item(&mut self, value: Value, range: Range<usize>) -> bool;
}

/// A document, without the items that went to [`Items`].
#[derive(Debug, Default)]
pub(crate) struct Root {
    /// The value; a list `items` of a mapping is not in it. [`Value::Null`] for an empty document.
    pub(crate) value: Value,
    /// Where it stands in the text given.
    pub(crate) range: Range<usize>,
    /// Keys that are there more than once.
    pub(crate) duplicates: Vec<Duplicate>,
    /// Where text starts that kubectl never looks at, behind `...` or a closed bracket.
    pub(crate) ignored: Option<usize>,
}
