//! A cluster as it changes: every kind followed from where its list ended.

pub(crate) mod backoff;
mod event;
mod follow;
mod known;
mod shared;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bailiwick_core::Kind;
use bailiwick_model::{CustomKind, Gap, Interner};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use self::follow::{Follower, Position};
use self::shared::Shared;
use crate::cluster::Cluster;
use crate::followed::Followed;
use crate::load::LoadKinds;
use crate::threads::Threads;

pub use self::shared::{Batch, Change, Confirmed, Notice};

/// Where a watch goes on: what [`Cluster::load`] leaves if [`LoadOptions::to_watch`](crate::LoadOptions::to_watch) says
/// so.
#[derive(Clone, Debug, Default)]
pub struct Start(pub(crate) BTreeMap<Kind, Position>);

/// What to watch and how.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    /// The kinds that Bailiwick knows.
    pub kinds: LoadKinds,
    /// Where a kind may not be read in the whole cluster: the namespace to watch instead.
    pub namespace: Option<String>,
    /// Objects a page of a list, where one has to be read again; what suits the kind where it is not given.
    pub page_size: Option<u32>,
    /// How often the API server has to confirm that nothing was missed: each watch ends after that long, and a new one
    /// goes on from there. Whole seconds, one at least. It costs a request a kind.
    pub confirm: Duration,
    /// The longest wait before the next try after an error, and the wait before what is forbidden is tried again.
    pub longest_wait: Duration,
}

impl WatchOptions {
    /// How often to confirm where nothing else is asked for.
    pub const CONFIRM: Duration = Duration::from_secs(60);

    /// The longest wait before the next try where nothing else is asked for.
    pub const LONGEST_WAIT: Duration = Duration::from_secs(30);

    /// These kinds, in the whole cluster.
    pub fn new(kinds: LoadKinds) -> Self {
        Self {
            kinds,
            namespace: None,
            page_size: None,
            confirm: Self::CONFIRM,
            longest_wait: Self::LONGEST_WAIT,
        }
    }
}

/// A cluster being watched, until this is dropped.
pub struct Watch<K: Followed = Kind> {
    shared: Arc<Shared<K>>,
    tasks: Vec<AbortHandle>,
    threads: Arc<Threads>,
}

/// Ends a watch from elsewhere.
pub struct Stopper<K: Followed = Kind>(Arc<Shared<K>>);

impl Cluster {
    /// Follows the changes since what `start` comes from was read, with these gaps. What could not be read then is
    /// tried again.
    pub fn watch(&self, start: Start, gaps: &[Gap], options: &WatchOptions) -> Watch {
        let kinds: Vec<Kind> = options.kinds.iter().collect();
        self.follow(&kinds, start.0, gaps, options)
    }

    /// Lists custom resources, and follows their changes. A kind that is not served has no objects, until it is.
    /// Of the options the kinds are not read.
    pub fn watch_custom(&self, kinds: &[CustomKind], options: &WatchOptions) -> Watch<CustomKind> {
        self.follow(kinds, BTreeMap::new(), &[], options)
    }

    fn follow<K: Followed>(
        &self,
        kinds: &[K],
        mut start: BTreeMap<K, Position>,
        gaps: &[Gap],
        options: &WatchOptions,
    ) -> Watch<K> {
        let shared = Arc::new(Shared::default());
        shared.start_with(kinds, gaps);
        let turn = Arc::new(Semaphore::new(crate::load::AT_ONCE));
        let follow = |kind| {
            let follower = Follower {
                kind,
                transport: self.transport.clone(),
                shared: shared.clone(),
                options: options.clone(),
                turn: turn.clone(),
                names: Interner::reading(self.yaml),
                position: Position::default(),
                unwatched: false,
            };
            let follower = follower.starts_at(start.remove(&kind));
            self.threads.spawn(follower.run()).abort_handle()
        };
        Watch {
            tasks: kinds.iter().copied().map(follow).collect(),
            shared,
            threads: self.threads.clone(),
        }
    }
}

impl<K: Followed> Watch<K> {
    /// What has happened since this was last asked. Waits for it, though not longer than `limit`; then it is empty.
    /// `None` once the watch is stopped.
    pub fn next(&self, limit: Duration) -> Option<Batch<K>> {
        self.shared.take(limit)
    }

    /// What ends this watch from another thread.
    pub fn stopper(&self) -> Stopper<K> {
        Stopper(self.shared.clone())
    }

    /// Ends this watch when somebody presses Ctrl-C or the process is told to end.
    ///
    /// # Errors
    /// When the system does not let this process hear of it.
    pub fn stop_on_interrupt(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let _threads = self.threads.enter();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let stopper = self.stopper();
        self.threads.spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            stopper.stop();
        });
        Ok(())
    }
}

impl<K: Followed> Drop for Watch<K> {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl<K: Followed> Clone for Stopper<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Followed> Stopper<K> {
    /// Ends the watch: whoever waits for it gets `None`.
    pub fn stop(&self) {
        self.0.stop();
    }
}
