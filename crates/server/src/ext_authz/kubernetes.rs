//! Requests to an API server behind the gateway.

use bailiwick_core::names::{ANONYMOUS, CREDENTIAL_ID};
use bailiwick_core::{Request, Subject, UserInfo};

use super::identity::Identity;

/// Who asks the API server for what.
///
/// Names that start with `system:` are the cluster's own: a token of another issuer cannot bring one.
pub(super) fn ask(
    identity: Identity,
    method: &str,
    path: &str,
    query: Option<&str>,
) -> Result<(UserInfo, Request), String> {
    let Identity {
        subject,
        groups,
        credential,
    } = identity;
    let name = match subject.kind.as_str() {
        "anonymous" => ANONYMOUS.to_owned(),
        _ => subject.id,
    };
    let own = |name: &String| name.starts_with("system:");
    let user_is_own = own(&name) && name != ANONYMOUS;
    if let Some(name) = Some(&name)
        .filter(|_| user_is_own)
        .or_else(|| groups.iter().find(|group| own(group)))
    {
        let shown: String = name.chars().take(64).collect();
        return Err(format!(
            "`{shown}` is a name of the cluster's own, which no token brings in"
        ));
    }
    let mut user = UserInfo::of(
        &Subject::User {
            name: name.as_str().into(),
        },
        &groups,
    );
    if !credential.is_empty() {
        user.extra
            .insert(CREDENTIAL_ID.to_owned(), vec![credential]);
    }
    let url = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let request = bailiwick_rbac::request_info(method, &url).map_err(|error| error.to_string())?;
    Ok((user, request))
}
