//! Places in which documents are kept that were asked for once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bailiwick_identity::UnixTime;
use tonic::{Code, Status};

use super::held::RETRY;
use crate::clock::Due;

/// A place for one document; whoever needs it waits for the one who asks for it.
pub(super) type Slot<T> = Arc<tokio::sync::Mutex<Option<Kept<T>>>>;

pub(super) struct Kept<T> {
    pub(super) what: T,
    /// From when on it does not count.
    until: UnixTime,
    /// When the next one is asked for.
    due: Due,
    /// State of the keys of the authority by which it was made.
    revision: u64,
}

impl<T> Kept<T> {
    pub(super) fn is_fresh(&self, now: Now) -> bool {
        self.revision == now.revision && !self.due.has_come(now.time)
    }
}

/// What was made.
pub(super) struct Made<T> {
    pub(super) what: T,
    /// From when on it does not count.
    pub(super) until: UnixTime,
    /// For how many seconds it was made, by the clock of whoever did.
    pub(super) life: u64,
}

/// By what it is said whether something is fresh.
#[derive(Clone, Copy)]
pub(super) struct Now {
    /// State of the keys of the authority.
    pub(super) revision: u64,
    pub(super) time: UnixTime,
}

/// Places by pod, and by what else makes a document another one.
pub(super) struct Slots<K, T>(Mutex<Places<K, T>>);

type Places<K, T> = HashMap<(Box<str>, K), Slot<T>>;

impl<K, T> Default for Slots<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq, T> Slots<K, T> {
    fn lock(&self) -> MutexGuard<'_, Places<K, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of a document.
    pub(super) fn slot(&self, pod: &str, key: K) -> Slot<T> {
        Arc::clone(self.lock().entry((pod.into(), key)).or_default())
    }

    /// The same among so many at most; one that nobody finds again where there is no room.
    pub(super) fn slot_among(&self, most: usize, now: UnixTime, pod: &str, key: K) -> Slot<T> {
        let mut slots = self.lock();
        if slots.len() >= most {
            slots.retain(|_, slot| {
                let kept = slot.try_lock();
                kept.is_ok_and(|kept| kept.as_ref().is_some_and(|kept| now < kept.until))
            });
        }
        match slots.len() < most {
            true => Arc::clone(slots.entry((pod.into(), key)).or_default()),
            false => Slot::default(),
        }
    }

    /// The place, if somebody made one.
    pub(super) fn find(&self, pod: &str, key: K) -> Option<Slot<T>> {
        self.lock().get(&(pod.into(), key)).map(Arc::clone)
    }

    /// Forgets what is held for pods that are not to be kept.
    pub(super) fn forget(&self, keep: impl Fn(&str) -> bool) {
        self.lock().retain(|(pod, _), _| keep(pod));
    }
}

/// What is kept, where it is `good` and fresh, or what is made now.
pub(super) async fn fresh_or_made<T: Clone>(
    slot: &Slot<T>,
    now: impl Fn() -> Now,
    good: impl FnOnce(&T) -> bool,
    made: impl Future<Output = Result<Made<T>, Status>>,
) -> Result<T, Status> {
    let mut slot = slot.lock().await;
    // Not of before somebody else had the place.
    let before = now();
    if let Some(kept) = &*slot
        && good(&kept.what)
        && kept.is_fresh(before)
    {
        return Ok(kept.what.clone());
    }
    let made = made.await;
    let time = now().time;
    settle(&mut slot, made, Now { time, ..before })
}

/// Keeps what was made; where nothing was, what is kept goes on, unless the server said no.
pub(super) fn settle<T: Clone>(
    slot: &mut Option<Kept<T>>,
    made: Result<Made<T>, Status>,
    now: Now,
) -> Result<T, Status> {
    match made {
        Ok(Made { what, until, life }) => {
            *slot = Some(Kept {
                what: what.clone(),
                until,
                due: Due::half([(until, life)].into_iter(), now.time),
                revision: now.revision,
            });
            Ok(what)
        }
        Err(status) if matches!(status.code(), Code::PermissionDenied | Code::Unimplemented) => {
            *slot = None;
            Err(status)
        }
        Err(status) => match slot {
            Some(kept) if now.time < kept.until => {
                kept.due = Due::after(RETRY, now.time);
                kept.revision = now.revision;
                Ok(kept.what.clone())
            }
            _ => Err(Status::unavailable(status.message())),
        },
    }
}
