use std::sync::Arc;

use bailiwick_core::{Kind, Str};
use bailiwick_diag::Severity;

use super::Issue;
use super::node::{Node, cut};
use crate::interner::{Interner, YamlError};
use crate::spelling;
use crate::value::Value;
use crate::workload::PodSpec;

/// More issues than this in one object are counted, not listed.
const MOST_ISSUES: usize = 50;
/// More unknown fields than this in one object are not compared with known ones, so that a hostile object of a
/// million fields costs no time.
const MOST_COMPARED: usize = 1000;

/// The fields of one type of the API, and what becomes of the object where one of them is misspelt.
pub(super) struct Shape {
    /// Such as `a rule`.
    pub(super) what: &'static str,
    /// Names, each with what follows where the field is missing (may be empty).
    pub(super) fields: &'static [(&'static str, &'static str)],
    /// Whether these are all fields of the type. Otherwise only near misses are noticed.
    pub(super) complete: bool,
}

/// What decoding one object gathers.
pub(super) struct Context<'c> {
    names: &'c mut Interner,
    pub(super) kind: Kind,
    /// Whether an API server wrote the object: what it stores counts, however it would judge it today.
    stored: bool,
    issues: Vec<Issue>,
    unlisted: usize,
    compared: usize,
    refused: bool,
}

impl<'c> Context<'c> {
    pub(super) fn new(kind: Kind, stored: bool, names: &'c mut Interner) -> Self {
        Self {
            names,
            kind,
            stored,
            issues: Vec::new(),
            unlisted: 0,
            compared: 0,
            refused: false,
        }
    }

    /// Whether an API server wrote the object.
    pub(super) fn is_stored(&self) -> bool {
        self.stored
    }

    /// Everything that was noticed, and whether the object is refused.
    pub(super) fn finish(mut self) -> (Vec<Issue>, bool) {
        if self.unlisted > 0 {
            self.issues.push(Issue {
                id: "more-issues",
                severity: self.weight(),
                pointer: String::new(),
                message: format!(
                    "{} further issues of this object are not listed",
                    self.unlisted
                ),
                help: None,
                lost: self.refused,
            });
        }
        (self.issues, self.refused)
    }

    pub(super) fn intern(&mut self, text: &str) -> Str {
        self.names.intern(text)
    }

    pub(super) fn share_pod(&mut self, pod: PodSpec) -> Arc<PodSpec> {
        self.names.pod(pod)
    }

    fn weight(&self) -> Severity {
        if Kind::RBAC.contains(&self.kind) {
            Severity::High
        } else {
            Severity::Medium
        }
    }

    fn note(&mut self, issue: Issue) {
        self.refused |= issue.lost;
        if self.issues.len() < MOST_ISSUES {
            self.issues.push(issue);
        } else {
            self.unlisted += 1;
        }
    }

    /// Notes that the API server's validation refuses the object.
    pub(super) fn refuse(&mut self, node: &Node<'_>, reason: &str, help: &str) {
        let (path, pointer) = (node.path(), node.pointer());
        self.refuse_at(pointer, &path, reason, help);
    }

    /// Notes that the API server's validation refuses the object for a field `key` that is missing in `node`.
    pub(super) fn refuse_missing(&mut self, node: &Node<'_>, key: &str, help: &str) {
        let missing = node.missing(key);
        let path = missing.path();
        self.refuse_at(node.pointer(), &path, "is missing or empty", help);
    }

    /// What the YAML of a text says; `None` where nobody can read YAML here.
    pub(super) fn read_yaml(&self, text: &str) -> Option<Result<Value, YamlError>> {
        self.names.read_yaml(text)
    }

    /// Notes something that loses nothing of what counts.
    pub(super) fn remark(
        &mut self,
        node: &Node<'_>,
        id: &'static str,
        message: String,
        help: &str,
    ) {
        self.note(Issue {
            id,
            severity: Severity::Medium,
            pointer: node.pointer(),
            message,
            help: Some(help.to_owned()),
            lost: false,
        });
    }

    /// Notes that the object cannot be read for a reason that is Bailiwick's own.
    pub(super) fn lose(&mut self, node: &Node<'_>, id: &'static str, message: String, help: &str) {
        self.note(Issue {
            id,
            severity: self.weight(),
            pointer: node.pointer(),
            message,
            help: Some(help.to_owned()),
            lost: true,
        });
    }

