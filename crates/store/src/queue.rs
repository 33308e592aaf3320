use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bailiwick_audit::{Durability, Encoded, Refused};
use tokio::sync::oneshot;

use crate::told::Told;

/// A record that waits to be written.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) event: Encoded,
    pub(crate) durability: Durability,
    pub(crate) done: oneshot::Sender<Told>,
    /// Its bytes of the room for waiting records, which the writer gives back.
    pub(crate) room: u32,
}

/// Wakes the writer when it is dropped.
#[derive(Debug)]
pub(crate) struct Wake<'a>(&'a Condvar);

impl Drop for Wake<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Records on their way to the thread that writes.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Debug, Default)]
struct State {
    entries: Vec<Entry>,
    closing: bool,
    /// There is something else to look at.
    nudged: bool,
    /// The writer sleeps, and nobody is about to wake it.
    sleeping: bool,
}

impl Queue {
    /// Hands a record over; refuses it when the log is closed. Whoever finds the writer asleep has to wake it, and may
    /// let others hand theirs over before.
    pub(crate) fn push(&self, entry: Entry) -> Result<Option<Wake<'_>>, Refused> {
        let mut state = self.lock();
        if state.closing {
            return Err(Refused::Closed);
        }
        state.entries.push(entry);
        let sleeping = std::mem::take(&mut state.sleeping);
        Ok(sleeping.then_some(Wake(&self.ready)))
    }

    /// Lets the writer look at the gaps.
    pub(crate) fn nudge(&self) {
        self.lock().nudged = true;
        self.ready.notify_one();
    }

    /// Takes what waits into `batch`, after at most `patience`. Gives whether the log is closing.
    pub(crate) fn take(&self, batch: &mut Vec<Entry>, patience: Duration) -> bool {
        let mut state = self.lock();
        if state.entries.is_empty() && !state.closing && !state.nudged {
            state.sleeping = true;
            let waited = self.ready.wait_timeout(state, patience);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.sleeping = false;
        }
        state.nudged = false;
        std::mem::swap(&mut state.entries, batch);
        state.closing
    }

    pub(crate) fn close(&self) {
        self.lock().closing = true;
        self.ready.notify_one();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.lock().closing
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
