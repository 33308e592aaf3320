use std::collections::{BTreeMap, BTreeSet};

use bailiwick_core::Str;
use hashbrown::{Equivalent, HashMap, HashSet};

use super::builtin;
use super::plan::{Plan, Wanted};
use super::tuple::{TupleError, Written};

/// Types, how their objects can be related, and what that allows.
#[derive(Clone, Debug, Default)]
pub struct RelationSchema {
    types: BTreeMap<Str, Type>,
    /// Names of types and relations by number, and back.
    names: Vec<Str>,
    numbers: HashMap<Str, u16>,
    /// The types that are resources, by name and API group.
    resources: HashSet<(Str, Str)>,
    plan: Plan,
}

#[derive(Clone, Debug, Default)]
struct Type {
    relations: BTreeMap<Str, Vec<Term>>,
    actions: BTreeMap<Str, Str>,
}

/// One of the ways to be related; any of them is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Term {
    /// By a tuple whose subject is one of these.
    Direct(Vec<Taken>),
    /// By another relation to the same object.
    Same(Str),
    /// `viewer from folder`: by a relation to an object that this one is related to.
    From {
        /// The relation to that object.
        relation: Str,
        /// How this one is related to it.
        by: Str,
    },
}

/// What a relation takes as subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) kind: Str,
    pub(crate) relation: Option<Str>,
    /// `user:*`: every one of the type at once.
    pub(crate) all: bool,
}

/// A schema that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("relation `{at}`: {message}")]
pub struct SchemaError {
    /// `TYPE#RELATION` or `TYPE`.
    pub at: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// Types and relations together.
const MOST_NAMES: usize = 10_000;
/// Terms of one relation.
const MOST_TERMS: usize = 64;

impl RelationSchema {
    /// Reads types: for each its relations, as in `[user, group#member] or owner or viewer from folder`, and the
    /// relation that each of its actions takes.
    pub fn new<'a>(
        types: impl IntoIterator<Item = (&'a str, Vec<(&'a str, &'a str)>, Vec<(&'a str, &'a str)>)>,
    ) -> Result<Self, SchemaError> {
        let mut schema = Self::default();
        for (kind, relations, actions) in types {
            let mut own = Type::default();
            for (relation, text) in relations {
                let at = format!("{kind}#{relation}");
                let wrong = |message: String| SchemaError {
                    at: at.clone(),
                    message,
                };
                if builtin::is(kind, relation) {
                    let message = "the cluster itself says who is so related: choose another name";
                    return Err(wrong(message.to_owned()));
                }
                let terms = terms(text).map_err(wrong)?;
                own.relations.insert(relation.into(), terms);
            }
            for (action, relation) in actions {
                own.actions.insert(action.into(), relation.into());
            }
            schema.types.insert(kind.into(), own);
        }
        schema.check()?;
        schema.number()?;
        Ok(schema)
    }

    /// Every name that is used is there.
    fn check(&self) -> Result<(), SchemaError> {
        for (kind, own) in &self.types {
            let wrong = |name: &str, message: String| {
                Err(SchemaError {
                    at: format!("{kind}#{name}"),
                    message,
                })
            };
            for (name, relation) in &own.actions {
                if !self.has(kind, relation) {
                    return wrong(name, format!("`{kind}` has no relation `{relation}`"));
                }
            }
            for (name, terms) in &own.relations {
                for term in terms {
                    if let Err(message) = self.check_term(kind, term) {
                        return wrong(name, message);
                    }
                }
            }
        }
        Ok(())
    }

    fn check_term(&self, kind: &str, term: &Term) -> Result<(), String> {
        let missing = |kind: &str, relation: &str| format!("`{kind}` has no relation `{relation}`");
        match term {
            Term::Same(relation) if !self.has(kind, relation) => Err(missing(kind, relation)),
            Term::From { relation, by } => {
                if !self.has(kind, by) {
                    return Err(missing(kind, by));
                }
                let reached = self.reached(kind, by);
                let any = reached.iter().any(|other| self.has(other, relation));
                if any {
                    Ok(())
                } else {
                    Err(format!(
                        "nothing that `{by}` leads to has a relation `{relation}`"
                    ))
                }
            }
            Term::Direct(taken) => taken.iter().try_for_each(|taken| match &taken.relation {
                Some(relation) if !self.has(&taken.kind, relation) => {
                    Err(missing(&taken.kind, relation))
                }
                _ => Ok(()),
            }),
            Term::Same(_) => Ok(()),
        }
    }

