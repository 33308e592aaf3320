//! The thread that makes the disk confirm what was written.

use std::fs::File;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::told::Waiter;
use bailiwick_audit::{DecisionId, Refused};

/// Written, and not confirmed yet.
#[derive(Debug)]
pub(crate) struct Unconfirmed {
    file: Arc<File>,
    since: Instant,
    waiters: Vec<Waiter>,
}

/// What the writing and the confirming thread share.
#[derive(Debug, Default)]
pub(crate) struct Sync {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    unconfirmed: Option<Unconfirmed>,
    failed: Option<String>,
    closing: bool,
}

impl Unconfirmed {
    /// Asks the disk, and tells those who wait; `late` hears of those who do not wait any more.
    pub(crate) fn confirm(self, late: impl Fn(Option<DecisionId>)) -> io::Result<()> {
        let result = self.file.sync_data();
        for waiter in self.waiters {
            let id = waiter.id;
            let told = result.as_ref().copied().map_err(|_| Refused::Sync);
            if !waiter.tell(told) {
                late(id);
            }
        }
        result
    }
}

impl Sync {
    /// Something was written to `file`; `waiters` wait until it is confirmed.
    pub(crate) fn wrote(&self, file: Arc<File>, waiters: Vec<Waiter>) {
        let mut state = self.lock();
        let wakes = state.unconfirmed.is_none() || !waiters.is_empty();
        let unconfirmed = state.unconfirmed.get_or_insert_with(|| Unconfirmed {
            file,
            since: Instant::now(),
            waiters: Vec::new(),
        });
        unconfirmed.waiters.extend(waiters);
        if wakes {
            self.changed.notify_one();
        }
    }

    /// Takes over what is not confirmed.
    pub(crate) fn take(&self) -> Option<Unconfirmed> {
        self.lock().unconfirmed.take()
    }

    /// Why the disk did not confirm, once.
    pub(crate) fn take_failure(&self) -> Option<String> {
        self.lock().failed.take()
    }

    pub(crate) fn close(&self) {
        self.lock().closing = true;
        self.changed.notify_one();
    }

    /// Confirms until the log closes.
    pub(crate) fn run(&self, after: Duration, late: impl Fn(Option<DecisionId>)) {
        while let Some(unconfirmed) = self.next(after) {
            if let Err(error) = unconfirmed.confirm(&late) {
                self.lock().failed = Some(error.to_string());
            }
        }
    }

    /// Waits until something has to be confirmed; `None` at the end.
    fn next(&self, after: Duration) -> Option<Unconfirmed> {
        let mut state = self.lock();
        loop {
            let patience = match &state.unconfirmed {
                None if state.closing => return None,
                None => Duration::from_secs(3600),
                Some(found) if state.closing || !found.waiters.is_empty() => Duration::ZERO,
                Some(found) => after.saturating_sub(found.since.elapsed()),
            };
            if patience.is_zero() {
                return state.unconfirmed.take();
            }
            let waited = self.changed.wait_timeout(state, patience);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
