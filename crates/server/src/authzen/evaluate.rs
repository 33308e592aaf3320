use bailiwick_audit::{DecisionId, Door, Input, SubjectRef};
use bailiwick_core::Effect;
use bailiwick_pdp::Question;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::wire::{Ask, Whole, WireQuestion, parse};
use super::{AuthzenDoor, BadRequest, KUBERNETES, Known, request_name};
use crate::desk::{Asked, Decided, NotRecorded, Patience};
use crate::reply::{Reply, json, text};
use crate::server::Asking;
use crate::telemetry;

/// So many questions in one request.
const MOST: usize = 1_000;

/// An answer.
#[derive(Debug, Serialize)]
pub(super) struct Evaluation {
    pub(super) decision: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Context>,
}

/// What goes with it: enough to find the record, no policy text.
#[derive(Debug, Serialize)]
struct Context {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<DecisionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Problem>,
}

#[derive(Debug, Serialize)]
struct Problem {
    status: u16,
    message: String,
}

impl Evaluation {
    fn of(decided: &Decided, decision: bool) -> Self {
        Self {
            decision,
            context: Some(Context {
                id: Some(decided.id),
                revision: Some(decided.revision.clone()).filter(|revision| !revision.is_empty()),
                error: None,
            }),
        }
    }

    fn failed(status: StatusCode, message: String) -> Self {
        Self {
            decision: false,
            context: Some(Context {
                id: None,
                revision: None,
                error: Some(Problem {
                    status: status.as_u16(),
                    message,
                }),
            }),
        }
    }
}

pub(super) async fn one(
    asking: &Asking<'_>,
    open: &AuthzenDoor,
    body: &[u8],
) -> Result<Reply, BadRequest> {
    let question: WireQuestion = parse(body)?;
    single(asking, open, question).await
}

async fn single(
    asking: &Asking<'_>,
    open: &AuthzenDoor,
    question: WireQuestion,
) -> Result<Reply, BadRequest> {
    match evaluate(asking, open, question.whole()?).await? {
        Ok(evaluation) => Ok(json(StatusCode::OK, &evaluation)),
        Err(NotRecorded) => Ok(unrecorded()),
    }
}

fn unrecorded() -> Reply {
    text(
        StatusCode::SERVICE_UNAVAILABLE,
        "the decision cannot be recorded; it counts as a no",
    )
}

/// Which answers of several are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Semantic {
    #[default]
    ExecuteAll,
    DenyOnFirstDeny,
    PermitOnFirstPermit,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Options {
    evaluations_semantic: Semantic,
}

#[derive(Deserialize)]
struct Several {
    #[serde(flatten)]
    shared: WireQuestion,
    /// Read one by one: a broken one is answered in its place.
    #[serde(default)]
    evaluations: Option<Vec<serde_json::Value>>,
    #[serde(default)]
    options: Option<Options>,
}

#[derive(Serialize)]
struct Evaluations {
    evaluations: Vec<Evaluation>,
}

pub(super) async fn many(
    asking: &Asking<'_>,
    open: &AuthzenDoor,
    body: &[u8],
) -> Result<Reply, BadRequest> {
    let several: Several = parse(body)?;
    let questions = several.evaluations.unwrap_or_default();
    if questions.is_empty() {
        return single(asking, open, several.shared).await;
    }
    if questions.len() > MOST {
        let count = questions.len();
        return Err(BadRequest(format!(
            "{count} questions in one request; {MOST} are answered"
        )));
    }
    let semantic = several.options.unwrap_or_default().evaluations_semantic;
    let mut evaluations = Vec::with_capacity(questions.len());
    for question in questions {
        let evaluation = match item(asking, open, question, &several.shared).await {
            Ok(Ok(evaluation)) => evaluation,
            Ok(Err(NotRecorded)) => return Ok(unrecorded()),
            Err(BadRequest(message)) => Evaluation::failed(StatusCode::BAD_REQUEST, message),
        };
        let last = match semantic {
            Semantic::ExecuteAll => false,
            Semantic::DenyOnFirstDeny => !evaluation.decision,
            Semantic::PermitOnFirstPermit => evaluation.decision,
        };
        evaluations.push(evaluation);
        if last {
            break;
        }
    }
    Ok(json(StatusCode::OK, &Evaluations { evaluations }))
}

async fn item(
    asking: &Asking<'_>,
    open: &AuthzenDoor,
    question: serde_json::Value,
    shared: &WireQuestion,
) -> Result<Result<Evaluation, NotRecorded>, BadRequest> {
    let question: WireQuestion = serde_json::from_value(question)
        .map_err(|error| BadRequest(format!("the question cannot be read: {error}")))?;
    evaluate(asking, open, question.or(shared).whole()?).await
}

/// What to ask, in the words of the caller's application.
pub(super) fn ask(
    application: &str,
    whole: Whole,
    known: Option<&Known>,
) -> Result<Ask, BadRequest> {
    match application {
        KUBERNETES => Ok(Ask::Kubernetes(Box::new(whole.kubernetes()?))),
        _ => Ok(Ask::Application(Box::new(
            whole.application(application, known),
        ))),
    }
}

impl Ask {
    pub(super) fn question(&self) -> Question<'_> {
        match self {
            Self::Application(request) => Question::Application(request),
            Self::Kubernetes(asked) => Question::Kubernetes {
                user: &asked.0,
                request: &asked.1,
            },
        }
    }

    /// What the log keeps of it.
    fn recorded(self) -> (SubjectRef, Input) {
        match self {
            Self::Application(request) => (
                SubjectRef {
                    kind: request.subject.kind,
                    name: request.subject.id,
                    groups: request.groups,
                },
                Input::Application {
                    action: request.action,
                    resource_type: request.resource.kind,
                    resource_id: request.resource.id,
                },
            ),
            Self::Kubernetes(asked) => {
                let (user, request) = *asked;
                let subject = SubjectRef {
                    kind: String::new(),
                    name: user.name,
                    groups: user.groups,
                };
                (subject, Input::Kubernetes { request })
            }
        }
    }
}

async fn evaluate(
    asking: &Asking<'_>,
    open: &AuthzenDoor,
    whole: Whole,
) -> Result<Result<Evaluation, NotRecorded>, BadRequest> {
    let application = &asking.caller.scope.application;
    let known = open.directory.of(application);
    let ask = ask(application, whole, known.as_deref())?;
    let desk = &asking.server.desk;
    let decided = desk.decide(asking.state, ask.question());
    // No opinion is a no for whoever has no other authorizer to ask.
    let answered = match decided.decision.effect {
        Effect::Allow => Effect::Allow,
        _ => Effect::Deny,
    };
    let asked = Asked {
        door: Door::Authzen,
        caller: &asking.caller.name,
        request_id: request_name(asking),
        arrived: asking.arrived,
        parent: telemetry::parent(&asking.head.headers),
    };
    let patience = Patience {
        budget: open.budget,
        durability: open.durability,
    };
    let (subject, input) = ask.recorded();
    let evaluation = Evaluation::of(&decided, answered == Effect::Allow);
    let recorded = desk.record(decided, asked, subject, input, answered, patience);
    Ok(recorded.await.map(|()| evaluation))
}
