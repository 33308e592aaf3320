//! go-spiffe as a judge of ids, SVIDs and bundles, and as a client of Workload APIs, workloads and
//! bundle endpoints: the Go program in `testenv/spiffe`. `docs/testing.md` describes the protocol.
//!
//! ```no_run
//! use bailiwick_testkit::spiffe::Spiffe;
//!
//! let mut spiffe = Spiffe::start()?;
//! let id = spiffe.ask("spiffeid", serde_json::json!({"text": "spiffe://example.org/shop"}))?;
//! assert_eq!(id["trustDomain"], "example.org");
//! # Ok::<(), bailiwick_testkit::judge::JudgeError>(())
//! ```

use serde_json::Value;

use crate::binaries;
use crate::judge::{Judge, JudgeError};

/// The running program. Its streams and listeners end when this is dropped.
pub struct Spiffe(Judge);

impl Spiffe {
    /// Starts the program.
    ///
    /// # Errors
    /// [`JudgeError::Binaries`] names the command that builds it.
    pub fn start() -> Result<Self, JudgeError> {
        Judge::start(&binaries::spiffe("spiffe")?).map(Self)
    }

    /// The answer to an operation.
    ///
    /// # Errors
    /// [`JudgeError::Refused`] with go-spiffe's message when something is not valid or cannot be had.
    pub fn ask(&mut self, op: &'static str, arguments: Value) -> Result<Value, JudgeError> {
        self.0.ask(op, arguments)
    }
}
