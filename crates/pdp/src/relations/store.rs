use std::sync::Arc;

use super::schema::RelationSchema;
use super::symbols::{Symbol, Symbols};
use super::tuple::{ObjectId, Tuple};

/// Tuples, sorted from both ends. A copy shares everything; a change copies two shards of about a thousandth each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    symbols: Symbols,
    /// By object.
    forward: Vec<Arc<[Edge]>>,
    /// By subject.
    reverse: Vec<Arc<[Edge]>>,
    count: usize,
}

/// How much memory tuples take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreSize {
    /// Tuples.
    pub tuples: usize,
    /// Bytes of the tuples, sorted from both ends.
    pub tuple_bytes: usize,
    /// Bytes of the ids, each once, with the table that finds them.
    pub id_bytes: usize,
}

/// One tuple, seen from one of its ends. Ordered so that all of an end and a relation stand together, those first
/// whose other end stands for more than itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge {
    from: Symbol,
    from_kind: u16,
    relation: u16,
    /// Of the subject; [`ITSELF`] where it stands for itself.
    subject_relation: u16,
    to_kind: u16,
    to: Symbol,
}

/// No relation.
pub(crate) const ITSELF: u16 = u16::MAX;

const SHARDS: usize = 1024;

/// One end of a tuple, by numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Node {
    pub(crate) kind: u16,
    pub(crate) id: Symbol,
}

impl Edge {
    fn new(from: Node, relation: u16, subject_relation: u16, to: Node) -> Self {
        Self {
            from: from.id,
            from_kind: from.kind,
            relation,
            subject_relation,
            to_kind: to.kind,
            to: to.id,
        }
    }

    /// The other end.
    pub(crate) fn to(&self) -> Node {
        Node {
            kind: self.to_kind,
            id: self.to,
        }
    }

    pub(crate) fn relation(&self) -> u16 {
        self.relation
    }

    pub(crate) fn subject_relation(&self) -> u16 {
        self.subject_relation
    }
}

fn shard_of(node: Node) -> usize {
    // The symbol's high bits already spread evenly.
    (node.id.0 >> 22) as usize % SHARDS
}

/// A tuple by numbers.
struct Numbers {
    object: Node,
    relation: u16,
    subject_relation: u16,
    subject: Node,
}

impl Numbers {
    fn edges(&self) -> (Edge, Edge) {
        let forward = Edge::new(
            self.object,
            self.relation,
            self.subject_relation,
            self.subject,
        );
        let reverse = Edge::new(
            self.subject,
            self.relation,
            self.subject_relation,
            self.object,
        );
        (forward, reverse)
    }
}

impl Store {
    /// Adds tuples that the schema accepts; those that are there already stay once.
    pub(crate) fn extend(&mut self, schema: &RelationSchema, tuples: &[Tuple]) {
        let mut forward = Vec::with_capacity(tuples.len());
        let mut reverse = Vec::with_capacity(tuples.len());
        for tuple in tuples {
            let numbers = self.intern(schema, tuple);
            let (there, back) = numbers.edges();
            forward.push((shard_of(numbers.object), there));
            reverse.push((shard_of(numbers.subject), back));
        }
        if tuples.len() > SHARDS {
            self.symbols.shrink();
        }
        merge(&mut self.forward, forward);
        merge(&mut self.reverse, reverse);
        self.count = self.forward.iter().map(|shard| shard.len()).sum();
    }

    fn intern(&mut self, schema: &RelationSchema, tuple: &Tuple) -> Numbers {
        let mut node = |object: &ObjectId| Node {
            kind: schema.number_of(&object.kind).unwrap_or(ITSELF),
            id: self.symbols.intern(&object.id),
        };
        let (object, subject) = (node(&tuple.object), node(&tuple.subject.object));
        Numbers {
            object,
            subject,
            relation: schema.number_of(&tuple.relation).unwrap_or(ITSELF),
            subject_relation: subject_relation(schema, tuple),
        }
    }

