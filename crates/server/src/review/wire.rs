//! SubjectAccessReview of `authorization.k8s.io`, v1 and v1beta1, as the API server's webhook client sends and reads it
//! (`staging/src/k8s.io/apiserver/plugin/pkg/authorizer/webhook/webhook.go`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Write as _};

use bailiwick_audit::DecisionId;
use bailiwick_core::{
    Effect, NonResourceRequest, Reason, Request, Requirement, ResourceRequest, SelectorOperator,
    UserInfo,
};
use serde::{Deserialize, Serialize, Serializer};

use crate::desk::Decided;

pub(super) const V1: &str = "authorization.k8s.io/v1";
const V1BETA1: &str = "authorization.k8s.io/v1beta1";

/// Groups of a user. More than a token can carry.
const MOST_GROUPS: usize = 512;
/// Requirements and their values over both selectors.
const MOST_TERMS: usize = 256;

/// A question.
#[derive(Debug)]
pub(super) struct Review {
    pub(super) version: &'static str,
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(borrow)]
    api_version: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    spec: Spec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    user: Option<String>,
    uid: Option<String>,
    groups: Option<Vec<String>>,
    /// As v1beta1 calls `groups`.
    group: Option<Vec<String>>,
    extra: Option<BTreeMap<String, Option<Vec<String>>>>,
    resource_attributes: Option<ResourceAttributes>,
    non_resource_attributes: Option<NonResourceAttributes>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ResourceAttributes {
    namespace: String,
    verb: String,
    group: String,
    version: String,
    resource: String,
    subresource: String,
    name: String,
    field_selector: Option<Selector>,
    label_selector: Option<Selector>,
}

/// A selector. `rawSelector` is never read: the API server does not send it, and a parser of it would be one that
/// differs from its own.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Selector {
    requirements: Option<Vec<WireRequirement>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireRequirement {
    key: String,
    operator: String,
    values: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NonResourceAttributes {
    path: String,
    verb: String,
}

impl Review {
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        let document: Document<'_> =
            serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let version = match &*document.api_version {
            V1 => V1,
            V1BETA1 => V1BETA1,
            other => {
                return Err(format!(
                    "`{}` is no version of it that is known here",
                    cut(other)
                ));
            }
        };
        if document.kind != "SubjectAccessReview" {
            return Err(format!("this is a `{}`", cut(&document.kind)));
        }
        Ok(Self {
            version,
            spec: document.spec,
        })
    }

    /// Who asks for what; or why that cannot be decided.
    pub(super) fn question(self) -> Result<(UserInfo, Request), String> {
        let spec = self.spec;
        let groups = match self.version {
            V1BETA1 => spec.group,
            _ => spec.groups,
        };
        let groups = groups.unwrap_or_default();
        if groups.len() > MOST_GROUPS {
            return Err(format!(
                "the user has {} groups; {MOST_GROUPS} are looked at",
                groups.len()
            ));
        }
        let extra = spec.extra.unwrap_or_default().into_iter();
        let user = UserInfo {
            name: spec.user.unwrap_or_default(),
            uid: spec.uid.unwrap_or_default(),
            groups,
            extra: extra
                .map(|(key, values)| (key, values.unwrap_or_default()))
                .collect(),
        };
        let request = match (spec.resource_attributes, spec.non_resource_attributes) {
            (Some(attributes), None) => attributes.request()?.into(),
            (None, Some(NonResourceAttributes { path, verb })) => {
                NonResourceRequest { verb, path }.into()
            }
            _ => {
                let message = "the review asks for exactly one of a resource and a path, or it asks for nothing";
                return Err(message.to_owned());
            }
        };
        Ok((user, request))
    }
}

