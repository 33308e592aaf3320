//! What every door does: ask the state, write the record, and only then answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bailiwick_audit::{
    DecisionId, DecisionRecord, Door, Durability, Encoded, Input, Log, SubjectRef,
};
use bailiwick_core::{Decision, Effect, Reason, Timestamp};
use bailiwick_pdp::{Question, State};
use futures_util::FutureExt as _;
use futures_util::future::{Either, ready};

use crate::current::Current;
use crate::metrics::Metrics;
use crate::telemetry::{Parent, Teller};

/// Asks and records for all doors.
pub(crate) struct Desk {
    pub(crate) current: Arc<Current>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) metrics: Arc<Metrics>,
    teller: Option<Teller>,
    run: u64,
    number: AtomicU64,
}

/// A question from a door, with what is known of it beside what is asked.
pub(crate) struct Asked<'a> {
    pub(crate) door: Door,
    pub(crate) caller: &'a str,
    pub(crate) request_id: Option<String>,
    pub(crate) arrived: Instant,
    pub(crate) parent: Option<Parent>,
}

/// A decision with its name.
pub(crate) struct Decided {
    pub(crate) id: DecisionId,
    pub(crate) decision: Decision,
    pub(crate) revision: String,
}

/// No record was written within the time that the door has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotRecorded;

/// How long a door waits for the log, and for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) budget: Duration,
    pub(crate) durability: Durability,
}

impl Desk {
    pub(crate) fn new(
        current: Arc<Current>,
        log: Arc<dyn Log>,
        metrics: Arc<Metrics>,
        teller: Option<Teller>,
        run: u64,
    ) -> Self {
        Self {
            current,
            log,
            metrics,
            teller,
            run,
            number: AtomicU64::new(1),
        }
    }

    /// Decides. A stale state still refuses; what it allows counts no more. What depends on conditions that nobody
    /// evaluates here is not allowed.
    pub(crate) fn decide(&self, state: &State, question: Question<'_>) -> Decided {
        let decide = || state.decide(question, now()).to_decision().unconditional();
        let mut decision = self.caught(decide);
        if decision.effect == Effect::Allow && self.current.is_stale() {
            let age = self.current.age().as_millis();
            decision.effect = Effect::NoOpinion;
            decision.problems.push(format!(
                "it would be allowed, but the roles and policies were last confirmed {age} ms ago"
            ));
        }
        self.decided(decision, &state.revision)
    }

    /// An error of the program costs the question that it comes from, and no other: whoever asks is denied, and the record
    /// says why. Nothing of a state changes while it is asked, so the next question finds it whole.
    fn caught(&self, decide: impl FnOnce() -> Decision) -> Decision {
        catch_unwind(AssertUnwindSafe(decide)).unwrap_or_else(|_| {
            self.metrics.undecided.inc();
            // What it was, and where, the program has said by itself.
            tracing::error!("a question could not be decided: an error of the program");
            let message = "deciding it ended in an error of the program".to_owned();
            Decision {
                effect: Effect::Deny,
                reason: Reason::Refused { message },
                problems: Vec::new(),
            }
        })
    }

    /// A question that breaks a limit: no decision but a refusal to make one.
    pub(crate) fn refuse(&self, state: &State, message: String) -> Decided {
        let decision = Decision {
            effect: Effect::NoOpinion,
            reason: Reason::Refused { message },
            problems: Vec::new(),
        };
        self.decided(decision, &state.revision)
    }

    fn decided(&self, decision: Decision, revision: &str) -> Decided {
        Decided {
            id: DecisionId {
                run: self.run,
                number: self.number.fetch_add(1, Ordering::Relaxed),
            },
            decision,
            revision: revision.to_owned(),
        }
    }

    /// Writes the record of a decision; `answered` is what the door will say. The record is made before anybody waits,
    /// and nothing of the question is held while they do.
    ///
    /// Here and below the steps that follow are mapped on: an `async` block has room for what it waits for twice, and
    /// each request has all of the room of all that stand in each other.
    pub(crate) fn record(
        &self,
        decided: Decided,
        asked: Asked<'_>,
        subject: SubjectRef,
        input: Input,
        answered: Effect,
        patience: Patience,
    ) -> impl Future<Output = Result<(), NotRecorded>> + Send + use<'_> {
        let (id, door, arrived, parent) = (decided.id, asked.door, asked.arrived, asked.parent);
        let micros = arrived.elapsed().as_micros();
        let effect = decided.decision.effect;
        let record = DecisionRecord {
            id,
            door,
            caller: asked.caller.to_owned(),
            request_id: asked.request_id,
            subject,
            input,
            effect,
            answered: (answered != effect).then_some(answered),
            reason: decided.decision.reason,
            problems: decided.decision.problems,
            revision: decided.revision,
            micros: u64::try_from(micros).unwrap_or(u64::MAX),
        };
        let written = match record.encode() {
            Ok(event) => Either::Left(self.write(event, patience)),
            Err(error) => Either::Right(ready(Err(error.to_string()))),
        };
        let told = self
            .teller
            .as_ref()
            .map(|teller| (teller, Box::new(record)));
        written.map(move |written| {
            let took = arrived.elapsed();
            self.metrics.decided(door, effect, answered, took);
            if let Some((teller, record)) = told {
                teller.tell(*record, parent, took, written.is_ok());
            }
            written.map_err(|why| {
                self.metrics.unrecorded.inc();
                tracing::warn!(decision = %id, door = door.name(), why, "no record of a decision");
                NotRecorded
            })
        })
    }

    /// Writes a record, for as long as the door may wait. Otherwise gives why it is not written.
    pub(crate) fn write(
        &self,
        event: Encoded,
        patience: Patience,
    ) -> impl Future<Output = Result<(), String>> + Send + use<> {
        let pending = self.log.append(event, patience.durability);
        tokio::time::timeout(patience.budget, pending).map(|told| match told {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(refused)) => Err(refused.to_string()),
            Err(_) => Err("the log was too slow".to_owned()),
        })
    }
}

/// The time of the machine.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let micros = since.map_or(0, |since| since.as_micros());
    Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "it is what is tried")]

    use bailiwick_audit::{Pending, Refused};

    use super::*;
    use crate::review::Mode;

    struct NoLog;

    impl Log for NoLog {
        fn append(&self, _: Encoded, _: Durability) -> Pending {
            Box::pin(async { Err(Refused::Closed) })
        }
    }

    #[test]
    fn an_error_of_the_program_denies_the_one_question_and_is_counted() {
        let metrics = Arc::new(Metrics::new());
        let current = Arc::new(Current::new(None));
        let desk = Desk::new(current, Arc::new(NoLog), Arc::clone(&metrics), None, 1);
        let allowed = || Decision {
            effect: Effect::Allow,
            reason: Reason::Masters,
            problems: Vec::new(),
        };
        let decision = desk.caught(|| panic!("as a mistake in a rule would"));
        assert_eq!(decision.effect, Effect::Deny);
        for (mode, expected) in [
            (Mode::Explain, Effect::NoOpinion),
            (Mode::Shadow, Effect::NoOpinion),
            (Mode::Guard, Effect::Deny),
            (Mode::Authority, Effect::Deny),
        ] {
            assert_eq!(mode.answered(&decision), expected, "{mode:?}");
        }
        assert_eq!(metrics.undecided.get(), 1);
        // The next question is answered as if nothing had happened.
        assert_eq!(desk.caught(allowed).effect, Effect::Allow);
        assert_eq!(metrics.undecided.get(), 1);
    }
}
