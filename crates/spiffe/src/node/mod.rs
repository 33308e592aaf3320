//! The agent of a node: what it knows of the pods there, and what it holds for them.
//!
//! It decides nothing. Who gets what is pushed by the server, and each document is asked of it; what was given is kept
//! while the server is away.

mod held;
mod link;
mod own;
mod report;
mod slots;
mod state;
mod wit;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bailiwick_identity::rules::Plan;
use bailiwick_identity::{Bundle, TrustDomain};
use tokio::sync::watch;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use self::held::{Certificates, Tokens};
use self::link::Link;
pub use self::own::NodeProof;
use self::slots::Now;
pub(crate) use self::state::State;
use self::wit::Wits;
use crate::BrokerSocket;
use crate::broker::{BrokerServer, PodReference};
use crate::clock::Clock;
use crate::issuer_core::Asker;
use crate::refusals::{Refusal, Refusals};
use crate::serve::{Ready, ServeError, Served, Socket, Stop, serve_giver};
use crate::tls::ShownCertificate;
use crate::wire::issuer::agent_health_server::AgentHealth;
use crate::wire::issuer::node_agents_client::NodeAgentsClient;
use crate::wire::issuer::{CheckRequest, CheckResponse};
use crate::workload::Giver;

/// How long a pod may be unknown: it may start before the server hears of it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Hears of what an agent does and what keeps it from it.
pub type Tell = Arc<dyn Fn(AgentNews<'_>) + Send + Sync>;

/// What an agent tells of itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AgentNews<'n> {
    /// It has this identity now.
    Joined(&'n str),
    /// The server is heard; so many pods are on the node.
    Heard(usize),
    /// The server is not reached. What it gave before is kept.
    Trouble(&'n str),
    /// A file of this agent cannot be used.
    Broken(&'n str),
    /// The clocks of this machine and of the server are too far apart.
    Clocks(&'n str),
    /// A workload was refused.
    Denied(&'n str),
    /// What is refused here does not get into the log of the server.
    Unreported(&'n str),
}

/// An agent of a node.
pub struct NodeAgent {
    /// Where workloads come.
    pub socket: Socket,
    /// The server, as `HOST:PORT`.
    pub server: String,
    /// The trust domain of the server.
    pub domain: TrustDomain,
    /// The keys that the server is known by: a SPIFFE bundle in JSON, or roots in PEM.
    pub trust_bundle: PathBuf,
    /// What proves the node.
    pub proof: NodeProof,
    /// A folder (0700) where the agent keeps its own key and certificate over a restart; in memory alone without it.
    pub folder: Option<PathBuf>,
    /// WIT-SVIDs are given, which are experimental.
    pub wit_svid: bool,
    /// Where brokers come, which is experimental too.
    pub brokers: Option<BrokerSocket>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Hears what happens.
    pub tell: Tell,
}

/// Serves workloads until `stop` is done; `ready` is called when the socket is there. The server need not be.
///
/// # Errors
/// When the socket cannot be made.
pub fn serve_node<'r>(
    agent: NodeAgent,
    ready: impl FnOnce() + Send + 'r,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Served<'r, ServeError> {
    serve_boxed(agent, Box::new(ready), Box::pin(stop))
}

fn serve_boxed<'r>(agent: NodeAgent, ready: Ready<'r>, stop: Stop) -> Served<'r, ServeError> {
    Box::pin(serve_agent(agent, ready, stop))
}

async fn serve_agent(agent: NodeAgent, ready: Ready<'_>, stop: Stop) -> Result<(), ServeError> {
    let socket = agent.socket.clone();
    let node = Arc::new(Node::new(&agent));
    let brokers = agent.brokers.clone().map(|brokers| {
        let proc_root = agent.socket.proc_root.clone();
        BrokerServer::bind(brokers, proc_root, &node)
    });
    let brokers = brokers.transpose()?;
    let (stopping, mut stopped) = watch::channel(false);
    let stop = Box::pin(async move {
        stop.await;
        stopping.send_replace(true);
    });
    let brokering = brokers.map(|brokers| {
        let stop = async move { drop(stopped.wait_for(|stopped| *stopped).await) };
        tokio::spawn(brokers.serve(stop))
    });
    let linking = tokio::spawn(Link::new(agent, Arc::clone(&node)).run());
    let preparing = tokio::spawn(Arc::clone(&node).prepare());
    let outcome = serve_giver(socket, Giver::Server(node), ready, stop).await;
    linking.abort();
    preparing.abort();
    match brokering {
        // Its half of the socket ends as the other one does.
        Some(brokering) => outcome.and(brokering.await.unwrap_or(Ok(()))),
        None => outcome,
    }
}

/// What the doors of an agent share.
pub(crate) struct Node {
    domain: TrustDomain,
    state: watch::Sender<Arc<State>>,
    server: watch::Sender<Server>,
    certificates: Certificates,
    tokens: Tokens,
    wits: Wits,
    /// Whether WIT-SVIDs are given.
    pub(crate) wit_svid: bool,
    /// What brokers are shown.
    shown: Arc<ShownCertificate>,
    /// What the server has not been told of.
    pub(crate) refusals: Refusals,
    pub(crate) clock: Arc<dyn Clock>,
    tell: Tell,
}

/// The way to the server.
#[derive(Clone, Default)]
struct Server {
    client: Option<NodeAgentsClient<Channel>>,
    /// Since when it is not reached, and why.
    away: Option<(Instant, String)>,
}

impl Node {
    fn new(agent: &NodeAgent) -> Self {
        Self {
            domain: agent.domain.clone(),
            state: watch::Sender::new(Arc::default()),
            server: watch::Sender::new(Server::default()),
            certificates: Certificates::default(),
            tokens: Tokens::default(),
            wits: Wits::default(),
            wit_svid: agent.wit_svid,
            shown: Arc::default(),
            refusals: Refusals::default(),
            clock: Arc::clone(&agent.clock),
            tell: Arc::clone(&agent.tell),
        }
    }

    pub(crate) fn trust_domain(&self) -> &TrustDomain {
        &self.domain
    }

    /// What is known now.
    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.borrow())
    }

    /// By what it is said whether something is fresh.
    fn now(&self) -> Now {
        Now {
            revision: self.state.borrow().revision,
            time: self.clock.now(),
        }
    }

    /// Changes of what is known.
    pub(crate) fn changes(&self) -> watch::Receiver<Arc<State>> {
        self.state.subscribe()
    }

    /// The keys of the own domain.
    pub(crate) fn bundle(&self) -> Result<Arc<Bundle>, Status> {
        let bundle = self.state.borrow().bundle.clone();
        bundle.ok_or_else(unheard)
    }

    /// What a pod is to get.
    pub(crate) async fn plans(&self, asker: &Asker, pod: &str) -> Result<Vec<Plan>, Status> {
        let mut state = self.state.subscribe();
        let known = |state: &Arc<State>| state.refused.is_some() || state.pods.contains_key(pod);
        // Where nobody changes it, it is as it was.
        let _ = tokio::time::timeout(PATIENCE, state.wait_for(known)).await;
        let state = self.state();
        let denied = |why: String| self.denied(Refusal::of(asker, Some(pod), why));
        if state.bundle.is_none() {
            return Err(unheard());
        }
        if let Some(why) = &state.refused {
            return Err(denied(why.clone()));
        }
        match state.pods.get(pod).map(|pod| &pod.plans) {
            Some(Ok(plans)) => Ok(plans.clone()),
            Some(Err(why)) => Err(denied(why.clone())),
            None if self.server.borrow().away.is_some() => Err(Status::unavailable(format!(
                "the pod `{pod}` is not known here, and the server is away"
            ))),
            None => {
                let why = format!("the server knows of no pod with the UID `{pod}` on this node");
                Err(denied(why))
            }
        }
    }

    /// What brokers are shown.
    pub(crate) fn certificate_shown(&self) -> Arc<ShownCertificate> {
        Arc::clone(&self.shown)
    }

    /// The pod of this node of which this was said, by the UID in its cgroup.
    pub(crate) fn find(&self, said: &PodReference) -> Option<String> {
        self.state.borrow().find(said)
    }

    /// The same of a pod that the server may not have told of yet.
    pub(crate) async fn find_patiently(
        &self,
        said: &PodReference,
    ) -> Result<Option<String>, Status> {
        let mut state = self.state.subscribe();
        let known = |state: &Arc<State>| state.refused.is_some() || state.find(said).is_some();
        let _ = tokio::time::timeout(PATIENCE, state.wait_for(known)).await;
        self.bundle()?;
        let found = self.find(said);
        match (&found, &self.server.borrow().away) {
            (None, Some(_)) => Err(Status::unavailable(
                "the pod is not known here, and the server is away",
            )),
            _ => Ok(found),
        }
    }

    fn client(&self) -> Result<NodeAgentsClient<Channel>, Status> {
        let server = self.server.borrow();
        let client = server.client.clone();
        client.ok_or_else(|| Status::unavailable("the server has not been reached"))
    }
}

fn unheard() -> Status {
    Status::unavailable("the server has not been heard yet")
}

/// How the agent is, for probes.
pub(crate) struct Health(pub(crate) Arc<Node>);

#[tonic::async_trait]
impl AgentHealth for Health {
    async fn check(&self, _: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let ready = self.0.state.borrow().bundle.is_some();
        let away = self.0.server.borrow().away.clone();
        let (stale, trouble) = match away {
            Some((since, why)) => (since.elapsed().as_secs().max(1), why),
            None => (0, String::new()),
        };
        Ok(Response::new(CheckResponse {
            ready,
            stale,
            trouble,
        }))
    }
}

#[cfg(test)]
mod tests;
