//! What is kept on disk of a cluster, to answer from while it cannot be read.

use std::collections::{BTreeMap, HashSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bailiwick_core::Str;
use bailiwick_input::Defaults;
use bailiwick_model::{Snapshot, Value};
use bailiwick_pdp::{Document, DocumentId, State};

use super::files::Manifests;
use crate::cmd::snapshot::write_whole;

/// The files, and what they are to hold.
pub(super) struct Kept {
    path: PathBuf,
    /// Documents of the cluster that are in force, compressed.
    documents: BTreeMap<DocumentId, Vec<u8>>,
    /// Those that were found in the cluster since the start.
    seen: HashSet<DocumentId>,
    documents_due: Option<Instant>,
    cluster_due: Instant,
    revision: Str,
    writer: SyncSender<Job>,
}

/// Something to write.
enum Job {
    Cluster(Arc<State>),
    Documents(Vec<Vec<u8>>),
}

/// Documents are written this long after one has changed.
const DOCUMENTS: Duration = Duration::from_millis(500);
/// RBAC is written this often.
const CLUSTER: Duration = Duration::from_secs(10);
/// The fastest level: policies and tuples repeat themselves.
const LEVEL: i32 = 1;

impl Kept {
    /// Keeps in a snapshot file, and in another beside it whose name ends with `.documents`.
    pub(super) fn new(path: PathBuf) -> Self {
        let (writer, jobs) = sync_channel(1);
        let to = path.clone();
        thread::spawn(move || write(&to, &jobs));
        Self {
            path,
            documents: BTreeMap::new(),
            seen: HashSet::new(),
            documents_due: None,
            cluster_due: Instant::now(),
            revision: Str::default(),
            writer,
        }
    }

    /// RBAC as it was kept; `None` where none was.
    pub(super) fn cluster(&mut self) -> Result<Option<Snapshot>> {
        if !self.path.exists() {
            return Ok(None);
        }
        Manifests::new(vec![self.path.clone()], Defaults::None)
            .read()
            .map(Some)
    }

    /// The documents as they were kept. What cannot be read of them is told.
    pub(super) fn documents(&self) -> Vec<(Document, Value)> {
        let path = documents_path(&self.path);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "what was kept on disk is unusable");
                String::new()
            }
        };
        let read = |line: &str| {
            let value: Value = serde_json::from_str(line).ok()?;
            Some((Document::read(&value)?.ok()?, value))
        };
        let lines = text.lines().map(|line| (line, read(line)));
        let good = lines.filter_map(|(line, read)| {
            if read.is_none() {
                let start: String = line.chars().take(80).collect();
                tracing::warn!(line = start, "what was kept on disk is unusable");
            }
            read
        });
        good.collect()
    }

    /// A document of the cluster is in force.
    pub(super) fn put(&mut self, id: &DocumentId, value: &Value) {
        let json = serde_json::to_vec(value).unwrap_or_default();
        match zstd::encode_all(json.as_slice(), LEVEL) {
            Ok(packed) => drop(self.documents.insert(id.clone(), packed)),
            Err(error) => tracing::warn!(document = %id, %error, "it is not kept on disk"),
        }
        self.documents_due.get_or_insert(Instant::now() + DOCUMENTS);
    }

    pub(super) fn remove(&mut self, id: &DocumentId) {
        self.documents.remove(id);
        self.documents_due.get_or_insert(Instant::now() + DOCUMENTS);
    }

    /// A document was found in the cluster.
    pub(super) fn seen(&mut self, id: &DocumentId) {
        self.seen.insert(id.clone());
    }

    /// The documents that were kept and are not in the cluster.
    pub(super) fn unseen(&self) -> Vec<DocumentId> {
        let unseen = |id: &&DocumentId| !self.seen.contains(*id);
        self.documents.keys().filter(unseen).cloned().collect()
    }

    /// Has written what is due. `state` is one that was read of the cluster.
    pub(super) fn write(&mut self, state: &Arc<State>) {
        let now = Instant::now();
        if self.documents_due.is_some_and(|due| due <= now) {
            let all = self.documents.values().cloned().collect();
            if self.writer.try_send(Job::Documents(all)).is_ok() {
                self.documents_due = None;
            }
        }
        if self.cluster_due <= now
            && self.revision != state.revision
            && self
                .writer
                .try_send(Job::Cluster(Arc::clone(state)))
                .is_ok()
        {
            self.revision = state.revision.clone();
            self.cluster_due = now + CLUSTER;
        }
    }
}

fn documents_path(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".documents");
    PathBuf::from(beside)
}

fn write(path: &Path, jobs: &Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        let (path, written) = match job {
            Job::Cluster(state) => {
                // Whoever holds the state makes its next change more expensive.
                let snapshot = state.rbac.snapshot().clone();
                drop(state);
                let write = |file: &mut std::fs::File| {
                    Ok(bailiwick_input::snapshot::write(&snapshot, file)?)
                };
                (path.to_owned(), write_whole(path, write))
            }
            Job::Documents(documents) => {
                let path = documents_path(path);
                let written = write_whole(&path, |file| write_documents(file, &documents));
                (path, written)
            }
        };
        if let Err(error) = written {
            let error = format!("{error:#}");
            tracing::warn!(path = %path.display(), error, "it cannot be written");
        }
    }
}

fn write_documents(file: &mut std::fs::File, documents: &[Vec<u8>]) -> Result<()> {
    let mut file = std::io::BufWriter::new(file);
    for packed in documents {
        let json = zstd::decode_all(packed.as_slice()).context("a document cannot be unpacked")?;
        file.write_all(&json)?;
        file.write_all(b"\n")?;
    }
    file.flush()?;
    Ok(())
}
