//! The documents in force, and what changing some of them changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bailiwick_core::Str;
use hashbrown::{HashMap, HashSet};

use crate::delegations::Delegation;
use crate::documents::{Document, DocumentProblem, problem, schema_of};
use crate::kind::{DocumentId, DocumentKind};
use crate::policies::{Compiled, Language, Policies};
use crate::relations::{Relations, Tuples};
use crate::revision::{Digest, Sum};
use crate::revocations::Revocation;
use crate::specs::SchemaSpec;

/// Makes documents ready to be put in force: whatever can be checked of one alone, which is most of the work, and needs
/// no state.
#[derive(Clone, Debug)]
pub struct Compiler(Language);

/// A document that is right in itself.
#[derive(Clone, Debug)]
pub struct Prepared {
    id: DocumentId,
    digest: Digest,
    part: Part,
}

#[derive(Clone, Debug)]
enum Part {
    Policies(Compiled),
    Schema(SchemaSpec),
    Relations(Tuples),
    Delegation(Delegation),
    Revocation(Revocation),
}

impl Compiler {
    /// Reads the schema of policies.
    pub fn new() -> Result<Self, DocumentProblem> {
        let made = Language::new();
        made.map(Self)
            .map_err(|error| problem("policies", error.to_string()))
    }

    /// No policies yet. What is prepared here can be added to these alone.
    pub fn policies(&self) -> Policies {
        Policies::new(&self.0)
    }

    /// Checks a document, or says everything that is wrong with it.
    pub fn prepare(&self, document: &Document) -> Result<Prepared, Vec<DocumentProblem>> {
        let id = document.id();
        let title = id.to_string();
        let part = match document {
            Document::Policies(policies) => {
                let compiled = self.0.compile(policies).map_err(|problems| {
                    let placed = |found: crate::PolicyProblem| DocumentProblem {
                        document: title.clone(),
                        message: found.to_string(),
                        span: found.span,
                    };
                    problems.into_iter().map(placed).collect::<Vec<_>>()
                })?;
                Part::Policies(compiled)
            }
            Document::Schema(_, spec) => Part::Schema(spec.clone()),
            Document::Relations { tuples, .. } => {
                let wrong = |error: crate::TupleError| problem(&title, error.to_string());
                let read = Tuples::read(tuples)
                    .map_err(|errors| errors.into_iter().map(wrong).collect::<Vec<_>>());
                Part::Relations(read?)
            }
            Document::Delegation(delegation) => Part::Delegation(delegation.clone()),
            Document::Revocation(revocation) => Part::Revocation(revocation.clone()),
        };
        Ok(Prepared {
            digest: Digest::of(document),
            id,
            part,
        })
    }
}

impl Prepared {
    /// Which document.
    pub fn id(&self) -> &DocumentId {
        &self.id
    }
}

/// Documents to put in force, in place of those of their names, and others to take out.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// Those that are there now.
    pub put: Vec<Prepared>,
    /// Those that are gone. What is put as well stays.
    pub remove: Vec<DocumentId>,
}

impl Edit {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.remove.is_empty()
    }
}

/// One part of a state that changes.
#[derive(Clone, Debug)]
pub(crate) enum PartChange {
    Policies(Compiled),
    NoPolicies(Str, Str),
    Relations(Arc<Relations>),
    Delegation(Delegation),
    NoDelegation(Str),
    Revocation(Revocation),
    NoRevocation(Str),
}

/// The documents in force.
#[derive(Clone, Debug, Default)]
pub(crate) struct Set {
    in_force: HashMap<DocumentId, Digest>,
    schemas: BTreeMap<Str, SchemaSpec>,
    sum: Sum,
}

impl Set {
    pub(crate) fn sum(&self) -> Sum {
        self.sum
    }

    pub(crate) fn has(&self, id: &DocumentId) -> bool {
        self.in_force.contains_key(id)
    }

    /// Names what is in force of a document.
    pub(crate) fn version(&self, id: &DocumentId) -> Option<String> {
        self.in_force.get(id).map(|digest| digest.name())
    }

    pub(crate) fn len(&self) -> usize {
        self.in_force.len()
    }

