//! Clients and validators that others wrote, against a real socket: go-spiffe, the clients for Python and Rust, Envoy, OpenSSL and GnuTLS.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test, also where it is no test function"
)]

mod envoy;
mod go_spiffe;
mod house;
mod python;
mod rust;
mod validators;
