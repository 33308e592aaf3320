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

use std::sync::Arc;

use bailiwick_core::Str;
use bailiwick_model::Snapshot;
use hashbrown::HashMap;

pub use schema::{RelationSchema, SchemaError};
pub use search::{Found, SearchError};
pub use store::StoreSize;
pub use tuple::{ObjectId, Subject, Tuple, TupleError};

pub(crate) use check::{Answer, Asker};
use check::{Check, Stores};
pub(crate) use path::Named;
pub use path::Path;
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
    pub(crate) fn check<'a>(
        &'a self,
        asker: Asker<'a>,
        object: Named<'a>,
        action: &str,
        snapshot: &'a Snapshot,
        namespace: Option<&str>,
    ) -> Answer<'a> {
        match self.schema.action(&object.kind, action) {
            Some(relation) => {
                let stores = self.stores(namespace);
                Check::new(&self.schema, stores, snapshot, asker).run(object, relation)
            }
            None => Answer::No,
        }
    }

    /// Whether a namespace has tuples of its own.
    pub(crate) fn speaks(&self, namespace: &str) -> bool {
        self.namespaces.contains_key(namespace)
    }

    /// Whether the schema knows an action at all, which spares the rest.
    pub(crate) fn knows(&self, kind: &str, action: &str) -> bool {
        self.schema.action(kind, action).is_some()
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
        let actions = self.schema.actions(&object.kind);
        let allowed = |action: &&Str| {
            let answer = self.check(asker.clone(), object.into(), action, snapshot, None);
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
