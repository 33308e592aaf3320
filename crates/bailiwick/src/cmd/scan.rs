use std::borrow::Cow;

use anyhow::{Result, bail};
use bailiwick_diag::{Finding, Severity};
use bailiwick_report::{COMMENT, Detail, Format, Report, Rule};

use crate::cli::Global;
use crate::cluster::{Need, Opened, cut_short};
use crate::console::Console;
use crate::exit::Exit;
use crate::formats::Formats;
use crate::gate::{GateArgs, Sorted};

const EXAMPLES: &str = "\
Examples:
  bailiwick scan -f examples/acme            manifests of a directory
  bailiwick scan                             the live cluster
  bailiwick scan -f dump.yaml -o sarif       for code scanning
  bailiwick scan --min-severity high         what matters most
  bailiwick scan --check wildcard-verbs      one check
  bailiwick scan --fail-on high --baseline known.json    only what is new counts
  bailiwick explain wildcard-verbs           what a check looks for";

/// Arguments of `bailiwick scan`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ScanArgs {
    /// Report only findings of this severity or above: info, low, medium, high or critical
    #[arg(long, value_name = "SEVERITY", default_value = "low")]
    min_severity: Severity,
    /// Report only this check. May be repeated
    #[arg(long = "check", value_name = "ID")]
    checks: Vec<String>,
    #[command(flatten)]
    gate: GateArgs,
    /// Form of the output; `wide` has every finding in full
    #[arg(short, long, value_name = "FORMAT", default_value_t, value_parser = Formats(Format::FINDINGS))]
    output: Format,
}

pub(crate) fn run(args: &ScanArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    let format = args.output;
    for id in &args.checks {
        if let Some(message) = crate::cmd::explain::unknown_check(id) {
            bail!("--check: {message}");
        }
    }
    let opened = Opened::open(global, Need::Everything, console)?;
    let mut findings = opened.findings.clone();
    // The check `aggregation-drift` says the same, and what would change.
    findings.retain(|finding| finding.id != "aggregation-differs");
    let graph = opened.graph();
    findings.extend(bailiwick_posture::scan(&opened.engine, &opened.api, &graph));
    let mut sorted = args.gate.sort(findings, &opened, console)?;
    for list in [&mut sorted.open, &mut sorted.excepted, &mut sorted.known] {
        list.retain(|finding| asked(finding, args, global, &opened));
        Finding::rank(list);
        opened.locate(list);
    }
    let Sorted {
        open,
        excepted,
        known,
    } = &sorted;
    let (findings, quieter): (Vec<Finding>, Vec<Finding>) = open
        .iter()
        .cloned()
        .partition(|finding| finding.severity >= args.min_severity);
    let quieter = quieter.len();
    let mut gaps = opened.snapshot().gaps.clone();
    gaps.extend(cut_short(&graph));
    let rules = rules();
    let report = Report {
        findings: &findings,
        excepted,
        known,
        rules: &rules,
        gaps: &gaps,
        version: env!("CARGO_PKG_VERSION"),
    };
    print(&report, format, console)?;
    if quieter > 0 && matches!(format, Format::Table | Format::Wide) {
        console.note(format_args!(
            "{} below severity {} and not shown; --min-severity info shows all",
            counted(quieter),
            args.min_severity
        ));
    }
    if !known.is_empty() && matches!(format, Format::Table | Format::Wide) {
        console.note(format_args!(
            "{} in the baseline and not shown",
            counted(known.len())
        ));
    }
    let partial = !gaps.is_empty();
    let fails = args.gate.fails(open, findings.len());
    Ok(Exit::answer(!fails, partial))
}

fn counted(findings: usize) -> String {
    match findings {
        1 => "1 finding is".to_owned(),
        many => format!("{many} findings are"),
    }
}

fn asked(finding: &Finding, args: &ScanArgs, global: &Global, opened: &Opened) -> bool {
    let of_check = args.checks.is_empty() || args.checks.iter().any(|id| *id == finding.id);
    let here = match &global.namespace {
        Some(_) => {
            let namespace = opened.namespace(global);
            finding
                .places
                .iter()
                .filter_map(|place| place.object.as_ref())
                .any(|object| object.namespace.is_empty() || *object.namespace == *namespace)
        }
        None => true,
    };
    of_check && here
}

/// What is known of every id that a finding can have.
fn rules() -> Vec<Rule<'static>> {
    bailiwick_posture::CHECKS
        .iter()
        .map(|check| Rule {
            id: check.id,
            title: check.title,
            severity: check.severity,
            page: Cow::Owned(check.page()),
        })
        .collect()
}

fn print(report: &Report<'_>, format: Format, console: &mut Console) -> Result<()> {
    let text = match format {
        Format::Json => bailiwick_report::json_findings(report)?,
        Format::Yaml => bailiwick_report::yaml_findings(report)?,
        Format::Sarif => bailiwick_report::sarif_findings(report)?,
        Format::Junit => bailiwick_report::junit_findings(report, "scan"),
        Format::Markdown => bailiwick_report::markdown_findings(report, COMMENT),
        format => {
            let detail = if format == Format::Wide {
                Detail::Full
            } else {
                Detail::Grouped
            };
            bailiwick_report::text_findings(report, &console.look(), detail)
        }
    };
    console.answer(text)
}
