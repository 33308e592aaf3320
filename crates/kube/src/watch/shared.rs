//! What the readers of a watch leave for whoever takes it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bailiwick_core::Kind;
use bailiwick_model::Gap;

use crate::followed::{Followed, ObjectName};

/// The most notices that wait; of more the oldest are dropped.
const NOTICES_LIMIT: usize = 100;

/// A change of the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Change<K: Followed = Kind> {
    /// What changes.
    pub delta: K::Delta,
    /// The `resourceVersion` with which the API server told it; empty where it had forgotten the change, so that only
    /// its result is known.
    pub version: String,
}

/// Something to tell people who watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice<K = Kind> {
    /// What it is about.
    pub kind: K,
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
#[derive(Clone, Debug, PartialEq)]
pub struct Batch<K: Followed = Kind> {
    /// The changes in their order, of each object the last one.
    pub changes: Vec<Change<K>>,
    /// All that cannot be read, where that is another than before.
    pub gaps: Option<Vec<Gap>>,
    /// What there is to tell.
    pub notices: Vec<Notice<K>>,
    /// How current each kind is once these changes are made. Kinds that could never be read are missing.
    pub confirmed: BTreeMap<K, Confirmed>,
}

impl<K: Followed> Default for Batch<K> {
    fn default() -> Self {
        Self {
            changes: Vec::new(),
            gaps: None,
            notices: Vec::new(),
            confirmed: BTreeMap::new(),
        }
    }
}

impl<K: Followed> Batch<K> {
    /// The moment up to which all of `kinds` are known; `None` before all of them were read.
    pub fn known_up_to(&self, kinds: &[K]) -> Option<Instant> {
        let at = |kind| self.confirmed.get(kind).map(|confirmed| confirmed.at);
        let all: Option<Vec<Instant>> = kinds.iter().map(at).collect();
        all?.into_iter().min()
    }
}

/// Where readers put what they read. Of each object the last change alone waits, so that what waits is bounded by the
/// cluster, however slow it is taken.
#[derive(Debug)]
pub(super) struct Shared<K: Followed> {
    state: Mutex<State<K>>,
    woken: Condvar,
}

#[derive(Debug)]
struct State<K: Followed> {
    next: u64,
    changes: BTreeMap<u64, Change<K>>,
    places: HashMap<(K, ObjectName), u64>,
    gaps: BTreeMap<K, Vec<Gap>>,
    gaps_changed: bool,
    notices: VecDeque<Notice<K>>,
    confirmed: BTreeMap<K, Confirmed>,
    /// Of which it is known that they could never be read.
    unread: BTreeSet<K>,
    stopped: bool,
}

impl<K: Followed> Default for Shared<K> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                next: 0,
                changes: BTreeMap::new(),
                places: HashMap::new(),
                gaps: BTreeMap::new(),
                gaps_changed: false,
                notices: VecDeque::new(),
                confirmed: BTreeMap::new(),
                unread: BTreeSet::new(),
                stopped: false,
            }),
            woken: Condvar::new(),
        }
    }
}

impl<K: Followed> Shared<K> {
    fn state(&self) -> MutexGuard<'_, State<K>> {
        // Nothing in here is left half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The gaps with which a watch starts are known to whoever takes it.
    pub(super) fn start_with(&self, kinds: &[K], gaps: &[Gap]) {
        let mut state = self.state();
        for gap in gaps {
            let kind = |kind: &K| kind.known().is_some_and(|kind| *gap.kinds == [kind]);
            if let Some(kind) = kinds.iter().copied().find(kind) {
                state.gaps.entry(kind).or_default().push(gap.clone());
                state.unread.insert(kind);
            }
        }
    }

