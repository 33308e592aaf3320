use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

/// What is sent back.
pub(crate) type Reply = Response<Full<Bytes>>;

/// JSON.
pub(crate) fn json(status: StatusCode, body: &impl serde::Serialize) -> Reply {
    match serde_json::to_vec(body) {
        Ok(bytes) => with(status, "application/json", bytes),
        // None of our bodies has a key that is no text.
        Err(_) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the answer cannot be written as JSON",
        ),
    }
}

/// A sentence for whoever looks.
pub(crate) fn text(status: StatusCode, message: &str) -> Reply {
    with(
        status,
        "text/plain; charset=utf-8",
        format!("{message}\n").into_bytes(),
    )
}

pub(crate) fn with(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
