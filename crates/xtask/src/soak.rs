//! `cargo xtask soak`: the tests that compare with real parts, on many more cases than usual.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// What to compare with.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    with: With,
    /// The seed, to repeat a run; otherwise the time
    #[arg(long, global = true)]
    seed: Option<u64>,
}

#[derive(clap::Subcommand)]
enum With {
    /// The RBAC engine with upstream's own code
    Differential {
        /// Number of requests
        #[arg(long, default_value_t = 1_000_000)]
        requests: usize,
    },
    /// The RBAC engine with a running API server
    Live {
        /// Number of reviews
        #[arg(long, default_value_t = 10_000)]
        reviews: usize,
    },
}

/// Runs the test with a new seed, which it prints, and passes its verdict on.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let (test, variable, count) = match arguments.with {
        With::Differential { requests } => ("differential", "BAILIWICK_REQUESTS", requests),
        With::Live { reviews } => ("live", "BAILIWICK_REVIEWS", reviews),
    };
    let seed = match arguments.seed {
        Some(seed) => seed,
        None => std::time::UNIX_EPOCH.elapsed()?.as_secs(),
    };
    let status = Command::new(env!("CARGO"))
        .args([
            "test",
            "--release",
            "--package",
            "bailiwick-rbac",
            "--test",
            test,
        ])
        .args(["--", "--nocapture"])
        .env(variable, count.to_string())
        .env("BAILIWICK_SEED", seed.to_string())
        .current_dir(crate::root())
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the comparison ended with {status}");
    Ok(())
}
