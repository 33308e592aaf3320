use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use hyper::body::{Body, Frame, SizeHint};

/// What is sent back.
pub(crate) type Reply = Response<ReplyBody>;

/// All of a body, and what gRPC says behind it.
#[derive(Debug)]
pub(crate) struct ReplyBody {
    data: Bytes,
    /// Boxed: most answers have none, and a map of headers takes room where it is not there too.
    trailers: Option<Box<HeaderMap>>,
}

impl From<Bytes> for ReplyBody {
    fn from(data: Bytes) -> Self {
        let trailers = None;
        Self { data, trailers }
    }
}

impl ReplyBody {
    pub(crate) fn with_trailers(data: Bytes, trailers: HeaderMap) -> Self {
        let trailers = Some(Box::new(trailers));
        Self { data, trailers }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = match self.data.is_empty() {
            false => Some(Frame::data(std::mem::take(&mut self.data))),
            true => self.trailers.take().map(|all| Frame::trailers(*all)),
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_empty() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.trailers {
            // No length is promised: what counts stands behind the data.
            Some(_) => SizeHint::default(),
            None => SizeHint::with_exact(self.data.len() as u64),
        }
    }
}

/// Bytes of most answers.
const TYPICAL: usize = 512;

/// JSON.
pub(crate) fn json(status: StatusCode, body: &impl serde::Serialize) -> Reply {
    let mut bytes = Vec::with_capacity(TYPICAL);
    match serde_json::to_writer(&mut bytes, body) {
        Ok(()) => with(status, "application/json", bytes),
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
    let mut reply = Response::new(ReplyBody::from(Bytes::from(body)));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
