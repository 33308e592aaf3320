//! From the API server to a [`Snapshot`]: the kinds side by side, each page by page.

pub(crate) mod fetch;
pub(crate) mod kinds;
pub(crate) mod page;
pub(crate) mod prune;
mod served;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bailiwick_core::Kind;
use bailiwick_diag::{Finding, Place, Severity};
use bailiwick_model::{
    ClusterInfo, Delta, Gap, Interner, Issue, Object, Origin, Snapshot, Value, decode,
};
use tokio::sync::{Semaphore, mpsc};

pub use self::kinds::LoadKinds;

use self::fetch::{Coverage, Event, Reader};
use self::page::Page;
use crate::cluster::Cluster;
use crate::error::RequestError;
use crate::watch::Start;

/// How many kinds are read at the same time: the API server counts requests in flight of every client.
pub(crate) const AT_ONCE: usize = 4;

/// How many pages may wait to be decoded. With those in flight it bounds the memory.
const PAGES_WAITING: usize = 4;

/// The most findings about single objects that are kept.
const FINDINGS_LIMIT: usize = 1_000;

/// What to read and how long.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// The kinds.
    pub kinds: LoadKinds,
    /// Where a kind may not be listed in the whole cluster: the namespace to read instead, the rest being a gap.
    pub namespace: Option<String>,
    /// Objects a page; what suits the kind where it is not given.
    pub page_size: Option<u32>,
    /// The longest that reading may take; what is missing then is a gap.
    pub time_limit: Duration,
    /// Whether [`Cluster::watch`] will go on from what is read.
    pub to_watch: bool,
}

impl LoadOptions {
    /// How long reading may take: a hundred thousand pods take about a minute.
    pub const TIME_LIMIT: Duration = Duration::from_secs(600);

    /// These kinds, in the whole cluster.
    pub fn new(kinds: LoadKinds) -> Self {
        Self {
            kinds,
            namespace: None,
            page_size: None,
            time_limit: Self::TIME_LIMIT,
            to_watch: false,
        }
    }

    /// The same, content with one namespace where the whole cluster is refused.
    #[must_use]
    pub fn or_namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned()).filter(|name| !name.is_empty());
        self
    }
}

/// How far reading has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The kind that a page has come of.
    pub kind: Kind,
    /// How many objects of it were read so far.
    pub read: usize,
    /// How many are still to come, where the server tells.
    pub remaining: Option<u64>,
}

/// What was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The objects, with a gap for everything that could not be read.
    pub snapshot: Snapshot,
    /// A finding for every gap, and for every object that is not as the API server should have it.
    pub findings: Vec<Finding>,
    /// Where [`Cluster::watch`] goes on; empty where nobody said that it would.
    pub start: Start,
}

impl Cluster {
    /// Reads these kinds. Never fails: what cannot be read is a gap and a finding. `progress` is called after every
    /// page, on this thread.
    pub fn load(&self, options: &LoadOptions, progress: &mut dyn FnMut(Progress)) -> Loaded {
        let mut loading = Loading::new(self, options.to_watch);
        let (events, mut pages) = mpsc::channel(PAGES_WAITING);
        let turn = Arc::new(Semaphore::new(AT_ONCE));
        let deadline = tokio::time::Instant::now() + options.time_limit;
        for kind in options.kinds.iter() {
            let namespace = options.namespace.clone().unwrap_or_default();
            let reader = Reader {
                kind,
                namespace,
                page_size: options.page_size,
            };
            let (events, transport, turn) = (events.clone(), self.transport.clone(), turn.clone());
            let late = RequestError::TimedOut {
                server: self.server().to_owned(),
                limit: options.time_limit,
            };
            self.threads.spawn(async move {
                let work = async {
                    let _turn = turn.acquire().await;
                    reader.run(&transport, &events).await;
                };
                if tokio::time::timeout_at(deadline, work).await.is_err() {
                    let _ = events.send(Event::End(kind, Coverage::Failed(late))).await;
                }
            });
        }
        drop(events);
        while let Some(event) = pages.blocking_recv() {
            match event {
                Event::Page(kind, page) => progress(loading.page(kind, &page)),
                Event::Restart(kind) => loading.restart(kind),
                Event::End(kind, coverage) => loading.end(kind, coverage, options),
            }
        }
        loading.finish()
    }
}

struct Loading {
    loaded: Loaded,
    names: Interner,
    /// Objects of lists that have not ended yet: such a list may start again.
    open: BTreeMap<Kind, Vec<Object>>,
    dropped_findings: usize,
    to_watch: bool,
}

