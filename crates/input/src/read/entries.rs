use std::collections::HashMap;
use std::ops::Range;

use bailiwick_model::{Map, Value};

use super::problem::Duplicate;

/// From this many keys on an index is kept.
const INDEXED: usize = 24;

/// A mapping under construction, in which a later key replaces an earlier equal one.
#[derive(Default)]
pub(super) struct Entries {
    entries: Vec<(String, Value)>,
    keys: Vec<Range<usize>>,
    index: HashMap<String, usize>,
}

impl Entries {
    /// Sets `key`, which stands at `at`. Tells of the earlier equal key.
    pub(super) fn set(&mut self, key: String, value: Value, at: Range<usize>) -> Option<Duplicate> {
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
                let lost = std::mem::replace(place, at.clone());
                Some(Duplicate {
                    key,
                    lost,
                    kept: at,
                })
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
