//! Follows a cluster: its RBAC, and the documents that lie in it.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use bailiwick_core::Kind;
use bailiwick_kube::{
    Batch, Cluster, ConnectOptions, Followed, LoadKinds, Start, Watch, WatchOptions,
};
use bailiwick_model::{ClusterInfo, CustomKind, Snapshot};
use bailiwick_pdp::{Compiler, Document, DocumentId, DocumentKind};

use super::feed::{FromCluster, News, Part};
use super::reviewer::Connected;

/// What is followed.
pub(super) struct Following {
    pub(super) connect: ConnectOptions,
    /// Where the connection is left for whoever else asks the cluster.
    pub(super) connected: Connected,
    pub(super) kinds: LoadKinds,
    /// Whether documents that lie in the cluster count.
    pub(super) documents: bool,
    /// The age past which what is known counts as stale.
    pub(super) staleness: Duration,
    pub(super) compiler: Compiler,
}

/// How often what is known is told to be up to date.
const TELL: Duration = Duration::from_millis(200);
/// How long to wait before the next try to connect.
const AGAIN: Duration = Duration::from_secs(1);
/// The longest wait before something that failed, or was not there, is tried again.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

impl Following {
    /// Follows until nobody takes the news any more.
    pub(super) fn run(self, news: &Sender<News>) {
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
            let (news, compiler) = (news.clone(), self.compiler.clone());
            thread::spawn(move || follow_documents(&documents, &compiler, &news));
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
        let at = confirmed(&kinds, &batch);
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

fn follow_documents(watch: &Watch<CustomKind>, compiler: &Compiler, news: &Sender<News>) {
    let kinds = document_kinds();
    while let Some(batch) = watch.next(TELL) {
        tell(&batch);
        let at = confirmed(&kinds, &batch);
        let documents = batch.changes.into_iter().filter_map(|change| {
            let delta = change.delta;
            let (namespace, name) = delta.object;
            let id = DocumentId {
                kind: delta.kind.kind.parse().ok()?,
                namespace,
                name,
            };
            let now = delta.value.map(|value| {
                let read = match Document::read(&value) {
                    Some(read) => read.map_err(|problem| vec![problem]),
                    None => Err(Vec::new()),
                };
                read.and_then(|document| compiler.prepare(&document))
                    .map_err(|problems| {
                        let said: Vec<String> =
                            problems.into_iter().map(|one| one.message).collect();
                        said.join("; ")
                    })
                    .map(|prepared| (prepared, value))
            });
            Some(FromCluster { id, now })
        });
        let news_of_documents = News::Documents(documents.collect(), at);
        if news.send(news_of_documents).is_err() {
            return;
        }
    }
}

fn tell<K: Followed>(batch: &Batch<K>) {
    for notice in &batch.notices {
        tracing::warn!(kind = %notice.kind, notice = notice.message, "about the cluster");
    }
    for gap in batch.gaps.iter().flatten() {
        tracing::warn!(gap = gap.message, "about the cluster");
    }
}

/// The moment up to which all kinds are known; `None` before all of them were read.
fn confirmed<K: Followed>(kinds: &[K], batch: &Batch<K>) -> Option<Instant> {
    let at = |kind| batch.confirmed.get(kind).map(|confirmed| confirmed.at);
    let all: Option<Vec<Instant>> = kinds.iter().map(at).collect();
    all?.into_iter().min()
}

/// The kinds of documents as the API serves them.
pub(super) fn document_kinds() -> [CustomKind; DocumentKind::ALL.len()] {
    DocumentKind::ALL.map(DocumentKind::custom)
}
