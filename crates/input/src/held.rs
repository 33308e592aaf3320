use std::collections::HashMap;
use std::sync::Arc;

use bailiwick_diag::Position;
use bailiwick_model::{FileId, FileOrigin, Object};

use crate::limits::MAX_HELD_BYTES;
use crate::read::Lines;

/// The text of objects whose file cannot be read a second time: standard input and members of archives.
///
/// Only roles, bindings, service accounts and namespaces are held, which have no place for a secret, and no more than
/// 64 MiB of them; of other objects the place stays unknown.
#[derive(Clone, Debug, Default)]
pub struct Held {
    texts: HashMap<(FileId, u64), HeldText>,
    bytes: usize,
}

/// The text of one object.
#[derive(Clone, Debug)]
pub(crate) struct HeldText {
    /// Its text, with what stands in front of it on its first line.
    pub(crate) bytes: Arc<[u8]>,
    /// Where that starts.
    pub(crate) start: Position,
}

impl Held {
    pub(crate) fn text(&self, origin: &FileOrigin) -> Option<&HeldText> {
        self.texts.get(&(origin.file, origin.start))
    }

    /// Holds the text of an object that came from `text`, where it is one to hold.
    pub(crate) fn hold(
        &mut self,
        object: &Object,
        origin: &FileOrigin,
        text: &[u8],
        lines: &Lines,
    ) {
        let holdable = matches!(
            object,
            Object::Role(_) | Object::Binding(_) | Object::ServiceAccount(_) | Object::Namespace(_)
        );
        let (Ok(start), Ok(end)) = (usize::try_from(origin.start), usize::try_from(origin.end))
        else {
            return;
        };
        let line_start = text
            .get(..start)
            .and_then(|before| before.iter().rposition(|byte| *byte == b'\n'))
            .map_or(0, |newline| newline + 1);
        // A long line is that of a whole list.
        let from = if start - line_start <= 64 {
            line_start
        } else {
            start
        };
        let bytes = text.get(from..end).unwrap_or_default();
        let secret = bytes.windows(12).any(|window| window == b"last-applied");
        if !holdable || secret || self.bytes + bytes.len() > MAX_HELD_BYTES {
            return;
        }
        self.bytes += bytes.len();
        let held = HeldText {
            bytes: bytes.into(),
            start: lines.position(text, from),
        };
        self.texts.insert((origin.file, origin.start), held);
    }

    /// Takes in what another file's reading held, which numbered its file 0.
    pub(crate) fn merge(&mut self, other: Self, file: FileId) {
        if self.bytes + other.bytes > MAX_HELD_BYTES {
            return;
        }
        self.bytes += other.bytes;
        let texts = other.texts.into_iter();
        self.texts
            .extend(texts.map(|((_, start), text)| ((file, start), text)));
    }
}
