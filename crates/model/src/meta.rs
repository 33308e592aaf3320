use bailiwick_core::Str;
use serde::{Deserialize, Serialize};

/// What Bailiwick keeps of an object's metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    /// The name.
    pub name: Str,
    /// The namespace; empty for a cluster-scoped object.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub namespace: Str,
    /// The UID; empty in manifests.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub uid: Str,
    /// Labels, sorted by key.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub labels: Box<[(Str, Str)]>,
    /// Annotations that say something about access, sorted by key; all others, and with them whatever
    /// `kubectl apply` wrote down of earlier contents, are dropped while reading.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub annotations: Box<[(Str, Str)]>,
    /// Kind and name of the controlling owner, such as the ReplicaSet of a Pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller: Option<(Str, Str)>,
}

impl ObjectMeta {
    /// Metadata of a name in a namespace (empty for none).
    pub fn named(namespace: &str, name: &str) -> Self {
        Self {
            name: name.into(),
            namespace: namespace.into(),
            ..Self::default()
        }
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        find(&self.labels, key)
    }

    /// The value of a kept annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        find(&self.annotations, key)
    }
}

/// The value of a key in sorted pairs.
pub(crate) fn find<'a>(pairs: &'a [(Str, Str)], key: &str) -> Option<&'a str> {
    let position = pairs.binary_search_by(|(k, _)| (**k).cmp(key)).ok()?;
    pairs.get(position).map(|(_, value)| &**value)
}
