use hashbrown::HashMap;

use super::builtin;
use super::schema::{RelationSchema, Term};

/// A schema by numbers, as a check reads it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    relations: HashMap<(u16, u16), Planned>,
    group: u16,
    member: u16,
}

/// How one relation of one type comes about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Planned {
    /// The cluster says it.
    pub(crate) cluster: bool,
    /// Tuples can name the subject.
    pub(crate) named: bool,
    /// Tuples can name everybody of a type at once.
    pub(crate) everybody: bool,
    /// The ways that lead further, in their order.
    pub(crate) ways: Vec<Way>,
}

/// One of the ways that lead further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Tuples whose subjects stand for others, as `group:eng#member`.
    Sets,
    /// Another relation of the same object.
    Same(u16),
    /// A relation of an object that this one is related to.
    From { relation: u16, by: u16 },
}

impl Plan {
    /// Reads a schema whose names have their numbers.
    pub(crate) fn new(schema: &RelationSchema) -> Self {
        let number = |name: &str| schema.number_of(name);
        let mut plan = Self {
            relations: HashMap::new(),
            group: number("group").unwrap_or(u16::MAX),
            member: number("member").unwrap_or(u16::MAX),
        };
        for (kind, relation, term) in schema.all_terms() {
            let Some(place) = number(kind).zip(number(relation)) else {
                continue;
            };
            let planned = plan.relations.entry(place).or_default();
            match term {
                Term::Direct(taken) => {
                    planned.named = true;
                    planned.everybody |= taken.iter().any(|taken| taken.all);
                    let sets = taken.iter().any(|taken| taken.relation.is_some());
                    if sets && !planned.ways.contains(&Way::Sets) {
                        planned.ways.push(Way::Sets);
                    }
                }
                Term::Same(other) => planned.ways.extend(number(other).map(Way::Same)),
                Term::From { relation, by } => {
                    let way = number(relation).zip(number(by));
                    let way = way.map(|(relation, by)| Way::From { relation, by });
                    planned.ways.extend(way);
                }
            }
        }
        for (kind, relation) in builtin::all() {
            if let Some(place) = number(kind).zip(number(relation)) {
                plan.relations.entry(place).or_default().cluster = true;
            }
        }
        plan
    }

    pub(crate) fn of(&self, kind: u16, relation: u16) -> Option<&Planned> {
        self.relations.get(&(kind, relation))
    }

    /// Whether this is membership in a group, which the asker's credential says.
    pub(crate) fn is_membership(&self, kind: u16, relation: u16) -> bool {
        (kind, relation) == (self.group, self.member)
    }
}
