//! `cargo xtask up`: a real cluster on this machine that holds the example company.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, ensure};
use bailiwick_testkit::servers::Cluster;

/// What to load, and what to run in it.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A directory of manifests to apply
    #[arg(long, value_name = "DIRECTORY", default_value_os_t = example())]
    manifests: PathBuf,
    /// A command to run with KUBECONFIG set, after which the cluster ends; without one the cluster
    /// stays until Ctrl-C
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// How kubectl treats fields that it does not know.
#[derive(Clone, Copy)]
enum Fields {
    /// Takes the object without them, with a warning, as most clients other than kubectl do.
    Warn,
    /// Refuses the object.
    #[cfg(test)]
    Strict,
}

/// Starts etcd, kube-apiserver and kube-controller-manager, applies the manifests, and waits.
///
/// The servers end with this process, however it ends: see `bailiwick_testkit::servers`.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    crate::testenv::ready()?;
    note("starting etcd, kube-apiserver and kube-controller-manager");
    let cluster = Cluster::builder().start()?;
    cluster.wait_for_aggregation()?;
    note(&format!("applying {}", arguments.manifests.display()));
    for complaint in apply(&cluster, &arguments.manifests, Fields::Warn)? {
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
        .status()
        .with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(
        status.success(),
        "{} ended with {status}",
        program.display()
    );
    Ok(())
}

/// Where the example company is.
fn example() -> PathBuf {
    crate::root().join("examples/acme")
}

/// Applies a directory as a person would: what everything else needs first, that is the files
/// directly in it, then the whole tree. Returns what kubectl had to say against it.
///
/// # Errors
/// When kubectl cannot be run, or takes nothing at all.
fn apply(cluster: &Cluster, directory: &Path, fields: Fields) -> Result<Vec<String>> {
    let path = directory
        .to_str()
        .context("the directory's name is not UTF-8")?;
    let validate = match fields {
        Fields::Warn => "--validate=warn",
        #[cfg(test)]
        Fields::Strict => "--validate=strict",
    };
    let first = cluster.admin().kubectl(&["apply", validate, "-f", path])?;
    let crds = [
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        "crd",
        "--all",
    ];
    cluster.admin().kubectl(&crds)?.success()?;
    let all = cluster
        .admin()
        .kubectl(&["apply", validate, "--recursive", "-f", path])?;
    ensure!(
        !all.stdout.is_empty(),
        "kubectl applied nothing of {path}: {}{}",
        first.stderr,
        all.stderr
    );
    Ok(all.stderr.lines().map(str::to_owned).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The one file of the example that the API server does not take when asked to be strict.
    const REFUSED: &str = "certificate-role.yaml";

    #[test]
    fn api_server_takes_the_example_but_for_the_misspelt_field() {
        let cluster = Cluster::builder().start().unwrap();
        cluster.wait_for_aggregation().unwrap();
        let complaints = apply(&cluster, &example(), Fields::Strict).unwrap();
        assert_eq!(complaints.len(), 1, "{complaints:#?}");
        let complaint = complaints.first().unwrap();
        assert!(complaint.contains(REFUSED), "{complaint}");
        assert!(
            complaint.contains("unknown field \"rules[0].resourcenames\""),
            "{complaint}"
        );

        // What a client that does not ask to be strict makes of it: every Secret of the namespace.
        apply(&cluster, &example(), Fields::Warn).unwrap();
        let mut can = vec!["auth", "can-i", "get", "secrets/anything", "-n", "ingress"];
        can.push("--as=system:serviceaccount:ingress:ingress");
        assert_eq!(cluster.admin().kubectl(&can).unwrap().stdout, "yes\n");
    }
}
