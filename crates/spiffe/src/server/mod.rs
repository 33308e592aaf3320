//! The server of identities: for agents of nodes, and for pods that ask without one.

mod agents;
mod clients;
mod issue;
mod pods;
mod tokens;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bailiwick_audit::Door;
use bailiwick_identity::BundleMap;
use bailiwick_identity::pods::Reviewer;
use bailiwick_identity::rules::RuleSet;
use bailiwick_identity::x509::DnsName;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::Status;
use tonic::transport::Server;

use self::agents::{AgentApi, REPORTS, Service};
use self::issue::Issue;
use self::tokens::Tokens;
use crate::authority::Authority;
use crate::evidence::Evidence;
use crate::issuer_core::IssuerCore;
use crate::limit::{Limit, Rate, TooEarly};
use crate::listen::{MAX_REQUEST, MAX_STREAMS, Tls, serve_until};
use crate::own::{OwnSvid, OwnSvidError};
use crate::refusals::{Refusal, Refusals, RefusedCaller};
use crate::serve::{Served, Stop};
use crate::tls::server_config;
use crate::wire::issuer::issuer_server::IssuerServer;
use crate::wire::issuer::node_agents_server::NodeAgentsServer;

pub(crate) use self::agents::MOST_AT_ONCE;
pub use self::agents::{AgentDoor, JoinToken};
pub(crate) use self::clients::{Clients, Shown};
pub use self::clients::{NodeCertificates, NodeCertificatesError};
pub use self::pods::Pods;

/// What an agent may ask for: all that the pods of a large node get, several times at once.
const AGENT: Rate = Rate::per_second(200);
/// What an address may ask for that shows no certificate of an agent. Each is a question to the API server.
const ADDRESS: Rate = Rate::per_second(50);
/// Requests of an agent are never longer: so many documents, and names and keys of any length.
const MAX_AGENT_REQUEST: usize = 1024 * 1024;
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
    /// Bundles of other domains.
    pub federated: watch::Receiver<Arc<BundleMap>>,
    /// How much each caller may ask for.
    pub limits: Limits,
}

/// Requests that were refused for coming too early: each is counted, and those of one caller are told together in the log.
#[derive(Clone)]
pub(crate) struct TooMany {
    counted: Arc<dyn Fn(Door) + Send + Sync>,
    refusals: Arc<Refusals>,
}

impl TooMany {
    /// What the caller hears.
    pub(crate) fn refuse(&self, door: Door, caller: RefusedCaller, early: TooEarly) -> Status {
        (self.counted)(door);
        let whose = match caller {
            RefusedCaller::Agent(_) => "this agent",
            _ => "this address",
        };
        let refusal = Refusal::too_many(caller, door, None);
        self.refusals.note(refusal.topic, None);
        early.status(whose)
    }
}

/// How much each caller may ask for.
#[derive(Clone)]
pub struct Limits {
    /// Documents of an agent.
    pub agent: Rate,
    /// Requests from an address that shows no certificate of an agent.
    pub address: Rate,
    /// Hears of each request that is refused for it.
    pub throttled: Arc<dyn Fn(Door) + Send + Sync>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            agent: AGENT,
            address: ADDRESS,
            throttled: Arc::new(|_| ()),
        }
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Limits({:?}, {:?})", self.agent, self.address)
    }
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
pub fn serve_identities(
    server: IdentityServer,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Served<'static, ServerError> {
    serve_boxed(server, Box::pin(stop))
}

fn serve_boxed(server: IdentityServer, stop: Stop) -> Served<'static, ServerError> {
    Box::pin(serve_callers(server, stop))
}

async fn serve_callers(server: IdentityServer, stop: Stop) -> Result<(), ServerError> {
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
    let limits = server.limits;
    let too_many = TooMany {
        counted: limits.throttled,
        refusals: Arc::default(),
    };
    let (log, refusals) = (core.evidence.clone(), Arc::clone(&too_many.refusals));
    let telling = tokio::spawn(async move { refusals.write(&log).await });
    let (log, refusals) = (core.evidence.clone(), Arc::clone(&too_many.refusals));
    let issue = Issue {
        core: core.clone(),
        pods: Arc::clone(&server.pods),
        tokens: Arc::clone(&tokens),
        limit: Limit::new(limits.address),
        too_many: too_many.clone(),
        federated: server.federated.clone(),
    };
    let agents = server.agents.map(|door| {
        let service = AgentApi(Arc::new(Service {
            core,
            pods: server.pods,
            tokens,
            door,
            federated: server.federated,
            strangers: Limit::new(limits.address),
            limit: Limit::new(limits.agent),
            reports: Limit::new(REPORTS),
            too_many,
            streams: Mutex::new(HashMap::new()),
        }));
        NodeAgentsServer::new(service).max_decoding_message_size(MAX_AGENT_REQUEST)
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
    telling.abort();
    // What it was telling is to be told again.
    let _ = telling.await;
    refusals.write_rest(&log).await;
    Ok(outcome?)
}

#[cfg(test)]
mod tests;
