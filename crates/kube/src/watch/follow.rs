//! One kind, followed change by change.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bailiwick_model::{Gap, Interner, Value};
use tokio::sync::{Semaphore, mpsc};

use super::WatchOptions;
use super::backoff::Backoff;
use super::event::Event;
use super::known::{Known, identify};
use super::shared::{Change, Shared};
use crate::error::RequestError;
use crate::followed::{Followed, ObjectName};
use crate::load::fetch::{Coverage, Event as Read, Reader, query};
use crate::load::kinds::{list_path, may_be_unserved, selection};
use crate::load::page::{Form, Page};
use crate::transport::Transport;

/// How much longer than agreed a watch may be silent before its connection counts as dead.
const GRACE: Duration = Duration::from_secs(10);

/// Where the watch of a kind is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Position {
    /// The state of the cluster up to which everything is known.
    pub(crate) version: String,
    /// The version of the API group in which it is served.
    pub(crate) api: &'static str,
    /// The one namespace that is read; empty for the whole cluster.
    pub(crate) namespace: String,
    /// What was seen.
    pub(crate) known: Known,
}

/// Follows one kind.
pub(super) struct Follower<K: Followed> {
    pub(super) kind: K,
    pub(super) transport: Transport,
    pub(super) shared: Arc<Shared<K>>,
    pub(super) options: WatchOptions,
    /// Lists at the same time.
    pub(super) turn: Arc<Semaphore>,
    pub(super) names: Interner,
    pub(super) position: Position,
    /// Whether it may be listed and not watched: what is known of it is as old as the list.
    pub(super) unwatched: bool,
}

/// Why a watch has ended.
enum End {
    /// The time that was agreed is over.
    Over,
    /// What it went on from is forgotten, or cannot be trusted.
    Forgotten,
    /// It cannot go on now.
    Broken(RequestError),
}

