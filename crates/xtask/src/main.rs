//! `cargo xtask`: the chores of the workspace that are not part of the product.

mod deny;
mod generate;
mod test;
mod testenv;
mod tidy;
mod up;

use std::path::Path;

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
    /// Run every check and every test
    Test,
    /// Check the rules of the house that no compiler knows
    Tidy,
    /// Start a real cluster on this machine that holds the example company
    Up(up::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().chore {
        Chore::Testenv(arguments) => testenv::run(&arguments),
        Chore::Deny(arguments) => deny::run(&arguments),
        Chore::Generate(arguments) => generate::run(&arguments),
        Chore::Test => test::run(),
        Chore::Tidy => tidy::run(),
        Chore::Up(arguments) => up::run(&arguments),
    }
}

/// The root of the checkout: `cargo xtask` runs where it was built.
fn root() -> &'static Path {
    const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    Path::new(ROOT)
}
