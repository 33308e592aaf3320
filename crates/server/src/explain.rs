//! Decisions explained from the log, by the id that their answers carried.

use std::sync::Arc;
use std::time::Duration;

use bailiwick_audit::{DecisionId, DecisionRecord, Door, Event, Records};
use bailiwick_core::Timestamp;
use http::StatusCode;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::authzen::KUBERNETES;
use crate::callers::{Caller, Callers};
use crate::reply::{Reply, json, text};

/// What stands before an id.
pub(crate) const BELOW: &str = "/explain/v1/";

/// Readings of the log at once; each may look through all of it.
const READERS: usize = 2;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The log, as far as it is read here.
pub(crate) struct Explainer {
    records: Arc<dyn Records>,
    readers: Arc<Semaphore>,
}

/// A decision as its record says it, and in a sentence.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Explained {
    /// Number of the record in the log.
    record: u64,
    at: Timestamp,
    says: String,
    #[serde(flatten)]
    decision: DecisionRecord,
}

impl Explainer {
    pub(crate) fn new(records: Arc<dyn Records>) -> Self {
        let readers = Arc::new(Semaphore::new(READERS));
        Self { records, readers }
    }

    /// Explains the decision of a path to a caller, if it was one of its application.
    pub(crate) async fn answer(&self, path: &str, caller: &Caller, callers: &Callers) -> Reply {
        let id = path.strip_prefix(BELOW).unwrap_or_default();
        let id: DecisionId = match id.parse() {
            Ok(id) => id,
            Err(error) => return text(StatusCode::BAD_REQUEST, &format!("{error}")),
        };
        let Ok(place) = Arc::clone(&self.readers).try_acquire_owned() else {
            return text(
                StatusCode::SERVICE_UNAVAILABLE,
                "others are reading the log; try again",
            );
        };
        let records = Arc::clone(&self.records);
        let reading = tokio::task::spawn_blocking(move || {
            let _place = place;
            records.find(id)
        });
        let record = match tokio::time::timeout(PATIENCE, reading).await {
            Ok(Ok(Ok(record))) => record,
            Ok(Ok(Err(why))) => {
                tracing::error!(%id, why, "a decision cannot be explained");
                return text(StatusCode::INTERNAL_SERVER_ERROR, "the log cannot be read");
            }
            Ok(Err(_)) => return text(StatusCode::INTERNAL_SERVER_ERROR, "the log cannot be read"),
            Err(_) => {
                let message = "the log is too long to look through here; `bailiwick audit show` takes its time";
                return text(StatusCode::SERVICE_UNAVAILABLE, message);
            }
        };
        tracing::info!(%id, caller = caller.name, found = record.is_some(), "explained");
        let mine = |decision: &DecisionRecord| {
            application(decision, callers) == Some(caller.scope.application.as_str())
        };
        match record.map(|record| (record.number, record.at, record.event)) {
            Some((number, at, Event::Decision(decision))) if mine(&decision) => {
                let says = decision.reason.to_string();
                json(
                    StatusCode::OK,
                    &Explained {
                        record: number,
                        at,
                        says,
                        decision: *decision,
                    },
                )
            }
            // Of what belongs to others not even the existence is told.
            _ => text(
                StatusCode::NOT_FOUND,
                "no decision of this application has this id",
            ),
        }
    }
}

/// The application that a decision was made for: the caller's; of the API server it is `kubernetes`.
fn application<'a>(decision: &DecisionRecord, callers: &'a Callers) -> Option<&'a str> {
    match decision.door {
        Door::AccessReview => Some(KUBERNETES),
        _ => callers.application(&decision.caller),
    }
}
