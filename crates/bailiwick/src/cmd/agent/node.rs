//! The agent of a node, which gets everything from a server.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bailiwick_identity::SpiffeId;
use bailiwick_spiffe::{
    AgentNews, BrokerSocket, NodeAgent, NodeProof, Socket, SystemClock, Tell, private_folder,
    serve_node,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::cmd::identity::daemon::DaemonOptions;
use crate::cmd::identity::place::server_address;
use crate::console::Console;
use crate::exit::Exit;

/// Arguments of an agent with a server.
#[derive(clap::Args, Debug)]
pub(super) struct NodeOptions {
    /// Server of identities (`bailiwick identity server`), for the pods of this node
    #[arg(long, value_name = "HOST:PORT", value_parser = server_address, requires = "trust_bundle",
        conflicts_with_all = ["federate", "rules", "log", "operations"])]
    pub(super) server: Option<String>,
    /// What the server is known by: a SPIFFE bundle in JSON, or roots in PEM
    #[arg(long, value_name = "FILE", requires = "server")]
    trust_bundle: Option<PathBuf>,
    /// Prove the node by a token of the service account of this pod, for the audience DOMAIN/agent
    #[arg(long, value_name = "FILE", group = "node_proof", requires = "server")]
    token_file: Option<PathBuf>,
    /// Prove the node by a token that `bailiwick identity agent-token` made
    #[arg(long, value_name = "FILE", group = "node_proof", requires = "server")]
    join_token_file: Option<PathBuf>,
    /// Prove the node by a certificate that it has, in PEM
    #[arg(long, value_name = "FILE", group = "node_proof", requires_all = ["server", "key"])]
    cert: Option<PathBuf>,
    /// The key of that certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Folder (0700) in which the agent keeps its own certificate and key over a restart; in memory alone otherwise.
    /// Nothing of pods is ever kept there
    #[arg(long, value_name = "DIR", requires = "server")]
    keep: Option<PathBuf>,
    /// Socket of the SPIFFE Broker API (with --experimental broker-api), for programs that ask on behalf of pods of this
    /// node; they find it by SPIFFE_BROKER_SOCKET, which is printed at the start
    #[arg(long, value_name = "PATH", requires_all = ["server", "brokers"])]
    broker_socket: Option<PathBuf>,
    /// SPIFFE ID of a program that may ask there, by its X509-SVID; again for another one
    #[arg(
        long = "broker",
        id = "brokers",
        value_name = "ID",
        requires = "broker_socket"
    )]
    brokers: Vec<SpiffeId>,
    /// Permissions of that socket, in octal
    #[arg(long, value_name = "MODE", value_parser = super::octal, default_value = "0600", requires = "broker_socket")]
    broker_socket_mode: u32,
    /// Where processes are looked at
    #[arg(long, value_name = "DIR", default_value = "/proc", hide = true)]
    proc_root: PathBuf,
}

pub(super) fn socket(options: &NodeOptions, path: PathBuf, mode: u32) -> Socket {
    Socket {
        proc_root: options.proc_root.clone(),
        ..Socket::new(path, mode)
    }
}

fn brokers(options: &NodeOptions, daemon: &DaemonOptions) -> Result<Option<BrokerSocket>> {
    let Some(path) = &options.broker_socket else {
        return Ok(None);
    };
    if !daemon.experiments.broker_api() {
        bail!("the SPIFFE Broker API is experimental: add --experimental broker-api");
    }
    let domain = daemon.place().trust_domain();
    let mut foreign = options.brokers.iter();
    if let Some(id) = foreign.find(|id| id.trust_domain() != *domain) {
        bail!("`{id}` is not of the trust domain `{domain}`: brokers are");
    }
    Ok(Some(BrokerSocket {
        path: std::path::absolute(path)?,
        mode: options.broker_socket_mode,
        allowed: options.brokers.iter().cloned().collect(),
    }))
}

fn proof(options: &NodeOptions) -> Result<NodeProof> {
    let NodeOptions {
        token_file,
        join_token_file,
        cert,
        key,
        ..
    } = options;
    match (token_file, join_token_file, cert, key) {
        (Some(file), ..) => Ok(NodeProof::TokenFile(file.clone())),
        (_, Some(file), ..) => Ok(NodeProof::JoinTokenFile(file.clone())),
        (_, _, Some(chain), Some(key)) => Ok(NodeProof::Certificate {
            chain: chain.clone(),
            key: key.clone(),
        }),
        _ => anyhow::bail!(
            "say what proves the node: --token-file, --join-token-file, or --cert and --key"
        ),
    }
}

pub(super) fn run(
    server: &str,
    options: &NodeOptions,
    socket: Socket,
    daemon: &DaemonOptions,
    console: &mut Console,
) -> Result<Exit> {
    let trust_bundle = options.trust_bundle.clone();
    let trust_bundle = trust_bundle.context("--server needs --trust-bundle")?;
    if let Some(folder) = &options.keep {
        private_folder(folder)?;
    }
    let brokers = brokers(options, daemon)?;
    let mut line = format!("SPIFFE_ENDPOINT_SOCKET=unix://{}\n", socket.path.display());
    if let Some(brokers) = &brokers {
        let path = brokers.path.display();
        line.push_str(&format!("SPIFFE_BROKER_SOCKET=unix://{path}\n"));
    }
    let agent = NodeAgent {
        socket,
        server: server.to_owned(),
        domain: daemon.place().trust_domain().clone(),
        trust_bundle,
        proof: proof(options)?,
        folder: options.keep.clone(),
        wit_svid: daemon.experiments.wit_svid(),
        brokers,
        clock: Arc::new(SystemClock),
        tell: tell(),
    };
    daemon.start_logging();
    // One thread is enough for a node, and holds less.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut said = Ok(());
    let ready = || said = console.answer(line);
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let stop = async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        anyhow::Ok(serve_node(agent, ready, stop).await?)
    })?;
    said?;
    Ok(Exit::Yes)
}

fn tell() -> Tell {
    Arc::new(|news| match news {
        AgentNews::Joined(id) => tracing::info!(id, "this agent has its identity"),
        AgentNews::Heard(pods) => tracing::info!(pods, "the server is heard"),
        AgentNews::Trouble(why) => {
            tracing::warn!(why = %bailiwick_report::inert(why), "the server is away");
        }
        AgentNews::Broken(why) => {
            tracing::warn!(why = %bailiwick_report::inert(why), "a file of this agent cannot be used");
        }
        AgentNews::Clocks(why) => {
            tracing::warn!(
                why,
                "certificates and tokens may not count where they are shown"
            );
        }
        AgentNews::Denied(why) => {
            tracing::warn!(why = %bailiwick_report::inert(why), "a workload gets nothing");
        }
        AgentNews::Unreported(why) => {
            tracing::warn!(why = %bailiwick_report::inert(why), "the log of the server lacks refusals");
        }
        _ => {}
    })
}
