//! Relations: who has what to do with which object, and what that allows.
//!
//! A [`RelationSchema`] names types, their relations and the actions that these allow; [`Tuple`]s say which relations
//! there are; the cluster's own are read from its objects ([`builtin`]).

mod builtin;
mod check;
mod path;
mod plan;
mod schema;
mod search;
mod store;
mod symbols;
mod tuple;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use bailiwick_core::Str;
use bailiwick_model::Snapshot;
use hashbrown::HashMap;

pub use schema::{RelationSchema, SchemaError};
pub use search::{Found, SearchError};
pub use store::StoreSize;
pub(crate) use tuple::Tuples;
pub use tuple::{ObjectId, Subject, Tuple, TupleError};

pub(crate) use check::{Answer, Asker};
use check::{Check, Stores};
pub(crate) use path::Named;
pub use path::Path;
pub(crate) use plan::Wanted;
use store::{Placed, Replaced, Store};
use tuple::Written;

/// The relations of the cluster's tier and of each namespace's.
///
/// A copy shares everything with the original; a change copies a thousandth of it.
#[derive(Clone, Debug, Default)]
pub struct Relations {
    schema: Arc<RelationSchema>,
    cluster: Arc<Store>,
    namespaces: HashMap<Str, Arc<Store>>,
    documents: Arc<Documents>,
}

/// The numbers by which tuples name the documents that say them.
#[derive(Clone, Debug, Default)]
struct Documents {
    by_place: HashMap<Place, u32>,
    last: u32,
}

/// Namespace (empty for the cluster's tier) and name of a document.
type Place = (Str, Str);

/// What a document says now; `None` where it is gone.
pub(crate) type Said<'a> = (&'a Place, Option<&'a Tuples>);

impl Relations {
    /// Relations without tuples.
    pub fn new(schema: RelationSchema) -> Self {
        Self {
            schema: Arc::new(schema),
            ..Self::default()
        }
    }

    /// The types and their relations.
    pub fn schema(&self) -> &RelationSchema {
        &self.schema
    }

    /// Adds tuples to the cluster's tier, or to a namespace's. Refuses all of them where the schema knows one of them
    /// not, or where one speaks of an object that does not lie in the namespace.
    pub fn extend(&mut self, namespace: &Str, tuples: &[Tuple]) -> Result<(), TupleError> {
        for tuple in tuples {
            accepts(&self.schema, namespace, &tuple.into())?;
        }
        let schema = Arc::clone(&self.schema);
        self.tier(namespace).extend(&schema, tuples);
        Ok(())
    }

