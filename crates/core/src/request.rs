use std::fmt;

use serde::{Deserialize, Serialize};

/// What is asked for: a resource of the Kubernetes API, or a path that is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Request {
    /// A request on a resource.
    Resource(ResourceRequest),
    /// A request on a path such as `/healthz`.
    NonResource(NonResourceRequest),
}

/// A request on a resource, as the API server's request-info parser reads it. Empty means "none" in every field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceRequest {
    /// Exact, case-sensitive; also made-up verbs such as `bind`, `use`, `impersonate`.
    pub verb: String,
    /// API group; empty is the core group.
    pub group: String,
    /// API version. RBAC does not read it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Plural resource name, without the subresource.
    pub resource: String,
    /// Subresource, or empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subresource: String,
    /// Namespace; empty for a cluster-scoped resource, and for all namespaces at once.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Object name; empty where the request names none (create by POST, list, watch, deletecollection).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What a list, watch or deletecollection asks of labels. Requirements only narrow a request; RBAC does not read
    /// them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub label_selector: Vec<Requirement>,
    /// What it asks of fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub field_selector: Vec<Requirement>,
}

/// One requirement of a request's selector, as a SubjectAccessReview carries it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Requirement {
    /// The label's key, or the field's path.
    pub key: String,
    /// How the value is compared.
    pub operator: SelectorOperator,
    /// The values of `In` and `NotIn`; empty for the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// How a requirement compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SelectorOperator {
    /// There, with one of the values.
    In,
    /// With none of the values, or not there.
    NotIn,
    /// There.
    Exists,
    /// Not there.
    DoesNotExist,
}

/// A request on a path outside `/api/VERSION/...` and `/apis/GROUP/VERSION/...`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NonResourceRequest {
    /// The HTTP method in lower case.
    pub verb: String,
    /// The path, starting with `/`.
    pub path: String,
}

impl Request {
    /// The verb.
    pub fn verb(&self) -> &str {
        match self {
            Self::Resource(request) => &request.verb,
            Self::NonResource(request) => &request.verb,
        }
    }

    /// The namespace; empty where there is none.
    pub fn namespace(&self) -> &str {
        match self {
            Self::Resource(request) => &request.namespace,
            Self::NonResource(_) => "",
        }
    }
}

impl ResourceRequest {
    /// A request on `resource`, or `resource/subresource`, of `group`.
    pub fn new(verb: &str, group: &str, resource: &str) -> Self {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        Self {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            ..Self::default()
        }
    }

    /// The same in a namespace.
    #[must_use]
    pub fn in_namespace(mut self, namespace: &str) -> Self {
        namespace.clone_into(&mut self.namespace);
        self
    }

    /// The same on one object.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// `resource` or `resource/subresource`, as a rule spells it.
    pub fn combined_resource(&self) -> String {
        match self.subresource.as_str() {
            "" => self.resource.clone(),
            subresource => format!("{}/{subresource}", self.resource),
        }
    }
}

impl From<ResourceRequest> for Request {
    fn from(request: ResourceRequest) -> Self {
        Self::Resource(request)
    }
}

impl From<NonResourceRequest> for Request {
    fn from(request: NonResourceRequest) -> Self {
        Self::NonResource(request)
    }
}

impl fmt::Display for Request {
    /// For people: `get pods/log "web" in namespace "shop"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NonResource(request) => write!(f, "{} {}", request.verb, request.path),
            Self::Resource(request) => {
                write!(f, "{} {}", request.verb, request.combined_resource())?;
                if !request.group.is_empty() {
                    write!(f, ".{}", request.group)?;
                }
                if !request.name.is_empty() {
                    write!(f, " {:?}", request.name)?;
                }
                match request.namespace.as_str() {
                    "" => Ok(()),
                    namespace => write!(f, " in namespace {namespace:?}"),
                }
            }
        }
    }
}
