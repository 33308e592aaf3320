use std::fmt;

use super::MOST;
use crate::chain::Digest;
use crate::event::Gap;
use crate::line::LineError;

/// What verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Segments read.
    pub segments: u64,
    /// Records read, the openings and ends of segments included.
    pub records: u64,
    /// Records of decisions.
    pub decisions: u64,
    /// Records of documents of identities that were made.
    pub issues: u64,
    /// Records of requests for an identity that were refused.
    pub denials: u64,
    /// Records of gaps.
    pub gaps: u64,
    /// Number of the first record; 0 where there is none.
    pub first: u64,
    /// Number of the last record.
    pub last: u64,
    /// Hash of the last record: note it elsewhere, and the log cannot be shortened unseen.
    pub head: Digest,
    /// What is broken, in the order of the log; not more than 1,000 of them.
    pub faults: Vec<Problem<Fault>>,
    /// What is worth knowing and is not broken.
    pub notes: Vec<Problem<Note>>,
    /// Faults and notes that there was no room for.
    pub more: u64,
    pub(super) last_segment: String,
    pub(super) last_line: u64,
}

/// Something at a place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem<T = Fault> {
    /// Name of the segment.
    pub segment: String,
    /// Line in the segment, from 1.
    pub line: u64,
    /// First byte of the line.
    pub offset: u64,
    /// What it is.
    pub what: T,
}

/// What is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A line is no record at all.
    Unreadable(LineError),
    /// A record does not have the hash that belongs to it.
    Changed {
        /// Its number.
        number: u64,
    },
    /// Records are not there.
    Missing {
        /// Number of the first.
        first: u64,
        /// Number of the last.
        last: u64,
    },
    /// A record stands behind one that came after it.
    Moved {
        /// Its number.
        number: u64,
    },
    /// A record stands there again.
    Repeated {
        /// Its number.
        number: u64,
    },
    /// Nothing vouches for a record, because what it is chained to is not there.
    Unlinked {
        /// Its number.
        number: u64,
    },
    /// The last line of a segment has no end.
    Torn {
        /// Its length in bytes.
        bytes: u64,
    },
    /// A segment does not start with its opening.
    NoOpening,
    /// A segment is written in a format of another version.
    Format(u32),
    /// A segment is of another log.
    Foreign,
    /// A segment stands where another one belongs.
    OutOfPlace {
        /// Its own position.
        found: u64,
        /// The position that was to come.
        expected: u64,
    },
    /// The program noticed, when it opened the segment, that the one before was damaged.
    Damaged(String),
    /// The log does not hold the record that was noted elsewhere.
    Head(Digest),
}

/// What is worth knowing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// The log starts in the middle: older segments were taken away.
    Starts {
        /// Number of its first record.
        first: u64,
    },
    /// Decisions have no record, and the log says so.
    Gap(Gap),
    /// The segment before was not ended by the program: it was killed, or is still writing.
    NotClosed,
    /// The program found a line without an end behind the last record and cut it off.
    Cut {
        /// Its length in bytes.
        bytes: u64,
    },
}

impl Report {
    /// Whether nothing is broken.
    pub fn is_intact(&self) -> bool {
        self.faults.is_empty()
    }

    pub(super) fn fault(&mut self, problem: Problem<Fault>) {
        if self.faults.len() < MOST {
            self.faults.push(problem);
        } else {
            self.more += 1;
        }
    }

    pub(super) fn note(&mut self, note: Problem<Note>) {
        if self.notes.len() < MOST {
            self.notes.push(note);
        } else {
            self.more += 1;
        }
    }

    pub(super) fn sort(&mut self) {
        self.faults
            .sort_by(|a, b| (a.segment.as_str(), a.line).cmp(&(b.segment.as_str(), b.line)));
    }
}

impl<T: fmt::Display> fmt::Display for Problem<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.segment, self.line, self.what)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "this line is no record: {error}"),
            Self::Changed { number } => {
                write!(
                    f,
                    "record {number} was changed: its hash does not belong to it"
                )
            }
            Self::Missing { first, last } if first == last => {
                write!(f, "record {first} is missing before this line")
            }
            Self::Missing { first, last } => {
                write!(f, "records {first} to {last} are missing before this line")
            }
            Self::Moved { number } => write!(f, "record {number} stands behind later ones"),
            Self::Repeated { number } => write!(f, "record {number} stands here again"),
            Self::Unlinked { number } => write!(
                f,
                "nothing vouches for record {number}: what it is chained to is not there"
            ),
            Self::Torn { bytes } => write!(
                f,
                "the last line has no end: {bytes} bytes of a record that was not finished"
            ),
            Self::NoOpening => f.write_str("the segment does not start with its opening"),
            Self::Format(format) => write!(
                f,
                "the segment has format {format}; this version reads format {}",
                crate::Opening::FORMAT
            ),
            Self::Foreign => f.write_str("the segment is of another log"),
            Self::OutOfPlace { found, expected } => write!(
                f,
                "this is segment {found} of the log, where segment {expected} belongs"
            ),
            Self::Damaged(damage) => write!(
                f,
                "the segment before was damaged already when this one was opened: {damage}"
            ),
            Self::Head(head) => write!(
                f,
                "the log does not hold the record {head}: its end is missing"
            ),
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starts { first } => write!(
                f,
                "the log starts with record {first}: older segments are not here"
            ),
            Self::Gap(gap) => write!(
                f,
                "gap: {} answers without a record and {} with a late one, {:.6} to {:.6}: {}",
                gap.unwritten, gap.late, gap.since, gap.until, gap.cause
            ),
            Self::NotClosed => f.write_str(
                "the segment has no end record: its writer was killed, or is still writing",
            ),
            Self::Cut { bytes } => write!(
                f,
                "{bytes} bytes without an end were cut off the segment before when this one was opened"
            ),
        }
    }
}
