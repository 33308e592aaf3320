//! What is told of the ways, and how it looks as JSON.

use std::time::{SystemTime, UNIX_EPOCH};

use bailiwick_core::{Kind, ObjectRef, Timestamp};
use bailiwick_graph::{Admission, Guard, Live, Node};
use serde::Serialize;

use super::way::{Way, step_of};
use crate::cmd::paths::facts;
use crate::picture::review;

/// What is printed, as JSON.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "camelCase")]
pub(super) enum Event<'e> {
    /// What stands at the start.
    #[serde(rename_all = "camelCase")]
    Start {
        time: String,
        target: &'e Node,
        ways: usize,
        partial: bool,
    },
    /// A way that was not there.
    Appeared(Told<'e>),
    /// A way that is gone.
    Vanished(Told<'e>),
    /// Nothing is heard of these kinds: what changes there comes later or never.
    #[serde(rename_all = "camelCase")]
    Stale {
        time: String,
        kinds: Vec<Kind>,
        why: &'e str,
    },
    /// The API server is heard again, and nothing was missed.
    Current { time: String },
    /// Somebody can bind so many roles that not every combination was looked at: there may be more ways.
    CutShort { time: String, why: &'e str },
    /// Every combination is looked at again.
    Complete { time: String },
}

/// A way and why it is told of.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told<'e> {
    pub(super) time: String,
    pub(super) from: &'e Node,
    pub(super) to: &'e Node,
    pub(super) effort: u32,
    pub(super) steps: Vec<ToldStep>,
    /// The objects whose change it comes from.
    pub(super) causes: &'e [Cause],
    /// The effort of the way that is left, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) left: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToldStep {
    pub(super) edge: &'static str,
    pub(super) title: &'static str,
    pub(super) to: Node,
    pub(super) rests_on: Vec<String>,
    /// What may stop it all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) guards: Vec<String>,
    /// What to ask the API server.
    pub(super) proof: Vec<String>,
}

/// An object that has changed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cause {
    #[serde(flatten)]
    pub(super) object: ObjectRef,
    /// Empty where the API server had forgotten the change, so that only its result is known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) resource_version: String,
}

pub(super) fn appeared<'e>(
    from: &'e Node,
    way: &'e Way,
    live: &Live,
    causes: &'e [Cause],
) -> Told<'e> {
    let mut at = from;
    let mut steps = Vec::new();
    let admission = Admission::new(live.snapshot());
    for step in &way.steps {
        let found = step_of(live.graph(), at, step);
        at = &step.1;
        let Some(found) = found else { continue };
        let reviews = found.proof(live.snapshot());
        steps.push(ToldStep {
            edge: found.kind.id,
            title: found.kind.title,
            to: found.to.clone(),
            rests_on: facts(&found.evidence),
            guards: admission
                .guards(&found)
                .iter()
                .map(Guard::to_string)
                .collect(),
            proof: reviews.iter().map(review).collect(),
        });
    }
    Told {
        time: now(),
        from,
        to: at,
        effort: way.effort,
        steps,
        causes,
        left: None,
    }
}

pub(super) fn vanished<'e>(
    from: &'e Node,
    to: &'e Node,
    way: &Way,
    causes: &'e [Cause],
    left: Option<u32>,
) -> Told<'e> {
    let title = |edge: &str| {
        let mut kinds = bailiwick_graph::EDGES.iter();
        kinds
            .find(|kind| kind.id == edge)
            .map_or("", |kind| kind.title)
    };
    let step = |(edge, to): &(&'static str, Node)| ToldStep {
        edge,
        title: title(edge),
        to: to.clone(),
        rests_on: Vec::new(),
        guards: Vec::new(),
        proof: Vec::new(),
    };
    Told {
        time: now(),
        from,
        to,
        effort: way.effort,
        steps: way.steps.iter().map(step).collect(),
        causes,
        left,
    }
}

/// What the change was, in a line or a few.
pub(super) fn causes_in_words(causes: &[Cause]) -> Vec<String> {
    const SHOWN: usize = 3;
    let line = |cause: &Cause| match &*cause.resource_version {
        "" => format!("{} has changed meanwhile", cause.object),
        version => format!("{} has changed, resourceVersion {version}", cause.object),
    };
    let mut lines: Vec<String> = causes.iter().take(SHOWN).map(line).collect();
    match causes.len() {
        0 => lines.push("what can be read has changed".to_owned()),
        many if many > SHOWN => {
            lines.push(format!(
                "and {} more that changed at the same time",
                many - SHOWN
            ));
        }
        _ => {}
    }
    lines
}

pub(super) fn now() -> String {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_seconds(seconds).to_string()
}
