use std::sync::{Arc, mpsc};

use anyhow::{Result, bail};
use bailiwick_kube::{Cluster, Listener, Told, signer_role};
use bailiwick_spiffe::SystemClock;

use super::daemon::{DaemonOptions, Stop};
use super::place::namespaced;
use crate::cli::Global;
use crate::cluster::connect_options;
use crate::console::Console;
use crate::exit::Exit;
use crate::signer::{Input, Parts, Signer};

const EXAMPLES: &str = "\
Examples:
  bailiwick identity signer --name example.org/spiffe --print-role bailiwick/signer | kubectl apply -f -
  bailiwick identity signer --name example.org/spiffe --trust-domain example.org --rules rules/ --data /var/lib/bailiwick

A pod asks for its certificate with a projected volume whose source is podCertificate, with signerName example.org/spiffe,
and mounts the roots with the source clusterTrustBundle. Kubernetes 1.37 serves both; before that they are behind gates.";

/// Arguments of `bailiwick identity signer`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct SignerArgs {
    /// Name of the signer, as pods write it
    #[arg(long, value_name = "DOMAIN/NAME", value_parser = signer_name)]
    name: String,
    /// Print what the signer may do in the cluster, for this service account, and end
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = namespaced)]
    print_role: Option<(String, String)>,
    /// Deny pods for good that no rule gives an identity, or that are banned: they wait otherwise, and go on when that
    /// changes. The kubelet keeps a denial until the pod is made anew
    #[arg(long = "final")]
    final_: bool,
    #[command(flatten)]
    daemon: DaemonOptions,
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
    if let Some((namespace, name)) = &args.print_role {
        let state = args.daemon.state_role((namespace, name));
        console.answer(signer_role(&args.name, namespace, name) + &state)?;
        return Ok(Exit::Yes);
    }
    if !global.filename.is_empty() {
        bail!("the signer works for a live cluster: leave out --filename");
    }
    let cluster = Arc::new(Cluster::connect(&connect_options(global, console))?);
    let api = cluster.certificates_api()?;
    let mut daemon = args.daemon.open(console, Some(&cluster))?;
    let (_rules, census) = daemon.follow_rules(&cluster)?;
    let (sender, inputs) = mpsc::channel();
    let ears = sender.clone();
    let listener: Listener = Arc::new(move |told: Told| drop(ears.send(Input::Told(told))));
    let _feeds = [
        cluster.follow_pods(&listener),
        cluster.follow_requests(api, &args.name, &listener),
        cluster.follow_trust_bundle(api, &args.name, &listener),
    ];
    let signer = Signer::new(Parts {
        cluster,
        api,
        signer: args.name.clone(),
        final_: args.final_,
        authority: Arc::clone(&daemon.authority),
        clock: Arc::new(SystemClock),
        rules: daemon.rules(),
        census: Some(census),
        evidence: daemon.evidence.clone(),
        ready: daemon.ready.clone(),
    });
    tracing::info!(signer = args.name, domain = %daemon.authority.trust_domain(), "signing");
    let working = std::thread::spawn(move || signer.run(&inputs));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let work = |stop: Stop| async {
        stop.await;
        Ok(())
    };
    let outcome = runtime.block_on(daemon.attend(console, work));
    let _ = sender.send(Input::Stop);
    let _ = working.join();
    daemon.close();
    outcome?;
    Ok(Exit::Yes)
}
