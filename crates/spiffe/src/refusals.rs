//! What callers were refused, before it is told: what one caller hears for one reason is told together, so that whoever
//! asks again and again fills no log.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bailiwick_audit::{DenialRecord, Door, ProcessRef, Proof, Times, WorkloadRef};
use bailiwick_core::Timestamp;
use tokio::sync::Notify;

use crate::evidence::Evidence;
use crate::issuer_core::Asker;
use crate::peer::Share;

/// What was told is told again, with how often, after so long.
const QUIET: Duration = Duration::from_secs(60);
/// Reasons of one caller that are told apart.
const MOST_REASONS: usize = 16;
/// Reasons of all callers that are told apart.
const MOST: usize = 1024;
/// A reason is told in no more letters.
pub(crate) const MOST_LETTERS: usize = 1000;
/// What is told of a caller that is refused for more reasons.
const FURTHER: &str = "further reasons, which are not told apart";
/// What is told where there are more callers.
const CROWD: &str = "refusals of so many callers that they are not told apart";

/// Who asks. One that names many pods or reasons takes no room from the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RefusedCaller {
    /// A process whose pod or user could be told.
    Workload(Share),
    /// A broker, by its SPIFFE ID.
    Broker(String),
    /// The agent of this node.
    Agent(String),
    /// Somebody at this address, as [`origin`](crate::limit::origin) has it.
    Address(IpAddr),
    /// Nothing is known of it.
    Nobody,
}

/// A caller that got nothing, and why.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Topic {
    pub(crate) caller: RefusedCaller,
    pub(crate) door: Door,
    /// The pod that it is about, by the UID in its cgroup.
    pub(crate) pod: Option<String>,
    /// Without what is other each time, such as numbers of processes.
    pub(crate) why: String,
}

/// One time that somebody got nothing.
pub(crate) struct Refusal {
    pub(crate) topic: Topic,
    pub(crate) process: Option<ProcessRef>,
    /// What the caller hears.
    pub(crate) told: String,
}

impl Refusal {
    /// Why a caller got nothing, all of which it hears.
    pub(crate) fn new(
        caller: RefusedCaller,
        door: Door,
        pod: Option<String>,
        why: String,
        process: Option<ProcessRef>,
    ) -> Self {
        Self {
            told: why.clone(),
            topic: Topic {
                caller,
                door,
                pod,
                why,
            },
            process,
        }
    }

    /// Of somebody who asks for the process or the pod that it is about, or of a broker that does.
    pub(crate) fn of(asker: &Asker, pod: Option<&str>, why: String) -> Self {
        let process = WorkloadRef::from(&asker.facts).process;
        let caller = match (asker.proof.broker.as_str(), pod, &process) {
            ("", Some(pod), _) => RefusedCaller::Workload(Share::Pod(pod.to_owned())),
            ("", None, Some(process)) => RefusedCaller::Workload(Share::User(process.uid)),
            ("", None, None) => RefusedCaller::Nobody,
            (broker, _, _) => RefusedCaller::Broker(broker.to_owned()),
        };
        Self::new(caller, asker.door, pod.map(str::to_owned), why, process)
    }

    /// Of somebody who asks for too much.
    pub(crate) fn too_many(caller: RefusedCaller, door: Door, process: Option<ProcessRef>) -> Self {
        let pod = match &caller {
            RefusedCaller::Workload(Share::Pod(pod)) => Some(pod.clone()),
            _ => None,
        };
        let why = match &caller {
            RefusedCaller::Address(address) => {
                format!("too many requests of the address {address}")
            }
            _ => "too many requests".to_owned(),
        };
        Self::new(caller, door, pod, why, process)
    }

    /// The same, of which the caller hears more.
    pub(crate) fn telling(self, told: String) -> Self {
        Self { told, ..self }
    }
}

/// On one line, for whoever runs the program.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.topic.caller, &self.process) {
            (RefusedCaller::Broker(broker), _) => write!(f, "the broker `{broker}`")?,
            (_, Some(process)) => write!(f, "process {} of uid {}", process.pid, process.uid)?,
            (_, None) => f.write_str("an unknown caller")?,
        }
        write!(f, ": {}", self.told)
    }
}

/// How often somebody was refused since that was told last.
#[derive(Clone, Debug)]
pub(crate) struct Often {
    /// The last process that was.
    pub(crate) process: Option<ProcessRef>,
    pub(crate) count: u32,
    pub(crate) first: Instant,
    pub(crate) last: Instant,
}

impl Often {
    fn once(process: Option<ProcessRef>, now: Instant) -> Self {
        Self {
            process,
            count: 1,
            first: now,
            last: now,
        }
    }

    /// As the log has it.
    pub(crate) fn times(&self) -> Times {
        times(self.count, self.first.elapsed(), self.last.elapsed())
    }

    fn with(self, other: Self) -> Self {
        let (earlier, later) = match self.last <= other.last {
            true => (self, other),
            false => (other, self),
        };
        Self {
            count: earlier.count.saturating_add(later.count),
            first: earlier.first.min(later.first),
            ..later
        }
    }
}

