//! The evidence log: what its records say ([`Event`]), how they are chained ([`Chain`]) and how a log is verified
//! ([`Verifier`]).
//!
//! A log is a sequence of segments, a segment a sequence of lines:
//!
//! ```text
//! HASH {"n":17,"at":"2026-11-21T12:00:00.000000Z","kind":"decision",...}
//! ```
//!
//! `HASH` is SHA-256 over the hash of the line before it (32 bytes) and the JSON of this line, in lower-case hex. The
//! first line of a segment names the last hash of the segment before, so that a segment can be verified alone. Nothing
//! here touches a file or a clock: the `store` crate writes what this crate encodes.

mod chain;
mod decision;
mod event;
mod id;
mod identity;
mod line;
mod log;
mod verify;

pub use chain::{Chain, Digest, DigestParseError};
pub use decision::{DecisionRecord, Door, Input, SearchRecord, SubjectRef};
pub use event::{CloseReason, Encoded, Event, Gap, Opening, TooLarge};
pub use id::{DecisionId, DecisionIdParseError};
pub use identity::{
    AgentRecord, AgentStep, BanRecord, DenialRecord, Document, FederatedKeys, FederationRecord,
    IssueRecord, PodRef, ProcessRef, Proof, RotationRecord, Times, WorkloadRef,
};
pub use line::{Line, LineError, MAX_LINE, Record};
pub use log::{Durability, Log, Pending, Records, Refused};
pub use verify::{Fault, Note, Problem, Report, Verifier};