    /// Takes changes, all of them at once: nobody sees some of them without the others.
    pub(super) fn put(&self, kind: K, changes: impl IntoIterator<Item = (ObjectName, Change<K>)>) {
        let mut state = self.state();
        for (object, change) in changes {
            let place = state.next;
            state.next += 1;
            if let Some(old) = state.places.insert((kind, object), place) {
                state.changes.remove(&old);
            }
            state.changes.insert(place, change);
        }
        drop(state);
        self.woken.notify_all();
    }

    /// The API server is heard of a kind.
    pub(super) fn confirm(&self, kind: K, at: Instant) {
        let confirmed = Confirmed { at, trouble: None };
        let mut state = self.state();
        state.confirmed.insert(kind, confirmed);
        state.unread.remove(&kind);
        drop(state);
        self.woken.notify_all();
    }

    /// A kind of which nothing comes was listed, so that it is known as it is now.
    pub(super) fn listed(&self, kind: K, at: Instant) {
        if let Some(known) = self.state().confirmed.get_mut(&kind) {
            known.at = at;
        }
    }

    /// Nothing comes of a kind. Tells so once for each trouble.
    pub(super) fn trouble(&self, kind: K, message: &str) {
        let mut state = self.state();
        let same = match state.confirmed.get_mut(&kind) {
            Some(known) => known.trouble.replace(message.to_owned()).as_deref() == Some(message),
            None => !state.unread.insert(kind),
        };
        drop(state);
        if !same {
            self.notice(kind, message.to_owned());
        }
    }

    pub(super) fn notice(&self, kind: K, message: String) {
        let mut state = self.state();
        if state.notices.len() == NOTICES_LIMIT {
            state.notices.pop_front();
        }
        state.notices.push_back(Notice { kind, message });
        drop(state);
        self.woken.notify_all();
    }

    /// What cannot be read of a kind.
    pub(super) fn gap(&self, kind: K, gap: Option<Gap>) {
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
    pub(super) fn take(&self, limit: Duration) -> Option<Batch<K>> {
        let nothing = |state: &mut State<K>| {
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

    fn removed(name: &str, version: &str) -> (ObjectName, Change) {
        let object: ObjectName = ("shop".into(), name.into());
        let change = Change {
            delta: Kind::Role.gone(object.clone()),
            version: version.to_owned(),
        };
        (object, change)
    }

    #[test]
    fn of_each_object_the_last_change_waits() {
        let shared = Shared::default();
        shared.put(
            Kind::Role,
            [removed("a", "1"), removed("b", "2"), removed("a", "3")],
        );
        let batch = shared.take(Duration::ZERO).unwrap();
        assert_eq!(batch.changes, [removed("b", "2").1, removed("a", "3").1]);
        assert_eq!(shared.take(Duration::ZERO).unwrap(), Batch::default());
    }

    #[test]
    fn gaps_come_when_they_change() {
        let shared = Shared::<Kind>::default();
        let gap = Gap {
            kinds: vec![Kind::Role],
            ..Gap::default()
        };
        shared.start_with(&[Kind::Role], std::slice::from_ref(&gap));
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
    fn what_could_not_be_read_at_the_start_is_not_told_again() {
        let shared = Shared::<Kind>::default();
        let gap = Gap {
            kinds: vec![Kind::Role],
            ..Gap::default()
        };
        shared.start_with(&[Kind::Role], &[gap]);
        let told = |kind: Kind| {
            shared.trouble(kind, "forbidden");
            shared.take(Duration::ZERO).unwrap().notices.len()
        };
        assert_eq!(told(Kind::Role), 0);
        assert_eq!([told(Kind::Pod), told(Kind::Pod)], [1, 0]);
        shared.confirm(Kind::Role, Instant::now());
        assert_eq!([told(Kind::Role), told(Kind::Role)], [1, 0]);
    }

    #[test]
    fn a_stop_is_heard() {
        let shared = std::sync::Arc::new(Shared::<Kind>::default());
        let other = shared.clone();
        let waits = std::thread::spawn(move || other.take(Duration::from_secs(60)));
        shared.stop();
        assert_eq!(waits.join().unwrap(), None);
    }
}
