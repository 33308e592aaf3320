//! What the tests of every crate lean on: real Kubernetes servers ([`servers`]), upstream's own
//! code as the judge ([`oracle`], and [`spiffe`] for identities), where their binaries are
//! ([`binaries`]), clusters made up from a seed ([`generate`]), and clusters in few words
//! ([`notation`]). Other foreign programs are started through [`janitor`], which leaves none
//! behind; [`envoy`] is one. A [`wire`] to a server can be cut, and an [`impostor`] answers in place of one.
//!
//! Nothing here skips a test but [`packages`], [`envoy`], [`gateway`] and [`browser`], whose tests say so. A binary that is missing is an error
//! whose message is the command that installs it; the error types print that message as their
//! `Debug` form too, so that a plain `unwrap` in a test shows it.

pub mod binaries;
pub mod browser;
pub mod directory;
pub mod envoy;
pub mod gateway;
pub mod generate;
pub mod impostor;
pub mod janitor;
pub mod judge;
pub mod notation;
pub mod oracle;
pub mod packages;
pub mod servers;
pub mod spiffe;
pub mod spire;
pub mod wire;
