//! The thread that writes.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime};

use bailiwick_audit::{Chain, CloseReason, Durability, Event, Opening, Refused};
use bailiwick_core::Timestamp;

use crate::directory::Directory;
use crate::error::Error;
use crate::gaps::Given;
use crate::options::Options;
use crate::queue::Entry;
use crate::recover::Found;
use crate::segment::Segment;
use crate::store::Shared;
use crate::told::{self, Waiter};

/// How long to wait before a disk that failed is tried again.
const AGAIN: Duration = Duration::from_millis(50);
/// How long a log that closes goes on trying.
const LAST_TRIES: Duration = Duration::from_secs(2);

/// What the next segment says of one whose file is gone.
const DELETED: &str = "its file was deleted while records were written to it";

/// Bytes of room for lines that are kept from one batch to the next.
const KEPT: usize = 1 << 20;

/// Those who wait for the records of a batch, by what the records have to survive before.
#[derive(Default)]
struct Waiting {
    written: Vec<Waiter>,
    synced: Vec<Waiter>,
}

impl Waiting {
    fn of(&mut self, durability: Durability) -> &mut Vec<Waiter> {
        match durability {
            Durability::Written => &mut self.written,
            Durability::Synced => &mut self.synced,
        }
    }
}

/// What the writing thread owns.
#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    entries: Receiver<Entry>,
    options: Options,
    directory: Directory,
    log: String,
    chain: Chain,
    segment: Segment,
    /// Room for the lines of a batch.
    lines: Vec<u8>,
    closing_since: Option<Instant>,
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let micros = since.map_or(0, |since| since.as_micros());
    Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

impl Writer {
    /// Starts the next segment of the log.
    pub(crate) fn start(
        shared: Arc<Shared>,
        entries: Receiver<Entry>,
        options: Options,
        directory: Directory,
        found: Found,
        log: String,
    ) -> Result<Self, Error> {
        let mut chain = found.chain;
        let opening = Opening {
            format: Opening::FORMAT,
            log: log.clone(),
            segment: found.last + 1,
            previous: chain.head(),
            cut: found.cut,
            damage: found.damage,
            program: options.program.clone(),
        };
        let first = line(&mut chain, &Event::Opened(opening));
        let segment = Segment::create(&directory, found.last + 1, &first)?;
        shared.wrote(&chain);
        Ok(Self {
            shared,
            entries,
            options,
            directory,
            log,
            chain,
            segment,
            lines: Vec::new(),
            closing_since: None,
        })
    }

