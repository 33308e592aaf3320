use std::sync::Arc;

use bailiwick_core::Str;
use hashbrown::HashMap;
use smallvec::SmallVec;

use super::facts::{Facts, Side};
use super::policy::Policy;
use super::scope::Key;

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

/// Keys in use, so that a request asks for no other.
#[derive(Clone, Debug, Default)]
struct Used {
    keys: HashMap<Key, u32>,
    /// Attributes that some policy reads without asking whether they are there.
    unguarded: SmallVec<[u64; 4]>,
}

impl Index {
    /// Adds a policy, in place of the one of its id.
    pub(crate) fn put(&mut self, policy: Policy) {
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
            *place = Some(Arc::new(policy));
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

    /// Number of policies.
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The policies that a request has to be compared with, each once.
    pub(crate) fn candidates(&self, facts: &Facts) -> SmallVec<[&Policy; 4]> {
        let mut found: SmallVec<[u32; 8]> = SmallVec::new();
        if !self.by_id.is_empty() {
            let resources = self.resources.of(&facts.resource);
            for principal in self.principals.of(&facts.principal) {
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
            .filter_map(|slot| self.policies.get(slot as usize)?.as_deref())
            .filter(|policy| policy.scope().admits(facts))
            .collect()
    }
}

impl Used {
    fn add(&mut self, key: Key) {
        let uses = self.keys.entry(key).or_default();
        *uses += 1;
        if let (Key::Missing(name), 1) = (key, *uses) {
            self.unguarded.push(name);
        }
    }

    fn release(&mut self, key: Key) {
        if let Some(uses) = self.keys.get_mut(&key) {
            *uses -= 1;
            if *uses == 0 {
                self.keys.remove(&key);
                self.unguarded.retain(|name| Key::Missing(*name) != key);
            }
        }
    }

    /// Those that an entity has.
    fn of(&self, side: &Side) -> SmallVec<[Key; 8]> {
        let texts = side
            .texts
            .iter()
            .map(|&(name, value)| Key::Text(name, value));
        let absent = |name: &u64| side.text(*name).is_none();
        let missing = self
            .unguarded
            .iter()
            .copied()
            .filter(absent)
            .map(Key::Missing);
        let within = side
            .ancestors
            .iter()
            .chain([&side.uid])
            .map(|&uid| Key::Within(uid));
        [Key::Any, Key::Is(side.uid)]
            .into_iter()
            .chain(within)
            .chain(texts)
            .chain(missing)
            .filter(|key| self.keys.contains_key(key))
            .collect()
    }
}
