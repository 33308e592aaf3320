//! Covers, escalation, impersonation and the reading of requests against upstream's own code on made-up input, and
//! what tools get wrong about RBAC, point by point, against upstream's code and a real API server.
//!
//! `BAILIWICK_SEED` repeats a run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod covers;
mod escalation;
mod impersonation;
mod live;
mod live_impersonation;
mod live_writes;
mod made_up_impersonation;
mod more_points;
mod points;
mod request_info;
mod support;
