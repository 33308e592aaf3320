use bailiwick_core::Str;
use sha2::{Digest as _, Sha256};

/// A fingerprint of what something says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digest(u128);

impl Digest {
    pub(crate) fn of(value: &impl std::fmt::Debug) -> Self {
        let hash = Sha256::digest(format!("{value:?}"));
        let folded = hash
            .iter()
            .take(16)
            .fold(0, |sum, byte| sum << 8 | u128::from(*byte));
        Self(folded)
    }

    /// A short name.
    pub(crate) fn name(self) -> String {
        format!("{:012x}", self.0 >> 80)
    }
}

/// The fingerprint of a set: the sum of those of its members, so that it does not depend on the way by which the set
/// became what it is, and a change costs no more than what changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum(u128);

impl Sum {
    pub(crate) fn add(&mut self, digest: Digest) {
        self.0 = self.0.wrapping_add(digest.0);
    }

    pub(crate) fn remove(&mut self, digest: Digest) {
        self.0 = self.0.wrapping_sub(digest.0);
    }
}

/// The name of what sums stand for.
pub(crate) fn name(sums: &[Sum]) -> Str {
    Digest::of(&sums).name().into()
}
