//! A small client of HTTP: one request on a connection of its own, to somebody who is known by an authority.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where requests go, and by which authority whoever is there is known.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The path of the address, without a slash at its end.
    pub(crate) path: String,
    tls: Option<Arc<ClientConfig>>,
}

/// Why an address is not usable.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PlaceError {
    /// It is none.
    Address,
    /// What is sent would travel in the open.
    Plaintext,
    /// The authority is missing or unusable.
    Authority(String),
}

impl Place {
    /// `ca` is the authority that signs for whoever is there, in PEM. Plain HTTP stays on this machine.
    pub(crate) fn new(address: &str, ca: Option<&[u8]>) -> Result<Self, PlaceError> {
        let uri: Uri = address.parse().map_err(|_| PlaceError::Address)?;
        let host = uri.host().ok_or(PlaceError::Address)?;
        let host = host.trim_matches(['[', ']']).to_owned();
        if uri.query().is_some() {
            return Err(PlaceError::Address);
        }
        let here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        let (tls, usual) = match (uri.scheme_str(), ca) {
            (Some("https"), Some(ca)) => (Some(Arc::new(trusting(ca)?)), 443),
            (Some("https"), None) => {
                return Err(PlaceError::Authority("`ca` is missing".to_owned()));
            }
            (Some("http"), _) if here => (None, 80),
            (Some("http"), _) => return Err(PlaceError::Plaintext),
            _ => return Err(PlaceError::Address),
        };
        Ok(Self {
            host,
            port: uri.port_u16().unwrap_or(usual),
            path: uri.path().trim_end_matches('/').to_owned(),
            tls,
        })
    }

    /// Sends a request for a path, and reads an answer of at most so many bytes. Redirections are not followed, and
    /// nothing here ends by itself: whoever asks sets a time.
    pub(crate) async fn send(
        &self,
        path: &str,
        mut request: Request<Full<Bytes>>,
        most: usize,
    ) -> Result<(StatusCode, Bytes), String> {
        *request.uri_mut() = path.parse().map_err(text)?;
        let host = format!("{}:{}", self.host, self.port);
        let headers = request.headers_mut();
        headers.insert(header::HOST, HeaderValue::from_str(&host).map_err(text)?);
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let tcp = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(text)?;
        let Some(tls) = &self.tls else {
            return exchange(tcp, request, most).await;
        };
        let name = ServerName::try_from(self.host.clone()).map_err(text)?;
        let connector = TlsConnector::from(Arc::clone(tls));
        let stream = connector.connect(name, tcp).await.map_err(text)?;
        exchange(stream, request, most).await
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
    most: usize,
) -> Result<(StatusCode, Bytes), String> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    let ask = async {
        let answer = sender.send_request(request).await.map_err(text)?;
        let (head, body) = answer.into_parts();
        match Limited::new(body, most).collect().await {
            Ok(body) => Ok((head.status, body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(format!("it answers with more than {most} bytes"))
            }
            Err(error) => Err(error.to_string()),
        }
    };
    let connection = async {
        // How it hangs up shows in the answer.
        let _ = connection.await;
    };
    let (answer, ()) = tokio::join!(ask, connection);
    answer
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn trusting(ca: &[u8]) -> Result<ClientConfig, PlaceError> {
    let wrong = |error: String| PlaceError::Authority(error);
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
