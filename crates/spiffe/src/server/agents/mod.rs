//! The door of agents: they prove a node, and get what pods of that node are to get.

mod follow;
mod join;
mod report;

pub use join::JoinToken;
pub(super) use report::REPORTS;

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bailiwick_audit::{DenialRecord, Door, Proof, WorkloadRef};
use bailiwick_identity::agents::{Admissions, Agents};
use bailiwick_identity::pods::{SeenPod, Unproven};
use bailiwick_identity::rules::Plan;
use bailiwick_identity::x509::requested_key;
use bailiwick_identity::{BundleMap, PublicKey, SpiffeId};
use futures_util::future::join_all;
use tokio::sync::{oneshot, watch};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::TooMany;
use super::clients::{AgentId, Shown};
use super::pods::Pods;
use super::tokens::Tokens;
use crate::BACKDATE;
use crate::broker::PodReference;
use crate::issuer_core::{Asker, IssuerCore, unavailable};
use crate::ledger::Ledger;
use crate::limit::{Limit, origin};
use crate::listen::Remote;
use crate::refusals::RefusedCaller;
use crate::wire::issuer::node_agents_server::NodeAgents;
use crate::wire::issuer::{
    Brokered, FollowRequest, JoinRequest, JoinResponse, Push, RenewRequest, ReportRequest,
    ReportResponse, SignManyRequest, SignManyResponse, SignRequest, SignResponse,
};
use crate::workload::check_audience;

/// How the log names this door.
const DOOR: Door = Door::Agent;
/// Documents in one request.
pub(crate) const MOST_AT_ONCE: usize = 100;
/// Documents of one request that one task makes: all of them are made before it waits for the log, which so has their records
/// together, and a processor is held for a millisecond or two.
const ONE_TASK: usize = 20;

/// Which agents a server lets in.
pub struct AgentDoor {
    /// Who may come in, for all replicas.
    pub admissions: Ledger<Admissions>,
    /// The same, as it changes.
    pub admitted: watch::Receiver<Arc<Admissions>>,
    /// Those that this server let in.
    pub known: Ledger<Agents>,
    /// Service accounts whose pods may be agents, by namespace and name.
    pub accounts: Vec<(String, String)>,
}

impl fmt::Debug for AgentDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgentDoor({:?})", self.accounts)
    }
}

/// The audience of tokens by which agents prove their node. Tokens of workloads are for another one.
pub(crate) fn agent_audience(domain: &bailiwick_identity::TrustDomain) -> String {
    format!("{domain}/agent")
}

/// The service.
pub(super) struct Service {
    pub(super) core: IssuerCore,
    pub(super) pods: Arc<Pods>,
    pub(super) tokens: Arc<Tokens>,
    pub(super) door: AgentDoor,
    /// By address, for those who are not known yet.
    pub(super) strangers: Limit<std::net::IpAddr>,
    /// By node.
    pub(super) limit: Limit<String>,
    /// Reports of refusals, by node.
    pub(super) reports: Limit<String>,
    pub(super) too_many: TooMany,
    /// Bundles of other domains.
    pub(super) federated: watch::Receiver<Arc<BundleMap>>,
    /// Ends the stream of a node, when its agent opens another one.
    pub(super) streams: Mutex<HashMap<String, oneshot::Sender<()>>>,
}

/// The service as the wire calls it.
pub(super) struct AgentApi(pub(super) Arc<Service>);

type Pushes = Pin<Box<dyn Stream<Item = Result<Push, Status>> + Send>>;

