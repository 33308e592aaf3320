use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where an OpenTelemetry collector takes OTLP over HTTP.
#[derive(Clone, Debug)]
pub struct Collector {
    host: String,
    port: u16,
    /// What stands before `/v1/traces` and `/v1/logs`.
    prefix: String,
    tls: Option<Arc<ClientConfig>>,
}

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

impl Collector {
    /// A collector at an address such as `http://127.0.0.1:4318`. `ca` is the authority that signs for it, in PEM; with
    /// plain HTTP it has to be on this machine.
    ///
    /// # Errors
    /// When the address or the authority is not usable.
    pub fn new(endpoint: &str, ca: Option<&[u8]>) -> Result<Self, CollectorError> {
        let wrong = || CollectorError::Endpoint(endpoint.to_owned());
        let uri: Uri = endpoint.parse().map_err(|_| wrong())?;
        let host = uri
            .host()
            .ok_or_else(wrong)?
            .trim_matches(['[', ']'])
            .to_owned();
        if uri.query().is_some() {
            return Err(wrong());
        }
        let here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        let (tls, usual) = match (uri.scheme_str(), ca) {
            (Some("https"), Some(ca)) => (Some(Arc::new(trusting(ca)?)), 443),
            (Some("https"), None) => {
                return Err(CollectorError::Authority("`ca` is missing".to_owned()));
            }
            (Some("http"), _) if here => (None, 80),
            (Some("http"), _) => return Err(CollectorError::Plaintext(endpoint.to_owned())),
            _ => return Err(wrong()),
        };
        Ok(Self {
            host,
            port: uri.port_u16().unwrap_or(usual),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            tls,
        })
    }

    /// Sends a batch.
    pub(super) async fn post(&self, path: &str, body: Vec<u8>) -> Result<(), CollectorError> {
        let sent = tokio::time::timeout(LIMIT, self.send(path, body)).await;
        match sent.map_err(|_| CollectorError::Slow)?? {
            status if status.is_success() => Ok(()),
            status => Err(CollectorError::Refused(status)),
        }
    }

    async fn send(&self, path: &str, body: Vec<u8>) -> Result<StatusCode, CollectorError> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(unreachable)?;
        let Some(tls) = &self.tls else {
            return self.exchange(tcp, path, body).await;
        };
        let name = ServerName::try_from(self.host.clone()).map_err(unreachable)?;
        let stream = TlsConnector::from(Arc::clone(tls))
            .connect(name, tcp)
            .await
            .map_err(unreachable)?;
        self.exchange(stream, path, body).await
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        path: &str,
        body: Vec<u8>,
    ) -> Result<StatusCode, CollectorError> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(unreachable)?;
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = format!("{}{path}", self.prefix)
            .parse()
            .map_err(unreachable)?;
        let headers = request.headers_mut();
        let host =
            HeaderValue::from_str(&format!("{}:{}", self.host, self.port)).map_err(unreachable)?;
        headers.insert(header::HOST, host);
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let ask = async {
            let answer = sender.send_request(request).await.map_err(unreachable)?;
            let (head, body) = answer.into_parts();
            // What it says of a batch that it took in part is not looked at; the connection ends in order.
            let _ = Limited::new(body, 64 << 10).collect().await;
            Ok(head.status)
        };
        let connection = async {
            // How it hangs up shows in the answer.
            let _ = connection.await;
        };
        let (status, ()) = tokio::join!(ask, connection);
        status
    }
}

fn unreachable(error: impl std::fmt::Display) -> CollectorError {
    CollectorError::Unreachable(error.to_string())
}

fn trusting(ca: &[u8]) -> Result<ClientConfig, CollectorError> {
    let wrong = |error: String| CollectorError::Authority(error);
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(ca) {
        let authority = authority.map_err(|error| wrong(error.to_string()))?;
        roots
            .add(authority)
            .map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("there is no certificate in it".to_owned()));
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
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
                .map(|found| (found.host.as_str(), found.port, found.prefix.as_str()));
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
