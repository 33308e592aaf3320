//! In which version a server serves a kind that it need not serve.

use serde::Deserialize;

use super::kinds::{may_be_unserved, version_path};
use crate::followed::Followed;
use crate::transport::Transport;

#[derive(Deserialize)]
struct Resources {
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    name: String,
}

/// The versions in which to ask for a kind: the first that discovery shows, or none. Where it shows nothing, as to
/// somebody who may not read it, each that there is.
///
/// Who may not list a kind is refused whether it is served or not. Without this, he would have a gap where nothing is.
pub(crate) async fn versions(kind: impl Followed, transport: &Transport) -> Vec<&'static str> {
    let all = [kind.version()].into_iter();
    let all: Vec<_> = all.chain(kind.older_versions().iter().copied()).collect();
    if kind.known().is_none() || !may_be_unserved(kind) {
        return all;
    }
    let mut unknown = Vec::new();
    for version in all {
        match serves(kind, version, transport).await {
            Some(true) => return vec![version],
            Some(false) => {}
            None => unknown.push(version),
        }
    }
    unknown
}

/// Whether this version has the kind; `None` where nobody says.
async fn serves(kind: impl Followed, version: &str, transport: &Transport) -> Option<bool> {
    use crate::error::RequestError::NotFound;
    let path = version_path(kind, version);
    let answer = match transport.get(&path, "application/json").await {
        Err(NotFound { .. }) => return Some(false),
        answer => answer.ok()?,
    };
    let listed: Resources = transport.parse(&answer).ok()?;
    let mut listed = listed.resources.iter();
    Some(listed.any(|resource| resource.name == kind.plural()))
}
