//! Follows files: documents, the floor, manifests and entities.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, sync_channel};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use bailiwick_input::{Defaults, LoadOptions, Source};
use bailiwick_model::Snapshot;
use bailiwick_pdp::{Compiler, Live};
use bailiwick_server::Directory;
use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{EventKind, RecursiveMode, Watcher};

use super::entities;
use super::feed::{News, Part};
use super::policy_files::{PolicyFiles, Scan};
use crate::console::Console;

/// Everything that is read from files.
pub(super) struct Files {
    pub(super) policies: PolicyFiles,
    /// What was found in them before anybody followed them.
    pub(super) first: Option<Scan>,
    pub(super) policy_paths: Vec<PathBuf>,
    pub(super) floor: Manifests,
    /// RBAC of manifests; `None` where it comes from a cluster.
    pub(super) rbac: Option<Manifests>,
    pub(super) entities: Option<PathBuf>,
    pub(super) directory: Directory,
    pub(super) compiler: Compiler,
}

/// Manifests that are read as a whole when one of them changes.
pub(super) struct Manifests {
    pub(super) paths: Vec<PathBuf>,
    pub(super) defaults: Defaults,
    seen: Option<u64>,
}

/// Why to look.
pub(super) enum Wake {
    /// These files have changed, or something near them.
    Touched(Vec<PathBuf>),
    /// Somebody wants everything to be read again.
    Again,
}

/// A directory is walked no further down.
const DEPTH: usize = 16;

impl Files {
    /// Reads the documents, which have to be right.
    pub(super) fn read_first(mut self) -> Result<Self> {
        self.first = self.policies.scan(&BTreeSet::new(), &self.compiler)?;
        Ok(self)
    }

    /// Whether the documents that were read first are right together.
    pub(super) fn check(&self, console: &Console) -> Result<()> {
        for strange in self.first.iter().flat_map(|scan| &scan.strange) {
            console.warn(strange);
        }
        match &self.first {
            None => Ok(()),
            Some(scan) => Live::new(&self.compiler)
                .edit(scan.edit.clone())
                .map_err(|problems| scan.refused(&problems)),
        }
    }

    /// Reads everything, and from then on what changes: at once where the system tells of it, and `every` so often
    /// anyway. Ends when nobody takes what is read.
    pub(super) fn follow(
        mut self,
        every: Duration,
        wakes: &Receiver<Wake>,
        wake: &Sender<Wake>,
        news: &Sender<News>,
    ) {
        let _watcher = self.watch(wake.clone());
        let mut always = true;
        let mut told = BTreeSet::new();
        while self.look(&told, always, news).is_ok() {
            (always, told) = (false, BTreeSet::new());
            let mut next = match wakes.recv_timeout(every) {
                Ok(wake) => Some(wake),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            while let Some(wake) = next {
                match wake {
                    Wake::Touched(paths) => told.extend(paths),
                    Wake::Again => always = true,
                }
                next = wakes.try_recv().ok();
            }
        }
    }

    /// Has the system tell of changes. Where it does not, files are looked at every so often all the same.
    fn watch(&self, wake: Sender<Wake>) -> Option<impl Watcher + use<>> {
        let heard = move |event: notify::Result<notify::Event>| {
            if let Some(paths) = event.ok().and_then(changed) {
                // Nobody follows any more.
                let _ = wake.send(Wake::Touched(paths));
            }
        };
        let watcher = notify::recommended_watcher(heard);
        let mut watcher = watcher
            .inspect_err(
                |error| tracing::warn!(%error, "files are looked at from time to time only"),
            )
            .ok()?;
        let rbac = self.rbac.iter().flat_map(|manifests| &manifests.paths);
        for path in self
            .policy_paths
            .iter()
            .chain(&self.floor.paths)
            .chain(rbac)
        {
            let (watched, how) = if path.is_dir() {
                (path.as_path(), RecursiveMode::Recursive)
            } else {
                // A file that is replaced is another one; its directory stays.
                let parent = path.parent().filter(|parent| *parent != Path::new(""));
                (
                    parent.unwrap_or(Path::new(".")),
                    RecursiveMode::NonRecursive,
                )
            };
            if let Err(error) = watcher.watch(watched, how) {
                tracing::warn!(path = %path.display(), %error, "it is looked at from time to time only");
            }
        }
        Some(watcher)
    }

    /// Fails when nobody listens.
    fn look(&mut self, told: &BTreeSet<PathBuf>, always: bool, news: &Sender<News>) -> Result<()> {
        if always && let Some(path) = &self.entities {
            match entities::read(path) {
                Ok(known) => self.directory.replace(known),
                Err(error) => tell("the entities stay as they are", &error),
            }
        }
        if let Some(manifests) = &mut self.rbac
            && let Some(snapshot) = manifests.look(always)
        {
            news.send(News::Cluster(Part::Whole(Box::new(snapshot)), None))?;
        }
        if let Some(snapshot) = self.floor.look(always) {
            news.send(News::Floor(Box::new(snapshot)))?;
        }
        let scan = match self.first.take() {
            None => self.policies.scan(told, &self.compiler),
            first => Ok(first),
        };
        match scan {
            Ok(None) => {}
            Ok(Some(mut scan)) => {
                for strange in &scan.strange {
                    tracing::warn!(document = %strange, "about the input");
                }
                let (answer, answered) = sync_channel(1);
                let edit = std::mem::take(&mut scan.edit);
                news.send(News::Files(edit, answer))?;
                match answered.recv()? {
                    Ok(()) => self.policies.take(scan),
                    Err(problems) => tell("nothing new is taken", &scan.refused(&problems)),
                }
            }
            Err(error) => tell("nothing new is taken", &error),
        }
        Ok(())
    }
}

fn tell(message: &str, error: &anyhow::Error) {
    tracing::warn!(error = format!("{error:#}"), "{message}");
}

/// The files that an event says to be whole in a new state; empty where that cannot be said, `None` where it is about
/// something else. While somebody writes, nothing is to be read: on Linux the end of it is told.
fn changed(event: notify::Event) -> Option<Vec<PathBuf>> {
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(_)) => Some(event.paths),
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Any | EventKind::Other => {
            Some(Vec::new())
        }
        EventKind::Modify(ModifyKind::Data(_)) if cfg!(not(target_os = "linux")) => {
            Some(event.paths)
        }
        _ => None,
    }
}

