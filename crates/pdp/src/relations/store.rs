use std::cmp::Ordering;
use std::sync::Arc;

use super::schema::RelationSchema;
use super::symbols::{Symbol, Symbols};
use super::tuple::{ObjectId, Tuple};

/// Tuples, sorted from both ends. A copy shares everything; a change copies two shards of about a thousandth each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    symbols: Symbols,
    /// By object.
    forward: Vec<Arc<Shard>>,
    /// By subject.
    reverse: Vec<Arc<Shard>>,
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

/// The tuples of the ids of one shard of symbols, seen from one of their ends.
#[derive(Clone, Debug, Default)]
struct Shard {
    /// Where the tuples of each id begin, by the id's place; one more says where the last ones end.
    starts: Box<[u32]>,
    edges: Box<[Edge]>,
}

/// One tuple, seen from one of its ends. Ordered so that all of a type and a relation stand together, those first
/// whose other end stands for more than itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge {
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

/// An edge and the id that it belongs to.
type Placed = (Symbol, Edge);

impl Edge {
    fn new(from: Node, relation: u16, subject_relation: u16, to: Node) -> Placed {
        let edge = Self {
            from_kind: from.kind,
            relation,
            subject_relation,
            to_kind: to.kind,
            to: to.id,
        };
        (from.id, edge)
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

    /// Whether one of the tuples of an object and a relation names a subject that stands for itself.
    pub(crate) fn find(edges: &[Self], kind: u16, id: Symbol) -> bool {
        let wanted = (ITSELF, kind, id);
        let end = |edge: &Self| (edge.subject_relation, edge.to_kind, edge.to);
        edges
            .binary_search_by(|edge| end(edge).cmp(&wanted))
            .is_ok()
    }
}

/// A tuple by numbers.
struct Numbers {
    object: Node,
    relation: u16,
    subject_relation: u16,
    subject: Node,
}

impl Numbers {
    fn edges(&self) -> (Placed, Placed) {
        let (relation, of) = (self.relation, self.subject_relation);
        (
            Edge::new(self.object, relation, of, self.subject),
            Edge::new(self.subject, relation, of, self.object),
        )
    }
}

impl Store {
    /// Adds tuples that the schema accepts; those that are there already stay once.
    pub(crate) fn extend(&mut self, schema: &RelationSchema, tuples: &[Tuple]) {
        let mut forward = Vec::with_capacity(tuples.len());
        let mut reverse = Vec::with_capacity(tuples.len());
        for tuple in tuples {
            let (there, back) = self.intern(schema, tuple).edges();
            forward.push(there);
            reverse.push(back);
        }
        if tuples.len() > SHARDS {
            self.symbols.shrink();
        }
        merge(&mut self.forward, forward);
        merge(&mut self.reverse, reverse);
        self.count = self.forward.iter().map(|shard| shard.edges.len()).sum();
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
        let removed = take(&mut self.forward, there);
        take(&mut self.reverse, back);
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

    /// The symbol of an id; `None` where no tuple names it.
    pub(crate) fn symbol(&self, id: &str) -> Option<Symbol> {
        self.symbols.find(id)
    }

    /// The id of a symbol.
    pub(crate) fn text(&self, symbol: Symbol) -> &str {
        self.symbols.text(symbol)
    }

    /// The tuples of an object and a relation, those first whose subjects stand for more than themselves.
    pub(crate) fn edges(&self, id: Symbol, kind: u16, relation: u16) -> &[Edge] {
        run(&self.forward, id, |edge| {
            (edge.from_kind, edge.relation).cmp(&(kind, relation))
        })
    }

    /// The tuples of a subject, whatever its relation.
    pub(crate) fn objects(&self, subject: Node) -> &[Edge] {
        run(&self.reverse, subject.id, |edge| {
            edge.from_kind.cmp(&subject.kind)
        })
    }

    /// Number of tuples.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn size(&self) -> StoreSize {
        let shard = |shard: &Arc<Shard>| {
            // Two reference counts stand before what is shared.
            size_of_val::<[Edge]>(&shard.edges)
                + size_of_val::<[u32]>(&shard.starts)
                + size_of::<Shard>()
                + 2 * size_of::<usize>()
        };
        let bytes = |shards: &[Arc<Shard>]| -> usize { shards.iter().map(shard).sum() };
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

impl Shard {
    /// From edges in the order of their ids' places.
    fn new(placed: &[Placed]) -> Self {
        let places = placed
            .last()
            .map_or(0, |(symbol, _)| symbol.place() as usize + 1);
        let mut starts = vec![0_u32; places + 1];
        for (symbol, _) in placed {
            if let Some(count) = starts.get_mut(symbol.place() as usize + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        Self {
            starts: starts.into(),
            edges: placed.iter().map(|(_, edge)| *edge).collect(),
        }
    }

    /// The edges of an id.
    fn of(&self, symbol: Symbol) -> &[Edge] {
        let place = symbol.place() as usize;
        let bounds = self.starts.get(place..).and_then(<[u32]>::first_chunk);
        let range = bounds.map_or(0..0, |&[start, end]| start as usize..end as usize);
        self.edges.get(range).unwrap_or_default()
    }

    /// Every edge with its id. `number`: that of the shard.
    fn placed(&self, number: usize) -> impl Iterator<Item = Placed> {
        (0..self.starts.len() as u32).flat_map(move |place| {
            let symbol = Symbol::new(number, place);
            self.of(symbol).iter().map(move |edge| (symbol, *edge))
        })
    }
}

fn run(shards: &[Arc<Shard>], id: Symbol, place: impl Fn(&Edge) -> Ordering) -> &[Edge] {
    let Some(shard) = shards.get(id.shard()) else {
        return &[];
    };
    let edges = shard.of(id);
    let start = edges.partition_point(|edge| place(edge).is_lt());
    let rest = edges.get(start..).unwrap_or_default();
    let length = rest.partition_point(|edge| place(edge).is_eq());
    rest.get(..length).unwrap_or_default()
}

fn merge(shards: &mut Vec<Arc<Shard>>, mut edges: Vec<Placed>) {
    shards.resize_with(SHARDS, Arc::default);
    edges.sort_unstable();
    for group in edges.chunk_by(|(a, _), (b, _)| a.shard() == b.shard()) {
        let number = group.first().map_or(0, |(symbol, _)| symbol.shard());
        if let Some(shard) = shards.get_mut(number) {
            let mut all: Vec<Placed> = shard.placed(number).collect();
            all.extend(group);
            all.sort_unstable();
            all.dedup();
            *shard = Arc::new(Shard::new(&all));
        }
    }
}

fn take(shards: &mut [Arc<Shard>], edge: Placed) -> bool {
    let number = edge.0.shard();
    let Some(shard) = shards.get_mut(number) else {
        return false;
    };
    if shard.of(edge.0).binary_search(&edge.1).is_err() {
        return false;
    }
    let all: Vec<Placed> = shard
        .placed(number)
        .filter(|other| *other != edge)
        .collect();
    *shard = Arc::new(Shard::new(&all));
    true
}
