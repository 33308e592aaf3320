use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::cli::Global;
use crate::cmd::identity::place::namespaced;
use crate::console::Console;
use crate::exit::Exit;
use crate::logging::LogOptions;
use crate::serve::{Config, Program};

const EXAMPLES: &str = "\
Examples:
  bailiwick serve --config serve.yaml                    answer about the cluster that kubectl would talk to
  bailiwick serve --config serve.yaml -f manifests/      answer about manifests, which are read again when they change
  bailiwick serve --config serve.yaml --check            say what is wrong with the configuration, and end
  bailiwick serve --config serve.yaml --print-authorization-config /etc/kubernetes/bailiwick.kubeconfig
                                                         what an API server takes to ask here
  bailiwick serve --config serve.yaml --print-role bailiwick/serve | kubectl apply -f -
                                                         the rights that it needs of the cluster

SIGTERM ends it after the requests that are under way; SIGHUP reads everything again at once.
docs/serve.md has every field of the configuration.";

/// Arguments of `bailiwick serve`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// Configuration, YAML or JSON
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Read the configuration and the files that it names, and end
    #[arg(long, group = "instead")]
    check: bool,
    /// Print the AuthorizationConfiguration that has an API server ask here, and end. KUBECONFIG is where the API
    /// server finds the address of this program and the certificate to come with
    #[arg(long, value_name = "KUBECONFIG", group = "instead")]
    print_authorization_config: Option<String>,
    /// Print what the program may do in the cluster with this configuration, for this service account, and end
    #[arg(long, value_name = "NAMESPACE/NAME", group = "instead", value_parser = namespaced)]
    print_role: Option<(String, String)>,
    #[command(flatten)]
    log: LogOptions,
}

pub(crate) fn run(args: &ServeArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    let config = Config::read(&args.config, console)?;
    if let Some(kubeconfig) = &args.print_authorization_config {
        if !kubeconfig.starts_with('/') {
            bail!("`{kubeconfig}` is no absolute path; the API server takes no other");
        }
        let door = config.access_review.as_ref().context(
            "the door for an API server is not open; write `accessReview` into the configuration",
        )?;
        let text = bailiwick_server::authorization_configuration(door.mode, kubeconfig, None);
        console.answer(text)?;
        return Ok(Exit::Yes);
    }
    if let Some((namespace, name)) = &args.print_role {
        console.answer(crate::serve::role(&config, (namespace, name)))?;
        return Ok(Exit::Yes);
    }
    let program = Program::new(config, global, console)?;
    if args.check {
        program.check(console)?;
        console.note("the configuration can be used");
        return Ok(Exit::Yes);
    }
    args.log.start();
    program.run(console)?;
    Ok(Exit::Yes)
}
