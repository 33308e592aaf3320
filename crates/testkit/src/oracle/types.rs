//! What goes to the oracle and what comes back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A cluster's RBAC objects as Kubernetes JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Objects {
    /// Roles.
    pub roles: Vec<Value>,
    /// ClusterRoles.
    pub cluster_roles: Vec<Value>,
    /// RoleBindings.
    pub role_bindings: Vec<Value>,
    /// ClusterRoleBindings.
    pub cluster_role_bindings: Vec<Value>,
}

impl Objects {
    /// Sorts objects into their lists by `kind`; others are left out.
    pub fn by_kind(objects: impl IntoIterator<Item = Value>) -> Self {
        let mut sorted = Self::default();
        for object in objects {
            match object.get("kind").and_then(Value::as_str) {
                Some("Role") => sorted.roles.push(object),
                Some("ClusterRole") => sorted.cluster_roles.push(object),
                Some("RoleBinding") => sorted.role_bindings.push(object),
                Some("ClusterRoleBinding") => sorted.cluster_role_bindings.push(object),
                _ => {}
            }
        }
        sorted
    }
}

/// The `spec` of a SubjectAccessReview: who wants what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReviewSpec {
    /// The user's name.
    pub user: String,
    /// The user's groups; none are added.
    pub groups: Vec<String>,
    /// The user's id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Extra attributes of the user.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
    /// A `ResourceAttributes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_attributes: Option<Value>,
    /// A `NonResourceAttributes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub non_resource_attributes: Option<Value>,
}

impl ReviewSpec {
    /// A request on a resource; `attributes` is a `ResourceAttributes`.
    #[must_use]
    pub fn resource(user: &str, groups: &[&str], attributes: Value) -> Self {
        Self {
            resource_attributes: Some(attributes),
            ..Self::of(user, groups)
        }
    }

    /// A request on a URL that is no resource.
    #[must_use]
    pub fn path(user: &str, groups: &[&str], verb: &str, path: &str) -> Self {
        Self {
            non_resource_attributes: Some(json!({"verb": verb, "path": path})),
            ..Self::of(user, groups)
        }
    }

    fn of(user: &str, groups: &[&str]) -> Self {
        Self {
            user: user.to_owned(),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            ..Self::default()
        }
    }
}

/// Somebody who asks, as the authenticator found them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Person {
    /// The name.
    pub name: String,
    /// The id.
    pub uid: String,
    /// The groups; `null` on the wire means none.
    #[serde(deserialize_with = "null_as_default")]
    pub groups: Vec<String>,
    /// Extra attributes; `null` on the wire means none.
    #[serde(deserialize_with = "null_as_default")]
    pub extra: BTreeMap<String, Vec<String>>,
}

/// The RBAC authorizer's answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Decision {
    /// Allow; otherwise the authorizer has no opinion.
    pub allowed: bool,
    /// Upstream's words: the binding that it met first, or what it could not resolve.
    #[serde(default)]
    pub reason: String,
    /// Upstream's error, which RBAC never returns today.
    #[serde(default)]
    pub error: String,
    /// Every binding and rule that grants, in no fixed order.
    #[serde(default)]
    pub grants: Vec<Grant>,
}

/// One rule that grants, and the way to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub struct Grant {
    /// The binding.
    pub binding: Reference,
    /// The role that it refers to.
    pub role: Reference,
    /// The first subject of the binding that is the user.
    pub subject: Reference,
    /// The position of the rule in the role.
    pub rule: usize,
}

/// Names an object or subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub struct Reference {
    /// The kind.
    pub kind: String,
    /// The namespace, empty for what has none.
    #[serde(default)]
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// Times in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Spread {
    /// Half of the decisions took no longer.
    pub p50: u64,
    /// 99 of 100 decisions took no longer.
    pub p99: u64,
}

/// How long decisions took.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Benchmark {
    /// Over all decisions.
    pub overall: Spread,
    /// Over the repeats of each request.
    pub per_request: Vec<Spread>,
    /// How many of the requests are allowed.
    pub allowed: usize,
}

/// The rules that reach somebody.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Rules {
    /// `PolicyRule`s: the cluster's, then the namespace's.
    pub rules: Vec<Value>,
    /// What could not be resolved; the rules are then not all.
    #[serde(default)]
    pub error: String,
}

/// Whether rules are covered.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Coverage {
    /// All of them.
    pub covered: bool,
    /// The atomic rules that are not.
    pub uncovered: Vec<Value>,
}

/// Whether rules may be granted.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Escalation {
    /// They are no more than what the user holds.
    pub allowed: bool,
    /// Upstream's message when they are more.
    #[serde(default)]
    pub message: String,
}

/// Who can do something.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Subjects {
    /// `Subject`s, the group `system:masters` always among them.
    pub subjects: Vec<Value>,
    /// What could not be resolved; the subjects are then perhaps not all.
    #[serde(default)]
    pub error: String,
}

/// What the API server reads in a request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RequestInfo {
    /// A request on a resource, not on another URL.
    pub resource_request: bool,
    /// The path without its query.
    pub path: String,
    /// The verb.
    pub verb: String,
    /// `api` or `apis`.
    pub api_prefix: String,
    /// The API group.
    pub api_group: String,
    /// The API version.
    pub api_version: String,
    /// The namespace.
    pub namespace: String,
    /// The resource.
    pub resource: String,
    /// The subresource.
    pub subresource: String,
    /// The name.
    pub name: String,
    /// The field selector.
    pub field_selector: String,
    /// The label selector.
    pub label_selector: String,
}

/// A request with impersonation headers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Impersonation {
    /// Who sends it.
    pub user: Person,
    /// Headers, each with its values.
    pub headers: BTreeMap<String, Vec<String>>,
    /// Method and URL.
    pub request: Target,
    /// The filter of servers without the gate `ConstrainedImpersonation`.
    pub legacy: bool,
}

/// Method and URL of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Target {
    /// The method.
    pub method: String,
    /// The URL, path and query suffice.
    pub url: String,
}

/// What the filter made of it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Impersonated {
    /// The request goes on.
    pub allowed: bool,
    /// As whom it goes on.
    pub user: Option<Person>,
    /// The HTTP status.
    pub code: u16,
    /// The `Status` that refuses it.
    pub status: Option<Value>,
    /// What the filter asked of the authorizer, in order.
    pub checks: Vec<Check>,
}

/// One question of the filter to the authorizer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// About whom.
    pub user: Person,
    /// A `ResourceAttributes`.
    pub resource_attributes: Option<Value>,
    /// A `NonResourceAttributes`.
    pub non_resource_attributes: Option<Value>,
    /// The answer.
    pub allowed: bool,
}

/// A stream of documents.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Documents {
    /// JSON texts, numbers as kubectl keeps them.
    pub documents: Vec<String>,
    /// Where kubectl gave up, empty when it did not.
    #[serde(default)]
    pub error: String,
}

/// A document in its Go type.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Decoded {
    /// The object without what the type does not know.
    pub object: Option<Value>,
    /// Group, version and kind in upstream's words.
    #[serde(default)]
    pub kind: String,
    /// What strict field validation refuses.
    pub strict: Vec<String>,
    /// Why it cannot be read at all.
    #[serde(default)]
    pub error: String,
}

/// Go writes an empty list as `null`.
fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
