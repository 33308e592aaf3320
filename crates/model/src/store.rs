use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use bailiwick_core::Str;

use crate::origin::Origin;

/// Objects of one kind with where they came from, sorted by namespace and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store<T>(BTreeMap<Key, Entry<T>>);

/// Namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key(Str, Str);

/// Namespace and name, owned or not, so that looking something up allocates nothing.
trait AsKey {
    fn parts(&self) -> (&str, &str);
}

impl AsKey for Key {
    fn parts(&self) -> (&str, &str) {
        (&self.0, &self.1)
    }
}

impl AsKey for (&str, &str) {
    fn parts(&self) -> (&str, &str) {
        *self
    }
}

impl<'k> Borrow<dyn AsKey + 'k> for Key {
    fn borrow(&self) -> &(dyn AsKey + 'k) {
        self
    }
}

impl PartialEq for dyn AsKey + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for dyn AsKey + '_ {}

impl PartialOrd for dyn AsKey + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn AsKey + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

/// An object and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<T> {
    /// The object.
    pub object: T,
    /// Where it came from.
    pub origin: Origin,
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Store<T> {
    /// The object of this namespace (empty for a cluster-scoped one) and name.
    pub fn get(&self, namespace: &str, name: &str) -> Option<&T> {
        self.entry(namespace, name).map(|entry| &entry.object)
    }

    /// The object of this namespace and name with its origin.
    pub fn entry(&self, namespace: &str, name: &str) -> Option<&Entry<T>> {
        self.0.get(&(namespace, name) as &dyn AsKey)
    }

    /// All objects with their origins.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry<T>> {
        self.0.values()
    }

    /// All objects.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &T> {
        self.0.values().map(|entry| &entry.object)
    }

    /// The objects of one namespace, or the cluster-scoped ones where it is empty.
    pub fn in_namespace<'s>(&'s self, namespace: &str) -> impl Iterator<Item = &'s T> + use<'s, T> {
        let namespace: Str = namespace.into();
        self.0
            .range(Key(namespace.clone(), Str::default())..)
            .take_while(move |(key, _)| key.0 == namespace)
            .map(|(_, entry)| &entry.object)
    }

    /// The namespaces that hold objects, sorted; the empty one first where there are cluster-scoped objects.
    pub fn namespaces(&self) -> impl Iterator<Item = &Str> {
        let mut last: Option<&Str> = None;
        std::iter::from_fn(move || {
            let from: Str = match last {
                None => Str::default(),
                // No string lies between a namespace and itself with a NUL.
                Some(namespace) => format!("{namespace}\0").into(),
            };
            let next = self.0.range(Key(from, Str::default())..).next();
            last = next.map(|(key, _)| &key.0);
            last
        })
        .fuse()
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn put(
        &mut self,
        namespace: &Str,
        name: &Str,
        object: T,
        origin: Origin,
    ) -> Option<Entry<T>> {
        self.0.insert(
            Key(namespace.clone(), name.clone()),
            Entry { object, origin },
        )
    }

    /// Gives back the room that was kept for more.
    pub(crate) fn pack(&mut self) {
        // What is made of a whole sorted list has full nodes; one by one they are left half empty.
        self.0 = std::mem::take(&mut self.0).into_iter().collect();
    }

    pub(crate) fn take(&mut self, namespace: &Str, name: &Str) -> bool {
        let key: (&str, &str) = (namespace, name);
        self.0.remove(&key as &dyn AsKey).is_some()
    }
}
