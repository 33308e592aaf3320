use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bailiwick_audit::Log;
use bailiwick_identity::rules::RuleSet;
use bailiwick_identity::{Bundle, BundleMap, TrustDomain};
use bailiwick_spiffe::{Authority, Client, Endpoint, Evidence, Serve, private_folder};
use bailiwick_store::Store;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::cmd::identity::authority::{AuthorityOptions, default_socket};
use crate::cmd::identity::rules::RuleOptions;
use crate::console::Console;
use crate::exit::Exit;
use crate::record;

const EXAMPLES: &str = "\
Examples:
  bailiwick agent --embedded                              every program of yours gets an identity
  bailiwick agent --embedded --rules rules.yaml           by written rules, also for other users
  bailiwick agent --embedded --trust-domain dev.example --socket /tmp/spiffe.sock
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
    #[arg(long, required = true)]
    embedded: bool,
    /// Socket to make; `$XDG_RUNTIME_DIR/bailiwick/agent.sock` where it is not given
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Permissions of the socket, in octal; 0666 lets other users ask, who need a written rule
    #[arg(long, value_name = "MODE", default_value = "0600", value_parser = octal)]
    socket_mode: u32,
    /// Bundle of another trust domain, for rules that federate with it. May be repeated
    #[arg(long, value_name = "DOMAIN=FILE", value_parser = federated)]
    federate: Vec<(TrustDomain, PathBuf)>,
    /// Directory of the log that holds everything that is given and refused; `log` in the folder of the authority where
    /// it is not given
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    #[command(flatten)]
    rules: RuleOptions,
    #[command(flatten)]
    authority: AuthorityOptions,
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
        client.bundles().await
    };
    let answer = runtime.block_on(async { tokio::time::timeout(HEALTHY, asked).await });
    let why = match answer {
        Ok(Ok(_)) => None,
        Ok(Err(error)) if error.is_denied() => None,
        Ok(Err(error)) => Some(format!("{:#}", anyhow::Error::from(error))),
        Err(_) => Some(format!("no answer within {} s", HEALTHY.as_secs())),
    };
    match why {
        None => console.answer("healthy\n")?,
        Some(why) => {
            console.answer(format_args!(
                "unhealthy: {}\n",
                bailiwick_report::inert(&why)
            ))?;
            return Ok(Exit::No);
        }
    }
    Ok(Exit::Yes)
}

fn octal(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok();
    mode.filter(|mode| *mode <= 0o777)
        .ok_or_else(|| "write permissions in octal, such as 0600".to_owned())
}

fn federated(text: &str) -> Result<(TrustDomain, PathBuf), String> {
    let (domain, file) = text.split_once('=').ok_or("write DOMAIN=FILE")?;
    let domain = TrustDomain::parse(domain).map_err(|error| error.to_string())?;
    Ok((domain, file.into()))
}

/// How often it is looked whether somebody was banned.
const LOOK: Duration = Duration::from_secs(1);

impl AgentArgs {
    fn load_rules(&self, console: &mut Console) -> Result<RuleSet> {
        let bans = self.authority.place.bans()?.load()?;
        let rules = self
            .rules
            .load(self.authority.place.trust_domain(), console)?;
        Ok(rules.banning(bans))
    }
}

pub(crate) fn run(args: &AgentArgs, console: &mut Console) -> Result<Exit> {
    if let Some(AgentCommand::Healthcheck(args)) = &args.command {
        return healthcheck(args, console);
    }
    let rules = args.load_rules(console)?;
    let mut federated = BundleMap::default();
    for (domain, file) in &args.federate {
        let json = console.read(file)?;
        let bundle = Bundle::from_json(domain.clone(), &json);
        federated.insert(bundle.with_context(|| format!("`{}`", file.display()))?);
    }
    let log = match &args.log {
        Some(log) => log.clone(),
        None => args.authority.place.log()?,
    };
    private_folder(&args.authority.place.folder()?)?;
    let store = Arc::new(Store::open(&log, Default::default())?);
    let (say, said) = mpsc::unbounded_channel();
    let speaker = say.clone();
    let evidence = Evidence::new(
        Arc::clone(&store) as Arc<dyn Log>,
        Arc::new(move |event, outcome| {
            let line = record::sentence(event);
            let line = match outcome {
                Ok(()) => line,
                Err(error) => format!("{line}: {error}"),
            };
            drop(speaker.send(bailiwick_report::inert(&line).into_owned()));
        }),
    );
    let authority = Arc::new(args.authority.open(Some(evidence.clone()))?);
    let socket = match &args.socket {
        Some(socket) => socket.clone(),
        None => {
            let socket = default_socket();
            private_folder(socket.parent().context("no folder for the socket")?)?;
            socket
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let parts = Parts {
        authority,
        rules,
        federated,
        socket,
        evidence,
        say,
        said,
    };
    let outcome = runtime.block_on(serve(args, parts, console));
    store.close();
    console.note(format_args!("the log ends with {}", store.health().head));
    outcome?;
    Ok(Exit::Yes)
}

/// What the agent is made of.
struct Parts {
    authority: Arc<Authority>,
    rules: RuleSet,
    federated: BundleMap,
    socket: PathBuf,
    evidence: Evidence,
    say: mpsc::UnboundedSender<String>,
    said: mpsc::UnboundedReceiver<String>,
}

async fn serve(args: &AgentArgs, parts: Parts, console: &mut Console) -> Result<()> {
    let Parts {
        authority,
        rules,
        federated,
        socket,
        evidence,
        say,
        mut said,
    } = parts;
    let domain = authority.trust_domain().clone();
    let (rules, rules_seen) = watch::channel(Arc::new(rules));
    let (_federated, federated_seen) = watch::channel(Arc::new(federated));
    let served = Serve {
        socket: socket.clone(),
        mode: args.socket_mode,
        authority,
        rules: rules_seen,
        federated: federated_seen,
        evidence: evidence.clone(),
        trouble: Arc::new(move |error| {
            let line = format!("the keys of the authority could not be looked after: {error}");
            drop(say.send(line));
        }),
    };
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut reload = signal(SignalKind::hangup())?;
    let stop = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let serving = bailiwick_spiffe::serve(
        served,
        || {
            let _ = ready.send(());
        },
        stop,
    );
    tokio::pin!(serving);
    let mut is_ready = Some(is_ready);
    let bans = args.authority.place.bans()?;
    let mut changed = bans.changed();
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            outcome = &mut serving => return Ok(outcome?),
            Ok(()) = async { match &mut is_ready {
                Some(ready) => ready.await,
                None => std::future::pending().await,
            } } => {
                is_ready = None;
                console.note(format_args!("the authority of {} is ready", domain.id()));
                console.answer(format_args!("SPIFFE_ENDPOINT_SOCKET=unix://{}\n", socket.display()))?;
            }
            Some(line) = said.recv() => console.note(line),
            again = async { tokio::select! {
                Some(()) = reload.recv() => true,
                _ = look.tick() => bans.changed() != changed,
            } } => if again {
                changed = bans.changed();
                match args.load_rules(console) {
                    Ok(read) => {
                        let old = Arc::clone(&rules.borrow());
                        record::bans(&evidence, old.bans(), read.bans()).await;
                        console.note(format_args!("{} rules", read.rules().len()));
                        rules.send_replace(Arc::new(read));
                    }
                    Err(error) => console.warn(format_args!("the rules stay as they are: {error:#}")),
                }
            },
        }
    }
}
