use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bailiwick_audit::{Chain, DecisionId, Digest, Durability, Encoded, Log, Pending, Refused};
use tokio::sync::{Semaphore, oneshot};

use crate::directory::Directory;
use crate::error::Error;
use crate::gaps::{Gaps, Given};
use crate::options::Options;
use crate::queue::{Entry, Queue};
use crate::recover::recover;
use crate::sync::Sync;
use crate::told::Told;
use crate::writer::{Writer, now};

/// A log that is open for writing.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// How a log does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Number of the last record.
    pub last: u64,
    /// Its hash. Noted elsewhere, it proves that the log was not shortened.
    pub head: Digest,
    /// Why nothing can be written at the moment.
    pub failing: Option<String>,
    /// Decisions that were answered or refused without a record, since the program started.
    pub unwritten: u64,
    /// Decisions whose record was written after nobody waited for it any more.
    pub late: u64,
}

/// What the doors and the threads share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) gaps: Gaps,
    pub(crate) sync: Sync,
    room: Semaphore,
    room_size: u32,
    health: Mutex<Health>,
}

impl Shared {
    pub(crate) fn gave_up(&self, given: Given, id: Option<DecisionId>) {
        let cause = {
            let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
            match given {
                Given::Unwritten => health.unwritten += 1,
                Given::Late => health.late += 1,
            }
            health.failing.clone()
        };
        let cause = cause
            .as_deref()
            .unwrap_or("the disk was slow, or the door was in a hurry");
        self.gaps.add(given, id, now(), cause);
        self.queue.nudge();
    }

    /// Records of so many bytes wait no more.
    pub(crate) fn leave(&self, bytes: usize) {
        self.room.add_permits(bytes);
    }

    pub(crate) fn wrote(&self, chain: &Chain) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.last = chain.next() - 1;
        health.head = chain.head();
    }

    pub(crate) fn failing(&self, why: Option<String>) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.failing = why;
    }
}

impl Store {
    /// Opens the log in a directory, which is made where it is missing, and starts a new segment.
    ///
    /// What the last run left half written is cut off and noted. Errors: another process writes there
    /// ([`Error::Locked`]), or files cannot be read or made.
    pub fn open(directory: &Path, options: Options) -> Result<Self, Error> {
        let directory = Directory::lock(directory)?;
        let found = recover(&directory)?;
        let log = match &found.log {
            Some(log) => log.clone(),
            None => random()?,
        };
        let room_size = options.waiting_bytes.max(1);
        let (queue, entries) = Queue::new();
        let shared = Arc::new(Shared {
            queue,
            gaps: Gaps::default(),
            sync: Sync::default(),
            room: Semaphore::new(room_size as usize),
            room_size,
            health: Mutex::default(),
        });
        let after = options.sync_after;
        let writer = Writer::start(Arc::clone(&shared), entries, options, directory, found, log)?;
        let syncing = Arc::clone(&shared);
        let threads = vec![
            spawn("log-sync", move || {
                syncing
                    .sync
                    .run(after, |id| syncing.gave_up(Given::Late, id));
            })?,
            spawn("log-write", move || writer.run())?,
        ];
        Ok(Self {
            shared,
            threads: Mutex::new(threads),
        })
    }

    /// How the log does.
    pub fn health(&self) -> Health {
        self.shared
            .health
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Writes what waits, ends the segment and lets the directory go. Blocks, at most a few seconds where the disk
    /// does not answer. Records that come later are refused.
    pub fn close(&self) {
        self.shared.queue.close();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let until = Instant::now() + Duration::from_secs(5);
        for thread in threads {
            while !thread.is_finished() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

impl Log for Store {
    fn append(&self, event: Encoded, durability: Durability) -> Pending {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let mut waiting = Waiting {
                shared: &shared,
                id: event.decision(),
                at: Stage::Outside,
            };
            // A record larger than all of the room waits until it is alone.
            let size = u32::try_from(event.size())
                .unwrap_or(u32::MAX)
                .min(shared.room_size);
            let room = shared.room.acquire_many(size).await;
            let room = room.map_err(|_| Refused::Closed)?;
            let (done, written) = oneshot::channel();
            let entry = Entry {
                event,
                durability,
                done,
                room: size,
            };
            let wake = shared.queue.push(entry)?;
            // The writer gives it back.
            room.forget();
            waiting.at = Stage::Queued(written);
            if wake.is_some() {
                behind_others().await;
                drop(wake);
            }
            waiting.written().await
        })
    }
}

/// Somebody who waits for a record. Who stops waiting is told of in a gap.
struct Waiting<'a> {
    shared: &'a Shared,
    id: Option<DecisionId>,
    at: Stage,
}

enum Stage {
    /// The writer has not seen the record.
    Outside,
    /// The writer has it.
    Queued(oneshot::Receiver<Told>),
    /// There was an answer.
    Answered,
}

impl Waiting<'_> {
    async fn written(&mut self) -> Result<u64, Refused> {
        let Stage::Queued(written) = &mut self.at else {
            return Err(Refused::Closed);
        };
        let told = written.await;
        self.at = Stage::Answered;
        told.map_or(Err(Refused::Closed), |told| told.result)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        match &mut self.at {
            Stage::Outside => self.shared.gave_up(Given::Unwritten, self.id),
            // The writer sees that nobody waits, unless it has told so in this very moment.
            Stage::Queued(written) => {
                written.close();
                if written.try_recv().is_ok_and(|told| told.result.is_ok()) {
                    self.shared.gave_up(Given::Late, self.id);
                }
            }
            Stage::Answered => {}
        }
    }
}

/// Lets run what is ready on this thread: others may have records too, and the writer takes all of them at once.
async fn behind_others() {
    let mut behind = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut behind, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    let builder = std::thread::Builder::new().name(name.to_owned());
    builder.spawn(work).map_err(Error::Thread)
}

/// A name for a new log.
fn random() -> Result<String, Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Random(std::io::Error::other(error.to_string())))?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)))
}
