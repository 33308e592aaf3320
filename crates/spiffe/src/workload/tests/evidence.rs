//! What the log holds of what the doors gave.

use std::path::Path;
use std::sync::atomic::Ordering;

use bailiwick_audit::{DenialRecord, Document, Door, IssueRecord};
use tonic::{Code, Request};

use super::*;
use crate::Rate;
use crate::listen::Local;
use crate::peer::Peer;
use crate::wire::{JwtsvidRequest, X509svidRequest};

fn issues(house: &House) -> Vec<IssueRecord> {
    let events = house.events.lock().unwrap();
    let issues = events.iter().filter_map(|event| match event {
        Event::Issue(record) => Some(IssueRecord::clone(record)),
        _ => None,
    });
    issues.collect()
}

#[tokio::test]
async fn every_document_has_its_record() {
    let house = house(vec![rule("r", json!({}))]).await;
    let fetched = soon(house.client().await.fetch_x509()).await.unwrap();
    let tokens = house
        .client()
        .await
        .fetch_jwt(vec!["me".into()], None)
        .await;
    let tokens = tokens.unwrap();
    let issues = issues(&house);
    let [certificate, token] = issues.as_slice() else {
        panic!("{issues:?}");
    };
    let (_, parsed) = x509_parser::parse_x509_certificate(&fetched[0].chain[0]).unwrap();
    assert_eq!(certificate.number, format!("{:032x}", parsed.serial));
    assert_eq!(
        certificate.until.seconds(),
        parsed.validity.not_after.timestamp()
    );
    assert_eq!(certificate.door, Door::WorkloadApi);
    assert_eq!(certificate.document, Document::X509);
    assert_eq!(
        (certificate.id.as_str(), certificate.rule.as_str()),
        ("spiffe://td/a", "r")
    );
    let process = certificate.workload.process.as_ref().unwrap();
    assert_eq!((process.pid, process.uid), (std::process::id(), own_uid()));
    assert_eq!(token.document, Document::Jwt);
    assert_eq!(token.audience, ["me"]);
    let payload = tokens[0].1.split('.').nth(1).unwrap();
    let payload =
        base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload);
    let claims: serde_json::Value = serde_json::from_slice(&payload.unwrap()).unwrap();
    assert_eq!(claims["jti"], token.number.as_str());
}

#[tokio::test]
async fn nothing_leaves_without_a_record() {
    let house = house(vec![rule("r", json!({}))]).await;
    let mut open = house.raw().await;
    let mut stream = open
        .fetch_x509svid(request(X509svidRequest {}))
        .await
        .unwrap()
        .into_inner();
    soon(stream.message()).await.unwrap().unwrap();
    let before = issues(&house).len();
    for failure in [&house.log.closed, &house.log.stuck] {
        failure.store(true, Ordering::SeqCst);
        let mut client = house.raw().await;
        let mut refused = client
            .fetch_x509svid(request(X509svidRequest {}))
            .await
            .unwrap()
            .into_inner();
        let status = soon(refused.message()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert!(
            status.message().contains("while the log cannot be written"),
            "{status}"
        );
        let message = JwtsvidRequest {
            audience: vec!["me".into()],
            ..JwtsvidRequest::default()
        };
        let status = client.fetch_jwtsvid(request(message)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        // A denial needs no log to stand.
        house.rules.send_replace(set(vec![]));
        let mut denied = client
            .fetch_x509svid(request(X509svidRequest {}))
            .await
            .unwrap()
            .into_inner();
        let status = soon(denied.message()).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{status}");
        house.rules.send_replace(set(vec![rule("r", json!({}))]));
        failure.store(false, Ordering::SeqCst);
    }
    assert_eq!(issues(&house).len(), before);
}

#[tokio::test]
async fn who_is_refused_again_and_again_has_one_record_with_how_often() {
    let mut house = house(vec![]).await;
    let denials = |house: &House| -> Vec<DenialRecord> {
        let events = house.events.lock().unwrap();
        let denials = events.iter().filter_map(|event| match event {
            Event::Denial(record) => Some(DenialRecord::clone(record)),
            _ => None,
        });
        denials.collect()
    };
    let mut client = house.client().await;
    for _ in 0..200 {
        assert!(client.fetch_x509().await.unwrap_err().is_denied());
        // The first one is in the log before the caller hears of it.
        assert_eq!(denials(&house).len(), 1);
    }
    let first = denials(&house).remove(0);
    assert!(first.times.is_none(), "{first:?}");
    let process = first.workload.process.unwrap();
    assert_eq!((process.pid, process.uid), (std::process::id(), own_uid()));
    drop(client);
    let _ = house.stop.take().map(|stop| stop.send(()));
    soon(async {
        while denials(&house).len() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let counts: Vec<u64> = denials(&house).iter().map(DenialRecord::count).collect();
    assert_eq!(counts, [1, 199]);
}

#[tokio::test]
async fn who_asks_for_too_much_is_in_the_log_with_how_often() {
    let house = house(vec![rule("r", json!({}))]).await;
    let (log, events) = evidence(&house.log);
    let core = IssuerCore {
        authority: Arc::clone(&house.authority),
        rules: house.rules.subscribe(),
        evidence: log,
    };
    let giver = Giver::Own {
        core,
        federated: house.federated.subscribe(),
        refusals: Arc::default(),
    };
    let shared = Shared {
        giver,
        limit: Arc::new(Limit::new(Rate::per_second(1))),
    };
    let (socket, _other) = UnixStream::pair().unwrap();
    let peer = Peer::of(&socket, Path::new("/proc")).map(Arc::new);
    let mut request = Request::new(());
    let peer = Arc::new(peer);
    request.extensions_mut().insert(Local { peer });
    let mut early = 0;
    for _ in 0..100 {
        if let Err(status) = Session::of(Door::WorkloadApi, &request, &shared).await {
            assert_eq!(status.code(), Code::Unavailable);
            early += 1;
        }
    }
    assert!(early > 50, "{early}");
    shared.giver.tell_rest().await;
    let events = events.lock().unwrap();
    let denials = events.iter().filter_map(|event| match event {
        Event::Denial(record) => Some(record),
        _ => None,
    });
    let denials: Vec<_> = denials.collect();
    let [first, rest] = denials.as_slice() else {
        panic!("told otherwise than at once and in the end: {denials:?}");
    };
    assert_eq!((first.count(), rest.count()), (1, early - 1));
    assert_eq!(rest.why, "too many requests");
    let process = rest.workload.process.as_ref().unwrap();
    assert_eq!((process.pid, process.uid), (std::process::id(), own_uid()));
}
