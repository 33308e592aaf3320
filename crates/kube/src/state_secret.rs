//! A Secret that replicas share. Its values are sealed by whoever puts them there: the API server and its storage see
//! nothing else.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bailiwick_identity::shared::{Shared, SharedError, SharedValues, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::cluster::Cluster;
use crate::error::RequestError;

/// The only Secret that is ever read with its values: one of our own.
const TYPE: &str = "bailiwick.dev/authority";

/// One Secret of a cluster.
pub struct StateSecret {
    cluster: Arc<Cluster>,
    namespace: String,
    name: String,
}

#[derive(Deserialize)]
struct Secret {
    metadata: Metadata,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    resource_version: String,
}

impl StateSecret {
    /// The Secret of that namespace and name, which need not be there.
    pub fn new(cluster: Arc<Cluster>, namespace: &str, name: &str) -> Self {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        Self {
            cluster,
            namespace,
            name,
        }
    }

    fn collection(&self) -> String {
        format!("/api/v1/namespaces/{}/secrets", self.namespace)
    }

    fn path(&self) -> String {
        format!("{}/{}", self.collection(), self.name)
    }

    fn failed(&self, why: impl fmt::Display) -> SharedError {
        SharedError::Failed {
            place: format!("the Secret {}/{}", self.namespace, self.name),
            why: why.to_string(),
        }
    }

    fn refused(&self, error: &RequestError) -> SharedError {
        match error {
            RequestError::Status { code: 409, .. } => SharedError::Conflict,
            // It was deleted in between.
            RequestError::NotFound { .. } => SharedError::Conflict,
            error => self.failed(error),
        }
    }
}

impl SharedValues for StateSecret {
    fn read(&self) -> Result<Option<Shared>, SharedError> {
        let path = self.path();
        let transport = &self.cluster.transport;
        let asked = async {
            let answer = transport.get(&path, "application/json").await?;
            transport.parse::<Secret>(&answer)
        };
        let secret = match self.cluster.threads.block_on(asked) {
            Ok(secret) => secret,
            Err(RequestError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        if secret.kind != TYPE {
            return Err(self.failed(format_args!(
                "it has the type `{}` and is somebody else's: name another one, or make it anew",
                secret.kind
            )));
        }
        let data = secret.data.unwrap_or_default().into_iter();
        let values = data.map(|(name, value)| Some((name, STANDARD.decode(value).ok()?)));
        let values: Option<BTreeMap<_, _>> = values.collect();
        Ok(Some(Shared {
            version: Version(secret.metadata.resource_version),
            values: values.ok_or_else(|| self.failed("a value of it is not base64"))?,
        }))
    }

    fn change(
        &self,
        expected: Option<&Version>,
        changes: &BTreeMap<String, Option<Vec<u8>>>,
    ) -> Result<(), SharedError> {
        let value = |value: &Option<Vec<u8>>| match value {
            Some(bytes) => Value::String(STANDARD.encode(bytes)),
            None => Value::Null,
        };
        let data = changes
            .iter()
            .map(|(name, bytes)| (name.clone(), value(bytes)));
        let outcome = match expected {
            Some(Version(version)) => {
                let data: Map<String, Value> = data.collect();
                // The API server refuses a patch of another version (409).
                let body = json!({"metadata": {"resourceVersion": version}, "data": data});
                let body = body.to_string().into_bytes();
                let path = self.path();
                self.cluster
                    .threads
                    .block_on(self.cluster.transport.merge(&path, body))
            }
            None => {
                let data: Map<String, Value> = data.filter(|(_, value)| !value.is_null()).collect();
                let body = json!({
                    "apiVersion": "v1", "kind": "Secret", "type": TYPE,
                    "metadata": {"name": self.name}, "data": data,
                });
                let body = body.to_string().into_bytes();
                let path = self.collection();
                self.cluster
                    .threads
                    .block_on(self.cluster.transport.post(&path, body))
            }
        };
        outcome.map(drop).map_err(|error| self.refused(&error))
    }
}

/// A manifest with what the service account `NAMESPACE/NAME` may do to the Secret with the state of an authority.
pub fn state_secret_role(secret: (&str, &str), account: (&str, &str)) -> String {
    let ((namespace, secret), (account_namespace, account)) = (secret, account);
    let role = format!("bailiwick-state-{secret}");
    format!(
        "---\n\
         apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: Role\n\
         metadata:\n  name: {role}\n  namespace: {namespace}\n\
         rules:\n\
         # The sealed keys and state of the authority. RBAC cannot name what is not there yet.\n\
         - apiGroups: [\"\"]\n  resources: [secrets]\n  resourceNames: [{secret}]\n  verbs: [get, patch]\n\
         - apiGroups: [\"\"]\n  resources: [secrets]\n  verbs: [create]\n\
         ---\n\
         apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: RoleBinding\n\
         metadata:\n  name: {role}\n  namespace: {namespace}\n\
         roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: Role\n  name: {role}\n\
         subjects:\n- kind: ServiceAccount\n  namespace: {account_namespace}\n  name: {account}\n",
    )
}
