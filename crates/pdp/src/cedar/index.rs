use std::sync::Arc;

use bailiwick_core::Str;
use hashbrown::HashMap;
use smallvec::SmallVec;

use super::facts::{Facts, Keys, KeysOf};
use super::policy::Policy;
use super::scope::{Key, Met};

/// Policies by what a request must have to concern them. Finds at least those that Cedar would not evaluate to
/// `false`, and few others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    policies: Vec<Option<Arc<Policy>>>,
    by_id: HashMap<Str, u32>,
    free: Vec<u32>,
    /// By both keys.
    filed: HashMap<u64, SmallVec<[u32; 2]>>,
    principals: Used,
    resources: Used,
}

/// A policy that a request may be a case for, and how far that is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) met: Met,
}

pub(crate) type Candidates<'a> = SmallVec<[Candidate<'a>; 4]>;

/// Keys that an entity of a request has.
pub(crate) type Asking = SmallVec<[Key; 8]>;

/// Keys in use, so that a request asks for no other.
#[derive(Clone, Debug, Default)]
struct Used {
    keys: HashMap<Key, u32>,
    sieve: Sieve,
    /// How many of them are of attributes.
    texts: usize,
    /// Attributes that some policy reads without asking whether they are there.
    unguarded: SmallVec<[u64; 4]>,
}

impl Index {
    /// Adds a policy, in place of the one of its id.
    pub(crate) fn put(&mut self, policy: impl Into<Arc<Policy>>) {
        let policy = policy.into();
        self.remove(policy.id());
        let slot = self.free.pop().unwrap_or_else(|| {
            self.policies.push(None);
            self.policies.len() as u32 - 1
        });
        let (principals, resources) = policy.scope().keys();
        for principal in &principals {
            self.principals.add(*principal);
            for resource in &resources {
                self.filed
                    .entry(principal.with(*resource))
                    .or_default()
                    .push(slot);
            }
        }
        resources.iter().for_each(|key| self.resources.add(*key));
        self.by_id.insert(policy.id().clone(), slot);
        if let Some(place) = self.policies.get_mut(slot as usize) {
            *place = Some(policy);
        }
    }

    /// Takes a policy out; says whether it was there.
    pub(crate) fn remove(&mut self, id: &str) -> bool {
        let Some(slot) = self.by_id.remove(id) else {
            return false;
        };
        let Some(policy) = self.policies.get_mut(slot as usize).and_then(Option::take) else {
            return false;
        };
        let (principals, resources) = policy.scope().keys();
        for principal in &principals {
            self.principals.release(*principal);
            for resource in &resources {
                let key = principal.with(*resource);
                if let Some(list) = self.filed.get_mut(&key) {
                    if let Some(place) = list.iter().position(|other| *other == slot) {
                        list.remove(place);
                    }
                    if list.is_empty() {
                        self.filed.remove(&key);
                    }
                }
            }
        }
        resources
            .iter()
            .for_each(|key| self.resources.release(*key));
        self.free.push(slot);
        true
    }

    /// Every policy, by id.
    pub(crate) fn all(&self) -> Vec<&Policy> {
        let mut all: Vec<&Policy> = self.policies.iter().flatten().map(|p| &**p).collect();
        all.sort_unstable_by_key(|policy| policy.key());
        all
    }

    /// Number of policies.
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Those keys of whoever asks by which policies may concern them; where there are none, nothing else has to be
    /// known.
    pub(crate) fn principals(&self, keys: KeysOf<impl Keys, impl Keys>) -> Asking {
        self.principals.of(keys)
    }

    /// The policies that a request may be a case for, each once. `principals`: what [`Index::principals`] gave for it.
    pub(crate) fn candidates(&self, principals: &Asking, facts: &Facts<'_>) -> Candidates<'_> {
        let mut found: SmallVec<[u32; 8]> = SmallVec::new();
        if !principals.is_empty() {
            let resources = self.resources.of(facts.resource.keys());
            for principal in principals {
                for resource in &resources {
                    found.extend(
                        self.filed
                            .get(&principal.with(*resource))
                            .into_iter()
                            .flatten()
                            .copied(),
                    );
                }
            }
        }
        // A policy may be filed under two keys that a request has.
        found.sort_unstable();
        found.dedup();
        found
            .into_iter()
            .filter_map(|slot| {
                let policy = self.policies.get(slot as usize)?.as_deref()?;
                let met = policy.scope().meet(facts)?;
                Some(Candidate { policy, met })
            })
            .collect()
    }
}

impl Used {
    fn add(&mut self, key: Key) {
        let uses = self.keys.entry(key).or_default();
        *uses += 1;
        if *uses == 1 {
            match key {
                Key::Text(..) => self.texts += 1,
                Key::Missing(name) => self.unguarded.push(name),
                _ => {}
            }
            self.sieve.add(key, self.keys.keys());
        }
    }

    fn release(&mut self, key: Key) {
        if let Some(uses) = self.keys.get_mut(&key) {
            *uses -= 1;
            if *uses == 0 {
                self.keys.remove(&key);
                match key {
                    Key::Text(..) => self.texts -= 1,
                    Key::Missing(name) => self.unguarded.retain(|other| *other != name),
                    _ => {}
                }
            }
        }
    }

    /// Those in use among the keys of an entity, and those of what it lacks.
    fn of(&self, keys: KeysOf<impl Keys, impl Keys>) -> Asking {
        let mut asking = Asking::new();
        for name in &self.unguarded {
            let is_it = |key| matches!(key, Key::Text(known, _) if known == *name);
            if !keys.texts.clone().any(is_it) {
                asking.push(Key::Missing(*name));
            }
        }
        // From within, because this chain is slow to be asked for one after the other.
        let mut ask = |key| {
            if self.sieve.passes(key) && self.keys.contains_key(&key) {
                asking.push(key);
            }
        };
        keys.entities.for_each(&mut ask);
        if self.texts > 0 {
            keys.texts.for_each(ask);
        }
        asking
    }
}

/// Which keys are certainly not in use: a few kilobytes that stay near the processor, where the table of keys does not.
#[derive(Clone, Debug, Default)]
struct Sieve {
    /// A power of two of them; two bits in one of them for each key that was ever added.
    words: Vec<u64>,
    added: usize,
}

impl Sieve {
    /// Adds a key. Where too many have come and gone it is made anew of `all` that are there.
    fn add<'k>(&mut self, key: Key, all: impl ExactSizeIterator<Item = &'k Key>) {
        self.added += 1;
        if self.added * 16 > self.words.len() * 64 {
            self.added = all.len();
            self.words.clear();
            // Room for as many again, at 16 bits each.
            self.words
                .resize((all.len() / 2).next_power_of_two().max(4), 0);
            all.for_each(|key| self.mark(*key));
        }
        self.mark(key);
    }

    fn mark(&mut self, key: Key) {
        let (place, bits) = self.place(key);
        if let Some(word) = self.words.get_mut(place) {
            *word |= bits;
        }
    }

    #[inline]
    fn passes(&self, key: Key) -> bool {
        let (place, bits) = self.place(key);
        let word = self.words.get(place).copied().unwrap_or_default();
        word & bits == bits
    }

    #[inline]
    fn place(&self, key: Key) -> (usize, u64) {
        let hash = key.mixed();
        let place = (hash >> 12) as usize & self.words.len().wrapping_sub(1);
        (place, 1 << (hash & 63) | 1 << (hash >> 6 & 63))
    }
}
