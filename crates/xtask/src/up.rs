//! `cargo xtask up`: a real cluster on this machine that holds the example company.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, iter, thread};

use anyhow::{Context, Result, ensure};
use bailiwick_testkit::directory::{self, Fields};
use bailiwick_testkit::servers::Cluster;

/// What to load, and what to run in it.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A directory of manifests to apply, in place of examples/acme
    #[arg(long, value_name = "DIRECTORY")]
    manifests: Option<PathBuf>,
    /// A command to run with KUBECONFIG set and kubectl at hand, after which the cluster ends;
    /// without one the cluster stays until Ctrl-C
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Starts etcd, kube-apiserver and kube-controller-manager, applies the manifests, and waits.
///
/// The servers end with this process, however it ends: see `bailiwick_testkit::servers`.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let binaries = crate::testenv::ready()?;
    note("starting etcd, kube-apiserver and kube-controller-manager");
    let cluster = Cluster::builder().start()?;
    cluster.wait_for_aggregation()?;
    let manifests = arguments.manifests.clone().unwrap_or_else(directory::acme);
    note("applying the manifests");
    for complaint in directory::apply(&cluster, &manifests, Fields::Warn)? {
        note(&complaint);
    }
    let kubeconfig = cluster.admin().kubeconfig();
    let Some((program, rest)) = arguments.command.split_first() else {
        announce(kubeconfig);
        loop {
            thread::park();
        }
    };
    let status = Command::new(program)
        .args(rest)
        .env("KUBECONFIG", kubeconfig)
        .env("PATH", path_with(binaries)?)
        .status()
        .with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(
        status.success(),
        "{} ended with {status}",
        program.display()
    );
    Ok(())
}

fn path_with(first: PathBuf) -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    Ok(env::join_paths(
        iter::once(first).chain(env::split_paths(&path)),
    )?)
}

#[allow(clippy::print_stdout, reason = "the result of the command")]
fn announce(kubeconfig: &Path) {
    println!("export KUBECONFIG={}", kubeconfig.display());
    note("ready; paste the line above into another terminal, end with Ctrl-C");
}

#[allow(
    clippy::print_stderr,
    reason = "progress of a command that takes a while"
)]
fn note(text: &str) {
    eprintln!("up: {text}");
}
