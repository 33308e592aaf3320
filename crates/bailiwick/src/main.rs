//! The program: arguments, wiring and exit codes. Everything else lives in the crates below.

mod cli;
mod cluster;
mod cmd;
mod console;
mod exit;
mod formats;
mod gate;
mod logging;
mod members;
mod picture;
mod policies;
mod progress;
mod record;
mod resources;
mod serve;
mod signer;
mod subject;
mod target;

use std::process::ExitCode;

use crate::console::Console;
use crate::exit::Exit;

/// Gives memory back that a large state has left free, and is faster than the usual one where threads share work.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match cli::Cli::read() {
        Ok(cli) => cli,
        Err(error) => {
            // `--help` and `--version` arrive here too; they go to standard output and are no failure. A closed
            // pipe behind them is nobody's problem.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Unusable
            } else {
                Exit::Yes
            }
            .into();
        }
    };
    let mut console = Console::new(cli.global.color, cli.global.quiet);
    match cmd::run(cli, &mut console) {
        Ok(exit) => exit.into(),
        Err(error) if console::is_closed_pipe(&error) => Exit::Yes.into(),
        Err(error) => {
            console.error(&error);
            Exit::Unusable.into()
        }
    }
}
