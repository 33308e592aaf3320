use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use bailiwick_core::ObjectRef;
use bailiwick_diag::{Finding, Span};
use bailiwick_model::{FileId, FileOrigin, Origin, Snapshot};
use serde::de::IgnoredAny;

use crate::file::{excerpt, hash, quote_for};
use crate::held::Held;
use crate::limits::MAX_FILE_BYTES;
use crate::read::{BLOCK, Cursor, Lines, to_utf8};
use crate::source::{Format, bounded};
use crate::walk::{find_in_embedded, find_in_json};

/// Longest stretch in front of an object on its first line, and behind it on its last, that is looked at.
const MARGIN: u64 = 300;

/// Finds file, line and column of fields again, by reading the object's stretch of its file once more.
///
/// A file that has changed since the snapshot was taken is noticed by the hash of the object's text; its places then
/// stay without a line.
#[derive(Debug)]
pub struct Locator<'s> {
    snapshot: &'s Snapshot,
    held: Option<&'s Held>,
    /// Files that have been opened; `None` for those that cannot be.
    files: HashMap<FileId, Option<Opened>>,
}

#[derive(Debug)]
enum Opened {
    File(File, Lines),
    /// In memory, because it had to be recoded.
    Text(Vec<u8>, Lines),
}

/// The text of an object with what stands around it on its first and last line.
struct Text {
    bytes: Vec<u8>,
    /// The object in it.
    object: Range<usize>,
    /// Where the first byte of `bytes` stands in the file.
    start: Cursor,
    offset: u64,
}

impl<'s> Locator<'s> {
    /// A locator for the objects of `snapshot`.
    pub fn new(snapshot: &'s Snapshot) -> Self {
        Self {
            snapshot,
            held: None,
            files: HashMap::new(),
        }
    }

    /// Uses the text held while loading for what cannot be read again.
    #[must_use]
    pub fn with_held(mut self, held: &'s Held) -> Self {
        self.held = Some(held);
        self
    }

    /// Fills in the span of every place of `finding`, those of its flows too, that names an object and has none yet. Says so in the evidence
    /// where a file has changed since it was read.
    pub fn locate(&mut self, finding: &mut Finding) {
        let mut changed = Vec::new();
        for place in finding
            .places
            .iter_mut()
            .chain(finding.flows.iter_mut().flatten())
        {
            let (Some(object), None) = (&place.object, &place.span) else {
                continue;
            };
            let Some(Origin::File(origin)) = self.snapshot.origin(object) else {
                continue;
            };
            match self.find(object, &origin, &place.pointer) {
                Ok(span) => place.span = span,
                Err(Changed) => changed.extend(self.path(origin.file)),
            }
        }
        changed.sort();
        changed.dedup();
        for path in changed {
            finding.evidence.push(format!(
                "{path} has changed since it was read, so its lines are not told"
            ));
        }
    }

    /// Where `pointer` of an object from `origin` stands; `None` where nobody can tell.
    pub(crate) fn span(
        &mut self,
        object: &ObjectRef,
        origin: &Origin,
        pointer: &str,
    ) -> Option<Span> {
        match origin {
            Origin::File(origin) => self.find(object, origin, pointer).ok().flatten(),
            _ => None,
        }
    }

    fn path(&self, file: FileId) -> Option<String> {
        let file = self.snapshot.files.get(file.0 as usize)?;
        Some(file.path.to_string())
    }

