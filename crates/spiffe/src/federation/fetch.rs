use std::sync::Arc;
use std::time::Duration;

use bailiwick_identity::federation::{EndpointProfile, EndpointUrl, Relationship};
use bailiwick_identity::{Bundle, BundleError, BundleMap, MAX_BUNDLE_BYTES, TrustDomain};
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::tls::{spiffe_client, web_client, why_refused};

/// No question takes longer, from the name of the host to the last byte.
const MAX_TIME: Duration = Duration::from_secs(15);

/// Why a bundle endpoint gave no bundle.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Nothing is known that the endpoint could prove itself with.
    #[error("no bundle of `{0}` is there to check the endpoint with: give one in `bundle`")]
    NoKeys(TrustDomain),
    /// The system has no authorities of the web.
    #[error("this system has no certificate authorities of the web: name some in `roots`")]
    NoRoots,
    /// An authority of the configuration that TLS cannot use.
    #[error("a certificate in `roots` cannot be used: {0}")]
    Root(#[source] rustls::Error),
    /// TLS cannot be had.
    #[error("no TLS: {0}")]
    Tls(#[source] rustls::Error),
    /// No connection, or the endpoint is not who it has to be.
    #[error("no connection to `{0}` that can be believed")]
    Connect(String, #[source] std::io::Error),
    /// The endpoint does not speak HTTP.
    #[error("`{0}` does not answer as an endpoint does")]
    Http(String, #[source] hyper::Error),
    /// The endpoint sends its clients elsewhere.
    #[error("`{0}` points to another address ({1}): write that one, if it is right")]
    Redirect(String, String),
    /// Another answer than a bundle.
    #[error("`{0}` answers {1}")]
    Status(String, StatusCode),
    /// It broke off, or sent too much.
    #[error("`{0}` sent no bundle of at most {MAX_BUNDLE_BYTES} bytes: {1}")]
    Body(String, String),
    /// It took too long.
    #[error("`{0}` took longer than {MAX_TIME:?}")]
    Late(String),
    /// No bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

/// Asks an endpoint for its bundle. `known` holds the bundles that are there now: where the endpoint shows an SVID, the
/// newest bundle of its trust domain counts, and the one of the configuration only until there is one (F-8).
///
/// # Errors
/// When the endpoint is not who it has to be, is somewhere else now (nothing is followed, F-5), or gives no bundle.
pub async fn fetch_bundle(
    relationship: &Relationship,
    known: &BundleMap,
) -> Result<Bundle, FetchError> {
    let config = config(&relationship.profile, known)?;
    let asked = ask(&relationship.url, config);
    let late = |_| FetchError::Late(relationship.url.to_string());
    let body = tokio::time::timeout(MAX_TIME, asked)
        .await
        .map_err(late)??;
    Ok(Bundle::from_json(relationship.domain.clone(), &body)?)
}

fn config(profile: &EndpointProfile, known: &BundleMap) -> Result<ClientConfig, FetchError> {
    match profile {
        EndpointProfile::Web { roots } => web_client(web_roots(roots)?).map_err(FetchError::Tls),
        EndpointProfile::Spiffe { id, bootstrap } => {
            let domain = id.trust_domain();
            let keys = known.bundle(&domain).or(bootstrap.as_ref());
            let keys = keys.ok_or(FetchError::NoKeys(domain))?;
            let mut bundles = BundleMap::default();
            bundles.insert(keys.clone());
            spiffe_client(bundles, id.clone(), &[&TLS13, &TLS12]).map_err(FetchError::Tls)
        }
    }
}

/// The authorities that are named, or those of the system.
pub(crate) fn web_roots(named: &[Vec<u8>]) -> Result<RootCertStore, FetchError> {
    let mut roots = RootCertStore::empty();
    for der in named {
        let root = CertificateDer::from(der.clone());
        roots.add(root).map_err(FetchError::Root)?;
    }
    if named.is_empty() {
        // One that cannot be read is no reason to believe nobody.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    match roots.is_empty() {
        true => Err(FetchError::NoRoots),
        false => Ok(roots),
    }
}

async fn ask(url: &EndpointUrl, config: ClientConfig) -> Result<Bytes, FetchError> {
    let place = || url.to_string();
    let connect = |error| FetchError::Connect(place(), error);
    let broken = |error| FetchError::Http(place(), error);
    let name = ServerName::try_from(url.host().to_owned());
    let name = name.map_err(|error| connect(std::io::Error::other(error)))?;
    let stream = TcpStream::connect((url.host(), url.port())).await;
    let stream = stream.map_err(connect)?;
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, stream).await;
    let stream = stream.map_err(|error| {
        let checked = why_refused(&error).map(ToString::to_string);
        connect(checked.map_or(error, std::io::Error::other))
    })?;
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(broken)?;
    let connection = Ended(tokio::spawn(connection));
    let mut request = Request::new(Empty::<Bytes>::new());
    if let Ok(target) = url.target().parse() {
        *request.uri_mut() = target;
    }
    let headers = request.headers_mut();
    if let Ok(host) = HeaderValue::from_str(&url.authority()) {
        headers.insert(header::HOST, host);
    }
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let agent = concat!("bailiwick/", env!("CARGO_PKG_VERSION"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    let reply = sender.send_request(request).await.map_err(broken)?;
    let status = reply.status();
    if status.is_redirection() {
        let target = reply.headers().get(header::LOCATION);
        let target = target
            .and_then(|target| target.to_str().ok())
            .unwrap_or("nowhere");
        let target = target.chars().take(200).collect();
        return Err(FetchError::Redirect(place(), target));
    }
    if status != StatusCode::OK {
        return Err(FetchError::Status(place(), status));
    }
    let body = Limited::new(reply.into_body(), MAX_BUNDLE_BYTES)
        .collect()
        .await;
    let body = body.map_err(|error| FetchError::Body(place(), error.to_string()))?;
    drop(connection);
    Ok(body.to_bytes())
}

/// A task that ends with its owner.
struct Ended<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Ended<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
