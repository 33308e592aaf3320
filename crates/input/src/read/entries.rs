use std::collections::HashMap;
use std::ops::Range;

use bailiwick_model::{Map, Value};

use super::problem::Duplicate;

/// From this many keys on an index is kept.
const INDEXED: usize = 24;

/// Where a key stands.
#[derive(Clone)]
enum Key {
    /// In the mapping itself.
    Own(Range<usize>),
    /// In another mapping, which the merge key here brings in.
    Merged(Range<usize>),
}

/// A mapping under construction, in which a later key replaces an earlier equal one.
#[derive(Default)]
pub(super) struct Entries {
    entries: Vec<(String, Value)>,
    keys: Vec<Key>,
    index: HashMap<String, usize>,
}

impl Entries {
    /// Sets `key`, which stands at `at`. Tells of the earlier equal key, unless that came from a merge key: to be
    /// replaced is what those are for.
    pub(super) fn set(&mut self, key: String, value: Value, at: Range<usize>) -> Option<Duplicate> {
        self.put(key, value, Key::Own(at))
    }

    /// Sets `key`, which the merge key at `at` brings in. Tells of the earlier equal key of the mapping itself, which
    /// most people take for the one that counts.
    pub(super) fn merge(
        &mut self,
        key: String,
        value: Value,
        at: Range<usize>,
    ) -> Option<Duplicate> {
        self.put(key, value, Key::Merged(at))
    }

    fn put(&mut self, key: String, value: Value, at: Key) -> Option<Duplicate> {
        let position = match self.entries.len() {
            0..INDEXED => self.entries.iter().position(|(known, _)| *known == key),
            _ => {
                for (position, (known, _)) in self.entries.iter().enumerate().skip(self.index.len())
                {
                    self.index.insert(known.clone(), position);
                }
                self.index.get(&key).copied()
            }
        };
        let known = position.and_then(|p| Some((self.entries.get_mut(p)?, self.keys.get_mut(p)?)));
        match known {
            Some((entry, place)) => {
                entry.1 = value;
                let (Key::Own(kept) | Key::Merged(kept)) = at.clone();
                match std::mem::replace(place, at) {
                    Key::Own(lost) => Some(Duplicate { key, lost, kept }),
                    Key::Merged(_) => None,
                }
            }
            None => {
                self.entries.push((key, value));
                self.keys.push(at);
                None
            }
        }
    }

    pub(super) fn remove(&mut self, key: &str) {
        if let Some(position) = self.entries.iter().position(|(known, _)| known == key) {
            self.entries.remove(position);
            self.keys.remove(position);
            self.index.clear();
        }
    }

    pub(super) fn into_map(self) -> Map {
        Map::from_unique(self.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_equal_keys_stands_in_small_and_large_mappings() {
        for keys in [3_usize, 100, 1000] {
            let mut entries = Entries::default();
            for n in 0..keys * 2 {
                let found = entries.set(
                    format!("k{}", n % keys),
                    Value::UInt(n as u64),
                    n * 10..n * 10 + 2,
                );
                let expected = (n >= keys).then(|| Duplicate {
                    key: format!("k{}", n % keys),
                    lost: (n - keys) * 10..(n - keys) * 10 + 2,
                    kept: n * 10..n * 10 + 2,
                });
                assert_eq!(found, expected, "{keys} keys, {n}");
            }
            let map = entries.into_map();
            assert_eq!(map.len(), keys);
            assert_eq!(map.get("k0"), Some(&Value::UInt(keys as u64)));
        }
    }
}
