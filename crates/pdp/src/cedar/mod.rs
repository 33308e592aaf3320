//! Cedar: the only place that knows it. Policies are parsed and evaluated by the stock crate; what is ours is the
//! index that finds the few that can apply, and the reading of a request as Cedar entities.

mod evaluate;
mod facts;
mod index;
mod policy;
mod scope;
#[cfg(test)]
mod tests;

pub(crate) use evaluate::Input;
pub(crate) use facts::{Facts, Hashes, Side};
pub(crate) use index::Index;
pub(crate) use policy::Policy;
