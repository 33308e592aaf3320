//! The SPIFFE Broker API, which is experimental: programs that stand between pods of this node and others, such as a proxy
//! for all of them, ask on behalf of each.
//!
//! Whoever connects shows an X509-SVID, and the agent shows its own. What a broker says of a workload is looked up: here in
//! what the server told of this node, or below /proc, and once more by the server before it signs.

mod api;
mod door;
mod errors;
mod reference;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use bailiwick_identity::SpiffeId;
use tonic::transport::Server;

pub(crate) use self::reference::{ForBroker, PodReference};

use self::api::{BrokerApi, Brokering};
use self::door::{Brokers, Door};
use crate::limit::{Limit, Rate};
use crate::listen::{MAX_REQUEST, MAX_STREAMS, serve_until};
use crate::node::Node;
use crate::serve::{Bound, ServeError, bind, described};
use crate::wire::broker::api_server::ApiServer;

/// What a broker may ask for: as much as all pods of a large node.
const RATE: Rate = Rate::per_second(500);

/// A socket for brokers.
#[derive(Clone, Debug)]
pub struct BrokerSocket {
    /// Where it is made.
    pub path: PathBuf,
    /// Its permissions, such as 0o600.
    pub mode: u32,
    /// Who may ask there. Everybody else is refused.
    pub allowed: BTreeSet<SpiffeId>,
}

/// The socket, before anybody is served.
pub(crate) struct BrokerServer {
    door: Door,
    api: BrokerApi,
    _bound: Bound,
}

impl BrokerServer {
    /// Makes the socket.
    pub(crate) fn bind(
        socket: BrokerSocket,
        proc_root: PathBuf,
        node: &Arc<Node>,
    ) -> Result<Self, ServeError> {
        let listener = bind(&socket.path, socket.mode)?;
        let clients = Arc::new(Brokers::new(Arc::clone(node)));
        let door = Door::new(listener, node.certificate_shown(), clients)?;
        Ok(Self {
            door,
            api: BrokerApi(Arc::new(Brokering {
                node: Arc::clone(node),
                proc_root,
                allowed: socket.allowed,
                limit: Limit::new(RATE),
            })),
            _bound: Bound(socket.path),
        })
    }

    /// Serves until `stop` is done.
    pub(crate) async fn serve(
        self,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        let router = Server::builder()
            .max_concurrent_streams(Some(MAX_STREAMS))
            .add_service(ApiServer::new(self.api).max_decoding_message_size(MAX_REQUEST))
            .add_service(described("spiffe.broker.API").build_v1()?);
        Ok(serve_until(self.door, router, stop).await?)
    }
}
