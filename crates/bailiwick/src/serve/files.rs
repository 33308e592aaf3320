//! Follows files: documents, the floor, manifests and entities.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bailiwick_input::{Defaults, LoadOptions, Source};
use bailiwick_model::Snapshot;
use bailiwick_pdp::{Compiler, Live};
use bailiwick_server::{Directory, Known};
use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{EventKind, RecursiveMode, Watcher};

use super::entities;
use super::feed::{News, Part};
use super::policy_files::{Found, PolicyFiles, Scan};
use super::stamps::{Stamp, Stamps, Told, absolute};
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
    pub(super) entities: Option<Entities>,
    pub(super) directory: Directory,
    pub(super) compiler: Compiler,
}

/// Manifests that are read as a whole when one of them changes.
pub(super) struct Manifests {
    pub(super) paths: Vec<PathBuf>,
    pub(super) defaults: Defaults,
    stamps: Stamps,
}

/// The file of what applications have.
pub(super) struct Entities {
    path: PathBuf,
    stamps: Stamps,
}

/// Why to look.
pub(super) enum Wake {
    /// The system tells of a change.
    Heard(Heard),
    /// Somebody wants everything to be read again.
    Again,
}

/// What the system tells of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// Somebody has finished writing these, or has put them there.
    whole: Vec<PathBuf>,
    /// These are new. Somebody may be writing them.
    made: Vec<PathBuf>,
    /// These have been there.
    gone: Vec<PathBuf>,
    /// Something has happened somewhere.
    somewhere: bool,
}

/// How far a look went.
enum Looked {
    Whole,
    /// It stopped for what the system tells of.
    Stopped,
}

/// The look at everything stops so often at most, and then is made whole, whatever is told meanwhile.
const STOPS: usize = 8;
/// A look at everything takes at most one part in so many of the time, so that many files keep no processor busy.
const SHARE: u32 = 100;
/// The next look comes after so many times `reread` at the latest, however long one takes.
const RARELY: u32 = 10;
/// A directory is walked no further down.
const DEPTH: usize = 16;

impl Files {
    /// Reads the documents, which have to be right. Manifests are read once somebody listens; what is not there at all
    /// is most likely misspelt.
    pub(super) fn read_first(mut self) -> Result<Self> {
        for manifests in self.rbac.iter().chain([&self.floor]) {
            manifests.are_there()?;
        }
        let found = self
            .policies
            .scan(&Told::all(), &self.compiler, &mut || false)?;
        if let Found::Changes(scan) = found {
            self.first = Some(scan);
        }
        Ok(self)
    }

    /// Whether no document was read first.
    pub(super) fn have_no_documents(&self) -> bool {
        self.first
            .as_ref()
            .is_none_or(|scan| scan.edit.put.is_empty())
    }

