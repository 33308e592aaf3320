use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bailiwick_pdp::State;

/// The state that is asked now, and when it was last known to be up to date.
#[derive(Debug)]
pub struct Current {
    state: RwLock<Option<Arc<State>>>,
    started: Instant,
    /// Milliseconds after `started` of the last confirmed progress.
    confirmed: AtomicU64,
    bound: Option<Duration>,
}

impl Current {
    /// Nothing to ask yet. Past `bound` since the last confirmed progress, what the state allows counts no more;
    /// `None` for sources that cannot grow stale.
    pub fn new(bound: Option<Duration>) -> Self {
        Self {
            state: RwLock::default(),
            started: Instant::now(),
            confirmed: AtomicU64::new(0),
            bound,
        }
    }

    /// From now on this one is asked. Whoever asks already goes on with the old one.
    pub fn swap(&self, state: Arc<State>) {
        let mut current = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let old = current.replace(state);
        drop(current);
        self.confirm();
        // Taking a large state apart takes its time; nobody waits for it.
        drop(old);
    }

    /// This one is asked until there is a better one; nobody has confirmed that it is up to date.
    pub fn boot(&self, state: Arc<State>) {
        let mut current = self.state.write().unwrap_or_else(PoisonError::into_inner);
        current.get_or_insert(state);
    }

    /// The state is what its source says now.
    pub fn confirm(&self) {
        let now = self.started.elapsed().as_millis();
        self.confirmed
            .store(u64::try_from(now).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The state; `None` before the first.
    pub fn state(&self) -> Option<Arc<State>> {
        self.state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How long ago progress was confirmed.
    pub fn age(&self) -> Duration {
        let confirmed = Duration::from_millis(self.confirmed.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(confirmed)
    }

    /// Whether the state is too old to allow anything.
    pub fn is_stale(&self) -> bool {
        self.bound.is_some_and(|bound| self.age() > bound)
    }
}

#[cfg(test)]
mod tests {
    use bailiwick_model::Snapshot;
    use bailiwick_rbac::Engine;

    use super::*;

    #[test]
    fn stale_until_progress_is_confirmed() {
        let current = Current::new(Some(Duration::from_millis(20)));
        assert!(current.state().is_none());
        let engine = Arc::new(Engine::new(Snapshot::default()));
        current.swap(Arc::new(State::new(engine)));
        assert!(current.state().is_some() && !current.is_stale());
        std::thread::sleep(Duration::from_millis(40));
        assert!(current.is_stale());
        current.confirm();
        assert!(!current.is_stale());
        assert!(!Current::new(None).is_stale());
    }
}
