//! The gRPC form: `envoy.service.auth.v3.Authorization/Check`, one message in and one out.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use prost::Message;
use prost_types::value::Kind;

use super::identity::{Claimed, spiffe};
use super::wire::{
    CheckRequest, CheckResponse, DeniedHttpResponse, HeaderValueOption, HttpResponse, HttpStatus,
    OkHttpResponse, Status, plain,
};
use super::{DECISION, Described, ExtAuthzDoor, Verdict, text_value};
use crate::body::Body;
use crate::reply::{Reply, ReplyBody, text};
use crate::server::Asking;

/// Where the `jwt_authn` filter keeps the claims of the token that it has verified.
const JWT_AUTHN: &str = "envoy.filters.http.jwt_authn";

/// Codes of gRPC (<https://grpc.github.io/grpc/core/md_doc_statuscodes.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    Ok = 0,
    InvalidArgument = 3,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Unavailable = 14,
    Unauthenticated = 16,
}

/// Answers a check.
pub(super) async fn answer(asking: &Asking<'_>, open: &ExtAuthzDoor) -> Reply {
    let kind = asking.head.headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/grpc") {
        return text(StatusCode::UNSUPPORTED_MEDIA_TYPE, "this door speaks gRPC");
    }
    let read = match asking.body {
        Body::TooLarge => Err((
            Code::ResourceExhausted,
            "the request is larger than 1 MiB".to_owned(),
        )),
        Body::Whole(body) => message(body),
    };
    let request = match read {
        Ok(request) => request,
        Err((code, message)) => return failed(code, &message),
    };
    match described(request, open) {
        Some(described) => whole(&response(super::decide(asking, open, described).await)),
        None => failed(
            Code::InvalidArgument,
            "the check says nothing of an HTTP request",
        ),
    }
}

/// The one message of a request.
fn message(body: &[u8]) -> Result<CheckRequest, (Code, String)> {
    let invalid = |message: &str| (Code::InvalidArgument, message.to_owned());
    let Some((&[compressed, a, b, c, d], message)) = body.split_first_chunk() else {
        return Err(invalid("no message arrived"));
    };
    if compressed != 0 {
        return Err((
            Code::Unimplemented,
            "send messages without compression".to_owned(),
        ));
    }
    if usize::try_from(u32::from_be_bytes([a, b, c, d])) != Ok(message.len()) {
        return Err(invalid("the message has another length than it says"));
    }
    CheckRequest::decode(message).map_err(|error| invalid(&error.to_string()))
}

fn described(request: CheckRequest, open: &ExtAuthzDoor) -> Option<Described> {
    let attributes = request.attributes?;
    let mut http = attributes.request?.http?;
    let headers = http.headers();
    let principal = attributes.source.map(|source| source.principal);
    let found = open.identities.jwt_metadata.as_deref().and_then(|key| {
        let metadata = attributes
            .metadata_context
            .as_ref()?
            .filter_metadata
            .get(JWT_AUTHN)?;
        match metadata.fields.get(key)?.kind.clone()? {
            Kind::StructValue(claims) => Some(plain(claims)),
            _ => None,
        }
    });
    let extensions = attributes.context_extensions.into_iter();
    Some(Described {
        claimed: Ok(Claimed {
            claims: found,
            workload: principal.as_deref().and_then(spiffe),
        }),
        method: http.method,
        target: http.path,
        host: http.host,
        scheme: http.scheme,
        headers,
        about: extensions
            .map(|(name, value)| (format!("extension.{name}"), text_value(value)))
            .collect(),
        request_id: Some(http.id).filter(|id| !id.is_empty() && id.len() <= 256),
    })
}

fn response(verdict: Verdict) -> CheckResponse {
    let id = verdict.id.to_string();
    let mut headers = vec![HeaderValueOption::set(DECISION, id.clone())];
    let (code, http_response) = match verdict.status {
        StatusCode::OK => (Code::Ok, HttpResponse::Ok(OkHttpResponse { headers })),
        status => {
            let code = match status {
                StatusCode::UNAUTHORIZED => Code::Unauthenticated,
                StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
                StatusCode::BAD_REQUEST => Code::InvalidArgument,
                _ => Code::PermissionDenied,
            };
            if status == StatusCode::UNAUTHORIZED {
                headers.push(HeaderValueOption::set(
                    "www-authenticate",
                    "Bearer".to_owned(),
                ));
            }
            let denied = DeniedHttpResponse {
                status: Some(HttpStatus {
                    code: i32::from(status.as_u16()),
                }),
                headers,
                body: verdict.to_text(),
            };
            (code, HttpResponse::Denied(denied))
        }
    };
    let decision = prost_types::Value {
        kind: Some(Kind::StringValue(id)),
    };
    CheckResponse {
        status: Some(Status {
            code: code as i32,
            message: verdict.message,
        }),
        http_response: Some(http_response),
        dynamic_metadata: Some(prost_types::Struct {
            fields: [("decision".to_owned(), decision)].into(),
        }),
    }
}

fn whole(message: &impl Message) -> Reply {
    let mut out = BytesMut::with_capacity(5 + message.encoded_len());
    out.put_u8(0);
    // Answers are far shorter than 4 GiB.
    out.put_u32(u32::try_from(message.encoded_len()).unwrap_or(u32::MAX));
    // A BytesMut grows as it is written to, so that writing does not fail.
    let _ = message.encode(&mut out);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(Code::Ok as u16));
    reply(ReplyBody::with_trailers(out.freeze(), trailers))
}

/// An answer that is none: the gateway takes it for an error of ours, and lets nothing through unless it is told to.
fn failed(code: Code, message: &str) -> Reply {
    let mut reply = reply(ReplyBody::from(Bytes::new()));
    let headers = reply.headers_mut();
    headers.insert("grpc-status", HeaderValue::from(code as u16));
    let plain: String = message
        .chars()
        .filter(|letter| matches!(letter, ' '..='~') && *letter != '%')
        .collect();
    if let Ok(message) = HeaderValue::from_str(&plain) {
        headers.insert("grpc-message", message);
    }
    reply
}

fn reply(body: ReplyBody) -> Reply {
    let mut reply = Response::new(body);
    let grpc = HeaderValue::from_static("application/grpc");
    reply.headers_mut().insert(header::CONTENT_TYPE, grpc);
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_that_are_no_message() {
        let check = |body: &[u8], expected: Code| {
            assert_eq!(message(body).unwrap_err().0, expected, "{body:?}");
        };
        check(b"", Code::InvalidArgument);
        check(&[0, 0, 0, 0], Code::InvalidArgument);
        check(&[1, 0, 0, 0, 0], Code::Unimplemented);
        check(&[0, 0, 0, 0, 1], Code::InvalidArgument);
        check(&[0, 0, 0, 0, 0, 0], Code::InvalidArgument);
        check(&[0, 255, 255, 255, 255, 0], Code::InvalidArgument);
        check(&[0, 0, 0, 0, 1, 255], Code::InvalidArgument);
        assert_eq!(message(&[0, 0, 0, 0, 0]), Ok(CheckRequest::default()));
    }
}
