//! The resources that a Kubernetes API serves: names, kinds, verbs, subresources. Per minor version from real
//! servers, or from the discovery documents of a live one.

mod discovery;
mod embedded;
mod liveness;
mod resolve;

use bailiwick_core::Str;
use serde::Deserialize;

pub use self::discovery::DiscoveryError;
pub use self::liveness::Liveness;
pub use self::resolve::{Resolved, UnknownResource};
use crate::object::CustomResource;

pub(crate) use self::embedded::{defaults_of, is_group, is_kind, kinds};

/// The resources of one API server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ApiTable {
    resources: Vec<ApiResource>,
}

/// One resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiResource {
    /// API group; empty for core.
    pub group: Str,
    /// Versions that serve it, the preferred one first.
    pub versions: Vec<ApiVersion>,
    /// Plural name, as rules spell it.
    pub resource: Str,
    /// Kind of its objects.
    pub kind: Str,
    /// Singular name.
    pub singular: Str,
    /// Short names, such as `deploy`.
    pub short_names: Vec<Str>,
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
    /// Verbs that it serves.
    pub verbs: Vec<Str>,
    /// Its subresources.
    pub subresources: Vec<Subresource>,
    /// Whether a server with default settings serves it.
    pub default: bool,
}

/// A version of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ApiVersion {
    /// Such as `v1`.
    pub version: Str,
    /// Whether a server with default settings serves it.
    pub default: bool,
}

/// A subresource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Subresource {
    /// Name without the resource's, such as `log`.
    pub name: Str,
    /// Verbs that it serves.
    pub verbs: Vec<Str>,
    /// Whether a server with default settings serves it.
    pub default: bool,
}

impl ApiTable {
    /// All resources, the ones of the core group first; on equal names the earlier one is meant.
    pub fn resources(&self) -> &[ApiResource] {
        &self.resources
    }

    /// The resource with this group (empty for core) and plural name.
    pub fn resource(&self, group: &str, resource: &str) -> Option<&ApiResource> {
        self.resources
            .iter()
            .find(|r| *r.group == *group && *r.resource == *resource)
    }

    /// Adds what a CustomResourceDefinition defines. A resource that is there already stays: the API server answers
    /// for its own groups itself, and discovery knows more than the definition says.
    pub fn add_custom(&mut self, custom: &CustomResource) {
        if self.resource(&custom.group, &custom.plural).is_none() {
            self.resources.push(ApiResource::custom(custom));
        }
    }
}

impl ApiResource {
    /// What the API server serves for a CustomResourceDefinition
    /// (upstream `apiextensions-apiserver/pkg/apiserver/customresource_discovery_controller.go`).
    fn custom(custom: &CustomResource) -> Self {
        const VERBS: [&str; 8] = [
            "create",
            "delete",
            "deletecollection",
            "get",
            "list",
            "patch",
            "update",
            "watch",
        ];
        let texts =
            |texts: &[&str]| -> Vec<Str> { texts.iter().map(|&text| text.into()).collect() };
        Self {
            group: custom.group.clone(),
            versions: custom
                .versions
                .iter()
                .map(|version| ApiVersion {
                    version: version.clone(),
                    default: true,
                })
                .collect(),
            resource: custom.plural.clone(),
            kind: custom.kind.clone(),
            singular: match &*custom.singular {
                "" => custom.kind.to_ascii_lowercase().into(),
                _ => custom.singular.clone(),
            },
            short_names: custom.short_names.to_vec(),
            namespaced: custom.namespaced,
            verbs: texts(&VERBS),
            subresources: custom
                .subresources
                .iter()
                .map(|name| Subresource {
                    name: name.clone(),
                    verbs: texts(&["get", "patch", "update"]),
                    default: true,
                })
                .collect(),
            default: true,
        }
    }

    /// The subresource of this name.
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|sub| *sub.name == *name)
    }

    /// `resource.group`, or the plural name alone for the core group.
    pub fn qualified(&self) -> String {
        match &*self.group {
            "" => self.resource.to_string(),
            group => format!("{}.{group}", self.resource),
        }
    }
}
