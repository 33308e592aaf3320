use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;
use smallvec::SmallVec;

/// Hashes of the texts that scopes compare. Two that differ have different texts. Two that are equal almost always
/// have the same text, and where not, a policy is evaluated in vain: the index finds candidates, it does not decide.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hashes(DefaultHashBuilder);

impl Hashes {
    /// The hash of a type name, an attribute name or a value.
    pub(crate) fn text(&self, text: &str) -> u64 {
        self.0.hash_one(text)
    }

    /// The hash of an entity of which the type's hash is known.
    pub(crate) fn entity(&self, kind: u64, id: &str) -> u64 {
        kind.rotate_left(17) ^ self.text(id)
    }
}

/// What the index reads of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) principal: Side,
    pub(crate) action: Side,
    pub(crate) resource: Side,
    /// Of the context only texts are read.
    pub(crate) context: Side,
}

/// What the index reads of one entity.
#[derive(Clone, Debug, Default)]
pub(crate) struct Side {
    /// Its type.
    pub(crate) kind: u64,
    /// Itself.
    pub(crate) uid: u64,
    /// What it is in, itself left out.
    pub(crate) ancestors: SmallVec<[u64; 8]>,
    /// Every attribute that is a text: its name and its value.
    pub(crate) texts: SmallVec<[(u64, u64); 5]>,
}

impl Side {
    /// The value of an attribute, where it is there and a text.
    pub(crate) fn text(&self, name: u64) -> Option<u64> {
        self.texts
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    }
}
