use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use bailiwick_audit::{Durability, Encoded, Refused};
use tokio::sync::oneshot;

use crate::told::Told;

/// A record that waits to be written.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) event: Encoded,
    pub(crate) durability: Durability,
    pub(crate) done: oneshot::Sender<Told>,
    /// Its bytes of the room for waiting records, which the writer gives back.
    pub(crate) room: u32,
}

/// Wakes the writer when it is dropped.
#[derive(Debug)]
pub(crate) struct Wake<'a>(&'a Queue);

impl Drop for Wake<'_> {
    fn drop(&mut self) {
        if let Some(writer) = self.0.writer.get() {
            writer.unpark();
        }
    }
}

/// Records on their way to the thread that writes. Nobody who hands one over waits for another: with a lock in their
/// way those who did cost more than all the rest of handing over.
#[derive(Debug)]
pub(crate) struct Queue {
    entries: Sender<Entry>,
    closing: AtomicBool,
    /// There is something else to look at.
    nudged: AtomicBool,
    /// The writer sleeps, and nobody is about to wake it.
    sleeping: AtomicBool,
    /// Known before it sleeps for the first time.
    writer: OnceLock<Thread>,
}

impl Queue {
    /// A queue, and the end of it that the writer has.
    pub(crate) fn new() -> (Self, Receiver<Entry>) {
        let (entries, taken) = mpsc::channel();
        let queue = Self {
            entries,
            closing: AtomicBool::new(false),
            nudged: AtomicBool::new(false),
            sleeping: AtomicBool::new(false),
            writer: OnceLock::new(),
        };
        (queue, taken)
    }

    /// Hands a record over; refuses it when the log is closed. Whoever finds the writer asleep has to wake it, and may
    /// let others hand theirs over before.
    ///
    /// A record that comes while the log closes may find nobody who takes it: whoever waits for it hears that then.
    pub(crate) fn push(&self, entry: Entry) -> Result<Option<Wake<'_>>, Refused> {
        if self.is_closing() {
            return Err(Refused::Closed);
        }
        self.entries.send(entry).map_err(|_| Refused::Closed)?;
        Ok(self.wake())
    }

    /// Lets the writer look at the gaps.
    pub(crate) fn nudge(&self) {
        self.nudged.store(true, Ordering::Release);
        drop(self.wake());
    }

    /// Takes what waits into `batch`, after at most `patience`. Gives whether the log is closing. For the writer alone.
    pub(crate) fn take(
        &self,
        entries: &Receiver<Entry>,
        batch: &mut Vec<Entry>,
        patience: Duration,
    ) -> bool {
        batch.extend(entries.try_iter());
        if batch.is_empty() {
            self.sleep(entries, batch, patience);
        }
        // Before the writer looks at the gaps: one that is added later nudges anew.
        self.nudged.swap(false, Ordering::AcqRel);
        // Before the last look at what waits: a batch that is empty then is the last one.
        let closing = self.is_closing();
        batch.extend(entries.try_iter());
        closing
    }

    fn sleep(&self, entries: &Receiver<Entry>, batch: &mut Vec<Entry>, patience: Duration) {
        self.writer.get_or_init(thread::current);
        self.sleeping.store(true, Ordering::Relaxed);
        // Whoever comes from here on sees that the writer sleeps; whoever came before is seen below.
        fence(Ordering::SeqCst);
        batch.extend(entries.try_iter());
        let due = self.is_closing() || self.nudged.load(Ordering::Acquire);
        let start = Instant::now();
        let mut left = patience;
        while batch.is_empty() && !due && !left.is_zero() && self.sleeping.load(Ordering::Acquire) {
            thread::park_timeout(left);
            left = patience.saturating_sub(start.elapsed());
        }
        self.sleeping.store(false, Ordering::Relaxed);
    }

    /// Makes the caller the one who wakes the writer, where it sleeps.
    fn wake(&self) -> Option<Wake<'_>> {
        // After what the writer has to see: see `sleep`.
        fence(Ordering::SeqCst);
        let sleeping = self.sleeping.load(Ordering::Relaxed);
        // Made for the one alone: whoever drops one wakes the writer.
        (sleeping && self.sleeping.swap(false, Ordering::AcqRel)).then(|| Wake(self))
    }

    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        drop(self.wake());
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bailiwick_audit::{CloseReason, Event};

    use super::*;

    fn entry() -> Entry {
        let reason = CloseReason::Size;
        Entry {
            event: Event::Closed { reason }.encode().unwrap(),
            durability: Durability::Written,
            done: oneshot::channel().0,
            room: 1,
        }
    }

    #[test]
    fn a_writer_that_sleeps_is_woken_for_every_record() {
        const EACH: usize = 2_000;
        let (queue, entries) = Queue::new();
        let queue = Arc::new(queue);
        let hands_over = |pause: usize| {
            let queue = Arc::clone(&queue);
            move || {
                for number in 0..EACH {
                    let wake = queue.push(entry()).unwrap();
                    // Others hand theirs over before the writer is woken.
                    thread::yield_now();
                    drop(wake);
                    if number % pause == 0 {
                        thread::sleep(Duration::from_micros(20));
                    }
                }
            }
        };
        let threads = [1, 3, 100].map(|pause| thread::spawn(hands_over(pause)));
        let (mut batch, mut taken) = (Vec::new(), 0);
        while taken < threads.len() * EACH {
            // A wake that is lost would be an hour of sleep.
            assert!(!queue.take(&entries, &mut batch, Duration::from_secs(3600)));
            taken += batch.drain(..).count();
        }
        for thread in threads {
            thread.join().unwrap();
        }
        let closes = Arc::clone(&queue);
        let closes = thread::spawn(move || closes.close());
        assert!(queue.take(&entries, &mut batch, Duration::from_secs(3600)) && batch.is_empty());
        closes.join().unwrap();
        assert_eq!(queue.push(entry()).err(), Some(Refused::Closed));
    }

    #[test]
    fn whoever_does_not_have_to_wake_the_writer_does_not() {
        let (queue, entries) = Queue::new();
        // Who pushes while the writer is awake leaves nothing behind that ends its next sleep.
        assert!(queue.push(entry()).unwrap().is_none());
        let mut batch = Vec::new();
        queue.take(&entries, &mut batch, Duration::ZERO);
        // The writer sleeps: the first has to wake it, and others come before the first does.
        queue.writer.set(thread::current()).unwrap();
        queue.sleeping.store(true, Ordering::Relaxed);
        let first = queue.push(entry()).unwrap();
        assert!(first.is_some() && queue.push(entry()).unwrap().is_none());
        let start = Instant::now();
        thread::park_timeout(Duration::from_millis(20));
        assert!(start.elapsed() >= Duration::from_millis(20));
        drop(first);
        thread::park();
    }

    #[test]
    fn a_nudge_ends_one_sleep() {
        let (queue, entries) = Queue::new();
        let mut batch = Vec::new();
        queue.nudge();
        assert!(!queue.take(&entries, &mut batch, Duration::from_secs(3600)));
        let start = Instant::now();
        assert!(!queue.take(&entries, &mut batch, Duration::from_millis(20)));
        assert!(start.elapsed() >= Duration::from_millis(20) && batch.is_empty());
    }
}
