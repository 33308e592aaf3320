//! Agents prove the node that they are on.

use aws_lc_rs::digest::{SHA256, digest};
use bailiwick_audit::{AgentRecord, AgentStep, Event, Proof, WorkloadRef};
use bailiwick_identity::agents::{Admissions, Agent};
use bailiwick_identity::rules::Plan;
use bailiwick_identity::x509::requested_key;
use tonic::Status;

use super::{DOOR, Service, agent_audience};
use crate::authority::IssuedX509;
use crate::evidence::certificate_record;
use crate::issuer_core::unavailable;
use crate::ledger::{Entries, Ledger};
use crate::listen::Remote;
use crate::own::own_plan;
use crate::seal::{SealError, fill};
use crate::server::clients::{AgentId, Shown, agent_id};
use crate::wire::issuer::join_request::Proof as Shows;
use crate::wire::issuer::{JoinRequest, JoinResponse};

/// A token by which an agent joins once. It does not print; what is stored is its hash.
pub struct JoinToken(zeroize::Zeroizing<String>);

impl std::fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JoinToken(..)")
    }
}

impl JoinToken {
    /// A new one, of 256 random bits.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn generate() -> Result<Self, SealError> {
        let mut bytes = zeroize::Zeroizing::new([0_u8; 32]);
        fill(bytes.as_mut())?;
        Ok(Self(hex(bytes.as_ref()).into()))
    }

    /// The token itself, for whoever starts the agent.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is remembered of it.
    pub fn hash(&self) -> String {
        hash_of(&self.0)
    }
}

