//! Values that are there once, by position, as long as somebody holds them.

use std::hash::{BuildHasher, Hash};

use hashbrown::{DefaultHashBuilder, HashTable};

/// Values that are there once, by position. Each counts who holds it; [`Table::sweep`] takes out what nobody does.
#[derive(Clone, Debug)]
pub(crate) struct Table<T> {
    hasher: DefaultHashBuilder,
    /// Positions by the values that stand there.
    positions: HashTable<u32>,
    values: Vec<Option<T>>,
    holders: Vec<u32>,
    free: Vec<u32>,
    /// What may be held by nobody.
    loose: Vec<u32>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            positions: HashTable::new(),
            values: Vec::new(),
            holders: Vec::new(),
            free: Vec::new(),
            loose: Vec::new(),
        }
    }
}

impl<T: Eq + Hash> Table<T> {
    /// Position of the value, and whether it is new. A new one has no holder yet.
    pub(crate) fn put(&mut self, value: T) -> (u32, bool) {
        if let Some(position) = self.find(&value) {
            return (position, false);
        }
        let hash = self.hasher.hash_one(&value);
        let position = match self.free.pop() {
            Some(position) => position,
            None => {
                self.values.push(None);
                self.holders.push(0);
                // More than u32::MAX different values do not fit into the memory of any machine that reads this.
                u32::try_from(self.values.len() - 1).unwrap_or(u32::MAX)
            }
        };
        if let Some(slot) = self.values.get_mut(position as usize) {
            *slot = Some(value);
        }
        self.loose.push(position);
        let (hasher, values) = (&self.hasher, &self.values);
        let hash_at = |&at: &u32| hash_at(hasher, values, at);
        self.positions.insert_unique(hash, position, hash_at);
        (position, true)
    }

    /// Position of the value, where it is there.
    pub(crate) fn find(&self, value: &T) -> Option<u32> {
        let hash = self.hasher.hash_one(value);
        let same = |&at: &u32| self.value(at) == Some(value);
        self.positions.find(hash, same).copied()
    }

    /// One holder more.
    pub(crate) fn hold(&mut self, position: u32) {
        if let Some(holders) = self.holders.get_mut(position as usize) {
            *holders += 1;
        }
    }

    /// One holder less.
    pub(crate) fn release(&mut self, position: u32) {
        if let Some(holders) = self.holders.get_mut(position as usize) {
            *holders = holders.saturating_sub(1);
            if *holders == 0 {
                self.loose.push(position);
            }
        }
    }

    /// Takes out what nobody holds.
    pub(crate) fn sweep(&mut self) -> Vec<(u32, T)> {
        let mut gone = Vec::new();
        for position in std::mem::take(&mut self.loose) {
            if self.holders.get(position as usize) != Some(&0) {
                continue;
            }
            // One that got loose twice is gone already.
            let Some(hash) = self
                .value(position)
                .map(|value| self.hasher.hash_one(value))
            else {
                continue;
            };
            if let Ok(found) = self.positions.find_entry(hash, |&at| at == position) {
                found.remove();
            }
            let slot = self.values.get_mut(position as usize);
            if let Some(value) = slot.and_then(Option::take) {
                self.free.push(position);
                gone.push((position, value));
            }
        }
        gone
    }

    /// The value at a position that [`Table::put`] gave.
    pub(crate) fn value(&self, position: u32) -> Option<&T> {
        self.values.get(position as usize)?.as_ref()
    }

    /// All values in the order of their positions.
    pub(crate) fn values(&self) -> impl Iterator<Item = (u32, &T)> {
        let places = (0..).zip(&self.values);
        places.filter_map(|(position, value)| Some((position, value.as_ref()?)))
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.positions.len()
    }

    /// One more than the last position.
    pub(crate) fn end(&self) -> usize {
        self.values.len()
    }
}

fn hash_at<T: Hash>(hasher: &DefaultHashBuilder, values: &[Option<T>], at: u32) -> u64 {
    let value = values.get(at as usize).and_then(Option::as_ref);
    value.map_or(0, |value| hasher.hash_one(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_holds_is_swept() {
        let mut table = Table::default();
        let (a, b) = (table.put("a").0, table.put("b").0);
        table.hold(a);
        table.hold(a);
        assert_eq!(table.sweep(), [(b, "b")]);
        assert_eq!(table.put("c"), (b, true), "its place is used again");
        table.release(a);
        assert_eq!(table.sweep(), [(b, "c")]);
        table.release(a);
        assert_eq!(table.put("a"), (a, false), "not swept yet");
        table.hold(a);
        assert_eq!(table.sweep(), []);
        assert_eq!(table.values().collect::<Vec<_>>(), [(a, &"a")]);
        table.release(a);
        table.release(a);
        assert_eq!(table.sweep(), [(a, "a")]);
        assert_eq!((table.len(), table.find(&"a")), (0, None));
    }
}
