//! What is asked at the doors.

use std::collections::BTreeMap;

use anyhow::Result;
use bailiwick_core::{Request as Asked, UserInfo};
use bailiwick_model::Snapshot;
use bailiwick_testkit::generate::{Requests, manifest};
use prost::Message as _;
use serde_json::json;

use super::wire::Request;
use crate::bench::full_set::{SEED, of_team};

/// Different questions of one kind.
const QUESTIONS: usize = 10_000;

/// A SubjectAccessReview as the API server sends it.
pub(super) fn review(user: &UserInfo, request: &Asked) -> Result<Request> {
    let spec = serde_json::to_value(manifest::review_spec(user, request))?;
    let body = json!({
        "kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
        "metadata": {"creationTimestamp": null}, "spec": spec, "status": {"allowed": false},
    });
    Ok(post("/kubernetes/authorize?timeout=3s", &body))
}

fn post(path: &str, body: &serde_json::Value) -> Request {
    Request::post(path, "application/json", body.to_string().into_bytes())
}

/// Reviews that RBAC decides, half of them allowed.
pub(super) fn by_rbac(snapshot: &Snapshot) -> Result<Vec<Request>> {
    let mut made = Requests::new(snapshot, SEED).plain();
    let questions = (0..QUESTIONS).map(|_| made.question());
    questions
        .map(|question| review(&question.user, &question.request))
        .collect()
}

/// Reviews for which Cedar evaluates three policies.
pub(super) fn by_cedar() -> Result<Vec<Request>> {
    let asked = (0..QUESTIONS).map(of_team);
    asked
        .map(|(user, request)| review(&user, &request))
        .collect()
}

/// Evaluations of AuthZEN that relations decide.
pub(super) fn evaluations() -> Vec<Request> {
    let body = |number: usize| {
        let number = number.wrapping_mul(104_729);
        json!({
            "subject": {"type": "user", "id": format!("user-{}", number % 100_000)},
            "action": {"name": "read"},
            "resource": {"type": "record", "id": (number % 200_000).to_string()},
        })
    };
    let all = (0..QUESTIONS).map(body);
    all.map(|body| post("/access/v1/evaluation", &body))
        .collect()
}

/// Questions of Envoy over gRPC, about which one policy decides.
pub(super) fn checks() -> Vec<Request> {
    let check = |number: usize| {
        let http = Http {
            method: "GET".to_owned(),
            headers: BTreeMap::from([
                (":authority".to_owned(), "shop.example.org".to_owned()),
                ("accept".to_owned(), "*/*".to_owned()),
                (
                    "x-request-id".to_owned(),
                    format!("6b2f0a0e-0000-4000-8000-{number:012}"),
                ),
            ]),
            path: format!("/records/{number}"),
            host: "shop.example.org".to_owned(),
            scheme: "https".to_owned(),
        };
        let attributes = Attributes {
            source: Some(Source {
                principal: format!("spiffe://example.org/ns/shop/sa/web-{}", number % 50),
            }),
            request: Some(Inner { http: Some(http) }),
        };
        let message = Check {
            attributes: Some(attributes),
        }
        .encode_to_vec();
        // A message of gRPC: not compressed, its length, and itself.
        let mut body = vec![0];
        body.extend_from_slice(&(message.len() as u32).to_be_bytes());
        body.extend_from_slice(&message);
        Request::post(
            "/envoy.service.auth.v3.Authorization/Check",
            "application/grpc",
            body,
        )
    };
    (0..QUESTIONS).map(check).collect()
}

/// `envoy.service.auth.v3.CheckRequest`, as far as it is sent here.
#[derive(Clone, PartialEq, prost::Message)]
struct Check {
    #[prost(message, optional, tag = "1")]
    attributes: Option<Attributes>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Attributes {
    #[prost(message, optional, tag = "1")]
    source: Option<Source>,
    #[prost(message, optional, tag = "4")]
    request: Option<Inner>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Source {
    #[prost(string, tag = "4")]
    principal: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Inner {
    #[prost(message, optional, tag = "2")]
    http: Option<Http>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Http {
    #[prost(string, tag = "2")]
    method: String,
    #[prost(btree_map = "string, string", tag = "3")]
    headers: BTreeMap<String, String>,
    #[prost(string, tag = "4")]
    path: String,
    #[prost(string, tag = "5")]
    host: String,
    #[prost(string, tag = "6")]
    scheme: String,
}
