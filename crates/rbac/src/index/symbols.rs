use std::hash::BuildHasher;

use bailiwick_core::Str;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::blocks::Blocks;

/// An interned string. Equal strings have equal symbols as long as either is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Symbol(pub(crate) u32);

impl Symbol {
    /// `*`, wherever it means "all".
    pub(crate) const STAR: Self = Self(0);
    /// The empty string: the core group, no namespace, no name.
    pub(crate) const EMPTY: Self = Self(1);
    /// A string that nobody has interned. It equals no symbol in the index.
    pub(crate) const UNKNOWN: Self = Self(u32::MAX);

    /// Stands where no string is.
    pub(crate) const NONE: Self = Self(u32::MAX - 1);
}

/// Strings by symbol and symbols by string, with a count of uses, so that the table holds exactly the strings that
/// the index refers to, however long deltas come and go.
#[derive(Clone, Debug)]
pub(crate) struct Symbols {
    strings: Vec<Str>,
    /// How often each is in use.
    uses: Vec<u32>,
    by_text: HashTable<Text>,
    /// The longer strings again, side by side, which saves lookups ways through memory.
    texts: Blocks<u8>,
    free: Vec<Symbol>,
    hasher: DefaultHashBuilder,
}

/// The string of a symbol, as lookups compare it. Two fit into a line of the processor's cache.
#[derive(Clone, Copy, Debug)]
struct Text {
    symbol: Symbol,
    len: u32,
    /// The string itself where it fits, and zeros behind it; of a longer one, where it is among the texts.
    place: [u8; SHORT],
}

/// Bytes of a string that stands in the table: a lookup of it ends where it finds the entry.
const SHORT: usize = 24;

/// Interned first and for good, so that these have bits of their own in every mask.
const WELL_KNOWN: [&str; 16] = [
    "*",
    "",
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "apps",
    "batch",
    "policy",
    "networking.k8s.io",
    "authentication.k8s.io",
    "rbac.authorization.k8s.io",
];

impl Symbols {
    pub(crate) fn new() -> Self {
        let mut symbols = Self {
            strings: Vec::new(),
            uses: Vec::new(),
            by_text: HashTable::new(),
            texts: Blocks::default(),
            free: Vec::new(),
            hasher: DefaultHashBuilder::default(),
        };
        for text in WELL_KNOWN {
            symbols.add(text.into());
        }
        symbols
    }

    /// The symbol of `text`, with one more use.
    pub(crate) fn intern(&mut self, text: &str) -> Symbol {
        self.intern_with(text, || text.into())
    }

    /// The same, sharing the allocation of `text`.
    pub(crate) fn intern_shared(&mut self, text: &Str) -> Symbol {
        self.intern_with(text, || text.clone())
    }

    fn intern_with(&mut self, text: &str, own: impl FnOnce() -> Str) -> Symbol {
        let found = self.find(text);
        match self.uses.get_mut(found.0 as usize) {
            Some(uses) => {
                *uses += 1;
                found
            }
            None => self.add(own()),
        }
    }

    fn add(&mut self, text: Str) -> Symbol {
        let symbol = self.free.pop().unwrap_or_else(|| {
            self.strings.push(Str::default());
            self.uses.push(0);
            Symbol(self.uses.len() as u32 - 1)
        });
        let place = short(text.as_bytes())
            .unwrap_or_else(|| Text::place_of(self.texts.add(text.as_bytes())));
        let own = Text {
            symbol,
            len: text.len() as u32,
            place,
        };
        let (hash, hasher, texts) = (self.hash(&text), &self.hasher, &self.texts);
        self.by_text
            .insert_unique(hash, own, |other| hasher.hash_one(other.bytes(texts)));
        if let (Some(string), Some(uses)) = (
            self.strings.get_mut(symbol.0 as usize),
            self.uses.get_mut(symbol.0 as usize),
        ) {
            (*string, *uses) = (text, 1);
        }
        symbol
    }

    /// Takes one use back; the last one frees the symbol.
    pub(crate) fn release(&mut self, symbol: Symbol) {
        let (Some(uses), Some(string)) = (
            self.uses.get_mut(symbol.0 as usize),
            self.strings.get_mut(symbol.0 as usize),
        ) else {
            return;
        };
        *uses -= 1;
        if *uses > 0 {
            return;
        }
        let text = std::mem::take(string);
        let hash = self.hash(&text);
        if let Ok(found) = self.by_text.find_entry(hash, |own| own.symbol == symbol) {
            let (own, _) = found.remove();
            if let Some(start) = own.start() {
                self.texts.end(start, own.len);
            }
        }
        self.free.push(symbol);
    }

