use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Result, bail};
use bailiwick_audit::{DecisionId, Event};
use bailiwick_core::{PolicyEvidence, Reason};
use serde::Serialize;

use super::OutputArgs;
use super::diff::word;
use crate::console::Console;
use crate::exit::Exit;
use crate::policies::Policies;
use crate::record;

/// Arguments of `bailiwick policy why`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Exit codes: 0 explained, 2 no such decision in the log")]
pub(super) struct WhyArgs {
    /// Directory of the log
    log: PathBuf,
    /// Id of the decision, as an answer or a 403 names it
    id: DecisionId,
    /// Files and directories of the policies, to show what they say today
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// One decision, explained.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Explained {
    id: String,
    at: String,
    subject: String,
    what: String,
    effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    answered: Option<&'static str>,
    because: String,
    evidence: Vec<String>,
    clauses: Vec<Clause>,
    problems: Vec<String>,
    revision: String,
}

/// What a policy says in the files that were given.
#[derive(Serialize)]
struct Clause {
    policy: String,
    text: Option<String>,
}

pub(super) fn run(args: &WhyArgs, console: &mut Console) -> Result<Exit> {
    let found = bailiwick_store::find(&args.log, &args.id.to_string())?;
    let Some(found) = found else {
        bail!(
            "the log in `{}` has no decision {}; it may be in another replica's log",
            args.log.display(),
            args.id
        );
    };
    let Event::Decision(decision) = &found.event else {
        bail!("record {} is no decision", found.number);
    };
    let policies = match args.paths.is_empty() {
        true => None,
        false => Some(Policies::read(&args.paths)?),
    };
    let mut evidence = Vec::new();
    tell(&decision.reason, &mut evidence);
    let clauses = policies.map_or_else(Vec::new, |policies| {
        let used = involved(&decision.reason);
        let clause = |policy: &&PolicyEvidence| Clause {
            policy: policy.id.to_string(),
            text: policies.clause(policy),
        };
        used.iter().map(clause).collect()
    });
    let explained = Explained {
        id: decision.id.to_string(),
        at: found.at.to_string(),
        subject: decision.subject.name.clone(),
        what: record::asked(&decision.input),
        effect: word(decision.effect),
        answered: decision.answered.map(word),
        because: decision.reason.to_string(),
        evidence,
        clauses,
        problems: decision.problems.clone(),
        revision: decision.revision.clone(),
    };
    args.output
        .print("PolicyExplanation", &explained, text, console)?;
    Ok(Exit::Yes)
}

/// The evidence, a line each.
fn tell(reason: &Reason, lines: &mut Vec<String>) {
    match reason {
        Reason::Relation { path } => lines.extend(path.iter().cloned()),
        Reason::Policies { policies } => {
            lines.extend(policies.iter().map(|policy| match &policy.error {
                Some(error) => format!("{policy}; it could not be evaluated: {error}"),
                None => policy.to_string(),
            }));
        }
        Reason::Conditions(conditions) => {
            let lists = [
                ("denied if", &conditions.deny),
                ("no opinion if", &conditions.no_opinion),
                ("allowed if", &conditions.allow),
            ];
            for (word, list) in lists {
                for condition in list {
                    let residual = match condition.residual.as_str() {
                        "" => "nothing above holds",
                        residual => residual,
                    };
                    lines.push(format!("{word} {residual} ({})", condition.reason));
                }
            }
        }
        _ => {}
    }
}

/// The policies that had a part in it.
fn involved(reason: &Reason) -> Vec<&PolicyEvidence> {
    match reason {
        Reason::Policies { policies } => policies.iter().collect(),
        Reason::Conditions(conditions) => {
            let lists = [&conditions.deny, &conditions.no_opinion, &conditions.allow];
            let all = lists.into_iter().flatten();
            all.flat_map(|condition| involved(&condition.reason))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn text(explained: &Explained) -> String {
    let mut out = String::new();
    let mut line = |text: &str| {
        let _ = writeln!(out, "{}", bailiwick_report::inert(text));
    };
    let Explained {
        at,
        subject,
        what,
        effect,
        because,
        ..
    } = explained;
    line(&format!("{at} {subject}: {what}"));
    line(&format!("{effect}: {because}"));
    for evidence in explained.evidence.iter().filter(|line| *line != because) {
        line(&format!("  {evidence}"));
    }
    if let Some(answered) = explained.answered {
        line(&format!(
            "  answered: {answered}, for the door's mode changes no answer"
        ));
    }
    for clause in &explained.clauses {
        match &clause.text {
            Some(text) => line(&format!(
                "  `{}` says today: {}",
                clause.policy,
                one_line(text)
            )),
            None => line(&format!(
                "  `{}` is not in the files, or has changed",
                clause.policy
            )),
        }
    }
    for problem in &explained.problems {
        line(&format!("  note: {problem}"));
    }
    line(&format!("  revision {}", explained.revision));
    out
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
