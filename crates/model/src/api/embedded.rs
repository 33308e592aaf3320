//! The tables that are part of the program, one a minor, written by `cargo xtask generate` from real servers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use super::{ApiResource, ApiTable};

struct Minor {
    minor: u16,
    api: &'static [u8],
    defaults: &'static [u8],
}

macro_rules! minors {
    ($($minor:literal),+) => {
        const EMBEDDED: &[Minor] = &[$(Minor {
            minor: $minor,
            api: include_bytes!(concat!("../../data/api/1.", $minor, ".json")),
            defaults: include_bytes!(concat!("../../data/defaults/1.", $minor, ".json")),
        }),+];

        impl ApiTable {
            /// The minors of Kubernetes 1 that are embedded, oldest first.
            pub const MINORS: &[u16] = &[$($minor),+];
        }
    };
}

minors!(29, 30, 31, 32, 33, 34, 35, 36, 37);

impl ApiTable {
    /// The newest minor of Kubernetes 1 that is embedded.
    pub const NEWEST: u16 = match Self::MINORS.last() {
        Some(minor) => *minor,
        None => 0,
    };

    /// The resources of Kubernetes 1.`minor`; `None` where that minor is not embedded.
    pub fn embedded(minor: u16) -> Option<Self> {
        let embedded = EMBEDDED.iter().find(|embedded| embedded.minor == minor)?;
        let mut table: Self = serde_json::from_slice(embedded.api).ok()?;
        table.resources.sort_by_key(rank);
        Some(table)
    }
}

/// Core comes first in discovery. Beyond it no name of Kubernetes' own groups is there twice, so that any order of
/// the others resolves names as discovery's would.
fn rank(resource: &ApiResource) -> bool {
    !resource.group.is_empty()
}

/// The default roles and bindings of a minor, as a JSON list.
pub(crate) fn defaults_of(minor: u16) -> Option<&'static [u8]> {
    let embedded = EMBEDDED.iter().find(|embedded| embedded.minor == minor)?;
    Some(embedded.defaults)
}

/// The kinds of every embedded minor by group.
fn all_kinds() -> &'static BTreeMap<String, BTreeSet<String>> {
    static KINDS: OnceLock<BTreeMap<String, BTreeSet<String>>> = OnceLock::new();
    KINDS.get_or_init(|| {
        let mut kinds: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for resource in ApiTable::MINORS
            .iter()
            .filter_map(|minor| ApiTable::embedded(*minor))
            .flat_map(|table| table.resources)
        {
            kinds
                .entry(resource.group.to_string())
                .or_default()
                .insert(resource.kind.to_string());
        }
        // Groups that API servers before the embedded ones served; their kinds live elsewhere now.
        for group in RETIRED_GROUPS {
            kinds.entry(group.to_owned()).or_default();
        }
        kinds
    })
}

/// Groups that Kubernetes itself once had and has no more.
pub(super) const RETIRED_GROUPS: [&str; 3] =
    ["extensions", "auditregistration.k8s.io", "settings.k8s.io"];

/// Whether any embedded minor has this kind, in any version.
pub(crate) fn is_kind(group: &str, kind: &str) -> bool {
    kinds(group).contains(kind)
}

/// Whether the group is one of Kubernetes itself.
pub(crate) fn is_group(group: &str) -> bool {
    all_kinds().contains_key(group)
}

/// The kinds of a group of Kubernetes itself.
pub(crate) fn kinds(group: &str) -> &'static BTreeSet<String> {
    static NONE: BTreeSet<String> = BTreeSet::new();
    all_kinds().get(group).unwrap_or(&NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_minor_in_the_folder_is_embedded_and_reads() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/data/api");
        let mut minors: Vec<u16> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|name| {
                name["1.".len()..name.len() - ".json".len()]
                    .parse()
                    .unwrap()
            })
            .collect();
        minors.sort_unstable();
        assert_eq!(minors, ApiTable::MINORS);
        for minor in minors {
            let table = ApiTable::embedded(minor).unwrap();
            assert_eq!(&*table.resources()[0].group, "", "core comes first");
            let pods = table.resource("", "pods").unwrap();
            assert!(pods.namespaced && pods.default && pods.subresource("log").is_some());
            assert!(
                table
                    .resource("rbac.authorization.k8s.io", "roles")
                    .is_some()
            );
        }
    }

    #[test]
    fn no_name_of_kubernetes_itself_is_there_twice_but_events() {
        for minor in ApiTable::MINORS {
            let table = ApiTable::embedded(*minor).unwrap();
            let mut seen = BTreeMap::new();
            for resource in table.resources() {
                let names = [&resource.resource, &resource.singular];
                for name in names.into_iter().chain(&resource.short_names) {
                    if let Some(other) = seen.insert(name.clone(), resource) {
                        let same =
                            other.group == resource.group && other.resource == resource.resource;
                        assert!(same || &*resource.resource == "events", "{name}");
                    }
                }
            }
        }
    }
}
