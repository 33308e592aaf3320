use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::schema::RelationSchema;
use super::symbols::{Symbol, Symbols};
use super::tuple::{ObjectId, Subject, Tuple, Written};

/// Tuples, sorted from both ends. A copy shares everything; a change copies two shards of about a thousandth each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    symbols: Symbols,
    /// By object.
    forward: Vec<Shard>,
    /// Which document says each of these. Two may say the same, and one of them may stop to: the tuple then is there
    /// twice, and once. Empty for a shard of which no document says anything.
    documents: Vec<Arc<[u32]>>,
    /// By subject.
    reverse: Vec<Shard>,
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
    starts: Arc<[u32]>,
    edges: Arc<[Edge]>,
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

/// Tuples that no document says.
pub(crate) const NO_DOCUMENT: u32 = 0;

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
pub(crate) type Placed = (Symbol, Edge);

/// An edge and the document that says it.
type Said = (Placed, u32);

/// What a document says now.
pub(crate) struct Replaced<'a> {
    pub(crate) document: u32,
    /// What it has said until now, sorted.
    pub(crate) before: &'a [Placed],
    /// What it says now, by [`Store::placed`].
    pub(crate) now: Vec<Placed>,
}

impl Edge {
    pub(crate) fn new(from: Node, relation: u16, subject_relation: u16, to: Node) -> Placed {
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
}

/// The same tuple, seen from the other end.
fn back((id, edge): &Placed) -> Placed {
    let here = Node {
        kind: edge.from_kind,
        id: *id,
    };
    Edge::new(edge.to(), edge.relation, edge.subject_relation, here)
}

impl Store {
    /// Adds tuples that the schema accepts; those that are there already stay once.
    pub(crate) fn extend(&mut self, schema: &RelationSchema, tuples: &[Tuple]) {
        let placed = |tuple| self.placed(schema, &Written::from(tuple));
        let now = tuples.iter().map(placed).collect();
        let said = Replaced {
            document: NO_DOCUMENT,
            before: &[],
            now,
        };
        self.replace([said]);
    }

    /// Documents say these tuples now. All at once: each shard is made anew once, however many documents it has
    /// tuples of.
    pub(crate) fn replace<'a>(&mut self, said: impl IntoIterator<Item = Replaced<'a>>) {
        let (mut added, mut all_gone) = (Vec::new(), Vec::new());
        for Replaced {
            document,
            before,
            mut now,
        } in said
        {
            now.sort_unstable();
            now.dedup();
            if document == NO_DOCUMENT {
                now.retain(|edge| !self.has(edge));
            }
            let gone = before
                .iter()
                .filter(|edge| now.binary_search(edge).is_err());
            all_gone.extend(gone.map(|edge| (*edge, document)));
            now.retain(|edge| before.binary_search(edge).is_err());
            added.extend(now.into_iter().map(|edge| (edge, document)));
        }
        if added.len() > SHARDS {
            self.symbols.shrink();
        }
        self.change(added, all_gone);
    }

    /// What these documents say, each sorted.
    pub(crate) fn said_by(&self, documents: &[u32]) -> BTreeMap<u32, Vec<Placed>> {
        let mut said: BTreeMap<u32, Vec<Placed>> = BTreeMap::new();
        if documents.is_empty() {
            return said;
        }
        let mut documents = documents.to_vec();
        documents.sort_unstable();
        let shards = self.forward.iter().zip(&self.documents).enumerate();
        for (number, (shard, documents_of_shard)) in shards {
            for (place, document) in documents_of_shard.iter().enumerate() {
                if documents.binary_search(document).is_ok() {
                    let edges = said.entry(*document).or_default();
                    edges.extend(shard.at(number, place));
                }
            }
        }
        said.values_mut().for_each(|edges| edges.sort_unstable());
        said
    }

    /// All tuples, each with the document that says it.
    pub(crate) fn tuples(&self, schema: &RelationSchema) -> impl Iterator<Item = (u32, Tuple)> {
        self.said().map(|((id, edge), document)| {
            let relation = edge.subject_relation;
            let object = Node {
                kind: edge.from_kind,
                id,
            };
            let tuple = Tuple {
                object: self.object(schema, object),
                relation: schema.name_of(edge.relation).clone(),
                subject: Subject {
                    object: self.object(schema, edge.to()),
                    relation: (relation != ITSELF).then(|| schema.name_of(relation).clone()),
                },
            };
            (document, tuple)
        })
    }

    /// A tuple by its numbers. Its ids are known from now on.
    pub(crate) fn placed(&mut self, schema: &RelationSchema, tuple: &Written<'_>) -> Placed {
        let number = |name: &str| schema.number_of(name).unwrap_or(ITSELF);
        let mut node = |kind: &str, id: &str| Node {
            kind: number(kind),
            id: self.symbols.intern(id),
        };
        let object = node(tuple.kind, tuple.id);
        let subject = node(tuple.subject_kind, tuple.subject_id);
        let of_subject = tuple.subject_relation.map_or(ITSELF, number);
        Edge::new(object, number(tuple.relation), of_subject, subject)
    }

    /// Takes a tuple away that no document says; says whether it was there.
    pub(crate) fn remove(&mut self, schema: &RelationSchema, tuple: &Tuple) -> bool {
        let (edge, before) = (self.placed(schema, &Written::from(tuple)), self.count);
        if self.said().any(|said| said == (edge, NO_DOCUMENT)) {
            self.change(Vec::new(), vec![(edge, NO_DOCUMENT)]);
        }
        self.count < before
    }

