//! The doors of the decision point.
//!
//! A [`Server`] listens with TLS, knows its callers ([`Callers`]), and answers questions through doors: the
//! SubjectAccessReview webhook ([`ReviewDoor`]), AuthZEN ([`AuthzenDoor`]) and Envoy's external authorization
//! ([`ExtAuthzDoor`]). Every door maps its protocol to a [`Question`](bailiwick_pdp::Question), asks the [`Current`]
//! state, writes to the [`Log`](bailiwick_audit::Log) and then answers. No door holds policy.
//!
//! Decisions are explained from [`Records`](bailiwick_audit::Records), and `/openapi.json` describes all of this.
//!
//! Health, readiness and metrics have a listener of their own ([`Operations`]), and so has what everybody may read
//! ([`Publication`]): keys of a trust domain.

mod authzen;
mod body;
mod callers;
mod client;
mod current;
mod desk;
mod doors;
mod error;
mod explain;
mod ext_authz;
mod gather;
mod listen;
mod metrics;
mod name;
mod openapi;
mod operations;
mod peer;
mod places;
mod publication;
mod rate;
mod ready;
mod reply;
mod review;
mod reviews;
mod server;
mod streams;
mod telemetry;
mod tls;
mod tokens;

pub use authzen::{AuthzenDoor, Directory, Known};
pub use callers::{Caller, CallerError, CallerId, Callers, Scope};
pub use current::Current;
pub use error::Error;
pub use ext_authz::{ExtAuthzDoor, Identities, Route, RouteError};
pub use listen::{Limits, Listener};
pub use metrics::Metrics;
pub use operations::Operations;
pub use publication::{Document, Documents, Publication};
pub use ready::{NotYet, Ready};
pub use review::{Mode, ReviewDoor, authorization_configuration};
pub use reviews::{Reviewed, Reviews, TokenReviewer};
pub use server::{Parts, Server};
pub use telemetry::{Collector, CollectorError, Telemetry};
pub use tls::{Tls, TlsFiles};
pub use tokens::{KeyAddress, KeySource, RemoteKeys, TokenIssuer, Tokens};
