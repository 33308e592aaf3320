use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bailiwick_audit::Log;
use bailiwick_identity::rules::RuleSet;
use bailiwick_kube::{Cluster, Listener, Told, signer_role};
use bailiwick_server::{Current, Metrics, Operations, Ready};
use bailiwick_spiffe::{Authority, Evidence, SystemClock, private_folder};
use bailiwick_store::Store;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::authority::AuthorityOptions;
use super::rules::RuleOptions;
use crate::cli::Global;
use crate::cluster::connect_options;
use crate::console::Console;
use crate::exit::Exit;
use crate::logging::LogOptions;
use crate::record;
use crate::signer::{Input, Parts, Signer};

const EXAMPLES: &str = "\
Examples:
  bailiwick identity signer --name example.org/spiffe --print-role bailiwick/signer | kubectl apply -f -
  bailiwick identity signer --name example.org/spiffe --trust-domain example.org --rules rules/ --data /var/lib/bailiwick

A pod asks for its certificate with a projected volume whose source is podCertificate, with signerName example.org/spiffe,
and mounts the roots with the source clusterTrustBundle. Kubernetes 1.37 serves both; before that they are behind gates.";

/// How often the keys are looked after.
const TICK: Duration = Duration::from_secs(60);
/// How often it is looked whether somebody was banned.
const LOOK: Duration = Duration::from_secs(1);

/// Arguments of `bailiwick identity signer`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct SignerArgs {
    /// Name of the signer, as pods write it
    #[arg(long, value_name = "DOMAIN/NAME", value_parser = signer_name)]
    name: String,
    /// Print what the signer may do in the cluster, for this service account, and end
    #[arg(long, value_name = "NAMESPACE/NAME")]
    print_role: Option<String>,
    /// Deny pods for good that no rule gives an identity, or that are banned: they wait otherwise, and go on when that
    /// changes. The kubelet keeps a denial until the pod is made anew
    #[arg(long = "final")]
    final_: bool,
    /// Directory of the log; `log` in the folder of the authority where it is not given
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    /// Address for /healthz, /readyz and /metrics
    #[arg(long, value_name = "ADDRESS")]
    operations: Option<SocketAddr>,
    #[command(flatten)]
    rules: RuleOptions,
    #[command(flatten)]
    authority: AuthorityOptions,
    #[command(flatten)]
    logging: LogOptions,
}

fn signer_name(text: &str) -> Result<String, String> {
    let fits = text.split_once('/').is_some_and(|(domain, name)| {
        let dns = bailiwick_core::dns::is_dns_subdomain;
        domain.contains('.') && dns(domain) && dns(name) && text.len() <= 571
    });
    if !fits {
        return Err(
            "write a domain with a dot, a slash and a name, such as example.org/spiffe".to_owned(),
        );
    }
    if text.starts_with("kubernetes.io/") {
        return Err("names below kubernetes.io are those of Kubernetes itself".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn run(args: &SignerArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    if let Some(account) = &args.print_role {
        let (namespace, name) = account
            .split_once('/')
            .context("write --print-role NAMESPACE/NAME")?;
        console.answer(signer_role(&args.name, namespace, name))?;
        return Ok(Exit::Yes);
    }
    if !global.filename.is_empty() {
        bail!("the signer works for a live cluster: leave out --filename");
    }
    let rules = args.load_rules(console)?;
    let cluster = Arc::new(Cluster::connect(&connect_options(global, console))?);
    let api = cluster.certificates_api()?;
    args.logging.start();
    let log = match &args.log {
        Some(log) => log.clone(),
        None => args.authority.log()?,
    };
    private_folder(&args.authority.folder()?)?;
    let store = Arc::new(Store::open(&log, Default::default())?);
    let evidence = Evidence::new(Arc::clone(&store) as Arc<dyn Log>, Arc::new(record::trace));
    let authority = Arc::new(args.authority.open(Some(evidence.clone()))?);
    let (sender, inputs) = mpsc::channel();
    let ears = sender.clone();
    let listener: Listener = Arc::new(move |told: Told| drop(ears.send(Input::Told(told))));
    let _feeds = [
        cluster.follow_pods(&listener),
        cluster.follow_requests(api, &args.name, &listener),
        cluster.follow_trust_bundle(api, &args.name, &listener),
    ];
    let (rules, rules_seen) = watch::channel(Arc::new(rules));
    let ready = Ready::new();
    let signer = Signer::new(Parts {
        cluster,
        api,
        signer: args.name.clone(),
        final_: args.final_,
        authority: Arc::clone(&authority),
        clock: Arc::new(SystemClock),
        rules: rules_seen,
        evidence: evidence.clone(),
        ready: ready.clone(),
    });
    let working = std::thread::spawn(move || signer.run(&inputs));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(attend(args, console, &authority, &evidence, &rules, ready));
    let _ = sender.send(Input::Stop);
    let _ = working.join();
    store.close();
    tracing::info!(head = %store.health().head, "log closed");
    outcome?;
    Ok(Exit::Yes)
}

impl SignerArgs {
    /// Written rules alone: no process of ours asks here.
    fn load_rules(&self, console: &mut Console) -> Result<RuleSet> {
        let bans = self.authority.bans()?.load()?;
        let rules = self.rules.load(self.authority.trust_domain(), console)?;
        Ok(rules.banning(bans))
    }
}

/// Everything around the signer, until somebody ends it.
async fn attend(
    args: &SignerArgs,
    console: &mut Console,
    authority: &Arc<Authority>,
    evidence: &Evidence,
    rules: &watch::Sender<Arc<RuleSet>>,
    ready: Ready,
) -> Result<()> {
    let (end, ending) = watch::channel(false);
    if let Some(address) = args.operations {
        let listener = Operations::bind(address).await?;
        tracing::info!(address = %listener.address(), "health, readiness and metrics");
        let metrics = Arc::new(Metrics::new());
        let current = Arc::new(Current::new(None));
        tokio::spawn(
            Operations {
                ready,
                metrics,
                current,
            }
            .run(listener, ending),
        );
    }
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut reload = signal(SignalKind::hangup())?;
    let mut tick = tokio::time::interval(TICK);
    let mut look = tokio::time::interval(LOOK);
    let bans = args.authority.bans()?;
    let mut changed = bans.changed();
    tracing::info!(signer = args.name, domain = %authority.trust_domain(), "signing");
    loop {
        let again = tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = reload.recv() => true,
            _ = tick.tick() => {
                let authority = Arc::clone(authority);
                if let Ok(Err(error)) = tokio::task::spawn_blocking(move || authority.tick()).await {
                    tracing::error!(%error, "the keys of the authority could not be looked after");
                }
                false
            }
            _ = look.tick() => bans.changed() != changed,
        };
        if again {
            changed = bans.changed();
            match args.load_rules(console) {
                Ok(new) => {
                    let old = Arc::clone(&rules.borrow());
                    record::bans(evidence, old.bans(), new.bans()).await;
                    tracing::info!(rules = new.rules().len(), "rules");
                    rules.send_replace(Arc::new(new));
                }
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), "the rules stay as they are");
                }
            }
        }
    }
    let _ = end.send(true);
    Ok(())
}
