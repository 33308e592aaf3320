//! What is asked before an object is stored: webhooks and admission policies.

use bailiwick_core::{Kind, Str};
use serde::{Deserialize, Serialize};

use crate::meta::ObjectMeta;
use crate::rbac::LabelSelector;

/// The label of a namespace that the API server sets to its name, whatever anybody writes.
pub const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// A ValidatingWebhookConfiguration or MutatingWebhookConfiguration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WebhookConfiguration {
    /// Name and labels.
    pub metadata: ObjectMeta,
    /// Whether it changes what it is asked about.
    #[serde(skip_serializing_if = "is_false")]
    pub mutating: bool,
    /// The webhooks.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub webhooks: Box<[Webhook]>,
}

/// A server that is asked before an object is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Webhook {
    /// Its name.
    pub name: Str,
    /// The namespace of the Service that it is asked through; empty where it has a URL of its own.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub service_namespace: Str,
    /// The name of that Service.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub service_name: Str,
    /// What it is asked about. Without rules that is nothing.
    #[serde(skip_serializing_if = "MatchResources::is_default")]
    pub matches: MatchResources,
    /// Whether objects pass where it does not answer.
    #[serde(skip_serializing_if = "is_false")]
    pub fails_open: bool,
}

/// A ValidatingAdmissionPolicy or MutatingAdmissionPolicy. What its expressions say is not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AdmissionPolicy {
    /// Name and labels.
    pub metadata: ObjectMeta,
    /// Whether it changes what it is about.
    #[serde(skip_serializing_if = "is_false")]
    pub mutating: bool,
    /// What it is about.
    pub matches: MatchResources,
    /// Kind of the objects that it takes parameters from, as `apiVersion` and `kind`; `None` for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub param_kind: Option<(Str, Str)>,
    /// Whether it has expressions that refuse or change objects, rather than annotate the audit log alone.
    #[serde(skip_serializing_if = "is_false")]
    pub judges: bool,
    /// Whether it annotates the audit log.
    #[serde(skip_serializing_if = "is_false")]
    pub annotates: bool,
    /// Whether objects pass where it cannot be evaluated.
    #[serde(skip_serializing_if = "is_false")]
    pub fails_open: bool,
    /// Whether an expression reads the UID or the extra values of the user.
    #[serde(skip_serializing_if = "is_false")]
    pub by_claims: bool,
}

/// A ValidatingAdmissionPolicyBinding or MutatingAdmissionPolicyBinding: puts a policy in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AdmissionBinding {
    /// Name and labels.
    pub metadata: ObjectMeta,
    /// Whether its policy is a MutatingAdmissionPolicy.
    #[serde(skip_serializing_if = "is_false")]
    pub mutating: bool,
    /// The name of the policy.
    pub policy: Str,
    /// To what of the policy's it is limited. Without rules that is everything.
    #[serde(skip_serializing_if = "MatchResources::is_default")]
    pub matches: MatchResources,
    /// Whether it refuses what the policy finds wrong, rather than to warn of it or note it.
    #[serde(skip_serializing_if = "is_false")]
    pub denies: bool,
    /// The object that it takes parameters from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub param: Option<ParamRef>,
}

/// Which objects a binding takes parameters from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ParamRef {
    /// The name; empty where labels select them.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub name: Str,
    /// The namespace; empty is that of the request, or none.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub namespace: Str,
    /// Whether requests are refused where there is none.
    #[serde(skip_serializing_if = "is_false")]
    pub required: bool,
}

/// Which requests a webhook, a policy or a binding is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MatchResources {
    /// Labels of the namespace.
    #[serde(skip_serializing_if = "LabelSelector::is_empty")]
    pub namespaces: LabelSelector,
    /// Labels of the object.
    #[serde(skip_serializing_if = "LabelSelector::is_empty")]
    pub objects: LabelSelector,
    /// One of these has to match.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub rules: Box<[ResourceRule]>,
    /// None of these may match.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub except: Box<[ResourceRule]>,
    /// Whether a rule is about the versions that it names alone, rather than about all of a resource.
    #[serde(skip_serializing_if = "is_false")]
    pub exact: bool,
}

/// One kind of request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceRule {
    /// `CREATE`, `UPDATE`, `DELETE`, `CONNECT` or `*`.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub operations: Box<[Str]>,
    /// API groups, or `*`.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub groups: Box<[Str]>,
    /// API versions, or `*`.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub versions: Box<[Str]>,
    /// Resources and subresources, either of which may be `*`.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub resources: Box<[Str]>,
    /// Names of objects; empty is every name.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub names: Box<[Str]>,
    /// `Cluster`, `Namespaced`, or empty for both.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub scope: Str,
}

impl WebhookConfiguration {
    /// The kind.
    pub fn kind(&self) -> Kind {
        if self.mutating {
            Kind::MutatingWebhookConfiguration
        } else {
            Kind::ValidatingWebhookConfiguration
        }
    }
}

impl AdmissionPolicy {
    /// The kind.
    pub fn kind(&self) -> Kind {
        if self.mutating {
            Kind::MutatingAdmissionPolicy
        } else {
            Kind::ValidatingAdmissionPolicy
        }
    }
}

impl AdmissionBinding {
    /// The kind.
    pub fn kind(&self) -> Kind {
        if self.mutating {
            Kind::MutatingAdmissionPolicyBinding
        } else {
            Kind::ValidatingAdmissionPolicyBinding
        }
    }
}

impl MatchResources {
    /// Whether labels of a namespace that somebody can change decide whether it is asked.
    pub fn by_namespace(&self) -> bool {
        let LabelSelector {
            match_labels,
            match_expressions,
        } = &self.namespaces;
        let labels = match_labels.iter().map(|(key, _)| key);
        let mut keys = labels.chain(match_expressions.iter().map(|own| &own.key));
        keys.any(|key| &**key != NAME_LABEL)
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl ResourceRule {
    /// Whether it is about a resource, or a subresource where one is given, of a group
    /// (upstream `admission/plugin/webhook/predicates/rules/rules.go`).
    pub fn is_about(&self, group: &str, resource: &str, subresource: &str) -> bool {
        let or_all = |own: &str, asked: &str| own == "*" || own == asked;
        let mut resources = self.resources.iter();
        self.groups.iter().any(|own| or_all(own, group))
            && resources.any(|own| {
                let (own, sub) = own.split_once('/').unwrap_or((own, ""));
                or_all(own, resource) && or_all(sub, subresource)
            })
    }
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(flag: &bool) -> bool {
    !*flag
}
