use std::ops::Range;

use bailiwick_core::Kind;
use bailiwick_model::{Decoded, DecodedKind, Interner, Value, decode_in};

use crate::read::Items;

/// Decodes the items of a list while its document is still being read, so that no more than one of them is held as a
/// plain value. They count only once the whole document has turned out to be sound.
pub(super) struct Staging<'a> {
    names: &'a mut Interner,
    namespace: &'a str,
    base: usize,
    staged: Staged,
}

/// The items of a document.
#[derive(Default)]
pub(super) struct Staged {
    /// Whether the document has a list `items`.
    pub(super) is_list: bool,
    /// Its items.
    pub(super) objects: Vec<Item>,
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

impl<'a> Staging<'a> {
    /// Ranges of items are counted from byte `base` of the file.
    pub(super) fn new(names: &'a mut Interner, namespace: &'a str, base: usize) -> Self {
        Self {
            names,
            namespace,
            base,
            staged: Staged::default(),
        }
    }

    pub(super) fn finish(self) -> Staged {
        self.staged
    }
}

impl Items for Staging<'_> {
    fn begin(&mut self) {
        self.staged.objects.clear();
        self.staged.is_list = true;
    }

    fn item(&mut self, mut value: Value, range: Range<usize>) {
        let says = |value: &Value, key: &str| {
            value.get(key).and_then(Value::as_str).unwrap_or_default() != ""
        };
        let inner = match &mut value {
            Value::Object(map) if matches!(map.get("items"), Some(Value::Array(_))) => {
                map.remove("items")
            }
            _ => None,
        };
        let content = match inner {
            Some(Value::Array(items)) => Content::List(items),
            _ if says(&value, "kind") || says(&value, "apiVersion") => {
                Content::Decoded(Box::new(decode_in(value, self.namespace, self.names)))
            }
            _ => Content::Untyped(value),
        };
        self.staged.objects.push(Item {
            range: self.base + range.start..self.base + range.end,
            content,
        });
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
