use bailiwick_core::Str;
use serde::Deserialize;

use super::{ApiResource, ApiTable, ApiVersion, Subresource};
use crate::value::Value;

/// Why discovery documents could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("discovery document is not an `APIGroupDiscoveryList` of `apidiscovery.k8s.io/v2`: {0}")]
pub struct DiscoveryError(pub String);

#[derive(Deserialize)]
struct List {
    kind: String,
    #[serde(default)]
    items: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    versions: Vec<Version>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    /// Missing for the core group.
    #[serde(default)]
    name: Str,
}

#[derive(Deserialize)]
struct Version {
    version: Str,
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    resource: Str,
    #[serde(default)]
    response_kind: Option<ResponseKind>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    singular_resource: Str,
    #[serde(default)]
    verbs: Vec<Str>,
    #[serde(default)]
    short_names: Vec<Str>,
    #[serde(default)]
    subresources: Vec<Sub>,
}

#[derive(Deserialize)]
struct ResponseKind {
    #[serde(default)]
    kind: Str,
}

#[derive(Deserialize)]
struct Sub {
    subresource: Str,
    #[serde(default)]
    verbs: Vec<Str>,
}

impl ApiTable {
    /// The resources that discovery documents list: `APIGroupDiscoveryList` of `/api` and of `/apis`, in this order.
    /// Groups and versions stand in the order in which the server prefers them.
    pub fn from_discovery(documents: &[Value]) -> Result<Self, DiscoveryError> {
        let mut table = Self::default();
        for document in documents {
            // Discovery is read once a session: the way over text keeps one reader for both.
            let list: List = serde_json::from_str(&document.to_string())
                .map_err(|error| DiscoveryError(error.to_string()))?;
            if list.kind != "APIGroupDiscoveryList" {
                return Err(DiscoveryError(format!("its kind is `{}`", list.kind)));
            }
            for group in list.items {
                for version in group.versions {
                    for resource in version.resources {
                        table.add(&group.metadata.name, &version.version, resource);
                    }
                }
            }
        }
        Ok(table)
    }

    /// Adds a resource as one version serves it. Of a resource that several versions serve, the preferred one, which
    /// comes first, gives the names; verbs and subresources of the others count as well, because RBAC does not tell
    /// versions apart.
    fn add(&mut self, group: &Str, version: &Str, new: Resource) {
        let version = ApiVersion {
            version: version.clone(),
            default: true,
        };
        let known = self
            .resources
            .iter_mut()
            .find(|r| r.group == *group && r.resource == new.resource);
        let resource = match known {
            Some(known) => known,
            None => {
                self.resources.push(ApiResource::discovered(group, &new));
                let Some(added) = self.resources.last_mut() else {
                    return;
                };
                added
            }
        };
        resource.versions.push(version);
        join(&mut resource.verbs, new.verbs);
        for sub in new.subresources {
            match resource
                .subresources
                .iter_mut()
                .find(|s| s.name == sub.subresource)
            {
                Some(known) => join(&mut known.verbs, sub.verbs),
                None => resource.subresources.push(Subresource {
                    name: sub.subresource,
                    verbs: sub.verbs,
                    default: true,
                }),
            }
        }
    }
}

impl ApiResource {
    fn discovered(group: &Str, new: &Resource) -> Self {
        let kind = new
            .response_kind
            .as_ref()
            .map(|k| k.kind.clone())
            .unwrap_or_default();
        Self {
            group: group.clone(),
            resource: new.resource.clone(),
            singular: match &*new.singular_resource {
                "" => kind.to_ascii_lowercase().into(),
                _ => new.singular_resource.clone(),
            },
            kind,
            short_names: new.short_names.clone(),
            namespaced: new.scope == "Namespaced",
            default: true,
            ..Self::default()
        }
    }
}

fn join(verbs: &mut Vec<Str>, more: Vec<Str>) {
    for verb in more {
        if !verbs.contains(&verb) {
            verbs.push(verb);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<ApiTable, DiscoveryError> {
        ApiTable::from_discovery(&[serde_json::from_str(json).unwrap()])
    }

    #[test]
    fn versions_of_one_resource_join() {
        let table = read(
            r#"{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","items":[
                {"metadata":{"name":"acme.example"},"versions":[
                  {"version":"v2","freshness":"Current","resources":[
                    {"resource":"gadgets","responseKind":{"group":"acme.example","version":"v2","kind":"Gadget"},
                     "scope":"Namespaced","singularResource":"gadget","verbs":["get"],"shortNames":["ga"],
                     "subresources":[{"subresource":"status","verbs":["get"]}]}]},
                  {"version":"v1","resources":[
                    {"resource":"gadgets","responseKind":{"kind":"Gadget"},"scope":"Namespaced","verbs":["get","list"],
                     "subresources":[{"subresource":"status","verbs":["patch"]},{"subresource":"scale","verbs":["get"]}]},
                    {"resource":"depots","responseKind":{"kind":"Depot"},"scope":"Cluster","verbs":["get"]}]}]}]}"#,
        )
        .unwrap();
        let gadgets = table.resource("acme.example", "gadgets").unwrap();
        assert_eq!(gadgets.versions.len(), 2);
        assert_eq!(&*gadgets.versions[0].version, "v2");
        assert_eq!(gadgets.verbs, ["get".into(), "list".into()]);
        assert_eq!(gadgets.subresource("status").unwrap().verbs.len(), 2);
        assert!(gadgets.namespaced && gadgets.subresource("scale").is_some());
        let depots = table.resource("acme.example", "depots").unwrap();
        assert_eq!((&*depots.singular, depots.namespaced), ("depot", false));
        assert_eq!(table.resolve("ga").unwrap().resource, gadgets);
    }

    #[test]
    fn other_documents_are_refused() {
        for (json, expected) in [
            (
                r#"{"kind":"APIGroupList","groups":[]}"#,
                "its kind is `APIGroupList`",
            ),
            (r#"{"items":[]}"#, "missing field `kind`"),
            ("[]", "invalid length 0"),
            (
                r#"{"kind":"APIGroupDiscoveryList","items":[{"versions":[{}]}]}"#,
                "missing field `version`",
            ),
        ] {
            let error = read(json).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
