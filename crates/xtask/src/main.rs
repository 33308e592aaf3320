//! `cargo xtask`: the chores of the workspace that are not part of the product.

mod bench;
mod deny;
mod docs;
mod generate;
mod soak;
mod test;
mod testenv;
mod tidy;
mod up;

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores of the workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Build the real Kubernetes servers and the oracle that the tests use, and print where they are
    Testenv(testenv::Arguments),
    /// Check licences, banned crates, sources and advisories of the dependencies
    Deny(deny::Arguments),
    /// Generate the committed tables from real API servers; takes minutes per release
    Generate(generate::Arguments),
    /// Write the pages of the documentation that the program holds
    Docs,
    /// Run every check and every test
    Test,
    /// Check the rules of the house that no compiler knows
    Tidy,
    /// Measure the product, beside what it has to beat
    Bench(bench::Arguments),
    /// Compare with real parts on many more cases than the tests do
    Soak(soak::Arguments),
    /// Start a real cluster on this machine that holds the example company
    Up(up::Arguments),
}

/// Tells an error in one line; the output above it says more than a backtrace.
#[allow(clippy::print_stderr, reason = "why a chore failed")]
fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    match Arguments::parse().chore {
        Chore::Testenv(arguments) => testenv::run(&arguments),
        Chore::Deny(arguments) => deny::run(&arguments),
        Chore::Generate(arguments) => generate::run(&arguments),
        Chore::Docs => docs::run(),
        Chore::Test => test::run(),
        Chore::Tidy => tidy::run(),
        Chore::Bench(arguments) => bench::run(&arguments),
        Chore::Soak(arguments) => soak::run(&arguments),
        Chore::Up(arguments) => up::run(&arguments),
    }
}

/// The root of the checkout: `cargo xtask` runs where it was built.
fn root() -> &'static Path {
    const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    Path::new(ROOT)
}
