//! The decision point: one answer to every request, whatever door it came through.
//!
//! [`State::decide`] asks, in this order and never in another:
//!
//! 1. the static floor: RBAC objects of a read-only file, and `system:masters`. What it allows nothing takes away;
//! 2. revocations, and policies that forbid. A policy that forbids and cannot be evaluated denies;
//! 3. RBAC, policies that permit, and relations: any of them allows;
//! 4. nothing: no opinion, which the API server passes on to the next authorizer and every other door takes as a no.
//!
//! Modes that never change an answer (explain, shadow) are the business of the door: a [`Decision`] is what the
//! policies say.
//!
//! Pure and synchronous: no I/O, no clock (`now` is an argument), no locks. A [`State`] is a handful of shared parts,
//! so that a new one with one part changed costs nothing but that part.
//!
//! [`Decision`]: bailiwick_core::Decision

mod cedar;
mod conditions;
mod crds;
mod decide;
mod delegations;
mod differences;
mod documents;
mod kind;
mod live;
mod policies;
mod question;
mod related;
mod relations;
mod revision;
mod revocations;
mod set;
mod specs;
mod state;
#[cfg(test)]
mod tests;

pub use cedar::{
    Objects, Oddity, PolicyDocument, PolicyLint, PolicyProblem, SCHEMA, Statement, TemplateLink,
    TooManyFields, Words, request_schemas,
};
pub use conditions::{Settled, Truth, Union, settle};
pub use crds::definitions;
pub use decide::{Outcome, Verdict};
pub use delegations::{Delegation, Delegations};
pub use differences::{Asked, Difference, Differences, differences};
pub use documents::{API_VERSION, Bundle, Document, DocumentProblem};
pub use kind::{DocumentId, DocumentKind};
pub use live::Live;
pub use policies::Policies;
pub use question::{ApplicationRequest, Entity, Question};
pub use relations::{
    Found, ObjectId, Path, RelationSchema, Relations, SchemaError, SearchError, StoreSize, Subject,
    Tuple, TupleError,
};
pub use revocations::{Revocation, RevocationTarget, Revocations};
pub use set::{Compiler, Edit, Prepared};
pub use specs::{
    DelegationSpec, LinkSpec, PolicySpec, RelationsSpec, RevocationSpec, RuleSpec, SchemaSpec,
    TypeSpec,
};
pub use state::State;
