use std::borrow::Cow;

use bailiwick_model::Snapshot;
use hashbrown::HashSet;
use smallvec::SmallVec;

use super::builtin;
use super::path::{Id, Named, Path, Place, Step, To};
use super::plan::{Planned, Wanted, Way};
use super::schema::RelationSchema;
use super::store::{Edge, ITSELF, Node, Store};
use super::symbols::Symbol;
use super::tuple::ObjectId;

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Asker<'a> {
    pub(crate) subject: Named<'a>,
    /// Groups that the subject carries: it is their `member`.
    pub(crate) groups: &'a [String],
}

/// The answer of the relations.
#[derive(Clone, Debug)]
pub(crate) enum Answer<'a> {
    /// Related, by these steps.
    Yes(Box<Path<'a>>),
    /// Not related.
    No,
    /// Too deep or too wide to be found out: not related as far as anybody can tell.
    Unclear(&'static str),
}

/// The tuples that count: the cluster's, and those of one namespace.
pub(crate) type Stores<'a> = SmallVec<[&'a Store; 2]>;

/// Steps from an object to a subject.
const DEEPEST: usize = 25;
/// Tuples looked at for one answer.
const MOST_STEPS: usize = 10_000;

pub(crate) struct Check<'a> {
    schema: &'a RelationSchema,
    stores: Stores<'a>,
    snapshot: &'a Snapshot,
    asker: Asker<'a>,
    /// `None` where the schema does not know the asker's type: then no tuple names it.
    subject: Option<Place<'a>>,
    object: Place<'a>,
    /// The relation to it that is asked for.
    wanted: u16,
    seen: Seen<(Place<'a>, u16)>,
    steps: usize,
    stopped: Option<&'static str>,
}

/// The steps to the subject, the last first.
type Found<'a> = SmallVec<[Step<'a>; 4]>;

impl<'a> Check<'a> {
    pub(crate) fn new(
        schema: &'a RelationSchema,
        stores: Stores<'a>,
        snapshot: &'a Snapshot,
        asker: Asker<'a>,
        object: &Cow<'a, str>,
        wanted: Wanted,
    ) -> Self {
        let kind = schema.number_of(&asker.subject.kind);
        // One right after the other, because the processor overlaps lookups that do not wait for each other.
        let [subject, object] = [&asker.subject.id, object].map(|id| Id::new(id, &stores));
        Self {
            schema,
            stores,
            snapshot,
            asker,
            subject: kind.map(|kind| Place { kind, id: subject }),
            object: Place {
                kind: wanted.kind,
                id: object,
            },
            wanted: wanted.relation,
            seen: Seen::default(),
            steps: 0,
            stopped: None,
        }
    }

