use std::sync::Arc;

use bailiwick_audit::{Door as AuditDoor, Event, SearchRecord, SubjectRef};
use bailiwick_core::Effect;
use bailiwick_model::Value;
use bailiwick_pdp::Entity;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::cluster::{self, Candidates};

use super::evaluate::ask;
use super::page::{Page, Wanted, cut};
use super::wire::{WireAction, WireEntity, WireQuestion, parse};
use super::{AuthzenDoor, BadRequest, KUBERNETES, Known, request_name};
use crate::desk::Patience;
use crate::doors::Door;
use crate::reply::{Reply, json, text};
use crate::server::Asking;

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
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Looked>,
}

/// How far a search over the Kubernetes API went.
#[derive(Clone, Copy, Debug, Serialize)]
struct Looked {
    /// Whether every name that is written down was looked at.
    complete: bool,
}

#[derive(Clone, Debug, Serialize)]
struct Named {
    #[serde(rename = "type")]
    kind: String,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<Place>,
}

/// Where a resource of the cluster lies.
#[derive(Clone, Debug, Serialize)]
struct Place {
    namespace: String,
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
    let listed = open.directory.of(application).unwrap_or_default();
    let (known, context) = match application.as_str() {
        KUBERNETES => {
            let Candidates { known, complete } =
                candidates(asking, &listed, door, &search.question)?;
            (Arc::new(known), Some(Looked { complete }))
        }
        _ => (listed, None),
    };
    let name = named(&search.question);
    let page = search.page.as_ref();
    let record = record(asking, door, &search.question);
    let (reply, found) = match door {
        Door::SearchAction => {
            let found = actions(asking, &known, &search.question)?;
            let count = found.len();
            let (results, page) = cut(found, |action| action.name.clone(), page, name.as_bytes())?;
            (
                json(
                    StatusCode::OK,
                    &Results {
                        results,
                        page,
                        context,
                    },
                ),
                count,
            )
        }
        _ => {
            let found = entities(asking, &known, door, &search.question)?;
            let count = found.len();
            let (results, page) = cut(found, Named::key, page, name.as_bytes())?;
            (
                json(
                    StatusCode::OK,
                    &Results {
                        results,
                        page,
                        context,
                    },
                ),
                count,
            )
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
    with(question, subjects, &target, &Entity::default()).whole()?;
    let mut found = Vec::new();
    for candidate in candidates
        .iter()
        .filter(|candidate| candidate.kind == target.kind)
    {
        let question = with(question, subjects, &target, candidate);
        if allowed(asking, known, question)? {
            found.push(name(candidate, asking));
        }
    }
    Ok(found)
}

/// The question about a candidate. What the question says of it counts more than what is known.
fn with(
    question: &WireQuestion,
    subjects: bool,
    target: &WireEntity,
    candidate: &Entity,
) -> WireQuestion {
    let mut question = question.clone();
    let mut entity = target.clone();
    entity.id = Some(candidate.id.clone());
    for (key, value) in candidate.properties.iter() {
        if entity.properties.get(key).is_none() {
            entity.properties.insert(key.to_owned(), value.clone());
        }
    }
    if subjects {
        question.subject = Some(entity);
    } else {
        question.resource = Some(entity);
    }
    question
}

fn name(entity: &Entity, asking: &Asking<'_>) -> Named {
    let namespace = entity.property("namespace").and_then(Value::as_str);
    let namespace = namespace.filter(|_| asking.caller.scope.application == KUBERNETES);
    Named {
        kind: entity.kind.clone(),
        id: entity.id.clone(),
        properties: namespace.map(|namespace| Place {
            namespace: namespace.to_owned(),
        }),
    }
}

impl Named {
    /// What pages go by; results are in its order.
    fn key(&self) -> String {
        let namespace = self
            .properties
            .as_ref()
            .map(|place| place.namespace.as_str());
        format!("{}\0{}", self.id, namespace.unwrap_or_default())
    }
}

/// What a search over the Kubernetes API looks through.
fn candidates(
    asking: &Asking<'_>,
    listed: &Known,
    door: Door,
    question: &WireQuestion,
) -> Result<Candidates, BadRequest> {
    match door {
        Door::SearchAction => cluster::actions(asking.state, listed, question),
        Door::SearchResource => cluster::resources(asking.state, listed, question),
        _ => {
            let kind = question
                .subject
                .as_ref()
                .map(|subject| subject.kind.as_str());
            let somebody = Entity::default();
            let target = question.subject.clone();
            let asked = target.map(|target| with(question, true, &target, &somebody));
            let request = asked.and_then(|asked| asked.whole().ok()?.kubernetes().ok());
            let request = request.map(|(_, request)| request);
            Ok(cluster::subjects(
                asking.state,
                listed,
                kind.unwrap_or_default(),
                request.as_ref(),
            ))
        }
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