    fn refuse_at(&mut self, pointer: String, path: &str, reason: &str, help: &str) {
        let kind = self.kind;
        let (id, severity, message) = if self.stored {
            (
                "stored-but-invalid",
                Severity::Low,
                format!(
                    "this {kind} is stored and counts, but the API server would not take it today: `{path}` {reason}"
                ),
            )
        } else {
            (
                "refused-by-api-server",
                self.weight(),
                format!("the API server refuses this {kind}: `{path}` {reason}"),
            )
        };
        self.note(Issue {
            id,
            severity,
            pointer,
            message,
            help: (!help.is_empty()).then(|| help.to_owned()),
            lost: !self.stored,
        });
    }

    fn wrong_type(&mut self, node: &Node<'_>, expected: &str) {
        let found = match node.value {
            _ if self.kind == Kind::Secret => node.value.kind().to_owned(),
            Value::Bool(value) => format!("the boolean {value}"),
            Value::Int(_) | Value::UInt(_) | Value::Float(_) => {
                format!("the number {}", node.value)
            }
            // Where a list or mapping belongs, a text may be anything, a password of an environment included.
            Value::String(text) if !matches!(expected, "a list" | "a mapping") => {
                format!("the text {:?}", cut(text))
            }
            other => other.kind().to_owned(),
        };
        let help = match (expected, node.value) {
            ("a text", Value::Bool(true)) => {
                "put quotes around it: kubectl reads an unquoted `yes`, `y`, `on` or `true` as true"
            }
            ("a text", Value::Bool(false)) => {
                "put quotes around it: kubectl reads an unquoted `no`, `n`, `off` or `false` as false"
            }
            ("a text", Value::Int(_) | Value::UInt(_) | Value::Float(_)) => {
                "put quotes around it: unquoted it is a number to kubectl, `010` is 8 and `1e3` is 1000"
            }
            ("a list", Value::String(_) | Value::Object(_)) => {
                "write it as a list, each item on a line of its own after `- `"
            }
            ("true or false" | "a whole number", Value::String(_)) => "remove the quotes",
            _ => "",
        };
        let message = format!(
            "the API server refuses this {}: `{}` must be {expected}, but it is {found}",
            self.kind,
            node.path()
        );
        self.note(Issue {
            id: "wrong-type",
            severity: self.weight(),
            pointer: node.pointer(),
            message,
            help: (!help.is_empty()).then(|| help.to_owned()),
            lost: true,
        });
    }

    /// Whether `node` is a mapping (or null, which is an empty one). Notes fields that `shape` does not have.
    pub(super) fn mapping(&mut self, node: &Node<'_>, shape: &Shape) -> bool {
        match node.value {
            Value::Null => true,
            Value::Object(_) => {
                for (key, field) in node.entries() {
                    if !shape.fields.iter().any(|(known, _)| *known == key) {
                        self.unknown_field(&field, key, shape);
                    }
                }
                true
            }
            _ => {
                self.wrong_type(node, "a mapping");
                false
            }
        }
    }

    fn unknown_field(&mut self, field: &Node<'_>, key: &str, shape: &Shape) {
        self.compared += 1;
        let known = shape.fields.iter().map(|(known, _)| *known);
        let meant = spelling::nearest(key, known.filter(|_| self.compared <= MOST_COMPARED));
        if meant.is_none() && !shape.complete {
            return;
        }
        let follows = shape
            .fields
            .iter()
            .find(|(known, follows)| Some(*known) == meant && !follows.is_empty())
            .map_or("the field has no effect", |(_, follows)| follows);
        let help = match meant {
            Some(meant) if meant.eq_ignore_ascii_case(key) => {
                format!("write `{meant}`: upper and lower case matter in field names")
            }
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "remove it, or check where it belongs and how far it is indented".to_owned(),
        };
        let message = format!(
            "`{}` is not a field of {}: kubectl refuses the object, other clients drop the field, and then {follows}",
            field.path(),
            shape.what,
        );
        self.note(Issue {
            id: "unknown-field",
            severity: if follows.starts_with("the field") {
                Severity::Medium
            } else {
                Severity::High
            },
            pointer: field.pointer(),
            message,
            help: Some(help),
            lost: false,
        });
    }

