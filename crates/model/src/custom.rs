use std::fmt;

use serde_json::{Value, json};

use crate::CustomStatus;

/// A kind of custom resources of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomKind {
    /// API group.
    pub group: &'static str,
    /// Version of it.
    pub version: &'static str,
    /// As `kind` says it.
    pub kind: &'static str,
    /// Plural resource name.
    pub plural: &'static str,
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
}

impl fmt::Display for CustomKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind)
    }
}

/// What a definition says beside the kind.
#[derive(Clone, Debug)]
pub struct CustomContent {
    /// One sentence for `kubectl explain`.
    pub about: &'static str,
    /// Further columns of `kubectl get`: a title, and where the text stands.
    pub columns: &'static [(&'static str, &'static str)],
    /// The structural schema of `spec`.
    pub spec: Value,
    /// Structural schemas of those fields of `status` that tell what is in force ([`InForce`](crate::InForce)).
    pub in_force: Value,
}

impl CustomKind {
    /// The CustomResourceDefinition, as the API server takes it.
    pub fn definition(&self, content: &CustomContent) -> Value {
        let scope = if self.namespaced {
            "Namespaced"
        } else {
            "Cluster"
        };
        let columns = content.columns.iter();
        let columns: Vec<Value> = columns
            .map(|(name, path)| json!({"name": name, "type": "string", "jsonPath": path}))
            .chain(accepted())
            .collect();
        let properties = json!({
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": content.spec,
            "status": CustomStatus::schema(&content.in_force),
        });
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{}.{}", self.plural, self.group)},
            "spec": {
                "group": self.group,
                "scope": scope,
                "names": {
                    "kind": self.kind,
                    "listKind": format!("{}List", self.kind),
                    "plural": self.plural,
                    "singular": self.kind.to_lowercase(),
                    "categories": ["bailiwick"],
                },
                "versions": [{
                    "name": self.version,
                    "served": true,
                    "storage": true,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": columns,
                    "schema": {"openAPIV3Schema": {
                        "description": content.about,
                        "type": "object",
                        "required": ["spec"],
                        "properties": properties,
                    }},
                }],
            },
        })
    }
}

/// The columns of what an object's status tells; what is wrong is shown with `-o wide`.
fn accepted() -> [Value; 3] {
    let path = |field: &str| format!(".status.conditions[?(@.type==\"Accepted\")].{field}");
    [
        json!({"name": "Accepted", "type": "string", "jsonPath": path("status")}),
        json!({"name": "Message", "type": "string", "priority": 1, "jsonPath": path("message")}),
        json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}),
    ]
}
