use std::fmt;

use bailiwick_core::{Kind, ObjectRef, Str};
use bailiwick_model::{CustomKind, Delta, Interner, Origin, Value, decode};

/// Kinds of objects that can be listed and followed: those that Bailiwick knows, and custom resources.
pub trait Followed:
    Copy + Ord + std::hash::Hash + fmt::Debug + fmt::Display + Send + Sync + 'static
{
    /// A change of an object.
    type Delta: Clone + fmt::Debug + PartialEq + Send;

    /// The kind that Bailiwick knows, where it is one.
    fn known(self) -> Option<Kind>;

    /// As `kind` says it.
    fn name(self) -> String;

    /// API group; empty is the core group.
    fn group(self) -> &'static str;

    /// Version of the API group.
    fn version(self) -> &'static str;

    /// Versions that say the same, the latest first, for servers that do not serve the other.
    fn older_versions(self) -> &'static [&'static str] {
        &[]
    }

    /// Plural resource name.
    fn plural(self) -> &'static str;

    /// Whether objects of this kind live in a namespace.
    fn namespaced(self) -> bool;

    /// The object is there now, as it says. What is wrong with it comes as sentences.
    fn there(
        self,
        object: ObjectName,
        value: Value,
        names: &mut Interner,
    ) -> (Self::Delta, Vec<String>);

    /// The object is gone.
    fn gone(self, object: ObjectName) -> Self::Delta;
}

/// Namespace (empty where the kind lies in none) and name.
pub type ObjectName = (Str, Str);

impl Followed for Kind {
    type Delta = Delta;

    fn known(self) -> Option<Kind> {
        Some(self)
    }

    fn name(self) -> String {
        self.to_string()
    }

    fn group(self) -> &'static str {
        self.group()
    }

    /// The version under which every kind that Bailiwick reads is served.
    fn version(self) -> &'static str {
        "v1"
    }

    fn older_versions(self) -> &'static [&'static str] {
        self.older_versions()
    }

    fn plural(self) -> &'static str {
        self.resource()
    }

    fn namespaced(self) -> bool {
        self.is_namespaced()
    }

    /// One that cannot be read is as if it were not there.
    fn there(self, object: ObjectName, value: Value, names: &mut Interner) -> (Delta, Vec<String>) {
        let decoded = decode(value, names);
        let lost = decoded.issues.into_iter().filter(|issue| issue.lost);
        let lost = lost.map(|issue| issue.message).collect();
        let delta = match decoded.object {
            Some(object) => Delta::Upsert(Box::new(object), Origin::Live),
            None => self.gone(object),
        };
        (delta, lost)
    }

    fn gone(self, (namespace, name): ObjectName) -> Delta {
        Delta::Remove(ObjectRef {
            kind: self,
            namespace,
            name,
        })
    }
}

/// A custom resource as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomDelta {
    /// Its kind.
    pub kind: CustomKind,
    /// Its namespace and name.
    pub object: ObjectName,
    /// What it says; `None` where it is gone.
    pub value: Option<Value>,
}

impl Followed for CustomKind {
    type Delta = CustomDelta;

    fn known(self) -> Option<Kind> {
        None
    }

    fn name(self) -> String {
        self.kind.to_owned()
    }

    fn group(self) -> &'static str {
        self.group
    }

    fn version(self) -> &'static str {
        self.version
    }

    fn plural(self) -> &'static str {
        self.plural
    }

    fn namespaced(self) -> bool {
        self.namespaced
    }

    fn there(
        self,
        object: ObjectName,
        value: Value,
        _: &mut Interner,
    ) -> (CustomDelta, Vec<String>) {
        let delta = CustomDelta {
            kind: self,
            object,
            value: Some(value),
        };
        (delta, Vec::new())
    }

    fn gone(self, object: ObjectName) -> CustomDelta {
        CustomDelta {
            kind: self,
            object,
            value: None,
        }
    }
}