impl Manifests {
    pub(super) fn new(paths: Vec<PathBuf>, defaults: Defaults) -> Self {
        Self {
            paths,
            defaults,
            seen: None,
        }
    }

    /// What they say, where it is another than when this was last asked, or `always`. What cannot be read is told.
    fn look(&mut self, always: bool) -> Option<Snapshot> {
        let mut hasher = DefaultHasher::new();
        for path in &self.paths {
            mark(path, DEPTH, &mut hasher);
        }
        let fingerprint = hasher.finish();
        if !always && self.seen == Some(fingerprint) {
            return None;
        }
        self.seen = Some(fingerprint);
        self.read()
            .inspect_err(|error| tell("nothing new is taken", error))
            .ok()
    }

    /// A document that cannot be read would silently take away what it grants or what it is there to hold.
    pub(super) fn read(&self) -> Result<Snapshot> {
        for path in &self.paths {
            std::fs::metadata(path)
                .with_context(|| format!("`{}` cannot be read", path.display()))?;
        }
        if self.paths.is_empty() {
            return Ok(Snapshot::default());
        }
        let sources: Vec<Source> = self.paths.iter().cloned().map(Source::Path).collect();
        let options = LoadOptions {
            namespace: "default".to_owned(),
            defaults: self.defaults,
        };
        let loaded = bailiwick_input::load(&sources, &options);
        if let Some(lost) = loaded.findings.iter().find(|finding| finding.input_lost) {
            let place = lost.places.first();
            let place = place.map(|place| format!("{place}: ")).unwrap_or_default();
            bail!("{place}{}", lost.message);
        }
        for finding in &loaded.findings {
            tracing::warn!(warning = finding.message, "about the input");
        }
        Ok(loaded.snapshot)
    }
}

/// Adds what tells one state of a file or a directory from another.
fn mark(path: &Path, depth: usize, hasher: &mut impl std::hash::Hasher) {
    let Ok(metadata) = std::fs::metadata(path) else {
        return;
    };
    path.hash(hasher);
    if metadata.is_dir() && depth > 0 {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort_unstable();
        for path in paths {
            mark(&path, depth - 1, hasher);
        }
        return;
    }
    metadata.len().hash(hasher);
    let modified = metadata.modified().ok();
    let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map(|since| since.as_nanos()).hash(hasher);
}
