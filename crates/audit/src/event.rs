use bailiwick_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::chain::Digest;
use crate::decision::{DecisionRecord, SearchRecord};
use crate::id::DecisionId;
use crate::identity::{
    AgentRecord, BanRecord, DenialRecord, FederationRecord, IssueRecord, RotationRecord,
};
use crate::line::MAX_LINE;

/// What a record is about. More kinds will come; whoever reads a log passes over those that it does not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
#[non_exhaustive]
pub enum Event {
    /// The first record of every segment.
    Opened(Opening),
    /// The last record of a segment that was ended on purpose.
    Closed {
        /// Why it ended.
        reason: CloseReason,
    },
    /// A decision.
    Decision(Box<DecisionRecord>),
    /// A search: who can do something, what can be done.
    Search(Box<SearchRecord>),
    /// A document of an identity that was made.
    Issue(Box<IssueRecord>),
    /// A request for an identity that was refused.
    Denial(Box<DenialRecord>),
    /// A key of the authority that stands elsewhere than before.
    Rotation(Box<RotationRecord>),
    /// A workload or node that gets nothing more, or may get it again.
    Ban(Box<BanRecord>),
    /// Another trust domain whose keys are others than before.
    Federation(Box<FederationRecord>),
    /// An agent of a node that came or was sent away.
    Agent(Box<AgentRecord>),
    /// Decisions and issues that the log does not hold, or holds otherwise than they were answered.
    Gap(Gap),
}

/// What a segment starts with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opening {
    /// Version of the format: [`Opening::FORMAT`].
    pub format: u32,
    /// Drawn at random when the log is made; the same in all of its segments.
    pub log: String,
    /// Position of the segment in the log, from 1.
    pub segment: u64,
    /// Hash of the last record of the segment before; zeros in the first segment.
    pub previous: Digest,
    /// Bytes of a record without an end that were cut off the segment before, as a power failure leaves them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cut: u64,
    /// What verification found wrong with the segment before when this one was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// Version of the program.
    pub program: String,
}

impl Opening {
    /// The format that this crate writes and reads.
    pub const FORMAT: u32 = 1;
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Why a segment was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum CloseReason {
    /// It reached its size.
    Size,
    /// It reached its age.
    Age,
    /// The program ended.
    Shutdown,
    /// The disk did not confirm that it holds what was written before.
    SyncFailed,
}

/// Decisions, issues and denials between two moments whose records are lost or say something else than the answer did.
///
/// A door that must not answer without a record refused these; one that explains or shadows answered all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// When the first of them was given up.
    pub since: Timestamp,
    /// When the last of them was given up.
    pub until: Timestamp,
    /// How many have no record.
    pub unwritten: u64,
    /// How many have a record that was written after the answer no longer waited for it.
    pub late: u64,
    /// The first decisions among them, at most [`Gap::NAMED`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<DecisionId>,
    /// What kept the log from writing.
    pub cause: String,
}

impl Gap {
    /// How many decisions a gap names; the others are counted.
    pub const NAMED: usize = 64;
}

/// An event in its one encoding, without number, time and hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// A JSON object with at least one field.
    pub(crate) json: Vec<u8>,
    id: Option<DecisionId>,
}

/// Bytes of most decisions.
const TYPICAL: usize = 1 << 10;

/// An event that would make a line of more than [`MAX_LINE`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the record is {0} bytes long and the log takes {most}; ask with fewer or shorter names",
    most = Encoded::MOST
)]
pub struct TooLarge(pub usize);

impl Encoded {
    /// The longest encoding of an event, in bytes: a line without its hash, number and time.
    pub const MOST: usize = MAX_LINE - 256;

    fn new(event: &impl Serialize, id: Option<DecisionId>) -> Result<Self, TooLarge> {
        let mut json = Vec::with_capacity(TYPICAL);
        // Only maps with keys that are no strings cannot be written as JSON, and there are none.
        if serde_json::to_writer(&mut json, event).is_err() {
            json.clear();
        }
        match json.len() {
            2..=Self::MOST => Ok(Self { json, id }),
            size => Err(TooLarge(size)),
        }
    }

    /// The decision that this is the record of.
    pub fn decision(&self) -> Option<DecisionId> {
        self.id
    }

    /// Its size in bytes.
    pub fn size(&self) -> usize {
        self.json.len()
    }
}

impl Event {
    /// Whether this is what a name stands for: the id of a decision, or the serial or `jti` of a document.
    pub fn is_named(&self, name: &str) -> bool {
        match self {
            Self::Decision(record) => record.id.to_string() == name,
            Self::Issue(record) => record.number == name,
            _ => false,
        }
    }

    /// The one encoding: JSON without white space, fields in the order of their declaration.
    pub fn encode(&self) -> Result<Encoded, TooLarge> {
        let id = match self {
            Self::Decision(record) => Some(record.id),
            _ => None,
        };
        Encoded::new(self, id)
    }
}

impl DecisionRecord {
    /// The encoding of the event that this is.
    pub fn encode(&self) -> Result<Encoded, TooLarge> {
        #[derive(Serialize)]
        #[serde(tag = "kind", rename_all = "camelCase")]
        enum Event<'a> {
            Decision(&'a DecisionRecord),
        }
        Encoded::new(&Event::Decision(self), Some(self.id))
    }
}
