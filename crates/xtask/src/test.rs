//! `cargo xtask test`: everything that must hold before a change goes in.

use std::env;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

/// Runs every check, cheapest first, and stops at the first that fails.
///
/// The tests themselves come last, so that their results end the output.
///
/// # Errors
/// When a check fails.
pub(crate) fn run() -> Result<()> {
    step("format", || {
        cargo(&["fmt", "--all", "--check"])?;
        gofmt()
    })?;
    step("tidy", crate::tidy::run)?;
    step("test environment", || crate::testenv::ready().map(drop))?;
    step("clippy", || {
        cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "--deny=warnings",
        ])
    })?;
    step("documentation", || {
        let mut doc = command(&["doc", "--workspace", "--no-deps", "--locked"]);
        end_well(doc.env("RUSTDOCFLAGS", "--deny=warnings"))
    })?;
    step("dependencies", || {
        crate::deny::run(&crate::deny::Arguments::default())
    })?;
    step("build of the tests", || {
        cargo(&["test", "--workspace", "--locked", "--no-run"])
    })?;
    cargo(&["test", "--workspace", "--locked", "--no-fail-fast"])
}

/// Runs a check and says how long it took.
#[allow(
    clippy::print_stderr,
    reason = "progress of a command that takes minutes"
)]
fn step(name: &str, check: impl FnOnce() -> Result<()>) -> Result<()> {
    let start = Instant::now();
    eprintln!("test: {name}");
    check().with_context(|| format!("the step `{name}` failed"))?;
    eprintln!(
        "test: {name}: ok after {:.1} s",
        start.elapsed().as_secs_f32()
    );
    Ok(())
}

fn cargo(arguments: &[&str]) -> Result<()> {
    end_well(&mut command(arguments))
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(crate::root());
    command
}

fn end_well(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

fn gofmt() -> Result<()> {
    let mut command = Command::new("gofmt");
    let output = command
        .args(["-l", "testenv"])
        .current_dir(crate::root())
        .output();
    let output = output.context("cannot run `gofmt`: install Go 1.26 or newer")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "gofmt ended with {}: {complaint}",
        output.status
    );
    let files = String::from_utf8_lossy(&output.stdout);
    if !files.is_empty() {
        bail!("not formatted; run `gofmt -w` on\n{files}");
    }
    Ok(())
}
