//! The one place where the state changes: takes news from everywhere, in the order in which it comes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender};
use std::time::{Duration, Instant};

use bailiwick_model::{Delta, InForce, Refusal, Snapshot, Value};
use bailiwick_pdp::{
    Compiler, Document, DocumentId, DocumentKind, DocumentProblem, Edit, Live, PolicyDocument,
    Prepared,
};
use bailiwick_server::{Current, NotYet, Ready};

use super::kept::Kept;
use crate::resources::{Resource, Said, Verdict};

/// Something that may change the state.
pub(super) enum News {
    /// Documents of files. The answer says whether they are in force.
    Files(Edit, SyncSender<Result<(), Vec<DocumentProblem>>>),
    /// What allows before anything else is asked.
    Floor(Box<Snapshot>),
    /// RBAC, and the moment up to which it is known.
    Cluster(Part, Option<Instant>),
    /// Documents of the cluster, and the moment up to which they are known.
    Documents(Vec<FromCluster>, Option<Instant>),
    /// The cluster cannot be read.
    Away,
}

impl News {
    fn changes_something(&self) -> bool {
        match self {
            Self::Cluster(Part::Changes(deltas), _) => !deltas.is_empty(),
            Self::Documents(documents, _) => !documents.is_empty(),
            Self::Away => false,
            _ => true,
        }
    }
}

/// RBAC as a whole, or what changes in it.
pub(super) enum Part {
    Whole(Box<Snapshot>),
    Changes(Vec<Delta>),
}

/// A document that lies in the cluster.
pub(super) struct FromCluster {
    pub(super) id: DocumentId,
    /// Which version of it.
    pub(super) generation: i64,
    /// `None` where it is gone; otherwise what it says, or what is wrong with it.
    pub(super) now: Option<Result<(Prepared, Value), String>>,
}

/// Makes states of news.
pub(super) struct Feed {
    live: Live,
    compiler: Compiler,
    current: Arc<Current>,
    kept: Option<Kept>,
    /// What has to be read before there is a state to ask.
    missing: BTreeMap<Source, NotYet>,
    /// The moments up to which the sources are known that can grow stale.
    known: BTreeMap<Source, Option<Instant>>,
    /// The documents that files hold. The cluster's own of the same kinds and names do not count beside them.
    of_files: HashSet<DocumentId>,
    /// Documents of the cluster that could not be put in force beside the others, each with what it says now.
    waiting: BTreeMap<DocumentId, Option<(Prepared, Value)>>,
    /// Documents of the cluster that are not in force as they are, each with the reason.
    refused: BTreeMap<DocumentId, String>,
    /// Of these, those of which no version was ever seen that could be put in force.
    never_seen: BTreeSet<DocumentId>,
    /// Those that lie in the cluster and are in force.
    of_cluster: HashSet<DocumentId>,
    /// Documents of the cluster, each with the version that was read last.
    generations: HashMap<DocumentId, i64>,
    /// Where it is told what becomes of them.
    say: Option<Sender<Said>>,
    /// Whether every document of the cluster has been seen since the start.
    listed: bool,
    published: Option<bailiwick_core::Str>,
}

/// Where parts of the state come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Files,
    Floor,
    Cluster,
    Documents,
}

/// How long to wait for those who ask an old state, before what changes is copied instead.
const PATIENCE: Duration = Duration::from_millis(20);
/// How often to look whether there is something to do while there is no news.
const IDLE: Duration = Duration::from_millis(50);

impl Feed {
    /// `documents`: whether documents of the cluster are expected. `live`: whether RBAC comes from a cluster.
    pub(super) fn new(
        compiler: Compiler,
        current: Arc<Current>,
        ready: &Ready,
        kept: Option<Kept>,
        live: bool,
        documents: bool,
    ) -> Self {
        let mut missing = BTreeMap::from([
            (Source::Files, ready.wait_for("policies are read")),
            (Source::Floor, ready.wait_for("the floor is read")),
            (
                Source::Cluster,
                ready.wait_for("roles and bindings are read"),
            ),
        ]);
        let mut known = BTreeMap::new();
        if live {
            known.insert(Source::Cluster, None);
        }
        if documents {
            let what = "documents of the cluster are read, and none of those that forbid is broken";
            missing.insert(Source::Documents, ready.wait_for(what));
            known.insert(Source::Documents, None);
        }
        Self {
            live: Live::new(&compiler),
            compiler,
            current,
            kept,
            missing,
            known,
            of_files: HashSet::new(),
            waiting: BTreeMap::new(),
            refused: BTreeMap::new(),
            never_seen: BTreeSet::new(),
            of_cluster: HashSet::new(),
            generations: HashMap::new(),
            say: None,
            listed: false,
            published: None,
        }
    }