    /// Whether there is a tuple.
    pub(crate) fn has(&self, (id, edge): &Placed) -> bool {
        let shard = self.forward.get(id.shard());
        shard.is_some_and(|shard| shard.of(*id).binary_search(edge).is_ok())
    }

    /// Every tuple with the document that says it.
    fn said(&self) -> impl Iterator<Item = Said> {
        let shards = self.forward.iter().zip(&self.documents).enumerate();
        shards.flat_map(|(number, (shard, documents))| shard.placed(number).zip(each(documents)))
    }

    /// Adds what documents say, and takes away what they have said. There may be very many of both: they are turned
    /// and sorted where they are.
    fn change(&mut self, mut added: Vec<Said>, mut gone: Vec<Said>) {
        self.forward.resize_with(SHARDS, Shard::default);
        self.documents.resize_with(SHARDS, || Arc::from([]));
        self.reverse.resize_with(SHARDS, Shard::default);
        turn(&mut added);
        turn(&mut gone);
        for (number, added, gone) in by_shard(&added, &gone) {
            if let Some(shard) = self.reverse.get_mut(number) {
                let mut all: Vec<Placed> = shard.placed(number).collect();
                all.sort_unstable();
                for (edge, _) in gone {
                    if let Ok(place) = all.binary_search(edge) {
                        all.remove(place);
                    }
                }
                all.extend(added.iter().map(|(edge, _)| *edge));
                all.sort_unstable();
                *shard = Shard::new(&all);
            }
        }
        turn(&mut added);
        turn(&mut gone);
        for (number, added, gone) in by_shard(&added, &gone) {
            let shard = self.forward.get_mut(number);
            if let (Some(shard), Some(documents)) = (shard, self.documents.get_mut(number)) {
                let all = shard.placed(number).zip(each(documents));
                let stays = |said: &Said| gone.binary_search(said).is_err();
                let mut all: Vec<Said> = all.filter(stays).collect();
                all.extend(added);
                all.sort_unstable();
                let edges: Vec<Placed> = all.iter().map(|(edge, _)| *edge).collect();
                *shard = Shard::new(&edges);
                *documents = match all.iter().any(|(_, document)| *document != NO_DOCUMENT) {
                    true => all.iter().map(|(_, document)| *document).collect(),
                    false => Arc::from([]),
                };
            }
        }
        self.count = self.forward.iter().map(|shard| shard.edges.len()).sum();
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
        let shard = |shard: &Shard| {
            // Two reference counts stand before each part that is shared.
            size_of_val::<[Edge]>(&shard.edges)
                + size_of_val::<[u32]>(&shard.starts)
                + size_of::<Shard>()
                + 4 * size_of::<usize>()
        };
        let bytes = |shards: &[Shard]| -> usize { shards.iter().map(shard).sum() };
        let said = |shard: &Arc<[u32]>| size_of_val::<[u32]>(shard) + 4 * size_of::<usize>();
        let said: usize = self.documents.iter().map(said).sum();
        StoreSize {
            tuples: self.count,
            tuple_bytes: bytes(&self.forward) + bytes(&self.reverse) + said,
            id_bytes: self.symbols.bytes(),
        }
    }
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

    /// The edge at a place among all, with its id. `number`: that of the shard.
    fn at(&self, number: usize, place: usize) -> Option<Placed> {
        let after = self
            .starts
            .partition_point(|start| *start as usize <= place);
        let symbol = Symbol::new(number, after.checked_sub(1)? as u32);
        Some((symbol, *self.edges.get(place)?))
    }

    /// Every edge with its id. `number`: that of the shard.
    fn placed(&self, number: usize) -> impl Iterator<Item = Placed> {
        (0..self.starts.len() as u32).flat_map(move |place| {
            let symbol = Symbol::new(number, place);
            self.of(symbol).iter().map(move |edge| (symbol, *edge))
        })
    }
}

fn run(shards: &[Shard], id: Symbol, place: impl Fn(&Edge) -> Ordering) -> &[Edge] {
    let Some(shard) = shards.get(id.shard()) else {
        return &[];
    };
    let edges = shard.of(id);
    let start = edges.partition_point(|edge| place(edge).is_lt());
    let rest = edges.get(start..).unwrap_or_default();
    if rest.first().is_none_or(|edge| place(edge).is_gt()) {
        return &[];
    }
    let length = rest.partition_point(|edge| place(edge).is_eq());
    rest.get(..length).unwrap_or_default()
}

/// The documents of a shard's tuples, in their order.
fn each(documents: &Arc<[u32]>) -> impl Iterator<Item = u32> {
    documents
        .iter()
        .copied()
        .chain(std::iter::repeat(NO_DOCUMENT))
}

/// The same tuples, seen from their other ends, sorted.
fn turn(said: &mut [Said]) {
    for (edge, _) in said.iter_mut() {
        *edge = back(edge);
    }
    said.sort_unstable();
}

/// What to add and what to take away, both sorted, by the shard that it belongs to.
fn by_shard<'a>(
    added: &'a [Said],
    gone: &'a [Said],
) -> impl Iterator<Item = (usize, &'a [Said], &'a [Said])> {
    let part = |said: &'a [Said], number: usize| -> &'a [Said] {
        let before = |limit| said.partition_point(|((id, _), _)| id.shard() < limit);
        said.get(before(number)..before(number + 1))
            .unwrap_or_default()
    };
    let parts = (0..SHARDS).map(move |number| (number, part(added, number), part(gone, number)));
    parts.filter(|(_, added, gone)| !added.is_empty() || !gone.is_empty())
}
