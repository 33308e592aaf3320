//! Which files have changed, and which of them somebody may still be writing.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash as _, Hasher as _};
use std::ops::Bound;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, ensure};

/// Whoever writes a file is given this long before a change that nobody told of is looked at. A file that is being
/// written is empty first, or gone, and that would take away what it says.
pub(super) const WRITING: Duration = Duration::from_secs(1);

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stamp {
    length: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What was heard of files since they were looked at last.
#[derive(Default)]
pub(super) struct Told {
    /// These have changed and are whole; absolute paths of plain files, whoever they belong to.
    pub(super) files: BTreeSet<PathBuf>,
    /// These, files or directories, are not where they were.
    pub(super) gone: BTreeSet<PathBuf>,
    /// Others may have changed too.
    pub(super) all: bool,
}

impl Told {
    /// Nothing was heard: look at everything.
    pub(super) fn all() -> Self {
        Self {
            all: true,
            ..Self::default()
        }
    }

    /// Whether nothing was heard of.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.gone.is_empty() && !self.all
    }

    /// The files among `paths` and below them, named as these name them.
    pub(super) fn below(&self, paths: &[PathBuf]) -> BTreeSet<PathBuf> {
        below(&self.files, paths)
    }
}

/// Those of `files`, which are absolute, that are among `paths` and below them, named as these name them.
fn below(files: &BTreeSet<PathBuf>, paths: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    if files.is_empty() {
        return found;
    }
    for path in paths {
        let root = absolute(path);
        for file in files {
            match file.strip_prefix(&root) {
                Ok(rest) if rest.as_os_str().is_empty() => drop(found.insert(path.clone())),
                Ok(rest) => drop(found.insert(path.join(rest))),
                Err(_) => {}
            }
        }
    }
    found
}

/// Files as they were when they were read last.
#[derive(Default)]
pub(super) struct Stamps {
    taken: BTreeMap<PathBuf, Stamp>,
    /// Files that were told to be whole like this, and were not taken: they do not become half written again.
    whole: BTreeMap<PathBuf, Stamp>,
    /// Since when files are not there that were.
    missing: BTreeMap<PathBuf, Instant>,
}

/// Files as they are now. One that may be half written is as it was.
pub(super) struct Look {
    pub(super) stamps: BTreeMap<PathBuf, Stamp>,
    /// Those that may be half written, or about to come back.
    pub(super) unfinished: BTreeSet<PathBuf>,
    /// Those of which it is known that they are whole.
    pub(super) told: BTreeSet<PathBuf>,
}

impl Stamps {
    /// Files as they are now, beside what they were; `told` are those of which somebody said that they have changed and
    /// are whole.
    pub(super) fn look(&mut self, now: BTreeMap<PathBuf, Stamp>, told: &BTreeSet<PathBuf>) -> Look {
        let mut look = Look {
            stamps: now,
            unfinished: BTreeSet::new(),
            told: BTreeSet::new(),
        };
        let mut whole_now = BTreeMap::new();
        for (file, stamp) in &mut look.stamps {
            let told = told.contains(file);
            // What was told may be the end of the writing before this one.
            let whole = (told && stamp.length > 0) || self.whole.get(file) == Some(stamp);
            if whole && self.taken.get(file) != Some(stamp) {
                whole_now.insert(file.clone(), *stamp);
            }
            match self.taken.get(file) {
                Some(known) if !whole && stamp != known && stamp.is_new() => {
                    *stamp = *known;
                    look.unfinished.insert(file.clone());
                }
                _ if told => drop(look.told.insert(file.clone())),
                _ => {}
            }
        }
        self.whole = whole_now;
        let (taken, stamps) = (&self.taken, &mut look.stamps);
        self.missing
            .retain(|file, _| taken.contains_key(file) && !stamps.contains_key(file));
        for (file, stamp) in taken {
            if stamps.contains_key(file) {
                continue;
            }
            let since = self
                .missing
                .entry(file.clone())
                .or_insert_with(Instant::now);
            if since.elapsed() < WRITING {
                stamps.insert(file.clone(), *stamp);
                look.unfinished.insert(file.clone());
            }
        }
        look
    }

    /// Whether more than the files that were told may be others than they were, among `paths` and below them.
    pub(super) fn may_differ(&self, paths: &[PathBuf], told: &Told) -> bool {
        let gone = below(&told.gone, paths);
        told.all || gone.iter().any(|path| self.any_below(path))
    }

    fn any_below(&self, path: &Path) -> bool {
        let from = (Bound::Included(path), Bound::Unbounded);
        let next = self.taken.range::<Path, _>(from).next();
        next.is_some_and(|(file, _)| file.starts_with(path))
    }

    /// How a file was when it was read last.
    pub(super) fn of(&self, file: &Path) -> Option<Stamp> {
        self.taken.get(file).copied()
    }

    /// Reads files, those of `paths`, that mean something only together, where any of them has changed, or `always`,
    /// and none may be half written.
    pub(super) fn read_together<R>(
        &mut self,
        paths: &[PathBuf],
        now: impl Fn() -> BTreeMap<PathBuf, Stamp>,
        told: &Told,
        always: bool,
        read: impl FnOnce() -> R,
    ) -> Option<R> {
        let ours = told.below(paths);
        if ours.is_empty() && !self.may_differ(paths, told) && !always {
            return None;
        }
        let look = self.look(now(), &ours);
        let same = look.told.is_empty() && self.taken == look.stamps;
        if !look.unfinished.is_empty() || (same && !always) {
            return None;
        }
        let read = read();
        if now() != look.stamps {
            // Somebody writes again: the next look sees that.
            return None;
        }
        self.take(look.stamps);
        Some(read)
    }

    /// The files have been read, and there are no others.
    pub(super) fn take(&mut self, stamps: BTreeMap<PathBuf, Stamp>) {
        self.taken = stamps;
    }

    /// These have been read; others are as they were.
    pub(super) fn take_some(&mut self, stamps: BTreeMap<PathBuf, Stamp>) {
        self.taken.extend(stamps);
    }
}

impl Look {
    /// Another number for another look, as far as stamps tell.
    pub(super) fn fingerprint(&self) -> u64 {
        fingerprint(self.stamps.iter())
    }
}

/// Another number for other files, as far as stamps tell.
pub(super) fn fingerprint<'a>(files: impl Iterator<Item = (&'a PathBuf, &'a Stamp)>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (file, stamp) in files {
        // As it is spelled: taking paths apart is most of the work of a look.
        file.as_os_str().hash(&mut hasher);
        stamp.hash(&mut hasher);
    }
    hasher.finish()
}

impl Stamp {
    /// Whether there is nothing in the file: perhaps not yet.
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// # Errors
    ///
    /// When there is no such file, or what is there is none.
    pub(super) fn of(file: &Path) -> Result<Self> {
        let metadata = std::fs::metadata(file)
            .with_context(|| format!("`{}` cannot be read", file.display()))?;
        // Whoever opened a pipe would wait for ever.
        ensure!(
            metadata.is_file(),
            "`{}` is no regular file",
            file.display()
        );
        Ok(Self {
            length: metadata.len(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// Whether somebody may still be writing.
    fn is_new(&self) -> bool {
        let (seconds, nanos) = self.modified;
        let modified = u64::try_from(seconds).ok().zip(u32::try_from(nanos).ok());
        let modified =
            modified.map(|(seconds, nanos)| SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos));
        modified.is_some_and(|modified| {
            SystemTime::now()
                .duration_since(modified)
                .is_ok_and(|age| age < WRITING)
        })
    }
}

/// As the system names it when it tells of changes.
pub(super) fn absolute(file: &Path) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
}
