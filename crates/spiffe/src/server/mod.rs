//! The server of identities: for agents of nodes, and for pods that ask without one.

mod agents;
mod clients;
mod issue;
mod pods;
mod tokens;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bailiwick_identity::pods::Reviewer;
use bailiwick_identity::rules::RuleSet;
use bailiwick_identity::x509::DnsName;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::transport::Server;

use self::agents::{AgentApi, Service};
use self::issue::Issue;
use self::tokens::Tokens;
use crate::authority::Authority;
use crate::evidence::Evidence;
use crate::issuer_core::IssuerCore;
use crate::listen::{MAX_REQUEST, MAX_STREAMS, Tls, serve_until};
use crate::own::{OwnSvid, OwnSvidError};
use crate::tls::server_config;
use crate::wire::issuer::issuer_server::IssuerServer;
use crate::wire::issuer::node_agents_server::NodeAgentsServer;
use crate::workload::Limit;

pub use self::agents::{AgentDoor, JoinToken};
pub(crate) use self::clients::{Clients, Shown};
pub use self::clients::{NodeCertificates, NodeCertificatesError};
pub use self::pods::Pods;

/// Requests that an address may make at once before the rate counts.
const BURST: u32 = 200;
/// Requests a second and address after that. Each is a question to the API server.
const RATE: u32 = 50;
/// Requests that an agent may make at once before the rate counts: all pods of a large node, several times.
const AGENT_BURST: u32 = 2000;
/// Requests a second and agent after that.
const AGENT_RATE: u32 = 200;
/// No request takes longer.
const MAX_TIME: Duration = Duration::from_secs(15);

/// A server of identities.
pub struct IdentityServer {
    /// Where it listens.
    pub listener: TcpListener,
    /// DNS names of it, for clients that go by those.
    pub dns_names: Vec<DnsName>,
    /// Who signs.
    pub authority: Arc<Authority>,
    /// Who gets what.
    pub rules: watch::Receiver<Arc<RuleSet>>,
    /// The pods that there are.
    pub pods: Arc<Pods>,
    /// Says whose tokens are.
    pub reviewer: Arc<dyn Reviewer>,
    /// Where everything that is given and refused is written first.
    pub evidence: Evidence,
    /// Agents of nodes, where they are let in.
    pub agents: Option<AgentDoor>,
    /// Authorities of certificates that nodes have, by which agents prove their node.
    pub node_certificates: Option<NodeCertificates>,
}

/// Why the server does not serve.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// It has no certificate of its own.
    #[error(transparent)]
    Own(#[from] OwnSvidError),
    /// TLS cannot be had.
    #[error("no TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The server failed.
    #[error("the server of identities failed")]
    Transport(#[from] tonic::transport::Error),
}

/// Serves until `stop` is done.
///
/// # Errors
/// When the server has no certificate, or fails.
pub async fn serve_identities(
    server: IdentityServer,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServerError> {
    let core = IssuerCore {
        authority: server.authority,
        rules: server.rules,
        evidence: server.evidence,
    };
    let authority = Arc::clone(&core.authority);
    let own = OwnSvid::new(authority, core.evidence.clone(), server.dns_names).await?;
    let clients = Clients::new(Arc::clone(&core.authority), server.node_certificates);
    let clients = Arc::new(clients);
    let config = server_config(own.shown(), Arc::clone(&clients) as Arc<_>)?;
    let renewing = tokio::spawn(own.renew());
    let tokens = Arc::new(Tokens::new(server.reviewer));
    let issue = Issue {
        core: core.clone(),
        pods: Arc::clone(&server.pods),
        tokens: Arc::clone(&tokens),
        limit: Limit::new(BURST, RATE),
    };
    let agents = server.agents.map(|door| {
        let service = AgentApi(Arc::new(Service {
            core,
            pods: server.pods,
            tokens,
            door,
            strangers: Limit::new(BURST, RATE),
            limit: Limit::new(AGENT_BURST, AGENT_RATE),
            streams: Mutex::new(HashMap::new()),
        }));
        NodeAgentsServer::new(service).max_decoding_message_size(MAX_REQUEST)
    });
    let router = Server::builder()
        .max_concurrent_streams(Some(MAX_STREAMS))
        .timeout(MAX_TIME)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .add_service(IssuerServer::new(issue).max_decoding_message_size(MAX_REQUEST))
        .add_optional_service(agents);
    let door = Tls::new(server.listener, Arc::new(config), clients);
    let outcome = serve_until(door, router, stop).await;
    renewing.abort();
    Ok(outcome?)
}

#[cfg(test)]
mod tests;
