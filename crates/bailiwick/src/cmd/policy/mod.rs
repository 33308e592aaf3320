//! Policies as files: are they right, do they do what they should, what would another set of them change.

mod check;
mod diff;
mod proof;
mod replay;
mod test;
mod why;

use std::path::PathBuf;

use anyhow::Result;
use bailiwick_report::Format;

use crate::cli::Global;
use crate::console::Console;
use crate::exit::Exit;
use crate::formats::Formats;

const EXAMPLES: &str = "\
Examples:
  bailiwick policy check policies/                  is every document right, and what is odd about it
  bailiwick policy test policies/                   do the tests in it come out as they say
  bailiwick policy test policies/ -f manifests/     together with the RBAC of manifests
  bailiwick policy diff old/ new/                   which requests would be answered differently
  bailiwick policy replay /var/lib/bailiwick/log new/   which decisions of the log would be
  bailiwick policy why /var/lib/bailiwick/log ID    one decision of the log, explained
  bailiwick policy schema                           the Cedar schema that policies are checked against";

/// Arguments of `bailiwick policy`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(clap::Subcommand, Debug)]
enum PolicyCommand {
    /// Check policies, relations, delegations and revocations
    Check(check::CheckArgs),
    /// Run the tests that stand beside policies
    Test(FilesArgs),
    /// Look for requests that two sets of policies answer differently
    Diff(diff::DiffArgs),
    /// Decide what a log holds anew with other policies
    Replay(replay::ReplayArgs),
    /// Explain one decision of a log
    Why(why::WhyArgs),
    /// Print the Cedar schema of requests
    Schema,
}

/// Files of `bailiwick policy`.
#[derive(clap::Args, Debug)]
struct FilesArgs {
    /// Files and directories of policies
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

impl FilesArgs {
    /// Their names, in a row.
    fn named(&self) -> String {
        let names = self
            .paths
            .iter()
            .map(|path| format!("`{}`", path.display()));
        names.collect::<Vec<_>>().join(", ")
    }
}

/// `-o` of the commands here.
#[derive(clap::Args, Debug)]
struct OutputArgs {
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value_t, value_parser = Formats(Format::DECISIONS))]
    output: Format,
}

impl OutputArgs {
    /// Prints an answer in the form that was asked for.
    fn print<T: serde::Serialize>(
        &self,
        kind: &str,
        body: &T,
        text: impl FnOnce(&T) -> String,
        console: &mut Console,
    ) -> Result<()> {
        match self.output {
            Format::Json => console.answer(bailiwick_report::json(kind, body)?),
            Format::Yaml => console.answer(bailiwick_report::yaml(kind, body)?),
            _ => console.answer(text(body)),
        }
    }
}

pub(crate) fn run(args: &PolicyArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    match &args.command {
        PolicyCommand::Check(args) => check::run(args, console),
        PolicyCommand::Test(args) => test::run(args, global, console),
        PolicyCommand::Diff(args) => diff::run(args, global, console),
        PolicyCommand::Replay(args) => replay::run(args, global, console),
        PolicyCommand::Why(args) => why::run(args, console),
        PolicyCommand::Schema => {
            console.answer(bailiwick_pdp::SCHEMA)?;
            Ok(Exit::Yes)
        }
    }
}
