//! Follows files: documents, the floor, manifests and entities.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, sync_channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bailiwick_input::{Defaults, LoadOptions, Source};
use bailiwick_model::Snapshot;
use bailiwick_pdp::{Compiler, Live};
use bailiwick_server::{Directory, Known};
use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{EventKind, RecursiveMode, Watcher};

use super::entities;
use super::feed::{News, Part};
use super::policy_files::{PolicyFiles, Scan};
use super::stamps::{Stamp, Stamps};
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
        let entities = self.entities.iter().map(|entities| &entities.path);
        for path in self
            .policy_paths
            .iter()
            .chain(&self.floor.paths)
            .chain(rbac)
            .chain(entities)
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

impl Entities {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            stamps: Stamps::default(),
        }
    }

    fn look(
        &mut self,
        told: &BTreeSet<PathBuf>,
        always: bool,
    ) -> Option<Result<Vec<(String, Known)>>> {
        let (path, now) = (&self.path, || below(std::slice::from_ref(&self.path)));
        let read = || entities::read(path);
        self.stamps.read_together(now, told, always, read)
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
    fn look(&mut self, told: &BTreeSet<PathBuf>, always: bool) -> Option<Snapshot> {
        let mut stamps = std::mem::take(&mut self.stamps);
        let now = || below(&self.paths);
        let read = stamps.read_together(now, told, always, || self.read());
        self.stamps = stamps;
        read?
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
mod tests {
    use super::super::stamps::WRITING;
    use super::*;

    fn binding(user: &str) -> String {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: {user}}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}}\n\
             subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: {user}}}]\n"
        )
    }

    /// Manifests were read while one of them was being written, when it was empty or gone: break-glass was taken away.
    #[test]
    fn manifests_that_are_being_written_take_nothing_away() {
        let home = tempfile::tempdir().unwrap();
        let file = |name: &str| home.path().join(name);
        let write = |name: &str, text: &str| std::fs::write(file(name), text).unwrap();
        write("a.yaml", &binding("anna"));
        write("b.yaml", &binding("ben"));
        let mut manifests = Manifests::new(vec![home.path().to_owned()], Defaults::None);
        let mut bindings = |told: &[&str], always| {
            let told = told.iter().map(|name| file(name)).collect();
            let found = manifests.look(&told, always);
            found.map(|snapshot| snapshot.bindings.len())
        };
        assert_eq!(bindings(&[], true), Some(2));
        assert_eq!(bindings(&[], false), None);
        write("a.yaml", "");
        for (told, always) in [(&[][..], false), (&["a.yaml"], false), (&[], true)] {
            assert_eq!(bindings(told, always), None, "{told:?} {always}");
        }
        // Whole again, as the system tells.
        write(
            "a.yaml",
            &format!("{}---\n{}", binding("anna"), binding("cleo")),
        );
        assert_eq!(bindings(&["a.yaml"], false), Some(3));
        std::fs::remove_file(file("b.yaml")).unwrap();
        assert_eq!(bindings(&[], false), None, "it may come back");
        write("b.yaml", &format!("{}---\n", binding("ben")));
        assert_eq!(bindings(&["b.yaml"], false), Some(3));
        std::fs::remove_file(file("b.yaml")).unwrap();
        write("a.yaml", "");
        assert_eq!(bindings(&[], false), None);
        // Nobody writes for so long.
        std::thread::sleep(2 * WRITING);
        assert_eq!(bindings(&[], false), Some(0));
    }
}
