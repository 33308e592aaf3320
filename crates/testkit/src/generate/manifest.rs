//! Made-up clusters, users and requests as the JSON that Kubernetes speaks.

use bailiwick_core::{Kind, Request, UserInfo};
use bailiwick_model::{Binding, PolicyRule, Role, Snapshot};
use serde_json::{Value, json};

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

/// The four lists that upstream's code is loaded with.
pub fn cluster(snapshot: &Snapshot) -> Value {
    let roles = |kind: Kind| -> Value {
        let of_kind = snapshot.roles.iter().filter(|role| role.kind() == kind);
        of_kind.map(role).collect()
    };
    let bindings = |kind: Kind| -> Value {
        let of_kind = snapshot.bindings.iter().filter(|b| b.kind() == kind);
        of_kind.map(binding).collect()
    };
    json!({
        "roles": roles(Kind::Role),
        "clusterroles": roles(Kind::ClusterRole),
        "rolebindings": bindings(Kind::RoleBinding),
        "clusterrolebindings": bindings(Kind::ClusterRoleBinding),
    })
}

/// The spec of a SubjectAccessReview.
pub fn review_spec(user: &UserInfo, request: &Request) -> Value {
    let mut spec = json!({"user": user.name, "groups": user.groups});
    let (key, attributes) = match request {
        Request::Resource(request) => ("resourceAttributes", json!(request)),
        Request::NonResource(request) => ("nonResourceAttributes", json!(request)),
    };
    if let Some(fields) = spec.as_object_mut() {
        fields.insert(key.to_owned(), attributes);
    }
    spec
}
