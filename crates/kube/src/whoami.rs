use std::collections::BTreeMap;

use bailiwick_core::UserInfo;
use serde::Deserialize;

use crate::error::RequestError;
use crate::transport::Transport;

const PATH: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const BODY: &[u8] = br#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review {
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    user_info: User,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct User {
    username: String,
    uid: String,
    groups: Vec<String>,
    extra: BTreeMap<String, Vec<String>>,
}

/// Asks the API server who it takes us for.
pub(crate) async fn whoami(transport: &Transport) -> Result<UserInfo, RequestError> {
    let answer = transport.post(PATH, BODY.to_vec()).await?;
    let review: Review = transport.parse(&answer)?;
    let User {
        username,
        uid,
        groups,
        extra,
    } = review.status.user_info;
    Ok(UserInfo {
        name: username,
        uid,
        groups,
        extra,
    })
}
