use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use bailiwick_audit::{
    DenialRecord, Document, Door, Durability, Event, IssueRecord, Log, Proof, RotationRecord,
    WorkloadRef,
};
use bailiwick_identity::rotation::State;
use bailiwick_identity::rules::Plan;
use thiserror::Error;

use crate::authority::{IssuedJwt, IssuedX509};

/// How long a door waits for the log where nothing else is asked for.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the authority waits for it before it changes its keys.
const KEY_PATIENCE: Duration = Duration::from_secs(5);

/// The log, as the doors of identities write it.
///
/// A document leaves after its record is written; where it cannot be written in time, nothing leaves. A denial stands
/// in any case. The authority signs with other keys after the log holds which they are.
#[derive(Clone)]
pub struct Evidence {
    log: Arc<dyn Log>,
    patience: Duration,
    durability: Durability,
    witness: Witness,
}

/// Hears of every event, and whether the log holds it.
pub type Witness = Arc<dyn Fn(&Event, Result<(), &Unrecorded>) + Send + Sync>;

/// The log does not hold a record, so that what it would be about does not happen.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("nothing is given while the log cannot be written: {0}")]
pub struct Unrecorded(String);

impl std::fmt::Debug for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Evidence({:?}, {:?})", self.patience, self.durability)
    }
}

impl Evidence {
    /// A log, and who hears of what goes into it. Doors wait one second for it.
    pub fn new(log: Arc<dyn Log>, witness: Witness) -> Self {
        Self {
            log,
            patience: PATIENCE,
            durability: Durability::Written,
            witness,
        }
    }

    /// The same with other demands on the log.
    #[must_use]
    pub fn demanding(self, patience: Duration, durability: Durability) -> Self {
        Self {
            patience,
            durability,
            ..self
        }
    }

    /// Writes that a document was made.
    ///
    /// # Errors
    /// When the log does not take it in time: the document must not leave.
    pub async fn issued(&self, record: IssueRecord) -> Result<(), Unrecorded> {
        self.write(&Event::Issue(Box::new(record))).await
    }

    /// Writes that nothing was given. Where the log does not take it, its next gap record counts it.
    pub async fn denied(&self, record: DenialRecord) {
        let _ = self.write(&Event::Denial(Box::new(record))).await;
    }

    /// Writes an event.
    ///
    /// # Errors
    /// When the log does not take it in time.
    pub async fn write(&self, event: &Event) -> Result<(), Unrecorded> {
        let outcome = match event.encode() {
            Ok(encoded) => {
                let pending = self.log.append(encoded, self.durability);
                match tokio::time::timeout(self.patience, pending).await {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err(refused)) => Err(Unrecorded(refused.to_string())),
                    Err(_) => Err(late(self.patience)),
                }
            }
            Err(error) => Err(Unrecorded(error.to_string())),
        };
        (self.witness)(event, outcome.as_ref().copied());
        outcome
    }

    /// Writes which keys stand elsewhere in the state `later` than in `earlier`. Blocks.
    pub(crate) fn rotated(&self, earlier: &State, later: &State) -> Result<(), Unrecorded> {
        for change in earlier.changes(later) {
            let phase = |phase: bailiwick_identity::rotation::Phase| phase.as_str().to_owned();
            let record = RotationRecord {
                domain: later.trust_domain().to_string(),
                key: change.key.id.to_string(),
                purpose: change.key.purpose.to_string(),
                from: change.from.map(phase),
                to: change.to.map(phase),
                revision: later.revision().0,
            };
            self.write_blocking(&Event::Rotation(Box::new(record)))?;
        }
        Ok(())
    }

    /// Writes an event and waits for it on this thread.
    ///
    /// # Errors
    /// When the log does not take it in time.
    pub fn write_blocking(&self, event: &Event) -> Result<(), Unrecorded> {
        let outcome = match event.encode() {
            Ok(encoded) => {
                let pending = self.log.append(encoded, self.durability);
                match wait(pending, KEY_PATIENCE) {
                    Some(Ok(_)) => Ok(()),
                    Some(Err(refused)) => Err(Unrecorded(refused.to_string())),
                    None => Err(late(KEY_PATIENCE)),
                }
            }
            Err(error) => Err(Unrecorded(error.to_string())),
        };
        (self.witness)(event, outcome.as_ref().copied());
        outcome
    }
}

