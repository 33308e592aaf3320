//! The two servers whose SVIDs are counted, each asked by an agent of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bailiwick_testkit::spire::Spire;
use serde_json::{Value, json};

use super::stage::{NAMESPACE, NODE, Running, Stage, pod};
use super::wire::{Caller, Key, Shows, connect};

/// Workloads of the agent.
pub(super) const WORKLOADS: usize = 100;
/// Who tokens are for.
const AUDIENCE: &str = "db";
const DOMAIN: &str = "bench.example";

/// A server, as its agent sees it.
pub(super) struct Issuer {
    address: SocketAddr,
    shows: Shows,
    pub(super) asks: Asks,
    /// The process of the server.
    pub(super) pid: u32,
}

/// What is asked, and of whom.
#[derive(Clone)]
pub(super) struct Asks {
    product: Product,
    request: Vec<u8>,
    /// Pods by UID and SPIFFE ID, or entries by id.
    workloads: Arc<Vec<(String, String)>>,
}

#[derive(Clone, Copy)]
enum Product {
    Ours,
    Spire,
}

impl Issuer {
    pub(super) async fn connect(&self) -> Result<Caller> {
        connect(self.address, Some(&self.shows)).await
    }

    /// An agent of our server, on whose node the workloads are.
    pub(super) async fn ours(stage: &Stage, server: &Running, address: &str) -> Result<Self> {
        let mut workloads = Vec::new();
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods");
        for number in 0..WORKLOADS {
            let name = format!("workload-{number}");
            let made = stage.admin().post(&path, &pod(&name, Some(NODE)))?.json()?;
            let uid = made.pointer("/metadata/uid").and_then(Value::as_str);
            let id = format!("spiffe://{DOMAIN}/ns/{NAMESPACE}/sa/default/{name}");
            workloads.push((uid.with_context(|| format!("{made}"))?.to_owned(), id));
        }
        let address = address.parse()?;
        let key = Key::generate()?;
        let join = Join {
            request: key.request.clone(),
            token: stage.join_token()?,
        };
        let path = "/bailiwick.identity.v1.NodeAgents/Join";
        let joined: Joined = connect(address, None).await?.ask(path, join).await?;
        Ok(Self {
            address,
            shows: key.with(&joined.chain),
            pid: server.0.id(),
            asks: Asks {
                product: Product::Ours,
                request: Key::generate()?.request,
                workloads: Arc::new(workloads),
            },
        })
    }

    /// An agent of SPIRE's, for which the entries of the workloads are.
    pub(super) async fn spire(spire: &Spire, directory: &std::path::Path) -> Result<Self> {
        let token = spire.command(&["token", "generate", "-output", "json"])?;
        let token: Value = serde_json::from_str(&token)?;
        let token = token.get("value").and_then(Value::as_str);
        let token = token.context("SPIRE gives no join token")?.to_owned();
        let parent = format!("spiffe://{DOMAIN}/spire/agent/join_token/{token}");
        let entries = (0..WORKLOADS).map(|number| {
            json!({
                "parent_id": parent,
                "spiffe_id": format!("spiffe://{DOMAIN}/ns/{NAMESPACE}/sa/default/workload-{number}"),
                "selectors": [{"type": "unix", "value": format!("uid:{number}")}],
            })
        });
        let file = directory.join("entries.json");
        let entries = json!({"entries": entries.collect::<Vec<_>>()});
        std::fs::write(&file, entries.to_string())?;
        let file = file.to_str().context("a path that is no text")?;
        let made = spire.command(&["entry", "create", "-data", file, "-output", "json"])?;
        let made: Value = serde_json::from_str(&made)?;
        let results = made.get("results").and_then(Value::as_array);
        let results = results.with_context(|| format!("{made}"))?;
        let ids = results
            .iter()
            .filter_map(|result| result.pointer("/entry/id").and_then(Value::as_str));
        let workloads: Vec<_> = ids.map(|id| (id.to_owned(), String::new())).collect();
        ensure!(workloads.len() == WORKLOADS, "{made}");
        let key = Key::generate()?;
        let attest = Attest {
            params: Some(AttestParams {
                data: Some(AttestationData {
                    kind: "join_token".into(),
                    payload: token.into_bytes(),
                }),
                params: Some(AgentParams {
                    request: key.request.clone(),
                }),
            }),
        };
        let path = "/spire.api.server.agent.v1.Agent/AttestAgent";
        let mut caller = connect(spire.address(), None).await?;
        let attested: Attested = caller.stream(path, attest).await?;
        let svid = attested.result.and_then(|result| result.svid);
        Ok(Self {
            address: spire.address(),
            shows: key.with(&svid.context("no certificate for the agent")?.chain),
            pid: *spire.pids().first().context("no server")?,
            asks: Asks {
                product: Product::Spire,
                request: Key::generate()?.request,
                workloads: Arc::new(workloads),
            },
        })
    }
}

