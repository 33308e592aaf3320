//! Trust domains that federate, and an issuer that others know by OpenID Connect: the program, and real parts at the
//! other end.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that cannot go on ends, and says what it could not do"
)]

mod domains;
mod house;
mod openid;
mod spire;
