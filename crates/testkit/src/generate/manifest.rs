//! Made-up clusters, users and requests as the JSON that Kubernetes speaks.

use bailiwick_core::{Kind, Request, UserInfo};
use bailiwick_model::{Binding, PolicyRule, Role, Snapshot};
use serde_json::{Value, json};

use crate::oracle::{Objects, Person, ReviewSpec};

/// A Role or ClusterRole.
pub fn role(role: &Role) -> Value {
    let metadata = &role.metadata;
    let labels: serde_json::Map<String, Value> = metadata
        .labels
        .iter()
        .map(|(key, value)| (key.to_string(), json!(&**value)))
        .collect();
    let mut object = object(role.kind(), &metadata.namespace, &metadata.name);
    let fields = object.as_object_mut();
    if let Some(fields) = fields {
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("labels".to_owned(), Value::Object(labels));
        }
        fields.insert("rules".to_owned(), role.rules.iter().map(rule).collect());
    }
    object
}

/// A rule.
pub fn rule(rule: &PolicyRule) -> Value {
    let mut fields = serde_json::Map::new();
    for (key, texts) in [
        ("verbs", &rule.verbs),
        ("apiGroups", &rule.api_groups),
        ("resources", &rule.resources),
        ("resourceNames", &rule.resource_names),
        ("nonResourceURLs", &rule.non_resource_urls),
    ] {
        if !texts.is_empty() {
            fields.insert(key.to_owned(), texts.iter().map(|text| &**text).collect());
        }
    }
    Value::Object(fields)
}

/// A RoleBinding or ClusterRoleBinding.
pub fn binding(binding: &Binding) -> Value {
    let metadata = &binding.metadata;
    let mut object = object(binding.kind(), &metadata.namespace, &metadata.name);
    if let Some(fields) = object.as_object_mut() {
        let reference = &binding.role_ref;
        fields.insert(
            "roleRef".to_owned(),
            json!({"apiGroup": &*reference.api_group, "kind": &*reference.kind, "name": &*reference.name}),
        );
        let subjects = binding.subjects.iter().map(|subject| {
            json!({
                "kind": &*subject.kind,
                "apiGroup": &*subject.api_group,
                "name": &*subject.name,
                "namespace": &*subject.namespace,
            })
        });
        fields.insert("subjects".to_owned(), subjects.collect());
    }
    object
}

fn object(kind: Kind, namespace: &str, name: &str) -> Value {
    let mut metadata = serde_json::Map::new();
    metadata.insert("name".to_owned(), json!(name));
    if !namespace.is_empty() {
        metadata.insert("namespace".to_owned(), json!(namespace));
    }
    json!({
        "apiVersion": format!("{}/v1", kind.group()),
        "kind": kind.as_str(),
        "metadata": metadata,
    })
}

/// All roles and bindings, for upstream's code.
pub fn objects(snapshot: &Snapshot) -> Objects {
    let roles = snapshot.roles.iter().map(role);
    Objects::by_kind(roles.chain(snapshot.bindings.iter().map(binding)))
}

/// The spec of a SubjectAccessReview.
pub fn review_spec(user: &UserInfo, request: &Request) -> ReviewSpec {
    let mut spec = ReviewSpec {
        user: user.name.clone(),
        groups: user.groups.clone(),
        ..ReviewSpec::default()
    };
    match request {
        Request::Resource(request) => spec.resource_attributes = Some(json!(request)),
        Request::NonResource(request) => spec.non_resource_attributes = Some(json!(request)),
    }
    spec
}

/// The user, for upstream's code.
pub fn person(user: &UserInfo) -> Person {
    Person {
        name: user.name.clone(),
        groups: user.groups.clone(),
        ..Person::default()
    }
}
