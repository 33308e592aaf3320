use std::fmt;
use std::str::FromStr;

use bailiwick_core::Str;

/// An object or a subject: `TYPE:ID`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// Its type.
    pub kind: Str,
    /// Its id; for an object of the cluster `NAMESPACE/NAME`, or `NAME` where it lies in no namespace.
    pub id: Str,
}

/// Who is related.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// The subject, or the object whose subjects it stands for. The id `*` stands for every one of the type.
    pub object: ObjectId,
    /// Stands for everybody who is related to the object in this way, as in `group:eng#member`.
    pub relation: Option<Str>,
}

/// One relation: `TYPE:ID#RELATION@SUBJECT`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// To what.
    pub object: ObjectId,
    /// How.
    pub relation: Str,
    /// Who.
    pub subject: Subject,
}

/// A tuple that is none, or that the schema does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TupleError {
    /// It is not written as one.
    #[error(
        "`{0}` is no relation: write `TYPE:ID#RELATION@TYPE:ID`, or `...@TYPE:ID#RELATION` for everybody so related"
    )]
    Syntax(String),
    /// The schema has no such type or relation.
    #[error("`{tuple}`: {unknown} is not in the schema of relations")]
    Unknown {
        /// The tuple.
        tuple: String,
        /// What is unknown.
        unknown: String,
    },
    /// The relation does not take such subjects.
    #[error("`{tuple}`: the relation `{relation}` does not take `{subject}`; it takes {takes}")]
    Subject {
        /// The tuple.
        tuple: String,
        /// Its relation.
        relation: String,
        /// The sort of its subject.
        subject: String,
        /// What the relation takes.
        takes: String,
    },
    /// A namespace speaks of what is not in it.
    #[error(
        "`{tuple}`: relations of the namespace `{namespace}` are about objects in it, `TYPE:{namespace}/NAME`"
    )]
    Elsewhere {
        /// The tuple.
        tuple: String,
        /// The namespace.
        namespace: String,
    },
}

impl ObjectId {
    /// An object of a type.
    pub fn new(kind: &str, id: &str) -> Self {
        Self {
            kind: kind.into(),
            id: id.into(),
        }
    }
}

/// An id, or a whole tuple, may be this long, in bytes.
const LONGEST: usize = 1024;

impl FromStr for ObjectId {
    type Err = TupleError;

    fn from_str(text: &str) -> Result<Self, TupleError> {
        object(text).ok_or_else(|| TupleError::Syntax(text.chars().take(LONGEST).collect()))
    }
}

fn object(text: &str) -> Option<ObjectId> {
    let (kind, id) = text.split_once(':')?;
    let good = !kind.is_empty() && !id.is_empty() && text.len() <= LONGEST && !id.contains('#');
    good.then(|| ObjectId::new(kind, id))
}

impl FromStr for Tuple {
    type Err = TupleError;

    fn from_str(text: &str) -> Result<Self, TupleError> {
        parse(text).ok_or_else(|| TupleError::Syntax(text.chars().take(LONGEST).collect()))
    }
}

fn parse(text: &str) -> Option<Tuple> {
    let (of, rest) = text.split_once('#')?;
    let (relation, subject) = rest.split_once('@')?;
    let (subject, of_relation) = match subject.split_once('#') {
        Some((subject, relation)) if !relation.is_empty() => (subject, Some(relation)),
        Some(_) => return None,
        None => (subject, None),
    };
    (!relation.is_empty() && text.len() <= LONGEST).then_some(())?;
    Some(Tuple {
        object: object(of)?,
        relation: relation.into(),
        subject: Subject {
            object: object(subject)?,
            relation: of_relation.map(Str::from),
        },
    })
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.id)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object.fmt(f)?;
        match &self.relation {
            Some(relation) => write!(f, "#{relation}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}@{}", self.object, self.relation, self.subject)
    }
}
