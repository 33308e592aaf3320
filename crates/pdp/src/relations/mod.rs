//! Relations: who has what to do with which object, and what that allows.
//!
//! A [`RelationSchema`] names types, their relations and the actions that these allow; [`Tuple`]s say which relations
//! there are; the cluster's own are read from its objects ([`builtin`]).

mod builtin;
mod check;
mod schema;
mod search;
mod store;
mod symbols;
mod tuple;

use std::sync::Arc;

use bailiwick_core::Str;
use bailiwick_model::Snapshot;
use hashbrown::HashMap;

pub use schema::{RelationSchema, SchemaError};
pub use search::{Found, SearchError};
pub use store::StoreSize;
pub use tuple::{ObjectId, Subject, Tuple, TupleError};

pub(crate) use check::{Answer, Asker};
use store::Store;

/// The relations of the cluster's tier and of each namespace's.
///
/// A copy shares everything with the original; a change copies a thousandth of it.
#[derive(Clone, Debug, Default)]
pub struct Relations {
    schema: Arc<RelationSchema>,
    cluster: Store,
    namespaces: HashMap<Str, Store>,
}

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
            self.schema.accepts(tuple)?;
            if !namespace.is_empty() && !lies_in(&tuple.object, namespace) {
                return Err(TupleError::Elsewhere {
                    tuple: tuple.to_string(),
                    namespace: namespace.to_string(),
                });
            }
        }
        let schema = Arc::clone(&self.schema);
        self.tier(namespace).extend(&schema, tuples);
        Ok(())
    }

    /// Takes a tuple away; says whether it was there.
    pub fn remove(&mut self, namespace: &Str, tuple: &Tuple) -> bool {
        let schema = Arc::clone(&self.schema);
        self.tier(namespace).remove(&schema, tuple)
    }

    fn tier(&mut self, namespace: &Str) -> &mut Store {
        if namespace.is_empty() {
            &mut self.cluster
        } else {
            self.namespaces.entry(namespace.clone()).or_default()
        }
    }

    /// Number of tuples.
    pub fn len(&self) -> usize {
        self.cluster.len() + self.namespaces.values().map(Store::len).sum::<usize>()
    }

    /// Whether there is no tuple.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How much memory the cluster's tier takes.
    pub fn size(&self) -> StoreSize {
        self.cluster.size()
    }

    /// Whether a relation allows an action. `namespace`: whose tuples count beside the cluster's.
    pub(crate) fn check(
        &self,
        asker: &Asker<'_>,
        object: &ObjectId,
        action: &str,
        snapshot: &Snapshot,
        namespace: Option<&str>,
    ) -> Answer {
        let Some(relation) = self.schema.action(&object.kind, action) else {
            return Answer::No;
        };
        let stores = self.stores(namespace);
        check::Check::new(&self.schema, &stores, snapshot, asker).run(object, relation)
    }

    /// Whether a namespace has tuples of its own.
    pub(crate) fn speaks(&self, namespace: &str) -> bool {
        self.namespaces.contains_key(namespace)
    }

    /// Whether the schema knows an action at all, which spares the rest.
    pub(crate) fn knows(&self, kind: &str, action: &str) -> bool {
        self.schema.action(kind, action).is_some()
    }

    /// Whether nothing can be allowed by a relation.
    pub(crate) fn says_nothing(&self) -> bool {
        self.schema.is_empty()
    }

    fn stores(&self, namespace: Option<&str>) -> Vec<&Store> {
        let own = namespace.and_then(|namespace| self.namespaces.get(namespace));
        std::iter::once(&self.cluster).chain(own).collect()
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
        let asker = Asker { subject, groups };
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
        let asker = Asker { subject, groups };
        let actions = self.schema.actions(&object.kind);
        let allowed = |action: &&Str| {
            let answer = self.check(&asker, object, action, snapshot, None);
            matches!(answer, Answer::Yes(_))
        };
        actions.filter(allowed).cloned().collect()
    }
}

/// Whether an object's id is that of something in the namespace, or of the namespace itself.
fn lies_in(object: &ObjectId, namespace: &str) -> bool {
    match object.id.split_once('/') {
        Some((own, name)) => own == namespace && !name.is_empty(),
        None => &*object.kind == "namespaces" && &*object.id == namespace,
    }
}

#[cfg(test)]
mod tests;
