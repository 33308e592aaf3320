use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Full;

use crate::client::{Place, PlaceError};

/// Where an OpenTelemetry collector takes OTLP over HTTP.
#[derive(Clone, Debug)]
pub struct Collector(Place);

/// Why a collector is not usable, or did not take a batch.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectorError {
    /// Not an address of one.
    #[error("`{0}` is no address of a collector; it looks like https://collector.example.org:4318")]
    Endpoint(String),
    /// Names of people would travel in the open.
    #[error("`{0}` has no TLS and is not on this machine; write https:// and `ca`")]
    Plaintext(String),
    /// No authority to know the collector by.
    #[error("the authority that signs for the collector cannot be used: {0}")]
    Authority(String),
    /// It cannot be reached or did not answer as HTTP.
    #[error("the collector cannot be asked: {0}")]
    Unreachable(String),
    /// It refused.
    #[error("the collector answered {0}")]
    Refused(StatusCode),
    /// It took too long.
    #[error("the collector did not answer within {LIMIT:?}")]
    Slow,
}

/// How long a batch may take.
const LIMIT: Duration = Duration::from_secs(5);

/// What it says of a batch that it took in part is not looked at.
const MOST_ANSWER: usize = 64 << 10;

impl Collector {
    /// A collector at an address such as `http://127.0.0.1:4318`. `ca` is the authority that signs for it, in PEM; with
    /// plain HTTP it has to be on this machine.
    ///
    /// # Errors
    /// When the address or the authority is not usable.
    pub fn new(endpoint: &str, ca: Option<&[u8]>) -> Result<Self, CollectorError> {
        let place = Place::new(endpoint, ca).map_err(|error| match error {
            PlaceError::Address => CollectorError::Endpoint(endpoint.to_owned()),
            PlaceError::Plaintext => CollectorError::Plaintext(endpoint.to_owned()),
            PlaceError::Authority(why) => CollectorError::Authority(why),
        })?;
        Ok(Self(place))
    }

    /// Sends a batch.
    pub(super) async fn post(&self, path: &str, body: Vec<u8>) -> Result<(), CollectorError> {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        let path = format!("{}{path}", self.0.path);
        let sent = self.0.send(&path, request, MOST_ANSWER);
        let sent = tokio::time::timeout(LIMIT, sent).await;
        let sent = sent.map_err(|_| CollectorError::Slow)?;
        match sent.map_err(CollectorError::Unreachable)? {
            (status, _) if status.is_success() => Ok(()),
            (status, _) => Err(CollectorError::Refused(status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_collectors() {
        let check = |endpoint: &str, expected: Result<(&str, u16, &str), &str>| {
            let found = Collector::new(endpoint, None);
            let found = found
                .as_ref()
                .map(|Collector(place)| (place.host.as_str(), place.port, place.path.as_str()));
            match (found, expected) {
                (Err(error), Err(part)) => {
                    assert!(error.to_string().contains(part), "{endpoint}: {error}");
                }
                (found, expected) => assert_eq!(found.ok(), expected.ok(), "{endpoint}"),
            }
        };
        check("http://127.0.0.1:4318", Ok(("127.0.0.1", 4318, "")));
        check(
            "http://localhost:4318/otlp/",
            Ok(("localhost", 4318, "/otlp")),
        );
        check("http://[::1]", Ok(("::1", 80, "")));
        check(
            "http://collector.example.org:4318",
            Err("has no TLS and is not on this machine"),
        );
        check("http://127.0.0.1.example.org", Err("has no TLS"));
        check("https://collector.example.org", Err("`ca` is missing"));
        for wrong in [
            "",
            "127.0.0.1:4318",
            "grpc://127.0.0.1",
            "/v1",
            "http://127.0.0.1/?a=b",
        ] {
            check(wrong, Err("is no address of a collector"));
        }
    }
}
