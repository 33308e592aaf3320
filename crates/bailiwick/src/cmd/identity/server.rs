use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use bailiwick_identity::pods::ObjectKind;
use bailiwick_identity::x509::DnsName;
use bailiwick_kube::{Cluster, Listener, Told, issuer_role};
use bailiwick_server::NotYet;
use bailiwick_spiffe::{IdentityServer, Pods, serve_identities};
use tokio::net::TcpListener;

use super::daemon::DaemonOptions;
use crate::cli::Global;
use crate::cluster::connect_options;
use crate::console::Console;
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  bailiwick identity server --print-role bailiwick/server | kubectl apply -f -
  bailiwick identity server --listen 0.0.0.0:8443 --trust-domain example.org --rules rules/ --data /var/lib/bailiwick

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
    #[arg(long, value_name = "NAMESPACE/NAME")]
    print_role: Option<String>,
    #[command(flatten)]
    daemon: DaemonOptions,
}

fn dns_name(text: &str) -> Result<DnsName, String> {
    DnsName::parse(text).map_err(|error| error.to_string())
}

pub(super) fn run(args: &ServerArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    if let Some(account) = &args.print_role {
        let (namespace, name) = account
            .split_once('/')
            .context("write --print-role NAMESPACE/NAME")?;
        console.answer(issuer_role(namespace, name))?;
        return Ok(Exit::Yes);
    }
    if !global.filename.is_empty() {
        bail!("the server works for a live cluster: leave out --filename");
    }
    let cluster = Arc::new(Cluster::connect(&connect_options(global, console))?);
    let mut daemon = args.daemon.open(console)?;
    let _rules = daemon.follow_rules(&cluster)?;
    let pods = Pods::default();
    let reading = daemon
        .ready
        .wait_for("pods, service accounts, nodes and namespaces are read");
    let _feeds = cluster.follow_pods(&follower(&pods, reading));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let listener = TcpListener::bind(args.listen).await;
        let listener = listener.with_context(|| format!("cannot listen on {}", args.listen))?;
        tracing::info!(address = %listener.local_addr()?, domain = %daemon.authority.trust_domain(), "giving identities");
        let server = IdentityServer {
            listener,
            dns_names: args.dns_name.clone(),
            authority: Arc::clone(&daemon.authority),
            rules: daemon.rules(),
            pods,
            reviewer: cluster,
            evidence: daemon.evidence.clone(),
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
fn follower(pods: &Pods, reading: NotYet) -> Listener {
    let pods = Arc::clone(pods);
    let waiting = Mutex::new((BTreeSet::from(ObjectKind::ALL), Some(reading)));
    Arc::new(move |told| {
        let view = || pods.write().unwrap_or_else(PoisonError::into_inner);
        match told {
            Told::Put(object) => view().put(object),
            Told::Gone(kind, namespace, name) => view().remove(kind, &namespace, &name),
            Told::UpTo(kind, _) => {
                let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let (kinds, reading) = &mut *waiting;
                kinds.remove(&kind);
                if kinds.is_empty() && reading.take().is_some() {
                    tracing::info!(pods = view().pods(), "the cluster is read");
                }
            }
            Told::Trouble(why) => tracing::warn!(why, "the cluster cannot be followed"),
            _ => {}
        }
    })
}
