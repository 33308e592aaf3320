use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

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
    let (kind, id) = typed(text)?;
    Some(ObjectId::new(kind, id))
}

/// Type and id.
fn typed(text: &str) -> Option<(&str, &str)> {
    let (kind, id) = text.split_once(':')?;
    let good = !kind.is_empty() && !id.is_empty() && text.len() <= LONGEST && !id.contains('#');
    good.then_some((kind, id))
}

/// A tuple as it is written, cut into its parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written<'a> {
    pub(crate) kind: &'a str,
    pub(crate) id: &'a str,
    pub(crate) relation: &'a str,
    pub(crate) subject_kind: &'a str,
    pub(crate) subject_id: &'a str,
    pub(crate) subject_relation: Option<&'a str>,
}

impl<'a> Written<'a> {
    /// Cuts a text.
    pub(crate) fn read(text: &'a str) -> Result<Self, TupleError> {
        Self::cut(text).ok_or_else(|| TupleError::Syntax(text.chars().take(LONGEST).collect()))
    }

    fn cut(text: &'a str) -> Option<Self> {
        let (of, rest) = text.split_once('#')?;
        let (relation, subject) = rest.split_once('@')?;
        let (subject, subject_relation) = match subject.split_once('#') {
            Some((subject, relation)) if !relation.is_empty() => (subject, Some(relation)),
            Some(_) => return None,
            None => (subject, None),
        };
        (!relation.is_empty() && text.len() <= LONGEST).then_some(())?;
        let ((kind, id), (subject_kind, subject_id)) = (typed(of)?, typed(subject)?);
        Some(Self {
            kind,
            id,
            relation,
            subject_kind,
            subject_id,
            subject_relation,
        })
    }
}

impl<'a> From<&'a Tuple> for Written<'a> {
    fn from(tuple: &'a Tuple) -> Self {
        let Subject { object, relation } = &tuple.subject;
        Self {
            kind: &tuple.object.kind,
            id: &tuple.object.id,
            relation: &tuple.relation,
            subject_kind: &object.kind,
            subject_id: &object.id,
            subject_relation: relation.as_deref(),
        }
    }
}

/// Tuples as they are written, one behind the other: a document may hold very many, and they are cut only once they are
/// put in force.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tuples {
    texts: Arc<str>,
    /// Where each ends.
    ends: Arc<[u32]>,
}

impl Tuples {
    /// Keeps texts that are tuples, or says of which what is wrong.
    pub(crate) fn read(written: &[String]) -> Result<Self, Vec<TupleError>> {
        let mut texts = String::with_capacity(written.iter().map(String::len).sum());
        let (mut ends, mut wrong) = (Vec::with_capacity(written.len()), Vec::new());
        for text in written {
            wrong.extend(Written::read(text).err());
            texts.push_str(text);
            ends.push(texts.len() as u32);
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Self {
            texts: texts.into(),
            ends: ends.into(),
        })
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let end = *end as usize;
            let text = self.texts.get(start..end);
            start = end;
            text.unwrap_or_default()
        })
    }
}

impl FromStr for Tuple {
    type Err = TupleError;

    fn from_str(text: &str) -> Result<Self, TupleError> {
        let written = Written::read(text)?;
        Ok(Self {
            object: ObjectId::new(written.kind, written.id),
            relation: written.relation.into(),
            subject: Subject {
                object: ObjectId::new(written.subject_kind, written.subject_id),
                relation: written.subject_relation.map(Str::from),
            },
        })
    }
}

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            id,
            relation,
            subject_kind,
            subject_id,
            subject_relation,
        } = self;
        write!(f, "{kind}:{id}#{relation}@{subject_kind}:{subject_id}")?;
        match subject_relation {
            Some(relation) => write!(f, "#{relation}"),
            None => Ok(()),
        }
    }
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
        Written::from(self).fmt(f)
    }
}
