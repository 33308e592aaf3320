//! What a solver proves about two sets of policies.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use bailiwick_core::{NonResourceRequest, ResourceRequest, UserInfo, names};
use bailiwick_pdp::{Asked, Bundle, Statement, request_schemas};
use bailiwick_prove::{Example, Open, ProveError, Solver, Why, compare};
use serde::Serialize;

use crate::console::Console;
use crate::progress;

/// Which solver, and for how long.
#[derive(clap::Args, Debug)]
pub(super) struct SolverArgs {
    /// Solver that proves what the search cannot: a program that takes the arguments of cvc5, or `none` [default: cvc5, where
    /// there is one]
    #[arg(long, value_name = "PROGRAM", env = "CVC5")]
    solver: Option<PathBuf>,
    /// Seconds that the solver may think about one question
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    solver_seconds: u64,
}

/// What was proven, and what was not.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Proven {
    /// Types of requests in the tiers that differ.
    request_types: usize,
    nothing_more: Claim,
    nothing_less: Claim,
    /// Why the proof is not about all answers.
    but: Vec<&'static str>,
    /// What the solver says is answered differently, for the sets themselves to tell.
    #[serde(skip)]
    pub(super) examples: Vec<Asked>,
}

/// That nothing is answered in a way in which it was not.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Claim {
    proven: bool,
    /// Types of requests for which it is not.
    open: Vec<Unproven>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Unproven {
    #[serde(skip_serializing_if = "String::is_empty")]
    namespace: String,
    request: String,
    why: &'static str,
}

impl SolverArgs {
    /// Whether a solver is to be used where there is one.
    pub(super) fn is_wanted(&self) -> bool {
        self.solver.as_deref() != Some(Path::new("none"))
    }
}

impl Proven {
    /// Whether both sets answer all requests alike.
    pub(super) fn is_whole(&self) -> bool {
        self.but.is_empty() && self.nothing_more.proven && self.nothing_less.proven
    }
}

const BUT_OBJECT: &str =
    "a policy that differs reads the object of a write: compared are the answers once it is known";
const BUT_NAMED: &str = "a policy that differs reads attributes of an entity that it names: of it nothing is known \
     unless the request is about it, and the proof takes it for known";

/// What the solver proves; `None` where there is no solver and none was asked for.
pub(super) fn prove(
    old: &Bundle,
    new: &Bundle,
    args: &SolverArgs,
    console: &Console,
) -> Result<Option<Proven>> {
    if !args.is_wanted() {
        return Ok(None);
    }
    let solver = Solver {
        program: args.solver.clone().unwrap_or_else(|| "cvc5".into()),
        patience: Duration::from_secs(args.solver_seconds),
    };
    let schemas = request_schemas().map_err(|message| anyhow!(message))?;
    let (old, new) = (old.policies.statements()?, new.policies.statements()?);
    let differing = differing(&old, &new);
    let but = [
        (BUT_OBJECT, differing.iter().any(|one| one.reads_object)),
        (BUT_NAMED, differing.iter().any(|one| one.reads_named)),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut line = progress::Line::new(console);
    let compared = runtime.block_on(compare(&schemas, &old, &new, &solver, |done, all| {
        line.show(|| format!("proving: {done} of {all} types of requests"));
    }));
    line.done();
    let proof = match compared {
        Ok(proof) => proof,
        Err(ProveError::Start { .. }) if args.solver.is_none() => return Ok(None),
        Err(error) => return Err(error).context("nothing was proven"),
    };
    let examples = proof.more.iter().chain(&proof.less);
    let examples = examples.filter_map(|open| asked(open.example.as_ref()?));
    let examples = examples.collect();
    let claim = |open: BTreeSet<Open>| Claim {
        proven: open.is_empty(),
        open: open.into_iter().map(unproven).collect(),
    };
    Ok(Some(Proven {
        request_types: proof.types,
        nothing_more: claim(proof.more),
        nothing_less: claim(proof.less),
        but: but
            .into_iter()
            .filter(|(_, is)| *is)
            .map(|(why, _)| why)
            .collect(),
        examples,
    }))
}

/// The policies that only one of the sets has.
fn differing<'a>(old: &'a [Statement], new: &'a [Statement]) -> Vec<&'a Statement> {
    let texts =
        |all: &[Statement]| -> HashSet<String> { all.iter().map(Statement::text).collect() };
    let alone = |all: &'a [Statement], others: HashSet<String>| {
        let alone = move |one: &&Statement| !others.contains(&one.text());
        all.iter().filter(alone)
    };
    alone(old, texts(new))
        .chain(alone(new, texts(old)))
        .collect()
}

/// The question that a solver found, as one that can come; `None` for kinds of which it says too little.
fn asked(example: &Example) -> Option<Asked> {
    let of = |attributes: &BTreeMap<String, String>, name: &str| {
        attributes.get(name).cloned().unwrap_or_default()
    };
    let own = |name: &str| of(&example.principal_attributes, name);
    let name = match example.principal.as_str() {
        "k8s::User" => example.id.clone(),
        "k8s::Node" => format!("{}{}", names::NODE_USER_PREFIX, own("name")),
        "k8s::ServiceAccount" => {
            let prefix = names::SERVICE_ACCOUNT_USER_PREFIX;
            format!("{prefix}{}:{}", own("namespace"), own("name"))
        }
        _ => return None,
    };
    let user = UserInfo {
        name,
        groups: example.groups.clone(),
        ..UserInfo::default()
    };
    let attribute = |name: &str| of(&example.attributes, name);
    let request = match example.resource.as_str() {
        "k8s::Resource" => ResourceRequest {
            verb: example.action.clone(),
            group: attribute("apiGroup"),
            resource: attribute("resource"),
            subresource: attribute("subresource"),
            namespace: attribute("namespace"),
            name: attribute("name"),
            ..ResourceRequest::default()
        }
        .into(),
        "k8s::NonResourceURL" => bailiwick_core::Request::NonResource(NonResourceRequest {
            verb: example.action.clone(),
            path: attribute("path"),
        }),
        _ => return None,
    };
    Some(Asked::Kubernetes { user, request })
}

fn unproven(open: Open) -> Unproven {
    Unproven {
        namespace: open.tier,
        request: open.request,
        why: match open.why {
            Why::Differs => "the policies tell such requests apart",
            Why::NoFormula => "a policy reads what such requests do not have",
            Why::Unknown => "the solver gave up",
        },
    }
}

/// Types of requests named in a line.
const NAMED: usize = 3;

/// The proof in lines.
pub(super) fn lines(proven: &Proven, out: &mut String) {
    let types = proven.request_types;
    for (claim, what) in [
        (&proven.nothing_more, "nothing is allowed that was not"),
        (&proven.nothing_less, "nothing is refused that was not"),
    ] {
        if claim.proven {
            let _ = writeln!(out, "proven for all {types} types of requests: {what}");
            continue;
        }
        let _ = writeln!(
            out,
            "not proven for {} of {types} types of requests: {what}",
            claim.open.len()
        );
        let mut by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for open in &claim.open {
            let place = match open.namespace.as_str() {
                "" => open.request.clone(),
                namespace => format!("{} in {namespace}", open.request),
            };
            by_reason.entry(open.why).or_default().push(place);
        }
        for (why, requests) in by_reason {
            let named = requests
                .iter()
                .take(NAMED)
                .cloned()
                .collect::<Vec<_>>()
                .join(", ");
            let more = match requests.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let _ = writeln!(out, "  {why}: {named}{more}");
        }
    }
    for why in &proven.but {
        let _ = writeln!(out, "but {why}");
    }
}
