//! Follows a cluster: its RBAC, and the documents that lie in it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::thread;
use std::time::Duration;

use bailiwick_core::Kind;
use bailiwick_kube::{Change, Cluster, ConnectOptions, LoadKinds, Start, Watch, WatchOptions};
use bailiwick_model::{ClusterInfo, CustomKind, Snapshot, Value};
use bailiwick_pdp::{API_VERSION, Compiler, Document, DocumentId, DocumentKind, Prepared};

use super::feed::{FromCluster, News, Part};
use super::reviewer::Connected;
use crate::policies::located;
use crate::resources::{Known, New, Said, tell, write};

/// What is followed.
pub(super) struct Following {
    pub(super) connect: ConnectOptions,
    /// Where the connection is left for whoever else asks the cluster.
    pub(super) connected: Connected,
    pub(super) kinds: LoadKinds,
    /// Whether documents that lie in the cluster count.
    pub(super) documents: bool,
    /// Whether their status tells what has become of them.
    pub(super) statuses: bool,
    /// The age past which what is known counts as stale.
    pub(super) staleness: Duration,
    pub(super) compiler: Compiler,
}

/// Whose fields the statuses are (server-side apply).
const FIELD_MANAGER: &str = "bailiwick-serve";
/// How often what is known is told to be up to date.
const TELL: Duration = Duration::from_millis(200);
/// How long to wait before the next try to connect.
const AGAIN: Duration = Duration::from_secs(1);
/// The longest wait before something that failed, or was not there, is tried again.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

impl Following {
    /// Follows until nobody takes the news any more. What is said of documents goes into their status.
    pub(super) fn run(self, news: &Sender<News>, told: Option<(Sender<Said>, Receiver<Said>)>) {
        let (say, said) = told.unzip();
        let Some(cluster) = self.connect(news) else {
            return;
        };
        let cluster = self.connected.get_or_init(|| Arc::new(cluster));
        // Twice within the time after which what is known is stale.
        let confirm = (self.staleness / 2).max(Duration::from_secs(1));
        let options = WatchOptions {
            confirm: Duration::from_secs(confirm.as_secs()),
            longest_wait: LONGEST_WAIT.min(self.staleness),
            ..WatchOptions::new(self.kinds.clone())
        };
        let watch = cluster.watch(Start::default(), &[], &options);
        if self.documents {
            let kinds = document_kinds();
            let documents = cluster.watch_custom(&kinds, &options);
            let mut reader = Reader {
                compiler: self.compiler.clone(),
                known: Known::telling(say),
            };
            let news = news.clone();
            thread::spawn(move || reader.follow(&documents, &news));
        }
        if let Some(said) = said {
            let cluster = Arc::clone(cluster);
            thread::spawn(move || write(&cluster, FIELD_MANAGER, &said));
        }
        follow(cluster, &watch, &options, news);
    }

    fn connect(&self, news: &Sender<News>) -> Option<Cluster> {
        let mut told = String::new();
        loop {
            match Cluster::connect(&self.connect) {
                Ok(cluster) => return Some(cluster),
                Err(error) => {
                    let error = format!("{:#}", anyhow::Error::from(error));
                    if told != error {
                        tracing::warn!(error, "the cluster cannot be read");
                        told = error;
                    }
                    news.send(News::Away).ok()?;
                    thread::sleep(AGAIN);
                }
            }
        }
    }
}

/// Hands over the whole cluster first, once all of it is read, and then what changes.
fn follow(cluster: &Cluster, watch: &Watch, options: &WatchOptions, news: &Sender<News>) {
    let kinds: Vec<Kind> = options.kinds.iter().collect();
    let mut reading = Some(Snapshot {
        cluster: ClusterInfo {
            name: cluster.name().to_owned(),
            minor: cluster.minor(),
            stored: true,
        },
        ..Snapshot::default()
    });
    while let Some(batch) = watch.next(TELL) {
        tell(&batch);
        let at = batch.known_up_to(&kinds);
        let deltas = batch.changes.into_iter().map(|change| change.delta);
        let part = match &mut reading {
            None => Part::Changes(deltas.collect()),
            Some(snapshot) => {
                deltas.for_each(|delta| {
                    snapshot.apply(delta);
                });
                if at.is_none() {
                    if !batch.notices.is_empty() && news.send(News::Away).is_err() {
                        return;
                    }
                    continue;
                }
                Part::Whole(Box::new(reading.take().unwrap_or_default()))
            }
        };
        if news.send(News::Cluster(part, at)).is_err() {
            return;
        }
    }
}

/// Reads documents of the cluster.
struct Reader {
    compiler: Compiler,
    known: Known,
}

impl Reader {
    fn follow(&mut self, watch: &Watch<CustomKind>, news: &Sender<News>) {
        let kinds = document_kinds();
        while let Some(batch) = watch.next(TELL) {
            tell(&batch);
            let at = batch.known_up_to(&kinds);
            let changes = batch.changes.into_iter();
            let documents = changes.filter_map(|change| self.read(change)).collect();
            if news.send(News::Documents(documents, at)).is_err() {
                return;
            }
        }
    }

    /// `None` where nothing is new that counts.
    fn read(&mut self, change: Change<CustomKind>) -> Option<FromCluster> {
        let New {
            resource,
            generation,
            value,
            ..
        } = self.known.look(change.delta)?;
        let (namespace, name) = resource.object;
        let id = DocumentId {
            kind: resource.kind.kind.parse().ok()?,
            namespace,
            name,
        };
        Some(FromCluster {
            id,
            generation,
            now: value.map(|value| self.prepare(value)),
        })
    }

    fn prepare(&self, value: Value) -> Result<(Prepared, Value), String> {
        let document = match Document::read(&value) {
            Some(Ok(document)) => document,
            Some(Err(problem)) => return Err(problem.message),
            None => return Err(format!("it is none of `{API_VERSION}`")),
        };
        match self.compiler.prepare(&document) {
            Ok(prepared) => Ok((prepared, value)),
            Err(problems) => {
                let said: Vec<String> = problems
                    .iter()
                    .map(|problem| located(problem, Some(&document)))
                    .collect();
                Err(said.join("; "))
            }
        }
    }
}

/// The kinds of documents as the API serves them.
pub(super) fn document_kinds() -> [CustomKind; DocumentKind::ALL.len()] {
    DocumentKind::ALL.map(DocumentKind::custom)
}
