//! The documents that people write: `apiVersion: bailiwick.dev/v1alpha1`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bailiwick_core::{Span, Str};
use bailiwick_model::{PolicyRule, Snapshot, Value};
use bailiwick_rbac::Engine;
use serde::Deserialize;

use crate::cedar::{PolicyDocument, TemplateLink};
use crate::delegations::{Delegation, Delegations};
use crate::kind::{DocumentId, DocumentKind};
use crate::policies::Policies;
use crate::relations::{RelationSchema, Relations};
use crate::revocations::{Revocation, RevocationTarget, Revocations};
use crate::set::{Compiler, Edit, Set};
use crate::specs::{
    DelegationSpec, LinkSpec, PolicySpec, RelationsSpec, RevocationSpec, SchemaSpec, TypeSpec,
};
use crate::state::State;

/// The one version of the documents.
pub const API_VERSION: &str = "bailiwick.dev/v1alpha1";

/// A document of one of the kinds, read but not yet checked against the others.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Document {
    /// `ClusterPolicy`, or `Policy` in a namespace.
    Policies(PolicyDocument),
    /// `RelationSchema`.
    Schema(String, SchemaSpec),
    /// `ClusterRelations`, or `Relations` in a namespace.
    Relations {
        /// The namespace; empty for the cluster's.
        namespace: Str,
        /// Its name.
        name: String,
        /// The relations.
        tuples: Vec<String>,
    },
    /// `Delegation`.
    Delegation(Delegation),
    /// `Revocation`.
    Revocation(Revocation),
}

/// What is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentProblem {
    /// Which document: kind and name, as in `ClusterPolicy no-host-pods`.
    pub document: String,
    /// What is wrong and what to do.
    pub message: String,
    /// The bytes of `spec.cedar` that it is about.
    pub span: Option<Span>,
}

impl fmt::Display for DocumentProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.document, self.message)
    }
}

#[derive(Deserialize)]
struct Head {
    kind: String,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    spec: serde_json::Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: String,
    namespace: String,
}

impl Document {
    /// Reads a document; `None` where it is not one of ours.
    pub fn read(value: &Value) -> Option<Result<Self, DocumentProblem>> {
        let ours = value.get("apiVersion").and_then(Value::as_str) == Some(API_VERSION);
        ours.then(|| {
            let head = serde_json::to_value(value).and_then(serde_json::from_value::<Head>);
            head.map_err(|error| problem("document", error.to_string()))
                .and_then(Head::read)
        })
    }
}

impl Head {
    fn read(self) -> Result<Document, DocumentProblem> {
        if self.metadata.name.is_empty() {
            return Err(problem(&self.kind, "`metadata.name` is missing".to_owned()));
        }
        let title = format!("{} {}", self.kind, self.metadata.name);
        let wrong = |message: String| problem(&title, message);
        let Self {
            kind,
            metadata: Metadata { name, namespace },
            spec,
        } = self;
        let kind: DocumentKind = kind.parse().map_err(wrong)?;
        match (kind.is_namespaced(), namespace.is_empty()) {
            (true, true) => {
                let message = format!(
                    "`metadata.namespace` is missing; for the cluster write `Cluster{kind}`"
                );
                return Err(wrong(message));
            }
            (false, false) => {
                return Err(wrong(format!(
                    "a `{kind}` lies in no namespace: take `metadata.namespace` away"
                )));
            }
            _ => {}
        }
        match &spec {
            serde_json::Value::Object(_) => {}
            serde_json::Value::Null => return Err(wrong("`spec` is missing".to_owned())),
            _ => return Err(wrong("`spec` is no mapping of fields".to_owned())),
        }
        let document = match kind {
            DocumentKind::ClusterPolicy | DocumentKind::Policy => {
                let PolicySpec { cedar, links } = parsed(spec).map_err(wrong)?;
                Document::Policies(PolicyDocument {
                    namespace: namespace.into(),
                    name: name.into(),
                    cedar,
                    links: links.into_iter().map(link).collect(),
                })
            }
            DocumentKind::RelationSchema => Document::Schema(name, parsed(spec).map_err(wrong)?),
            DocumentKind::ClusterRelations | DocumentKind::Relations => {
                let RelationsSpec { tuples } = parsed(spec).map_err(wrong)?;
                Document::Relations {
                    namespace: namespace.into(),
                    name,
                    tuples,
                }
            }
            DocumentKind::Delegation => {
                let DelegationSpec { namespaces, rules } = parsed(spec).map_err(wrong)?;
                Document::Delegation(Delegation {
                    name: name.into(),
                    namespaces: namespaces.into_iter().map(Str::from).collect(),
                    rules: rules.into_iter().map(PolicyRule::from).collect(),
                })
            }
            DocumentKind::Revocation => {
                let spec = parsed(spec).map_err(wrong)?;
                Document::Revocation(revocation(name, spec).map_err(wrong)?)
            }
        };
        Ok(document)
    }
}

