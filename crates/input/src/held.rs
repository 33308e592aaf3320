use std::collections::HashMap;
use std::sync::Arc;

use bailiwick_model::FileOrigin;

/// The text of objects whose file cannot be read a second time: standard input and members of archives.
///
/// Only roles, bindings, service accounts and namespaces are held, which have no place for a secret, and no more than
/// 64 MiB of them.
#[derive(Clone, Debug, Default)]
pub struct Held(HashMap<(u32, u64), Text>);

/// The text of one object with the place of its first byte.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) bytes: Arc<[u8]>,
    /// Line of the first byte, from 1.
    pub(crate) line: u32,
    /// Column of the first byte, from 1.
    pub(crate) column: u32,
}

impl Held {
    pub(crate) fn text(&self, origin: &FileOrigin) -> Option<&Text> {
        self.0.get(&(origin.file.0, origin.start))
    }
}
