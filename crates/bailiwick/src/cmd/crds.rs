use anyhow::Result;

use crate::console::Console;
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  bailiwick crds | kubectl apply -f -        have the API server know policies, relations, revocations and identities
  kubectl get bailiwick -A                   all of them";

/// Arguments of `bailiwick crds`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CrdsArgs {}

pub(crate) fn run(console: &mut Console) -> Result<Exit> {
    let mut documents = Vec::new();
    let identities = bailiwick_identity::rules::definitions();
    for definition in bailiwick_pdp::definitions().into_iter().chain(identities) {
        documents.push(bailiwick_report::to_yaml(&definition)?);
    }
    console.answer(documents.join("---\n"))?;
    Ok(Exit::Yes)
}
