//! What stands under `spec` of each kind of document. The definitions of the custom resources are made of these types.

use std::collections::BTreeMap;

use bailiwick_core::{Str, Timestamp};
use bailiwick_model::PolicyRule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The specification of policies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PolicySpec {
    /// Policies and templates in Cedar's language.
    #[schemars(length(max = 262_144))]
    pub cedar: String,
    /// Policies made of the templates.
    #[serde(default)]
    #[schemars(length(max = 10_000))]
    pub links: Vec<LinkSpec>,
}

/// A policy made of a template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LinkSpec {
    /// Its name, unique in the document.
    pub name: String,
    /// Id of the template.
    pub template: String,
    /// What stands for `?principal`.
    #[serde(default)]
    pub principal: Option<String>,
    /// What stands for `?resource`.
    #[serde(default)]
    pub resource: Option<String>,
}

/// Types and their relations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SchemaSpec {
    /// By name.
    pub types: BTreeMap<String, TypeSpec>,
}

/// One type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct TypeSpec {
    /// How its objects can be related, as in `[user, group#member] or owner or viewer from folder`.
    pub relations: BTreeMap<String, String>,
    /// The relation that each action takes.
    pub actions: BTreeMap<String, String>,
}

/// Relations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RelationsSpec {
    /// Each as `TYPE:ID#RELATION@TYPE:ID`.
    pub tuples: Vec<String>,
}

/// What a namespace may grant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DelegationSpec {
    /// The namespaces, by name.
    pub namespaces: Vec<String>,
    /// In the words of RBAC.
    pub rules: Vec<RuleSpec>,
}

/// A rule as in a ClusterRole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RuleSpec {
    /// Verbs, or `*`.
    pub verbs: Vec<String>,
    /// API groups, `""` for core, or `*`.
    pub api_groups: Vec<String>,
    /// Resources, `resource/subresource`, `*/subresource`, or `*`.
    pub resources: Vec<String>,
    /// Object names; empty means every name.
    pub resource_names: Vec<String>,
    /// Paths that are no resource, or prefixes ending in `*`.
    #[serde(rename = "nonResourceURLs")]
    pub non_resource_urls: Vec<String>,
}

impl From<RuleSpec> for PolicyRule {
    fn from(rule: RuleSpec) -> Self {
        let texts = |texts: Vec<String>| texts.into_iter().map(Str::from).collect();
        Self {
            verbs: texts(rule.verbs),
            api_groups: texts(rule.api_groups),
            resources: texts(rule.resources),
            resource_names: texts(rule.resource_names),
            non_resource_urls: texts(rule.non_resource_urls),
        }
    }
}

/// Whom to refuse: exactly one of `user`, `group`, `serviceAccount` and `credential`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "[has(self.user), has(self.group), has(self.serviceAccount), has(self.credential)].filter(named, named).size() == 1",
    "message": "one of user, group, serviceAccount and credential, and no more",
}]))]
pub struct RevocationSpec {
    /// A user.
    #[schemars(length(min = 1))]
    pub user: Option<String>,
    /// Everybody in a group.
    #[schemars(length(min = 1))]
    pub group: Option<String>,
    /// A service account, as `NAMESPACE/NAME`.
    #[schemars(regex(
        pattern = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
    ))]
    pub service_account: Option<String>,
    /// A credential: `JTI=ID` or `X509SHA256=HASH`.
    #[schemars(length(min = 1))]
    pub credential: Option<String>,
    /// Why; whoever is refused reads it.
    pub reason: String,
    /// When it ends.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub expires: Option<Timestamp>,
}
