use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bailiwick_pdp::State;

/// The state that is asked now, when it was last known to be up to date, and what it lacks.
#[derive(Debug)]
pub struct Current {
    state: RwLock<Option<Arc<State>>>,
    started: Instant,
    /// Milliseconds after `started` of the last confirmed progress, from 1; 0 before the first.
    confirmed: AtomicU64,
    bound: Option<Duration>,
    refused: RwLock<Vec<String>>,
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
            refused: RwLock::default(),
        }
    }

    /// From now on this one is asked. Whoever asks already goes on with the old one. Nobody has said with it that it is
    /// up to date: see [`Current::confirm`].
    pub fn swap(&self, state: Arc<State>) {
        let mut current = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let old = current.replace(state);
        drop(current);
        // Taking a large state apart takes its time; nobody waits for it.
        drop(old);
    }

    /// The state is what its source said at this moment, or later.
    pub fn confirm(&self, at: Instant) {
        let at = at.saturating_duration_since(self.started).as_millis();
        let at = u64::try_from(at).unwrap_or(u64::MAX).saturating_add(1);
        self.confirmed.fetch_max(at, Ordering::Relaxed);
    }

    /// The documents that are not in force as they are written, each with the reason.
    pub fn refuse(&self, documents: Vec<String>) {
        let mut refused = self.refused.write().unwrap_or_else(PoisonError::into_inner);
        *refused = documents;
    }

    /// What was last given to [`Current::refuse`].
    pub fn refused(&self) -> Vec<String> {
        self.refused
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The state; `None` before the first.
    pub fn state(&self) -> Option<Arc<State>> {
        self.state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How long ago progress was confirmed; where it never was, since the start.
    pub fn age(&self) -> Duration {
        let confirmed = self.confirmed.load(Ordering::Relaxed).saturating_sub(1);
        let confirmed = Duration::from_millis(confirmed);
        self.started.elapsed().saturating_sub(confirmed)
    }

    /// Whether the state is too old to allow anything. One that nobody has confirmed yet may be of any age.
    pub fn is_stale(&self) -> bool {
        let never = self.confirmed.load(Ordering::Relaxed) == 0;
        self.bound.is_some_and(|bound| never || self.age() > bound)
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
        current.swap(Arc::new(State::new(Arc::clone(&engine))));
        assert!(current.is_stale());
        current.confirm(Instant::now());
        assert!(current.state().is_some() && !current.is_stale());
        std::thread::sleep(Duration::from_millis(40));
        assert!(current.is_stale());
        // A new state says nothing about how old it is, and old news nothing about now.
        current.swap(Arc::new(State::new(engine)));
        current.confirm(current.started);
        assert!(current.is_stale());
        current.confirm(Instant::now());
        assert!(!current.is_stale());
        assert!(!Current::new(None).is_stale());
    }
}