    /// Takes a tuple away; says whether it was there.
    pub(crate) fn remove(&mut self, schema: &RelationSchema, tuple: &Tuple) -> bool {
        let (Some(object), Some(subject), Some(relation)) = (
            self.node(schema, &tuple.object),
            self.node(schema, &tuple.subject.object),
            schema.number_of(&tuple.relation),
        ) else {
            return false;
        };
        let numbers = Numbers {
            object,
            relation,
            subject_relation: subject_relation(schema, tuple),
            subject,
        };
        let (there, back) = numbers.edges();
        let removed = take(&mut self.forward, shard_of(object), there);
        take(&mut self.reverse, shard_of(subject), back);
        self.count -= usize::from(removed);
        removed
    }

    /// The numbers of an object; `None` where no tuple names it.
    pub(crate) fn node(&self, schema: &RelationSchema, object: &ObjectId) -> Option<Node> {
        Some(Node {
            kind: schema.number_of(&object.kind)?,
            id: self.symbols.find(&object.id)?,
        })
    }

    /// The object of numbers.
    pub(crate) fn object(&self, schema: &RelationSchema, node: Node) -> ObjectId {
        ObjectId {
            kind: schema.name_of(node.kind).clone(),
            id: self.symbols.text(node.id).into(),
        }
    }

    /// Whether there is this tuple with a subject that stands for itself.
    pub(crate) fn holds(&self, object: Node, relation: u16, subject: Node) -> bool {
        let wanted = Edge::new(object, relation, ITSELF, subject);
        let shard = self.forward.get(shard_of(object));
        shard.is_some_and(|shard| shard.binary_search(&wanted).is_ok())
    }

    /// The tuples of an object and a relation, those first whose subjects stand for more than themselves.
    pub(crate) fn subjects(&self, object: Node, relation: u16) -> &[Edge] {
        run(&self.forward, object, |edge| edge.relation.cmp(&relation))
    }

    /// The tuples of a subject, whatever its relation.
    pub(crate) fn objects(&self, subject: Node) -> &[Edge] {
        run(&self.reverse, subject, |_| std::cmp::Ordering::Equal)
    }

    /// Number of tuples.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn size(&self) -> StoreSize {
        let bytes = |shards: &[Arc<[Edge]>]| -> usize {
            // Two reference counts stand before a shared list.
            let shard = |shard: &Arc<[Edge]>| size_of_val::<[Edge]>(shard) + 32;
            shards.iter().map(shard).sum()
        };
        StoreSize {
            tuples: self.count,
            tuple_bytes: bytes(&self.forward) + bytes(&self.reverse),
            id_bytes: self.symbols.bytes(),
        }
    }
}

fn subject_relation(schema: &RelationSchema, tuple: &Tuple) -> u16 {
    let relation = tuple.subject.relation.as_deref();
    relation
        .and_then(|relation| schema.number_of(relation))
        .unwrap_or(ITSELF)
}

fn run(
    shards: &[Arc<[Edge]>],
    node: Node,
    relation: impl Fn(&Edge) -> std::cmp::Ordering,
) -> &[Edge] {
    let Some(shard) = shards.get(shard_of(node)) else {
        return &[];
    };
    let place = |edge: &Edge| {
        (edge.from, edge.from_kind)
            .cmp(&(node.id, node.kind))
            .then_with(|| relation(edge))
    };
    let start = shard.partition_point(|edge| place(edge).is_lt());
    let rest = shard.get(start..).unwrap_or_default();
    let length = rest.partition_point(|edge| place(edge).is_eq());
    rest.get(..length).unwrap_or_default()
}

fn merge(shards: &mut Vec<Arc<[Edge]>>, mut edges: Vec<(usize, Edge)>) {
    shards.resize_with(SHARDS, || Arc::from([]));
    edges.sort_unstable();
    for group in edges.chunk_by(|(a, _), (b, _)| a == b) {
        let number = group.first().map_or(0, |(number, _)| *number);
        if let Some(shard) = shards.get_mut(number) {
            let mut all: Vec<Edge> = shard.to_vec();
            all.extend(group.iter().map(|(_, edge)| *edge));
            all.sort_unstable();
            all.dedup();
            *shard = all.into();
        }
    }
}

fn take(shards: &mut [Arc<[Edge]>], number: usize, edge: Edge) -> bool {
    let Some(shard) = shards.get_mut(number) else {
        return false;
    };
    let Ok(place) = shard.binary_search(&edge) else {
        return false;
    };
    let mut all = shard.to_vec();
    all.remove(place);
    *shard = all.into();
    true
}