    /// Whether the documents that were read first are right together, and whether manifests can be read.
    pub(super) fn check(&self, console: &Console) -> Result<()> {
        for manifests in self.rbac.iter().chain([&self.floor]) {
            manifests.read()?;
        }
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
    /// anyway. What is told goes before the look at everything, which stops for it. Ends when nobody takes what is read.
    pub(super) fn follow(
        mut self,
        every: Duration,
        wakes: &Receiver<Wake>,
        wake: &Sender<Wake>,
        news: &Sender<News>,
    ) {
        let _watcher = self.watch(wake.clone());
        let roots: Vec<PathBuf> = self.paths().map(|path| absolute(path)).collect();
        let mut heard: Vec<Wake> = Vec::new();
        let (mut all, mut always) = (true, true);
        let (mut next, mut stopped) = (Instant::now(), 0);
        loop {
            let mut told = Told::default();
            for wake in heard.drain(..).chain(wakes.try_iter()) {
                match wake {
                    Wake::Heard(heard) => heard.tell(&roots, &mut told),
                    Wake::Again => always = true,
                }
            }
            all |= std::mem::take(&mut told.all) || always || Instant::now() >= next;
            if !told.is_empty() && self.look(&told, false, &mut || false, news).is_err() {
                return;
            }
            if all {
                let begun = Instant::now();
                let mut stop = || {
                    heard.extend(wakes.try_iter());
                    !always && stopped < STOPS && !heard.is_empty()
                };
                match self.look(&Told::all(), always, &mut stop, news) {
                    Err(_) => return,
                    Ok(Looked::Stopped) => {
                        stopped += 1;
                        continue;
                    }
                    Ok(Looked::Whole) => {}
                }
                // What is read anew takes its time once.
                let took = if always {
                    Duration::ZERO
                } else {
                    begun.elapsed()
                };
                (all, always, stopped) = (false, false, 0);
                next = Instant::now() + pause(every, took);
            }
            if heard.is_empty() {
                match wakes.recv_timeout(next.saturating_duration_since(Instant::now())) {
                    Ok(wake) => heard.push(wake),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        }
    }

    /// Every path that is followed.
    fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let rbac = self.rbac.iter().flat_map(|manifests| &manifests.paths);
        let entities = self.entities.iter().map(|entities| &entities.path);
        let files = self.policy_paths.iter().chain(&self.floor.paths);
        files.chain(rbac).chain(entities)
    }

    /// Has the system tell of changes. Where it does not, files are looked at every so often all the same.
    fn watch(&self, wake: Sender<Wake>) -> Option<impl Watcher + use<>> {
        let heard = move |event: notify::Result<notify::Event>| {
            // What cannot be told may be anything.
            let heard = event.map_or_else(|_| Some(Heard::somewhere()), changed);
            if let Some(heard) = heard {
                // Nobody may follow any more.
                let _ = wake.send(Wake::Heard(heard));
            }
        };
        let watcher = notify::recommended_watcher(heard);
        let mut watcher = watcher
            .inspect_err(
                |error| tracing::warn!(%error, "files are looked at from time to time only"),
            )
            .ok()?;
        for path in self.paths() {
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

    /// Fails when nobody listens. The look at all documents stops where `stop` says so.
    fn look(
        &mut self,
        told: &Told,
        always: bool,
        stop: &mut dyn FnMut() -> bool,
        news: &Sender<News>,
    ) -> Result<Looked> {
        match self
            .entities
            .as_mut()
            .and_then(|file| file.look(told, always))
        {
            Some(Ok(known)) => self.directory.replace(known),
            Some(Err(error)) => tell("the entities stay as they are", &error),
            None => {}
        }
        if let Some(manifests) = &mut self.rbac
            && let Some(snapshot) = manifests.look(told, always)
        {
            news.send(News::Cluster(Part::Whole(Box::new(snapshot)), None))?;
        }
        if let Some(snapshot) = self.floor.look(told, always) {
            news.send(News::Floor(Box::new(snapshot)))?;
        }
        let scan = match self.first.take() {
            None => self.policies.scan(told, &self.compiler, stop),
            Some(first) => Ok(Found::Changes(first)),
        };
        match scan {
            Ok(Found::Nothing) => {}
            Ok(Found::Stopped) => return Ok(Looked::Stopped),
            Ok(Found::Changes(mut scan)) => {
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
        Ok(Looked::Whole)
    }
}

/// How long to wait after a look at everything that took so long.
fn pause(every: Duration, took: Duration) -> Duration {
    every.max((took * SHARE).min(every * RARELY))
}

fn tell(message: &str, error: &anyhow::Error) {
    tracing::warn!(error = format!("{error:#}"), "{message}");
}

/// What an event tells; `None` where it is about something else. While somebody writes, nothing is to be read: on Linux
/// the end of it is told.
fn changed(event: notify::Event) -> Option<Heard> {
    let mut heard = Heard::default();
    if event.need_rescan() {
        return Some(Heard::somewhere());
    }
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(RenameMode::To)) => heard.whole = event.paths,
        EventKind::Modify(ModifyKind::Data(_)) if cfg!(not(target_os = "linux")) => {
            heard.whole = event.paths;
        }
        // Both ends of it are told one by one, too.
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => return None,
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) | EventKind::Remove(_) => {
            heard.gone = event.paths;
        }
        EventKind::Create(_) => heard.made = event.paths,
        EventKind::Modify(ModifyKind::Name(_)) | EventKind::Any | EventKind::Other => {
            heard.somewhere = true;
        }
        _ => return None,
    }
    Some(heard)
}

impl Heard {
    fn somewhere() -> Self {
        Self {
            somewhere: true,
            ..Self::default()
        }
    }

    /// What it means for those who follow `roots`, which are absolute.
    fn tell(self, roots: &[PathBuf], told: &mut Told) {
        told.all |= self.somewhere;
        for path in self.whole {
            match std::fs::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_file() => drop(told.files.insert(path)),
                // A link may lead to very many, wherever it stands.
                Ok(_) => told.all = true,
                Err(_) => drop(told.gone.insert(path)),
            }
        }
        for path in self.made {
            // Whoever makes a file writes it, and the end of that is told, unless the file has other names. One that is
            // gone already is told of too.
            if let Ok(metadata) = std::fs::symlink_metadata(&path) {
                let waits = metadata.is_file() && metadata.nlink() == 1;
                told.all |= !waits || cfg!(not(target_os = "linux"));
            }
        }
        for path in self.gone {
            told.all |= roots.iter().any(|root| root.starts_with(&path));
            told.gone.insert(path);
        }
    }
}

impl Entities {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            stamps: Stamps::default(),
        }
    }