    pub(crate) fn run(mut self) -> Answer<'a> {
        let object = self.object.clone();
        let found = self.related(&object, self.wanted, 0);
        match (found, self.stopped) {
            (Some(mut steps), _) => {
                steps.reverse();
                Answer::Yes(Box::new(Path {
                    schema: self.schema,
                    stores: self.stores,
                    subject: self.asker.subject,
                    steps,
                }))
            }
            (None, Some(why)) => Answer::Unclear(why),
            (None, None) => Answer::No,
        }
    }

    fn related(&mut self, object: &Place<'a>, relation: u16, depth: usize) -> Option<Found<'a>> {
        if depth > DEEPEST {
            self.stopped = Some("relations nest deeper than 25 steps");
            return None;
        }
        let plan = self.schema.plan();
        if plan.is_membership(object.kind, relation) {
            let id = object.id.text(&self.stores);
            let carries = self.asker.groups.iter().any(|group| group == id);
            return carries.then(|| ends(object, relation, To::Asker));
        }
        let planned = plan.of(object.kind, relation)?;
        if let Some(found) = self.directly(object, relation, planned) {
            return Some(found);
        }
        if planned.ways.is_empty() || !self.seen.insert((object.clone(), relation)) {
            return None;
        }
        planned.ways.iter().find_map(|way| match *way {
            Way::Sets => self.through_subjects(object, relation, depth),
            Way::Same(other) => self.related(object, other, depth + 1),
            Way::From { relation, by } => self.through_objects(object, relation, by, depth),
        })
    }

    /// By a tuple that names the subject, or everybody of its type; or by what the cluster says.
    fn directly(
        &mut self,
        object: &Place<'a>,
        relation: u16,
        planned: &Planned,
    ) -> Option<Found<'a>> {
        self.step()?;
        if planned.named
            && let Some(subject) = &self.subject
        {
            let named = |number, id: Option<Symbol>| {
                let from = self.node(number, object);
                let to = id.map(|id| Node {
                    kind: subject.kind,
                    id,
                });
                let both = from.zip(to).zip(self.stores.get(number));
                both.is_some_and(|((from, to), store)| {
                    store.has(&Edge::new(from, relation, ITSELF, to))
                })
            };
            let numbers = 0..self.stores.len();
            if (numbers.clone()).any(|n| named(n, subject.id.symbol(n, &self.stores))) {
                return Some(ends(object, relation, To::Asker));
            }
            let everybody = |n: usize| self.stores.get(n)?.symbol(EVERYBODY);
            if planned.everybody && numbers.clone().any(|n| named(n, everybody(n))) {
                return Some(ends(object, relation, To::Everybody));
            }
        }
        if planned.cluster {
            let found = self.of_cluster(object, relation);
            let asker = self.subject.as_ref();
            if asker.is_some_and(|asker| found.contains(asker)) {
                return Some(ends(object, relation, To::Asker));
            }
        }
        None
    }

    /// By tuples whose subjects stand for others, as `group:eng#member`.
    fn through_subjects(
        &mut self,
        object: &Place<'a>,
        relation: u16,
        depth: usize,
    ) -> Option<Found<'a>> {
        for number in 0..self.stores.len() {
            for edge in self.edges(number, object, relation) {
                let of = edge.subject_relation();
                if of == ITSELF {
                    break;
                }
                self.step()?;
                let subject = self.end(number, edge);
                if let Some(mut found) = self.related(&subject, of, depth + 1) {
                    found.push(Step {
                        object: object.clone(),
                        relation,
                        to: To::Set(subject, of),
                    });
                    return Some(found);
                }
            }
        }
        None
    }

    /// By a relation to objects that this one is related to.
    fn through_objects(
        &mut self,
        object: &Place<'a>,
        relation: u16,
        by: u16,
        depth: usize,
    ) -> Option<Found<'a>> {
        let leads = self.schema.plan().of(object.kind, by)?;
        let mut targets: SmallVec<[Place<'a>; 2]> = if leads.cluster {
            self.of_cluster(object, by)
        } else {
            SmallVec::new()
        };
        for number in 0..self.stores.len() {
            let edges = self.edges(number, object, by).iter();
            let themselves = edges.filter(|edge| edge.subject_relation() == ITSELF);
            let room = MOST_STEPS.saturating_sub(self.steps) + 1;
            targets.extend(themselves.take(room).map(|edge| self.end(number, edge)));
        }
        for target in targets {
            self.step()?;
            if let Some(mut found) = self.related(&target, relation, depth + 1) {
                found.push(Step {
                    object: object.clone(),
                    relation: by,
                    to: To::Object(target),
                });
                return Some(found);
            }
        }
        None
    }

    /// What the cluster says an object is related to.
    fn of_cluster(&self, object: &Place<'a>, relation: u16) -> SmallVec<[Place<'a>; 2]> {
        let object = object.to_object(self.schema, &self.stores);
        let found = builtin::related(&object, self.schema.name_of(relation), self.snapshot);
        let places = found
            .iter()
            .filter_map(|found| place(self.schema, &self.stores, found));
        places.collect()
    }

    /// The tuples of an object and a relation in the store of a number.
    fn edges(&self, number: usize, object: &Place<'a>, relation: u16) -> &'a [Edge] {
        let both = self.node(number, object).zip(self.stores.get(number));
        both.map_or(&[], |(object, store)| {
            store.edges(object.id, object.kind, relation)
        })
    }

    /// An object as the store of a number knows it.
    fn node(&self, number: usize, object: &Place<'a>) -> Option<Node> {
        let id = object.id.symbol(number, &self.stores)?;
        Some(Node {
            kind: object.kind,
            id,
        })
    }

    /// The other end of a tuple.
    fn end(&self, store: usize, edge: &Edge) -> Place<'a> {
        let node = edge.to();
        Place {
            kind: node.kind,
            id: Id::of_tuple(store, node.id, &self.stores),
        }
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

/// An object by numbers; `None` where the schema does not know its type.
fn place<'a>(schema: &RelationSchema, stores: &[&'a Store], found: &ObjectId) -> Option<Place<'a>> {
    let id = Cow::Owned(found.id.to_string());
    Some(Place {
        kind: schema.number_of(&found.kind)?,
        id: Id::new(&id, stores),
    })
}

/// The id that stands for every one of a type.
const EVERYBODY: &str = "*";

fn ends<'a>(object: &Place<'a>, relation: u16, to: To<'a>) -> Found<'a> {
    let mut found = Found::new();
    found.push(Step {
        object: object.clone(),
        relation,
        to,
    });
    found
}

/// A set that most often holds a handful, which it then keeps without an allocation.
struct Seen<T> {
    few: SmallVec<[T; 6]>,
    many: HashSet<T>,
}

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self {
            few: SmallVec::new(),
            many: HashSet::new(),
        }
    }
}

impl<T: Eq + std::hash::Hash> Seen<T> {
    /// Adds one; says whether it is new.
    fn insert(&mut self, one: T) -> bool {
        if self.few.contains(&one) {
            return false;
        }
        if self.few.len() < self.few.inline_size() {
            self.few.push(one);
            return true;
        }
        self.many.insert(one)
    }
}
