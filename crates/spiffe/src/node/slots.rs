//! Places in which documents are kept that were asked for once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bailiwick_identity::UnixTime;
use tonic::{Code, Status};

use super::held::RETRY;
use crate::clock::{Clock, SystemClock};
use crate::seal::fraction;

/// A place for one document; whoever needs it waits for the one who asks for it.
pub(super) type Slot<T> = Arc<tokio::sync::Mutex<Option<Kept<T>>>>;

pub(super) struct Kept<T> {
    pub(super) what: T,
    /// From when on it does not count.
    until: UnixTime,
    /// When the next one is asked for.
    due: Instant,
    /// State of the keys of the authority by which it was made.
    revision: u64,
}

impl<T> Kept<T> {
    pub(super) fn is_fresh(&self, revision: u64) -> bool {
        self.revision == revision && Instant::now() < self.due
    }
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
    pub(super) fn slot_among(&self, most: usize, pod: &str, key: K) -> Slot<T> {
        let mut slots = self.lock();
        if slots.len() >= most {
            let now = SystemClock.now();
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
    revision: impl FnOnce() -> u64,
    good: impl FnOnce(&T) -> bool,
    made: impl Future<Output = Result<(T, UnixTime), Status>>,
) -> Result<T, Status> {
    let mut slot = slot.lock().await;
    // Not of before somebody else had the place.
    let revision = revision();
    if let Some(kept) = &*slot
        && good(&kept.what)
        && kept.is_fresh(revision)
    {
        return Ok(kept.what.clone());
    }
    settle(&mut slot, made.await, revision)
}

/// Keeps what was made; where nothing was, what is kept goes on, unless the server said no.
pub(super) fn settle<T: Clone>(
    slot: &mut Option<Kept<T>>,
    made: Result<(T, UnixTime), Status>,
    revision: u64,
) -> Result<T, Status> {
    let now = SystemClock.now();
    match made {
        Ok((what, until)) => {
            let half = Duration::from_secs(until.since(now)) / 2;
            *slot = Some(Kept {
                what: what.clone(),
                until,
                due: Instant::now() + half.mul_f64(0.9 + 0.1 * fraction()),
                revision,
            });
            Ok(what)
        }
        Err(status) if matches!(status.code(), Code::PermissionDenied | Code::Unimplemented) => {
            *slot = None;
            Err(status)
        }
        Err(status) => match slot {
            Some(kept) if now < kept.until => {
                kept.due = Instant::now() + RETRY;
                kept.revision = revision;
                Ok(kept.what.clone())
            }
            _ => Err(Status::unavailable(status.message())),
        },
    }
}