/// How often something happened that did so this long ago, by the clock of this machine.
pub(crate) fn times(count: u32, first: Duration, last: Duration) -> Times {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = Timestamp::from_seconds(0).plus(now.unwrap_or_default());
    let last = now.minus(last);
    Times {
        count: count.max(1).into(),
        first: now.minus(first).min(last),
        last,
    }
}

/// What is to be told. Memory is bounded whatever is refused: what has no room for itself is counted.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    table: Mutex<Table>,
    /// There is something to tell where there was nothing.
    news: Notify,
}

impl Refusals {
    /// Somebody was refused. Says whether there was nothing to tell of it before.
    pub(crate) fn note(&self, topic: Topic, process: Option<ProcessRef>) -> bool {
        let now = Instant::now();
        let is_news = self.lock().add(topic, Often::once(process, now), now);
        if is_news {
            self.news.notify_one();
        }
        is_news
    }

    /// Writes into a log what is to be told, for ever.
    pub(crate) async fn write(&self, log: &Evidence) {
        loop {
            self.wait().await;
            write(log, self.due(usize::MAX)).await;
        }
    }

    /// Writes everything that was not told.
    pub(crate) async fn write_rest(&self, log: &Evidence) {
        write(log, self.rest(usize::MAX)).await;
    }

    /// Somebody was refused. Gives what is to be told of it now.
    pub(crate) fn note_and_take(
        &self,
        topic: Topic,
        process: Option<ProcessRef>,
    ) -> Option<(Topic, Often)> {
        let now = Instant::now();
        let (told, waits) = {
            let mut table = self.lock();
            let topic = table.room(topic, now);
            let is_news = table.add(topic.clone(), Often::once(process, now), now);
            let told = table.take_one(topic, now);
            (told, is_news)
        };
        if waits && told.is_none() {
            self.news.notify_one();
        }
        told
    }

    /// What is to be told now, `most` of it.
    pub(crate) fn due(&self, most: usize) -> Untold<'_> {
        self.untold(most, Instant::now())
    }

    /// Everything that was not told, `most` of it.
    pub(crate) fn rest(&self, most: usize) -> Untold<'_> {
        self.untold(most, Instant::now() + QUIET)
    }

    fn untold(&self, most: usize, now: Instant) -> Untold<'_> {
        Untold {
            list: self.lock().take(most, now),
            refusals: self,
        }
    }

    /// Waits until something is to be told.
    pub(crate) async fn wait(&self) {
        loop {
            let next = self.lock().next();
            match next.map(|next| next.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return,
                Some(pause) => tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = self.news.notified() => {}
                },
                None => self.news.notified().await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is being told. What is left of it when this is dropped is to be told again.
pub(crate) struct Untold<'r> {
    list: Vec<(Topic, Often)>,
    refusals: &'r Refusals,
}

impl Untold<'_> {
    pub(crate) fn list(&self) -> &[(Topic, Often)] {
        &self.list
    }

    /// The first ones of it have been told.
    pub(crate) fn told(&mut self, count: usize) {
        self.list.drain(..count.min(self.list.len()));
    }
}

impl Drop for Untold<'_> {
    fn drop(&mut self) {
        if self.list.is_empty() {
            return;
        }
        let (mut table, now) = (self.refusals.lock(), Instant::now());
        for (topic, often) in self.list.drain(..) {
            table.put_back(topic, often, now);
        }
    }
}

async fn write(log: &Evidence, mut untold: Untold<'_>) {
    while let Some((topic, often)) = untold.list().first().cloned() {
        log.denied(record(topic, often)).await;
        untold.told(1);
    }
}

/// As the log has it.
pub(crate) fn record(topic: Topic, often: Often) -> DenialRecord {
    let times = (often.count > 1).then(|| often.times());
    let workload = WorkloadRef {
        process: often.process,
        node: match topic.caller {
            RefusedCaller::Agent(node) => node,
            _ => String::new(),
        },
        ..WorkloadRef::default()
    };
    DenialRecord {
        times,
        ..DenialRecord::new(topic.door, topic.why, workload, Proof::default())
    }
}

#[derive(Debug, Default)]
struct Table(HashMap<Topic, Entry>);

#[derive(Debug)]
struct Entry {
    /// What happened since it was told.
    untold: Option<Often>,
    /// When that is told.
    due: Instant,
}

impl Table {
    /// Says whether there was nothing to tell of it before.
    fn add(&mut self, topic: Topic, often: Often, now: Instant) -> bool {
        let topic = self.room(topic, now);
        let entry = self.0.entry(topic).or_insert(Entry {
            untold: None,
            due: now,
        });
        let known = entry.untold.take();
        let is_news = known.is_none();
        entry.untold = Some(match known {
            Some(known) => known.with(often),
            None => often,
        });
        is_news
    }

    fn put_back(&mut self, topic: Topic, often: Often, now: Instant) {
        let topic = self.room(topic, now);
        self.add(topic.clone(), often, now);
        if let Some(entry) = self.0.get_mut(&topic) {
            entry.due = now;
        }
    }

