//! The objects of one resource as they change, as JSON: for kinds that are no part of a snapshot.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::task::AbortHandle;

use crate::cluster::Cluster;
use crate::error::RequestError;
use crate::threads::Threads;
use crate::transport::Transport;
use crate::watch::backoff::Backoff;

/// Objects a page of a list.
const PAGE: u32 = 500;
/// How long one watch lasts before the next one goes on from there.
const WATCH: Duration = Duration::from_secs(240);
/// How much longer than agreed a watch may be silent before its connection counts as dead. Bookmarks come every minute.
const SILENCE: Duration = Duration::from_secs(90);
/// The longest wait before the next try after an error.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// What a feed tells.
#[derive(Debug)]
pub(crate) enum News<'n> {
    /// An object as it is now.
    Put(&'n str),
    /// An object that is gone.
    Gone {
        /// Empty for one of the whole cluster.
        namespace: &'n str,
        name: &'n str,
    },
    /// Everything up to this state of the cluster was told.
    UpTo(u64),
    /// Nothing can be told at the moment.
    Trouble(String),
}

/// Who hears it. Called on a thread of the cluster: it must not wait.
pub(crate) type Ear = Arc<dyn Fn(News<'_>) + Send + Sync>;

/// Feeds that are followed until this is dropped.
#[must_use = "feeds end when this is dropped"]
pub struct Feeds {
    tasks: Vec<AbortHandle>,
    _threads: Arc<Threads>,
}

impl Drop for Feeds {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Cluster {
    /// Follows lists, each by the path and query of its objects.
    pub(crate) fn feeds(&self, paths: Vec<(String, Ear)>) -> Feeds {
        let follow = |(path, ear)| {
            let feed = Feed {
                transport: self.transport.clone(),
                path,
                ear,
                known: HashSet::new(),
                version: String::new(),
            };
            self.threads.spawn(feed.run()).abort_handle()
        };
        Feeds {
            tasks: paths.into_iter().map(follow).collect(),
            _threads: self.threads.clone(),
        }
    }
}

struct Feed {
    transport: Transport,
    /// With a query, if only to be followed by more of it: `/api/v1/pods?`.
    path: String,
    ear: Ear,
    /// Namespace and name of everything that was told.
    known: HashSet<(String, String)>,
    /// Where to go on; empty where everything has to be read.
    version: String,
}

#[derive(Deserialize)]
struct List<'l> {
    metadata: Meta,
    #[serde(borrow, default)]
    items: Vec<&'l RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    name: String,
    namespace: String,
    resource_version: String,
    r#continue: String,
}

#[derive(Deserialize)]
struct Line<'l> {
    r#type: String,
    #[serde(borrow)]
    object: &'l RawValue,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Head {
    metadata: Meta,
    code: u16,
    message: String,
}

impl Feed {
    async fn run(mut self) {
        let mut backoff = Backoff::new(LONGEST_WAIT);
        loop {
            let started = Instant::now();
            let listing = self.version.is_empty();
            let outcome = match listing {
                true => self.list().await,
                false => self.watch().await,
            };
            match outcome {
                // The watch follows at once on the list. A server that ends every watch at once is not asked in a circle.
                Ok(()) if listing && !self.version.is_empty() => continue,
                Ok(()) if started.elapsed() >= WATCH / 2 => backoff = Backoff::new(LONGEST_WAIT),
                Ok(()) => {}
                Err(RequestError::Expired) => self.version.clear(),
                Err(error) => {
                    (self.ear)(News::Trouble(error.to_string()));
                    // What a broken watch has not told shows in the next list.
                    if !matches!(
                        error,
                        RequestError::Unreachable { .. } | RequestError::TimedOut { .. }
                    ) {
                        self.version.clear();
                    }
                }
            }
            tokio::time::sleep(backoff.next()).await;
        }
    }

    async fn list(&mut self) -> Result<(), RequestError> {
        let mut seen = HashSet::new();
        let mut next = String::new();
        let version = loop {
            let path = format!("{}&limit={PAGE}&continue={next}", self.path);
            let answer = self.transport.get(&path, "application/json").await?;
            let list: List<'_> = self.transport.parse(&answer)?;
            for item in list.items {
                seen.insert(self.put(item.get())?);
            }
            // It is made of letters that a query takes as they are (base64 without padding, upstream `continue.go`).
            next = list.metadata.r#continue;
            if next.is_empty() {
                break list.metadata.resource_version;
            }
        };
        for (namespace, name) in self.known.difference(&seen) {
            (self.ear)(News::Gone { namespace, name });
        }
        self.known = seen;
        self.version = version;
        self.up_to();
        Ok(())
    }

    async fn watch(&mut self) -> Result<(), RequestError> {
        let path = format!(
            "{}&watch=true&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}",
            self.path,
            self.version,
            WATCH.as_secs()
        );
        let mut lines = self.transport.lines(&path, "application/json").await?;
        while let Some(line) = lines.next(SILENCE).await? {
            let line: Line<'_> = self.transport.parse(&line)?;
            let object = line.object.get();
            let head: Head = self.transport.parse(object.as_bytes())?;
            match &*line.r#type {
                "ADDED" | "MODIFIED" => {
                    let key = self.put(object)?;
                    self.known.insert(key);
                }
                "DELETED" => {
                    let (namespace, name) = (head.metadata.namespace, head.metadata.name);
                    let (namespace, name) = (&*namespace, &*name);
                    (self.ear)(News::Gone { namespace, name });
                    self.known.remove(&(namespace.to_owned(), name.to_owned()));
                }
                "BOOKMARK" => {}
                "ERROR" if head.code == 410 => return Err(RequestError::Expired),
                _ => {
                    let (code, message) = (head.code, head.message);
                    return Err(RequestError::Status { code, message });
                }
            }
            self.version = head.metadata.resource_version;
            self.up_to();
        }
        Ok(())
    }

    fn put(&self, object: &str) -> Result<(String, String), RequestError> {
        let head: Head = self.transport.parse(object.as_bytes())?;
        (self.ear)(News::Put(object));
        Ok((head.metadata.namespace, head.metadata.name))
    }

    /// Versions are numbers that grow (KEP-5504); one that is none says nothing.
    fn up_to(&self) {
        if let Ok(version) = self.version.parse() {
            (self.ear)(News::UpTo(version));
        }
    }
}
