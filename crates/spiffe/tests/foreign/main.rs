//! Clients and validators that others wrote, against a real socket: go-spiffe, the clients for Python, Java and Rust,
//! spiffe-helper, Envoy, OpenSSL, GnuTLS and pkilint.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test, also where it is no test function"
)]

mod envoy;
mod go_spiffe;
mod helper;
mod house;
mod java;
mod python;
mod rust;
mod validators;
