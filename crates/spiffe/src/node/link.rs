//! The way to the server: joining, following what it pushes, coming back when it was away.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bailiwick_identity::{Bundle, KeyType, UnixTime};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::own::{Own, trust_bundle};
use super::state::State;
use super::{AgentNews, Node, NodeAgent, NodeProof, Server};
use crate::channel;
use crate::clock::Due;
use crate::keys::WorkloadKey;
use crate::seal::fraction;
use crate::wire::issuer::node_agents_client::NodeAgentsClient;
use crate::wire::issuer::{FollowRequest, JoinRequest, JoinResponse, RenewRequest};

/// How long an answer of the server may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The first and the longest pause before the server is tried again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// When the certificate of the agent could not be renewed, it is tried again after so long.
const RETRY: Duration = Duration::from_secs(30);
/// Pushes are never longer, in bytes.
const MAX_PUSH: usize = 16 * 1024 * 1024;

/// Keeps the way open.
pub(super) struct Link {
    agent: NodeAgent,
    node: Arc<Node>,
    own: Option<Own>,
    /// The server does not take that: another one may be had. It is kept, for the clock of the server may be wrong.
    refused: bool,
    /// Where an own certificate may be kept, until it was looked for.
    kept: Option<PathBuf>,
    /// How often in a row the server could not be had.
    failures: u32,
}

/// Why the server was left.
#[derive(Debug)]
struct Trouble {
    why: String,
    code: Option<Code>,
    /// It is not the server's: a file of this agent cannot be used.
    own: bool,
}

impl<E: std::error::Error> From<E> for Trouble {
    fn from(error: E) -> Self {
        let mut why = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            why = format!("{why}: {cause}");
            source = cause.source();
        }
        Self {
            why,
            code: None,
            own: false,
        }
    }
}

fn refused(status: &Status) -> Trouble {
    Trouble {
        why: status.message().to_owned(),
        code: Some(status.code()),
        own: false,
    }
}

/// A file that this agent needs is not as it should be.
fn broken(error: impl std::error::Error) -> Trouble {
    Trouble {
        own: true,
        ..Trouble::from(error)
    }
}

impl Link {
    pub(super) fn new(agent: NodeAgent, node: Arc<Node>) -> Self {
        Self {
            kept: agent.folder.clone(),
            agent,
            node,
            own: None,
            refused: false,
            failures: 0,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            let Err(trouble) = self.visit().await else {
                continue;
            };
            self.failures += 1;
            self.away(&trouble);
            match trouble.code {
                Some(Code::Unauthenticated) => self.refused = true,
                // The node is banned, and with it all that was given.
                Some(Code::PermissionDenied) if self.own.is_some() => {
                    self.node.state.send_modify(|state| {
                        let mut next = State::clone(state);
                        next.pods.clear();
                        next.refused = Some(trouble.why.clone());
                        *state = Arc::new(next);
                    });
                    self.node.forget(|_| false);
                }
                _ => {}
            }
            tokio::time::sleep(self.pause()).await;
        }
    }

    /// Twice as long after each failure, and not at the same moment as others.
    fn pause(&self) -> Duration {
        let (first, longest) = PAUSES;
        let doubled = first.saturating_mul(1 << self.failures.saturating_sub(1).min(10));
        doubled.min(longest).mul_f64(0.5 + 0.5 * fraction())
    }

    fn away(&self, trouble: &Trouble) {
        (self.agent.tell)(match trouble.own {
            true => AgentNews::Broken(&trouble.why),
            false => AgentNews::Trouble(&trouble.why),
        });
        self.node.server.send_modify(|server| {
            let since = server.away.as_ref().map(|(since, _)| *since);
            let since = since.unwrap_or_else(Instant::now);
            server.away = Some((since, trouble.why.clone()));
        });
    }

    /// The keys that the server is known by: what it pushed last, and every other time what the file says, which may be
    /// newer after a long time.
    fn bundle(&self) -> Result<Bundle, Trouble> {
        let pushed = self.node.state().bundle.clone();
        match pushed {
            Some(pushed) if self.failures.is_multiple_of(2) => Ok(Bundle::clone(&pushed)),
            _ => trust_bundle(&self.agent.trust_bundle, &self.agent.domain).map_err(broken),
        }
    }

