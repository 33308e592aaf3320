use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use bailiwick_core::{Decision, Effect, Reason, Request, Timestamp, UserInfo};
use bailiwick_pdp::{Asked, Difference, Document, differences};
use serde::Serialize;

use super::proof::{Proven, SolverArgs, lines, prove};
use super::{OutputArgs, test};
use crate::cli::Global;
use crate::console::Console;
use crate::exit::Exit;
use crate::policies;

const ABOUT: &str = "\
The search asks both sets questions made of the words that occur in the policies of either, and of unheard-of ones.
It finds differences; that it finds none proves nothing. A solver proves, for every type of request, that nothing is
allowed that was not, and that nothing is refused that was not, or says for which types it cannot.
Differences of RBAC are found exactly by `bailiwick diff`.

Exit codes: 0 proven to be the same, 1 a difference was found, 3 none was found, which proves nothing";

/// Arguments of `bailiwick policy diff`.
#[derive(clap::Args, Debug)]
#[command(after_help = ABOUT)]
pub(super) struct DiffArgs {
    /// File or directory of the policies as they were
    old: PathBuf,
    /// File or directory of the policies as they will be
    new: PathBuf,
    /// Questions asked at most
    #[arg(long, value_name = "NUMBER", default_value_t = 100_000)]
    questions: usize,
    /// Differences shown at most
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    most: usize,
    #[command(flatten)]
    solver: SolverArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What a comparison found.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Compared {
    same: bool,
    proven: bool,
    questions: usize,
    possible: usize,
    differ: usize,
    counterexamples: Vec<Shown>,
    not_searched: Vec<&'static str>,
    /// What a solver proved; absent where there is none, or nothing to prove.
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<Proven>,
}

/// One question that is answered differently.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<UserInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Request>,
    what: String,
    old: Decision,
    new: Decision,
}

pub(super) fn run(args: &DiffArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    let (old_documents, old) = policies::load(std::slice::from_ref(&args.old))?;
    let (new_documents, new) = policies::load(std::slice::from_ref(&args.new))?;
    let mut compared = Compared {
        same: same(&old_documents, &new_documents),
        proven: true,
        questions: 0,
        possible: 0,
        differ: 0,
        counterexamples: Vec::new(),
        not_searched: unsearched(&old_documents, &new_documents),
        proof: None,
    };
    let mut partial = false;
    if !compared.same {
        compared.proof = prove(&old, &new, &args.solver, console)?;
        let mut words = old.policies.words();
        words.extend(new.policies.words());
        let (engine, unread) = test::manifests(global, console)?;
        partial = unread;
        let engine = Arc::new(engine);
        let old = policies::state(Arc::clone(&engine), old);
        let new = policies::state(engine, new);
        let now = Timestamp::default();
        let mut found = differences(&old, &new, &words, now, args.questions, args.most);
        if found.differ == 0 {
            let examples = compared.proof.iter().flat_map(|proof| &proof.examples);
            for question in examples {
                found.ask(&old, &new, question.clone(), now, args.most);
            }
        }
        let whole = compared.proof.as_ref().is_some_and(Proven::is_whole);
        compared.proven = found.differ > 0 || whole && compared.not_searched.is_empty();
        compared.questions = found.asked;
        compared.possible = found.possible;
        compared.differ = found.differ;
        compared.counterexamples = found.found.into_iter().map(shown).collect();
    }
    let sought = args.solver.is_wanted();
    args.output.print(
        "PolicyComparison",
        &compared,
        |compared| text(compared, sought),
        console,
    )?;
    Ok(Exit::answer(
        compared.differ == 0,
        !compared.proven || partial,
    ))
}

fn same(old: &[Document], new: &[Document]) -> bool {
    let has = |all: &[Document], one: &Document| all.contains(one);
    old.len() == new.len() && old.iter().all(|one| has(new, one))
}

/// Whether a document is of a kind.
type Is = fn(&Document) -> bool;

/// Kinds of documents that differ and of which the questions say little.
fn unsearched(old: &[Document], new: &[Document]) -> Vec<&'static str> {
    let differs = |is: Is| {
        let of =
            |all: &[Document]| -> Vec<Document> { all.iter().filter(|d| is(d)).cloned().collect() };
        !same(&of(old), &of(new))
    };
    let kinds: [(&'static str, Is); 3] = [
        ("relations", |document| {
            matches!(document, Document::Relations { .. } | Document::Schema(..))
        }),
        ("delegations", |document| {
            matches!(document, Document::Delegation(_))
        }),
        ("revocations", |document| {
            matches!(document, Document::Revocation(_))
        }),
    ];
    kinds
        .into_iter()
        .filter(|(_, is)| differs(*is))
        .map(|(name, _)| name)
        .collect()
}

fn shown(difference: Difference) -> Shown {
    let Difference { question, old, new } = difference;
    let (user, request, what) = match question {
        Asked::Kubernetes { user, request } => {
            let groups = match user.groups.as_slice() {
                [] => String::new(),
                groups => format!(" in {}", groups.join(", ")),
            };
            let what = format!("{}{groups}: {request}", user.name);
            (Some(user), Some(request), what)
        }
        Asked::Application(asked) => {
            let (subject, resource) = (&asked.subject, &asked.resource);
            let what = format!(
                "{}: {}/{} {} {}/{}",
                asked.application,
                subject.kind,
                subject.id,
                asked.action,
                resource.kind,
                resource.id
            );
            (None, None, what)
        }
    };
    Shown {
        user,
        request,
        what,
        old,
        new,
    }
}

/// An effect in a word or two.
pub(super) fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "allowed",
        Effect::Deny => "denied",
        Effect::NoOpinion => "no opinion",
        Effect::Conditional => "depends on the object",
    }
}

/// An answer and what it rests on.
fn answered(decision: &Decision) -> String {
    match &decision.reason {
        // The reason of one that depends on the object says no more than that.
        Reason::Conditions(_) => word(decision.effect).to_owned(),
        reason => format!("{}: {reason}", word(decision.effect)),
    }
}

/// `sought`: whether a solver was looked for.
fn text(compared: &Compared, sought: bool) -> String {
    let mut out = String::new();
    let mut line = |text: &str| {
        let _ = writeln!(out, "{}", bailiwick_report::inert(text));
    };
    for found in &compared.counterexamples {
        line(&found.what);
        line(&format!("  old: {}", answered(&found.old)));
        line(&format!("  new: {}", answered(&found.new)));
    }
    for kind in &compared.not_searched {
        line(&format!(
            "{kind} differ; few questions or none are about them"
        ));
    }
    let Compared {
        questions,
        possible,
        differ,
        ..
    } = compared;
    line(&match (compared.same, differ) {
        (true, _) => "the same documents".to_owned(),
        (false, 0) if compared.proven => {
            format!("no difference in {questions} of {possible} questions")
        }
        (false, 0) => format!(
            "no difference in {questions} of {possible} questions; not proven that there is none"
        ),
        (false, differ) => format!("{differ} of {questions} questions are answered differently"),
    });
    match &compared.proof {
        Some(proof) => lines(proof, &mut out),
        None if compared.same || !sought => {}
        None => out.push_str("nothing was proven: no solver (cvc5) was found\n"),
    }
    out
}
