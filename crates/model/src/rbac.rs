use bailiwick_core::{Kind, ObjectRef, Str, Subject};
use serde::{Deserialize, Serialize};

use crate::meta::{ObjectMeta, find};

/// A Role (in a namespace) or a ClusterRole (namespace empty).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Role {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// What it allows, as the authorizer reads it.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub rules: Box<[PolicyRule]>,
    /// Selectors of the ClusterRoles whose rules the controller copies here; `None` for a plain role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aggregation: Option<Box<[LabelSelector]>>,
}

/// One rule. Every list is compared as `rbac-and-edges` of the docs and upstream's `evaluation_helpers.go` say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyRule {
    /// Verbs, or `*`.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub verbs: Box<[Str]>,
    /// API groups, `""` for core, or `*`.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub api_groups: Box<[Str]>,
    /// Resources, `resource/subresource`, `*/subresource`, or `*`.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub resources: Box<[Str]>,
    /// Object names; empty means every name.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub resource_names: Box<[Str]>,
    /// Paths that are no resource, or prefixes ending in `*`.
    #[serde(rename = "nonResourceURLs", skip_serializing_if = "<[_]>::is_empty")]
    pub non_resource_urls: Box<[Str]>,
}

/// `metadata` labels that a selector asks for: all of `match_labels` and all of `match_expressions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// Labels that must have exactly this value, sorted by key.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub match_labels: Box<[(Str, Str)]>,
    /// Further requirements.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub match_expressions: Box<[Requirement]>,
}

/// One requirement of a selector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requirement {
    /// The label's key.
    pub key: Str,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: Str,
    /// The values of `In` and `NotIn`.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub values: Box<[Str]>,
}

/// A RoleBinding (in a namespace) or a ClusterRoleBinding (namespace empty).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Binding {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// The role that it gives.
    pub role_ref: RoleRef,
    /// To whom.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub subjects: Box<[BindingSubject]>,
}

/// The role of a binding. The authorizer does not read the API group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoleRef {
    /// `rbac.authorization.k8s.io`; the API server stores nothing else.
    pub api_group: Str,
    /// `Role` or `ClusterRole`; the API server stores nothing else.
    pub kind: Str,
    /// The role's name. A Role is looked up in the binding's namespace.
    pub name: Str,
}

/// A subject as a binding spells it. The authorizer does not read the API group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BindingSubject {
    /// `User`, `Group` or `ServiceAccount`.
    pub kind: Str,
    /// The API group, as stored.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub api_group: Str,
    /// The name.
    pub name: Str,
    /// A service account's namespace; empty means the binding's own.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub namespace: Str,
}

impl LabelSelector {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// Whether an object has what is asked for; a selector that asks for nothing matches everything
    /// (upstream `apimachinery/pkg/labels/selector.go`).
    ///
    /// `None` where the selector makes no sense, as with an unknown operator: the API server stores none like that.
    pub fn matches(&self, metadata: &ObjectMeta) -> Option<bool> {
        self.matches_labels(&metadata.labels)
    }

    /// The same of labels that are sorted.
    pub fn matches_labels(&self, labels: &[(Str, Str)]) -> Option<bool> {
        let mut all = self
            .match_labels
            .iter()
            .all(|(key, value)| find(labels, key) == Some(value));
        for requirement in &self.match_expressions {
            all &= requirement.matches(labels)?;
        }
        Some(all)
    }
}

impl Requirement {
    fn matches(&self, labels: &[(Str, Str)]) -> Option<bool> {
        let own = find(labels, &self.key);
        let listed = || own.is_some_and(|own| self.values.iter().any(|value| **value == *own));
        match (&*self.operator, self.values.is_empty()) {
            ("In", false) => Some(listed()),
            // What has no such label is not in any list.
            ("NotIn", false) => Some(!listed()),
            ("Exists", true) => Some(own.is_some()),
            ("DoesNotExist", true) => Some(own.is_none()),
            _ => None,
        }
    }
}

impl Role {
    /// `Role` or `ClusterRole`.
    pub fn kind(&self) -> Kind {
        if self.metadata.namespace.is_empty() {
            Kind::ClusterRole
        } else {
            Kind::Role
        }
    }

    /// The reference to this role.
    pub fn object_ref(&self) -> ObjectRef {
        ObjectRef {
            kind: self.kind(),
            namespace: self.metadata.namespace.clone(),
            name: self.metadata.name.clone(),
        }
    }
}

impl Binding {
    /// `RoleBinding` or `ClusterRoleBinding`.
    pub fn kind(&self) -> Kind {
        if self.metadata.namespace.is_empty() {
            Kind::ClusterRoleBinding
        } else {
            Kind::RoleBinding
        }
    }

    /// The reference to this binding.
    pub fn object_ref(&self) -> ObjectRef {
        ObjectRef {
            kind: self.kind(),
            namespace: self.metadata.namespace.clone(),
            name: self.metadata.name.clone(),
        }
    }

    /// The role that this binding gives; `None` where `roleRef.kind` is neither Role nor ClusterRole, or a
    /// ClusterRoleBinding names a Role: such a binding grants nothing.
    pub fn role(&self) -> Option<ObjectRef> {
        let namespace = &self.metadata.namespace;
        match &*self.role_ref.kind {
            "ClusterRole" => Some(ObjectRef {
                kind: Kind::ClusterRole,
                namespace: Str::default(),
                name: self.role_ref.name.clone(),
            }),
            "Role" if !namespace.is_empty() => Some(ObjectRef {
                kind: Kind::Role,
                namespace: namespace.clone(),
                name: self.role_ref.name.clone(),
            }),
            _ => None,
        }
    }
}

impl BindingSubject {
    /// Whom this names, seen from a binding in `namespace` (empty for a ClusterRoleBinding). `None` where it can
    /// apply to nobody: an unknown kind, or a service account without a namespace in a ClusterRoleBinding.
    ///
    /// A user is taken literally, `system:serviceaccount:NAMESPACE:NAME` included.
    pub fn subject(&self, namespace: &str) -> Option<Subject> {
        let name = self.name.to_string();
        match &*self.kind {
            "User" => Some(Subject::User { name }),
            "Group" => Some(Subject::Group { name }),
            "ServiceAccount" => {
                let own = if self.namespace.is_empty() {
                    namespace
                } else {
                    &self.namespace
                };
                (!own.is_empty()).then(|| Subject::ServiceAccount {
                    namespace: own.to_owned(),
                    name,
                })
            }
            _ => None,
        }
    }
}