    /// Joins where that is needed, and follows until something fails or the own certificate was renewed.
    async fn visit(&mut self) -> Result<(), Trouble> {
        let bundle = self.bundle()?;
        if let Some(folder) = self.kept.take() {
            match Own::load(&folder, &bundle, self.now()) {
                Ok(kept) => self.own = kept,
                Err(error) => (self.agent.tell)(AgentNews::Broken(&broken(error).why)),
            }
        }
        let again = std::mem::take(&mut self.refused);
        // One that has run out is not thrown away: the clock may be wrong.
        if again || !self.own.as_ref().is_some_and(|own| own.counts(self.now())) {
            let joined = self.join(&bundle).await;
            // What is said of who joins is not said of what was given before.
            self.keep(joined.map_err(|trouble| Trouble {
                code: None,
                ..trouble
            })?);
        }
        let Some(own) = &self.own else { return Ok(()) };
        self.node.shown.replace(own.shown())?;
        let mut client = self.connect(&bundle, Some(own.shown())).await?;
        let followed = client.follow(FollowRequest {}).await;
        let mut pushes = followed.map_err(|status| refused(&status))?.into_inner();
        let mut due = own.due;
        loop {
            tokio::select! {
                push = pushes.message() => match push {
                    Ok(Some(push)) => {
                        let next = self.node.state().after(push, &self.agent.domain)?;
                        self.heard(&client, next);
                    }
                    Ok(None) => return Err(refused(&Status::unavailable("the server ended the stream"))),
                    Err(status) => return Err(refused(&status)),
                },
                () = due.come(&*self.agent.clock) => match self.renew(&mut client).await {
                    Ok(own) => {
                        self.keep(own);
                        return Ok(());
                    }
                    Err(trouble) if trouble.code == Some(Code::Unauthenticated) => return Err(trouble),
                    Err(trouble) => {
                        (self.agent.tell)(AgentNews::Trouble(&trouble.why));
                        due = Due::after(RETRY, self.now());
                    }
                },
            }
        }
    }

    fn heard(&mut self, client: &NodeAgentsClient<Channel>, next: State) {
        if self.failures > 0 || self.node.server.borrow().client.is_none() {
            (self.agent.tell)(AgentNews::Heard(next.pods.len()));
        }
        self.failures = 0;
        self.node.server.send_replace(Server {
            client: Some(client.clone()),
            away: None,
        });
        self.node.state.send_replace(Arc::new(next));
    }

    fn now(&self) -> UnixTime {
        self.agent.clock.now()
    }

    /// Has what came just now.
    fn keep(&mut self, own: Own) {
        (self.agent.tell)(AgentNews::Joined(own.id.as_str()));
        if let Some(why) = own.apart(self.now()) {
            (self.agent.tell)(AgentNews::Clocks(&why));
        }
        // It serves without: only a restart would need it.
        if let Some(folder) = &self.agent.folder
            && let Err(error) = own.store(folder)
        {
            (self.agent.tell)(AgentNews::Broken(&broken(error).why));
        }
        self.own = Some(own);
    }

    async fn join(&self, bundle: &Bundle) -> Result<Own, Trouble> {
        let proof = self.agent.proof.said().map_err(broken)?;
        let mut client = self
            .connect(bundle, self.agent.proof.shown().map_err(broken)?)
            .await?;
        let key = WorkloadKey::generate(KeyType::EcP256)?;
        let mut request = Request::new(JoinRequest {
            certificate_request: key.request()?,
            proof,
        });
        request.set_timeout(PATIENCE);
        let answer = client.join(request).await.map_err(|status| {
            let mut trouble = refused(&status);
            // A join token cannot be shown again: the agent needs another one.
            if matches!(self.agent.proof, NodeProof::JoinTokenFile(_)) {
                trouble
                    .why
                    .push_str(" (an agent that lost its key needs another join token)");
            }
            trouble
        })?;
        self.own_of(answer.into_inner(), key, bundle)
    }

    async fn renew(&self, client: &mut NodeAgentsClient<Channel>) -> Result<Own, Trouble> {
        let key = WorkloadKey::generate(KeyType::EcP256)?;
        let mut request = Request::new(RenewRequest {
            certificate_request: key.request()?,
        });
        request.set_timeout(PATIENCE);
        let answer = client.renew(request).await;
        let answer = answer.map_err(|status| refused(&status))?;
        self.own_of(answer.into_inner(), key, &self.bundle()?)
    }

    async fn connect(
        &self,
        bundle: &Bundle,
        shows: Option<channel::Shows>,
    ) -> Result<NodeAgentsClient<Channel>, Trouble> {
        let clock = Arc::clone(&self.agent.clock);
        let channel = channel::connect(&self.agent.server, bundle, shows, clock).await?;
        Ok(NodeAgentsClient::new(channel).max_decoding_message_size(MAX_PUSH))
    }

    fn own_of(
        &self,
        answer: JoinResponse,
        key: WorkloadKey,
        bundle: &Bundle,
    ) -> Result<Own, Trouble> {
        let wrong = |why| Trouble {
            why: format!("the server sent {why}"),
            code: None,
            own: false,
        };
        Own::of(answer, key, bundle, self.now()).map_err(wrong)
    }
}
