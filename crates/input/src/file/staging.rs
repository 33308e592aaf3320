use std::ops::Range;

use crate::limits::MAX_UNTYPED_BYTES;
use bailiwick_core::Kind;
use bailiwick_model::{Decoded, DecodedKind, Interner, Value, decode_in};

/// The items of a document, decoded while it was still being read, so that no more than one of them is held as a plain
/// value. They count only once the whole document has turned out to be sound.
#[derive(Default)]
pub(super) struct Staged {
    /// Whether the document has a list `items`.
    pub(super) is_list: bool,
    /// Its items, in the order of the text.
    pub(super) items: Vec<Item>,
    /// Bytes of the items that are held as plain values.
    untyped: usize,
}

impl Staged {
    /// Takes an item; `false` where too much is held.
    pub(super) fn push(&mut self, item: Item) -> bool {
        if !matches!(item.content, Content::Decoded(_)) {
            self.untyped += item.range.len();
        }
        self.items.push(item);
        self.untyped <= MAX_UNTYPED_BYTES
    }

    /// The item around a byte of the file.
    pub(super) fn item_at(&self, offset: usize) -> Option<&Item> {
        let behind = self
            .items
            .partition_point(|item| item.range.start <= offset);
        let item = self.items.get(behind.checked_sub(1)?)?;
        item.range.contains(&offset).then_some(item)
    }
}

/// An item of a list.
pub(super) struct Item {
    /// Where it stands in the file.
    pub(super) range: Range<usize>,
    pub(super) content: Content,
}

pub(super) enum Content {
    /// It says itself what it is.
    Decoded(Box<Decoded>),
    /// It leaves that to the list.
    Untyped(Value),
    /// It is a list itself.
    List(Vec<Value>),
}

impl Content {
    /// The content of an item.
    pub(super) fn of(mut value: Value, namespace: &str, names: &mut Interner) -> Self {
        let says = |value: &Value, key: &str| {
            value.get(key).and_then(Value::as_str).unwrap_or_default() != ""
        };
        let inner = match &mut value {
            Value::Object(map) if matches!(map.get("items"), Some(Value::Array(_))) => {
                map.remove("items")
            }
            _ => None,
        };
        match inner {
            Some(Value::Array(items)) => Self::List(items),
            _ if says(&value, "kind") || says(&value, "apiVersion") => {
                Self::Decoded(Box::new(decode_in(value, namespace, names)))
            }
            _ => Self::Untyped(value),
        }
    }
}

impl Item {
    /// Whether nothing says that this is a Kubernetes object.
    pub(super) fn is_foreign(&self) -> bool {
        match &self.content {
            Content::Decoded(_) => false,
            Content::Untyped(_) => true,
            Content::List(items) => items
                .iter()
                .all(|item| item.get("kind").is_none() && item.get("apiVersion").is_none()),
        }
    }

    /// The kind, where Bailiwick reads it.
    pub(super) fn kind(&self) -> Option<Kind> {
        match &self.content {
            Content::Decoded(decoded) => match decoded.kind {
                DecodedKind::Read(kind) => Some(kind),
                _ => None,
            },
            _ => None,
        }
    }
}