impl Asks {
    /// Certificates for so many workloads, from this one on; how many came.
    pub(super) async fn x509(&self, caller: &mut Caller, at: usize, count: usize) -> Result<usize> {
        let ours = |(uid, id): &(String, String)| Sign {
            pod_uid: uid.clone(),
            spiffe_id: id.clone(),
            request: self.request.clone(),
            audience: Vec::new(),
        };
        let mut chosen = self.workloads.iter().cycle().skip(at).take(count);
        match self.product {
            Product::Ours if count == 1 => {
                let request = ours(chosen.next().context("no workload")?);
                let signed: Signed = caller.ask(SIGN, request).await?;
                Ok(usize::from(!signed.chain.is_empty()))
            }
            Product::Ours => {
                let requests = chosen.map(ours).collect();
                let path = "/bailiwick.identity.v1.NodeAgents/SignMany";
                let answer: SignedMany = caller.ask(path, SignMany { requests }).await?;
                let signed = answer.outcomes.iter().filter_map(|one| one.signed.as_ref());
                Ok(signed.filter(|signed| !signed.chain.is_empty()).count())
            }
            Product::Spire => {
                let params = chosen.map(|(entry, _)| NewX509 {
                    entry: entry.clone(),
                    request: self.request.clone(),
                });
                let batch = BatchNewX509 {
                    params: params.collect(),
                };
                let path = "/spire.api.server.svid.v1.SVID/BatchNewX509SVID";
                let answer: BatchedX509 = caller.ask(path, batch).await?;
                let svids = answer.results.iter().filter_map(|one| one.svid.as_ref());
                Ok(svids.filter(|svid| !svid.chain.is_empty()).count())
            }
        }
    }

    /// A token for one workload; how many came.
    pub(super) async fn jwt(&self, caller: &mut Caller, at: usize) -> Result<usize> {
        let mut chosen = self.workloads.iter().cycle().skip(at);
        let (name, id) = chosen.next().context("no workload")?.clone();
        let audience = vec![AUDIENCE.to_owned()];
        let token = match self.product {
            Product::Ours => {
                let sign = Sign {
                    pod_uid: name,
                    spiffe_id: id,
                    request: Vec::new(),
                    audience,
                };
                caller.ask::<_, Signed>(SIGN, sign).await?.token
            }
            Product::Spire => {
                let path = "/spire.api.server.svid.v1.SVID/NewJWTSVID";
                let entry = name;
                let answer: NewedJwt = caller.ask(path, NewJwt { entry, audience }).await?;
                answer.svid.map(|svid| svid.token).unwrap_or_default()
            }
        };
        Ok(usize::from(!token.is_empty()))
    }
}

const SIGN: &str = "/bailiwick.identity.v1.NodeAgents/Sign";

// Ours: crates/spiffe/proto/bailiwick/agents.proto, as far as it is needed.

#[derive(Clone, PartialEq, prost::Message)]
struct Join {
    #[prost(bytes = "vec", tag = "1")]
    request: Vec<u8>,
    #[prost(string, tag = "3")]
    token: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Joined {
    #[prost(bytes = "vec", repeated, tag = "2")]
    chain: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Sign {
    #[prost(string, tag = "1")]
    pod_uid: String,
    #[prost(string, tag = "2")]
    spiffe_id: String,
    #[prost(bytes = "vec", tag = "3")]
    request: Vec<u8>,
    #[prost(string, repeated, tag = "4")]
    audience: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Signed {
    #[prost(bytes = "vec", repeated, tag = "1")]
    chain: Vec<Vec<u8>>,
    #[prost(string, tag = "2")]
    token: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SignMany {
    #[prost(message, repeated, tag = "1")]
    requests: Vec<Sign>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SignedMany {
    #[prost(message, repeated, tag = "1")]
    outcomes: Vec<Outcome>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Outcome {
    #[prost(message, optional, tag = "1")]
    signed: Option<Signed>,
}

// SPIRE's: spire-api-sdk 1.15.3, agent.proto and svid.proto, as far as they are needed.

#[derive(Clone, PartialEq, prost::Message)]
struct Attest {
    #[prost(message, optional, tag = "1")]
    params: Option<AttestParams>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AttestParams {
    #[prost(message, optional, tag = "1")]
    data: Option<AttestationData>,
    #[prost(message, optional, tag = "2")]
    params: Option<AgentParams>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AttestationData {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(bytes = "vec", tag = "2")]
    payload: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AgentParams {
    #[prost(bytes = "vec", tag = "1")]
    request: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Attested {
    #[prost(message, optional, tag = "1")]
    result: Option<AttestedResult>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AttestedResult {
    #[prost(message, optional, tag = "1")]
    svid: Option<X509>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct X509 {
    #[prost(bytes = "vec", repeated, tag = "1")]
    chain: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct BatchNewX509 {
    #[prost(message, repeated, tag = "1")]
    params: Vec<NewX509>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct NewX509 {
    #[prost(string, tag = "1")]
    entry: String,
    #[prost(bytes = "vec", tag = "2")]
    request: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct BatchedX509 {
    #[prost(message, repeated, tag = "1")]
    results: Vec<BatchedResult>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct BatchedResult {
    #[prost(message, optional, tag = "2")]
    svid: Option<X509>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct NewJwt {
    #[prost(string, tag = "1")]
    entry: String,
    #[prost(string, repeated, tag = "2")]
    audience: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct NewedJwt {
    #[prost(message, optional, tag = "1")]
    svid: Option<Jwt>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Jwt {
    #[prost(string, tag = "1")]
    token: String,
}
