use std::fmt::Write as _;

use anyhow::{Result, bail};
use bailiwick_pdp::{API_VERSION, Document};
use serde::Serialize;

use super::{FilesArgs, OutputArgs};
use crate::console::Console;
use crate::exit::Exit;
use crate::policies::Policies;

/// Arguments of `bailiwick policy check`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Exit codes: 0 right, 1 something is wrong (with --strict also something odd), 2 nothing to read"
)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    files: FilesArgs,
    /// Take what is odd for wrong, and documents that say nothing here
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// What a check found.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Checked {
    right: bool,
    documents: usize,
    policies: usize,
    relations: usize,
    revocations: usize,
    wrong: Vec<Remark>,
    odd: Vec<Remark>,
}

/// Something wrong or odd.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Remark {
    place: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    message: String,
}

pub(super) fn run(args: &CheckArgs, console: &mut Console) -> Result<Exit> {
    let policies = Policies::read(&args.files.paths)?;
    for strange in &policies.strange {
        console.warn(strange);
    }
    if policies.is_empty() {
        bail!(
            "there is no document of `{API_VERSION}` in {}",
            args.files.named()
        );
    }
    let mut checked = Checked {
        documents: policies.documents.len(),
        ..Checked::default()
    };
    match policies.bundle() {
        Ok(bundle) => {
            checked.policies = bundle.policies.len();
            checked.relations = bundle.relations.len();
            checked.revocations = bundle.revocations.len();
            let lints = bundle.policies.lints();
            checked.odd = lints
                .iter()
                .map(|lint| Remark {
                    place: policies.place(lint),
                    policy: Some(lint.id.to_string()),
                    kind: Some(lint.what.name()),
                    message: lint.what.to_string(),
                })
                .collect();
            checked.odd.extend(revocations(&policies));
        }
        Err(wrong) => {
            let wrong = wrong.into_iter().map(|wrong| Remark {
                place: wrong.place,
                policy: None,
                kind: None,
                message: wrong.message,
            });
            checked.wrong = wrong.collect();
        }
    }
    let nothing_odd = checked.odd.is_empty() && policies.strange.is_empty();
    checked.right = checked.wrong.is_empty() && (!args.strict || nothing_odd);
    args.output.print("PolicyCheck", &checked, text, console)?;
    Ok(Exit::answer(checked.right, false))
}

/// Revocations that nobody is likely to meet.
fn revocations(policies: &Policies) -> impl Iterator<Item = Remark> {
    policies.documents.iter().filter_map(|document| {
        let Document::Revocation(revocation) = document else {
            return None;
        };
        Some(Remark {
            place: policies.place_of(document),
            policy: None,
            kind: Some("unknownCredential"),
            message: format!("{}: {}", document.title(), revocation.target.oddity()?),
        })
    })
}

fn text(checked: &Checked) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        let _ = writeln!(out, "{}", bailiwick_report::inert(&text));
    };
    for wrong in &checked.wrong {
        line(format!("{}: {}", wrong.place, wrong.message));
    }
    for odd in &checked.odd {
        let policy = odd.policy.as_deref();
        let policy = policy.map_or_else(String::new, |policy| format!("policy `{policy}` "));
        line(format!("{}: odd: {policy}{}", odd.place, odd.message));
    }
    if checked.wrong.is_empty() {
        line(format!(
            "all right: documents {}, policies {}, relations {}, revocations {}",
            checked.documents, checked.policies, checked.relations, checked.revocations,
        ));
    }
    out
}