    fn look(&mut self, told: &Told, always: bool) -> Option<Result<Vec<(String, Known)>>> {
        let paths = std::slice::from_ref(&self.path);
        let read = || entities::read(&self.path);
        self.stamps
            .read_together(paths, || below(paths), told, always, read)
    }
}

impl Manifests {
    pub(super) fn new(paths: Vec<PathBuf>, defaults: Defaults) -> Self {
        Self {
            paths,
            defaults,
            stamps: Stamps::default(),
        }
    }

    /// What they say, where it is another than when this was last asked, or `always`. What cannot be read is told.
    /// They are read together, so all of them have to be whole.
    fn look(&mut self, told: &Told, always: bool) -> Option<Snapshot> {
        let mut stamps = std::mem::take(&mut self.stamps);
        let now = || below(&self.paths);
        let read = stamps.read_together(&self.paths, now, told, always, || self.read());
        self.stamps = stamps;
        read?
            .inspect_err(|error| tell("nothing new is taken", error))
            .ok()
    }

    fn are_there(&self) -> Result<()> {
        for path in &self.paths {
            std::fs::metadata(path)
                .with_context(|| format!("`{}` cannot be read", path.display()))?;
        }
        Ok(())
    }

    /// A document that cannot be read would silently take away what it grants or what it is there to hold.
    pub(super) fn read(&self) -> Result<Snapshot> {
        self.are_there()?;
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

/// The files of paths as they are.
fn below(paths: &[PathBuf]) -> BTreeMap<PathBuf, Stamp> {
    let mut files = BTreeMap::new();
    for path in paths {
        walk(path, DEPTH, &mut files);
    }
    files
}

/// Adds a file, or those of a directory. What cannot be read is told when it is read.
fn walk(path: &Path, depth: usize, files: &mut BTreeMap<PathBuf, Stamp>) {
    if path.is_dir() && depth > 0 {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        for entry in entries {
            walk(&entry.path(), depth - 1, files);
        }
    } else if let Ok(stamp) = Stamp::of(path) {
        files.insert(path.to_owned(), stamp);
    }
}

#[cfg(test)]
mod tests;