/// The record of a certificate.
pub(crate) fn certificate_record(
    door: Door,
    plan: &Plan,
    issued: &IssuedX509,
    workload: WorkloadRef,
    proof: Proof,
) -> IssueRecord {
    IssueRecord {
        door,
        document: Document::X509,
        number: issued.serial.to_string(),
        id: plan.id.to_string(),
        rule: plan.rule.to_string(),
        until: issued.validity.not_after.into(),
        audience: Vec::new(),
        workload,
        proof,
    }
}

/// The record of a token.
pub(crate) fn token_record(
    door: Door,
    plan: &Plan,
    issued: &IssuedJwt,
    audience: &[String],
    workload: WorkloadRef,
    proof: Proof,
) -> IssueRecord {
    IssueRecord {
        door,
        document: Document::Jwt,
        number: issued.jti.clone(),
        id: plan.id.to_string(),
        rule: plan.rule.to_string(),
        until: issued.expires_at.into(),
        audience: audience.to_vec(),
        workload,
        proof,
    }
}

/// The record of a WIT-SVID.
pub(crate) fn wit_record(
    door: Door,
    plan: &Plan,
    issued: &IssuedJwt,
    workload: WorkloadRef,
    proof: Proof,
) -> IssueRecord {
    IssueRecord {
        document: Document::Wit,
        ..token_record(door, plan, issued, &[], workload, proof)
    }
}

fn late(patience: Duration) -> Unrecorded {
    Unrecorded(format!("it took longer than {patience:?}"))
}

/// Waits for a future without a runtime: the state of keys changes also where there is none.
fn wait<T>(future: impl Future<Output = T>, patience: Duration) -> Option<T> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    let until = Instant::now() + patience;
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(done);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use bailiwick_audit::{Encoded, Pending, Refused};

    use super::*;

    /// A log in memory, which can be made to fail.
    #[derive(Default)]
    pub(crate) struct MemoryLog {
        pub(crate) closed: AtomicBool,
        pub(crate) stuck: AtomicBool,
    }

    impl Log for MemoryLog {
        fn append(&self, _: Encoded, _: Durability) -> Pending {
            if self.stuck.load(Ordering::SeqCst) {
                return Box::pin(std::future::pending());
            }
            let closed = self.closed.load(Ordering::SeqCst);
            Box::pin(async move { if closed { Err(Refused::Closed) } else { Ok(1) } })
        }
    }

    /// Evidence whose events can be read afterwards.
    pub(crate) fn evidence(log: &Arc<MemoryLog>) -> (Evidence, Arc<Mutex<Vec<Event>>>) {
        let events = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&events);
        let witness: Witness = Arc::new(move |event, outcome| {
            if outcome.is_ok() {
                ears.lock().unwrap().push(event.clone());
            }
        });
        let log: Arc<dyn Log> = Arc::clone(log) as Arc<dyn Log>;
        let patience = Duration::from_millis(50);
        (
            Evidence::new(log, witness).demanding(patience, Durability::Written),
            events,
        )
    }

    #[test]
    fn a_thread_waits_for_a_record_no_longer_than_it_may() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let waiting = thread::spawn(move || wait(receiver, Duration::from_secs(20)));
        thread::sleep(Duration::from_millis(20));
        sender.send(7).unwrap();
        assert_eq!(waiting.join().unwrap(), Some(Ok(7)));
        let never = std::future::pending::<()>();
        assert_eq!(wait(never, Duration::from_millis(10)), None);
    }
}