impl Loading {
    fn new(cluster: &Cluster, to_watch: bool) -> Self {
        let snapshot = Snapshot {
            cluster: ClusterInfo {
                name: cluster.name().to_owned(),
                minor: cluster.minor(),
                stored: true,
            },
            ..Snapshot::default()
        };
        Self {
            loaded: Loaded {
                snapshot,
                findings: Vec::new(),
                start: Start::default(),
            },
            names: Interner::reading(cluster.yaml),
            open: BTreeMap::new(),
            dropped_findings: 0,
            to_watch,
        }
    }

    fn page(&mut self, kind: Kind, page: &Page) -> Progress {
        let Self {
            names,
            open,
            loaded,
            dropped_findings,
            to_watch,
        } = self;
        let of_kind = to_watch.then(|| loaded.start.0.entry(kind).or_default());
        let known = of_kind.map(|position| {
            position.version.clone_from(&page.version);
            position.api = page.api;
            &mut position.known
        });
        let mut known = known;
        let objects = open.entry(kind).or_default();
        let findings = &mut loaded.findings;
        let mut take = |value: Value| {
            if let Some(known) = &mut known {
                known.put(&value);
            }
            let decoded = decode(value, names);
            objects.extend(decoded.object);
            for issue in decoded.issues {
                if findings.len() < FINDINGS_LIMIT {
                    let place = decoded
                        .about
                        .clone()
                        .map(|about| Place::field(about, &*issue.pointer));
                    findings.push(finding(issue, place));
                } else {
                    *dropped_findings += 1;
                }
            }
        };
        let broken = page.objects(kind, &mut take);
        let progress = Progress {
            kind,
            read: objects.len(),
            remaining: page.remaining,
        };
        if let Err(reason) = broken {
            self.gap(
                kind,
                "",
                format!("a page of {} cannot be read: {reason}", kind.resource()),
            );
        }
        progress
    }

    fn restart(&mut self, kind: Kind) {
        self.open.remove(&kind);
        self.loaded.start.0.remove(&kind);
    }

    fn end(&mut self, kind: Kind, coverage: Coverage, options: &LoadOptions) {
        for object in self.open.remove(&kind).unwrap_or_default() {
            self.loaded
                .snapshot
                .apply(Delta::Upsert(Box::new(object), Origin::Live));
        }
        let what = name_of(kind);
        match coverage {
            Coverage::Whole | Coverage::Unserved(_) => {}
            Coverage::Failed(error) => {
                self.loaded.start.0.remove(&kind);
                self.gap(kind, "", format!("{what} could not be read: {error}"));
            }
            Coverage::Namespace(error) => {
                let namespace = options.namespace.as_deref().unwrap_or_default();
                if let Some(position) = self.loaded.start.0.get_mut(&kind) {
                    position.namespace = namespace.to_owned();
                }
                let message =
                    format!("{what} could be read in namespace `{namespace}` only: {error}");
                self.gap(kind, namespace, message);
            }
        }
    }

    fn gap(&mut self, kind: Kind, except: &str, message: String) {
        let finding = Finding::new("not-read", Severity::Medium, message.clone())
            .help("answers about it are partial; `bailiwick print-role` prints the rights that reading needs")
            .losing_input();
        self.loaded.findings.push(finding);
        self.loaded.snapshot.gaps.push(Gap {
            kinds: vec![kind],
            except: except.into(),
            message,
            ..Gap::default()
        });
    }

    fn finish(mut self) -> Loaded {
        if self.dropped_findings > 0 {
            let message = format!(
                "{} more objects have something wrong",
                self.dropped_findings
            );
            self.loaded
                .findings
                .push(Finding::new("too-many-findings", Severity::Low, message));
        }
        self.loaded
            .snapshot
            .gaps
            .sort_by(|a, b| a.kinds.cmp(&b.kinds));
        self.loaded
    }
}

/// What of a kind is read, as messages name it.
fn name_of(kind: Kind) -> String {
    match kind.only() {
        Some((namespace, name)) => format!("{kind} {namespace}/{name}"),
        None => kind.resource().to_owned(),
    }
}

fn finding(issue: Issue, place: Option<Place>) -> Finding {
    let mut finding = Finding::new(issue.id, issue.severity, issue.message);
    finding.places.extend(place);
    finding.help = issue.help;
    finding.input_lost = issue.lost;
    finding
}
