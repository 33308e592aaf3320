//! Tokens of service accounts: whose they are, by the word of the API server.

use std::collections::BTreeMap;

use bailiwick_identity::pods::{Review, ReviewError, Reviewed, Reviewer};
use serde::Deserialize;
use serde_json::json;

use crate::cluster::Cluster;

#[derive(Deserialize)]
struct Answer {
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
    /// The service account, by namespace and name, whose token for this audience this is; `None` where the API server
    /// takes it for no such token.
    ///
    /// # Errors
    /// When the server cannot be asked, in words without the token.
    pub async fn service_account_of(
        &self,
        token: &str,
        audience: &str,
    ) -> Result<Option<(String, String)>, String> {
        let status = self.ask(token, audience).await?;
        let account = status.is_for(audience).then(|| status.user.account());
        Ok(account.flatten())
    }

    async fn ask(&self, token: &str, audience: &str) -> Result<Status, String> {
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "spec": {"token": token, "audiences": [audience]},
        });
        let path = "/apis/authentication.k8s.io/v1/tokenreviews";
        let transport = self.transport.clone();
        let body = body.to_string().into_bytes();
        let asked = self.threads.while_wanted(async move {
            let answer = transport.post(path, body).await?;
            transport.parse::<Answer>(&answer)
        });
        let answer = asked.await.map_err(|error| error.to_string())?;
        Ok(answer.map_err(|error| error.to_string())?.status)
    }
}

impl Status {
    /// A server that does not know audiences says none.
    fn is_for(&self, audience: &str) -> bool {
        self.authenticated && self.audiences.iter().any(|known| known == audience)
    }
}

impl User {
    /// Namespace and name, where it is a service account.
    fn account(&self) -> Option<(String, String)> {
        let account = self.username.strip_prefix("system:serviceaccount:")?;
        let (namespace, name) = account.split_once(':')?;
        Some((namespace.to_owned(), name.to_owned()))
    }
}

impl Reviewer for Cluster {
    fn review<'r>(&'r self, token: &'r str, audience: &'r str) -> Review<'r> {
        Box::pin(async move {
            let status = self.ask(token, audience).await;
            read(status.map_err(ReviewError::Unavailable)?, audience)
        })
    }
}

fn read(status: Status, audience: &str) -> Result<Reviewed, ReviewError> {
    let known = status.is_for(audience);
    let Status { user, error, .. } = status;
    if !known {
        let reason = match error.as_str() {
            "" => "it is of somebody else, or for somebody else".to_owned(),
            error => error.chars().take(500).collect(),
        };
        let audience = audience.to_owned();
        return Err(ReviewError::Refused { audience, reason });
    }
    let unbound = || ReviewError::Unbound(audience.to_owned());
    let (namespace, account) = user.account().ok_or_else(unbound)?;
    let extra = |key: &str| {
        let key = format!("authentication.kubernetes.io/{key}");
        match user.extra.get(&key).map(Vec::as_slice) {
            Some([value]) => value.clone(),
            _ => String::new(),
        }
    };
    let reviewed = Reviewed {
        namespace,
        service_account: account,
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

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{"authenticated": true, "audiences": ["td"], "user": {
        "username": "system:serviceaccount:shop:cart", "uid": "a1", "extra": {
        "authentication.kubernetes.io/pod-name": ["web"], "authentication.kubernetes.io/pod-uid": ["p1"],
        "authentication.kubernetes.io/node-name": ["n1"], "authentication.kubernetes.io/node-uid": ["m1"],
        "authentication.kubernetes.io/credential-id": ["JTI=7"]}}}"#;

    fn review(from: &str, to: &str) -> Result<Reviewed, String> {
        assert!(ANSWER.contains(from), "{from}");
        let status = serde_json::from_str(&ANSWER.replace(from, to)).unwrap();
        read(status, "td").map_err(|error| error.to_string())
    }

    #[test]
    fn k_6_whose_a_token_is() {
        let reviewed = review("td", "td").unwrap();
        assert_eq!(
            (&*reviewed.namespace, &*reviewed.service_account),
            ("shop", "cart")
        );
        assert_eq!((&*reviewed.pod_uid, &*reviewed.credential), ("p1", "JTI=7"));
        let check = |from: &str, to: &str, part: &str| {
            let error = review(from, to).unwrap_err();
            assert!(error.contains(part), "{error}");
        };
        check(
            "true",
            "false",
            "does not take the token for the audience `td`",
        );
        check("[\"td\"]", "[\"else\"]", "for somebody else");
        check("[\"td\"]", "[]", "for somebody else");
        check(
            "system:serviceaccount:shop:cart",
            "system:node:n1",
            "not bound to a pod",
        );
        check("pod-uid", "pod", "not bound to a pod");
        check("[\"web\"]", "[\"web\", \"db\"]", "not bound to a pod");
    }
}
