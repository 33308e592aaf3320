use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use bailiwick_identity::pods::ObjectKind;
use bailiwick_identity::x509::DnsName;
use bailiwick_kube::{Cluster, Listener, Told, issuer_role};
use bailiwick_server::{Metrics, NotYet};
use bailiwick_spiffe::{
    AgentDoor, IdentityServer, Limits, NodeCertificates, Pods, Rate, serve_identities,
};
use tokio::net::TcpListener;

use super::daemon::DaemonOptions;
use super::place::{check_address, namespaced};
use crate::cli::Global;
use crate::cluster::connect_options;
use crate::console::Console;
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  bailiwick identity server --print-role bailiwick/server | kubectl apply -f -
  bailiwick identity server --listen 0.0.0.0:8443 --trust-domain example.org --rules rules/ --data /var/lib/bailiwick

Agents of nodes join with the token of their own pod (--agent-account), a certificate of their node (--node-ca) or a
token that `bailiwick identity agent-token` makes:
  bailiwick identity server --listen 0.0.0.0:8443 --trust-domain example.org --rules rules/ --data /var/lib/bailiwick \\
      --agent-account bailiwick/agent

A pod proves itself with a token of its service account that is projected into it for the audience that is the name of
the trust domain, and needs no agent:
  bailiwick identity fetch --server identity.bailiwick:8443 --token-file /var/run/secrets/bailiwick/token \\
      --roots /etc/bailiwick/roots.pem --trust-domain example.org --write /run/web";

/// Arguments of `bailiwick identity server`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ServerArgs {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// DNS name in the server's own certificate, for clients that go by it. May be repeated
    #[arg(long, value_name = "NAME", value_parser = dns_name)]
    dns_name: Vec<DnsName>,
    /// Print what the server may do in the cluster, for this service account, and end
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = namespaced)]
    print_role: Option<(String, String)>,
    /// Service account whose pods may be agents of nodes. May be repeated
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = namespaced)]
    agent_account: Vec<(String, String)>,
    /// Authorities, in PEM, of certificates by which nodes prove themselves
    #[arg(long, value_name = "FILE")]
    node_ca: Option<PathBuf>,
    /// Common name of those certificates, with {node} where the name of the node stands
    #[arg(
        long,
        value_name = "PATTERN",
        default_value = "system:node:{node}",
        requires = "node_ca"
    )]
    node_name: String,
    /// Documents a second that an agent may ask for; ten times as many at once after a rest. 0: no limit
    #[arg(long, value_name = "NUMBER", default_value_t = 200)]
    agent_rate: u32,
    /// Requests a second from an address that shows no certificate of an agent; ten times as many at once after a rest. 0:
    /// no limit
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    address_rate: u32,
    #[command(flatten)]
    daemon: DaemonOptions,
}

impl ServerArgs {
    fn limits(&self, metrics: Arc<Metrics>) -> Limits {
        Limits {
            agent: Rate::per_second(self.agent_rate),
            address: Rate::per_second(self.address_rate),
            throttled: Arc::new(move |door| metrics.throttled(door.name())),
        }
    }
}

fn dns_name(text: &str) -> Result<DnsName, String> {
    DnsName::parse(text).map_err(|error| error.to_string())
}

pub(super) fn run(args: &ServerArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    if let Some((namespace, name)) = &args.print_role {
        let state = args.daemon.state_role((namespace, name));
        console.answer(issuer_role(namespace, name) + &state)?;
        return Ok(Exit::Yes);
    }
    if !global.filename.is_empty() {
        bail!("the server works for a live cluster: leave out --filename");
    }
    check_address(args.listen)?;
    let cluster = Arc::new(Cluster::connect(&connect_options(global, console))?);
    let mut daemon = args.daemon.open(console, Some(&cluster))?;
    let (_rules, census) = daemon.follow_rules(&cluster)?;
    let node_certificates = match &args.node_ca {
        Some(file) => {
            let pem = String::from_utf8_lossy(&console.read(file)?).into_owned();
            let read = NodeCertificates::new(&pem, &args.node_name);
            Some(read.with_context(|| format!("`{}`", file.display()))?)
        }
        None => None,
    };
    let pods = Arc::new(Pods::default());
    let reading = daemon
        .ready
        .wait_for("pods, service accounts, nodes and namespaces are read");
    let _feeds = cluster.follow_pods(&follower(&pods, reading));
    let _counting = census.of(Arc::clone(&pods));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let listener = TcpListener::bind(args.listen).await;
        let listener = listener.with_context(|| format!("`{}` cannot be listened on", args.listen))?;
        tracing::info!(address = %listener.local_addr()?, domain = %daemon.authority.trust_domain(), "giving identities");
        let server = IdentityServer {
            listener,
            dns_names: args.dns_name.clone(),
            authority: Arc::clone(&daemon.authority),
            rules: daemon.rules(),
            pods,
            reviewer: cluster,
            evidence: daemon.evidence.clone(),
            agents: Some(AgentDoor {
                admissions: daemon.admissions(),
                admitted: daemon.admitted(),
                known: daemon.known_agents(),
                accounts: args.agent_account.clone(),
            }),
            node_certificates,
            federated: daemon.bundles(),
            limits: args.limits(Arc::clone(&daemon.metrics)),
        };
        let work = |stop| async { Ok(serve_identities(server, stop).await?) };
        daemon.attend(console, work).await
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    daemon.close();
    outcome?;
    Ok(Exit::Yes)
}

/// Keeps the pods up to date.
fn follower(pods: &Arc<Pods>, reading: NotYet) -> Listener {
    let pods = Arc::clone(pods);
    let waiting = Mutex::new((BTreeSet::from(ObjectKind::ALL), Some(reading)));
    Arc::new(move |told| match told {
        Told::Put(object) => pods.put(object),
        Told::Gone(kind, namespace, name) => pods.remove(kind, &namespace, &name),
        Told::UpTo(kind, _) => {
            let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let (kinds, reading) = &mut *waiting;
            kinds.remove(&kind);
            if kinds.is_empty() && reading.take().is_some() {
                pods.complete();
                tracing::info!(pods = pods.view().pods(), "the cluster is read");
            }
        }
        Told::Trouble(why) => tracing::warn!(why, "the cluster cannot be followed"),
        _ => {}
    })
}
