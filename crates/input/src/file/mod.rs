//! One file: its documents read, its objects decoded, and what there is to say about it.

mod report;
mod secrecy;
mod staging;

use std::ops::Range;

use bailiwick_core::Str;
use bailiwick_diag::Finding;
use bailiwick_model::{FileId, FileOrigin, Gap, Interner, Object, Value};
use sha2::{Digest, Sha256};

use crate::limits::MAX_DOCUMENTS;
use crate::read::{JsonError, Piece, Problem, Root, Splitter, read_json, read_yaml};
use staging::{Staged, Staging};

pub(crate) use report::excerpt;
pub(crate) use secrecy::{Quote, quote_for};

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

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    Yaml,
    Json,
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
        namespace,
        names,
        read: FileRead::default(),
        documents: 0,
        foreign: Vec::new(),
        unspoken: 0,
    };
    file.read_all(start);
    file.finish()
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
    namespace: &'a str,
    names: &'a mut Interner,
    read: FileRead,
    documents: usize,
    /// Where the documents start that hold no Kubernetes object.
    foreign: Vec<usize>,
    /// Findings beyond the number that is spelt out.
    unspoken: usize,
}

impl File<'_> {
    /// JSON as long as it lasts, then YAML, as apimachinery's `YAMLOrJSONDecoder` does it.
    fn read_all(&mut self, start: usize) {
        let head = self.text.get(start..).unwrap_or_default();
        let head = head.get(..4096).unwrap_or(head);
        if head.trim_ascii_start().starts_with(b"{") {
            self.read_json_stream(start);
        } else {
            self.read_yaml_stream(start, None);
        }
    }

    fn read_json_stream(&mut self, start: usize) {
        let mut at = start;
        let mut values = 0_usize;
        loop {
            let rest = self.text.get(at..).unwrap_or_default();
            let space = rest.len() - rest.trim_ascii_start().len();
            let value = at + space;
            if space == rest.len() || !self.another_document(value) {
                return;
            }
            let mut staging = Staging::new(self.names, self.namespace, 0);
            match read_json(self.text, value, &mut staging) {
                Ok(root) => {
                    let staged = staging.finish();
                    at = root.range.end;
                    self.document(root, staged, value, Syntax::Json);
                }
                Err(JsonError::Refused(problem, end)) => {
                    drop(staging);
                    self.broken(&problem, 0, value..end);
                    at = end;
                }
                // Up to here the stream could as well be YAML: kubectl tries that.
                Err(JsonError::Syntax(problem)) if values <= 1 => {
                    drop(staging);
                    let resume = if values == 0 {
                        at
                    } else {
                        self.behind_line_end(at)
                    };
                    self.read_yaml_stream(resume, Some(problem));
                    return;
                }
                Err(JsonError::Syntax(problem)) => {
                    drop(staging);
                    let end = self.next_json_start(value);
                    self.broken(&problem, 0, value..end);
                    at = end;
                }
            }
            values += 1;
        }
    }

    /// Behind the white space up to the end of the line.
    fn behind_line_end(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        let space = rest.len() - rest.trim_ascii_start().len();
        let newline = rest.get(..space).unwrap_or_default();
        at + newline
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(space, |newline| newline + 1)
    }

    /// Where the next JSON value may start: at the next line that opens with a brace.
    fn next_json_start(&self, at: usize) -> usize {
        let rest = self.text.get(at + 1..).unwrap_or_default();
        rest.windows(2)
            .position(|pair| pair == b"\n{")
            .map_or(self.text.len(), |newline| at + 1 + newline + 1)
    }

    /// Reads YAML documents from byte `start` on. `json` is why the first of them is no JSON, though it looks like it.
    fn read_yaml_stream(&mut self, start: usize, mut json: Option<Problem>) {
        for piece in Splitter::new(self.text, start) {
            let (Piece::Yaml(range) | Piece::BadSeparator(range, _)) = &piece;
            if !self.another_document(range.start) {
                return;
            }
            let json = json.take();
            match piece {
                Piece::Yaml(range) => self.read_yaml_document(range, json),
                Piece::BadSeparator(range, separator) => {
                    let problem = Problem::new(
                        "broken-yaml",
                        "behind `---` only a comment may stand; kubectl refuses this line",
                        "move what stands there to the next line",
                        separator.clone(),
                    );
                    self.broken(&problem, 0, separator.start..range.end);
                }
            }
        }
    }

    fn read_yaml_document(&mut self, range: Range<usize>, json: Option<Problem>) {
        let bytes = self.text.get(range.clone()).unwrap_or_default();
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
            Err(error) => {
                let at = error.valid_up_to();
                let problem = Problem::new(
                    "invalid-utf8",
                    "this byte is no UTF-8",
                    "save the file as UTF-8",
                    at..at + error.error_len().unwrap_or(1),
                );
                self.broken(&problem, range.start, range);
                return;
            }
        };
        let base = range.end - text.len();
        let mut staging = Staging::new(self.names, self.namespace, base);
        match read_yaml(text, &mut staging) {
            Ok(mut root) => {
                let staged = staging.finish();
                root.range = base + root.range.start..base + root.range.end;
                root.ignored = root.ignored.map(|at| base + at);
                for duplicate in &mut root.duplicates {
                    for range in [&mut duplicate.lost, &mut duplicate.kept] {
                        *range = base + range.start..base + range.end;
                    }
                }
                self.document(root, staged, range.start, Syntax::Yaml);
            }
            Err(problem) => {
                drop(staging);
                match json {
                    // It opens like JSON: say what is wrong with it as JSON.
                    Some(json) if range.contains(&json.at.start) => self.broken(&json, 0, range),
                    _ => self.broken(&problem, base, range),
                }
            }
        }
    }

    fn another_document(&mut self, at: usize) -> bool {
        self.documents += 1;
        if self.documents <= MAX_DOCUMENTS {
            return true;
        }
        let problem = Problem::new(
            "too-many-documents",
            format!("the file holds more than {MAX_DOCUMENTS} documents; the rest is not read"),
            "split the file",
            at..at,
        );
        self.broken(&problem, 0, at..self.text.len());
        false
    }

    /// Takes in a document that could be read.
    fn document(&mut self, root: Root, staged: Staged, start: usize, syntax: Syntax) {
        let Root {
            value,
            range,
            duplicates,
            ignored,
        } = root;
        self.say_duplicates(&duplicates, &staged, &value, syntax);
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
        if kind.is_empty()
            && api_version.is_empty()
            && staged.objects.iter().all(|o| o.is_foreign())
        {
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
        for (position, staged) in staged.objects.into_iter().enumerate() {
            let item = u32::try_from(position).ok();
            let range = staged.range;
            match staged.content {
                staging::Content::Decoded(decoded) => {
                    self.object(*decoded, start, range, item, syntax);
                }
                staging::Content::Untyped(value) => {
                    let value = typed(value, kind, api_version);
                    let decoded = bailiwick_model::decode_in(value, self.namespace, self.names);
                    self.object(decoded, start, range, item, syntax);
                }
                staging::Content::List(items) => inner_lists.push((items, range)),
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
