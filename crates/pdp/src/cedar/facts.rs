use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;
use smallvec::SmallVec;

use super::scope::Key;
use super::types::Type;

/// Hashes of the texts that scopes compare. Two that differ have different texts; where two are equal, the texts
/// themselves are compared before anything rests on it.
#[derive(Clone, Debug)]
pub(crate) struct Hashes {
    hasher: DefaultHashBuilder,
    /// Of the names of types and attributes that every request has, so that they are computed once.
    types: [u64; Type::ALL.len()],
    attributes: [u64; ATTRIBUTES.len()],
}

/// The attributes of the schema that are texts wherever they are.
const ATTRIBUTES: [&str; 12] = [
    "apiGroup",
    "resource",
    "subresource",
    "namespace",
    "name",
    "path",
    "key",
    "value",
    "application",
    "type",
    "id",
    "action",
];

/// Whether an attribute that the schema has is always a text.
pub(crate) fn is_text(attribute: &str) -> bool {
    ATTRIBUTES.contains(&attribute)
}

impl Default for Hashes {
    fn default() -> Self {
        let hasher = DefaultHashBuilder::default();
        let hash = |text: &str| hasher.hash_one(text);
        Self {
            types: Type::ALL.map(|kind| hash(kind.name())),
            attributes: ATTRIBUTES.map(hash),
            hasher,
        }
    }
}

impl Hashes {
    /// The hash of a type name, an attribute name or a value.
    #[inline]
    pub(crate) fn text(&self, text: &str) -> u64 {
        self.hasher.hash_one(text)
    }

    /// The hash of an entity.
    pub(crate) fn entity(&self, kind: &str, id: &str) -> u64 {
        entity(self.text(kind), self.text(id))
    }

    /// The hash of an attribute's name.
    pub(crate) fn attribute(&self, name: &str) -> u64 {
        let place = ATTRIBUTES.iter().position(|known| *known == name);
        let known = place.and_then(|place| self.attributes.get(place).copied());
        known.unwrap_or_else(|| self.text(name))
    }

    /// A text of a request.
    pub(crate) fn word<'a>(&self, text: &'a str) -> Word<'a> {
        Word {
            hash: self.text(text),
            text,
        }
    }

    /// Attributes that are texts, with their names.
    pub(crate) fn texts<'a>(
        &self,
        texts: impl IntoIterator<Item = (&'static str, &'a str)>,
    ) -> SmallVec<[(u64, Word<'a>); 5]> {
        let texts = texts.into_iter();
        texts
            .map(|(name, text)| (self.attribute(name), self.word(text)))
            .collect()
    }

    /// An entity of a request.
    #[inline]
    pub(crate) fn uid<'a>(&self, kind: Type, id: &'a str) -> Uid<'a> {
        let own = self.types.get(kind as usize).copied().unwrap_or_default();
        Uid {
            hash: entity(own, self.text(id)),
            kind: kind.name(),
            id,
        }
    }
}

fn entity(kind: u64, id: u64) -> u64 {
    kind.rotate_left(17) ^ id
}

/// A text with its hash.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Word<'a> {
    pub(crate) hash: u64,
    pub(crate) text: &'a str,
}

/// An entity with its hash.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Uid<'a> {
    pub(crate) hash: u64,
    pub(crate) kind: &'a str,
    pub(crate) id: &'a str,
}

/// What the index reads of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts<'a> {
    pub(crate) principal: Side<'a>,
    pub(crate) action: Side<'a>,
    pub(crate) resource: Side<'a>,
    /// Of the context only texts are read.
    pub(crate) context: Side<'a>,
}

/// What the index reads of one entity.
#[derive(Clone, Debug, Default)]
pub(crate) struct Side<'a> {
    /// Itself.
    pub(crate) uid: Uid<'a>,
    /// What it is in, itself left out.
    pub(crate) ancestors: SmallVec<[Uid<'a>; 6]>,
    /// Every attribute that is a text: the hash of its name, and its value.
    pub(crate) texts: SmallVec<[(u64, Word<'a>); 5]>,
}

impl<'a> Side<'a> {
    /// An entity that is in nothing.
    pub(crate) fn new(uid: Uid<'a>) -> Self {
        Self {
            uid,
            ..Self::default()
        }
    }

    /// The keys by which policies that concern it are filed.
    pub(crate) fn keys(&self) -> KeysOf<impl Keys, impl Keys> {
        let ancestors = self.ancestors.iter().map(|uid| uid.hash);
        let texts = self.texts.iter().map(|(name, value)| (*name, value.hash));
        keys(self.uid.hash, ancestors, texts)
    }

    /// The value of an attribute, where it is there and a text.
    pub(crate) fn text(&self, name: u64) -> Option<Word<'a>> {
        let found = self.texts.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value)
    }
}

/// Keys of an entity.
pub(crate) trait Keys: Iterator<Item = Key> + Clone {}

impl<I: Iterator<Item = Key> + Clone> Keys for I {}

/// The keys by which policies that concern an entity are filed.
#[derive(Clone)]
pub(crate) struct KeysOf<E, T> {
    /// Of itself and of what it is in.
    pub(crate) entities: E,
    /// Of its attributes. Most often no policy is filed by any, and their hashes are never computed.
    pub(crate) texts: T,
}

impl<E: Keys, T: Keys> KeysOf<E, T> {
    /// Whether others are the same.
    pub(crate) fn are(self, other: KeysOf<impl Keys, impl Keys>) -> bool {
        self.entities.eq(other.entities) && self.texts.eq(other.texts)
    }
}

/// The keys of an entity with this hash, of what it is in, and of its attributes that are texts.
pub(crate) fn keys(
    uid: u64,
    ancestors: impl Iterator<Item = u64> + Clone,
    texts: impl Iterator<Item = (u64, u64)> + Clone,
) -> KeysOf<impl Keys, impl Keys> {
    KeysOf {
        entities: [Key::Any, Key::Is(uid), Key::Within(uid)]
            .into_iter()
            .chain(ancestors.map(Key::Within)),
        texts: texts.map(|(name, value)| Key::Text(name, value)),
    }
}
