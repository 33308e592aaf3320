//! What becomes of a record, told to whoever waits for it.

use std::sync::Arc;

use bailiwick_audit::{DecisionId, Refused};
use tokio::sync::oneshot;

use crate::gaps::Given;
use crate::store::Shared;

/// Somebody who waits for a record.
#[derive(Debug)]
pub(crate) struct Waiter {
    /// Number of the record.
    pub(crate) number: u64,
    /// The decision that the record is of.
    pub(crate) id: Option<DecisionId>,
    /// Where to tell.
    pub(crate) done: oneshot::Sender<Told>,
}

/// What somebody is told.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) result: Result<u64, Refused>,
    /// They are told when this is dropped.
    _others: Option<Others>,
}

/// Those whose records were written together with one that somebody is told of.
#[derive(Debug)]
struct Others {
    shared: Arc<Shared>,
    waiters: Vec<Waiter>,
}

impl From<Result<u64, Refused>> for Told {
    fn from(result: Result<u64, Refused>) -> Self {
        let _others = None;
        Self { result, _others }
    }
}

impl Waiter {
    /// Tells; gives whether anybody listens.
    pub(crate) fn tell(self, told: Result<(), Refused>) -> bool {
        let number = self.number;
        self.done.send(told.map(|()| number).into()).is_ok()
    }
}

/// Tells all that their records are written: one by this thread, which is none of those on which they run, and the
/// others by the one. Those who run on the same threads wake each other for less, and their answers leave together.
pub(crate) fn written(shared: &Arc<Shared>, mut waiters: Vec<Waiter>) {
    let Some(Waiter { number, id, done }) = waiters.pop() else {
        return;
    };
    let told = Told {
        result: Ok(number),
        _others: Some(Others {
            shared: Arc::clone(shared),
            waiters,
        }),
    };
    // Where nobody listens, the others are told here.
    if done.send(told).is_err() {
        shared.gave_up(Given::Late, id);
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        for waiter in self.waiters.drain(..) {
            let id = waiter.id;
            if !waiter.tell(Ok(())) {
                self.shared.gave_up(Given::Late, id);
            }
        }
    }
}
