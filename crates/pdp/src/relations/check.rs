use bailiwick_core::Str;
use bailiwick_model::Snapshot;
use hashbrown::HashSet;

use super::builtin;
use super::schema::{RelationSchema, Term};
use super::store::{ITSELF, Store};
use super::tuple::ObjectId;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    pub(crate) subject: &'a ObjectId,
    /// Groups that the subject carries: it is their `member`.
    pub(crate) groups: &'a [String],
}

/// The answer of the relations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Related, by these steps.
    Yes(Vec<String>),
    /// Not related.
    No,
    /// Too deep or too wide to be found out: not related as far as anybody can tell.
    Unclear(&'static str),
}

/// Steps from an object to a subject.
const DEEPEST: usize = 25;
/// Tuples looked at for one answer.
const MOST_STEPS: usize = 10_000;

pub(crate) struct Check<'a> {
    schema: &'a RelationSchema,
    stores: &'a [&'a Store],
    snapshot: &'a Snapshot,
    asker: &'a Asker<'a>,
    /// Questions that are being answered, or were answered with no.
    seen: HashSet<(ObjectId, Str)>,
    steps: usize,
    stopped: Option<&'static str>,
}

impl<'a> Check<'a> {
    pub(crate) fn new(
        schema: &'a RelationSchema,
        stores: &'a [&'a Store],
        snapshot: &'a Snapshot,
        asker: &'a Asker<'a>,
    ) -> Self {
        Self {
            schema,
            stores,
            snapshot,
            asker,
            seen: HashSet::new(),
            steps: 0,
            stopped: None,
        }
    }

    pub(crate) fn run(mut self, object: &ObjectId, relation: &Str) -> Answer {
        match (self.related(object, relation, 0), self.stopped) {
            (Some(mut path), _) => {
                path.reverse();
                Answer::Yes(path)
            }
            (None, Some(why)) => Answer::Unclear(why),
            (None, None) => Answer::No,
        }
    }

    /// The steps to the subject, the last first.
    fn related(&mut self, object: &ObjectId, relation: &Str, depth: usize) -> Option<Vec<String>> {
        if depth > DEEPEST {
            self.stopped = Some("relations nest deeper than 25 steps");
            return None;
        }
        let asker = self.asker;
        if &*object.kind == "group" && &**relation == "member" {
            let carries = asker.groups.iter().any(|group| **group == *object.id);
            if carries {
                return Some(vec![format!("{object}#member@{}", asker.subject)]);
            }
        }
        if let Some(path) = self.directly(object, relation) {
            return Some(path);
        }
        if !self.seen.insert((object.clone(), relation.clone())) {
            return None;
        }
        if builtin::is(&object.kind, relation) {
            return None;
        }
        let schema = self.schema;
        let ways = schema.terms(&object.kind, relation);
        ways.iter().find_map(|term| match term {
            Term::Direct(_) => self.through_subjects(object, relation, depth),
            Term::Same(other) => self.related(object, other, depth + 1),
            Term::From { relation, by } => self.through_objects(object, relation, by, depth),
        })
    }

    /// By a tuple that names the subject, or everybody of its type; or by what the cluster says.
    fn directly(&mut self, object: &ObjectId, relation: &Str) -> Option<Vec<String>> {
        self.step()?;
        let asker = self.asker;
        let everybody = ObjectId {
            kind: asker.subject.kind.clone(),
            id: "*".into(),
        };
        for subject in [asker.subject, &everybody] {
            if self.holds(object, relation, subject) {
                return Some(vec![format!("{object}#{relation}@{subject}")]);
            }
        }
        let found = builtin::related(object, relation, self.snapshot);
        found
            .contains(asker.subject)
            .then(|| vec![format!("{object}#{relation}@{}", asker.subject)])
    }

    fn holds(&self, object: &ObjectId, relation: &str, subject: &ObjectId) -> bool {
        let Some(relation) = self.schema.number_of(relation) else {
            return false;
        };
        self.stores.iter().any(|store| {
            let ends = store
                .node(self.schema, object)
                .zip(store.node(self.schema, subject));
            ends.is_some_and(|(object, subject)| store.holds(object, relation, subject))
        })
    }

    /// By tuples whose subjects stand for others, as `group:eng#member`.
    fn through_subjects(
        &mut self,
        object: &ObjectId,
        relation: &Str,
        depth: usize,
    ) -> Option<Vec<String>> {
        let number = self.schema.number_of(relation)?;
        for store in self.stores {
            let Some(node) = store.node(self.schema, object) else {
                continue;
            };
            for edge in store.subjects(node, number) {
                if edge.subject_relation() == ITSELF {
                    break;
                }
                self.step()?;
                let of = self.schema.name_of(edge.subject_relation());
                let subject = store.object(self.schema, edge.to());
                if let Some(mut path) = self.related(&subject, of, depth + 1) {
                    path.push(format!("{object}#{relation}@{subject}#{of}"));
                    return Some(path);
                }
            }
        }
        None
    }

    /// By a relation to objects that this one is related to.
    fn through_objects(
        &mut self,
        object: &ObjectId,
        relation: &Str,
        by: &Str,
        depth: usize,
    ) -> Option<Vec<String>> {
        let mut targets = builtin::related(object, by, self.snapshot);
        if let Some(number) = self.schema.number_of(by) {
            for store in self.stores {
                if let Some(node) = store.node(self.schema, object) {
                    let edges = store.subjects(node, number).iter();
                    let themselves = edges.filter(|edge| edge.subject_relation() == ITSELF);
                    let room = MOST_STEPS.saturating_sub(self.steps) + 1;
                    targets.extend(
                        themselves
                            .take(room)
                            .map(|edge| store.object(self.schema, edge.to())),
                    );
                }
            }
        }
        for target in targets {
            self.step()?;
            if let Some(mut path) = self.related(&target, relation, depth + 1) {
                path.push(format!("{object}#{by}@{target}"));
                return Some(path);
            }
        }
        None
    }

    fn step(&mut self) -> Option<()> {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            self.stopped = Some("more than 10,000 relations would have to be looked at");
            return None;
        }
        Some(())
    }
}
