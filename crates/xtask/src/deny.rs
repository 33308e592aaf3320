//! `cargo xtask deny`: licences, banned crates, sources and security advisories of what we use.

use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use anyhow::{Context, Result, bail, ensure};
use bailiwick_testkit::binaries;

/// The version that `--install` builds.
const VERSION: &str = "0.20.2";

/// How long the advisory database may take to arrive, which is a few MB.
const FETCH_LIMIT: Duration = Duration::from_secs(120);

/// What to do first.
#[derive(clap::Args, Default)]
pub(crate) struct Arguments {
    /// Build cargo-deny into the cache of the test environment if it is not there (takes minutes)
    #[arg(long)]
    install: bool,
}

/// Checks the dependencies against `deny.toml`.
///
/// # Errors
/// When a dependency is against it, or the check cannot be run.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    banned()?;
    let found = installed()?;
    let deny = match found {
        None if arguments.install => install()?,
        None => {
            note("NOT CHECKED: licences, sources and advisories. Only bans were, by `cargo tree`.");
            note("`cargo xtask deny --install` builds cargo-deny, which does the rest");
            return Ok(());
        }
        Some(deny) => deny,
    };
    let cargo_deny = |arguments: &[&str]| {
        let mut command = Command::new(&deny);
        command
            .arg("--all-features")
            .args(arguments)
            .current_dir(crate::root());
        command
    };
    // What Cargo.lock says is all that these need; a build has fetched it already.
    let local = ["--offline", "check", "bans", "licenses", "sources"];
    let status = cargo_deny(&local)
        .status()
        .context("cannot run cargo-deny")?;
    ensure!(
        status.success(),
        "a dependency is against deny.toml; the messages are above"
    );
    if !within(FETCH_LIMIT, &mut cargo_deny(&["fetch", "db"]))?.is_some_and(|s| s.success()) {
        note("NOT CHECKED: advisories. Their database cannot be fetched from here.");
        return Ok(());
    }
    let status = cargo_deny(&["check", "--disable-fetch", "advisories"]).status()?;
    ensure!(
        status.success(),
        "a dependency has an advisory against it; the messages are above"
    );
    Ok(())
}

/// The bans of `deny.toml`, held even where cargo-deny cannot be had.
fn banned() -> Result<()> {
    let path = crate::root().join("deny.toml");
    let text = fs::read_to_string(&path).context("cannot read deny.toml")?;
    let bans = bans(&text);
    ensure!(
        !bans.is_empty(),
        "deny.toml bans nothing, which cannot be right"
    );
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "tree",
            "--workspace",
            "--all-features",
            "--target=all",
            "--edges=all",
        ])
        .args(["--prefix=none", "--format={p}", "--locked"])
        .current_dir(crate::root())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run `cargo tree`")?;
    ensure!(
        output.status.success(),
        "`cargo tree` ended with {}",
        output.status
    );
    let used = used_and_banned(&String::from_utf8_lossy(&output.stdout), &bans);
    if let Some(name) = used.first() {
        bail!(
            "`{name}` is banned by deny.toml; `cargo tree --target all -i {name}` shows who uses it"
        );
    }
    Ok(())
}

/// The names in `deny.toml`, one a line.
fn bans(text: &str) -> Vec<&str> {
    let entries = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("{ crate = \""));
    entries
        .filter_map(|rest| rest.split_once('"'))
        .map(|(name, _)| name)
        .collect()
}

/// The banned ones among the packages that `cargo tree` lists, one `NAME VERSION` a line.
fn used_and_banned<'a>(tree: &str, bans: &[&'a str]) -> Vec<&'a str> {
    let used: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    bans.iter()
        .copied()
        .filter(|ban| used.contains(ban))
        .collect()
}

/// cargo-deny, in the cache or on the `PATH`.
fn installed() -> Result<Option<PathBuf>> {
    let cached = folder()?.join("bin/cargo-deny");
    if cached.is_file() {
        return Ok(Some(cached));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    Ok(env::split_paths(&path)
        .map(|dir| dir.join("cargo-deny"))
        .find(|file| file.is_file()))
}

fn folder() -> Result<PathBuf> {
    Ok(binaries::cache_root()?.join(format!("cargo-deny-{VERSION}")))
}

fn install() -> Result<PathBuf> {
    let folder = folder()?;
    note(&format!("building cargo-deny {VERSION}"));
    let status = Command::new("cargo")
        .args([
            "install",
            "cargo-deny",
            "--locked",
            "--version",
            VERSION,
            "--root",
        ])
        .arg(&folder)
        .current_dir(env::temp_dir())
        .status()
        .context("cannot run `cargo install`")?;
    ensure!(
        status.success(),
        "cargo-deny {VERSION} cannot be built; the messages are above"
    );
    Ok(folder.join("bin/cargo-deny"))
}

/// Runs a command quietly, and ends it when it takes too long; `None` then.
fn within(limit: Duration, command: &mut Command) -> Result<Option<ExitStatus>> {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().context("cannot run cargo-deny")?;
    let start = Instant::now();
    while start.elapsed() < limit {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(Duration::from_millis(100));
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

#[allow(clippy::print_stderr, reason = "progress and gaps of a check")]
fn note(text: &str) {
    eprintln!("deny: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_banned_crate_is_found_in_the_tree() {
        let bans = bans(
            "deny = [\n    { crate = \"ring\", reason = \"x\" },\n    { crate = \"openssl\" },\n]",
        );
        assert_eq!(bans, ["ring", "openssl"]);
        let found = |tree| used_and_banned(tree, &bans);
        assert_eq!(found("serde v1.0.1\nring v0.17.14 (*)\n"), ["ring"]);
        assert_eq!(
            found("ring-buffer v1.0.0\nopenssl-probe v0.1.0\n"),
            Vec::<&str>::new()
        );
    }

    #[test]
    fn what_takes_too_long_is_ended() {
        let mut sleep = Command::new("sleep");
        assert_eq!(
            within(Duration::from_millis(200), sleep.arg("60")).unwrap(),
            None
        );
        let status = within(Duration::from_secs(60), &mut Command::new("true")).unwrap();
        assert!(status.unwrap().success());
    }
}
