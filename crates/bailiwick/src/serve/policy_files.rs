//! Files of documents, read piece by piece as they change.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use bailiwick_pdp::{Compiler, Document, DocumentId, DocumentProblem, Edit};
use sha2::{Digest as _, Sha256};

use super::stamps::{self, Stamp, Stamps, Told};
use crate::console;
use crate::policies::{self, FileRead, Wrong};

/// The files, as far as what they say is in force.
pub(super) struct PolicyFiles {
    paths: Vec<PathBuf>,
    stamps: Stamps,
    taken: BTreeMap<PathBuf, Pieces>,
    /// Files as they were when they were looked at last, in force or refused: what is wrong is told once.
    seen: Option<u64>,
    /// Files with which a look had nothing to do, and none of which time alone makes another.
    settled: Option<u64>,
    /// Whether something was found since that is not in force.
    open: bool,
}

/// What a file holds, piece by piece.
type Pieces = Vec<(Hash, Vec<DocumentId>)>;

type Hash = [u8; 16];

/// What has changed, to be put in force.
#[derive(Default)]
pub(super) struct Scan {
    pub(super) edit: Edit,
    /// Documents that say nothing here.
    pub(super) strange: Vec<Wrong>,
    /// Those to put in force, by title, each with its place.
    documents: BTreeMap<String, (String, Document)>,
    stamps: BTreeMap<PathBuf, Stamp>,
    /// Whether these are of all files.
    all: bool,
    taken: BTreeMap<PathBuf, Pieces>,
    gone: Vec<PathBuf>,
}

/// What a look at the files found.
pub(super) enum Found {
    /// None is another than it was.
    Nothing,
    /// Something to put in force.
    Changes(Scan),
    /// Not known: it was told to stop.
    Stopped,
}

/// So many files are looked at before the look may stop again.
const BETWEEN: usize = 64;

impl PolicyFiles {
    pub(super) fn new(paths: Vec<PathBuf>) -> Self {
        Self {
            paths,
            stamps: Stamps::default(),
            taken: BTreeMap::new(),
            seen: None,
            settled: None,
            open: true,
        }
    }

