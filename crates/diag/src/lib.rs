//! The one type for everything that Bailiwick has to report: a [`Finding`] about the cluster, or about the input that
//! it was read from, with its severity, its places and what to do.
//!
//! Renderers (text, JSON, SARIF, Markdown) live in `bailiwick-report`; nothing here formats for a terminal.

mod finding;
mod fingerprint;
mod gate;
pub mod kubectl;
mod place;
mod reach;

pub use finding::{Finding, Fix, Severity};
pub use gate::{Answer, Baseline, BaselineState, Covers, Exception, Known, except};
pub use place::{Excerpt, Place, Position, Span};
pub use reach::{Goal, Reach};
