use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bailiwick_audit::{DecisionId, DecisionRecord, Digest, Event, IssueRecord, Line};
use bailiwick_report::Format;
use bailiwick_store::Segment;
use serde::Serialize;

use crate::console::Console;
use crate::exit::Exit;
use crate::formats::Formats;
use crate::record;

const EXAMPLES: &str = "\
Examples:
  bailiwick audit verify /var/lib/bailiwick/log                 is every record there, and as it was written
  bailiwick audit verify /var/lib/bailiwick/log --head HASH     and does the log hold what was noted elsewhere
  bailiwick audit tail /var/lib/bailiwick/log --follow          decisions as they are made
  bailiwick audit show /var/lib/bailiwick/log 00c5f2a19d03e8b7-1f   the decision that a user was told of
  bailiwick audit show /var/lib/bailiwick/log 5F:0C:...         who got the certificate with this serial, and by which rule

No program has to run; the log may be written while it is read.";

/// Arguments of `bailiwick audit`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(clap::Subcommand, Debug)]
enum AuditCommand {
    /// Check the chain of hashes: nothing changed, missing, moved or cut off
    Verify(VerifyArgs),
    /// Print the last records
    Tail(TailArgs),
    /// Print one decision, or the issue of one certificate or token, in full
    Show(ShowArgs),
}

/// Arguments of `bailiwick audit verify`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Exit codes: 0 intact, 1 broken, 2 no log or not readable")]
struct VerifyArgs {
    /// Directory of the log
    directory: PathBuf,
    /// Hash of a record that was noted outside of the log, which the log has to hold
    #[arg(long, value_name = "HASH")]
    head: Option<Digest>,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value_t, value_parser = Formats(Format::DECISIONS))]
    output: Format,
}

/// Arguments of `bailiwick audit tail`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Exit codes: 0 all are records, 1 a line is none (with --follow: of those before), 2 no log or not readable"
)]
struct TailArgs {
    /// Directory of the log
    directory: PathBuf,
    /// How many records
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    lines: usize,
    /// Go on with what is written from now on, until interrupted
    #[arg(long)]
    follow: bool,
    /// Print each record as one line of JSON, without its hash
    #[arg(long)]
    json: bool,
}

/// Arguments of `bailiwick audit show`.
#[derive(clap::Args, Debug)]
struct ShowArgs {
    /// Directory of the log
    directory: PathBuf,
    /// Id of the decision, as an answer or a 403 names it; or serial of the certificate or `jti` of the token
    #[arg(value_parser = name)]
    id: String,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value_t = Format::Yaml,
        value_parser = Formats(&[Format::Yaml, Format::Json]))]
    output: Format,
}

/// The name of a record, as the log spells it.
fn name(text: &str) -> Result<String, String> {
    // Tools print serials in capitals, with colons.
    let number = text.replace(':', "").to_ascii_lowercase();
    if number.len() == 32 && number.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(number);
    }
    let id: DecisionId = text
        .parse()
        .map_err(|error| format!("{error}; a serial or `jti` has 32 hexadecimal digits"))?;
    Ok(id.to_string())
}

pub(crate) fn run(args: &AuditArgs, console: &mut Console) -> Result<Exit> {
    match &args.command {
        AuditCommand::Verify(args) => verify(args, console),
        AuditCommand::Tail(args) => tail(args, console),
        AuditCommand::Show(args) => show(args, console),
    }
}

/// What `verify` found, for machines.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verification {
    intact: bool,
    segments: u64,
    records: u64,
    decisions: u64,
    issues: u64,
    denials: u64,
    gaps: u64,
    first: u64,
    last: u64,
    head: Digest,
    faults: Vec<Place>,
    notes: Vec<Place>,
    more: u64,
}

#[derive(Serialize)]
struct Place {
    segment: String,
    line: u64,
    offset: u64,
    message: String,
}

impl<T: std::fmt::Display> From<&bailiwick_audit::Problem<T>> for Place {
    fn from(problem: &bailiwick_audit::Problem<T>) -> Self {
        Self {
            segment: problem.segment.clone(),
            line: problem.line,
            offset: problem.offset,
            message: problem.what.to_string(),
        }
    }
}

fn verify(args: &VerifyArgs, console: &mut Console) -> Result<Exit> {
    let report = bailiwick_store::verify(&args.directory, args.head)?;
    let body = Verification {
        intact: report.is_intact(),
        segments: report.segments,
        records: report.records,
        decisions: report.decisions,
        issues: report.issues,
        denials: report.denials,
        gaps: report.gaps,
        first: report.first,
        last: report.last,
        head: report.head,
        faults: report.faults.iter().map(Place::from).collect(),
        notes: report.notes.iter().map(Place::from).collect(),
        more: report.more,
    };
    match args.output {
        Format::Json => console.answer(bailiwick_report::json("LogVerification", &body)?)?,
        Format::Yaml => console.answer(bailiwick_report::yaml("LogVerification", &body)?)?,
        _ => console.answer(text(&body))?,
    }
    Ok(Exit::answer(body.intact, false))
}

