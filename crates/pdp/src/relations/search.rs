use std::borrow::Cow;
use std::collections::BTreeSet;

use bailiwick_core::Str;
use bailiwick_model::Snapshot;
use hashbrown::HashSet;

use super::builtin;
use super::check::{Answer, Asker, Check, Stores};
use super::path::Named;
use super::schema::{RelationSchema, Term};
use super::store::{ITSELF, Store};
use super::tuple::ObjectId;

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Ids, sorted, each once.
    pub ids: Vec<Str>,
    /// Whether every one of the type is related, by a tuple with `*`: then `ids` holds those that are related beside.
    pub everybody: bool,
}

/// A search that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the search looked at {MOST_STEPS} relations and did not come to an end: ask for less")]
pub struct SearchError;

/// Relations looked at by one search.
const MOST_STEPS: usize = 1_000_000;

/// From the subject along everything that it is related to, each place once.
pub(super) fn objects(
    schema: &RelationSchema,
    store: &Store,
    snapshot: &Snapshot,
    asker: &Asker<'_>,
    action: &str,
    kind: &str,
) -> Result<Found, SearchError> {
    let Some(wanted) = schema.wanted(kind, action) else {
        return Ok(Found::default());
    };
    let allowing = schema.name_of(wanted.relation);
    let mut walk = Walk {
        schema,
        store,
        snapshot,
        seen: HashSet::new(),
        open: Vec::new(),
        left: MOST_STEPS,
    };
    let Named { kind: own, id } = &asker.subject;
    walk.reach(ObjectId::new(own, id), None);
    walk.reach(ObjectId::new(own, "*"), None);
    for group in asker.groups {
        walk.reach(ObjectId::new("group", group), Some("member".into()));
    }
    let mut candidates = BTreeSet::new();
    while let Some((object, relation)) = walk.open.pop() {
        if &*object.kind == kind && relation.as_ref() == Some(allowing) {
            candidates.insert(object.id.clone());
        }
        walk.on(&object, relation.as_ref())?;
    }
    // What was found by way of what the cluster says is asked for once more, so that every result is an answer.
    let related = |id: &Str| {
        let stores = Stores::from_slice(&[store]);
        let object = Cow::Borrowed(&**id);
        let check = Check::new(schema, stores, snapshot, asker.clone(), &object, wanted);
        matches!(check.run(), Answer::Yes(_))
    };
    let ids = candidates.iter().filter(|id| related(id)).cloned();
    Ok(Found {
        ids: ids.collect(),
        everybody: false,
    })
}

/// Somebody, or everybody who is so related to something.
type Place = (ObjectId, Option<Str>);

struct Walk<'a> {
    schema: &'a RelationSchema,
    store: &'a Store,
    snapshot: &'a Snapshot,
    seen: HashSet<Place>,
    open: Vec<Place>,
    left: usize,
}

