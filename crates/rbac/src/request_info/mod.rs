//! What an HTTP request asks for, as the API server reads it before it authorizes it
//! (`k8s.io/apiserver/pkg/endpoints/request/requestinfo.go`, of Kubernetes 1.37).
//!
//! The path alone decides, and it is taken as it arrives: nothing is cleaned up first. Doubled slashes inside it
//! count as empty segments, `%2F` is a slash, and `..` is a name like any other.

mod query;
mod selector;

use bailiwick_core::{NonResourceRequest, Request, ResourceRequest};

/// Why a method and URL are no request that the API server would authorize.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestInfoError {
    /// The method is no HTTP token.
    #[error("`{0}` is no HTTP method; write one such as GET or POST")]
    Method(String),
    /// The URL does not start with a slash.
    #[error("`{0}` is no path; write a path that starts with `/`, without scheme and host")]
    NotAPath(String),
    /// The URL holds a byte below 0x20, or 0x7f.
    #[error("the URL holds a control character; write it as `%` and two hexadecimal digits")]
    ControlCharacter,
    /// A percent sign without two hexadecimal digits after it.
    #[error("`{0}` is no percent escape; a percent sign itself is written `%25`")]
    Escape(String),
    /// The path, unescaped, is no UTF-8, so that no rule can name it.
    #[error("the path is not UTF-8 once its percent escapes are resolved")]
    NotUtf8,
    /// `/api/v1/watch` or `/apis/GROUP/VERSION/proxy` with nothing behind it.
    #[error("`{0}` names no resource behind its `watch` or `proxy`")]
    NoResource(String),
}

/// Reads an HTTP method, such as `GET`, and a path with an optional query, such as
/// `/api/v1/namespaces/shop/pods?watch=1`.
///
/// The result carries a name for list and watch where a field selector asks for `metadata.name`, as upstream has it;
/// selectors are not kept otherwise, since RBAC does not read them.
///
/// # Errors
/// Where the API server answers 400 or 500 before it asks an authorizer, and where a path is not UTF-8.
pub fn request_info(method: &str, url: &str) -> Result<Request, RequestInfoError> {
    if !is_token(method) {
        return Err(RequestInfoError::Method(method.to_owned()));
    }
    if url.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err(RequestInfoError::ControlCharacter);
    }
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    if !path.starts_with('/') {
        return Err(RequestInfoError::NotAPath(url.to_owned()));
    }
    let path = query::unescape(path, false).map_err(RequestInfoError::Escape)?;
    let path = String::from_utf8(path).map_err(|_| RequestInfoError::NotUtf8)?;
    match resource_path(&path) {
        Some(parts) => resource_request(method, &path, query, &parts),
        None => Ok(Request::NonResource(NonResourceRequest {
            verb: method.to_ascii_lowercase(),
            path,
        })),
    }
}

/// The group, the version and the segments that follow, where `path` is of a resource.
struct ResourcePath<'a> {
    group: &'a str,
    version: &'a str,
    rest: Vec<&'a str>,
}

/// `None` for everything outside `/api/VERSION/...` and `/apis/GROUP/VERSION/...`, and for these themselves.
fn resource_path(path: &str) -> Option<ResourcePath<'_>> {
    let mut parts = path.trim_matches('/').split('/');
    let group = match parts.next()? {
        "api" => "",
        "apis" => parts.next()?,
        _ => return None,
    };
    let version = parts.next()?;
    let rest: Vec<&str> = parts.collect();
    (!rest.is_empty()).then_some(ResourcePath {
        group,
        version,
        rest,
    })
}

fn resource_request(
    method: &str,
    path: &str,
    query: &str,
    found: &ResourcePath<'_>,
) -> Result<Request, RequestInfoError> {
    let (mut verb, mut parts) = match found.rest.as_slice() {
        ["watch" | "proxy"] => return Err(RequestInfoError::NoResource(path.to_owned())),
        [special @ ("watch" | "proxy"), parts @ ..] => (*special, parts),
        parts => (verb_of(method), parts),
    };
    let mut namespace = "";
    if let ["namespaces", name, rest @ ..] = parts {
        namespace = name;
        // `status` and `finalize` are subresources of the Namespace itself, not resources in it.
        if !matches!(rest, [] | ["status" | "finalize", ..]) {
            parts = rest;
        }
    }
    let part = |position: usize| parts.get(position).copied().unwrap_or_default();
    let mut name = part(1).to_owned();
    let subresource = if verb == "proxy" { "" } else { part(2) };

    if name.is_empty() && verb == "get" {
        let list = query::ListOptions::parse(query);
        verb = if list.watch { "watch" } else { "list" };
        name = list.name.unwrap_or_default();
    }
    if name.is_empty() && verb == "delete" {
        verb = "deletecollection";
    }
    Ok(Request::Resource(ResourceRequest {
        verb: verb.to_owned(),
        group: found.group.to_owned(),
        version: found.version.to_owned(),
        resource: part(0).to_owned(),
        subresource: subresource.to_owned(),
        namespace: namespace.to_owned(),
        name,
        ..ResourceRequest::default()
    }))
}

/// The verb of a method on a resource. One that Kubernetes does not know, such as OPTIONS, has the empty verb, which
/// only a rule with `*` matches.
fn verb_of(method: &str) -> &'static str {
    match method {
        "POST" => "create",
        "GET" | "HEAD" => "get",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "",
    }
}

/// Whether `method` is a token of RFC 9110, section 5.6.2.
fn is_token(method: &str) -> bool {
    let symbol = |byte| b"!#$%&'*+-.^_`|~".contains(&byte);
    !method.is_empty()
        && method
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || symbol(byte))
}

#[cfg(test)]
mod tests;