    /// This topic, or where there is no room for it one that it is counted with.
    fn room(&mut self, mut topic: Topic, now: Instant) -> Topic {
        if let Some((end, _)) = topic.why.char_indices().nth(MOST_LETTERS) {
            topic.why.truncate(end);
        }
        if self.0.contains_key(&topic) {
            return topic;
        }
        self.0
            .retain(|_, entry| entry.untold.is_some() || now < entry.due);
        let of_caller = self.0.keys().filter(|known| known.caller == topic.caller);
        if of_caller.count() >= MOST_REASONS {
            topic.pod = None;
            topic.why = FURTHER.to_owned();
        }
        if self.0.len() >= MOST && !self.0.contains_key(&topic) {
            topic.caller = RefusedCaller::Nobody;
            topic.pod = None;
            topic.why = CROWD.to_owned();
        }
        topic
    }

    fn take_one(&mut self, topic: Topic, now: Instant) -> Option<(Topic, Often)> {
        let entry = self.0.get_mut(&topic).filter(|entry| entry.due <= now)?;
        let often = entry.untold.take()?;
        entry.due = now + QUIET;
        Some((topic, often))
    }

    fn take(&mut self, most: usize, now: Instant) -> Vec<(Topic, Often)> {
        let due = self.0.iter_mut().filter(|(_, entry)| entry.due <= now);
        let told = due.filter_map(|(topic, entry)| {
            let often = entry.untold.take()?;
            entry.due = now + QUIET;
            Some((topic.clone(), often))
        });
        told.take(most).collect()
    }

    fn next(&self) -> Option<Instant> {
        let untold = self.0.values().filter(|entry| entry.untold.is_some());
        untold.map(|entry| entry.due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(pod: &str, why: &str) -> Topic {
        Topic {
            caller: RefusedCaller::Workload(Share::Pod(pod.into())),
            door: Door::WorkloadApi,
            pod: Some(pod.into()),
            why: why.into(),
        }
    }

    fn process(pid: u32) -> Option<ProcessRef> {
        Some(ProcessRef {
            pid,
            ..ProcessRef::default()
        })
    }

    #[test]
    fn what_is_refused_again_and_again_is_told_once_a_minute_with_how_often() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut table = Table::default();
        let add = |table: &mut Table, pid, seconds| {
            let often = Often::once(process(pid), at(seconds));
            table.add(topic("p", "no rule"), often, at(seconds))
        };
        assert!(add(&mut table, 1, 0));
        assert_eq!(table.next(), Some(at(0)));
        let told = table.take(9, at(0));
        assert_eq!((told.len(), told[0].1.count), (1, 1));
        assert_eq!(table.next(), None);
        assert!(add(&mut table, 2, 1));
        for second in 2..50 {
            assert!(!add(&mut table, 3, second));
        }
        assert!(table.take(9, at(59)).is_empty());
        assert_eq!(table.next(), Some(at(60)));
        let [(what, often)] = &table.take(9, at(60))[..] else {
            panic!("it is told otherwise than once");
        };
        assert_eq!(*what, topic("p", "no rule"));
        assert_eq!((often.count, &often.process), (49, &process(3)));
        assert_eq!((often.first, often.last), (at(1), at(49)));
        // What could not be told is told with what came meanwhile, and at once.
        let untold = (what.clone(), often.clone());
        add(&mut table, 4, 70);
        table.put_back(untold.0, untold.1, at(71));
        let [(_, often)] = &table.take(9, at(71))[..] else {
            panic!("it is lost");
        };
        assert_eq!((often.count, &often.process), (50, &process(4)));
        assert_eq!((often.first, often.last), (at(1), at(70)));
        // After a rest it is forgotten.
        table.room(topic("q", ""), at(200));
        assert!(table.0.is_empty());
    }

    #[test]
    fn nobody_takes_all_the_room_and_nothing_is_lost_uncounted() {
        let now = Instant::now();
        let mut table = Table::default();
        let add = |table: &mut Table, pod: &str, why: &str| {
            table.add(topic(pod, why), Often::once(None, now), now);
        };
        for number in 0..10_000 {
            add(&mut table, "greedy", &format!("reason {number}"));
        }
        assert_eq!(table.0.len(), MOST_REASONS + 1);
        add(&mut table, "other", "no rule");
        assert!(table.0.contains_key(&topic("other", "no rule")));
        for number in 0..10_000 {
            add(&mut table, &format!("pod {number}"), &"long ".repeat(1000));
        }
        assert_eq!(table.0.len(), MOST + 1);
        let letters = |topic: &Topic| topic.why.chars().count();
        assert_eq!(table.0.keys().map(letters).max(), Some(MOST_LETTERS));
        let told = table.take(usize::MAX, now);
        let count = |why: &str| -> u32 {
            let told = told.iter().filter(|(topic, _)| topic.why == why);
            told.map(|(_, often)| often.count).sum()
        };
        assert_eq!(count(FURTHER), 10_000 - MOST_REASONS as u32);
        assert!(count(CROWD) > 8_000);
        let all: u32 = told.iter().map(|(_, often)| often.count).sum();
        assert_eq!(all, 20_001);
    }
}