    /// What documents say now, in place of what they have said. Where anything is wrong, everything stays as it was;
    /// the errors come with the place in `said` of the document that they are about.
    pub(crate) fn replace(&self, said: &[Said<'_>]) -> Result<Self, Vec<(usize, TupleError)>> {
        let mut wrong = Vec::new();
        let mut next = self.clone();
        let mut tiers: HashMap<&Str, Vec<(usize, &Said<'_>)>> = HashMap::new();
        for (at, one) in said.iter().enumerate() {
            tiers.entry(&one.0.0).or_default().push((at, one));
        }
        for (namespace, said) in tiers {
            let numbers = &self.documents.by_place;
            let known: Vec<u32> = said
                .iter()
                .filter_map(|(_, (place, _))| numbers.get(*place).copied())
                .collect();
            let before = match self.store(namespace) {
                Some(store) => store.said_by(&known),
                None => BTreeMap::new(),
            };
            let mut replaced = Vec::with_capacity(said.len());
            for (at, (place, tuples)) in said {
                let document = next.number_of(place, tuples.is_some());
                let (now, refused) = next.place(namespace, *tuples);
                wrong.extend(refused.into_iter().map(|error| (at, error)));
                replaced.push(Replaced {
                    document,
                    before: before.get(&document).map_or(&[][..], Vec::as_slice),
                    now,
                });
            }
            next.tier(namespace).replace(replaced);
            if !namespace.is_empty() && next.tier(namespace).len() == 0 {
                next.namespaces.remove(namespace);
            }
        }
        wrong.sort_by_key(|(at, _)| *at);
        if wrong.is_empty() {
            Ok(next)
        } else {
            Err(wrong)
        }
    }

    /// Tuples by their numbers, and what is wrong with others.
    fn place(
        &mut self,
        namespace: &Str,
        tuples: Option<&Tuples>,
    ) -> (Vec<Placed>, Vec<TupleError>) {
        let schema = Arc::clone(&self.schema);
        let tier = self.tier(namespace);
        let (mut placed, mut wrong) = (Vec::new(), Vec::new());
        for text in tuples.into_iter().flat_map(Tuples::iter) {
            let accepted = Written::read(text)
                .and_then(|tuple| accepts(&schema, namespace, &tuple).map(|()| tuple));
            match accepted {
                Ok(tuple) => placed.push(tier.placed(&schema, &tuple)),
                Err(error) => wrong.push(error),
            }
        }
        (placed, wrong)
    }

    /// The same tuples under another schema, or those that it does not accept, each with its document.
    pub(crate) fn with_schema(
        &self,
        schema: RelationSchema,
        without: &[&Place],
    ) -> Result<Self, Vec<(Place, TupleError)>> {
        let places: HashMap<u32, &Place> = self
            .documents
            .by_place
            .iter()
            .map(|(place, number)| (*number, place))
            .collect();
        let nowhere = (Str::default(), Str::default());
        let mut next = Self::new(schema);
        let schema = Arc::clone(&next.schema);
        next.documents = Arc::clone(&self.documents);
        let mut wrong = Vec::new();
        let tiers = self
            .namespaces
            .iter()
            .map(|(name, store)| (name.clone(), store));
        for (namespace, store) in tiers.chain([(Str::default(), &self.cluster)]) {
            let mut said: HashMap<u32, Vec<Placed>> = HashMap::new();
            for (number, tuple) in store.tuples(&self.schema) {
                let place = places.get(&number).copied().unwrap_or(&nowhere);
                if without.contains(&place) {
                    continue;
                }
                let tuple = Written::from(&tuple);
                match accepts(&schema, &namespace, &tuple) {
                    Ok(()) => {
                        let placed = next.tier(&namespace).placed(&schema, &tuple);
                        said.entry(number).or_default().push(placed);
                    }
                    Err(error) => wrong.push((place.clone(), error)),
                }
            }
            if !said.is_empty() {
                let replaced = said.into_iter().map(|(document, now)| Replaced {
                    document,
                    before: &[],
                    now,
                });
                next.tier(&namespace).replace(replaced);
            }
        }
        if wrong.is_empty() {
            Ok(next)
        } else {
            Err(wrong)
        }
    }

    /// The number of a document. One that is gone gives its number back to nobody.
    fn number_of(&mut self, place: &Place, there: bool) -> u32 {
        let known = self.documents.by_place.get(place).copied();
        if known.is_some() && there {
            return known.unwrap_or_default();
        }
        let documents = Arc::make_mut(&mut self.documents);
        if !there {
            return documents.by_place.remove(place).unwrap_or(u32::MAX);
        }
        documents.last += 1;
        documents.by_place.insert(place.clone(), documents.last);
        documents.last
    }

    fn store(&self, namespace: &Str) -> Option<&Store> {
        if namespace.is_empty() {
            return Some(&self.cluster);
        }
        self.namespaces.get(namespace).map(|store| &**store)
    }

    /// Takes a tuple away; says whether it was there.
    pub fn remove(&mut self, namespace: &Str, tuple: &Tuple) -> bool {
        let schema = Arc::clone(&self.schema);
        self.tier(namespace).remove(&schema, tuple)
    }

    fn tier(&mut self, namespace: &Str) -> &mut Store {
        Arc::make_mut(if namespace.is_empty() {
            &mut self.cluster
        } else {
            self.namespaces.entry(namespace.clone()).or_default()
        })
    }

    /// Number of tuples.
    pub fn len(&self) -> usize {
        self.cluster.len()
            + self
                .namespaces
                .values()
                .map(|store| store.len())
                .sum::<usize>()
    }

    /// Whether there is no tuple.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How much memory the cluster's tier takes.
    pub fn size(&self) -> StoreSize {
        self.cluster.size()
    }

    /// Whether whoever asks is related to an object as wanted. `namespace`: whose tuples count beside the cluster's.
    pub(crate) fn check<'a>(
        &'a self,
        asker: Asker<'a>,
        object: &Cow<'a, str>,
        wanted: Wanted,
        snapshot: &'a Snapshot,
        namespace: Option<&str>,
    ) -> Answer<'a> {
        let stores = self.stores(namespace);
        Check::new(&self.schema, stores, snapshot, asker, object, wanted).run()
    }

