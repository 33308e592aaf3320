//! Verification of a log over its bytes: what broke, where, and what cannot be said any more.

mod report;
mod segment;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::chain::Digest;
use crate::event::{Gap, Opening};

pub use report::{Fault, Note, Problem, Report};

/// At most so many faults and notes are told one by one; the others are counted.
const MOST: usize = 1_000;

/// Verifies a log, one segment after the other.
///
/// What a chain of hashes can prove, it proves: a record between two others cannot be changed, taken out, put in or
/// moved without a [`Fault`]. Records at the very end can be cut off without a trace in what remains; to see that,
/// give the head that was noted elsewhere to [`Verifier::ends_with`].
#[derive(Debug, Default)]
pub struct Verifier {
    report: Report,
    /// Number that the next record has to have; `None` before the first.
    expected: Option<u64>,
    /// Hash of the last line, as it stands there.
    head: Digest,
    /// What the last line should have had; other than `head` where that line was changed.
    computed: Digest,
    /// Hashes of the last records of the segments so far, by number.
    ends: BTreeMap<u64, Digest>,
    /// The last line was no record.
    unvouched: bool,
    last_opening: Option<Opening>,
    missing: Missing,
    anchor: Option<Digest>,
    anchored: bool,
    /// Cut off the end of the last segment, which the next one may account for.
    torn: Option<(Problem, u64)>,
}

/// Numbers that were passed over: the last by the first, and where the gap opened.
type Missing = BTreeMap<u64, (u64, Place)>;

/// A line of a segment.
#[derive(Clone, Debug)]
struct Place {
    segment: Arc<str>,
    line: u64,
    offset: u64,
}

impl Verifier {
    /// Nothing verified yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The log has to hold the record with this hash, which was noted outside of it.
    #[must_use]
    pub fn ends_with(mut self, head: Digest) -> Self {
        self.anchor = Some(head);
        self
    }

    /// What was found in the segments so far.
    pub fn finish(mut self) -> Report {
        if let Some((problem, _)) = self.torn.take() {
            self.report.fault(problem);
        }
        for (first, (last, place)) in std::mem::take(&mut self.missing) {
            self.report
                .fault(place.problem(Fault::Missing { first, last }));
        }
        if let Some(anchor) = self.anchor.filter(|_| !self.anchored) {
            let place = self.end();
            self.report.fault(place.problem(Fault::Head(anchor)));
        }
        self.report.head = self.head;
        self.report.sort();
        self.report
    }

    /// The place behind the last line.
    fn end(&self) -> Place {
        Place {
            segment: self.report.last_segment.as_str().into(),
            line: self.report.last_line,
            offset: 0,
        }
    }

    fn note_gap(&mut self, place: &Place, gap: Gap) {
        self.report.gaps += 1;
        self.report.note(place.problem(Note::Gap(gap)));
    }
}

impl Place {
    fn problem<T>(&self, what: T) -> Problem<T> {
        Problem {
            segment: self.segment.to_string(),
            line: self.line,
            offset: self.offset,
            what,
        }
    }
}