fn hash_of(token: &str) -> String {
    hex(digest(&SHA256, token.as_bytes()).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Somebody who proved a node.
struct Joiner {
    node: String,
    by: &'static str,
    proof: Proof,
}

impl Service {
    /// Lets an agent in that proves its node.
    pub(super) async fn let_in(
        &self,
        remote: &Remote,
        request: JoinRequest,
    ) -> Result<JoinResponse, Status> {
        let key = requested_key(&request.certificate_request);
        let key = key.map_err(|error| Status::invalid_argument(error.to_string()))?;
        // Before that no token is used up.
        if !self.pods.is_complete() {
            return Err(Status::unavailable("the cluster is still being read"));
        }
        let joiner = match request.proof {
            Some(Shows::ServiceAccountToken(token)) => self.by_token(&token).await?,
            Some(Shows::JoinToken(token)) => self.by_invitation(&token).await?,
            None => self.by_certificate(remote).await?,
        };
        let uid = match self.node_uid(&joiner.node) {
            Ok(uid) => uid,
            Err(status) => {
                self.refused(&joiner.node, joiner.proof, &status).await;
                return Err(status);
            }
        };
        let plan = self.agent_plan(&joiner.node, &uid)?;
        let issued = self.core.authority.issue_x509(&plan, &key);
        let issued = issued.map_err(|error| unavailable(&error))?;
        let proof = joiner.proof.clone();
        let joined = Self::step(&joiner.node, AgentStep::Joined, joiner.by, proof);
        let written = self.core.evidence.write(&joined);
        written.await.map_err(|error| unavailable(&error))?;
        self.written(&plan, &issued, &joiner.node, joiner.proof)
            .await?;
        let now = self.core.authority.now();
        let agent = Agent {
            id: plan.id.to_string(),
            by: joiner.by.to_owned(),
            joined: now,
            until: issued.validity.not_after,
        };
        let node = joiner.node;
        remember(&self.door.known, move |agents| {
            agents.admit(&node, agent.clone(), now);
        })
        .await?;
        Ok(self.response(&plan, issued))
    }

    /// The next certificate of an agent that has one.
    pub(super) async fn renewed(
        &self,
        agent: &AgentId,
        request: &[u8],
    ) -> Result<JoinResponse, Status> {
        let key = requested_key(request);
        let key = key.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let plan = self.agent_plan(&agent.node, &agent.node_uid)?;
        let issued = self.core.authority.issue_x509(&plan, &key);
        let issued = issued.map_err(|error| unavailable(&error))?;
        self.written(&plan, &issued, &agent.node, agent.proof())
            .await?;
        let (node, until) = (agent.node.clone(), issued.validity.not_after);
        remember(&self.door.known, move |agents| agents.renew(&node, until)).await?;
        Ok(self.response(&plan, issued))
    }

    /// A token of the service account of the agent, bound to its pod (K-6).
    async fn by_token(&self, token: &str) -> Result<Joiner, Status> {
        let audience = agent_audience(self.core.authority.trust_domain());
        let reviewed = match self.tokens.review(token, &audience).await? {
            Ok(reviewed) => reviewed,
            Err(error) => {
                return Err(self
                    .turned_away("", Proof::default(), error.to_string())
                    .await);
            }
        };
        let proof = Proof {
            credential: reviewed.credential.clone(),
            ..Proof::default()
        };
        let (namespace, name) = (&reviewed.namespace, &reviewed.service_account);
        let mut accounts = self.door.accounts.iter();
        if !accounts.any(|(space, account)| space == namespace && account == name) {
            let why = format!(
                "the service account `{namespace}/{name}` is not that of agents: name it with --agent-account"
            );
            return Err(self.turned_away(&reviewed.node, proof, why).await);
        }
        match self.pods.prove(&reviewed).await {
            Ok(_) => Ok(Joiner {
                node: reviewed.node,
                by: "token of its pod",
                proof,
            }),
            Err(unproven) => {
                let why = unproven.to_string();
                Err(self.turned_away(&reviewed.node, proof, why).await)
            }
        }
    }

    /// A join token, which is taken away before anything is given for it.
    async fn by_invitation(&self, token: &str) -> Result<Joiner, Status> {
        let (hash, now) = (hash_of(token), self.core.authority.now());
        // One that was used so soon after it was made is in nobody's sight yet, nor in the log.
        let unseen = !self.door.admitted.borrow().is_invited(&hash);
        let accept = move |admissions: &mut Admissions| admissions.accept(&hash, now);
        let node = remember(&self.door.admissions, accept).await?;
        if let (Some(node), true) = (&node, unseen) {
            let invited = Self::step(node, AgentStep::Invited, "", Proof::default());
            let written = self.core.evidence.write(&invited).await;
            written.map_err(|error| unavailable(&error))?;
        }
        match node {
            Some(node) => Ok(Joiner {
                node,
                by: "join token",
                proof: Proof::default(),
            }),
            None => {
                let why = "the join token is not known, was used, or has run out: make another one with `bailiwick identity agent-token`";
                Err(self.turned_away("", Proof::default(), why.into()).await)
            }
        }
    }

    /// The certificate of the node, which was checked in the handshake.
    async fn by_certificate(&self, remote: &Remote) -> Result<Joiner, Status> {
        match &remote.shown {
            Shown::Node(node) => Ok(Joiner {
                node: node.clone(),
                by: "certificate of the node",
                proof: Proof::default(),
            }),
            _ => {
                let why = "prove the node: with a token of the agent's pod, a join token or a certificate of the node";
                Err(self.turned_away("", Proof::default(), why.into()).await)
            }
        }
    }

    fn step(node: &str, step: AgentStep, by: &str, proof: Proof) -> Event {
        Event::Agent(Box::new(AgentRecord {
            node: node.to_owned(),
            step,
            by: by.to_owned(),
            proof,
        }))
    }

    async fn turned_away(&self, node: &str, proof: Proof, why: String) -> Status {
        let status = Status::permission_denied(why);
        self.refused(node, proof, &status).await;
        status
    }

    fn agent_plan(&self, node: &str, uid: &str) -> Result<Plan, Status> {
        let id = agent_id(self.core.authority.trust_domain(), node, uid);
        let id = id.map_err(|error| Status::permission_denied(error.to_string()))?;
        Ok(own_plan("bailiwick-agent", id, Vec::new()))
    }

    async fn written(
        &self,
        plan: &Plan,
        issued: &IssuedX509,
        node: &str,
        proof: Proof,
    ) -> Result<(), Status> {
        let workload = WorkloadRef {
            node: node.to_owned(),
            ..WorkloadRef::default()
        };
        let record = certificate_record(DOOR, plan, issued, workload, proof);
        let written = self.core.evidence.issued(record).await;
        written.map_err(|error| unavailable(&error))
    }

    fn response(&self, plan: &Plan, issued: IssuedX509) -> JoinResponse {
        let bundle = self.core.authority.bundle();
        JoinResponse {
            spiffe_id: plan.id.to_string(),
            chain: issued.chain,
            bundle: bundle.to_json().to_string().into_bytes(),
        }
    }
}

/// Changes what is remembered. Where it is shared, no other replica changes it in between.
async fn remember<L, T>(
    ledger: &Ledger<L>,
    mut change: impl FnMut(&mut L) -> T + Send + 'static,
) -> Result<T, Status>
where
    L: Entries + 'static,
    T: Send + 'static,
{
    let ledger = ledger.clone();
    let changed = tokio::task::spawn_blocking(move || {
        let mut outcome = None;
        ledger
            .change(|kept| outcome = Some(change(kept)))
            .map(|_| outcome)
    });
    match changed.await {
        Ok(Ok(Some(outcome))) => Ok(outcome),
        Ok(Err(error)) => Err(unavailable(&error)),
        _ => Err(Status::unavailable("agents cannot be remembered now")),
    }
}
