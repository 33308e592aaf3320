use anyhow::Result;
use bailiwick_kube::LoadKinds;

use crate::console::Console;
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  bailiwick print-role | kubectl apply -f -
  bailiwick print-role --without-secrets | kubectl apply -f -
  bailiwick print-role --watch | kubectl apply -f -";

/// Arguments of `bailiwick print-role`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PrintRoleArgs {
    /// Leave Secrets out. Kubernetes has no right to their names alone: whoever may list them may read their values,
    /// even though Bailiwick never asks for those. Answers about token Secrets are partial then
    #[arg(long)]
    without_secrets: bool,
    /// Allow to follow changes, too, as `paths --watch` does
    #[arg(long)]
    watch: bool,
}

pub(crate) fn run(args: &PrintRoleArgs, console: &mut Console) -> Result<Exit> {
    let mut kinds = LoadKinds::all();
    if args.without_secrets {
        kinds = kinds.without_secrets();
    }
    let role = match args.watch {
        true => bailiwick_kube::smallest_watching_cluster_role(&kinds),
        false => bailiwick_kube::smallest_cluster_role(&kinds),
    };
    console.answer(role)?;
    Ok(Exit::Yes)
}
