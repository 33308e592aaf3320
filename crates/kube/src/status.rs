//! The status of custom resources.

use bailiwick_model::{CustomKind, Value};
use serde_json::json;

use crate::cluster::Cluster;
use crate::error::RequestError;
use crate::followed::ObjectName;

impl Cluster {
    /// Writes the status of a custom resource that is still at this `resourceVersion`. Its fields are those of `manager`
    /// (server-side apply).
    ///
    /// # Errors
    /// When the server cannot be asked or refuses it: a status of 409 where the object has changed.
    pub fn write_status(
        &self,
        kind: CustomKind,
        (namespace, name): &ObjectName,
        version: &str,
        manager: &str,
        status: &serde_json::Value,
    ) -> Result<(), RequestError> {
        let CustomKind {
            group,
            version: api,
            plural,
            ..
        } = kind;
        let within = match kind.namespaced {
            true => format!("namespaces/{namespace}/"),
            false => String::new(),
        };
        let namespace = kind.namespaced.then_some(namespace);
        let metadata = json!({"name": name, "namespace": namespace, "resourceVersion": version});
        let body = json!({
            "apiVersion": format!("{group}/{api}"), "kind": kind.kind, "metadata": metadata, "status": status,
        });
        let path = format!(
            "/apis/{group}/{api}/{within}{plural}/{name}/status?fieldManager={manager}&force=true"
        );
        let written = self.transport.apply(&path, body.to_string().into_bytes());
        self.threads.block_on(written).map(|_| ())
    }
}

/// What an object says about its own state: generation, identity and `resourceVersion`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Counts the changes of what it says, its status apart; 0 where the server does not count.
    pub generation: i64,
    /// Tells it from others that had its name before.
    pub uid: String,
    /// Its state, status included.
    pub version: String,
}

impl Standing {
    /// Out of an object's metadata.
    pub fn of(object: &Value) -> Self {
        let metadata = object.get("metadata");
        let field = |key: &str| metadata.and_then(|metadata| metadata.get(key));
        let text = |key: &str| field(key).and_then(Value::as_str).unwrap_or_default();
        let generation = field("generation").and_then(|value| serde_json::to_value(value).ok());
        Self {
            generation: generation.and_then(|value| value.as_i64()).unwrap_or(0),
            uid: text("uid").to_owned(),
            version: text("resourceVersion").to_owned(),
        }
    }
}
