use std::sync::{Mutex, PoisonError};

use bailiwick_audit::{DecisionId, Gap};
use bailiwick_core::Timestamp;

/// Decisions that nobody waits for any more, until a gap record tells of them.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    open: Mutex<Option<Gap>>,
}

/// What became of a record that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// It is not in the log.
    Unwritten,
    /// It is in the log, but the answer went out before.
    Late,
}

impl Gaps {
    /// One more.
    pub(crate) fn add(&self, given: Given, id: Option<DecisionId>, now: Timestamp, cause: &str) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let gap = open.get_or_insert_with(|| Gap {
            since: now,
            until: now,
            unwritten: 0,
            late: 0,
            ids: Vec::new(),
            cause: cause.chars().take(512).collect(),
        });
        gap.until = now;
        match given {
            Given::Unwritten => gap.unwritten += 1,
            Given::Late => gap.late += 1,
        }
        if gap.ids.len() < Gap::NAMED {
            gap.ids.extend(id);
        }
    }

    /// What there is to tell.
    pub(crate) fn take(&self) -> Option<Gap> {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}
