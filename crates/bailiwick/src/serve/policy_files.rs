//! Files of documents, read piece by piece as they change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};
use bailiwick_pdp::{Compiler, Document, DocumentId, DocumentProblem, Edit};
use sha2::{Digest as _, Sha256};

use super::stamps::{Stamp, Stamps, Told};
use crate::policies::{self, FileRead, Wrong};

/// The files, as far as what they say is in force.
pub(super) struct PolicyFiles {
    paths: Vec<PathBuf>,
    stamps: Stamps,
    taken: BTreeMap<PathBuf, Pieces>,
    /// Files as they were when they were looked at last, in force or refused: what is wrong is told once.
    seen: Option<u64>,
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

impl PolicyFiles {
    pub(super) fn new(paths: Vec<PathBuf>) -> Self {
        Self {
            paths,
            stamps: Stamps::default(),
            taken: BTreeMap::new(),
            seen: None,
            open: true,
        }
    }

    /// Looks at the files that may have changed. `None` where none has.
    pub(super) fn scan(&mut self, told: &Told, compiler: &Compiler) -> Result<Option<Scan>> {
        let ours = told.below(&self.paths);
        let scan = if self.open || self.stamps.may_differ(&self.paths, told) {
            self.scan_all(&ours, compiler)
        } else if ours.is_empty() {
            Ok(None)
        } else {
            match self.scan_some(&ours, compiler) {
                Ok(Some(scan)) => Ok(Some(scan)),
                // What is wrong is told once, of all files.
                Ok(None) | Err(_) => self.scan_all(&ours, compiler),
            }
        };
        self.open |= !matches!(scan, Ok(None));
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

    fn scan_all(&mut self, told: &BTreeSet<PathBuf>, compiler: &Compiler) -> Result<Option<Scan>> {
        let mut now = BTreeMap::new();
        for file in policies::files(&self.paths)? {
            let stamp = Stamp::of(&file)?;
            now.insert(file, stamp);
        }
        let mut look = self.stamps.look(now, told);
        let fingerprint = look.fingerprint();
        if self.seen == Some(fingerprint) && look.told.is_empty() {
            return Ok(None);
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
            return Ok(None);
        }
        reading.scan.stamps = look.stamps;
        reading.scan.all = true;
        self.finish(reading).map(Some)
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
        // Those of other files differ from one another: they are in force.
        for (other, pieces) in &self.taken {
            if replaced(other) {
                continue;
            }
            for id in ids(pieces) {
                if let Some(file) = holders.get(id) {
                    twice(id, file, other);
                }
            }
        }
        let changed = scan.taken.keys().chain(&scan.gone);
        let before = changed.filter_map(|file| self.taken.get(file));
        let before = before.flat_map(ids);
        scan.edit.remove = before
            .filter(|id| !holders.contains_key(id))
            .cloned()
            .collect();
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
        self.open = false;
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
        let bytes =
            std::fs::read(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
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
mod tests {
    use bailiwick_pdp::Prepared;

    use super::super::stamps::WRITING;
    use super::*;

    const DENY: &str = "forbid (principal, action, resource);";

    fn revocation(name: &str, user: &str) -> String {
        format!(
            "apiVersion: bailiwick.dev/v1alpha1\nkind: Revocation\nmetadata: {{name: {name}}}\nspec: {{user: {user}}}\n"
        )
    }

    struct Home {
        directory: tempfile::TempDir,
        files: PolicyFiles,
        compiler: Compiler,
    }

    impl Home {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            Self {
                files: PolicyFiles::new(vec![directory.path().to_owned()]),
                directory,
                compiler: Compiler::new().unwrap(),
            }
        }

        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.directory.path().join(name), text).unwrap();
        }

        fn scan(&mut self, told: &[&str]) -> Result<Option<Scan>> {
            let files = told.iter().map(|name| self.directory.path().join(name));
            let told = Told {
                files: files.collect(),
                gone: BTreeSet::new(),
                all: told.is_empty(),
            };
            self.files.scan(&told, &self.compiler)
        }

        /// What is put and what is removed, once it is taken.
        fn takes(&mut self, told: &[&str], put: &[&str], removed: &[&str]) {
            let scan = self.scan(told).unwrap().unwrap();
            let ids = |ids: Vec<&DocumentId>| -> Vec<String> {
                let mut names: Vec<String> = ids.iter().map(ToString::to_string).collect();
                names.sort();
                names
            };
            assert_eq!(ids(scan.edit.put.iter().map(Prepared::id).collect()), put);
            assert_eq!(ids(scan.edit.remove.iter().collect()), removed);
            self.files.take(scan);
        }
    }

    #[test]
    fn only_what_has_changed_is_read() {
        let mut home = Home::new();
        let (a, b) = (revocation("a", "anna"), revocation("b", "ben"));
        home.write("all.yaml", &format!("{a}---\n{b}"));
        home.write("deny.cedar", DENY);
        home.takes(
            &[],
            &["ClusterPolicy deny", "Revocation a", "Revocation b"],
            &[],
        );
        assert!(home.scan(&[]).unwrap().is_none());
        let b = revocation("b", "bert");
        home.write("all.yaml", &format!("{a}---\n{b}"));
        home.takes(&["all.yaml"], &["Revocation b"], &[]);
        home.write("all.yaml", &b);
        home.takes(&["all.yaml"], &[], &["Revocation a"]);
        // From one file to another.
        home.write("all.yaml", "");
        home.write("other.yaml", &b);
        std::thread::sleep(2 * WRITING);
        home.takes(&["all.yaml", "other.yaml"], &["Revocation b"], &[]);
        std::fs::remove_file(home.directory.path().join("deny.cedar")).unwrap();
        assert!(home.scan(&[]).unwrap().is_none(), "it may come back");
        std::thread::sleep(2 * WRITING);
        home.takes(&[], &[], &["ClusterPolicy deny"]);
        let json = serde_json::json!([]).to_string();
        home.write("x.json", &json.replace("[]", "{\"apiVersion\":\"bailiwick.dev/v1alpha1\",\"kind\":\"Revocation\",\"metadata\":{\"name\":\"j\"},\"spec\":{\"group\":\"g\"}}"));
        home.takes(&["x.json"], &["Revocation j"], &[]);
    }

    /// A file of one document that was written again with what it held already lifted its revocation.
    #[test]
    fn a_file_that_is_written_again_as_it_was_changes_nothing() {
        let mut home = Home::new();
        for text in [
            revocation("a", "anna"),
            format!("---\n{}", revocation("a", "ben")),
        ] {
            home.write("a.yaml", &text);
            home.takes(&["a.yaml"], &["Revocation a"], &[]);
            home.write("a.yaml", &text);
            home.takes(&["a.yaml"], &[], &[]);
        }
    }

    #[test]
    fn many_files_are_read_as_few_are() {
        let mut home = Home::new();
        let names: Vec<String> = (10..10 + 3 * MANY).map(|n| format!("r{n}")).collect();
        for name in &names {
            home.write(&format!("{name}.yaml"), &revocation(name, "anna"));
        }
        let put: Vec<String> = names
            .iter()
            .map(|name| format!("Revocation {name}"))
            .collect();
        let put: Vec<&str> = put.iter().map(String::as_str).collect();
        home.takes(&[], &put, &[]);
        home.write("r11.yaml", "kind: [");
        home.write("r50.yaml", &revocation("r10", "ben"));
        let told: Vec<String> = names.iter().map(|name| format!("{name}.yaml")).collect();
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        let wrong = home.scan(&told).err().unwrap().to_string();
        assert!(
            wrong.starts_with(&home.directory.path().join("r11.yaml").display().to_string()),
            "{wrong}"
        );
        assert!(
            wrong.contains("Revocation r10: 2 documents have this kind and name"),
            "{wrong}"
        );
    }

    /// A broken file lifted a revocation: it was read while it was being written, when it was empty.
    #[test]
    fn a_file_that_is_being_written_takes_nothing_away() {
        let mut home = Home::new();
        home.write("a.yaml", &revocation("a", "anna"));
        home.takes(&[], &["Revocation a"], &[]);
        home.write("a.yaml", "");
        for told in [&[][..], &["a.yaml"]] {
            assert!(home.scan(told).unwrap().is_none(), "{told:?}");
        }
        // Nobody writes for so long.
        std::thread::sleep(2 * WRITING);
        home.takes(&[], &[], &["Revocation a"]);
    }

    /// Some programs take a file away and write a new one in its place: what it forbade was allowed in between.
    #[test]
    fn a_file_that_is_gone_for_a_moment_takes_nothing_away() {
        let mut home = Home::new();
        home.write("a.yaml", &revocation("a", "anna"));
        home.takes(&[], &["Revocation a"], &[]);
        std::fs::remove_file(home.directory.path().join("a.yaml")).unwrap();
        assert!(home.scan(&["a.yaml"]).unwrap().is_none());
        home.write("a.yaml", "");
        assert!(home.scan(&[]).unwrap().is_none());
        home.write("a.yaml", &revocation("a", "ben"));
        home.takes(&["a.yaml"], &["Revocation a"], &[]);
    }

    #[test]
    fn what_is_wrong_is_told_once_and_nothing_is_taken() {
        let mut home = Home::new();
        home.write("a.yaml", &revocation("a", "anna"));
        home.takes(&[], &["Revocation a"], &[]);
        home.write(
            "b.yaml",
            "apiVersion: bailiwick.dev/v1alpha1\nkind: Revocation\n",
        );
        home.write("a.yaml", &revocation("c", "cleo"));
        let wrong = home.scan(&["a.yaml", "b.yaml"]).err().unwrap().to_string();
        assert!(
            wrong.contains("b.yaml:1: Revocation : `metadata.name` is missing"),
            "{wrong}"
        );
        std::thread::sleep(2 * WRITING);
        // Told once more, since the time of the last look the stamps have settled at the latest.
        let _ = home.scan(&[]);
        assert!(home.scan(&[]).unwrap().is_none());
        // The same name in a file that has not changed.
        home.write("b.yaml", &revocation("c", "cleo"));
        let wrong = home.scan(&["b.yaml"]).err().unwrap().to_string();
        assert!(
            wrong.contains("2 documents have this kind and name"),
            "{wrong}"
        );
        home.write("b.yaml", "");
        std::thread::sleep(2 * WRITING);
        home.takes(&["b.yaml"], &["Revocation c"], &["Revocation a"]);
    }

    #[test]
    fn documents_of_others_are_told_and_unknown_versions_refused() {
        let mut home = Home::new();
        home.write(
            "a.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n---\nx: 1\n",
        );
        let scan = home.scan(&[]).unwrap().unwrap();
        let told: Vec<String> = scan.strange.iter().map(ToString::to_string).collect();
        assert!(
            told[0].contains("a.yaml:1: a `ConfigMap` of `v1` is no document"),
            "{told:?}"
        );
        assert!(
            told[1].contains("a.yaml:5: a document without `apiVersion`"),
            "{told:?}"
        );
        home.write("a.yaml", &revocation("a", "anna").replace("v1alpha1", "v1"));
        let wrong = home.scan(&["a.yaml"]).err().unwrap().to_string();
        assert!(
            wrong.contains("`bailiwick.dev/v1` is a version that is not known"),
            "{wrong}"
        );
    }

    /// Kubernetes mounts a ConfigMap as links into a directory whose name begins with dots, and swaps that.
    #[test]
    fn a_mounted_config_map_is_read_once_and_followed() {
        let mut home = Home::new();
        let at = |name: &str| home.directory.path().join(name);
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, at(name)).unwrap();
        for (version, user) in [("..1", "anna"), ("..2", "ben")] {
            std::fs::create_dir(at(version)).unwrap();
            std::fs::write(at(version).join("r.yaml"), revocation("r", user)).unwrap();
        }
        link("..1", "..data");
        link("..data/r.yaml", "r.yaml");
        std::thread::sleep(2 * WRITING);
        home.takes(&[], &["Revocation r"], &[]);
        let at = |name: &str| home.directory.path().join(name);
        std::os::unix::fs::symlink("..2", at("..new")).unwrap();
        std::fs::rename(at("..new"), at("..data")).unwrap();
        home.takes(&[], &["Revocation r"], &[]);
    }
}
