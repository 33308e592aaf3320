use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bailiwick_audit::{Durability, Encoded, Refused};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// A record that waits to be written.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) event: Encoded,
    pub(crate) durability: Durability,
    pub(crate) done: oneshot::Sender<Result<u64, Refused>>,
    /// Its bytes of the room for waiting records.
    pub(crate) room: OwnedSemaphorePermit,
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
    /// The writer sleeps and has to be woken.
    sleeping: bool,
}

impl Queue {
    /// Hands a record over; gives it back when the log is closed.
    pub(crate) fn push(&self, entry: Entry) -> Result<(), Entry> {
        let mut state = self.lock();
        if state.closing {
            return Err(entry);
        }
        state.entries.push(entry);
        self.wake(&mut state);
        Ok(())
    }

    /// Lets the writer look at the gaps.
    pub(crate) fn nudge(&self) {
        let mut state = self.lock();
        state.nudged = true;
        self.wake(&mut state);
    }

    fn wake(&self, state: &mut State) {
        if std::mem::take(&mut state.sleeping) {
            self.ready.notify_one();
        }
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
        let mut state = self.lock();
        state.closing = true;
        self.wake(&mut state);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.lock().closing
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
