//! `cargo xtask soak`: tests that compare with real parts, or hold something true for long, on many more cases than usual.

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
    /// Handshakes of workloads with each other, while the keys of their authority are exchanged, tainted and revoked
    Rotation {
        /// Number of streams
        #[arg(long, default_value_t = 1_000)]
        streams: usize,
    },
}

/// Runs the test with a new seed, which it prints, and passes its verdict on.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let compared = |test| {
        vec![
            "--release",
            "--package",
            "bailiwick-rbac",
            "--test",
            test,
            "--",
        ]
    };
    let (test, variable, count) = match arguments.with {
        With::Differential { requests } => {
            (compared("differential"), "BAILIWICK_REQUESTS", requests)
        }
        With::Live { reviews } => (compared("live"), "BAILIWICK_REVIEWS", reviews),
        With::Rotation { streams } => {
            let test = [
                "--package",
                "bailiwick-spiffe",
                "--lib",
                "--",
                "node::tests::rotation",
            ];
            (test.to_vec(), "BAILIWICK_STREAMS", streams)
        }
    };
    let seed = match arguments.seed {
        Some(seed) => seed,
        None => std::time::UNIX_EPOCH.elapsed()?.as_secs(),
    };
    let status = Command::new(env!("CARGO"))
        .arg("test")
        .args(test)
        .arg("--nocapture")
        .env(variable, count.to_string())
        .env("BAILIWICK_SEED", seed.to_string())
        .current_dir(crate::root())
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the test ended with {status}");
    Ok(())
}
