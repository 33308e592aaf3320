//! Tokens of service accounts: whose they are, by the word of the API server.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use crate::cluster::Cluster;
use crate::error::RequestError;

/// Somebody's token, to be reviewed. Never prints.
#[derive(Clone)]
pub struct NewToken(secrecy::SecretString);

impl std::fmt::Debug for NewToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewToken(..)")
    }
}

impl From<String> for NewToken {
    fn from(token: String) -> Self {
        Self(token.into())
    }
}

/// Whose a token is: a pod, which existed when the API server was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reviewed {
    /// Namespace of the service account and of the pod.
    pub namespace: String,
    /// The service account.
    pub service_account: String,
    /// UID of that.
    pub service_account_uid: String,
    /// The pod that the token is bound to.
    pub pod: String,
    /// UID of that.
    pub pod_uid: String,
    /// The node of the pod.
    pub node: String,
    /// UID of that.
    pub node_uid: String,
    /// Its name in the audit log of the API server.
    pub credential: String,
}

/// Why a token proves nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The API server does not take it, or not for us.
    #[error("the API server does not take the token for the audience `{audience}`: {reason}")]
    Refused {
        /// What it has to be for.
        audience: String,
        /// What the API server said.
        reason: String,
    },
    /// It is of no pod.
    #[error(
        "the token is not bound to a pod: project one with a serviceAccountToken volume, for the audience `{0}`"
    )]
    Unbound(String),
    /// The API server cannot be asked.
    #[error(transparent)]
    Request(#[from] RequestError),
}

#[derive(Deserialize)]
struct Review {
    status: Status,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    authenticated: bool,
    user: User,
    audiences: Vec<String>,
    error: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct User {
    username: String,
    uid: String,
    extra: BTreeMap<String, Vec<String>>,
}

impl Cluster {
    /// Has the API server say whose a token is. It has to be for `audience` (K-6).
    ///
    /// # Errors
    /// When the token is for somebody else, of no pod, or not to be believed, or the server cannot be asked.
    pub async fn review_token(
        &self,
        token: &NewToken,
        audience: &str,
    ) -> Result<Reviewed, TokenError> {
        use secrecy::ExposeSecret as _;
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "spec": {"token": token.0.expose_secret(), "audiences": [audience]},
        });
        let path = "/apis/authentication.k8s.io/v1/tokenreviews";
        let transport = self.transport.clone();
        let body = body.to_string().into_bytes();
        // On the threads of the cluster, where its connections are.
        let asked = self.threads.spawn(async move {
            let answer = transport.post(path, body).await?;
            transport.parse::<Review>(&answer)
        });
        let lost = |error: tokio::task::JoinError| self.transport.malformed(error.to_string());
        let Status {
            authenticated,
            user,
            audiences,
            error,
        } = asked.await.map_err(lost)??.status;
        // A server that does not know audiences says none.
        if !authenticated || !audiences.iter().any(|known| known == audience) {
            let reason = match error.as_str() {
                "" => "it is of somebody else, or for somebody else".to_owned(),
                error => error.chars().take(500).collect(),
            };
            let audience = audience.to_owned();
            return Err(TokenError::Refused { audience, reason });
        }
        let unbound = || TokenError::Unbound(audience.to_owned());
        let account = user.username.strip_prefix("system:serviceaccount:");
        let (namespace, account) = account
            .and_then(|rest| rest.split_once(':'))
            .ok_or_else(unbound)?;
        let extra = |key: &str| {
            let key = format!("authentication.kubernetes.io/{key}");
            match user.extra.get(&key).map(Vec::as_slice) {
                Some([value]) => value.clone(),
                _ => String::new(),
            }
        };
        let reviewed = Reviewed {
            namespace: namespace.to_owned(),
            service_account: account.to_owned(),
            service_account_uid: user.uid.clone(),
            pod: extra("pod-name"),
            pod_uid: extra("pod-uid"),
            node: extra("node-name"),
            node_uid: extra("node-uid"),
            credential: extra("credential-id"),
        };
        if reviewed.pod.is_empty() || reviewed.pod_uid.is_empty() {
            return Err(unbound());
        }
        Ok(reviewed)
    }
}
