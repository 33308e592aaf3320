//! AuthZEN Authorization API 1.0.

mod cluster;
mod directory;
mod evaluate;
mod page;
mod search;
mod wire;

use std::time::Duration;

use bailiwick_audit::Durability;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::body::Body;
use crate::doors::Door;
use crate::reply::{Reply, json, text};
use crate::server::Asking;

pub use directory::{Directory, Known};

pub(crate) const EVALUATION: &str = "/access/v1/evaluation";
pub(crate) const EVALUATIONS: &str = "/access/v1/evaluations";
pub(crate) const SEARCH_SUBJECT: &str = "/access/v1/search/subject";
pub(crate) const SEARCH_RESOURCE: &str = "/access/v1/search/resource";
pub(crate) const SEARCH_ACTION: &str = "/access/v1/search/action";
pub(crate) const DISCOVERY: &str = "/.well-known/authzen-configuration";

/// The application whose questions are about the Kubernetes API.
pub(crate) const KUBERNETES: &str = "kubernetes";

/// AuthZEN, as applications ask it.
#[derive(Clone, Debug)]
pub struct AuthzenDoor {
    /// Where callers find it, such as `https://pdp.example.org`; what the discovery document says. It comes from the
    /// configuration, since a `Host` header is whatever a caller likes.
    pub base: String,
    /// How long an answer waits for its record.
    pub budget: Duration,
    /// What the record has to survive before the answer goes out.
    pub durability: Durability,
    /// What searches look through, by application.
    pub directory: Directory,
}

/// Why a question is not answered: a message for the caller, under 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BadRequest(pub(crate) String);

/// Answers any of the endpoints.
pub(crate) async fn answer(asking: &Asking<'_>, open: &AuthzenDoor, door: Door) -> Reply {
    let answered = match door {
        Door::Discovery => Ok(json(StatusCode::OK, &Discovery::of(&open.base))),
        Door::Evaluation | Door::Evaluations => match body(asking) {
            Ok(body) if door == Door::Evaluation => evaluate::one(asking, open, body).await,
            Ok(body) => evaluate::many(asking, open, body).await,
            Err(error) => Err(error),
        },
        _ => match body(asking) {
            Ok(body) => search::answer(asking, open, door, body).await,
            Err(error) => Err(error),
        },
    };
    let mut reply =
        answered.unwrap_or_else(|BadRequest(message)| text(StatusCode::BAD_REQUEST, &message));
    if let Some(id) = request_id(asking) {
        reply.headers_mut().insert("x-request-id", id.clone());
    }
    reply
}

/// What the caller calls the request, if that is of a sensible length.
fn request_id<'a>(asking: &Asking<'a>) -> Option<&'a HeaderValue> {
    asking
        .head
        .headers
        .get("x-request-id")
        .filter(|id| id.len() <= 256)
}

/// The same as text, for the record.
fn request_name(asking: &Asking<'_>) -> Option<String> {
    request_id(asking)?.to_str().ok().map(str::to_owned)
}

/// The body, if it says that it is JSON and has an acceptable size.
fn body<'a>(asking: &Asking<'a>) -> Result<&'a [u8], BadRequest> {
    let kind = asking.head.headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(BadRequest(
            "send the question as `Content-Type: application/json`".to_owned(),
        ));
    }
    match asking.body {
        Body::Whole(body) => Ok(body),
        Body::TooLarge => Err(BadRequest("the question is too large".to_owned())),
    }
}

/// Metadata of a policy decision point (section 9 of the specification).
#[derive(Serialize)]
struct Discovery {
    policy_decision_point: String,
    access_evaluation_endpoint: String,
    access_evaluations_endpoint: String,
    search_subject_endpoint: String,
    search_resource_endpoint: String,
    search_action_endpoint: String,
}

impl Discovery {
    fn of(base: &str) -> Self {
        let base = base.trim_end_matches('/');
        let at = |path: &str| format!("{base}{path}");
        Self {
            policy_decision_point: base.to_owned(),
            access_evaluation_endpoint: at(EVALUATION),
            access_evaluations_endpoint: at(EVALUATIONS),
            search_subject_endpoint: at(SEARCH_SUBJECT),
            search_resource_endpoint: at(SEARCH_RESOURCE),
            search_action_endpoint: at(SEARCH_ACTION),
        }
    }
}
