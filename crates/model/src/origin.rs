use bailiwick_core::{Kind, Str};
use serde::{Deserialize, Serialize};

/// Position of a file in [`Snapshot::files`](crate::Snapshot::files).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileId(pub u32);

/// A file that objects were read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// The path as the user gave it; `-` is standard input.
    pub path: Str,
}

/// Where an object came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "camelCase")]
pub enum Origin {
    /// A document, or an item of a list in one.
    File(FileOrigin),
    /// A live cluster, or a dump or snapshot of one whose file is not at hand.
    #[default]
    Live,
    /// The default roles and bindings of Kubernetes 1.`minor`, which the input did not hold.
    Default {
        /// The minor version.
        minor: u16,
    },
}

/// A stretch of a file that holds one object. Lines and fields are found again on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileOrigin {
    /// The file.
    pub file: FileId,
    /// Where the YAML or JSON document starts, in bytes.
    pub document: u64,
    /// Where the object starts, in bytes: the document's start, or later for an item of a list.
    pub start: u64,
    /// Where it ends, exclusive, in bytes.
    pub end: u64,
    /// Position in `items` of a list; `None` where the object is the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<u32>,
    /// The first eight bytes of the SHA-256 of the object's bytes, to notice that the file has changed since.
    pub hash: u64,
}

/// Something that could not be read. Every answer that it touches has to say so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The kinds that may be missing; empty where nobody can tell which.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<Kind>,
    /// The namespace that they may be missing from; empty means anywhere.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub namespace: Str,
    /// The one namespace that nothing is missing from although the rest of the cluster could not be read; empty means
    /// none.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub except: Str,
    /// What happened and what to do, in a sentence.
    pub message: String,
}

impl Gap {
    /// Whether an answer about `kinds` in `namespace` (empty for the whole cluster) may be wrong because of this gap.
    pub fn touches(&self, kinds: &[Kind], namespace: &str) -> bool {
        let kind = self.kinds.is_empty() || self.kinds.iter().any(|kind| kinds.contains(kind));
        let place = namespace.is_empty()
            || (self.namespace.is_empty() && *self.except != *namespace)
            || *self.namespace == *namespace;
        kind && place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_touches_what_it_may_hide() {
        let check = |gap: (&str, &str), asked: (Kind, &str), expected: bool| {
            let gap = Gap {
                kinds: vec![Kind::Role],
                namespace: gap.0.into(),
                except: gap.1.into(),
                message: String::new(),
            };
            assert_eq!(
                gap.touches(&[asked.0], asked.1),
                expected,
                "{gap:?} {asked:?}"
            );
        };
        check(("", ""), (Kind::Role, ""), true);
        check(("", ""), (Kind::Role, "shop"), true);
        check(("", ""), (Kind::Secret, "shop"), false);
        check(("shop", ""), (Kind::Role, ""), true);
        check(("shop", ""), (Kind::Role, "shop"), true);
        check(("shop", ""), (Kind::Role, "bank"), false);
        check(("", "shop"), (Kind::Role, ""), true);
        check(("", "shop"), (Kind::Role, "shop"), false);
        check(("", "shop"), (Kind::Role, "bank"), true);
    }
}
