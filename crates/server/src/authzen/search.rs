use bailiwick_audit::{Door as AuditDoor, Event, SearchRecord, SubjectRef};
use bailiwick_core::Effect;
use bailiwick_pdp::Entity;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::evaluate::ask;
use super::page::{Page, Wanted, cut};
use super::wire::{WireAction, WireEntity, WireQuestion, parse};
use super::{AuthzenDoor, BadRequest, KUBERNETES, Known, request_name};
use crate::desk::Patience;
use crate::reply::{Reply, json, text};
use crate::server::{Asking, Door};

#[derive(Deserialize)]
struct Search {
    #[serde(flatten)]
    question: WireQuestion,
    page: Option<Wanted>,
}

#[derive(Serialize)]
struct Results<T> {
    results: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<Page>,
}

#[derive(Clone, Debug, Serialize)]
struct Named {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

#[derive(Clone, Debug, Serialize)]
struct Action {
    name: String,
}

/// Answers a search: every candidate that the application has, evaluated as an evaluation would.
pub(super) async fn answer(
    asking: &Asking<'_>,
    open: &AuthzenDoor,
    door: Door,
    body: &[u8],
) -> Result<Reply, BadRequest> {
    let search: Search = parse(body)?;
    let application = &asking.caller.scope.application;
    if application == KUBERNETES {
        let message = "searches over the Kubernetes API are answered by `bailiwick who-can` and `bailiwick access`";
        return Ok(text(StatusCode::NOT_IMPLEMENTED, message));
    }
    let known = open.directory.of(application).unwrap_or_default();
    let name = named(&search.question);
    let page = search.page.as_ref();
    let record = record(asking, door, &search.question);
    let (reply, found) = match door {
        Door::SearchAction => {
            let found = actions(asking, &known, &search.question)?;
            let count = found.len();
            let (results, page) = cut(found, |action| action.name.clone(), page, name.as_bytes())?;
            (json(StatusCode::OK, &Results { results, page }), count)
        }
        _ => {
            let found = entities(asking, &known, door, &search.question)?;
            let count = found.len();
            let (results, page) = cut(found, |found| found.id.clone(), page, name.as_bytes())?;
            (json(StatusCode::OK, &Results { results, page }), count)
        }
    };
    Ok(
        match written(
            asking,
            open,
            SearchRecord {
                found: found as u64,
                ..record
            },
        )
        .await
        {
            true => reply,
            false => text(
                StatusCode::SERVICE_UNAVAILABLE,
                "the search cannot be recorded",
            ),
        },
    )
}

/// The question as text that is equal for equal questions.
fn named(question: &WireQuestion) -> String {
    format!("{question:?}")
}

/// Subjects or resources of the type that is looked for. An id in its place is passed over, an unknown type has none.
fn entities(
    asking: &Asking<'_>,
    known: &Known,
    door: Door,
    question: &WireQuestion,
) -> Result<Vec<Named>, BadRequest> {
    let subjects = door == Door::SearchSubject;
    let (target, candidates) = match subjects {
        true => (&question.subject, &known.subjects),
        false => (&question.resource, &known.resources),
    };
    let target = target.clone().ok_or_else(|| {
        let what = if subjects { "subject" } else { "resource" };
        BadRequest(format!("the question has no `{what}`"))
    })?;
    // Whether the rest of the question is whole does not depend on what there is to find.
    with(question, subjects, &target, String::new()).whole()?;
    let mut found = Vec::new();
    for candidate in candidates
        .iter()
        .filter(|candidate| candidate.kind == target.kind)
    {
        let question = with(question, subjects, &target, candidate.id.clone());
        if allowed(asking, known, question)? {
            found.push(name(candidate));
        }
    }
    Ok(found)
}

fn with(question: &WireQuestion, subjects: bool, target: &WireEntity, id: String) -> WireQuestion {
    let mut question = question.clone();
    let mut entity = target.clone();
    entity.id = Some(id);
    if subjects {
        question.subject = Some(entity);
    } else {
        question.resource = Some(entity);
    }
    question
}

fn name(entity: &Entity) -> Named {
    Named {
        kind: entity.kind.clone(),
        id: entity.id.clone(),
    }
}

fn actions(
    asking: &Asking<'_>,
    known: &Known,
    question: &WireQuestion,
) -> Result<Vec<Action>, BadRequest> {
    let with = |name: &str| WireQuestion {
        action: Some(WireAction::named(name)),
        ..question.clone()
    };
    with("").whole()?;
    let mut found = Vec::new();
    for action in &known.actions {
        if allowed(asking, known, with(action))? {
            let name = action.clone();
            found.push(Action { name });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn allowed(asking: &Asking<'_>, known: &Known, question: WireQuestion) -> Result<bool, BadRequest> {
    let application = &asking.caller.scope.application;
    let ask = ask(application, question.whole()?, Some(known))?;
    let decided = asking.server.desk.decide(asking.state, ask.question());
    Ok(decided.decision.effect == Effect::Allow)
}

fn record(asking: &Asking<'_>, door: Door, question: &WireQuestion) -> SearchRecord {
    let entity = |entity: &Option<WireEntity>| {
        let entity = entity.as_ref();
        (
            entity.map(|entity| entity.kind.clone()).unwrap_or_default(),
            entity
                .and_then(|entity| entity.id.clone())
                .unwrap_or_default(),
        )
    };
    let (kind, subject) = entity(&question.subject);
    let (resource_type, resource_id) = entity(&question.resource);
    SearchRecord {
        door: AuditDoor::Authzen,
        caller: asking.caller.name.clone(),
        request_id: request_name(asking),
        wanted: match door {
            Door::SearchSubject => "subject",
            Door::SearchResource => "resource",
            _ => "action",
        }
        .to_owned(),
        subject: SubjectRef {
            kind,
            name: subject,
            groups: Vec::new(),
        },
        action: question
            .action
            .as_ref()
            .map(|action| action.name.clone())
            .unwrap_or_default(),
        resource_type,
        resource_id,
        found: 0,
        revision: asking.state.revision.to_string(),
    }
}

async fn written(asking: &Asking<'_>, open: &AuthzenDoor, record: SearchRecord) -> bool {
    let Ok(event) = Event::Search(Box::new(record)).encode() else {
        return false;
    };
    let patience = Patience {
        budget: open.budget,
        durability: open.durability,
    };
    asking.server.desk.write(event, patience).await.is_ok()
}
