//! A cluster in our engine and in upstream's code.

use bailiwick_core::{NonResourceRequest, Request, ResourceRequest, UserInfo};
use bailiwick_model::Snapshot;
use bailiwick_rbac::Engine;
use bailiwick_testkit::generate::manifest;
use bailiwick_testkit::notation;
use bailiwick_testkit::oracle::{Oracle, Person, RequestInfo};

/// Both, with the cluster of a text in the notation of `testkit`.
pub(crate) fn both(cluster: &str) -> (Engine, Oracle) {
    let mut oracle = Oracle::start().unwrap();
    let engine = load(notation::snapshot(cluster), &mut oracle);
    (engine, oracle)
}

/// An engine of the snapshot; the oracle gets the same.
pub(crate) fn load(snapshot: Snapshot, oracle: &mut Oracle) -> Engine {
    oracle.load(&manifest::objects(&snapshot)).unwrap();
    Engine::new(snapshot)
}

/// The whole identity, for upstream's code.
pub(crate) fn person(user: &UserInfo) -> Person {
    Person {
        name: user.name.clone(),
        uid: user.uid.clone(),
        groups: user.groups.clone(),
        extra: user.extra.clone(),
    }
}

/// What upstream read in a request, as we say it.
pub(crate) fn expected_request(info: RequestInfo) -> Request {
    if !info.resource_request {
        return NonResourceRequest {
            verb: info.verb,
            path: info.path,
        }
        .into();
    }
    let request = ResourceRequest {
        verb: info.verb,
        group: info.api_group,
        version: info.api_version,
        resource: info.resource,
        subresource: info.subresource,
        namespace: info.namespace,
        name: info.name,
        ..ResourceRequest::default()
    };
    request.into()
}
