//! The HTTP form: the request itself, without its body, below [`PREFIX`].

use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::identity::{Claimed, Unknown, claims, forwarded};
use super::{DECISION, Described, ExtAuthzDoor, Identities, PREFIX, Verdict};
use crate::reply::{Reply, text, with};
use crate::server::Asking;

/// The header in which Envoy tells of the client's certificate.
const CLIENT_CERTIFICATE: &str = "x-forwarded-client-cert";

/// Answers a request.
pub(super) async fn answer(asking: &Asking<'_>, open: &ExtAuthzDoor) -> Reply {
    let head = asking.head;
    let target = head
        .uri
        .path_and_query()
        .map_or("", |target| target.as_str());
    let Some(target) = target.strip_prefix(PREFIX) else {
        return text(StatusCode::NOT_FOUND, "there is no door here");
    };
    // A connection of HTTP/2 has the host in the URI.
    let authority = head
        .uri
        .authority()
        .map(|authority| authority.as_str().to_owned());
    let hosts: Vec<&HeaderValue> = head.headers.get_all(header::HOST).iter().collect();
    let named = match hosts.as_slice() {
        [host] => host.to_str().ok().map(str::to_owned),
        _ => None,
    };
    let headers = head.headers.iter().map(|(name, value)| {
        (
            name.as_str().to_owned(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        )
    });
    let described = Described {
        method: head.method.to_string(),
        target: target.to_owned(),
        host: authority.or(named).unwrap_or_default(),
        scheme: one(&head.headers, "x-forwarded-proto")
            .ok()
            .flatten()
            .unwrap_or_default()
            .to_owned(),
        headers: headers.collect(),
        claimed: claimed(&head.headers, &open.identities),
        about: Vec::new(),
        request_id: one(&head.headers, "x-request-id")
            .ok()
            .flatten()
            .filter(|id| id.len() <= 256)
            .map(str::to_owned),
    };
    reply(&super::decide(asking, open, described).await)
}

fn claimed(headers: &HeaderMap, trusted: &Identities) -> Result<Claimed, Unknown> {
    let mut claimed = Claimed::default();
    if let Some(name) = &trusted.jwt_header
        && let Some(value) = one(headers, name)?
    {
        claimed.claims = Some(claims(value).ok_or_else(|| Unknown::Header(name.clone()))?);
    }
    if trusted.client_certificate_header
        && let Some(value) = one(headers, CLIENT_CERTIFICATE)?
    {
        claimed.workload = forwarded(value);
    }
    Ok(claimed)
}

/// A header that is there once or not at all.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Unknown> {
    let mut found = headers.get_all(name).iter();
    let first = found.next();
    let text = first.map(HeaderValue::to_str).transpose();
    match (text, found.next()) {
        (Ok(text), None) => Ok(text),
        _ => Err(Unknown::Header(name.to_owned())),
    }
}

fn reply(verdict: &Verdict) -> Reply {
    let body = match verdict.status {
        StatusCode::OK => String::new(),
        _ => verdict.to_text(),
    };
    let mut reply = with(
        verdict.status,
        "text/plain; charset=utf-8",
        body.into_bytes(),
    );
    let headers = reply.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&verdict.id.to_string()) {
        headers.insert(DECISION, id);
    }
    if verdict.status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    reply
}
