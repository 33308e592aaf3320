//! The SubjectAccessReview webhook of the API server.

mod config;
mod mode;
mod wire;

use std::time::Duration;

use bailiwick_audit::{Door, Durability, Input, SubjectRef};
use bailiwick_core::{Effect, Request, UserInfo};
use bailiwick_pdp::Question;
use futures_util::FutureExt as _;
use futures_util::future::{Either, ready};
use http::StatusCode;

use crate::body::Body;
use crate::desk::{Asked, Decided, Desk, Patience};
use crate::reply::{Reply, json, text};
use crate::server::Asking;
use crate::telemetry;

pub use config::authorization_configuration;
pub use mode::Mode;

use wire::{Review, Status};

/// Where the API server sends its questions.
pub(crate) const PATH: &str = "/kubernetes/authorize";

/// The webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewDoor {
    /// What becomes of a decision.
    pub mode: Mode,
    /// How long an answer waits for its record.
    pub budget: Duration,
    /// What the record has to survive before the answer goes out.
    pub durability: Durability,
}

/// Answers a review. A question that cannot be decided is answered too, with `evaluationError`: an error of HTTP would
/// make the API server ask again, and refuse the user with a 500.
///
/// The answer is made at once; what is waited for is its record, and nothing of the question is held meanwhile.
pub(crate) fn answer<'d>(
    desk: &'d Desk,
    asking: &Asking<'_>,
    door: &ReviewDoor,
) -> impl Future<Output = Reply> + Send + use<'d> {
    match read(asking.body) {
        Ok((version, question)) => Either::Left(answer_to(desk, asking, door, version, question)),
        Err(problem) => {
            let message = format!("no SubjectAccessReview: {problem}");
            Either::Right(ready(text(StatusCode::BAD_REQUEST, &message)))
        }
    }
}

/// Who asks for what, or why that cannot be decided.
type Asks = Result<(UserInfo, Request), String>;

fn read(body: &Body) -> Result<(&'static str, Asks), String> {
    match body {
        Body::TooLarge => Ok((wire::V1, Err("the review is larger than 64 KiB".to_owned()))),
        Body::Whole(body) => {
            let review = Review::parse(body)?;
            Ok((review.version, review.question()))
        }
    }
}

fn answer_to<'d>(
    desk: &'d Desk,
    asking: &Asking<'_>,
    door: &ReviewDoor,
    version: &'static str,
    question: Asks,
) -> impl Future<Output = Reply> + Send + use<'d> {
    let (decided, subject, input) = match question {
        Ok((user, request)) => {
            let question = Question::Kubernetes {
                user: &user,
                request: &request,
            };
            let decided = desk.decide(asking.state, question);
            if door.mode == Mode::Shadow {
                compare(asking, &decided, &user, &request);
            }
            (decided, reference(user), Input::Kubernetes { request })
        }
        Err(message) => {
            let decided = desk.refuse(asking.state, message);
            (decided, SubjectRef::default(), unreadable())
        }
    };
    let answered = door.mode.answered(&decided.decision);
    let (id, decides) = (decided.id, door.mode.decides());
    let reply = move |status: Status<'_>| json(StatusCode::OK, &wire::Reply::new(version, status));
    let answer = reply(Status::of(&decided, answered));
    let asked = Asked {
        door: Door::AccessReview,
        caller: &asking.caller.name,
        request_id: None,
        arrived: asking.arrived,
        parent: telemetry::parent(&asking.head.headers),
    };
    let patience = Patience {
        budget: door.budget,
        durability: door.durability,
    };
    let recorded = desk.record(decided, asked, subject, input, answered, patience);
    recorded.map(move |recorded| match recorded {
        Err(_) if decides => reply(Status::unrecorded(id)),
        _ => answer,
    })
}

fn reference(user: UserInfo) -> SubjectRef {
    SubjectRef {
        kind: String::new(),
        name: user.name,
        groups: user.groups,
    }
}

/// What stands in the record of a review that could not be read.
fn unreadable() -> Input {
    Input::Kubernetes {
        request: Request::NonResource(bailiwick_core::NonResourceRequest::default()),
    }
}

/// Tells where the whole of policies says something else than RBAC alone, which decides while we shadow it.
fn compare(asking: &Asking<'_>, decided: &Decided, user: &UserInfo, request: &Request) {
    let rbac = asking.state.rbac.decide(user, request).effect();
    let effect = decided.decision.effect;
    let same = (rbac == Effect::Allow) == (effect == Effect::Allow);
    if !same {
        asking.server.desk.metrics.diverged.inc();
        tracing::info!(
            decision = %decided.id,
            user = user.name,
            %request,
            rbac = ?rbac,
            ours = ?effect,
            reason = %decided.decision.reason,
            "would be answered otherwise"
        );
    }
}
