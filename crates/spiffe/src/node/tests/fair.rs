//! Nobody takes the server away from the others.

use std::sync::atomic::{AtomicUsize, Ordering};

use tonic::Code;

use super::attacks::sign;
use super::*;
use crate::Rate;
use crate::limit::pushback;
use crate::wire::issuer::{SignManyRequest, SignOutcome};

const WEB_ID: &str = "spiffe://td/ns/shop/sa/web";
const DB_ID: &str = "spiffe://td/ns/shop/sa/db";

#[tokio::test]
async fn a_greedy_agent_takes_nothing_from_another() {
    let mut house = house().await;
    house.kill();
    let throttled = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&throttled);
    house.limits = crate::Limits {
        agent: Rate::per_second(2),
        throttled: Arc::new(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        }),
        ..crate::Limits::default()
    };
    let address = house.address.clone();
    house.start(&address).await;
    let (mut greedy, mut other) = (house.attacker("n1").await, house.attacker("n2").await);
    let mut refusal = None;
    for _ in 0..200 {
        let signed = greedy.client.sign(sign(WEB, WEB_ID)).await;
        if let Err(status) = signed {
            refusal = Some(status);
            break;
        }
    }
    let refusal = refusal.expect("it is never too much");
    assert_eq!(refusal.code(), Code::ResourceExhausted, "{refusal:?}");
    assert!(
        refusal
            .message()
            .contains("too many requests of this agent: try again in")
    );
    let wait = pushback(&refusal).expect("it does not say when to come again");
    assert!(wait <= Duration::from_millis(500), "{wait:?}");
    // Many at once cost as many, so that nobody gets around it.
    let requests = vec![sign(WEB, WEB_ID); 20];
    let many = greedy.client.sign_many(SignManyRequest { requests }).await;
    assert_eq!(many.unwrap_err().code(), Code::ResourceExhausted);
    assert_eq!(throttled.load(Ordering::SeqCst), 2);
    // One record stands for all of them.
    until(async || (!house.denials().is_empty()).then_some(())).await;
    assert_eq!(house.denials(), "too many requests\n");

    other.client.sign(sign(DB, DB_ID)).await.unwrap();
    // An agent that keeps the rules hears when to come again, and its pod waits no longer than that.
    let agent = house.agent("a", house.token_file("good-n1"), WEB).await;
    assert_eq!(agent.ids().await, [WEB_ID]);
}

#[tokio::test]
async fn many_documents_are_asked_for_at_once() {
    let house = house().await;
    let mut attacker = house.attacker("n1").await;
    // One of another node among them, and one that is no request.
    let mut requests = vec![sign(WEB, WEB_ID), sign(DB, DB_ID), sign(WEB, WEB_ID)];
    requests.push(crate::wire::issuer::SignRequest {
        certificate_request: vec![0x30],
        ..sign(WEB, WEB_ID)
    });
    let answer = attacker
        .client
        .sign_many(SignManyRequest { requests })
        .await;
    let outcomes = answer.unwrap().into_inner().outcomes.into_iter();
    let codes: Vec<_> = outcomes
        .map(|outcome: SignOutcome| match Result::from(outcome) {
            Ok(signed) => {
                assert!(!signed.chain.is_empty());
                Code::Ok
            }
            Err(status) => status.code(),
        })
        .collect();
    let wanted = [
        Code::Ok,
        Code::PermissionDenied,
        Code::Ok,
        Code::InvalidArgument,
    ];
    assert_eq!(codes, wanted);
    assert_eq!(house.issues().len(), 2, "each has its record");
    let requests = vec![sign(WEB, WEB_ID); 101];
    let many = attacker
        .client
        .sign_many(SignManyRequest { requests })
        .await;
    assert_eq!(many.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn an_agent_of_many_pods_asks_once() {
    let house = house().await;
    for number in 0..150 {
        let (name, uid) = (format!("p{number}"), format!("uid-{number}"));
        house
            .pods
            .put(Object::Pod(Box::new(pod(&name, &uid, "n1"))));
    }
    let agent = house.agent("a", house.token_file("good-n1"), WEB).await;
    agent.ids().await;
    until(async || (house.issues().len() >= 151).then_some(())).await;
    assert_eq!(house.issues().len(), 151, "none twice");
}