    /// Whether a namespace has tuples of its own.
    pub(crate) fn speaks(&self, namespace: &str) -> bool {
        self.namespaces.contains_key(namespace)
    }

    /// What an action asks for; `None` where the schema does not know it, which spares the rest.
    pub(crate) fn wanted(&self, kind: &str, action: &str) -> Option<Wanted> {
        self.schema.wanted(kind, action)
    }

    /// Whether the schema knows a type, which spares the rest.
    pub(crate) fn knows_type(&self, kind: &str) -> bool {
        self.schema.is_type(kind)
    }

    /// Whether the schema knows a resource of the Kubernetes API.
    pub(crate) fn knows_resource(&self, group: &str, resource: &str) -> bool {
        self.schema.is_resource(group, resource)
    }

    fn stores(&self, namespace: Option<&str>) -> Stores<'_> {
        let own = namespace.and_then(|namespace| self.namespaces.get(namespace));
        [&self.cluster]
            .into_iter()
            .chain(own)
            .map(|store| &**store)
            .collect()
    }

    /// The objects of a type on which a subject may do an action, sorted by id.
    pub fn objects(
        &self,
        subject: &ObjectId,
        groups: &[String],
        action: &str,
        kind: &str,
        snapshot: &Snapshot,
    ) -> Result<Found, SearchError> {
        let asker = Asker {
            subject: subject.into(),
            groups,
        };
        search::objects(&self.schema, &self.cluster, snapshot, &asker, action, kind)
    }

    /// The subjects of a type that may do an action on an object, sorted by id. Groups are subjects of their own:
    /// their members are known only to whoever issues credentials.
    pub fn subjects(
        &self,
        object: &ObjectId,
        action: &str,
        kind: &str,
        snapshot: &Snapshot,
    ) -> Result<Found, SearchError> {
        search::subjects(&self.schema, &self.cluster, snapshot, object, action, kind)
    }

    /// The actions that a subject may do on an object, sorted.
    pub fn actions(
        &self,
        subject: &ObjectId,
        groups: &[String],
        object: &ObjectId,
        snapshot: &Snapshot,
    ) -> Vec<Str> {
        let asker = Asker {
            subject: subject.into(),
            groups,
        };
        let id = Cow::Borrowed(&*object.id);
        let allowed = |action: &&Str| {
            self.wanted(&object.kind, action).is_some_and(|wanted| {
                let answer = self.check(asker.clone(), &id, wanted, snapshot, None);
                matches!(answer, Answer::Yes(_))
            })
        };
        let actions = self.schema.actions(&object.kind);
        let actions = actions.map(|(action, _)| action);
        actions.filter(allowed).cloned().collect()
    }
}

/// Whether a tier may hold a tuple.
fn accepts(
    schema: &RelationSchema,
    namespace: &Str,
    tuple: &Written<'_>,
) -> Result<(), TupleError> {
    schema.accepts(tuple)?;
    if namespace.is_empty() || lies_in(tuple, namespace) {
        return Ok(());
    }
    Err(TupleError::Elsewhere {
        tuple: tuple.to_string(),
        namespace: namespace.to_string(),
    })
}

/// Whether an object's id is that of something in the namespace, or of the namespace itself.
fn lies_in(tuple: &Written<'_>, namespace: &str) -> bool {
    match tuple.id.split_once('/') {
        Some((own, name)) => own == namespace && !name.is_empty(),
        None => tuple.kind == "namespaces" && tuple.id == namespace,
    }
}

#[cfg(test)]
mod tests;
