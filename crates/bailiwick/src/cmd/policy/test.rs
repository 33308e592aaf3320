use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use bailiwick_core::{Decision, Effect, Kind, Reason, Request, Timestamp, UserInfo};
use bailiwick_model::{Snapshot, Value};
use bailiwick_pdp::{Objects, Question, State};
use bailiwick_rbac::Engine;
use serde::Deserialize;

use super::FilesArgs;
use crate::cli::Global;
use crate::cluster::{Need, Opened};
use crate::console::Console;
use crate::exit::Exit;
use crate::policies::{Policies, state};
use crate::serve::in_words;

/// A document of tests.
#[derive(Deserialize)]
struct Test {
    #[serde(default)]
    metadata: Metadata,
    spec: Spec,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    cases: Vec<Case>,
}

/// One question and its answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Case {
    name: String,
    user: UserInfo,
    request: Request,
    /// The object in the request of a write.
    #[serde(default)]
    object: Option<Value>,
    /// The object that is stored.
    #[serde(default)]
    stored: Option<Value>,
    /// When it is asked.
    #[serde(default)]
    now: Option<Timestamp>,
    expect: Effect,
    /// A policy that has to be among those that decide.
    #[serde(default)]
    by: Option<String>,
}

pub(super) fn run(args: &FilesArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    let policies = Policies::read(&args.paths)?;
    for strange in &policies.strange {
        console.warn(strange);
    }
    let bundle = match policies.bundle() {
        Ok(bundle) => bundle,
        Err(wrong) => {
            for wrong in wrong {
                console.warn(wrong);
            }
            return Ok(Exit::Unusable);
        }
    };
    let (engine, partial) = manifests(global, console)?;
    let state = state(Arc::new(engine), bundle);
    let mut decided = BTreeSet::new();
    let (mut cases, mut failed) = (0_usize, 0_usize);
    for (place, value) in &policies.tests {
        let json = serde_json::to_value(value)?;
        let test: Test = serde_path_to_error::deserialize(json)
            .map_err(|error| anyhow!("{place}: `{}`: {}", error.path(), in_words(error.inner())))?;
        for case in &test.spec.cases {
            cases += 1;
            let decision = case.ask(&state).with_context(|| place.clone())?;
            decided.extend(deciding(&decision.reason));
            if let Some(message) = case.objection(&decision) {
                failed += 1;
                let line = format!("{place}: {}: {}: {message}", test.metadata.name, case.name);
                console.answer(format_args!("{}\n", bailiwick_report::inert(&line)))?;
            }
        }
    }
    if cases == 0 {
        bail!("there is no case of a `PolicyTest` in {}", args.named());
    }
    let silent = state
        .policies
        .ids()
        .filter(|id| !decided.contains(*id))
        .count();
    if silent > 0 {
        console.note(format_args!(
            "{silent} of {} policies decided no case",
            state.policies.len()
        ));
    }
    console.answer(format_args!(
        "{} of {cases} cases came out as expected\n",
        cases - failed
    ))?;
    Ok(Exit::answer(failed == 0, partial))
}

/// The RBAC of `-f`, and whether part of it could not be read; none where it is not given.
pub(super) fn manifests(global: &Global, console: &mut Console) -> Result<(Engine, bool)> {
    if global.filename.is_empty() {
        return Ok((Engine::new(Snapshot::default()), false));
    }
    let opened = Opened::open(global, Need::Everything, console)?;
    opened.mention_problems(console);
    let partial = opened.partial(&Kind::ALL, "", console);
    Ok((opened.engine, partial))
}

impl Case {
    fn ask(&self, state: &State) -> Result<Decision> {
        let question = Question::Kubernetes {
            user: &self.user,
            request: &self.request,
        };
        let now = self.now.unwrap_or_default();
        if self.object.is_none() && self.stored.is_none() {
            return Ok(state.decide(question, now).to_decision());
        }
        let objects = Objects::new(self.object.as_ref(), self.stored.as_ref())?;
        Ok(state
            .decide_with_objects(question, &objects, now)
            .to_decision())
    }

    fn objection(&self, decision: &Decision) -> Option<String> {
        if decision.effect != self.expect {
            let reason = serde_json::to_string(&decision.reason).unwrap_or_default();
            return Some(format!(
                "{:?}, not {:?}: {reason}",
                decision.effect, self.expect
            ));
        }
        let by = self.by.as_ref()?;
        let found = deciding(&decision.reason);
        (!found.contains(by)).then(|| {
            let found: Vec<&str> = found.iter().map(String::as_str).collect();
            format!("decided by [{}], not by {by}", found.join(", "))
        })
    }
}

/// Ids of the policies behind an answer.
fn deciding(reason: &Reason) -> BTreeSet<String> {
    match reason {
        Reason::Policies { policies } => policies
            .iter()
            .map(|policy| policy.id.to_string())
            .collect(),
        Reason::Conditions(conditions) => [&conditions.deny, &conditions.allow]
            .into_iter()
            .flatten()
            .flat_map(|condition| deciding(&condition.reason))
            .collect(),
        _ => BTreeSet::new(),
    }
}