    /// Writes until the log closes.
    pub(crate) fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            let patience = self.patience();
            let closing = self.shared.queue.take(&self.entries, &mut batch, patience);
            if closing {
                self.closing_since.get_or_insert_with(Instant::now);
            }
            let last = closing && batch.is_empty();
            self.write(&mut batch);
            if last {
                break;
            }
            self.rotate_when_due();
        }
        self.end();
    }

    /// How long nothing has to be done if no record comes.
    fn patience(&self) -> Duration {
        let age = self.options.segment_age.saturating_sub(self.segment.age());
        age.clamp(AGAIN, Duration::from_secs(3600))
    }

    /// Writes what came, and what there is to tell of gaps.
    fn write(&mut self, batch: &mut Vec<Entry>) {
        if self.segment.is_deleted() {
            self.next_segment(Some(DELETED.to_owned()));
        }
        let mut lines = std::mem::take(&mut self.lines);
        let mut waiting = Waiting::default();
        let mut chain = self.chain;
        let at = now();
        let mut room = 0;
        for entry in batch.drain(..) {
            room += entry.room as usize;
            let id = entry.event.decision();
            if entry.done.is_closed() {
                self.shared.gave_up(Given::Unwritten, id);
                continue;
            }
            let number = chain.append(at, &entry.event, &mut lines);
            let done = entry.done;
            waiting
                .of(entry.durability)
                .push(Waiter { number, id, done });
        }
        self.shared.leave(room);
        if let Some(gap) = self.shared.gaps.take() {
            lines.extend(line(&mut chain, &Event::Gap(gap)));
        }
        if !lines.is_empty() {
            self.append(&lines, chain, waiting);
        }
        lines.clear();
        lines.shrink_to(KEPT);
        self.lines = lines;
    }

    /// Appends lines, after which the chain is this one, and tells those who wait for them.
    fn append(&mut self, lines: &[u8], chain: Chain, waiting: Waiting) {
        let Waiting { written, synced } = waiting;
        if self.insist(|writer| writer.segment.append(lines)).is_none() {
            for waiter in written.into_iter().chain(synced) {
                waiter.tell(Err(Refused::Closed));
            }
            return;
        }
        self.chain = chain;
        self.shared.wrote(&chain);
        told::written(&self.shared, written);
        self.shared.sync.wrote(self.segment.file(), synced);
    }

    /// Tries until it works; `None` when the log closed before.
    fn insist(&mut self, mut attempt: impl FnMut(&mut Self) -> io::Result<()>) -> Option<()> {
        loop {
            match attempt(self) {
                Ok(()) => {
                    self.shared.failing(None);
                    return Some(());
                }
                Err(error) => self.shared.failing(Some(error.to_string())),
            }
            std::thread::sleep(AGAIN);
            if self.shared.queue.is_closing() {
                let since = *self.closing_since.get_or_insert_with(Instant::now);
                if since.elapsed() > LAST_TRIES {
                    return None;
                }
            }
        }
    }

    fn rotate_when_due(&mut self) {
        let reason = if self.shared.sync.take_failure().is_some() {
            CloseReason::SyncFailed
        } else if self.segment.size() >= self.options.segment_size {
            CloseReason::Size
        } else if self.segment.age() >= self.options.segment_age {
            CloseReason::Age
        } else {
            return;
        };
        if self.close_segment(reason).is_some() {
            self.next_segment(None);
        }
    }

    /// Begins the next segment, whose first record tells of `damage` to the one before; `None` when the log closed before.
    fn next_segment(&mut self, damage: Option<String>) -> Option<()> {
        let opening = Opening {
            format: Opening::FORMAT,
            log: self.log.clone(),
            segment: self.segment.position + 1,
            previous: self.chain.head(),
            cut: 0,
            damage,
            program: self.options.program.clone(),
        };
        let mut chain = self.chain;
        let first = line(&mut chain, &Event::Opened(opening));
        self.insist(|writer| {
            let position = writer.segment.position + 1;
            writer.segment = Segment::create(&writer.directory, position, &first)
                .map_err(|error| io::Error::other(chain_of(&error)))?;
            Ok(())
        })?;
        self.chain = chain;
        self.shared.wrote(&chain);
        Some(())
    }

    /// Ends the segment: its last record, confirmed by the disk.
    fn close_segment(&mut self, reason: CloseReason) -> Option<()> {
        let mut chain = self.chain;
        let last = line(&mut chain, &Event::Closed { reason });
        self.insist(|writer| writer.segment.append(&last))?;
        self.chain = chain;
        self.shared.wrote(&chain);
        self.shared.sync.wrote(self.segment.file(), Vec::new());
        if let Some(unconfirmed) = self.shared.sync.take() {
            let late = |id| self.shared.gave_up(Given::Late, id);
            if let Err(error) = unconfirmed.confirm(late) {
                self.shared.failing(Some(error.to_string()));
            }
        }
        Some(())
    }

    /// The last thing that the thread does.
    fn end(mut self) {
        self.close_segment(CloseReason::Shutdown);
        self.shared.sync.close();
    }
}

fn line(chain: &mut Chain, event: &Event) -> Vec<u8> {
    let mut line = Vec::new();
    // Openings, ends and gaps are far from the limit of a line.
    if let Ok(event) = event.encode() {
        chain.append(now(), &event, &mut line);
    }
    line
}

/// An error with its cause, in one line.
fn chain_of(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
