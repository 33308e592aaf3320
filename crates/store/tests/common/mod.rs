//! What the tests of the log share.

#![allow(dead_code, reason = "each test uses its part of this")]

use std::future::Future;
use std::path::Path;

use bailiwick_audit::{
    DecisionId, DecisionRecord, Door, Encoded, Event, Input, Record, SubjectRef,
};
use bailiwick_core::{Effect, Reason, ResourceRequest};

/// The record of a made-up decision.
pub(crate) fn decision(run: u64, number: u64) -> Encoded {
    let request = ResourceRequest::new("get", "", "pods").in_namespace("shop");
    let record = DecisionRecord {
        id: DecisionId { run, number },
        door: Door::AccessReview,
        caller: "kube-apiserver".into(),
        request_id: None,
        subject: SubjectRef {
            kind: "user".into(),
            name: "anna".into(),
            groups: vec!["system:authenticated".into()],
        },
        input: Input::Kubernetes {
            request: request.into(),
        },
        effect: Effect::NoOpinion,
        answered: None,
        reason: Reason::NoGrant,
        problems: vec![],
        revision: "7".into(),
        micros: 5,
    };
    Event::Decision(Box::new(record)).encode().unwrap()
}

/// Runs futures of the log, which need no timer.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    runtime().block_on(future)
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap()
}

/// Every record of a log that is of a kind known here.
pub(crate) fn records(directory: &Path) -> Vec<Record> {
    let segments = bailiwick_store::segments(directory).unwrap();
    let texts = segments
        .iter()
        .map(|segment| String::from_utf8(segment.read().unwrap()).unwrap());
    texts
        .flat_map(|text| {
            let lines: Vec<Record> = text
                .split_inclusive('\n')
                .filter_map(|line| line.strip_suffix('\n'))
                .map(|line| {
                    bailiwick_audit::Line::parse(line.as_bytes())
                        .unwrap()
                        .record()
                        .unwrap()
                })
                .collect();
            lines
        })
        .collect()
}

/// Ids of the decisions in a log.
pub(crate) fn decisions(directory: &Path) -> Vec<DecisionId> {
    let id = |record: Record| match record.event {
        Event::Decision(decision) => Some(decision.id),
        _ => None,
    };
    records(directory).into_iter().filter_map(id).collect()
}
