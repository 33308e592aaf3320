use std::sync::Arc;
use std::time::Duration;

use http::request::Parts as Head;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use hyper::body::Incoming;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::listen::{Answer, Limits, Listener};
use crate::metrics::Metrics;
use crate::peer::Peer;
use crate::reply::{Reply, text, with};

/// Something that everybody may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its media type.
    pub kind: &'static str,
    /// For how long a copy of it may be used.
    pub max_age: Duration,
    /// Itself.
    pub body: Vec<u8>,
}

/// What is published under a path, at the moment of the question.
pub type Documents = Arc<dyn Fn(&str) -> Option<Document> + Send + Sync>;

/// Gives out documents: `GET` and `HEAD` alone, and nobody has to say who asks.
pub struct Publication(Documents);

impl Publication {
    /// Documents for everybody.
    pub fn new(documents: Documents) -> Self {
        Self(documents)
    }

    /// Answers until `end` becomes true.
    pub async fn run(self, listener: Listener, end: watch::Receiver<bool>) {
        let limits = Limits {
            streams: 16,
            drain: Duration::from_secs(2),
            ..Limits::default()
        };
        // Its connections are not counted among those of callers that are known.
        let uncounted = Arc::new(Metrics::new());
        listener.run(Arc::new(self), limits, uncounted, end).await;
    }

    fn reply(&self, method: &Method, path: &str, headers: &HeaderMap) -> Reply {
        let Some(document) = (self.0)(path) else {
            return text(StatusCode::NOT_FOUND, "nothing is published here");
        };
        let is_head = method == Method::HEAD;
        if !is_head && method != Method::GET {
            let mut reply = text(StatusCode::METHOD_NOT_ALLOWED, "GET it");
            let allowed = HeaderValue::from_static("GET, HEAD");
            reply.headers_mut().insert(header::ALLOW, allowed);
            return reply;
        }
        let tag = tag(&document.body);
        let known = headers.get_all(header::IF_NONE_MATCH).iter();
        let mut known = known.filter_map(|value| value.to_str().ok());
        let length = document.body.len();
        let mut reply = match known.any(|tags| tags.split(',').any(|known| known.trim() == tag)) {
            true => with(StatusCode::NOT_MODIFIED, document.kind, Vec::new()),
            false if is_head => with(StatusCode::OK, document.kind, Vec::new()),
            false => with(StatusCode::OK, document.kind, document.body),
        };
        let age = format!("public, max-age={}", document.max_age.as_secs());
        let headers = reply.headers_mut();
        if is_head {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        for (name, value) in [(header::ETAG, tag), (header::CACHE_CONTROL, age)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        reply
    }
}

/// The name of a content, in quotes (RFC 9110 8.8.3).
fn tag(body: &[u8]) -> String {
    let hash = Sha256::digest(body);
    let digits: String = hash
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{digits}\"")
}

impl Answer for Publication {
    async fn answer(self: Arc<Self>, _: Arc<Peer>, head: Box<Head>, _: Incoming) -> Reply {
        self.reply(&head.method, head.uri.path(), &head.headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publication() -> Publication {
        Publication::new(Arc::new(|path| {
            (path == "/keys").then(|| Document {
                kind: "application/json",
                max_age: Duration::from_secs(60),
                body: b"{}".to_vec(),
            })
        }))
    }

    fn value_of(reply: &Reply, name: &str) -> String {
        let value = reply.headers().get(name);
        value
            .map(|value| value.to_str().unwrap().to_owned())
            .unwrap_or_default()
    }

    #[test]
    fn documents_are_read_and_nothing_else() {
        let publication = publication();
        let check = |method: Method, path: &str, status: u16| {
            let reply = publication.reply(&method, path, &HeaderMap::new());
            assert_eq!(reply.status().as_u16(), status, "{method} {path}");
            reply
        };
        let reply = check(Method::GET, "/keys", 200);
        assert_eq!(value_of(&reply, "content-type"), "application/json");
        assert_eq!(value_of(&reply, "cache-control"), "public, max-age=60");
        let reply = check(Method::HEAD, "/keys", 200);
        assert_eq!(value_of(&reply, "content-length"), "2");
        assert_eq!(
            value_of(&check(Method::POST, "/keys", 405), "allow"),
            "GET, HEAD"
        );
        check(Method::DELETE, "/keys", 405);
        check(Method::GET, "/", 404);
        check(Method::GET, "/keys/", 404);
    }

    #[test]
    fn a_copy_that_is_still_right_is_not_sent_again() {
        let publication = publication();
        let reply = publication.reply(&Method::GET, "/keys", &HeaderMap::new());
        let check = |known: &str, status: u16| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, known.parse().unwrap());
            let reply = publication.reply(&Method::GET, "/keys", &headers);
            assert_eq!(reply.status().as_u16(), status, "{known}");
        };
        let tag = value_of(&reply, "etag");
        check(&tag, 304);
        check(&format!("\"a\", {tag}"), 304);
        check("\"a\"", 200);
    }
}