impl ResourceAttributes {
    fn request(self) -> Result<ResourceRequest, String> {
        let (field_selector, label_selector) = (
            requirements(self.field_selector),
            requirements(self.label_selector),
        );
        let both = field_selector.iter().chain(&label_selector);
        let terms: usize = both.map(|requirement| 1 + requirement.values.len()).sum();
        if terms > MOST_TERMS {
            return Err(format!(
                "the selectors have {terms} terms; {MOST_TERMS} are looked at"
            ));
        }
        Ok(ResourceRequest {
            verb: self.verb,
            group: self.group,
            version: self.version,
            resource: self.resource,
            subresource: self.subresource,
            namespace: self.namespace,
            name: self.name,
            label_selector,
            field_selector,
        })
    }
}

/// Requirements only narrow a request, so one that is not understood may be passed over: what remains asks for more.
fn requirements(selector: Option<Selector>) -> Vec<Requirement> {
    let found = selector
        .and_then(|selector| selector.requirements)
        .unwrap_or_default();
    found
        .into_iter()
        .filter_map(|requirement| {
            let operator = match requirement.operator.as_str() {
                "In" => SelectorOperator::In,
                "NotIn" => SelectorOperator::NotIn,
                "Exists" => SelectorOperator::Exists,
                "DoesNotExist" => SelectorOperator::DoesNotExist,
                _ => return None,
            };
            Some(Requirement {
                key: requirement.key,
                operator,
                values: requirement.values.unwrap_or_default(),
            })
        })
        .collect()
}

/// A text of the caller's, short enough for a message.
fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

/// An answer. The API server reads `status` alone.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reply<'a> {
    api_version: &'static str,
    kind: &'static str,
    status: Status<'a>,
}

impl<'a> Reply<'a> {
    pub(super) fn new(version: &'static str, status: Status<'a>) -> Self {
        Self {
            api_version: version,
            kind: "SubjectAccessReview",
            status,
        }
    }
}

/// Never allowed and denied at once: the API server takes that for an error, and the user gets a 500.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status<'a> {
    allowed: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    denied: bool,
    reason: Why<'a>,
    #[serde(skip_serializing_if = "String::is_empty")]
    evaluation_error: String,
}

/// Letters of a reason; it stands in a line of a terminal and in the API server's audit log.
const LONGEST_REASON: usize = 1_024;

impl<'a> Status<'a> {
    /// The reason does not start with our name: the API server puts the name of the authorizer before it.
    pub(super) fn of(decided: &'a Decided, answered: Effect) -> Self {
        let decision = &decided.decision;
        let refused = match &decision.reason {
            Reason::Refused { message } => message.clone(),
            _ => decision.problems.join("; "),
        };
        Self {
            allowed: answered == Effect::Allow,
            denied: answered == Effect::Deny,
            reason: Why {
                says: &decision.reason,
                id: decided.id,
            },
            evaluation_error: refused.chars().take(LONGEST_REASON).collect(),
        }
    }

    /// Nothing is allowed without a record of it.
    pub(super) fn unrecorded(id: DecisionId) -> Self {
        Self {
            allowed: false,
            denied: true,
            reason: Why {
                says: &"the decision cannot be recorded; try again, or tell whoever runs the cluster",
                id,
            },
            evaluation_error: String::new(),
        }
    }
}

/// A reason in one line of bounded length, and the name of the decision.
struct Why<'a> {
    says: &'a dyn Display,
    id: DecisionId,
}

impl Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let room = LONGEST_REASON;
        write!(OneLine { out: f, room }, "{}", self.says)?;
        write!(f, " (decision {})", self.id)
    }
}

impl Serialize for Why<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Takes a text as far as there is room. Names in it come from objects that others write; a reason is one line.
struct OneLine<'a, 'f> {
    out: &'a mut fmt::Formatter<'f>,
    /// Letters that it still takes.
    room: usize,
}

impl fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        // Nearly always; a letter is a byte then.
        let plain = part.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if plain && part.len() <= self.room {
            self.room -= part.len();
            return self.out.write_str(part);
        }
        for letter in part.chars().take(self.room) {
            let shown = if letter.is_control() { ' ' } else { letter };
            self.out.write_char(shown)?;
            self.room -= 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
