//! Reading large inputs, each in a process of its own (`crates/input/examples/measure.rs`).

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::figures::Bar::AtMost;
use super::figures::Figures;

/// One line of what the example prints.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    case: String,
    seconds: f64,
    cpu_seconds: f64,
    megabytes: f64,
    max_seconds: f64,
    max_megabytes: f64,
}

pub(super) fn run() -> Result<Figures> {
    let output = Command::new(env!("CARGO"))
        .args([
            "run",
            "--quiet",
            "--release",
            "--package",
            "bailiwick-input",
        ])
        .args(["--example", "measure"])
        .current_dir(crate::root())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "the measurement ended with {}",
        output.status
    );
    let mut figures = Figures::default();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let case: Case =
            serde_json::from_str(line).with_context(|| format!("not understood: {line}"))?;
        let name = |what: &str| format!("{}: {what}", case.case);
        figures.add(&name("by the clock"), case.seconds, "s", None);
        // Of CPU time, which other work on the machine does not change.
        figures.add(
            &name("CPU time"),
            case.cpu_seconds,
            "s",
            Some(AtMost(case.max_seconds)),
        );
        figures.add(
            &name("peak memory"),
            case.megabytes,
            "MB",
            Some(AtMost(case.max_megabytes)),
        );
    }
    Ok(figures)
}
