//! What makes `scan` end with 1: `--fail-on`, `--baseline` and exceptions.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail};
use bailiwick_core::Timestamp;
use bailiwick_diag::{
    Baseline, BaselineState, Covers, Exception, Finding, Known, Place, Severity, except,
};
use bailiwick_input::EXCEPT;
use serde::Deserialize;

use crate::cluster::Opened;
use crate::cmd::explain::unknown_check;
use crate::console::Console;

/// Options that say which findings count.
#[derive(clap::Args, Debug)]
pub(crate) struct GateArgs {
    /// End with 1 only for findings of this severity or above, whatever is shown
    #[arg(long, value_name = "SEVERITY", help_heading = GATES)]
    fail_on: Option<Severity>,
    /// Show and count only what is not in this baseline, or was less severe there
    #[arg(long, value_name = "FILE", help_heading = GATES)]
    baseline: Option<PathBuf>,
    /// Write what is found to this file, as a baseline for later runs; nothing found counts then
    #[arg(long, value_name = "FILE", help_heading = GATES)]
    write_baseline: Option<PathBuf>,
    /// YAML file of findings that somebody answers for, with owner, reason and day of expiry. May be repeated
    #[arg(long, value_name = "FILE", help_heading = GATES)]
    exceptions: Vec<PathBuf>,
}

const GATES: &str = "Gates";

/// Findings by what becomes of them.
#[derive(Default)]
pub(crate) struct Sorted {
    /// To show and to count.
    pub(crate) open: Vec<Finding>,
    /// To show as excepted.
    pub(crate) excepted: Vec<Finding>,
    /// In the baseline, as they were.
    pub(crate) known: Vec<Finding>,
}

impl GateArgs {
    /// Sorts the findings of a whole scan, and writes the baseline where one is asked for.
    pub(crate) fn sort(
        &self,
        mut findings: Vec<Finding>,
        opened: &Opened,
        console: &mut Console,
    ) -> Result<Sorted> {
        let anchor = |place: &Place| bailiwick_posture::anchor(opened.snapshot(), place);
        Finding::identify(&mut findings, anchor);
        let (mut exceptions, unusable) = annotated(opened);
        for path in &self.exceptions {
            let bytes = console.read(path)?;
            exceptions.extend(bailiwick_input::exceptions(
                &path.display().to_string(),
                bytes,
            )?);
        }
        let mut complaints = except(&mut findings, &exceptions, now());
        name_unknown_checks(&mut complaints, &exceptions);
        findings.extend(complaints);
        findings.extend(unusable);
        Finding::identify(&mut findings, anchor);
        if let Some(path) = &self.write_baseline {
            write(path, &Baseline::of(&findings))?;
        }
        if let Some(path) = &self.baseline {
            let gone = read(path, console)?.compare(&mut findings);
            if gone > 0 {
                console.note(format_args!(
                    "{gone} findings of the baseline are gone; --write-baseline takes them out of it"
                ));
            }
        }
        let mut sorted = Sorted::default();
        for finding in findings {
            let list = if finding.exception.is_some() {
                &mut sorted.excepted
            } else if finding.baseline == Some(BaselineState::Unchanged) {
                &mut sorted.known
            } else {
                &mut sorted.open
            };
            list.push(finding);
        }
        Ok(sorted)
    }

    /// Whether one of the findings that count, whatever of them is `shown`, is severe enough.
    pub(crate) fn fails(&self, open: &[Finding], shown: usize) -> bool {
        match self.fail_on {
            _ if self.write_baseline.is_some() => false,
            Some(least) => open.iter().any(|finding| finding.severity >= least),
            None => shown > 0,
        }
    }
}

/// The exceptions that objects carry as annotations, and findings about those that are not usable.
fn annotated(opened: &Opened) -> (Vec<Exception>, Vec<Finding>) {
    let (mut exceptions, mut unusable) = (Vec::new(), Vec::new());
    for (object, key, value) in opened.snapshot().annotations() {
        let Some(check) = key.strip_prefix(EXCEPT) else {
            continue;
        };
        let pointer = format!("/metadata/annotations/{}", key.replace('/', "~1"));
        let place = Place::field(object.clone(), pointer);
        match bailiwick_input::annotation(value) {
            Ok(answer) => exceptions.push(Exception {
                covers: Covers::Object {
                    check: check.to_owned(),
                    object,
                },
                answer,
                place,
            }),
            Err(problem) => {
                let message =
                    format!("the exception of `{check}` at {object} covers nothing: {problem}");
                let finding = Finding::new("exception-unusable", Severity::Medium, message);
                let help = "write `{owner: TEAM, reason: WHY, expires: 2027-01-31}`";
                unusable.push(finding.at(place).help(help));
            }
        }
    }
    (exceptions, unusable)
}

/// An exception of a check that there is none of covers nothing, ever: what is wrong is its name.
fn name_unknown_checks(complaints: &mut [Finding], exceptions: &[Exception]) {
    for exception in exceptions {
        let Covers::Object { check, .. } = &exception.covers else {
            continue;
        };
        let Some(unknown) = unknown_check(check) else {
            continue;
        };
        let of_it = |finding: &&mut Finding| finding.places.first() == Some(&exception.place);
        if let Some(complaint) = complaints.iter_mut().find(of_it) {
            complaint.help = Some(unknown);
        }
    }
}

/// The only clock of the gates.
fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_seconds(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// A baseline as it is kept.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kept {
    api_version: String,
    kind: String,
    items: Vec<Known>,
}

fn read(path: &Path, console: &mut Console) -> Result<Baseline> {
    let bytes = console.read(path)?;
    let shown = path.display();
    let help = "write it with --write-baseline";
    let kept: Kept = serde_json::from_slice(&bytes)
        .with_context(|| format!("`{shown}` is no baseline; {help}"))?;
    if (&*kept.api_version, &*kept.kind) != (bailiwick_report::API_VERSION, "Baseline") {
        bail!(
            "`{shown}` is a {} of {}, not a baseline; {help}",
            kept.kind,
            kept.api_version
        );
    }
    Ok(Baseline { items: kept.items })
}

/// Replaces the file whole, so that one that cannot be written leaves the old one.
fn write(path: &Path, baseline: &Baseline) -> Result<()> {
    let text = bailiwick_report::json("Baseline", baseline)?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))
        .with_context(|| format!("`{}` cannot be written", path.display()))?;
    file.write_all(text.as_bytes())?;
    file.persist(path)
        .with_context(|| format!("`{}` cannot be written", path.display()))?;
    Ok(())
}
