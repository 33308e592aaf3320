//! Cedar: the only place that knows it. Policies are parsed and evaluated by the stock crate; what is ours is the
//! index that finds the few that can apply, and the reading of a request as Cedar entities.

pub(crate) mod application;
mod check;
mod document;
mod evaluate;
mod facts;
mod index;
pub(crate) mod kubernetes;
mod lint;
mod object;
mod policy;
mod rest;
mod scope;
mod selection;
mod share;
mod split;
mod statement;
#[cfg(test)]
mod tests;
mod types;
mod words;

pub(crate) use check::Checker;
pub use check::{PolicyProblem, SCHEMA};
pub use document::{PolicyDocument, TemplateLink};
pub(crate) use evaluate::{Evaluation, Input, evaluate};
pub(crate) use facts::{Facts, Hashes, Keys, KeysOf};
pub(crate) use index::{Asking, Candidate, Candidates, Index};
pub(crate) use lint::lints;
pub use lint::{Oddity, PolicyLint};
pub use object::{Objects, TooManyFields};
pub(crate) use policy::Policy;
pub(crate) use rest::Rest;
pub(crate) use share::Shared;
pub use statement::{Statement, request_schemas};
pub(crate) use types::Types;
pub use words::Words;
