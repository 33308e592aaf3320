//! A log, read without a writer.

use std::fs::{self, File, TryLockError};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use bailiwick_audit::{DecisionId, Digest, Event, Line, Record, Report, Verifier};
use bailiwick_core::Timestamp;

use crate::directory::{list, lock_path};
use crate::error::Error;

/// One segment of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its file.
    pub path: PathBuf,
    /// Its position in the log, from 1.
    pub position: u64,
}

impl Segment {
    /// The name of its file.
    pub fn name(&self) -> String {
        self.path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// The first decision near its start, if there is one.
    fn first_decision(&self) -> Result<Option<DecisionId>, Error> {
        let mut bytes = Vec::new();
        File::open(&self.path)
            .and_then(|file| file.take(HEAD).read_to_end(&mut bytes))
            .map_err(Error::io(&self.path, "read"))?;
        let mut lines = bytes.split(|&byte| byte == b'\n');
        Ok(
            lines.find_map(|line| match Line::parse(line).ok()?.record()?.event {
                Event::Decision(decision) => Some(decision.id),
                _ => None,
            }),
        )
    }

    /// All of its bytes.
    pub fn read(&self) -> Result<Vec<u8>, Error> {
        fs::read(&self.path).map_err(Error::io(&self.path, "read"))
    }
}

/// The segments of the log in a directory, in order; an error where there are none.
pub fn segments(directory: &Path) -> Result<Vec<Segment>, Error> {
    let found = list(directory)?;
    if found.is_empty() {
        return Err(Error::NoLog(directory.to_owned()));
    }
    let segment = |(position, path)| Segment { path, position };
    Ok(found.into_iter().map(segment).collect())
}

/// Whether a program has the log open.
pub fn is_being_written(directory: &Path) -> bool {
    let Ok(lock) = File::open(lock_path(directory)) else {
        return false;
    };
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Verifies the log in a directory, `head` being a hash that was noted elsewhere.
///
/// A log may be verified while it is being written: a line that has no end yet is left out then.
pub fn verify(directory: &Path, head: Option<Digest>) -> Result<Report, Error> {
    let mut verifier = Verifier::new();
    if let Some(head) = head {
        verifier = verifier.ends_with(head);
    }
    let segments = segments(directory)?;
    let written = is_being_written(directory);
    for (index, segment) in segments.iter().enumerate() {
        let bytes = segment.read()?;
        let last = index + 1 == segments.len();
        let whole = match bytes.iter().rposition(|&byte| byte == b'\n') {
            Some(end) if last && written => bytes.get(..=end).unwrap_or_default(),
            _ => &bytes,
        };
        verifier.segment(&segment.name(), whole);
    }
    Ok(verifier.finish())
}

/// Finds the record of a decision by its id, or of a document by its serial or `jti`; the newest segment first. Of
/// decisions only the segments are read in which it can be, which their first decisions tell.
pub fn find(directory: &Path, name: &str) -> Result<Option<Record>, Error> {
    let wanted = format!(":\"{name}\"");
    let mut segments = segments(directory)?;
    if let Ok(id) = name.parse() {
        segments = holding(segments, id)?;
    }
    for segment in segments.iter().rev() {
        let bytes = segment.read()?;
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().filter(|line| line.contains(&wanted));
        let mut records = lines.filter_map(|line| Line::parse(line.as_bytes()).ok()?.record());
        if let Some(record) = records.find(|record| record.event.is_named(name)) {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

/// Hears every record since a moment, and some from before it, the newest segment first. A line that is being written is
/// left out.
pub fn since(directory: &Path, from: Timestamp, mut hear: impl FnMut(Record)) -> Result<(), Error> {
    for (position, path) in list(directory)?.into_iter().rev() {
        let bytes = Segment { path, position }.read()?;
        let lines = bytes.split(|&byte| byte == b'\n');
        let mut records = lines
            .filter_map(|line| Line::parse(line).ok()?.record())
            .peekable();
        let is_old = records.peek().is_some_and(|first| first.at < from);
        records.for_each(&mut hear);
        if is_old {
            break;
        }
    }
    Ok(())
}

/// How much of a segment is looked at for its first decision.
const HEAD: u64 = 64 << 10;

/// The segments that may hold a decision. A run of the program starts a segment and counts its decisions; those under way
/// at once may be written in another order, so that one segment on each side counts too, and each whose first decision
/// is not seen.
fn holding(segments: Vec<Segment>, id: DecisionId) -> Result<Vec<Segment>, Error> {
    let firsts: Vec<Option<DecisionId>> = segments
        .iter()
        .map(Segment::first_decision)
        .collect::<Result<_, Error>>()?;
    let of_run = |first: &Option<DecisionId>| first.is_some_and(|first| first.run == id.run);
    let before = |first: &Option<DecisionId>| {
        of_run(first) && first.is_some_and(|first| first.number <= id.number)
    };
    // Where all of the run are later, it may be among what was under way when the first of them was written.
    let place = firsts
        .iter()
        .rposition(before)
        .or_else(|| firsts.iter().position(of_run));
    let near = |at: usize| place.is_some_and(|place| at.abs_diff(place) <= 1);
    let each = segments.into_iter().zip(firsts).enumerate();
    let held = each.filter(|(at, (_, first))| near(*at) || first.is_none());
    Ok(held.map(|(_, (segment, _))| segment).collect())
}
