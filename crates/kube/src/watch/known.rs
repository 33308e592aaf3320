use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use bailiwick_model::Value;

use crate::followed::ObjectName as Name;

/// The objects of a kind that were seen, each with the state in which it was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known(HashMap<Name, u64>);

impl Known {
    /// Notes an object. Says whether it is new or in another state than before; `None` for what is no object.
    pub(crate) fn put(&mut self, object: &Value) -> Option<bool> {
        let (name, version) = identify(object)?;
        Some(self.0.insert(name, version) != Some(version))
    }

    pub(crate) fn remove(&mut self, name: &Name) -> bool {
        self.0.remove(name).is_some()
    }

    pub(crate) fn has(&self, name: &Name) -> bool {
        self.0.contains_key(name)
    }

    /// Those that are not in `now`.
    pub(crate) fn gone(&self, now: &Self) -> Vec<Name> {
        let gone = self.0.keys().filter(|name| !now.has(name));
        gone.cloned().collect()
    }

    pub(crate) fn state(&self, name: &Name) -> Option<u64> {
        self.0.get(name).copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Name> {
        self.0.keys()
    }
}

/// Namespace, name and state of an object.
pub(crate) fn identify(object: &Value) -> Option<(Name, u64)> {
    let metadata = object.get("metadata")?;
    let text = |key: &str| {
        metadata
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let name = text("name");
    let version = text("resourceVersion");
    // The server's numbers are opaque by contract: two states differ or do not.
    let state = version.parse().unwrap_or_else(|_| hash(version));
    (!name.is_empty()).then(|| ((text("namespace").into(), name.into()), state))
}

fn hash(text: &str) -> u64 {
    static HASHER: std::sync::OnceLock<RandomState> = std::sync::OnceLock::new();
    let mut hasher = HASHER.get_or_init(RandomState::new).build_hasher();
    hasher.write(text.as_bytes());
    hasher.finish()
}
