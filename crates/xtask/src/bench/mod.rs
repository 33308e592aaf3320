//! `cargo xtask bench`: measures the product, beside what it has to beat, in one run.

mod changes;
mod engine;
mod figures;
mod full_set;
mod graph;
mod identity;
mod input;
mod live;
mod page;
mod pdp;
mod scan;
mod serve;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    part: Part,
    /// Measure the programs that lie beside this one, instead of building them
    #[arg(long, global = true)]
    as_built: bool,
    /// Where the figures go as JSON
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(clap::Subcommand)]
enum Part {
    /// Decisions, who-can, changes and memory of the RBAC engine, beside upstream's authorizer
    Engine,
    /// Reading manifests, dumps and snapshot files: time and memory
    Input,
    /// The access graph of made-up clusters of 25,000 and 150,000 pods, from their snapshot files
    Graph,
    /// The access graph of one snapshot file, as a line of JSON
    #[command(hide = true)]
    GraphOf {
        /// The snapshot file
        file: PathBuf,
    },
    /// One changed object after the other in one made-up cluster, as a line of JSON
    #[command(hide = true)]
    GraphChanges {
        /// How many pods
        pods: usize,
        /// How many times the RBAC
        times: usize,
    },
    /// who-can on a real API server with 10,000 bindings, beside kubectl and kubectl-who-can
    Live,
    /// The page of `paths -o html` in Chromium, up to as many nodes as it holds
    Page,
    /// Decisions with 10,000 policies, 100,000 bindings and 1,000,000 tuples, beside Cedar without an index
    Pdp,
    /// Every posture check on made-up clusters
    Scan,
    /// `bailiwick serve` with the full set of `pdp`, beside a server that gives everybody the same answer
    Serve {
        /// Measure these parts alone
        #[arg(long, value_name = "PART", value_delimiter = ',')]
        only: Vec<serve::Stage>,
    },
    /// That server, with the certificates of a directory
    #[command(hide = true)]
    Constant {
        /// The directory
        home: PathBuf,
    },
    /// Identities of pods through agents of nodes, with a real API server, beside SPIRE
    Identity {
        /// Measure these parts alone
        #[arg(long, value_name = "PART", value_delimiter = ',')]
        only: Vec<identity::Part>,
    },
}

/// Measures with optimisation: a debug build runs its release sibling.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if cfg!(debug_assertions) && !arguments.as_built {
        return release();
    }
    let (name, figures) = match &arguments.part {
        Part::GraphOf { file } => return graph::of(file),
        Part::GraphChanges { pods, times } => return changes::of(*pods, *times),
        Part::Constant { home } => return serve::constant(home),
        Part::Graph => ("graph", graph::run()?),
        Part::Engine => ("engine", engine::run()?),
        Part::Input => ("input", input::run()?),
        Part::Scan => ("scan", scan::run()?),
        Part::Pdp => ("pdp", pdp::run()?),
        Part::Identity { only } => {
            let figures = identity::run(&bailiwick(arguments)?, only)?;
            ("identity", figures)
        }
        Part::Page => ("page", page::run(&bailiwick(arguments)?)?),
        Part::Live => ("live", live::run(&bailiwick(arguments)?)?),
        Part::Serve { only } => ("serve", serve::run(&bailiwick(arguments)?, only)?),
    };
    let path = arguments
        .json
        .clone()
        .unwrap_or_else(|| crate::root().join(format!("target/bench/{name}.json")));
    figures.write(&path)
}

fn release() -> Result<()> {
    let status = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--release", "--package", "xtask", "--"])
        .args(std::env::args_os().skip(1))
        .current_dir(crate::root())
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the measurement ended with {status}");
    Ok(())
}

/// The product as it is shipped.
fn bailiwick(arguments: &Arguments) -> Result<PathBuf> {
    if !arguments.as_built {
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--release", "--package", "bailiwick"])
            .current_dir(crate::root())
            .status()
            .context("cannot run cargo")?;
        ensure!(status.success(), "bailiwick does not build");
    }
    let target = std::env::current_exe()?;
    let target = target.parent().context("this program is in no directory")?;
    Ok(target.join("bailiwick"))
}
