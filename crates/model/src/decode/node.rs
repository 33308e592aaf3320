//! A value of an object and where in it.

use crate::value::{Map, Value};

/// Longer keys and texts are cut in messages.
const LONGEST_ECHO: usize = 60;

/// A value and the way to it. The way is a list on the stack: nothing is allocated before something is wrong.
#[derive(Clone, Copy)]
pub(super) struct Node<'n> {
    pub(super) value: &'n Value,
    step: Step<'n>,
    parent: Option<&'n Node<'n>>,
}

#[derive(Clone, Copy)]
enum Step<'n> {
    Root,
    Key(&'n str),
    Index(usize),
}

impl<'n> Node<'n> {
    pub(super) fn root(value: &'n Value) -> Self {
        Self {
            value,
            step: Step::Root,
            parent: None,
        }
    }

    /// The field `key`; `None` where it is not there or null, which mean the same to the API server.
    pub(super) fn field<'s>(&'s self, key: &'s str) -> Option<Node<'s>> {
        match self.value.get(key)? {
            Value::Null => None,
            value => Some(self.child(value, Step::Key(key))),
        }
    }

    /// The same place with what its text says.
    pub(super) fn reading<'s>(&'s self, value: &'s Value) -> Node<'s> {
        Node { value, ..*self }
    }

    /// Where the field `key` would be.
    pub(super) fn missing<'s>(&'s self, key: &'s str) -> Node<'s> {
        self.child(&Value::Null, Step::Key(key))
    }

    fn child<'s>(&'s self, value: &'s Value, step: Step<'s>) -> Node<'s> {
        Node {
            value,
            step,
            parent: Some(self),
        }
    }

    pub(super) fn entries<'s>(&'s self) -> impl Iterator<Item = (&'s str, Node<'s>)> {
        let entries = self.value.as_object().into_iter().flat_map(Map::iter);
        entries.map(|(key, value)| (key, self.child(value, Step::Key(key))))
    }

    pub(super) fn elements<'s>(&'s self) -> impl Iterator<Item = Node<'s>> {
        let items = self.value.as_array().unwrap_or_default().iter().enumerate();
        items.map(|(index, value)| self.child(value, Step::Index(index)))
    }

    fn steps(&self) -> Vec<Step<'_>> {
        let mut steps = Vec::new();
        let mut node = Some(self);
        while let Some(Node { step, parent, .. }) = node {
            steps.push(*step);
            node = *parent;
        }
        steps.reverse();
        steps
    }

    /// JSON pointer (RFC 6901).
    pub(super) fn pointer(&self) -> String {
        let mut pointer = String::new();
        for step in self.steps() {
            match step {
                Step::Root => {}
                Step::Key(key) => {
                    pointer.push('/');
                    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                }
                Step::Index(index) => pointer.push_str(&format!("/{index}")),
            }
        }
        pointer
    }

    /// As people write it: `rules[0].verbs`.
    pub(super) fn path(&self) -> String {
        let mut path = String::new();
        for step in self.steps() {
            match step {
                Step::Root => {}
                Step::Key(key) if key.chars().all(char::is_alphanumeric) && !key.is_empty() => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(&cut(key));
                }
                Step::Key(key) => path.push_str(&format!("[{:?}]", cut(key))),
                Step::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        path
    }
}

/// The text, or its beginning.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_ECHO) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
