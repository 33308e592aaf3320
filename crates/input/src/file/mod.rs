//! One file: its documents read, its objects decoded, and what there is to say about it.

mod report;
mod secrecy;
mod staging;

use std::cell::OnceCell;
use std::ops::Range;

use bailiwick_core::Str;
use bailiwick_diag::Finding;
use bailiwick_model::{FileId, FileOrigin, Gap, Interner, Object, Value};
use sha2::{Digest, Sha256};

use crate::read::{Documents, Items, Lines, Problem, Root, Syntax, read_documents};
use staging::{Content, Item, Staged};

pub(crate) use report::excerpt;
pub(crate) use secrecy::quote_for;

/// What a file gave.
#[derive(Debug, Default)]
pub(crate) struct FileRead {
    /// Objects in the order of the file. The origin's file is for the caller to fill in.
    pub(crate) objects: Vec<(Object, FileOrigin)>,
    /// What there is to say.
    pub(crate) findings: Vec<Finding>,
    /// What is missing.
    pub(crate) gaps: Vec<Gap>,
}

/// Reads the documents of `text` from byte `start` on. Namespaced objects without a namespace land in `namespace`.
pub(crate) fn read_file(
    name: &Str,
    text: &[u8],
    start: usize,
    namespace: &str,
    names: &mut Interner,
) -> FileRead {
    let mut file = File {
        name,
        text,
        lines: OnceCell::new(),
        namespace,
        names,
        read: FileRead::default(),
        base: 0,
        staged: Staged::default(),
        foreign: Vec::new(),
        unspoken: 0,
    };
    let documents = read_documents(text, start, &mut file);
    file.finish(documents)
}

/// The first bytes of the SHA-256 of an object's text.
pub(crate) fn hash(text: &[u8]) -> u64 {
    let digest = Sha256::digest(text);
    digest
        .iter()
        .take(8)
        .fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

struct File<'a> {
    name: &'a Str,
    text: &'a [u8],
    lines: OnceCell<Lines>,
    namespace: &'a str,
    names: &'a mut Interner,
    read: FileRead,
    /// What the ranges of items are counted from.
    base: usize,
    /// The items of the document that is being read.
    staged: Staged,
    /// Where the documents start that hold no Kubernetes object.
    foreign: Vec<usize>,
    /// Findings beyond the number that is spelt out.
    unspoken: usize,
}

impl Items for File<'_> {
    fn begin(&mut self) {
        self.staged = Staged::default();
        self.staged.is_list = true;
    }

    fn item(&mut self, value: Value, range: Range<usize>) -> bool {
        let content = Content::of(value, self.namespace, self.names);
        let range = self.base + range.start..self.base + range.end;
        self.staged.push(Item { range, content })
    }
}

impl Documents for File<'_> {
    fn begin_document(&mut self, base: usize) {
        self.base = base;
        self.staged = Staged::default();
    }

    fn broken(&mut self, problem: &Problem, base: usize, document: Range<usize>) {
        self.say_broken(problem, base, document);
    }

    fn document(&mut self, root: Root, start: usize, syntax: Syntax) {
        let staged = std::mem::take(&mut self.staged);
        let Root {
            value,
            range,
            duplicates,
            ignored,
        } = root;
        self.say_duplicates(&duplicates, &staged, &value, &range, syntax);
        if let Some(at) = ignored {
            self.say_ignored(at);
        }
        let Value::Object(map) = value else {
            if value != Value::Null {
                self.foreign.push(range.start);
            }
            return;
        };
        let text_of = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default();
        let (kind, api_version) = (text_of("kind").to_owned(), text_of("apiVersion").to_owned());
        let is_list = staged.is_list || map.get("items").is_some();
        if kind.is_empty() && api_version.is_empty() && staged.items.iter().all(Item::is_foreign) {
            self.foreign.push(range.start);
        } else if !is_list {
            let decoded =
                bailiwick_model::decode_in(Value::Object(map), self.namespace, self.names);
            self.object(decoded, start, range, None, syntax);
        } else if kind.is_empty() {
            self.list_without_kind(range);
        } else {
            let other = map.get("items").filter(|items| **items != Value::Null);
            match other {
                Some(Value::Array(items)) => {
                    // It came through an alias or a merge key, so it has no text of its own.
                    let items = items.clone();
                    self.nested(items, &kind, &api_version, start, &range, syntax);
                }
                Some(_) => self.list_of_no_items(range),
                None => self.list(staged, &kind, &api_version, start, syntax),
            }
        }
    }
}

impl File<'_> {
    /// Takes in the items of a list.
    fn list(
        &mut self,
        staged: Staged,
        kind: &str,
        api_version: &str,
        start: usize,
        syntax: Syntax,
    ) {
        let mut inner_lists = Vec::new();
        for (position, staged) in staged.items.into_iter().enumerate() {
            let item = u32::try_from(position).ok();
            let range = staged.range;
            match staged.content {
                Content::Decoded(decoded) => {
                    self.object(*decoded, start, range, item, syntax);
                }
                Content::Untyped(value) => {
                    let value = typed(value, kind, api_version);
                    let decoded = bailiwick_model::decode_in(value, self.namespace, self.names);
                    self.object(decoded, start, range, item, syntax);
                }
                Content::List(items) => inner_lists.push((items, range)),
            }
        }
        // kubectl flattens level by level, so these come last. It gives no kind to items of inner lists.
        for (items, range) in inner_lists {
            self.nested(items, "", "", start, &range, syntax);
        }
    }

    /// Takes in items that are values already, all with the text of the list around them.
    fn nested(
        &mut self,
        items: Vec<Value>,
        kind: &str,
        api_version: &str,
        start: usize,
        range: &Range<usize>,
        syntax: Syntax,
    ) {
        let mut queue = std::collections::VecDeque::from(items);
        while let Some(mut item) = queue.pop_front() {
            let inner = match &mut item {
                Value::Object(map) => match map.remove("items") {
                    Some(Value::Array(inner)) => Some(inner),
                    Some(other) => {
                        map.insert("items".into(), other);
                        None
                    }
                    None => None,
                },
                _ => None,
            };
            match inner {
                Some(inner) => queue.extend(inner),
                None => {
                    let value = typed(item, kind, api_version);
                    let decoded = bailiwick_model::decode_in(value, self.namespace, self.names);
                    self.object(decoded, start, range.clone(), None, syntax);
                }
            }
        }
    }

    fn object(
        &mut self,
        decoded: bailiwick_model::Decoded,
        document: usize,
        range: Range<usize>,
        item: Option<u32>,
        syntax: Syntax,
    ) {
        self.say_issues(&decoded, &range, syntax);
        if let Some(object) = decoded.object {
            let text = self.text.get(range.clone()).unwrap_or_default();
            let origin = FileOrigin {
                file: FileId(0),
                document: document as u64,
                start: range.start as u64,
                end: range.end as u64,
                item,
                hash: hash(text),
            };
            self.read.objects.push((object, origin));
        }
    }
}

/// An item of a typed list with the kind that the list implies (`decodeToList` of apimachinery's `unstructured`).
fn typed(value: Value, list_kind: &str, api_version: &str) -> Value {
    let Value::Object(mut map) = value else {
        return value;
    };
    let says = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default() != "";
    if !says("kind") && !says("apiVersion") && !list_kind.is_empty() {
        let kind = list_kind.strip_suffix("List").unwrap_or(list_kind);
        map.insert("kind".into(), Value::String(kind.into()));
        map.insert("apiVersion".into(), Value::String(api_version.into()));
    }
    Value::Object(map)
}