    /// The symbol of `text`; [`Symbol::UNKNOWN`] where nobody uses it.
    pub(crate) fn find(&self, text: &str) -> Symbol {
        if text.is_empty() {
            return Symbol::EMPTY;
        }
        let found = self.by_text.find(self.hash(text), |own| {
            own.bytes(&self.texts) == text.as_bytes()
        });
        found.map_or(Symbol::UNKNOWN, |own| own.symbol)
    }

    /// The hash that the table uses.
    pub(crate) fn hash(&self, text: &str) -> u64 {
        self.hasher.hash_one(text.as_bytes())
    }

    /// The string of a symbol in use.
    pub(crate) fn text(&self, symbol: Symbol) -> &str {
        self.strings.get(symbol.0 as usize).map_or("", |text| text)
    }

    /// The string of a symbol in use, shared.
    pub(crate) fn shared(&self, symbol: Symbol) -> Str {
        let string = self.strings.get(symbol.0 as usize);
        string.cloned().unwrap_or_default()
    }

    /// Number of strings in use.
    pub(crate) fn len(&self) -> usize {
        self.strings.len() - self.free.len()
    }

    /// Bytes of the tables, the texts of lookups included, and bytes of the strings that are shared with the snapshot
    /// where they stand there as such.
    pub(crate) fn bytes(&self) -> (usize, usize) {
        let table = self.strings.capacity() * size_of::<Str>()
            + self.uses.capacity() * size_of::<u32>()
            + self.by_text.allocation_size()
            + self.texts.bytes()
            + self.free.capacity() * size_of::<Symbol>();
        // Two reference counts stand before the text of a shared string.
        let text = |string: &Str| 2 * size_of::<usize>() + string.len();
        (table, self.strings.iter().map(text).sum())
    }
}

impl Text {
    fn place_of(start: u32) -> [u8; SHORT] {
        let mut place = [0; SHORT];
        if let Some(first) = place.first_chunk_mut() {
            *first = start.to_ne_bytes();
        }
        place
    }

    /// Where a long one starts among the texts.
    fn start(&self) -> Option<u32> {
        let start = self.place.first_chunk().copied().map(u32::from_ne_bytes);
        start.filter(|_| self.len as usize > SHORT)
    }

    fn bytes<'a>(&'a self, texts: &'a Blocks<u8>) -> &'a [u8] {
        match self.start() {
            Some(start) => texts.slice(start, self.len),
            None => self.place.get(..self.len as usize).unwrap_or_default(),
        }
    }
}

/// A string that fits, with zeros behind it.
fn short(text: &[u8]) -> Option<[u8; SHORT]> {
    let mut place = [0; SHORT];
    place.get_mut(..text.len())?.copy_from_slice(text);
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_lives_as_long_as_it_is_used() {
        let mut symbols = Symbols::new();
        let before = symbols.len();
        let first = symbols.intern("pods");
        assert_eq!(symbols.intern_shared(&"pods".into()), first);
        symbols.release(first);
        assert_eq!(symbols.find("pods"), first);
        assert_eq!(symbols.text(first), "pods");
        symbols.release(first);
        assert_eq!(symbols.find("pods"), Symbol::UNKNOWN);
        assert_eq!(symbols.len(), before);
        assert_eq!(
            symbols.intern("secrets"),
            first,
            "the freed symbol is used again"
        );
        assert_eq!(symbols.find("secrets"), first);
    }

    #[test]
    fn short_and_long_strings_are_told_apart() {
        let mut symbols = Symbols::new();
        let texts: Vec<String> = (1..60)
            .flat_map(|len| [0, 1].map(|end| format!("{}{end}", "x".repeat(len - 1))))
            .chain(["\0".to_owned(), "\0\0".to_owned(), "x\0".to_owned()])
            .collect();
        let added: Vec<Symbol> = texts.iter().map(|text| symbols.intern(text)).collect();
        for (text, &symbol) in texts.iter().zip(&added) {
            assert_eq!(symbols.find(text), symbol, "{text}");
        }
        for (text, &symbol) in texts.iter().zip(&added).step_by(2) {
            symbols.release(symbol);
            assert_eq!(symbols.find(text), Symbol::UNKNOWN, "{text}");
        }
        for (text, &symbol) in texts.iter().zip(&added).skip(1).step_by(2) {
            assert_eq!(symbols.find(text), symbol, "{text}");
        }
        let before = symbols.texts.room();
        for text in texts.iter().step_by(2) {
            symbols.intern(text);
        }
        for symbol in texts
            .iter()
            .map(|text| symbols.find(text))
            .collect::<Vec<_>>()
        {
            symbols.release(symbol);
        }
        assert!(symbols.texts.room() < before);
    }

    #[test]
    fn constants_are_what_they_say() {
        let symbols = Symbols::new();
        assert_eq!(symbols.find("*"), Symbol::STAR);
        assert_eq!(symbols.find(""), Symbol::EMPTY);
    }
}
