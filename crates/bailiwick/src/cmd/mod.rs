pub(crate) mod access;
pub(crate) mod agent;
pub(crate) mod audit;
pub(crate) mod blast;
pub(crate) mod can;
pub(crate) mod completions;
pub(crate) mod crds;
pub(crate) mod diff;
pub(crate) mod explain;
pub(crate) mod fix;
mod held;
pub(crate) mod identity;
pub(crate) mod man;
mod missing;
pub(crate) mod paths;
pub(crate) mod policy;
pub(crate) mod print_role;
pub(crate) mod reviews;
pub(crate) mod scan;
pub(crate) mod serve;
pub(crate) mod snapshot;
mod watch;
pub(crate) mod who_can;

use anyhow::Result;

use crate::cli::{Cli, Command};
use crate::console::Console;
use crate::exit::Exit;

/// Runs one command.
pub(crate) fn run(cli: Cli, console: &mut Console) -> Result<Exit> {
    let global = &cli.global;
    match cli.command {
        Command::Can(args) => can::run(&args, global, console),
        Command::WhoCan(args) => who_can::run(&args, global, console),
        Command::Access(args) => access::run(&args, global, console),
        Command::Explain(args) => explain::run(&args, global, console),
        Command::Diff(args) => diff::run(&args, global, console),
        Command::Paths(args) => paths::run(&args, global, console),
        Command::Blast(args) => blast::run(&args, global, console),
        Command::Fix(args) => fix::run(&args, global, console),
        Command::Scan(args) => scan::run(&args, global, console),
        Command::Snapshot(args) => snapshot::run(&args, global, console),
        Command::Serve(args) => serve::run(&args, global, console),
        Command::Policy(args) => policy::run(&args, global, console),
        Command::Audit(args) => audit::run(&args, console),
        Command::Agent(args) => agent::run(&args, console),
        Command::Identity(args) => identity::run(&args, global, console),
        Command::PrintRole(args) => print_role::run(&args, console),
        Command::Crds(_) => crds::run(console),
        Command::Completions(args) => completions::run(&args, console),
        Command::Man(args) => man::run(&args, console),
    }
}