    /// Makes an edit, all of it or nothing. `relations` are those in force.
    pub(crate) fn edit(
        &mut self,
        relations: &Relations,
        edit: Edit,
    ) -> Result<Vec<PartChange>, Vec<DocumentProblem>> {
        let Edit { put, mut remove } = edit;
        let mut problems = repeated(&put);
        let kept: HashSet<DocumentId> = put.iter().map(|document| document.id.clone()).collect();
        remove.retain(|id| !kept.contains(id) && self.has(id));
        let schemas = self.schemas_after(&put, &remove);
        let relations = related(relations, schemas.as_ref(), &put, &remove);
        let relations = relations.unwrap_or_else(|wrong| {
            problems.extend(wrong);
            None
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        self.schemas = schemas.unwrap_or_else(|| std::mem::take(&mut self.schemas));
        let mut changes: Vec<PartChange> =
            relations.map(PartChange::Relations).into_iter().collect();
        for id in remove {
            if let Some(old) = self.in_force.remove(&id) {
                self.sum.remove(old);
            }
            changes.extend(gone(id));
        }
        for Prepared { id, digest, part } in put {
            self.sum.add(digest);
            if let Some(old) = self.in_force.insert(id, digest) {
                self.sum.remove(old);
            }
            changes.extend(there(part));
        }
        Ok(changes)
    }

    /// The schemas where the edit changes them.
    fn schemas_after(
        &self,
        put: &[Prepared],
        remove: &[DocumentId],
    ) -> Option<BTreeMap<Str, SchemaSpec>> {
        let mut schemas = self.schemas.clone();
        for id in remove
            .iter()
            .filter(|id| id.kind == DocumentKind::RelationSchema)
        {
            schemas.remove(&id.name);
        }
        for document in put {
            if let Part::Schema(spec) = &document.part {
                schemas.insert(document.id.name.clone(), spec.clone());
            }
        }
        (schemas != self.schemas).then_some(schemas)
    }
}

/// Two documents of a kind cannot have one name: the second would silently take the place of the first.
fn repeated(put: &[Prepared]) -> Vec<DocumentProblem> {
    let mut ids: Vec<&DocumentId> = put.iter().map(|document| &document.id).collect();
    ids.sort_unstable();
    let groups = ids.chunk_by(|a, b| a == b);
    let repeated = groups.filter_map(|group| match group {
        [id, _, ..] => {
            let message = format!("{} documents have this kind and name", group.len());
            Some(problem(&id.to_string(), message))
        }
        _ => None,
    });
    repeated.collect()
}

/// The relations after an edit; `None` where it does not touch them.
fn related(
    now: &Relations,
    schemas: Option<&BTreeMap<Str, SchemaSpec>>,
    put: &[Prepared],
    remove: &[DocumentId],
) -> Result<Option<Arc<Relations>>, Vec<DocumentProblem>> {
    let is = |id: &DocumentId| {
        matches!(
            id.kind,
            DocumentKind::Relations | DocumentKind::ClusterRelations
        )
    };
    let mut said: Vec<(&DocumentId, Option<&Tuples>)> = Vec::new();
    said.extend(remove.iter().filter(|id| is(id)).map(|id| (id, None)));
    for document in put {
        if let Part::Relations(tuples) = &document.part {
            said.push((&document.id, Some(tuples)));
        }
    }
    let places: Vec<(Str, Str)> = said
        .iter()
        .map(|(id, _)| (id.namespace.clone(), id.name.clone()))
        .collect();
    let mut next = None;
    if let Some(schemas) = schemas {
        let schema = schema_of(schemas)?;
        let touched: Vec<&(Str, Str)> = places.iter().collect();
        let moved = now.with_schema(schema, &touched).map_err(|wrong| {
            let told = |((namespace, name), error): ((Str, Str), crate::TupleError)| {
                problem(
                    &relations_id(namespace, name).to_string(),
                    error.to_string(),
                )
            };
            wrong.into_iter().map(told).collect::<Vec<_>>()
        })?;
        next = Some(moved);
    }
    if !said.is_empty() {
        let with_places: Vec<_> = places
            .iter()
            .zip(&said)
            .map(|(place, (_, tuples))| (place, *tuples))
            .collect();
        let replaced = next.as_ref().unwrap_or(now).replace(&with_places);
        next = Some(replaced.map_err(|wrong| {
            let told = |(at, error): (usize, crate::TupleError)| {
                let title = said.get(at).map(|(id, _)| id.to_string());
                problem(&title.unwrap_or_default(), error.to_string())
            };
            wrong.into_iter().map(told).collect::<Vec<_>>()
        })?);
    }
    Ok(next.map(Arc::new))
}

fn relations_id(namespace: Str, name: Str) -> DocumentId {
    let kind = if namespace.is_empty() {
        DocumentKind::ClusterRelations
    } else {
        DocumentKind::Relations
    };
    DocumentId {
        kind,
        namespace,
        name,
    }
}

/// What putting a document changes beside schema and relations.
fn there(part: Part) -> Option<PartChange> {
    match part {
        Part::Policies(compiled) => Some(PartChange::Policies(compiled)),
        Part::Delegation(delegation) => Some(PartChange::Delegation(delegation)),
        Part::Revocation(revocation) => Some(PartChange::Revocation(revocation)),
        Part::Schema(_) | Part::Relations(_) => None,
    }
}

fn gone(id: DocumentId) -> Option<PartChange> {
    match id.kind {
        DocumentKind::ClusterPolicy | DocumentKind::Policy => {
            Some(PartChange::NoPolicies(id.namespace, id.name))
        }
        DocumentKind::Delegation => Some(PartChange::NoDelegation(id.name)),
        DocumentKind::Revocation => Some(PartChange::NoRevocation(id.name)),
        DocumentKind::RelationSchema | DocumentKind::ClusterRelations | DocumentKind::Relations => {
            None
        }
    }
}
