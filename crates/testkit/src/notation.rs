//! Roles, bindings and requests in few words, for tests that speak data.
//!
//! ```
//! use bailiwick_testkit::notation::{request, snapshot, user};
//!
//! let cluster = snapshot(
//!     "Role shop/reader
//!        get,list on pods,pods/log of ''
//!        get on secrets of '' named tls,db
//!      ClusterRole health
//!        get at /healthz,/livez/*
//!      RoleBinding shop/readers gives Role/reader to user:ann group:dev sa:ci/runner sa:/local
//!      ClusterRoleBinding health gives ClusterRole/health to group:dev",
//! );
//! assert_eq!((cluster.roles.len(), cluster.bindings.len()), (2, 2));
//! assert_eq!(request("get deployments.apps/scale web -n shop").to_string(),
//!            "get deployments/scale.apps \"web\" in namespace \"shop\"");
//! assert_eq!(user("ann+dev+qa").groups, ["dev", "qa"]);
//! ```
//!
//! `''` is the empty word. A ClusterRole may have `labels k=v` and `aggregates k=v,...` behind its name.
//! Every function panics at what it cannot read: that is a mistake of the test.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "what cannot be read is a mistake of the test"
)]

use bailiwick_core::names::RBAC_GROUP;
use bailiwick_core::{NonResourceRequest, Request, ResourceRequest, Str, UserInfo};
use bailiwick_model::{
    Binding, BindingSubject, ClusterInfo, Delta, LabelSelector, Object, ObjectMeta, Origin,
    PolicyRule, Role, RoleRef, Snapshot,
};

/// A cluster of roles and bindings, one a line, the rules of a role on the lines below it.
pub fn snapshot(text: &str) -> Snapshot {
    let cluster = ClusterInfo {
        stored: true,
        ..ClusterInfo::default()
    };
    let mut snapshot = Snapshot {
        cluster,
        ..Snapshot::default()
    };
    for object in objects(text) {
        snapshot.apply(Delta::Upsert(Box::new(object), Origin::Live));
    }
    snapshot
}

/// The same as a list of objects, in order.
pub fn objects(text: &str) -> Vec<Object> {
    let mut objects = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["Role" | "ClusterRole", name, more @ ..] => {
                objects.push(Object::Role(role(name, more)));
            }
            [
                "RoleBinding" | "ClusterRoleBinding",
                name,
                "gives",
                role,
                "to",
                subjects @ ..,
            ] => {
                objects.push(Object::Binding(binding(name, role, subjects)));
            }
            _ => match objects.last_mut() {
                Some(Object::Role(role)) => {
                    role.rules = role.rules.iter().cloned().chain([rule(line)]).collect();
                }
                _ => panic!("no role above the rule {line:?}"),
            },
        }
    }
    objects
}

/// Rules separated by `;`.
pub fn rules(text: &str) -> Vec<PolicyRule> {
    text.split(';')
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(rule)
        .collect()
}

/// `VERBS on RESOURCES of GROUPS named NAMES`, or `VERBS at URLS`; each list with commas.
pub fn rule(text: &str) -> PolicyRule {
    let mut words = text.split_whitespace();
    let verbs = list(words.next().unwrap_or_default());
    let mut rule = PolicyRule {
        verbs,
        ..PolicyRule::default()
    };
    while let (Some(key), Some(value)) = (words.next(), words.next()) {
        *match key {
            "on" => &mut rule.resources,
            "of" => &mut rule.api_groups,
            "named" => &mut rule.resource_names,
            "at" => &mut rule.non_resource_urls,
            other => panic!("unknown word {other:?} in the rule {text:?}"),
        } = list(value);
    }
    rule
}

/// `VERB /path`, or `VERB RESOURCE[.GROUP][/SUBRESOURCE] [NAME] [-n NAMESPACE]`.
pub fn request(text: &str) -> Request {
    let words: Vec<&str> = text.split_whitespace().map(word).collect();
    let (words, namespace) = match words.as_slice() {
        [words @ .., "-n", namespace] => (words, *namespace),
        words => (words, ""),
    };
    let (verb, what, name) = match words {
        [verb, what] => (*verb, *what, ""),
        [verb, what, name] => (*verb, *what, *name),
        _ => panic!("{text:?} is no request"),
    };
    if what.starts_with('/') {
        return NonResourceRequest {
            verb: verb.into(),
            path: what.into(),
        }
        .into();
    }
    let (what, subresource) = what.split_once('/').unwrap_or((what, ""));
    let (resource, group) = what.split_once('.').unwrap_or((what, ""));
    let request = ResourceRequest::new(verb, group, &format!("{resource}/{subresource}"));
    request.in_namespace(namespace).named(name).into()
}

/// `NAME+GROUP+...`: a user in exactly these groups.
pub fn user(text: &str) -> UserInfo {
    let mut words = text.split('+').map(word);
    let name = words.next().unwrap_or_default();
    UserInfo::exactly(name, &words.collect::<Vec<_>>())
}

fn role(name: &str, more: &[&str]) -> Role {
    let mut role = Role {
        metadata: metadata(name),
        ..Role::default()
    };
    for pair in more.chunks(2) {
        match pair {
            ["labels", labels] => role.metadata.labels = pairs(labels),
            ["aggregates", labels] => {
                let selector = LabelSelector {
                    match_labels: pairs(labels),
                    ..LabelSelector::default()
                };
                role.aggregation = Some([selector].into());
            }
            _ => panic!("unknown words {pair:?} behind the role {name}"),
        }
    }
    role
}

fn binding(name: &str, role: &str, subjects: &[&str]) -> Binding {
    let (kind, role) = role
        .split_once('/')
        .expect("a role as Role/NAME or ClusterRole/NAME");
    Binding {
        metadata: metadata(name),
        role_ref: RoleRef {
            api_group: RBAC_GROUP.into(),
            kind: kind.into(),
            name: role.into(),
        },
        subjects: subjects.iter().map(|text| subject(text)).collect(),
    }
}

fn subject(text: &str) -> BindingSubject {
    let (kind, name) = text
        .split_once(':')
        .expect("a subject as user:NAME, group:NAME or sa:NAMESPACE/NAME");
    let (kind, group, namespace, name) = match kind {
        "user" => ("User", RBAC_GROUP, "", name),
        "group" => ("Group", RBAC_GROUP, "", name),
        "sa" => {
            let (namespace, name) = name
                .split_once('/')
                .expect("a service account as sa:NAMESPACE/NAME");
            ("ServiceAccount", "", namespace, name)
        }
        other => panic!("unknown kind of subject {other:?}"),
    };
    BindingSubject {
        kind: kind.into(),
        api_group: group.into(),
        name: name.into(),
        namespace: namespace.into(),
    }
}

fn metadata(name: &str) -> ObjectMeta {
    let (namespace, name) = name.split_once('/').unwrap_or(("", name));
    ObjectMeta::named(namespace, name)
}

fn pairs(text: &str) -> Box<[(Str, Str)]> {
    let pair = |text: &str| -> (Str, Str) {
        let (key, value) = text.split_once('=').expect("a label as KEY=VALUE");
        (key.into(), value.into())
    };
    text.split(',').map(pair).collect()
}

fn list(text: &str) -> Box<[Str]> {
    text.split(',')
        .filter(|text| !text.is_empty())
        .map(|text| word(text).into())
        .collect()
}

fn word(text: &str) -> &str {
    if text == "''" { "" } else { text }
}
