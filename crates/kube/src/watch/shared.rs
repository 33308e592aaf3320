//! What the readers of a watch leave for whoever takes it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bailiwick_core::{Kind, ObjectRef};
use bailiwick_model::{Delta, Gap};

/// The most notices that wait; of more the oldest are dropped.
const NOTICES_LIMIT: usize = 100;

/// A change of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What changes.
    pub delta: Delta,
    /// The `resourceVersion` with which the API server told it; empty where it had forgotten the change, so that only
    /// its result is known.
    pub version: String,
}

/// Something to tell people who watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub kind: Kind,
    /// What happened, in a sentence without its end.
    pub message: String,
}

/// How current what is known of a kind is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// When the API server last said, by a change, a bookmark or a new watch, that nothing else has changed.
    pub at: Instant,
    /// Why nothing has come since; `None` while a watch is open.
    pub trouble: Option<String>,
}

/// What has happened since the last one was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The changes in their order, of each object the last one.
    pub changes: Vec<Change>,
    /// All that cannot be read, where that is another than before.
    pub gaps: Option<Vec<Gap>>,
    /// What there is to tell.
    pub notices: Vec<Notice>,
    /// How current each kind is once these changes are made. Kinds that could never be read are missing.
    pub confirmed: BTreeMap<Kind, Confirmed>,
}

/// Where readers put what they read. Of each object the last change alone waits, so that what waits is bounded by the
/// cluster, however slow it is taken.
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    woken: Condvar,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    changes: BTreeMap<u64, Change>,
    places: HashMap<ObjectRef, u64>,
    gaps: BTreeMap<Kind, Vec<Gap>>,
    gaps_changed: bool,
    notices: VecDeque<Notice>,
    confirmed: BTreeMap<Kind, Confirmed>,
    stopped: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here is left half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The gaps with which a watch starts are known to whoever takes it.
    pub(super) fn start_with(&self, gaps: &[Gap]) {
        let mut state = self.state();
        for gap in gaps {
            if let [kind] = *gap.kinds {
                state.gaps.entry(kind).or_default().push(gap.clone());
            }
        }
    }

    pub(super) fn put(&self, changes: impl IntoIterator<Item = Change>) {
        let mut state = self.state();
        for change in changes {
            let place = state.next;
            state.next += 1;
            if let Some(old) = state.places.insert(change.delta.object_ref(), place) {
                state.changes.remove(&old);
            }
            state.changes.insert(place, change);
        }
        drop(state);
        self.woken.notify_all();
    }

    /// The API server is heard of a kind.
    pub(super) fn confirm(&self, kind: Kind, at: Instant) {
        let confirmed = Confirmed { at, trouble: None };
        self.state().confirmed.insert(kind, confirmed);
        self.woken.notify_all();
    }

    /// Nothing comes of a kind. Tells so once for each trouble.
    pub(super) fn trouble(&self, kind: Kind, message: &str) {
        let mut state = self.state();
        let known = state.confirmed.get_mut(&kind);
        let same = known.is_some_and(|known| {
            known.trouble.replace(message.to_owned()).as_deref() == Some(message)
        });
        drop(state);
        if !same {
            self.notice(kind, message.to_owned());
        }
    }

    pub(super) fn notice(&self, kind: Kind, message: String) {
        let mut state = self.state();
        if state.notices.len() == NOTICES_LIMIT {
            state.notices.pop_front();
        }
        state.notices.push_back(Notice { kind, message });
        drop(state);
        self.woken.notify_all();
    }

    /// What cannot be read of a kind.
    pub(super) fn gap(&self, kind: Kind, gap: Option<Gap>) {
        let mut state = self.state();
        let gaps: Vec<Gap> = gap.into_iter().collect();
        let known = state.gaps.get(&kind).map_or(&[][..], Vec::as_slice);
        if known != gaps {
            state.gaps.insert(kind, gaps);
            state.gaps_changed = true;
            drop(state);
            self.woken.notify_all();
        }
    }

    pub(super) fn stop(&self) {
        self.state().stopped = true;
        self.woken.notify_all();
    }

    /// Waits until there is something to take, or for `limit`. `None` once the watch is stopped.
    pub(super) fn take(&self, limit: Duration) -> Option<Batch> {
        let nothing = |state: &mut State| {
            let tells = !state.notices.is_empty() || state.gaps_changed;
            !state.stopped && state.changes.is_empty() && !tells
        };
        let state = self.state();
        let waited = self.woken.wait_timeout_while(state, limit, nothing);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.stopped {
            return None;
        }
        state.places.clear();
        let gaps = std::mem::take(&mut state.gaps_changed);
        Some(Batch {
            changes: std::mem::take(&mut state.changes).into_values().collect(),
            gaps: gaps.then(|| state.gaps.values().flatten().cloned().collect()),
            notices: state.notices.drain(..).collect(),
            confirmed: state.confirmed.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn removed(name: &str, version: &str) -> Change {
        Change {
            delta: Delta::Remove(ObjectRef::new(Kind::Role, "shop", name)),
            version: version.to_owned(),
        }
    }

    #[test]
    fn of_each_object_the_last_change_waits() {
        let shared = Shared::default();
        shared.put([removed("a", "1"), removed("b", "2"), removed("a", "3")]);
        let batch = shared.take(Duration::ZERO).unwrap();
        assert_eq!(batch.changes, [removed("b", "2"), removed("a", "3")]);
        assert_eq!(shared.take(Duration::ZERO).unwrap(), Batch::default());
    }

    #[test]
    fn gaps_come_when_they_change() {
        let shared = Shared::default();
        let gap = Gap {
            kinds: vec![Kind::Role],
            ..Gap::default()
        };
        shared.start_with(std::slice::from_ref(&gap));
        shared.gap(Kind::Role, Some(gap.clone()));
        assert_eq!(shared.take(Duration::ZERO).unwrap().gaps, None);
        shared.gap(Kind::Role, None);
        assert_eq!(shared.take(Duration::ZERO).unwrap().gaps, Some(Vec::new()));
        shared.gap(Kind::Role, Some(gap.clone()));
        assert_eq!(shared.take(Duration::ZERO).unwrap().gaps, Some(vec![gap]));
    }

    #[test]
    fn notices_are_bounded_and_told_once() {
        let shared = Shared::default();
        shared.confirm(Kind::Role, Instant::now());
        shared.trouble(Kind::Role, "gone");
        shared.trouble(Kind::Role, "gone");
        assert_eq!(shared.take(Duration::ZERO).unwrap().notices.len(), 1);
        for number in 0..2 * NOTICES_LIMIT {
            shared.notice(Kind::Role, number.to_string());
        }
        assert_eq!(
            shared.take(Duration::ZERO).unwrap().notices.len(),
            NOTICES_LIMIT
        );
    }

    #[test]
    fn a_stop_is_heard() {
        let shared = std::sync::Arc::new(Shared::default());
        let other = shared.clone();
        let waits = std::thread::spawn(move || other.take(Duration::from_secs(60)));
        shared.stop();
        assert_eq!(waits.join().unwrap(), None);
    }
}
