//! The server of identities: for pods that ask without an agent.

mod issue;

use std::sync::{Arc, RwLock};
use std::time::Duration;

use bailiwick_identity::pods::{Reviewer, View};
use bailiwick_identity::rules::RuleSet;
use bailiwick_identity::x509::DnsName;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tonic::transport::Server;

use self::issue::Issue;
use crate::authority::Authority;
use crate::evidence::Evidence;
use crate::listen::{MAX_REQUEST, MAX_STREAMS, Tls, serve_until};
use crate::own::{OwnSvid, OwnSvidError};
use crate::tls::server_config;
use crate::wire::issuer::issuer_server::IssuerServer;
use crate::workload::Limit;

/// Requests that an address may make at once before the rate counts.
const BURST: u32 = 200;
/// Requests a second and address after that. Each is a question to the API server.
const RATE: u32 = 50;
/// Tokens under review at one time.
const MAX_REVIEWS: usize = 64;
/// No request takes longer.
const MAX_TIME: Duration = Duration::from_secs(15);
/// Pods and what they stand on, which somebody keeps up to date.
pub type Pods = Arc<RwLock<View>>;

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
    pub pods: Pods,
    /// Says whose tokens are.
    pub reviewer: Arc<dyn Reviewer>,
    /// Where everything that is given and refused is written first.
    pub evidence: Evidence,
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
    let authority = Arc::clone(&server.authority);
    let own = OwnSvid::new(authority, server.evidence.clone(), server.dns_names).await?;
    let config = Arc::new(server_config(own.shown())?);
    let renewing = tokio::spawn(own.renew());
    let issue = Issue {
        authority: server.authority,
        rules: server.rules,
        pods: server.pods,
        reviewer: server.reviewer,
        evidence: server.evidence,
        limit: Limit::new(BURST, RATE),
        reviews: Semaphore::new(MAX_REVIEWS),
    };
    let router = Server::builder()
        .max_concurrent_streams(Some(MAX_STREAMS))
        .timeout(MAX_TIME)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .add_service(IssuerServer::new(issue).max_decoding_message_size(MAX_REQUEST));
    let outcome = serve_until(Tls::new(server.listener, config), router, stop).await;
    renewing.abort();
    Ok(outcome?)
}

#[cfg(test)]
mod tests;