#[tonic::async_trait]
impl NodeAgents for AgentApi {
    type FollowStream = Pushes;

    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        let remote = remote(&request)?;
        let from = origin(remote.from);
        if let Err(early) = self.0.strangers.admits(from, 1, Instant::now()) {
            let caller = RefusedCaller::Address(from);
            return Err(self.0.too_many.refuse(DOOR, caller, early));
        }
        self.0
            .let_in(&remote, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn renew(
        &self,
        request: Request<RenewRequest>,
    ) -> Result<Response<JoinResponse>, Status> {
        let agent = self.0.agent(&request, 1).await?;
        let request = request.into_inner().certificate_request;
        self.0.renewed(&agent, &request).await.map(Response::new)
    }

    async fn follow(
        &self,
        request: Request<FollowRequest>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let agent = self.0.agent(&request, 1).await?;
        let (end, ended) = oneshot::channel();
        {
            let streams = self.0.streams.lock();
            let mut streams = streams.unwrap_or_else(PoisonError::into_inner);
            streams.retain(|_, stream| !stream.is_closed());
            // One stream for a node: the one before ends here.
            streams.insert(agent.node.clone(), end);
        }
        Ok(Response::new(self.0.push(agent, ended)))
    }

    async fn sign(&self, request: Request<SignRequest>) -> Result<Response<SignResponse>, Status> {
        let agent = self.0.agent(&request, 1).await?;
        self.0
            .signed(&agent, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn report(
        &self,
        request: Request<ReportRequest>,
    ) -> Result<Response<ReportResponse>, Status> {
        let agent = self.0.agent(&request, 1).await?;
        let report = request.into_inner();
        self.0.reported(&agent, report).await.map(Response::new)
    }

    async fn sign_many(
        &self,
        request: Request<SignManyRequest>,
    ) -> Result<Response<SignManyResponse>, Status> {
        let count = request.get_ref().requests.len();
        if count > MOST_AT_ONCE {
            return Err(Status::invalid_argument(format!(
                "{count} documents at once: ask for {MOST_AT_ONCE} at most"
            )));
        }
        let agent = Arc::new(self.0.agent(&request, count.max(1)).await?);
        let mut requests = request.into_inner().requests.into_iter();
        let mut signing = Vec::new();
        loop {
            let some: Vec<_> = requests.by_ref().take(ONE_TASK).collect();
            if some.is_empty() {
                break;
            }
            let (service, agent) = (Arc::clone(&self.0), Arc::clone(&agent));
            signing.push(tokio::spawn(async move {
                join_all(some.into_iter().map(|one| service.signed(&agent, one))).await
            }));
        }
        let mut outcomes = Vec::with_capacity(count);
        for signed in signing {
            let signed = signed.await.map_err(|error| unavailable(&error))?;
            outcomes.extend(signed.into_iter().map(Into::into));
        }
        Ok(Response::new(SignManyResponse { outcomes }))
    }
}

fn remote<T>(request: &Request<T>) -> Result<Remote, Status> {
    let remote = request.extensions().get::<Remote>().cloned();
    remote.ok_or_else(|| Status::unavailable("nothing is known of the caller"))
}

impl Service {
    /// The agent that asks for `count` things, if it still counts.
    async fn agent<T: Sync>(&self, request: &Request<T>, count: usize) -> Result<AgentId, Status> {
        let Shown::Agent(agent) = remote(request)?.shown else {
            return Err(Status::unauthenticated(
                "show the certificate of the agent: join first",
            ));
        };
        let node = agent.node.clone();
        if let Err(early) = self.limit.admits(node.clone(), count, Instant::now()) {
            let caller = RefusedCaller::Agent(node);
            return Err(self.too_many.refuse(DOOR, caller, early));
        }
        match self.check(&agent) {
            Ok(()) => Ok(agent),
            Err(status) => {
                self.refused(&agent.node, agent.proof(), &status).await;
                Err(status)
            }
        }
    }

    /// Whether a certificate of an agent counts now. `Unauthenticated`: another one may be had. `PermissionDenied`:
    /// nothing may.
    fn check(&self, agent: &AgentId) -> Result<(), Status> {
        let again = |why: &str| {
            let node = &agent.node;
            Err(Status::unauthenticated(format!(
                "the certificate of the agent of the node `{node}` {why}: join again"
            )))
        };
        if self.core.authority.now() >= agent.not_after {
            return again("has run out");
        }
        let admitted = self.door.admitted.borrow().clone();
        if !admitted.counts(&agent.node, agent.not_before, BACKDATE) {
            return again("was evicted");
        }
        let uid = self.node_uid(&agent.node)?;
        match uid == agent.node_uid {
            true => Ok(()),
            false => again("is of an earlier node of this name"),
        }
    }

    /// The UID of a node that agents may be on.
    fn node_uid(&self, node: &str) -> Result<String, Status> {
        let rules = self.core.rules.borrow().clone();
        if let Some(why) = rules.bans().of_node(node) {
            return Err(Status::permission_denied(format!(
                "the node `{node}` is banned: {why}"
            )));
        }
        if !self.pods.is_complete() {
            return Err(Status::unavailable("the cluster is still being read"));
        }
        let view = self.pods.view();
        match view.node(node) {
            Some(meta) if !meta.uid.is_empty() => Ok(meta.uid.to_string()),
            _ => Err(Status::unauthenticated(format!(
                "there is no node `{node}`: join again when it is there"
            ))),
        }
    }

    /// Writes what an agent was refused, unless it is only to wait.
    async fn refused(&self, node: &str, proof: Proof, status: &Status) {
        if status.code() == tonic::Code::Unavailable {
            return;
        }
        let workload = WorkloadRef {
            node: node.to_owned(),
            ..WorkloadRef::default()
        };
        let record = DenialRecord::new(DOOR, status.message().to_owned(), workload, proof);
        self.core.evidence.denied(record).await;
    }

    /// A document for a pod, if it runs on the node of the agent at this moment.
    async fn signed(&self, agent: &AgentId, request: SignRequest) -> Result<SignResponse, Status> {
        let invalid = |error: &dyn fmt::Display| Status::invalid_argument(error.to_string());
        let wanted = SpiffeId::parse(&request.spiffe_id).map_err(|error| invalid(&error))?;
        let proof = self.proof(agent, request.brokered.as_ref())?;
        let found = {
            let view = self.pods.view();
            let pod = view.on_node(&request.pod_uid, &agent.node);
            let pod = pod.and_then(|pod| as_said(pod, request.brokered.as_ref()));
            pod.and_then(|pod| view.facts(pod))
        };
        let facts = match found {
            Ok(facts) => facts,
            Err(unproven) => {
                let status = Status::permission_denied(unproven.to_string());
                self.refused(&agent.node, proof, &status).await;
                return Err(status);
            }
        };
        let asker = Asker {
            door: DOOR,
            facts,
            proof,
        };
        let plan = self.core.plan(&asker, Some(&wanted)).await?;
        if request.audience.is_empty() {
            let key = requested_key(&request.certificate_request);
            let key = key.map_err(|error| invalid(&error))?;
            if request.workload_identity_token {
                return self.wit(&asker, &plan, &key).await;
            }
            let issued = self.core.certificate(&asker, &plan, &key).await?;
            return Ok(SignResponse {
                chain: issued.chain,
                token: String::new(),
                until: issued.validity.not_after.seconds(),
            });
        }
        if request.workload_identity_token {
            return Err(invalid(&"a WIT-SVID has no audience"));
        }
        check_audience(&request.audience)?;
        let issued = self.core.token(&asker, &plan, &request.audience).await?;
        Ok(SignResponse {
            chain: Vec::new(),
            token: issued.token,
            until: issued.expires_at.seconds(),
        })
    }
}

/// The pod, if it is the one that a broker named.
fn as_said<'p>(pod: &'p SeenPod, brokered: Option<&Brokered>) -> Result<&'p SeenPod, Unproven> {
    let Some(brokered) = brokered else {
        return Ok(pod);
    };
    let said = PodReference {
        namespace: brokered.namespace.clone(),
        name: brokered.name.clone(),
        uid: brokered.object_uid.clone(),
    };
    let meta = &pod.meta;
    match said.fits(&meta.namespace, &meta.name, &meta.uid) {
        true => Ok(pod),
        false => Err(Unproven::Missing(said.shown())),
    }
}

impl Service {
    /// What the log says of who asked: the agent that was proven, and the broker that it names.
    fn proof(&self, agent: &AgentId, brokered: Option<&Brokered>) -> Result<Proof, Status> {
        let mut proof = agent.proof();
        if let Some(brokered) = brokered {
            let broker = SpiffeId::parse(&brokered.broker);
            let broker = broker.map_err(|error| Status::invalid_argument(error.to_string()))?;
            if broker.trust_domain() != *self.core.authority.trust_domain() {
                let why = format!("the broker `{broker}` is of another trust domain");
                return Err(Status::invalid_argument(why));
            }
            proof.broker = broker.to_string();
        }
        Ok(proof)
    }

    async fn wit(
        &self,
        asker: &Asker,
        plan: &Plan,
        key: &PublicKey,
    ) -> Result<SignResponse, Status> {
        if !self.core.authority.offers_wit() {
            return Err(Status::unimplemented(
                "this server makes no WIT-SVIDs: start it with --experimental wit-svid",
            ));
        }
        let issued = self.core.wit(asker, plan, key).await?;
        Ok(SignResponse {
            chain: Vec::new(),
            token: issued.token,
            until: issued.expires_at.seconds(),
        })
    }
}

impl AgentId {
    fn proof(&self) -> Proof {
        Proof {
            agent: self.id.to_string(),
            ..Proof::default()
        }
    }
}