    /// The text, where there is one; null counts as none.
    pub(super) fn plain_text<'v>(&mut self, node: &Node<'v>) -> Option<&'v str> {
        match node.value {
            Value::String(text) => Some(text),
            Value::Null => None,
            _ => {
                self.wrong_type(node, "a text");
                None
            }
        }
    }

    /// A text field; empty where it is missing.
    pub(super) fn text(&mut self, node: &Node<'_>, key: &str) -> Str {
        let text = node.field(key).and_then(|field| self.plain_text(&field));
        // The borrow of `self` for the text ends before interning, because the text lives in the value.
        self.names.intern(text.unwrap_or_default())
    }

    pub(super) fn flag(&mut self, node: &Node<'_>, key: &str) -> Option<bool> {
        let field = node.field(key)?;
        match field.value {
            Value::Bool(flag) => Some(*flag),
            _ => {
                self.wrong_type(&field, "true or false");
                None
            }
        }
    }

    /// A whole number of 64 bits. `1e3` and `2.0` are whole to kubectl.
    pub(super) fn integer(&mut self, node: &Node<'_>, key: &str) -> Option<i64> {
        const LIMIT: f64 = 9_223_372_036_854_775_808.0;
        let field = node.field(key)?;
        let number = match field.value {
            Value::Int(number) => Some(*number),
            Value::UInt(number) => i64::try_from(*number).ok(),
            Value::Float(number) if number.fract() == 0.0 && (-LIMIT..LIMIT).contains(number) =>
            {
                #[allow(
                    clippy::cast_possible_truncation,
                    reason = "it is whole and within the range of i64"
                )]
                Some(*number as i64)
            }
            _ => None,
        };
        if number.is_none() {
            self.wrong_type(&field, "a whole number");
        }
        number
    }

    /// Calls `each` with every item of the list `key`.
    pub(super) fn each(
        &mut self,
        node: &Node<'_>,
        key: &str,
        mut each: impl FnMut(&mut Self, &Node<'_>),
    ) {
        let Some(list) = node.field(key) else { return };
        if list.value.as_array().is_none() {
            return self.wrong_type(&list, "a list");
        }
        for item in list.elements() {
            each(self, &item);
        }
    }

    /// A list of what `read` makes of each item.
    pub(super) fn list<T>(
        &mut self,
        node: &Node<'_>,
        key: &str,
        mut read: impl FnMut(&mut Self, &Node<'_>) -> T,
    ) -> Box<[T]> {
        let mut items = Vec::new();
        self.each(node, key, |cx, item| items.push(read(cx, item)));
        items.into()
    }

    /// A list of texts; a null among them is an empty text, as it is to the API server.
    pub(super) fn texts(&mut self, node: &Node<'_>, key: &str) -> Box<[Str]> {
        self.list(node, key, |cx, item| {
            let text = cx.plain_text(item);
            cx.names.intern(text.unwrap_or_default())
        })
    }

    /// A mapping from text to text, sorted by key, of those entries that `keep` wants.
    pub(super) fn text_map(
        &mut self,
        node: &Node<'_>,
        key: &str,
        mut keep: impl FnMut(&mut Self, &Node<'_>, &str, &str) -> bool,
    ) -> Box<[(Str, Str)]> {
        let Some(field) = node.field(key) else {
            return Box::default();
        };
        if field.value.as_object().is_none() {
            self.wrong_type(&field, "a mapping");
            return Box::default();
        }
        let mut pairs = Vec::new();
        for (key, entry) in field.entries() {
            let value = self.plain_text(&entry).unwrap_or_default();
            if keep(self, &entry, key, value) {
                pairs.push((self.names.intern(key), self.names.intern(value)));
            }
        }
        pairs.sort_unstable();
        pairs.into()
    }

    /// Notes where the field `key` is there and no mapping; gives it where it is one.
    pub(super) fn inner<'s>(
        &mut self,
        node: &'s Node<'_>,
        key: &'s str,
        shape: &Shape,
    ) -> Option<Node<'s>> {
        let field = node.field(key)?;
        self.mapping(&field, shape).then_some(field)
    }
}
