use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::DefaultHashBuilder;

/// Texts by number and numbers by text. A copy shares everything; adding a text copies the shard that it falls into.
/// Texts stay for as long as the table does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Symbols {
    hasher: DefaultHashBuilder,
    shards: Vec<Shard>,
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
        self.0 & PLACES
    }
}

const SHARD_BITS: u32 = 10;
const PLACE_BITS: u32 = 32 - SHARD_BITS;
const SHARDS: usize = 1 << SHARD_BITS;

/// Its parts are shared one by one, so that a lookup goes from here right to where it may find the text.
#[derive(Clone, Debug, Default)]
struct Shard {
    /// The texts' places, below the high bits of their hashes: as many as a power of two, and one of four [`FREE`]. A
    /// text stands at the low bits of its hash, or in the first one behind that was free.
    table: Arc<[u32]>,
    texts: Arc<Texts>,
}

#[derive(Clone, Debug, Default)]
struct Texts {
    all: String,
    /// Where each text ends.
    ends: Vec<u32>,
}

/// The bits of a place.
const PLACES: u32 = (1 << PLACE_BITS) - 1;

/// The last of all places, which no text has.
const FREE: u32 = u32::MAX;

impl Texts {
    fn end(&self, place: u32) -> usize {
        self.ends.get(place as usize).copied().unwrap_or_default() as usize
    }

    fn text(&self, place: u32) -> &str {
        let start = place.checked_sub(1).map_or(0, |before| self.end(before));
        self.all.get(start..self.end(place)).unwrap_or_default()
    }
}

impl Shard {
    fn find(&self, hash: u32, text: &str) -> Option<u32> {
        let mask = self.table.len().checked_sub(1)?;
        let mut at = hash as usize;
        loop {
            let found = *self.table.get(at & mask)?;
            if found == FREE {
                return None;
            }
            let place = found & PLACES;
            if found ^ hash <= PLACES && self.texts.text(place) == text {
                return Some(place);
            }
            at = at.wrapping_add(1);
        }
    }

    /// Adds a text that is not there; gives its place.
    fn add(&mut self, text: &str, hash: impl Fn(&str) -> u32) -> u32 {
        let texts = Arc::make_mut(&mut self.texts);
        let place = texts.ends.len() as u32;
        texts.all.push_str(text);
        texts.ends.push(texts.all.len() as u32);
        if texts.ends.len() <= self.table.len() / 4 * 3 {
            put(Arc::make_mut(&mut self.table), hash(text), place);
            return place;
        }
        let mut larger = vec![FREE; (2 * self.table.len()).max(4)];
        for place in 0..=place {
            put(&mut larger, hash(texts.text(place)), place);
        }
        self.table = larger.into();
        place
    }
}

/// Puts a place where it is found. One is free.
fn put(table: &mut [u32], hash: u32, place: u32) {
    let own = hash as usize & table.len().saturating_sub(1);
    let (before, after) = table.split_at_mut_checked(own).unwrap_or_default();
    let mut all = after.iter_mut().chain(before);
    if let Some(free) = all.find(|found| **found == FREE) {
        *free = hash & !PLACES | place;
    }
}

impl Symbols {
    /// The symbol of a text.
    pub(crate) fn find(&self, text: &str) -> Option<Symbol> {
        let hash = self.hasher.hash_one(text);
        let number = shard_of(hash);
        let place = self.shards.get(number)?.find(hash as u32, text)?;
        Some(Symbol::new(number, place))
    }

    /// The symbol of a text, which is added where it is new.
    pub(crate) fn intern(&mut self, text: &str) -> Symbol {
        if let Some(found) = self.find(text) {
            return found;
        }
        self.shards.resize_with(SHARDS, Shard::default);
        let number = shard_of(self.hasher.hash_one(text));
        let hash = |text: &str| self.hasher.hash_one(text) as u32;
        let shard = self.shards.get_mut(number);
        shard.map_or(Symbol(0), |shard| {
            Symbol::new(number, shard.add(text, hash))
        })
    }

    /// The text of a symbol.
    pub(crate) fn text(&self, symbol: Symbol) -> &str {
        let shard = self.shards.get(symbol.shard());
        shard.map_or("", |shard| shard.texts.text(symbol.place()))
    }

    /// Gives back room that was kept for more.
    pub(crate) fn shrink(&mut self) {
        for shard in &mut self.shards {
            let texts = Arc::make_mut(&mut shard.texts);
            texts.all.shrink_to_fit();
            texts.ends.shrink_to_fit();
        }
    }

    /// Bytes, by capacity.
    pub(crate) fn bytes(&self) -> usize {
        // Two reference counts stand before what is shared.
        let shared = 2 * size_of::<usize>();
        let shard = |Shard { table, texts }: &Shard| {
            size_of::<Shard>()
                + shared
                + size_of_val::<[u32]>(table)
                + shared
                + size_of::<Texts>()
                + texts.all.capacity()
                + texts.ends.capacity() * size_of::<u32>()
        };
        self.shards.iter().map(shard).sum()
    }
}

/// By high bits: the shard's own table goes by the low ones.
fn shard_of(hash: u64) -> usize {
    ((hash >> 40) as usize) & (SHARDS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_and_nothing_else_is() {
        let mut symbols = Symbols::default();
        assert_eq!(symbols.find(""), None);
        // Each stands right behind another in its shard, and is part of others.
        let texts: Vec<String> = (0..20_000).map(|number| format!("{number:x}")).collect();
        let known: Vec<Symbol> = texts.iter().map(|text| symbols.intern(text)).collect();
        let before = symbols.clone();
        let empty = symbols.intern("");
        assert_eq!((symbols.find(""), symbols.text(empty)), (Some(empty), ""));
        assert_eq!(before.find(""), None, "a copy stays as it is");
        symbols.shrink();
        for (text, symbol) in texts.iter().zip(&known) {
            assert_eq!(symbols.find(text), Some(*symbol), "{text}");
            assert_eq!(symbols.intern(text), *symbol, "{text}");
            assert_eq!(symbols.text(*symbol), text);
            assert_eq!(symbols.find(&format!("{text}-")), None, "{text}-");
        }
    }

    #[test]
    fn texts_of_one_hash_are_told_apart() {
        let mut shard = Shard::default();
        let texts = ["ab", "a", "b", "", "abab", "aba"];
        // The last slot, behind which the first one follows.
        let hash = u32::MAX;
        for (place, text) in (0..).zip(texts) {
            assert_eq!(shard.find(hash, text), None, "{text}");
            assert_eq!(shard.add(text, |_| hash), place);
        }
        for (place, text) in (0..).zip(texts) {
            assert_eq!(shard.find(hash, text), Some(place), "{text}");
        }
        assert_eq!(shard.find(hash, "ba"), None);
        assert_eq!(shard.find(0, "ab"), None);
    }
}