fn link(link: LinkSpec) -> TemplateLink {
    TemplateLink {
        name: link.name,
        template: link.template,
        principal: link.principal,
        resource: link.resource,
    }
}

fn parsed<T: for<'de> Deserialize<'de>>(spec: serde_json::Value) -> Result<T, String> {
    serde_json::from_value(spec).map_err(|error| format!("`spec`: {error}"))
}

pub(crate) fn problem(document: &str, message: String) -> DocumentProblem {
    DocumentProblem {
        document: document.to_owned(),
        message,
        span: None,
    }
}

fn revocation(name: String, spec: RevocationSpec) -> Result<Revocation, String> {
    let account = match &spec.service_account {
        None => None,
        Some(text) => match bailiwick_core::dns::namespaced(text) {
            Some((namespace, name)) => Some(RevocationTarget::ServiceAccount {
                namespace: namespace.into(),
                name: name.into(),
            }),
            _ => {
                return Err(format!(
                    "`spec.serviceAccount`: `{text}` is not `NAMESPACE/NAME` of a service account"
                ));
            }
        },
    };
    let named = |text: &Option<String>, target: fn(Str) -> RevocationTarget| {
        let text = text.as_deref().filter(|text| !text.is_empty());
        text.map(|text| target(text.into()))
    };
    let mut targets = [
        named(&spec.user, RevocationTarget::User),
        named(&spec.group, RevocationTarget::Group),
        named(&spec.credential, RevocationTarget::Credential),
        account,
    ]
    .into_iter()
    .flatten();
    match (targets.next(), targets.next()) {
        (Some(target), None) => Ok(Revocation {
            name: name.into(),
            target,
            reason: spec.reason.into(),
            expires: spec.expires,
        }),
        _ => Err("`spec` has to have one of `user`, `group`, `serviceAccount` and `credential`, and no more".to_owned()),
    }
}

/// Everything that documents say, ready to be part of a state.
#[derive(Clone, Debug, Default)]
pub struct Bundle {
    /// Policies.
    pub policies: Policies,
    /// Relations.
    pub relations: Relations,
    /// Delegations.
    pub delegations: Delegations,
    /// Revocations.
    pub revocations: Revocations,
}

impl Bundle {
    /// Puts documents together, or says everything that is wrong with any of them.
    pub fn new(documents: &[Document]) -> Result<Self, Vec<DocumentProblem>> {
        let compiler = Compiler::new().map_err(|problem| vec![problem])?;
        let (mut edit, mut problems) = (Edit::default(), Vec::new());
        for document in documents {
            match compiler.prepare(document) {
                Ok(prepared) => edit.put.push(prepared),
                Err(found) => problems.extend(found),
            }
        }
        let mut state = State::new(Arc::new(Engine::new(Snapshot::default())));
        state.policies = Arc::new(compiler.policies());
        match Set::default().edit(&state.relations, edit) {
            Ok(changes) => changes.into_iter().for_each(|change| state.put(change)),
            Err(found) => problems.extend(found),
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            policies: Arc::unwrap_or_clone(state.policies),
            relations: Arc::unwrap_or_clone(state.relations),
            delegations: Arc::unwrap_or_clone(state.delegations),
            revocations: Arc::unwrap_or_clone(state.revocations),
        })
    }
}