    /// Types of the objects that a relation leads to by tuples.
    fn reached(&self, kind: &str, by: &str) -> BTreeSet<Str> {
        let built = builtin::leads_to(kind, by)
            .iter()
            .map(|&kind| Str::from(kind));
        let terms = self.terms(kind, by).iter();
        let direct = terms.filter_map(|term| match term {
            Term::Direct(taken) => Some(taken),
            _ => None,
        });
        direct
            .flatten()
            .map(|taken| taken.kind.clone())
            .chain(built)
            .collect()
    }

    fn number(&mut self) -> Result<(), SchemaError> {
        let mut names: BTreeSet<Str> = builtin::NAMES.iter().map(|&name| name.into()).collect();
        for (kind, own) in &self.types {
            names.insert(kind.clone());
            names.extend(own.relations.keys().cloned());
            for term in own.relations.values().flatten() {
                if let Term::Direct(taken) = term {
                    names.extend(taken.iter().map(|taken| taken.kind.clone()));
                }
            }
        }
        if names.len() > MOST_NAMES {
            return Err(SchemaError {
                at: String::new(),
                message: format!("{} names; {MOST_NAMES} are allowed", names.len()),
            });
        }
        self.names = names.into_iter().collect();
        self.numbers = self.names.iter().cloned().zip(0..).collect();
        let resources = self.types.keys().map(|kind| {
            let (resource, group) = kind.split_once('.').unwrap_or((kind, ""));
            (resource.into(), group.into())
        });
        self.resources = resources.collect();
        self.plan = Plan::new(self);
        Ok(())
    }

    /// Whether there is such a type.
    pub(crate) fn is_type(&self, kind: &str) -> bool {
        self.types.contains_key(kind)
    }

    /// Whether there is a type for a resource of the Kubernetes API.
    pub(crate) fn is_resource(&self, group: &str, resource: &str) -> bool {
        !self.resources.is_empty() && self.resources.contains(&Resource { resource, group })
    }

    /// The same by numbers.
    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    fn has(&self, kind: &str, relation: &str) -> bool {
        builtin::is(kind, relation)
            || self
                .types
                .get(kind)
                .is_some_and(|own| own.relations.contains_key(relation))
    }

    /// The relation that an action takes.
    pub(crate) fn action(&self, kind: &str, action: &str) -> Option<&Str> {
        self.types.get(kind)?.actions.get(action)
    }

    /// The actions of a type, each with the relation that it takes.
    pub(crate) fn actions(&self, kind: &str) -> impl Iterator<Item = (&Str, &Str)> {
        let own = self.types.get(kind).into_iter();
        own.flat_map(|own| &own.actions)
    }

    /// What an action on an object of a type asks for; `None` where the schema does not know it.
    pub(crate) fn wanted(&self, kind: &str, action: &str) -> Option<Wanted> {
        self.plan.wanted(self.number_of(kind)?, action)
    }

    /// The ways to be related.
    pub(crate) fn terms(&self, kind: &str, relation: &str) -> &[Term] {
        let own = self.types.get(kind);
        own.and_then(|own| own.relations.get(relation))
            .map_or(&[], |terms| terms)
    }

    /// Every way of every relation.
    pub(crate) fn all_terms(&self) -> impl Iterator<Item = (&Str, &Str, &Term)> {
        self.types.iter().flat_map(|(kind, own)| {
            let relations = own.relations.iter();
            relations
                .flat_map(move |(name, terms)| terms.iter().map(move |term| (kind, name, term)))
        })
    }

    /// The number of a type or a relation.
    pub(crate) fn number_of(&self, name: &str) -> Option<u16> {
        self.numbers.get(name).copied()
    }

    /// The numbers of all types and relations.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u16> {
        (0..).zip(&self.names).map(|(number, _)| number)
    }

