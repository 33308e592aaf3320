//! `bailiwick serve` as it runs: the program, its certificates, a real API server and kubectl in front of it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on ends"
)]

mod api_server;
mod applications;
mod certification;
mod client;
mod cluster_searches;
mod description;
mod doors;
mod envoy;
mod example;
mod faults;
mod following;
mod identities;
mod live;
mod one_answer;
mod outages;
mod program;
mod rights;
mod scenarios;
mod service_accounts;
mod stage;
mod starts;
mod status;
mod telemetry;
mod token;
