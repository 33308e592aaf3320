use std::collections::BTreeMap;

use bailiwick_core::Str;
use hashbrown::HashMap;

use super::builtin;
use super::schema::{RelationSchema, Term};

/// A schema by numbers, as a check reads it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// By the number of the type.
    kinds: Vec<Kind>,
    group: u16,
    member: u16,
}

/// One type.
#[derive(Clone, Debug, Default)]
struct Kind {
    /// By number.
    relations: Box<[(u16, Planned)]>,
    /// The relation that each action takes.
    actions: HashMap<Str, u16>,
}

/// What an action asks for: a relation to an object of a type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) kind: u16,
    pub(crate) relation: u16,
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
        let mut relations: BTreeMap<(u16, u16), Planned> = BTreeMap::new();
        for (kind, relation, term) in schema.all_terms() {
            let Some(place) = number(kind).zip(number(relation)) else {
                continue;
            };
            let planned = relations.entry(place).or_default();
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
                relations.entry(place).or_default().cluster = true;
            }
        }
        let mut kinds: BTreeMap<u16, Vec<(u16, Planned)>> = BTreeMap::new();
        for ((kind, relation), planned) in relations {
            kinds.entry(kind).or_default().push((relation, planned));
        }
        let kind = |kind: u16| Kind {
            relations: kinds.remove(&kind).unwrap_or_default().into(),
            actions: schema
                .actions(schema.name_of(kind))
                .filter_map(|(action, relation)| Some((action.clone(), number(relation)?)))
                .collect(),
        };
        Self {
            kinds: schema.numbers().map(kind).collect(),
            group: number("group").unwrap_or(u16::MAX),
            member: number("member").unwrap_or(u16::MAX),
        }
    }

    pub(crate) fn of(&self, kind: u16, relation: u16) -> Option<&Planned> {
        let relations = &self.kinds.get(usize::from(kind))?.relations;
        let place = relations.binary_search_by_key(&relation, |(number, _)| *number);
        relations.get(place.ok()?).map(|(_, planned)| planned)
    }

    /// What an action on an object of a type asks for.
    pub(crate) fn wanted(&self, kind: u16, action: &str) -> Option<Wanted> {
        let relation = *self.kinds.get(usize::from(kind))?.actions.get(action)?;
        Some(Wanted { kind, relation })
    }

    /// Whether this is membership in a group, which the asker's credential says.
    pub(crate) fn is_membership(&self, kind: u16, relation: u16) -> bool {
        (kind, relation) == (self.group, self.member)
    }
}