    /// Looks at the files that may have changed. A look at all of them asks every few files whether to `stop`.
    pub(super) fn scan(
        &mut self,
        told: &Told,
        compiler: &Compiler,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Found> {
        let ours = told.below(&self.paths);
        let scan = if self.open || self.stamps.may_differ(&self.paths, told) {
            self.scan_all(&ours, compiler, stop)
        } else if ours.is_empty() {
            Ok(Found::Nothing)
        } else {
            match self.scan_some(&ours, compiler) {
                Ok(Some(scan)) => Ok(Found::Changes(scan)),
                // What is wrong is told once, of all files.
                Ok(None) | Err(_) => self.scan_all(&ours, compiler, stop),
            }
        };
        self.open |= matches!(scan, Ok(Found::Changes(_)) | Err(_));
        scan
    }

    /// Looks at files of which it is known that they have changed. `None` where that is not enough.
    fn scan_some(&self, told: &BTreeSet<PathBuf>, compiler: &Compiler) -> Result<Option<Scan>> {
        let mut changed = Vec::with_capacity(told.len());
        for file in told {
            if !self.taken.contains_key(file) && !self.is_read(file) {
                continue;
            }
            match Stamp::of(file) {
                Ok(stamp) if !stamp.is_empty() => changed.push((file, stamp)),
                _ => return Ok(None),
            }
        }
        let mut reading = self.read(&changed, compiler)?;
        if !reading.unread.is_empty() {
            return Ok(None);
        }
        let stamps = changed
            .iter()
            .map(|(file, stamp)| ((*file).clone(), *stamp));
        reading.scan.stamps = stamps.collect();
        let more = self.taken.len() + reading.scan.taken.len() > policies::MOST_FILES;
        let scan = self.finish(reading)?;
        // What is gone from one file may have come to another.
        Ok((!more && scan.edit.remove.is_empty()).then_some(scan))
    }

    /// Whether a file that is there is one of those that are read.
    fn is_read(&self, file: &Path) -> bool {
        let inside = |path: &PathBuf| {
            let inside = file.strip_prefix(path).ok();
            inside.is_some_and(|inside| inside == Path::new("") || policies::is_read(inside))
        };
        self.paths.iter().any(inside)
    }

    fn scan_all(
        &mut self,
        told: &BTreeSet<PathBuf>,
        compiler: &Compiler,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Found> {
        let mut now = Vec::new();
        for (number, file) in policies::files(&self.paths)?.into_iter().enumerate() {
            if number % BETWEEN == 0 && stop() {
                return Ok(Found::Stopped);
            }
            let stamp = Stamp::of(&file)?;
            now.push((file, stamp));
        }
        let as_found = stamps::fingerprint(now.iter().map(|(file, stamp)| (file, stamp)));
        // Most looks end here: many thousand files are compared with nothing.
        if told.is_empty() && self.settled == Some(as_found) {
            return Ok(Found::Nothing);
        }
        self.settled = None;
        let mut look = self.stamps.look(now.into_iter().collect(), told);
        let fingerprint = look.fingerprint();
        if self.seen == Some(fingerprint) && look.told.is_empty() {
            self.settled = look.unfinished.is_empty().then_some(as_found);
            return Ok(Found::Nothing);
        }
        self.seen = Some(fingerprint);
        let differs = |(file, stamp): &(&PathBuf, Stamp)| {
            look.told.contains(*file) || self.stamps.of(file) != Some(*stamp)
        };
        let files = look.stamps.iter().map(|(file, stamp)| (file, *stamp));
        let changed: Vec<(&PathBuf, Stamp)> = files.filter(differs).collect();
        let mut reading = self.read(&changed, compiler)?;
        for file in std::mem::take(&mut reading.unread) {
            // Somebody writes it again: the next look sees that.
            if let Some(known) = self.stamps.of(&file) {
                look.stamps.insert(file, known);
            }
        }
        let there = |file: &&PathBuf| look.stamps.contains_key(*file);
        let gone = self.taken.keys().filter(|file| !there(file)).cloned();
        reading.scan.gone = gone.collect();
        if reading.is_empty() && !self.open {
            self.stamps.take(look.stamps);
            return Ok(Found::Nothing);
        }
        reading.scan.stamps = look.stamps;
        reading.scan.all = true;
        self.finish(reading).map(Found::Changes)
    }

    /// Reads what is new in files, on two threads where they are many.
    fn read(&self, changed: &[(&PathBuf, Stamp)], compiler: &Compiler) -> Result<Reading> {
        let next = Mutex::new(changed.iter().enumerate());
        let work = || -> Result<Vec<(usize, Reading)>> {
            let mut done = Vec::new();
            loop {
                // A poisoned lock still holds the iterator: the other thread died between two files.
                let file = next.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((number, (file, stamp))) = file else {
                    return Ok(done);
                };
                let before = self.taken.get(*file);
                done.push((number, Reading::of(file, *stamp, before, compiler)?));
            }
        };
        let mut done = if changed.len() < MANY {
            work()?
        } else {
            // None of it is read here: memory that a thread has freed is used by whoever comes after it, that of this
            // thread by nobody.
            std::thread::scope(|scope| {
                let mut done = Vec::with_capacity(changed.len());
                for reader in [scope.spawn(work), scope.spawn(work)] {
                    match reader.join() {
                        Ok(read) => done.extend(read?),
                        Err(panic) => std::panic::resume_unwind(panic),
                    }
                }
                Ok::<_, anyhow::Error>(done)
            })?
        };
        done.sort_unstable_by_key(|(number, _)| *number);
        let mut all = Reading::default();
        done.into_iter().for_each(|(_, one)| all.add(one));
        Ok(all)
    }

    /// Puts together what was read.
    fn finish(&self, reading: Reading) -> Result<Scan> {
        let Reading {
            mut scan,
            mut wrong,
            ..
        } = reading;
        let replaced = |file: &PathBuf| scan.taken.contains_key(file) || scan.gone.contains(file);
        let mut holders: HashMap<&DocumentId, &Path> = HashMap::new();
        let mut twice = |id: &DocumentId, file: &Path, other: &Path| {
            wrong.push(Wrong {
                place: file.display().to_string(),
                message: format!(
                    "{id}: 2 documents have this kind and name; the other is in `{}`",
                    other.display()
                ),
            });
        };
        for (file, pieces) in &scan.taken {
            for id in ids(pieces) {
                if let Some(other) = holders.insert(id, file) {
                    twice(id, file, other);
                }
            }
        }
        let changed = scan.taken.keys().chain(&scan.gone);
        let before = changed.filter_map(|file| self.taken.get(file));
        let before: HashSet<&DocumentId> = before.flat_map(ids).collect();
        // What is in force is in one file, so that only what is new to these can be in another.
        if holders.keys().any(|id| !before.contains(*id)) {
            for (other, pieces) in self.taken.iter().filter(|(file, _)| !replaced(file)) {
                for id in ids(pieces) {
                    if let Some(file) = holders.get(id) {
                        twice(id, file, other);
                    }
                }
            }
        }
        let gone = before.into_iter().filter(|id| !holders.contains_key(id));
        scan.edit.remove = gone.cloned().collect();
        drop(holders);
        if wrong.is_empty() {
            return Ok(scan);
        }
        Err(refusal(&wrong))
    }

    /// What was found is in force.
    pub(super) fn take(&mut self, scan: Scan) {
        for file in scan.gone {
            self.taken.remove(&file);
        }
        self.taken.extend(scan.taken);
        if scan.all {
            self.stamps.take(scan.stamps);
        } else {
            self.stamps.take_some(scan.stamps);
        }
        (self.open, self.settled) = (false, None);
    }
}

/// The documents of a file.
fn ids(pieces: &Pieces) -> impl Iterator<Item = &DocumentId> {
    pieces.iter().flat_map(|(_, ids)| ids)
}

impl Scan {
    /// What keeps it from being put in force, with places.
    pub(super) fn refused(&self, problems: &[DocumentProblem]) -> anyhow::Error {
        let placed = problems.iter().map(|problem| {
            let found = self.documents.get(&problem.document);
            let place = found.map_or_else(String::new, |(place, _)| place.clone());
            policies::placed(problem, place, found.map(|(_, document)| document))
        });
        refusal(&placed.collect::<Vec<_>>())
    }
}

fn refusal(wrong: &[Wrong]) -> anyhow::Error {
    let lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    anyhow::anyhow!("{}", lines.join("\n"))
}

/// What was read of files.
#[derive(Default)]
struct Reading {
    scan: Scan,
    wrong: Vec<Wrong>,
    /// Those that somebody wrote meanwhile.
    unread: Vec<PathBuf>,
}

/// From this many files on they are read on two threads.
const MANY: usize = 16;

impl Reading {
    /// Whether no file is another than it was.
    fn is_empty(&self) -> bool {
        self.scan.taken.is_empty() && self.scan.gone.is_empty()
    }

    /// Adds what was read of other files.
    fn add(&mut self, other: Self) {
        let Self {
            scan,
            wrong,
            unread,
        } = other;
        self.scan.edit.put.extend(scan.edit.put);
        self.scan.strange.extend(scan.strange);
        self.scan.documents.extend(scan.documents);
        self.scan.taken.extend(scan.taken);
        self.wrong.extend(wrong);
        self.unread.extend(unread);
    }

    /// Reads and prepares what is new in a file.
    fn of(file: &Path, stamp: Stamp, before: Option<&Pieces>, compiler: &Compiler) -> Result<Self> {
        let mut reading = Self::default();
        let bytes = console::read_file(file)?;
        if before.is_some() && Stamp::of(file)? != stamp {
            reading.unread.push(file.to_owned());
            return Ok(reading);
        }
        let whole = hash(&bytes);
        // The whole of a file of one document has the hash of its only piece: the piece, which comes first, counts.
        let known: HashMap<Hash, &Vec<DocumentId>> = before
            .into_iter()
            .flat_map(|pieces| pieces.iter().rev())
            .map(|(hash, ids)| (*hash, ids))
            .collect();
        let mut pieces = Pieces::new();
        let read = FileRead::of(file, bytes, &mut |text| {
            let hash = hash(text);
            let ids = known.get(&hash).map(|ids| (*ids).clone());
            let wanted = ids.is_none();
            pieces.push((hash, ids.unwrap_or_default()));
            wanted
        });
        // What is no piece of a file is known by the whole of it.
        pieces.push((whole, Vec::new()));
        let last = pieces.len() - 1;
        for (document, place, piece) in read.documents {
            if let Some((_, ids)) = pieces.get_mut(piece.unwrap_or(last)) {
                ids.push(document.id());
            }
            reading.document(document, place, compiler);
        }
        pieces.iter_mut().for_each(|(_, ids)| ids.shrink_to_fit());
        pieces.shrink_to_fit();
        reading.wrong.extend(read.wrong);
        reading.scan.strange.extend(read.strange);
        reading.scan.taken.insert(file.to_owned(), pieces);
        Ok(reading)
    }

    fn document(&mut self, mut document: Document, place: String, compiler: &Compiler) {
        match compiler.prepare(&document) {
            Ok(prepared) => self.scan.edit.put.push(prepared),
            Err(problems) => self.wrong.extend(
                problems
                    .iter()
                    .map(|problem| policies::placed(problem, place.clone(), Some(&document))),
            ),
        }
        // Their text is not needed again, and may be most of the memory.
        if let Document::Relations { tuples, .. } = &mut document {
            *tuples = Vec::new();
        }
        self.scan
            .documents
            .insert(document.title(), (place, document));
    }
}

fn hash(bytes: &[u8]) -> Hash {
    let mut hash = Hash::default();
    let whole = Sha256::digest(bytes);
    hash.iter_mut()
        .zip(whole)
        .for_each(|(byte, from)| *byte = from);
    hash
}

#[cfg(test)]
mod tests;
