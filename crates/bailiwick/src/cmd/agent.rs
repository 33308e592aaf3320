mod node;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bailiwick_spiffe::{
    AgentState, Client, Endpoint, Serve, Socket, check_socket, private_folder, serve,
};

use self::node::NodeOptions;
use crate::cmd::identity::daemon::{Daemon, DaemonOptions};
use crate::cmd::identity::place::default_socket;
use crate::console::Console;
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  bailiwick agent --embedded                              every program of yours gets an identity
  bailiwick agent --embedded --rules rules.yaml           by written rules, also for other users
  bailiwick agent --embedded --trust-domain dev.example --socket /tmp/spiffe.sock
  bailiwick agent --server identity.bailiwick:8443 --trust-domain example.org --trust-bundle roots.pem \\
      --token-file /var/run/secrets/bailiwick/token --socket /run/bailiwick/agent.sock    for the pods of a node
  bailiwick agent healthcheck                             does it answer, for probes
  kill -HUP PID                                           read the rules again

Programs find it by SPIFFE_ENDPOINT_SOCKET, which is printed at the start. Envoy finds its certificates at the same
socket (SDS).";

/// Arguments of `bailiwick agent`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES, subcommand_negates_reqs = true, args_conflicts_with_subcommands = true,
    disable_help_subcommand = true)]
pub(crate) struct AgentArgs {
    #[command(subcommand)]
    command: Option<AgentCommand>,
    /// Sign with an authority of its own, for this machine alone
    #[arg(long, conflicts_with = "server")]
    embedded: bool,
    #[command(flatten)]
    node: NodeOptions,
    /// Socket to make; `$XDG_RUNTIME_DIR/bailiwick/agent.sock` where it is not given
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Permissions of the socket, in octal; 0600 where the authority is its own, and 0666 with --server, where the pod
    /// counts and not the user
    #[arg(long, value_name = "MODE", value_parser = octal)]
    socket_mode: Option<u32>,
    #[command(flatten)]
    daemon: DaemonOptions,
}

#[derive(clap::Subcommand, Debug)]
enum AgentCommand {
    /// Whether an agent answers: exit code 0 where it does, for probes
    Healthcheck(HealthcheckArgs),
}

/// Arguments of `bailiwick agent healthcheck`.
#[derive(clap::Args, Debug)]
struct HealthcheckArgs {
    /// Socket of the agent; `$XDG_RUNTIME_DIR/bailiwick/agent.sock` where it is not given
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// An agent whose server is away is unhealthy, for readiness; without this it is well, since it serves what it has
    #[arg(long)]
    fresh: bool,
}

/// How long an agent may take that is well.
const HEALTHY: Duration = Duration::from_secs(5);

/// Asks as any workload does. That the rules give this program nothing says that the agent is well.
fn healthcheck(args: &HealthcheckArgs, console: &mut Console) -> Result<Exit> {
    let socket = args.socket.clone().unwrap_or_else(default_socket);
    let endpoint = Endpoint::Unix(socket);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let asked = async {
        let mut client = Client::connect(&endpoint).await?;
        if let Some(state) = client.agent_state().await? {
            return Ok(Some(state));
        }
        match client.bundles().await {
            Err(error) if !error.is_denied() => Err(error),
            _ => Ok(None),
        }
    };
    let answer = runtime.block_on(async { tokio::time::timeout(HEALTHY, asked).await });
    let well = match answer {
        Ok(Ok(None)) => Ok("healthy".to_owned()),
        Ok(Ok(Some(state))) => condition(&state, args.fresh),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", HEALTHY.as_secs())),
    };
    let (line, exit) = match well {
        Ok(line) => (line, Exit::Yes),
        Err(why) => (format!("unhealthy: {why}"), Exit::No),
    };
    console.answer(format_args!("{}\n", bailiwick_report::inert(&line)))?;
    Ok(exit)
}

/// Whether an agent of a node is well.
fn condition(state: &AgentState, fresh: bool) -> Result<String, String> {
    let AgentState {
        ready,
        stale,
        trouble,
    } = state;
    match (ready, stale) {
        (false, _) => Err(format!("the server has not been heard yet: {trouble}")),
        (true, 0) => Ok("healthy".to_owned()),
        (true, _) if fresh => Err(format!("stale for {stale} s: {trouble}")),
        (true, _) => Ok(format!("healthy, stale for {stale} s: {trouble}")),
    }
}

/// Where the socket is to be: as given, or where programs of the same user look for it.
pub(crate) fn socket(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(socket) = given {
        // As programs find it that run elsewhere (E-5).
        return Ok(std::path::absolute(socket)?);
    }
    let socket = default_socket();
    private_folder(socket.parent().context("no folder for the socket")?)?;
    Ok(socket)
}

/// Gives the processes of this machine identities until somebody ends the program.
pub(crate) async fn attest(
    daemon: &mut Daemon<'_>,
    socket: Socket,
    console: &mut Console,
) -> Result<()> {
    let address = format!("SPIFFE_ENDPOINT_SOCKET=unix://{}\n", socket.path.display());
    let served = Serve {
        socket,
        authority: Arc::clone(&daemon.authority),
        rules: daemon.rules(),
        federated: daemon.bundles(),
        evidence: daemon.evidence.clone(),
    };
    let (answer, domain) = (daemon.answer.clone(), daemon.authority.trust_domain().id());
    let ready = move || {
        tracing::info!(%domain, "the authority is ready");
        // Nobody listens any more where this fails.
        let _ = answer.send(address);
    };
    let work = |stop| async { Ok(serve(served, ready, stop).await?) };
    daemon.attend(console, work).await
}

fn octal(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok();
    mode.filter(|mode| *mode <= 0o777)
        .ok_or_else(|| "write permissions in octal, such as 0600".to_owned())
}

pub(crate) fn run(args: &AgentArgs, console: &mut Console) -> Result<Exit> {
    if let Some(AgentCommand::Healthcheck(args)) = &args.command {
        return healthcheck(args, console);
    }
    if let Some(server) = &args.node.server {
        let mode = args.socket_mode.unwrap_or(0o666);
        let socket = node::socket(&args.node, socket(args.socket.as_deref())?, mode);
        return node::run(server, &args.node, socket, &args.daemon, console);
    }
    if !args.embedded {
        bail!(
            "say who signs: --embedded, for the programs of this machine, or --server HOST:PORT, for the pods of a node"
        );
    }
    let socket = socket(args.socket.as_deref())?;
    check_socket(&socket)?;
    let mut daemon = args.daemon.open(console, None)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let socket = Socket::new(socket, args.socket_mode.unwrap_or(0o600));
    let outcome = runtime.block_on(attest(&mut daemon, socket, console));
    daemon.close();
    outcome?;
    Ok(Exit::Yes)
}
