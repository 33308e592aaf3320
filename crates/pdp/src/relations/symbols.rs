use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Texts by number and numbers by text. A copy shares everything; adding a text copies the shard that it falls into.
/// Texts stay for as long as the table does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Symbols {
    hasher: DefaultHashBuilder,
    shards: Vec<Arc<Shard>>,
}

/// A text: its shard and its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Symbol(u32);

impl Symbol {
    pub(crate) fn new(shard: usize, place: u32) -> Self {
        Self(((shard as u32) << PLACE_BITS) | place)
    }

    /// The shard that the text fell into.
    pub(crate) fn shard(self) -> usize {
        (self.0 >> PLACE_BITS) as usize
    }

    /// Its place there: texts are numbered as they come.
    pub(crate) fn place(self) -> u32 {
        self.0 & ((1 << PLACE_BITS) - 1)
    }
}

const SHARD_BITS: u32 = 10;
const PLACE_BITS: u32 = 32 - SHARD_BITS;
const SHARDS: usize = 1 << SHARD_BITS;

#[derive(Clone, Debug, Default)]
struct Shard {
    texts: String,
    /// Where each text ends.
    ends: Vec<u32>,
    table: HashTable<u32>,
}

impl Shard {
    fn text(&self, place: u32) -> &str {
        text_at(&self.texts, &self.ends, place)
    }
}

fn text_at<'a>(texts: &'a str, ends: &[u32], place: u32) -> &'a str {
    let end = |place: u32| ends.get(place as usize).copied().unwrap_or_default() as usize;
    let start = place.checked_sub(1).map_or(0, end);
    texts.get(start..end(place)).unwrap_or_default()
}

impl Symbols {
    /// The symbol of a text.
    pub(crate) fn find(&self, text: &str) -> Option<Symbol> {
        let hash = self.hasher.hash_one(text);
        let number = shard_of(hash);
        let shard = self.shards.get(number)?;
        let place = shard.table.find(hash, |place| shard.text(*place) == text)?;
        Some(Symbol::new(number, *place))
    }

    /// The symbol of a text, which is added where it is new.
    pub(crate) fn intern(&mut self, text: &str) -> Symbol {
        if let Some(found) = self.find(text) {
            return found;
        }
        self.shards.resize_with(SHARDS, Arc::default);
        let hash = self.hasher.hash_one(text);
        let number = shard_of(hash);
        let hasher = &self.hasher;
        let Some(shard) = self.shards.get_mut(number).map(Arc::make_mut) else {
            return Symbol(0);
        };
        let place = shard.ends.len() as u32;
        shard.texts.push_str(text);
        shard.ends.push(shard.texts.len() as u32);
        let Shard { texts, ends, table } = shard;
        table.insert_unique(hash, place, |other| {
            hasher.hash_one(text_at(texts, ends, *other))
        });
        Symbol::new(number, place)
    }

    /// The text of a symbol.
    pub(crate) fn text(&self, symbol: Symbol) -> &str {
        let shard = self.shards.get(symbol.shard());
        shard.map_or("", |shard| shard.text(symbol.place()))
    }

    /// Gives back room that was kept for more.
    pub(crate) fn shrink(&mut self) {
        let hasher = self.hasher.clone();
        for shard in &mut self.shards {
            let Shard { texts, ends, table } = Arc::make_mut(shard);
            texts.shrink_to_fit();
            ends.shrink_to_fit();
            table.shrink_to_fit(|place| hasher.hash_one(text_at(texts, ends, *place)));
        }
    }

    /// Bytes, by capacity.
    pub(crate) fn bytes(&self) -> usize {
        let shard = |shard: &Arc<Shard>| {
            size_of::<Shard>()
                + shard.texts.capacity()
                + shard.ends.capacity() * size_of::<u32>()
                + shard.table.allocation_size()
        };
        self.shards.iter().map(shard).sum()
    }
}

/// The high bits, of which the shard's own table uses only a few.
fn shard_of(hash: u64) -> usize {
    ((hash >> 40) as usize) & (SHARDS - 1)
}
