use std::borrow::Cow;
use std::fmt;

use smallvec::SmallVec;

use super::check::Stores;
use super::schema::RelationSchema;
use super::store::Store;
use super::symbols::Symbol;
use super::tuple::ObjectId;

/// An object or a subject as it is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named<'a> {
    pub(crate) kind: Cow<'a, str>,
    pub(crate) id: Cow<'a, str>,
}

impl<'a> Named<'a> {
    pub(crate) fn new(kind: impl Into<Cow<'a, str>>, id: impl Into<Cow<'a, str>>) -> Self {
        Self {
            kind: kind.into(),
            id: id.into(),
        }
    }
}

impl<'a> From<&'a ObjectId> for Named<'a> {
    fn from(object: &'a ObjectId) -> Self {
        Self::new(&*object.kind, &*object.id)
    }
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.id)
    }
}

/// An object by numbers. Equal ones are the same object: an id that the first tuples know is never held as another's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place<'a> {
    pub(crate) kind: u16,
    pub(crate) id: Id<'a>,
}

/// An id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Id<'a> {
    /// Known to the tuples of this number.
    Stored(u8, Symbol),
    /// Known to no tuple.
    Text(Cow<'a, str>),
}

impl<'a> Id<'a> {
    pub(crate) fn new(text: &Cow<'a, str>, stores: &[&'a Store]) -> Self {
        let known = (0..)
            .zip(stores)
            .find_map(|(number, store)| Some(Self::Stored(number, store.symbol(text)?)));
        known.unwrap_or_else(|| Self::Text(text.clone()))
    }

    /// The id of a tuple's end.
    pub(crate) fn of_tuple(store: usize, symbol: Symbol, stores: &[&'a Store]) -> Self {
        match (store, stores.get(store)) {
            (0, _) | (_, None) => Self::Stored(0, symbol),
            (_, Some(store)) => Self::new(&Cow::Borrowed(store.text(symbol)), stores),
        }
    }

    pub(crate) fn text<'s>(&'s self, stores: &[&'s Store]) -> &'s str {
        match self {
            Self::Stored(number, symbol) => stores
                .get(usize::from(*number))
                .map_or("", |store| store.text(*symbol)),
            Self::Text(text) => text,
        }
    }

    /// The symbol that the tuples of a number have for it.
    pub(crate) fn symbol(&self, number: usize, stores: &[&Store]) -> Option<Symbol> {
        match self {
            Self::Stored(own, symbol) if usize::from(*own) == number => Some(*symbol),
            Self::Stored(..) => stores.get(number)?.symbol(self.text(stores)),
            Self::Text(_) => None,
        }
    }
}

impl Place<'_> {
    pub(crate) fn to_object(&self, schema: &RelationSchema, stores: &[&Store]) -> ObjectId {
        ObjectId {
            kind: schema.name_of(self.kind).clone(),
            id: self.id.text(stores).into(),
        }
    }
}

/// One step of a chain of relations.
#[derive(Clone, Debug)]
pub(crate) struct Step<'a> {
    pub(crate) object: Place<'a>,
    pub(crate) relation: u16,
    pub(crate) to: To<'a>,
}

/// Where a step leads.
#[derive(Clone, Debug)]
pub(crate) enum To<'a> {
    Asker,
    Everybody,
    Object(Place<'a>),
    /// Everybody who is so related to an object.
    Set(Place<'a>, u16),
}

/// A chain of relations from an object to whoever asks, the object first. Its words are made when they are read.
#[derive(Clone)]
pub struct Path<'a> {
    pub(super) schema: &'a RelationSchema,
    pub(super) stores: Stores<'a>,
    pub(super) subject: Named<'a>,
    pub(super) steps: SmallVec<[Step<'a>; 4]>,
}

impl Path<'_> {
    /// Each step as `TYPE:ID#RELATION@SUBJECT`.
    pub fn to_steps(&self) -> Vec<String> {
        self.steps.iter().map(|step| self.word(step)).collect()
    }

    fn word(&self, step: &Step<'_>) -> String {
        let object = step.object.to_object(self.schema, &self.stores);
        let relation = self.schema.name_of(step.relation);
        let whole = |place: &Place<'_>| place.to_object(self.schema, &self.stores);
        match &step.to {
            To::Asker => format!("{object}#{relation}@{}", self.subject),
            To::Everybody => format!("{object}#{relation}@{}:*", self.subject.kind),
            To::Object(place) => format!("{object}#{relation}@{}", whole(place)),
            To::Set(place, of) => {
                let of = self.schema.name_of(*of);
                format!("{object}#{relation}@{}#{of}", whole(place))
            }
        }
    }
}

impl fmt::Debug for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.to_steps()).finish()
    }
}