impl Document {
    /// Which document it is.
    pub fn id(&self) -> DocumentId {
        let placed = |cluster, own, namespace: &Str, name: &Str| DocumentId {
            kind: if namespace.is_empty() { cluster } else { own },
            namespace: namespace.clone(),
            name: name.clone(),
        };
        let (kind, name): (_, Str) = match self {
            Self::Policies(PolicyDocument {
                namespace, name, ..
            }) => {
                return placed(
                    DocumentKind::ClusterPolicy,
                    DocumentKind::Policy,
                    namespace,
                    name,
                );
            }
            Self::Relations {
                namespace, name, ..
            } => {
                return placed(
                    DocumentKind::ClusterRelations,
                    DocumentKind::Relations,
                    namespace,
                    &name.as_str().into(),
                );
            }
            Self::Schema(name, _) => (DocumentKind::RelationSchema, name.as_str().into()),
            Self::Delegation(delegation) => (DocumentKind::Delegation, delegation.name.clone()),
            Self::Revocation(revocation) => (DocumentKind::Revocation, revocation.name.clone()),
        };
        DocumentId {
            kind,
            namespace: Str::default(),
            name,
        }
    }

    /// Kind, namespace and name.
    pub fn title(&self) -> String {
        self.id().to_string()
    }
}