    /// Tells from now on what becomes of documents of the cluster.
    pub(super) fn telling(mut self, say: Option<Sender<Said>>) -> Self {
        self.say = say;
        self
    }

    /// Takes news until there is nobody left who sends some.
    pub(super) fn run(mut self, news: &Receiver<News>) {
        self.remember();
        loop {
            match news.recv_timeout(IDLE) {
                Ok(one) => {
                    self.take(one);
                    self.publish();
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.live.settle();
                    if self.known.contains_key(&Source::Cluster) {
                        self.live.spread();
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let read = self.known.values().all(Option::is_some);
            if let (Some(kept), true) = (&mut self.kept, read && self.missing.is_empty()) {
                kept.write(self.live.now());
            }
        }
    }

    /// The documents that were last in force: the last good version of one that is broken now.
    fn remember(&mut self) {
        let Some(kept) = &mut self.kept else { return };
        for (document, value) in kept.documents() {
            let edit = |prepared| Edit {
                put: vec![prepared],
                remove: Vec::new(),
            };
            let id = document.id();
            let put = self
                .compiler
                .prepare(&document)
                .and_then(|prepared| self.live.edit(edit(prepared)));
            match put {
                Ok(()) => kept.put(&id, &value),
                Err(_) => tracing::warn!(document = %id, "what was kept of it on disk is unusable"),
            }
        }
    }

    fn take(&mut self, news: News) {
        let until = Instant::now() + PATIENCE;
        while news.changes_something() && self.live.would_copy() && Instant::now() < until {
            std::thread::sleep(Duration::from_micros(200));
        }
        match news {
            News::Files(edit, answer) => {
                let done = self.files(edit);
                if done.is_ok() {
                    self.missing.remove(&Source::Files);
                }
                // Who asked may have ended.
                let _ = answer.send(done);
            }
            News::Floor(snapshot) => {
                self.live.replace_floor(*snapshot);
                self.missing.remove(&Source::Floor);
            }
            News::Cluster(part, at) => {
                match part {
                    Part::Whole(snapshot) => {
                        self.live.replace_cluster(*snapshot);
                        self.missing.remove(&Source::Cluster);
                    }
                    Part::Changes(deltas) if deltas.is_empty() => {}
                    Part::Changes(deltas) => self.live.change_cluster(deltas),
                }
                self.known(Source::Cluster, at);
            }
            News::Documents(documents, at) => {
                self.documents(documents, at.is_some());
                self.known(Source::Documents, at);
            }
            News::Away => self.boot(),
        }
    }

    fn known(&mut self, source: Source, at: Option<Instant>) {
        if let (Some(known), Some(at)) = (self.known.get_mut(&source), at) {
            *known = Some(at);
        }
    }

    /// Documents of files go before those of the cluster.
    fn files(&mut self, mut edit: Edit) -> Result<(), Vec<DocumentProblem>> {
        let put: Vec<DocumentId> = edit.put.iter().map(|one| one.id().clone()).collect();
        let taken = put.iter().filter(|id| self.of_cluster.contains(*id));
        let taken: Vec<DocumentProblem> = taken
            .map(|id| DocumentProblem {
                document: id.to_string(),
                message:
                    "the cluster holds a document of this kind and name already; take another name"
                        .to_owned(),
                span: None,
            })
            .collect();
        if !taken.is_empty() {
            return Err(taken);
        }
        let gone = edit.remove.clone();
        // What a file does not hold any more may lie in the cluster.
        let mut instead = Vec::new();
        for id in &gone {
            if let Some(Some((prepared, value))) = self.waiting.get(id) {
                edit.put.push(prepared.clone());
                instead.push((id.clone(), value.clone()));
            }
        }
        self.live.edit(edit)?;
        gone.iter().for_each(|id| {
            self.of_files.remove(id);
        });
        self.of_files.extend(put);
        for (id, value) in instead {
            self.waiting.remove(&id);
            self.in_force(&id, Some(&value));
        }
        self.try_waiting();
        self.tell();
        Ok(())
    }

    /// The cluster's document is in force as it says, or is gone.
    fn in_force(&mut self, id: &DocumentId, value: Option<&Value>) {
        self.refused.remove(id);
        match value {
            Some(_) => self.of_cluster.insert(id.clone()),
            None => self.of_cluster.remove(id),
        };
        match (&mut self.kept, value) {
            (Some(kept), Some(value)) => kept.put(id, value),
            (Some(kept), None) => kept.remove(id),
            (None, _) => {}
        }
        if value.is_some() {
            self.say(id, None);
        }
    }

    /// A document of the cluster is not in force as it says.
    fn refuse(&mut self, id: DocumentId, reason: &'static str, message: String) {
        let refusal = Refusal { reason, message };
        self.say(&id, Some(&refusal));
        self.refused.insert(id, refusal.message);
    }

    fn say(&self, id: &DocumentId, refused: Option<&Refusal>) {
        let (Some(say), Some(generation)) = (&self.say, self.generations.get(id)) else {
            return;
        };
        // Beside one of a file, none of the cluster's is in force.
        let ours = !self.of_files.contains(id);
        let verdict = Verdict {
            generation: *generation,
            in_force: InForce {
                revision: ours.then(|| self.live.version(id)).flatten(),
                pods: None,
            },
            refused: refused.cloned(),
        };
        // Who writes statuses may have ended.
        let resource = Resource {
            kind: id.kind.custom(),
            object: (id.namespace.clone(), id.name.clone()),
        };
        let _ = say.send(Said::Verdict(resource, verdict));
    }

    /// `all`: every document of the cluster has been read by now.
    fn documents(&mut self, documents: Vec<FromCluster>, all: bool) {
        let first = !self.listed;
        let changed = !documents.is_empty();
        if first {
            self.forget_what_is_gone(&documents, all);
        }
        for FromCluster {
            id,
            generation,
            now,
        } in documents
        {
            match now {
                None => drop(self.generations.remove(&id)),
                Some(_) => drop(self.generations.insert(id.clone(), generation)),
            }
            self.waiting.remove(&id);
            self.refused.remove(&id);
            self.never_seen.remove(&id);
            match now {
                None => drop(self.waiting.insert(id, None)),
                Some(Ok(found)) => drop(self.waiting.insert(id, Some(found))),
                Some(Err(why)) => self.broken(id, &why, first),
            }
        }
        if changed || (first && all) {
            self.try_waiting();
            self.tell();
        }
        self.listed |= all;
        if self.listed && self.never_seen.is_empty() {
            self.missing.remove(&Source::Documents);
        }
    }

    /// What was kept on disk and does not lie in the cluster any more is taken away once all of it has been read.
    fn forget_what_is_gone(&mut self, documents: &[FromCluster], all: bool) {
        let Some(kept) = &mut self.kept else { return };
        documents.iter().for_each(|found| kept.seen(&found.id));
        if all {
            for id in kept.unseen() {
                self.waiting.insert(id, None);
            }
        }
    }

    /// A document that cannot be read. Its last good version stays in force. Where there is none, something that
    /// forbids might be missed: the cluster's own keep everything waiting at the start, and a namespace's closes it.
    fn broken(&mut self, id: DocumentId, why: &str, first: bool) {
        let held = self.live.has(&id);
        let end = match (held, id.kind) {
            (true, _) => "its last good version stays in force",
            (false, DocumentKind::ClusterPolicy | DocumentKind::Revocation) if first => {
                self.never_seen.insert(id.clone());
                "no question is answered before it is put right"
            }
            (false, DocumentKind::Policy) if first => {
                self.close(&id);
                "everything is denied in its namespace until it is put right"
            }
            _ => "it has never been in force",
        };
        self.refuse(id, "Invalid", format!("{why}; {end}"));
    }

    fn close(&mut self, id: &DocumentId) {
        let document = Document::Policies(PolicyDocument {
            namespace: id.namespace.clone(),
            name: id.name.clone(),
            cedar: format!(
                "@reason(\"the policies of {} cannot be read\")\nforbid (principal, action, resource);",
                id.name
            ),
            links: Vec::new(),
        });
        let put = self.compiler.prepare(&document).into_iter().collect();
        let remove = Vec::new();
        if let Err(problems) = self.live.edit(Edit { put, remove }) {
            tracing::error!(document = %id, ?problems, "its namespace cannot be closed");
        }
    }

    /// Puts in force what can be, all at once if possible and otherwise one by one.
    fn try_waiting(&mut self) {
        let free = |id: &&DocumentId| !self.of_files.contains(*id);
        let mut ids: Vec<DocumentId> = self.waiting.keys().filter(free).cloned().collect();
        if self.put(&ids).is_err() {
            // Types before the tuples that are of them.
            ids.sort_by_key(|id| id.kind != DocumentKind::RelationSchema);
            for id in ids {
                if let Err(problems) = self.put(std::slice::from_ref(&id)) {
                    let said: Vec<String> = problems.into_iter().map(|one| one.message).collect();
                    self.refuse(id, "Conflict", said.join("; "));
                }
            }
        }
        let of_files = |id: &&DocumentId| self.of_files.contains(*id);
        let beside: Vec<DocumentId> = self.waiting.keys().filter(of_files).cloned().collect();
        for id in beside {
            let why = "a file has a document of this kind and name, which counts instead";
            self.refuse(id, "FileGoesFirst", why.to_owned());
        }
    }

    fn put(&mut self, ids: &[DocumentId]) -> Result<(), Vec<DocumentProblem>> {
        let mut edit = Edit::default();
        for id in ids {
            match self.waiting.get(id) {
                Some(Some((prepared, _))) => edit.put.push(prepared.clone()),
                Some(None) => edit.remove.push(id.clone()),
                None => {}
            }
        }
        if edit.is_empty() {
            return Ok(());
        }
        self.live.edit(edit)?;
        for id in ids {
            if let Some(now) = self.waiting.remove(id) {
                self.in_force(id, now.as_ref().map(|(_, value)| value));
            }
        }
        Ok(())
    }

    /// What is not in force as it is written.
    fn tell(&self) {
        let lines: Vec<String> = self
            .refused
            .iter()
            .map(|(id, why)| format!("{id} is refused: {why}"))
            .collect();
        let before: HashSet<String> = self.current.refused().into_iter().collect();
        for line in lines.iter().filter(|line| !before.contains(*line)) {
            tracing::warn!(document = line, "about the cluster");
        }
        self.current.refuse(lines);
    }

    /// Answers from what was kept on disk until the cluster can be read. Nobody confirms that it is up to date.
    fn boot(&mut self) {
        if !self.missing.contains_key(&Source::Cluster) {
            return;
        }
        match self.kept.as_mut().map(Kept::cluster) {
            Some(Ok(Some(snapshot))) => {
                self.live.replace_cluster(snapshot);
                self.missing.remove(&Source::Cluster);
                self.missing.remove(&Source::Documents);
                let revision = &self.live.now().revision;
                tracing::warn!(%revision, "answering from what was kept on disk");
            }
            Some(Err(error)) => tracing::warn!(
                error = format!("{error:#}"),
                "what was kept on disk is unusable"
            ),
            Some(Ok(None)) | None => {}
        }
    }

    fn publish(&mut self) {
        if !self.missing.is_empty() {
            return;
        }
        let state = self.live.now();
        self.current.swap(Arc::clone(state));
        if self.published.as_ref() != Some(&state.revision) {
            tracing::info!(
                revision = %state.revision,
                bindings = state.rbac.snapshot().bindings.len(),
                documents = self.live.documents(),
                revocations = state.revocations.len(),
                "new state"
            );
            self.published = Some(state.revision.clone());
        }
        // Known is what the one knows that is furthest behind.
        let known: Option<Vec<Instant>> = self.known.values().copied().collect();
        if let Some(at) = known.and_then(|all| all.into_iter().min()) {
            self.current.confirm(at);
        }
    }
}
