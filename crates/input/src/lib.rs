//! Kubernetes manifests, `kubectl get` dumps and snapshot files, read as kubectl reads them.
//!
//! [`load`] turns [`Source`]s into a [`Loaded`]: a [`Snapshot`](bailiwick_model::Snapshot) and what there is to say
//! about the input. It never fails as a whole: what cannot be read becomes a finding and a gap, the rest is read.
//! [`Locator`] finds file, line and column of any field again. [`snapshot`] is the portable file format.

pub mod snapshot;

mod assemble;
mod documents;
mod exceptions;
mod file;
mod held;
mod limits;
mod load;
mod locate;
mod read;
mod source;
mod walk;

pub use documents::{Document, documents, documents_wanted, position};
pub use exceptions::{EXCEPT, ExceptionsError, annotation, exceptions};
pub use held::Held;
pub use load::load;
pub use locate::Locator;
pub use read::read_embedded;
pub use source::{Defaults, LoadOptions, Loaded, Source};