impl Walk<'_> {
    fn reach(&mut self, object: ObjectId, relation: Option<Str>) {
        let place = (object, relation);
        if self.seen.insert(place.clone()) {
            self.open.push(place);
        }
    }

    fn step(&mut self) -> Result<(), SearchError> {
        self.left = self.left.checked_sub(1).ok_or(SearchError)?;
        Ok(())
    }

    /// Everything that whoever is at this place is related to, one step on.
    fn on(&mut self, object: &ObjectId, relation: Option<&Str>) -> Result<(), SearchError> {
        let own = relation.map_or(Some(ITSELF), |relation| self.schema.number_of(relation));
        let node = self.store.node(self.schema, object);
        if let Some((node, own)) = node.zip(own) {
            for edge in self.store.objects(node) {
                self.step()?;
                if edge.subject_relation() == own {
                    let to = self.store.object(self.schema, edge.to());
                    self.reach(to, Some(self.schema.name_of(edge.relation()).clone()));
                }
            }
        }
        let schema = self.schema;
        for (kind, name, term) in schema.all_terms() {
            self.step()?;
            match (term, relation) {
                (Term::Same(other), Some(relation))
                    if other == relation && *kind == object.kind =>
                {
                    self.reach(object.clone(), Some(name.clone()));
                }
                (
                    Term::From {
                        relation: other,
                        by,
                    },
                    Some(relation),
                ) if other == relation => {
                    self.back(kind, name, by, object)?;
                }
                // A subject stands at the end of what the cluster says: `pods#node@nodes:n1`.
                (Term::Same(other), None) if builtin::is(kind, other) => {
                    for found in builtin::relating(kind, other, object, self.snapshot) {
                        self.step()?;
                        self.reach(found, Some(other.clone()));
                    }
                }
                (
                    Term::From {
                        relation: other,
                        by,
                    },
                    None,
                ) => {
                    self.through_cluster(kind, name, other, by, object)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Objects of a type that are related, in the way `by`, to this one.
    fn back(&mut self, kind: &Str, name: &Str, by: &Str, to: &ObjectId) -> Result<(), SearchError> {
        let mut found = builtin::relating(kind, by, to, self.snapshot);
        let numbers = self.schema.number_of(by).zip(self.schema.number_of(kind));
        if let Some(((by, kind), node)) = numbers.zip(self.store.node(self.schema, to)) {
            for edge in self.store.objects(node) {
                let fits = edge.relation() == by
                    && edge.subject_relation() == ITSELF
                    && edge.to().kind == kind;
                if fits {
                    found.push(self.store.object(self.schema, edge.to()));
                }
            }
        }
        for object in found {
            self.step()?;
            self.reach(object, Some(name.clone()));
        }
        Ok(())
    }

    /// `member from label`, where the cluster says who the member is: two steps that no tuple names.
    fn through_cluster(
        &mut self,
        kind: &Str,
        name: &Str,
        relation: &Str,
        by: &Str,
        subject: &ObjectId,
    ) -> Result<(), SearchError> {
        for &between in builtin::leads_to(kind, by) {
            for object in builtin::relating(between, relation, subject, self.snapshot) {
                self.back(kind, name, by, &object)?;
            }
        }
        Ok(())
    }
}

/// From the object along everybody who is related to it.
pub(super) fn subjects(
    schema: &RelationSchema,
    store: &Store,
    snapshot: &Snapshot,
    object: &ObjectId,
    action: &str,
    kind: &str,
) -> Result<Found, SearchError> {
    let Some(wanted) = schema.action(&object.kind, action) else {
        return Ok(Found::default());
    };
    let mut found = BTreeSet::new();
    let mut seen: HashSet<(ObjectId, Str)> = HashSet::new();
    let mut open = vec![(object.clone(), wanted.clone())];
    let mut left = MOST_STEPS;
    while let Some((object, relation)) = open.pop() {
        if !seen.insert((object.clone(), relation.clone())) {
            continue;
        }
        if kind == "group" && &*object.kind == "group" && &*relation == "member" {
            found.insert(object.id.clone());
        }
        let mut ends = builtin::related(&object, &relation, snapshot);
        let node = store.node(schema, &object).zip(schema.number_of(&relation));
        for edge in node.map_or(&[][..], |(node, relation)| {
            store.edges(node.id, node.kind, relation)
        }) {
            left = left.checked_sub(1).ok_or(SearchError)?;
            let end = store.object(schema, edge.to());
            match edge.subject_relation() {
                ITSELF => ends.push(end),
                relation => open.push((end, schema.name_of(relation).clone())),
            }
        }
        found.extend(
            ends.into_iter()
                .filter(|end| &*end.kind == kind)
                .map(|end| end.id),
        );
        for term in schema.terms(&object.kind, &relation) {
            match term {
                Term::Direct(_) => {}
                Term::Same(other) => open.push((object.clone(), other.clone())),
                Term::From { relation, by } => {
                    let mut targets = builtin::related(&object, by, snapshot);
                    let node = store.node(schema, &object).zip(schema.number_of(by));
                    for edge in
                        node.map_or(&[][..], |(node, by)| store.edges(node.id, node.kind, by))
                    {
                        left = left.checked_sub(1).ok_or(SearchError)?;
                        if edge.subject_relation() == ITSELF {
                            targets.push(store.object(schema, edge.to()));
                        }
                    }
                    open.extend(targets.into_iter().map(|target| (target, relation.clone())));
                }
            }
        }
    }
    let everybody = found.remove("*");
    Ok(Found {
        ids: found.into_iter().collect(),
        everybody,
    })
}