fn text(found: &Verification) -> String {
    let mut out = String::new();
    let mut list = |word: &str, places: &[Place]| {
        for place in places {
            let Place {
                segment,
                line,
                message,
                ..
            } = place;
            let line = format!("{word}: {segment}:{line}: {message}");
            out += &format!("{}\n", bailiwick_report::inert(&line));
        }
    };
    list("fault", &found.faults);
    list("note", &found.notes);
    if found.more > 0 {
        out += &format!("and {} more\n", found.more);
    }
    let verdict = if found.intact { "intact" } else { "BROKEN" };
    out + &format!(
        "{verdict}: {} records ({} to {}) in {} segments, {} decisions, {} issues, {} denials, {} gaps\nhead {}\n",
        found.records,
        found.first,
        found.last,
        found.segments,
        found.decisions,
        found.issues,
        found.denials,
        found.gaps,
        found.head
    )
}

fn show(args: &ShowArgs, console: &mut Console) -> Result<Exit> {
    let Some(record) = bailiwick_store::find(&args.directory, &args.id)? else {
        bail!(
            "the log in `{}` has no decision and no document {}; it may be in another replica's log, or in a gap that \
             `bailiwick audit verify` tells of",
            args.directory.display(),
            args.id
        );
    };
    let (number, at) = (record.number, record.at.to_string());
    match &record.event {
        Event::Decision(decision) => {
            let body = Shown {
                number,
                at,
                decision,
            };
            answer("DecisionRecord", &body, args.output, console)
        }
        Event::Issue(issue) => {
            let body = ShownIssue { number, at, issue };
            answer("IssueRecord", &body, args.output, console)
        }
        _ => bail!("record {number} is neither a decision nor an issue"),
    }
}

fn answer(
    kind: &str,
    body: &impl Serialize,
    output: Format,
    console: &mut Console,
) -> Result<Exit> {
    console.answer(match output {
        Format::Json => bailiwick_report::json(kind, body)?,
        _ => bailiwick_report::yaml(kind, body)?,
    })?;
    Ok(Exit::Yes)
}

#[derive(Serialize)]
struct Shown<'a> {
    number: u64,
    at: String,
    decision: &'a DecisionRecord,
}

#[derive(Serialize)]
struct ShownIssue<'a> {
    number: u64,
    at: String,
    issue: &'a IssueRecord,
}

/// How often a followed log is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

fn tail(args: &TailArgs, console: &mut Console) -> Result<Exit> {
    let segments = bailiwick_store::segments(&args.directory)?;
    let mut last: VecDeque<String> = VecDeque::new();
    // From the end, as many segments as it takes.
    for segment in segments.iter().rev() {
        let text = whole_lines(segment, 0)?;
        for line in text.lines().rev().take(args.lines - last.len()) {
            last.push_front(line.to_owned());
        }
        if last.len() >= args.lines {
            break;
        }
    }
    let mut records = true;
    for line in &last {
        let (text, is_record) = told(line, args.json);
        records &= is_record;
        console.answer(text)?;
    }
    if args.follow {
        follow(args, segments, console)?;
    }
    Ok(Exit::answer(records, false))
}

/// Prints what is written, until the reader of the output goes away or the program is interrupted.
fn follow(args: &TailArgs, segments: Vec<Segment>, console: &mut Console) -> Result<()> {
    let mut current = segments
        .into_iter()
        .next_back()
        .context("the log is gone")?;
    let mut read = whole_lines(&current, 0)?.len();
    loop {
        std::thread::sleep(LOOK_AGAIN);
        let next = bailiwick_store::segments(&args.directory)?
            .into_iter()
            .find(|segment| segment.position > current.position);
        let text = whole_lines(&current, read)?;
        read += text.len();
        for line in text.lines() {
            console.answer(told(line, args.json).0)?;
        }
        // The rest of a segment has been read after its successor was seen.
        if let Some(next) = next {
            (current, read) = (next, 0);
        }
    }
}

/// Lines of a segment that have an end, from a byte on.
fn whole_lines(segment: &Segment, from: usize) -> Result<String> {
    let bytes = segment.read()?;
    let end = bytes
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |at| at + 1);
    let lines = bytes.get(from..end).unwrap_or_default();
    Ok(String::from_utf8_lossy(lines).into_owned())
}

/// One line of the log, for people or machines, and whether it is a record.
fn told(line: &str, json: bool) -> (String, bool) {
    let Ok(line) = Line::parse(line.as_bytes()) else {
        let text = "a line that is no record; `bailiwick audit verify` says more\n";
        return (text.to_owned(), false);
    };
    let raw = String::from_utf8_lossy(line.json);
    if json {
        return (format!("{raw}\n"), true);
    }
    let text = match line.record() {
        Some(record) => format!("{} {}", record.at, record::sentence(&record.event)),
        None => raw.into_owned(),
    };
    (format!("{}\n", bailiwick_report::inert(&text)), true)
}