/// The schema of all documents together.
pub(crate) fn schema_of(
    schemas: &BTreeMap<Str, SchemaSpec>,
) -> Result<RelationSchema, Vec<DocumentProblem>> {
    fn pairs(map: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
        map.iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect()
    }
    let title = |name: &str| format!("{} {name}", DocumentKind::RelationSchema);
    let mut types: BTreeMap<&str, &TypeSpec> = BTreeMap::new();
    let mut problems = Vec::new();
    for (document, spec) in schemas {
        for (name, own) in &spec.types {
            if types.insert(name, own).is_some() {
                let message = format!("another RelationSchema has the type `{name}` too");
                problems.push(problem(&title(document), message));
            }
        }
    }
    let types = types
        .into_iter()
        .map(|(name, own)| (name, pairs(&own.relations), pairs(&own.actions)));
    let schema = RelationSchema::new(types).map_err(|error| {
        let titles: Vec<String> = schemas.keys().map(|name| title(name)).collect();
        problem(&titles.join(", "), error.to_string())
    });
    match schema {
        Ok(schema) if problems.is_empty() => Ok(schema),
        Ok(_) => Err(problems),
        Err(wrong) => {
            problems.push(wrong);
            Err(problems)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Document, DocumentProblem> {
        let text = format!("{{\"apiVersion\":\"{API_VERSION}\",{json}}}");
        Document::read(&serde_json::from_str(&text).unwrap()).unwrap()
    }

    fn head(kind: &str, name: &str, spec: &str) -> String {
        let metadata = match name.split_once('/') {
            Some((namespace, name)) => {
                format!("{{\"namespace\":\"{namespace}\",\"name\":\"{name}\"}}")
            }
            None => format!("{{\"name\":\"{name}\"}}"),
        };
        format!("\"kind\":\"{kind}\",\"metadata\":{metadata},\"spec\":{spec}")
    }

    #[test]
    fn documents_are_read() {
        let check = |kind: &str, name: &str, spec: &str| {
            let document = read(&head(kind, name, spec)).unwrap();
            assert_eq!(document.title(), format!("{kind} {name}"));
            document
        };
        let documents = [
            check(
                "ClusterPolicy",
                "open",
                r#"{"cedar":"permit(principal, action, resource);"}"#,
            ),
            check(
                "Policy",
                "shop/open",
                r#"{"cedar":"permit(principal, action, resource);"}"#,
            ),
            check(
                "RelationSchema",
                "pods",
                r#"{"types":{"pods":{"relations":{"reader":"[user]"},"actions":{"get":"reader"}}}}"#,
            ),
            check(
                "ClusterRelations",
                "x",
                r#"{"tuples":["pods:shop/web#reader@user:anna"]}"#,
            ),
            check(
                "Relations",
                "shop/x",
                r#"{"tuples":["pods:shop/db#reader@user:anna"]}"#,
            ),
            check(
                "Delegation",
                "shop",
                r#"{"namespaces":["shop"],"rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}]}"#,
            ),
            check(
                "Revocation",
                "anna",
                r#"{"user":"anna","reason":"gone","expires":"2026-12-01T00:00:00Z"}"#,
            ),
            check(
                "Revocation",
                "ci",
                r#"{"serviceAccount":"ci/runner","reason":"leaked"}"#,
            ),
        ];
        let bundle = Bundle::new(&documents).unwrap();
        assert_eq!(bundle.policies.len(), 2);
        assert_eq!(bundle.relations.len(), 2);
        assert_eq!(bundle.revocations.len(), 2);
        let other: Value = serde_json::from_str(r#"{"apiVersion":"v1","kind":"Pod"}"#).unwrap();
        assert_eq!(Document::read(&other), None);
    }

    #[test]
    fn what_is_wrong_with_a_document_is_said() {
        let check = |kind: &str, name: &str, spec: &str, expected: &str| {
            let found = read(&head(kind, name, spec))
                .map_err(|problem| vec![problem])
                .and_then(|document| Bundle::new(&[document]));
            let text = format!("{:?}", found.unwrap_err());
            assert!(text.contains(expected), "{text}");
        };
        check("Polcy", "x", "{}", "there is no kind `Polcy`");
        check("Policy", "x", "{}", "for the cluster write `ClusterPolicy`");
        check("ClusterPolicy", "a/x", "{}", "lies in no namespace");
        check("ClusterPolicy", "x", "{}", "missing field `cedar`");
        check("ClusterPolicy", "x", "null", "`spec` is missing");
        check("ClusterPolicy", "x", "[]", "`spec` is no mapping of fields");
        // Nobody can have such names, so that they would take nothing from anybody.
        for name in ["a/b/c", "a/B", "a.b/c"] {
            let spec = format!("{{\"serviceAccount\":\"{name}\"}}");
            check(
                "Revocation",
                "x",
                &spec,
                "is not `NAMESPACE/NAME` of a service account",
            );
        }
        check(
            "ClusterPolicy",
            "x",
            r#"{"cedar":"","ceder":""}"#,
            "unknown field `ceder`",
        );
        check(
            "ClusterPolicy",
            "x",
            r#"{"cedar":"permit("}"#,
            "unexpected end",
        );
        check(
            "ClusterRelations",
            "x",
            r#"{"tuples":["a"]}"#,
            "`a` is no relation",
        );
        check(
            "ClusterRelations",
            "x",
            r#"{"tuples":["a:b#c@d:e"]}"#,
            "not in the schema",
        );
        check("Revocation", "x", r#"{"reason":"x"}"#, "and no more");
        check(
            "Revocation",
            "x",
            r#"{"user":"a","group":"b"}"#,
            "and no more",
        );
        check(
            "Revocation",
            "x",
            r#"{"serviceAccount":"a"}"#,
            "is not `NAMESPACE/NAME`",
        );
        check(
            "Revocation",
            "x",
            r#"{"user":"a","expires":"soon"}"#,
            "`soon` is no time",
        );
        check(
            "RelationSchema",
            "x",
            r#"{"types":{"a":{"relations":{"b":"c"}}}}"#,
            "no relation `c`",
        );

        let twice = read(&head("ClusterPolicy", "x", r#"{"cedar":""}"#)).unwrap();
        let problems = Bundle::new(&[twice.clone(), twice]).unwrap_err();
        assert_eq!(
            problems[0].to_string(),
            "ClusterPolicy x: 2 documents have this kind and name"
        );
    }
}