impl<K: Followed> Follower<K> {
    /// Follows the kind for ever.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(self.options.longest_wait);
        loop {
            if self.position.version.is_empty() {
                if let Err(error) = self.list().await {
                    self.report(&error);
                    // What is forbidden or not there stays so for a while.
                    let wait = match error {
                        RequestError::Forbidden { .. } | RequestError::NotFound { .. } => {
                            backoff.longest()
                        }
                        _ => backoff.next(),
                    };
                    tokio::time::sleep(wait).await;
                    continue;
                }
                if self.unwatched {
                    self.shared.listed(self.kind, Instant::now());
                } else {
                    self.settle();
                }
            }
            let started = Instant::now();
            match self.watch().await {
                End::Over => {}
                End::Forgotten => self.position.version.clear(),
                End::Broken(error) => {
                    self.report(&error);
                    // The list says what is left, and of what.
                    match error {
                        RequestError::Forbidden { .. } => {
                            self.position.version.clear();
                            self.unwatched = true;
                            tokio::time::sleep(backoff.longest()).await;
                            continue;
                        }
                        RequestError::NotFound { .. } => self.position.version.clear(),
                        _ => {}
                    }
                }
            }
            // A server that ends every watch at once is not asked in a circle.
            if started.elapsed() >= self.options.confirm / 2 {
                backoff = Backoff::new(self.options.longest_wait);
            } else {
                tokio::time::sleep(backoff.next()).await;
            }
        }
    }

    /// Everything is known that there is to know.
    fn settle(&self) {
        self.shared.gap(self.kind, self.gap_of_namespace());
        self.shared.confirm(self.kind, Instant::now());
    }

    /// Says what went wrong, as a gap where it hides objects.
    fn report(&mut self, error: &RequestError) {
        let what = self.kind.plural();
        let message = format!("{what} cannot be watched: {error}");
        match error {
            // A definition that is deleted takes its objects with it, one by one, each of them told. One that is not
            // served though there are objects is one that the server does not know yet, or not any more: they stay.
            RequestError::NotFound { .. }
                if self.kind.known().is_none() && self.position.known.is_empty() =>
            {
                self.shared.confirm(self.kind, Instant::now());
                return;
            }
            RequestError::NotFound { .. } if self.kind.known().is_none() => {}
            RequestError::NotFound { .. } => {
                // Nothing is served, so nothing is there.
                let known = std::mem::take(&mut self.position.known);
                let gone: Vec<ObjectName> = known.names().cloned().collect();
                self.put_gone(gone);
                if may_be_unserved(self.kind) {
                    self.shared.gap(self.kind, None);
                    return self.shared.confirm(self.kind, Instant::now());
                }
                self.shared.gap(self.kind, Some(self.gap(message.clone())));
            }
            RequestError::Forbidden { .. } => {
                self.shared.gap(self.kind, Some(self.gap(message.clone())));
            }
            _ => {}
        }
        self.shared.trouble(self.kind, &message);
    }

    fn put_gone(&self, gone: Vec<ObjectName>) {
        let kind = self.kind;
        let gone = gone
            .into_iter()
            .map(|object| (object.clone(), removed(kind, object)));
        self.shared.put(kind, gone);
    }

    fn gap(&self, message: String) -> Gap {
        Gap {
            kinds: self.kind.known().into_iter().collect(),
            message,
            ..Gap::default()
        }
    }

    fn gap_of_namespace(&self) -> Option<Gap> {
        let namespace = &self.position.namespace;
        let what = self.kind.plural();
        (!namespace.is_empty()).then(|| Gap {
            except: namespace.as_str().into(),
            ..self.gap(format!(
                "{what} can be watched in namespace `{namespace}` only; the rest is refused"
            ))
        })
    }

    /// Reads everything anew, and hands over what is another than before.
    async fn list(&mut self) -> Result<(), RequestError> {
        let _turn = self.turn.clone().acquire_owned().await;
        let (events, mut pages) = mpsc::channel(1);
        let reader = Reader {
            kind: self.kind,
            namespace: self.options.namespace.clone().unwrap_or_default(),
            page_size: self.options.page_size,
        };
        let transport = self.transport.clone();
        let reading = tokio::spawn(async move { reader.run(&transport, &events).await });
        let mut now = Position::default();
        // Handed over at its end: half a list beside half of what was before is a cluster that never was.
        let mut changes = Vec::new();
        let coverage = loop {
            match pages.recv().await {
                Some(Read::Page(_, page)) => self.page(&page, &mut now, &mut changes)?,
                Some(Read::Restart(_)) => {
                    now = Position::default();
                    changes.clear();
                }
                Some(Read::End(_, coverage)) => break coverage,
                None => break Coverage::Failed(self.transport.malformed("it said nothing".into())),
            }
        };
        reading.abort();
        match coverage {
            Coverage::Whole => {}
            Coverage::Namespace(_) => {
                now.namespace = self.options.namespace.clone().unwrap_or_default();
            }
            Coverage::Unserved(error) | Coverage::Failed(error) => return Err(error),
        }
        let kind = self.kind;
        let gone = self.position.known.gone(&now.known).into_iter();
        changes.extend(gone.map(|object| (object.clone(), removed(kind, object))));
        self.shared.put(kind, changes);
        self.position = now;
        Ok(())
    }

    fn page(
        &mut self,
        page: &Page,
        now: &mut Position,
        changes: &mut Vec<(ObjectName, Change<K>)>,
    ) -> Result<(), RequestError> {
        now.version.clone_from(&page.version);
        now.api = page.api;
        let read = page.objects(self.kind, &mut |value| {
            let known = identify(&value)
                .is_some_and(|(name, state)| self.position.known.state(&name) == Some(state));
            now.known.put(&value);
            if !known {
                changes.extend(change(self.kind, value, &mut self.names, &self.shared));
            }
        });
        read.map_err(|reason| self.transport.malformed(reason))
    }

    /// Follows what changes until the watch ends.
    async fn watch(&mut self) -> End {
        let Position {
            version,
            api,
            namespace,
            ..
        } = &self.position;
        let confirm = self.options.confirm;
        let path = format!(
            "{}?watch=true&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}{}",
            list_path(self.kind, api, namespace),
            query(version),
            confirm.as_secs().max(1),
            selection(self.kind.known()),
        );
        let accept = Form::of(self.kind).accept();
        let mut lines = match self.transport.lines(&path, accept).await {
            Ok(lines) => lines,
            Err(RequestError::Expired) => return End::Forgotten,
            Err(error) => return End::Broken(error),
        };
        self.unwatched = false;
        self.settle();
        let mut type_column = None;
        loop {
            let line = match lines.next(confirm + GRACE).await {
                Ok(Some(line)) => line,
                Ok(None) => return End::Over,
                Err(error) => return End::Broken(error),
            };
            let event = match Event::parse(&line, self.kind, &mut type_column) {
                Ok(event) => event,
                Err(reason) => {
                    // Nobody knows what it was, so that everything has to be looked at.
                    self.position.version.clear();
                    return End::Broken(self.transport.malformed(reason));
                }
            };
            if let Some(end) = self.event(event) {
                return end;
            }
        }
    }

    /// Takes what the server tells; says if that is the end of the watch.
    fn event(&mut self, event: Event) -> Option<End> {
        match event {
            Event::Put(value) => {
                self.go_on_from(&value);
                self.position.known.put(&value);
                let version = self.position.version.clone();
                let change = change(self.kind, value, &mut self.names, &self.shared);
                let told = change.map(|(object, change)| (object, Change { version, ..change }));
                self.shared.put(self.kind, told);
            }
            Event::Gone(value) => {
                self.go_on_from(&value);
                if let Some((name, _)) = identify(&value) {
                    self.position.known.remove(&name);
                    let version = self.position.version.clone();
                    let change = Change {
                        version,
                        ..removed(self.kind, name.clone())
                    };
                    self.shared.put(self.kind, [(name, change)]);
                }
            }
            Event::Bookmark(version) => {
                if !version.is_empty() {
                    self.position.version = version;
                }
            }
            Event::Expired => return Some(End::Forgotten),
            Event::Failed(message) => {
                return Some(End::Broken(RequestError::Status { code: 500, message }));
            }
        }
        self.shared.confirm(self.kind, Instant::now());
        None
    }

    fn go_on_from(&mut self, object: &Value) {
        let metadata = object.get("metadata");
        let version = metadata.and_then(|metadata| metadata.get("resourceVersion"));
        if let Some(version) = version.and_then(Value::as_str) {
            version.clone_into(&mut self.position.version);
        }
    }
}

/// What an object as it is now changes.
fn change<K: Followed>(
    kind: K,
    value: Value,
    names: &mut Interner,
    shared: &Shared<K>,
) -> Option<(ObjectName, Change<K>)> {
    let (name, _) = identify(&value)?;
    let (delta, lost) = kind.there(name.clone(), value, names);
    for message in lost {
        let place = match &*name.0 {
            "" => format!("{kind} {}", name.1),
            namespace => format!("{kind} {namespace}/{}", name.1),
        };
        shared.notice(kind, format!("{place}: {message}"));
    }
    let change = Change {
        delta,
        version: String::new(),
    };
    Some((name, change))
}

fn removed<K: Followed>(kind: K, object: ObjectName) -> Change<K> {
    Change {
        delta: kind.gone(object),
        version: String::new(),
    }
}

impl<K: Followed> Follower<K> {
    /// Where to go on; nowhere for a kind that was not read.
    pub(super) fn starts_at(mut self, position: Option<Position>) -> Self {
        if let Some(position) = position {
            self.shared.confirm(self.kind, Instant::now());
            self.position = position;
        }
        self
    }
}
