use std::sync::Arc;
use std::time::Duration;

use bailiwick_identity::{Bundle, BundleMap};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Uri};

use crate::client::{ClientError, innermost};
use crate::clock::Clock;
use crate::own::server_id;
use crate::tls::client_config;

/// How long a connection may take until it is ready.
const CONNECT: Duration = Duration::from_secs(10);
/// How often a connection is tried that nothing passes over, and how long the answer may take.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// What a client shows of itself.
pub(crate) type Shows = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Connects to the server of identities at `HOST:PORT`, which has to be that of the domain of `bundle`.
pub(crate) async fn connect(
    address: &str,
    bundle: &Bundle,
    own: Option<Shows>,
    clock: Arc<dyn Clock>,
) -> Result<Channel, ClientError> {
    let mut bundles = BundleMap::default();
    bundles.insert(bundle.clone());
    let config = client_config(bundles, server_id(bundle.trust_domain())?, own, clock);
    let config = config.map_err(|error| ClientError::Protocol(error.to_string()))?;
    let connector = TlsConnector::from(Arc::new(config));
    let target = address.to_owned();
    let connect = tower::service_fn(move |_: Uri| {
        let (connector, target) = (connector.clone(), target.clone());
        async move {
            let stream = TcpStream::connect(&target).await?;
            let _ = stream.set_nodelay(true);
            // The name is not looked at: the id is.
            let name = ServerName::from(std::net::IpAddr::from([127, 0, 0, 1]));
            connector.connect(name, stream).await.map(TokioIo::new)
        }
    });
    let endpoint = Channel::from_static("http://server")
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .keep_alive_while_idle(true);
    let channel = endpoint.connect_with_connector(connect).await;
    channel.map_err(|error| ClientError::Server {
        address: address.to_owned(),
        why: innermost(&error).to_string(),
    })
}
