//! What a search over the Kubernetes API looks through.
//!
//! RBAC, policies and relations can allow names that nobody has ever written down, so the candidates are those that
//! somebody has: bindings, rules, objects and the file of entities. Each of them is evaluated as an evaluation would,
//! so that nothing is found that is not allowed.

use std::collections::BTreeSet;

use bailiwick_core::{Request, Subject, UserInfo};
use bailiwick_model::{Snapshot, Value};
use bailiwick_pdp::{Entity, State};

use super::wire::{WireQuestion, kubernetes_user};
use super::{BadRequest, Known};

/// Candidates of one search.
const MOST: usize = 10_000;

/// Verbs on resources that the API server asks for.
const VERBS: [&str; 14] = [
    "approve",
    "bind",
    "create",
    "delete",
    "deletecollection",
    "escalate",
    "get",
    "impersonate",
    "list",
    "patch",
    "sign",
    "update",
    "use",
    "watch",
];
/// Verbs on paths.
const METHODS: [&str; 7] = ["delete", "get", "head", "options", "patch", "post", "put"];

/// What is looked through, and whether that is all that is written down.
pub(super) struct Candidates {
    pub(super) known: Known,
    pub(super) complete: bool,
}

/// Subjects of the kind that is looked for.
pub(super) fn subjects(
    state: &State,
    known: &Known,
    kind: &str,
    request: Option<&Request>,
) -> Candidates {
    let mut found: BTreeSet<String> = BTreeSet::new();
    for engine in [&state.rbac, &state.floor] {
        let all = named(engine.snapshot());
        found.extend(all.filter_map(|subject| id(&subject, kind)));
    }
    let listed = known.subjects.iter().filter(|entity| entity.kind == kind);
    found.extend(listed.map(|entity| entity.id.clone()));
    let complete = found.len() <= MOST;
    if let Some(request) = request.filter(|_| !complete) {
        // RBAC alone says at once whom it allows; those come first, and the others are not looked at.
        let engines = [&state.rbac, &state.floor];
        found = engines
            .into_iter()
            .flat_map(|engine| {
                engine
                    .who_can(request)
                    .subjects()
                    .map(|who| who.subject())
                    .collect::<Vec<_>>()
            })
            .filter_map(|subject| id(&subject, kind))
            .collect();
    }
    let subjects = found
        .into_iter()
        .take(MOST)
        .map(|id| Entity::new(kind, &id))
        .collect();
    let known = Known {
        subjects,
        ..Known::default()
    };
    Candidates { known, complete }
}

/// Everybody whom a binding names, and every service account.
fn named(snapshot: &Snapshot) -> impl Iterator<Item = Subject> {
    let bound = snapshot.bindings.iter().flat_map(|binding| {
        let namespace = binding.metadata.namespace.clone();
        binding
            .subjects
            .iter()
            .filter_map(move |subject| subject.subject(&namespace))
    });
    let accounts = snapshot
        .service_accounts
        .iter()
        .map(|account| Subject::ServiceAccount {
            namespace: account.metadata.namespace.to_string(),
            name: account.metadata.name.to_string(),
        });
    bound.chain(accounts)
}

/// The id of a subject, where it is of this kind.
fn id(subject: &Subject, kind: &str) -> Option<String> {
    match (kind, subject) {
        ("user", Subject::User { name }) | ("group", Subject::Group { name }) => Some(name.clone()),
        ("serviceaccount", Subject::ServiceAccount { namespace, name }) => {
            Some(format!("{namespace}/{name}"))
        }
        _ => None,
    }
}

/// Names of resources: the empty one, which stands for all, and those that the rules of the subject name, in each
/// namespace, unless the question says in which.
pub(super) fn resources(
    state: &State,
    known: &Known,
    question: &WireQuestion,
) -> Result<Candidates, BadRequest> {
    let user = user(question)?;
    let Some(target) = &question.resource else {
        return Ok(Candidates {
            known: Known::default(),
            complete: true,
        });
    };
    let listed = known
        .resources
        .iter()
        .filter(|entity| entity.kind == target.kind);
    let listed: Vec<&str> = listed.map(|entity| entity.id.as_str()).collect();
    let asked = target.property("namespace").and_then(Value::as_str);
    let namespaces: BTreeSet<String> = match asked {
        _ if target.kind == "path" => BTreeSet::from([String::new()]),
        Some(namespace) => BTreeSet::from([namespace.to_owned()]),
        None => namespaces(state.rbac.snapshot())
            .chain([String::new()])
            .collect(),
    };
    let mut found = BTreeSet::new();
    for namespace in namespaces {
        let rules = [&state.rbac, &state.floor].map(|engine| engine.rules_for(&user, &namespace));
        let rules = rules.iter().flat_map(|resolved| &resolved.rules);
        let mut names: BTreeSet<String> = listed.iter().map(|name| (*name).to_owned()).collect();
        for rule in rules {
            let texts = match target.kind.as_str() {
                "path" => &rule.rule.non_resource_urls,
                _ => &rule.rule.resource_names,
            };
            names.extend(
                texts
                    .iter()
                    .filter(|text| !text.ends_with('*'))
                    .map(ToString::to_string),
            );
        }
        if target.kind != "path" {
            names.insert(String::new());
        }
        found.extend(names.into_iter().map(|name| (name, namespace.clone())));
    }
    let complete = found.len() <= MOST;
    let resources = found.into_iter().take(MOST).map(|(name, namespace)| {
        let mut entity = Entity::new(&target.kind, &name);
        if !namespace.is_empty() {
            entity
                .properties
                .insert("namespace".to_owned(), Value::String(namespace));
        }
        entity
    });
    let known = Known {
        resources: resources.collect(),
        ..Known::default()
    };
    Ok(Candidates { known, complete })
}

fn namespaces(snapshot: &Snapshot) -> impl Iterator<Item = String> {
    let known = snapshot
        .namespaces
        .iter()
        .map(|namespace| namespace.metadata.name.to_string());
    known.chain(snapshot.bindings.namespaces().map(ToString::to_string))
}

/// Verbs that the API server asks for, and those that the rules of the subject name.
pub(super) fn actions(
    state: &State,
    known: &Known,
    question: &WireQuestion,
) -> Result<Candidates, BadRequest> {
    let user = user(question)?;
    let target = question.resource.as_ref();
    let path = target.is_some_and(|target| target.kind == "path");
    let namespace = target
        .and_then(|target| target.property("namespace"))
        .and_then(Value::as_str);
    let usual: &[&str] = if path { &METHODS } else { &VERBS };
    let mut verbs: BTreeSet<String> = usual.iter().map(|verb| (*verb).to_owned()).collect();
    verbs.extend(known.actions.iter().cloned());
    for engine in [&state.rbac, &state.floor] {
        let rules = engine.rules_for(&user, namespace.unwrap_or_default());
        let named = rules
            .rules
            .iter()
            .filter(|rule| rule.rule.non_resource_urls.is_empty() != path);
        let named = named
            .flat_map(|rule| rule.rule.verbs.iter())
            .filter(|verb| verb.as_ref() != "*");
        verbs.extend(named.map(ToString::to_string));
    }
    let complete = verbs.len() <= MOST;
    let known = Known {
        actions: verbs.into_iter().take(MOST).collect(),
        ..Known::default()
    };
    Ok(Candidates { known, complete })
}

fn user(question: &WireQuestion) -> Result<UserInfo, BadRequest> {
    match &question.subject {
        Some(subject) => kubernetes_user(subject.clone().entity("subject")?),
        None => Ok(UserInfo::default()),
    }
}
