//! Sends requests to clouds.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bailiwick_identity::exchange::{MAX_ANSWER_BYTES, Request};
use http::{HeaderValue, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use crate::federation::{FetchError, web_roots};
use crate::tls::web_client;

/// No request takes longer, from the name of the host to the last byte.
const MAX_TIME: Duration = Duration::from_secs(30);

/// Why a cloud gave no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SendError {
    /// No address.
    #[error("`{0}` is no address: write https://HOST/PATH")]
    Address(String),
    /// The token would travel in the open.
    #[error("`{0}` would carry the token in the open: https, or http to this machine alone")]
    Plaintext(String),
    /// TLS cannot be had.
    #[error(transparent)]
    Roots(#[from] FetchError),
    /// No connection, or the host is not who it has to be.
    #[error("no connection to `{0}` that can be believed: {1}")]
    Connect(String, String),
    /// It broke off, or sent too much.
    #[error("`{0}` sent no answer of at most {MAX_ANSWER_BYTES} bytes: {1}")]
    Answer(String, String),
    /// It took too long.
    #[error("`{0}` took longer than {MAX_TIME:?}")]
    Late(String),
}

/// Sends a request; gives the status and what came back. Nothing is followed elsewhere. `roots` are authorities of the
/// web in DER, those of the system where there are none.
///
/// # Errors
/// When the host is not who it has to be, or does not answer.
pub async fn send(
    request: Request,
    roots: &[Vec<u8>],
) -> Result<(u16, Zeroizing<Vec<u8>>), SendError> {
    let url = request.url.clone();
    let late = |_| SendError::Late(url.clone());
    tokio::time::timeout(MAX_TIME, ask(request, roots))
        .await
        .map_err(late)?
}

async fn ask(request: Request, roots: &[Vec<u8>]) -> Result<(u16, Zeroizing<Vec<u8>>), SendError> {
    let url = &request.url;
    let address = || SendError::Address(url.chars().take(200).collect());
    let connect =
        |error: &dyn std::fmt::Display| SendError::Connect(url.clone(), error.to_string());
    let uri: Uri = url.parse().map_err(|_| address())?;
    let host = uri.host().ok_or_else(address)?.trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    let (tls, usual) = match uri.scheme_str() {
        Some("https") => (true, 443),
        Some("http") if here => (false, 80),
        Some("http") => return Err(SendError::Plaintext(url.clone())),
        _ => return Err(address()),
    };
    let port = uri.port_u16().unwrap_or(usual);
    let config = match tls {
        true => Some(web_client(web_roots(roots)?).map_err(FetchError::Tls)?),
        false => None,
    };
    let stream = TcpStream::connect((host, port))
        .await
        .map_err(|error| connect(&error))?;
    let Some(config) = config else {
        return exchange(stream, &uri, &request).await;
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|_| address())?;
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector
        .connect(name, stream)
        .await
        .map_err(|error| connect(&error))?;
    exchange(stream, &uri, &request).await
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    uri: &Uri,
    request: &Request,
) -> Result<(u16, Zeroizing<Vec<u8>>), SendError> {
    let url = &request.url;
    let failed = |error: &dyn std::fmt::Display| SendError::Answer(url.clone(), error.to_string());
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|error| failed(&error))?;
    let target = uri
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str);
    let host = uri
        .authority()
        .map(http::uri::Authority::as_str)
        .unwrap_or_default();
    let body = Full::new(bytes::Bytes::from(
        request.body.encode().as_bytes().to_vec(),
    ));
    let mut sent = http::Request::post(target)
        .header(header::HOST, host)
        .header(header::CONTENT_TYPE, request.body.content_type())
        .header(header::CONNECTION, "close")
        .header(
            header::USER_AGENT,
            concat!("bailiwick/", env!("CARGO_PKG_VERSION")),
        )
        .body(body)
        .map_err(|error| failed(&error))?;
    if let Some(bearer) = &request.bearer {
        let value = Zeroizing::new(format!("Bearer {}", bearer.as_str()));
        let mut value =
            HeaderValue::from_str(&value).map_err(|_| failed(&"its token fits into no header"))?;
        value.set_sensitive(true);
        sent.headers_mut().insert(header::AUTHORIZATION, value);
    }
    let talk = async {
        let answer = sender
            .send_request(sent)
            .await
            .map_err(|error| failed(&error))?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES)
            .collect()
            .await;
        let body = body.map_err(|error| failed(&error))?.to_bytes();
        Ok((status, Zeroizing::new(body.to_vec())))
    };
    let connection = async {
        // How it hangs up shows in the answer.
        let _ = connection.await;
    };
    let (answer, ()) = tokio::join!(talk, connection);
    answer
}
