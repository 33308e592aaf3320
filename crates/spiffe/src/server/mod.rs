//! The server of identities: for pods that ask without an agent.

mod issue;

use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use bailiwick_audit::{Door, Proof, WorkloadRef};
use bailiwick_identity::pods::{Reviewer, View};
use bailiwick_identity::rules::{Plan, RuleName, RuleSet};
use bailiwick_identity::x509::DnsName;
use bailiwick_identity::{IdError, KeyType, SpiffeId, TrustDomain};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tonic::transport::Server;

use self::issue::Issue;
use crate::authority::{Authority, AuthorityError};
use crate::evidence::{Evidence, Unrecorded, certificate_record};
use crate::keys::WorkloadKey;
use crate::listen::{MAX_REQUEST, MAX_STREAMS, Tls, serve_until};
use crate::tls::{ShownCertificate, server_config};
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
/// Life of the certificate of the server, in seconds.
const OWN_LIFE: u64 = 3600;
/// How often it is looked whether that is half over.
const LOOK: Duration = Duration::from_secs(60);

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
    Authority(#[from] AuthorityError),
    /// The log does not hold its certificate.
    #[error(transparent)]
    Unrecorded(#[from] Unrecorded),
    /// Its id cannot be.
    #[error(transparent)]
    Id(#[from] IdError),
    /// TLS cannot be had.
    #[error("no TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The server failed.
    #[error("the server of identities failed")]
    Transport(#[from] tonic::transport::Error),
}

/// The SPIFFE ID of the server of a trust domain.
///
/// # Errors
/// When the name of the domain is too long for one.
pub fn server_id(domain: &TrustDomain) -> Result<SpiffeId, IdError> {
    domain.workload("/bailiwick/server")
}

/// Serves until `stop` is done.
///
/// # Errors
/// When the server has no certificate, or fails.
pub async fn serve_identities(
    server: IdentityServer,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServerError> {
    let own = Own {
        plan: own_plan(&server)?,
        authority: Arc::clone(&server.authority),
        evidence: server.evidence.clone(),
    };
    let (issued, key) = own.certificate().await?;
    let shown = Arc::new(ShownCertificate::new(&issued, &key)?);
    let config = Arc::new(server_config(Arc::clone(&shown))?);
    let renewing = tokio::spawn(own.renew(shown));
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

fn own_plan(server: &IdentityServer) -> Result<Plan, IdError> {
    Ok(Plan {
        rule: RuleName {
            namespace: None,
            name: "bailiwick-server".into(),
        },
        id: server_id(server.authority.trust_domain())?,
        dns_names: server.dns_names.clone(),
        lifetime: OWN_LIFE,
        jwt_lifetime: 0,
        hint: None,
        claims: std::collections::BTreeMap::new(),
        key_type: KeyType::EcP256,
        federates_with: Vec::new(),
    })
}

/// The server's own certificate.
struct Own {
    plan: Plan,
    authority: Arc<Authority>,
    evidence: Evidence,
}

impl Own {
    async fn certificate(&self) -> Result<(crate::IssuedX509, WorkloadKey), ServerError> {
        let key = WorkloadKey::generate(self.plan.key_type).map_err(AuthorityError::from)?;
        let issued = self.authority.issue_x509(&self.plan, &key.public)?;
        let (workload, proof) = (WorkloadRef::default(), Proof::default());
        let record = certificate_record(Door::Issue, &self.plan, &issued, workload, proof);
        self.evidence.issued(record).await?;
        Ok((issued, key))
    }

    /// Makes it anew when half of its life is over, and when the authority signs otherwise than before.
    async fn renew(self, shown: Arc<ShownCertificate>) {
        let mut changes = self.authority.subscribe();
        let mut due = Instant::now() + Duration::from_secs(OWN_LIFE / 2);
        loop {
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(LOOK) => if Instant::now() < due { continue },
            }
            // What cannot be done now is done a minute later: there is half an hour left.
            if let Ok((issued, key)) = self.certificate().await
                && shown.replace(&issued, &key).is_ok()
            {
                due = Instant::now() + Duration::from_secs(OWN_LIFE / 2);
            }
        }
    }
}

#[cfg(test)]
mod tests;