    fn find(
        &mut self,
        object: &ObjectRef,
        origin: &FileOrigin,
        pointer: &str,
    ) -> Result<Option<Span>, Changed> {
        let Some(text) = self.text(origin) else {
            return Ok(None);
        };
        let own = text.bytes.get(text.object.clone()).unwrap_or_default();
        if hash(own) != origin.hash {
            return Err(Changed);
        }
        let before = text.bytes.get(..text.object.start).unwrap_or_default();
        let begin = text.start.advance(before);
        let column = begin.position(0).column as usize - 1;
        let found = match (
            serde_json::from_slice::<IgnoredAny>(own),
            std::str::from_utf8(own),
        ) {
            (Ok(_), _) => find_in_json(own, 0..own.len(), pointer),
            (_, Ok(yaml)) => find_in_embedded(yaml, column, pointer),
            _ => None,
        };
        let at = found.map_or(0..0, |found| found.underline(own));
        let at = text.object.start + at.start..text.object.start + at.end;
        let position = |offset: usize| {
            let before = text.bytes.get(..offset).unwrap_or_default();
            text.start
                .advance(before)
                .position(text.offset + offset as u64)
        };
        let start = position(at.start);
        let mut excerpt = excerpt(
            &text.bytes,
            &text.object,
            &at,
            start.line,
            quote_for(Some(object.kind)),
        );
        if let Some(excerpt) = &mut excerpt {
            excerpt.offset += text.offset;
        }
        Ok(self
            .snapshot
            .files
            .get(origin.file.0 as usize)
            .map(|file| Span {
                file: file.path.clone(),
                start,
                end: position(at.end),
                excerpt,
            }))
    }

    fn text(&mut self, origin: &FileOrigin) -> Option<Text> {
        let size = usize::try_from(origin.end.checked_sub(origin.start)?).ok()?;
        if let Some(held) = self.held.and_then(|held| held.text(origin)) {
            let front = usize::try_from(origin.start.checked_sub(held.start.offset)?).ok()?;
            return Some(Text {
                bytes: held.bytes.to_vec(),
                object: front..front + size,
                start: Cursor::at(held.start),
                offset: held.start.offset,
            });
        }
        let path = self.path(origin.file)?;
        let opened = self
            .files
            .entry(origin.file)
            .or_insert_with(|| open(&path).ok().flatten());
        opened.as_mut()?.text(origin, size).ok().flatten()
    }
}

/// The file is not what it was.
struct Changed;

fn open(path: &str) -> io::Result<Option<Opened>> {
    // Opening a pipe would wait for ever.
    if !std::fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    let mut file = File::open(path)?;
    let mut head = [0; 2];
    let length = file.read(&mut head)?;
    file.rewind()?;
    let head = head.get(..length).unwrap_or_default();
    if matches!(head, [0xFE, 0xFF] | [0xFF, 0xFE]) {
        let bytes = bounded(file, 0)?.unwrap_or_default();
        let (text, _) = to_utf8(bytes);
        let lines = Lines::of(&text);
        return Ok(Some(Opened::Text(text, lines)));
    }
    if Format::of(head) != Format::Text {
        return Ok(None);
    }
    let mut lines = Lines::default();
    let mut block = Vec::with_capacity(BLOCK);
    let mut read = 0;
    loop {
        block.clear();
        let length = (&mut file).take(BLOCK as u64).read_to_end(&mut block)?;
        read += length as u64;
        if length == 0 || read > MAX_FILE_BYTES {
            return Ok(Some(Opened::File(file, lines)));
        }
        lines.push(&block);
    }
}

impl Opened {
    fn text(&mut self, origin: &FileOrigin, size: usize) -> io::Result<Option<Text>> {
        // From the start of a block, so that lines can be counted.
        let front = origin.start.saturating_sub(MARGIN);
        let from = front / BLOCK as u64 * BLOCK as u64;
        let to = origin.end.saturating_add(MARGIN);
        let block = usize::try_from(from).unwrap_or(usize::MAX) / BLOCK;
        let (bytes, start) = match self {
            Self::File(file, lines) => {
                file.seek(SeekFrom::Start(from))?;
                let mut bytes = Vec::new();
                file.take((to - from).min(MAX_FILE_BYTES))
                    .read_to_end(&mut bytes)?;
                // As it was when it was read.
                if !bytes.is_empty() && bytes.last() != Some(&b'\n') {
                    bytes.push(b'\n');
                }
                (bytes, lines.block(block))
            }
            Self::Text(text, lines) => {
                let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
                let bytes = range.and_then(|(from, to)| text.get(from..to.min(text.len())));
                (bytes.unwrap_or_default().to_vec(), lines.block(block))
            }
        };
        let object = usize::try_from(origin.start - from).unwrap_or(usize::MAX);
        Ok(Some(Text {
            object: object..object.saturating_add(size),
            bytes,
            start,
            offset: from,
        }))
    }
}