    /// The name of a number.
    pub(crate) fn name_of(&self, number: u16) -> &Str {
        static NONE: std::sync::LazyLock<Str> = std::sync::LazyLock::new(Str::default);
        self.names.get(usize::from(number)).unwrap_or(&NONE)
    }

    /// Whether a tuple can be.
    pub(crate) fn accepts(&self, tuple: &Written<'_>) -> Result<(), TupleError> {
        let terms = self.terms(tuple.kind, tuple.relation);
        if terms.is_empty() {
            return Err(TupleError::Unknown {
                tuple: tuple.to_string(),
                unknown: format!("`{}#{}`", tuple.kind, tuple.relation),
            });
        }
        let taken = || {
            terms.iter().flat_map(|term| match term {
                Term::Direct(taken) => taken.as_slice(),
                _ => &[],
            })
        };
        let all = tuple.subject_id == "*";
        let fits = |taken: &Taken| {
            &*taken.kind == tuple.subject_kind
                && taken.relation.as_deref() == tuple.subject_relation
                && taken.all == all
        };
        if taken().any(fits) {
            return Ok(());
        }
        let takes: Vec<String> = taken().map(|taken| format!("`{taken}`")).collect();
        Err(TupleError::Subject {
            tuple: tuple.to_string(),
            relation: tuple.relation.to_owned(),
            subject: Taken {
                kind: tuple.subject_kind.into(),
                relation: tuple.subject_relation.map(Str::from),
                all,
            }
            .to_string(),
            takes: if takes.is_empty() {
                "no tuples".to_owned()
            } else {
                takes.join(", ")
            },
        })
    }
}

/// A resource to look for; it hashes as the owned pair does.
#[derive(Hash)]
struct Resource<'a> {
    resource: &'a str,
    group: &'a str,
}

impl Equivalent<(Str, Str)> for Resource<'_> {
    fn equivalent(&self, (resource, group): &(Str, Str)) -> bool {
        self.resource == &**resource && self.group == &**group
    }
}

impl std::fmt::Display for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = if self.all { ":*" } else { "" };
        match &self.relation {
            Some(relation) => write!(f, "{}{all}#{relation}", self.kind),
            None => write!(f, "{}{all}", self.kind),
        }
    }
}

/// Reads `[user, group#member, user:*] or owner or viewer from folder`.
fn terms(text: &str) -> Result<Vec<Term>, String> {
    let words = text.replace(['\n', '\t'], " ");
    let parts: Vec<&str> = words.split(" or ").map(str::trim).collect();
    if parts.len() > MOST_TERMS {
        return Err(format!("{} ways; {MOST_TERMS} are allowed", parts.len()));
    }
    parts.into_iter().map(term).collect()
}

fn term(text: &str) -> Result<Term, String> {
    if let Some(list) = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let taken = list.split(',').map(|item| taken(item.trim()));
        return Ok(Term::Direct(taken.collect::<Result<_, _>>()?));
    }
    match text.split_whitespace().collect::<Vec<_>>().as_slice() {
        [relation] => Ok(Term::Same(name(relation)?)),
        [relation, "from", by] => Ok(Term::From {
            relation: name(relation)?,
            by: name(by)?,
        }),
        _ => Err(format!(
            "`{text}` is no way to be related: write `[TYPE, TYPE#RELATION]`, `RELATION` or `RELATION from RELATION`"
        )),
    }
}

fn taken(text: &str) -> Result<Taken, String> {
    let (kind, relation) = match text.split_once('#') {
        Some((kind, relation)) => (kind, Some(name(relation)?)),
        None => (text, None),
    };
    let (kind, all) = match kind.strip_suffix(":*") {
        Some(kind) => (kind, true),
        None => (kind, false),
    };
    if all && relation.is_some() {
        return Err(format!("`{text}`: everybody at once has no relation"));
    }
    Ok(Taken {
        kind: name(kind)?,
        relation,
        all,
    })
}

fn name(text: &str) -> Result<Str, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if text.is_empty() || !text.chars().all(good) {
        return Err(format!(
            "`{text}` is no name: letters, digits, `_`, `-` and `.` are"
        ));
    }
    Ok(text.into())
}
