//! State that several processes share somewhere else, such as in a cluster.

use std::collections::BTreeMap;

use thiserror::Error;

/// Which state of the shared values it was. Only good to be handed back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(pub String);

/// All shared values at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// Which state it is.
    pub version: Version,
    /// The values by their names: letters, digits, `-`, `_` and `.`.
    pub values: BTreeMap<String, Vec<u8>>,
}

/// Why shared values cannot be read or changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SharedError {
    /// Somebody else changed them in between.
    #[error("the shared state was changed by another process")]
    Conflict,
    /// Whoever keeps them does not answer, or refuses.
    #[error("the shared state in {place}: {why}")]
    Failed {
        /// Where they are.
        place: String,
        /// What was said, without the values.
        why: String,
    },
}

/// A place for values that change by compare-and-swap, all of them together.
pub trait SharedValues: Send + Sync {
    /// All values; `None` where nothing was ever put there.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read(&self) -> Result<Option<Shared>, SharedError>;

    /// Puts values in the place of those of that version (`None`: of nothing at all), and takes those away that are
    /// `None`. The others stay.
    ///
    /// # Errors
    /// [`SharedError::Conflict`] when another version is there; nothing changes then.
    fn change(
        &self,
        expected: Option<&Version>,
        changes: &BTreeMap<String, Option<Vec<u8>>>,
    ) -> Result<(), SharedError>;
}
