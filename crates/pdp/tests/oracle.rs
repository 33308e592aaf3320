//! With nothing but RBAC loaded, the decision point decides as upstream's authorizer does.
//!
//! `BAILIWICK_SEED` repeats a run, `BAILIWICK_REQUESTS` asks for more than the usual 20,000 requests.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test, also where it is no test function"
)]

use std::sync::Arc;

use bailiwick_core::{Effect, Reason, Timestamp};
use bailiwick_pdp::{Policies, PolicyDocument, Question, RelationSchema, Relations, State};
use bailiwick_rbac::{Engine, aggregation};
use bailiwick_testkit::generate::{Requests, Rng, Wild, manifest, seed};
use bailiwick_testkit::oracle::Oracle;

/// Requests on one cluster.
const ON_ONE_CLUSTER: usize = 2_000;

/// RBAC alone, and RBAC beside policies and relations that are about nobody here.
fn states(engine: Engine) -> [State; 2] {
    let alone = State::new(Arc::new(engine));
    let mut beside = alone.clone();
    let mut policies = Policies::default();
    let document = PolicyDocument {
        name: "nobody".into(),
        cedar: "permit (principal == k8s::User::\"nobody-at-all\", action, resource);
                forbid (principal in k8s::Group::\"no-group-at-all\", action, resource);"
            .to_owned(),
        ..PolicyDocument::default()
    };
    policies.put(&document).unwrap();
    beside.policies = Arc::new(policies);
    let schema = RelationSchema::new([(
        "pods",
        vec![("reader", "[user, group#member]")],
        vec![("get", "reader")],
    )]);
    beside.relations = Arc::new(Relations::new(schema.unwrap()));
    [alone, beside]
}

#[test]
fn rbac_alone_is_decided_as_upstream_decides_it() {
    let seed = seed(0x2026_1122);
    let wanted = std::env::var("BAILIWICK_REQUESTS");
    let requests: usize = wanted.map_or(20_000, |text| text.parse().unwrap());
    println!("BAILIWICK_SEED={seed} BAILIWICK_REQUESTS={requests}");
    let mut rng = Rng::new(seed);
    let mut oracle = Oracle::start().unwrap();
    let (mut asked, mut allowed) = (0, 0);
    while asked < requests {
        let (cluster, questions) = (rng.bits(), rng.bits());
        let mut snapshot = Wild::default().cluster(cluster);
        for delta in aggregation::aggregate(&snapshot).deltas(&snapshot) {
            snapshot.apply(delta);
        }
        oracle.load(&manifest::objects(&snapshot)).unwrap();
        let states = states(Engine::new(snapshot));
        let mut made = Requests::new(states[0].rbac.snapshot(), questions);
        let questions: Vec<_> = (0..ON_ONE_CLUSTER).map(|_| made.question()).collect();
        let specs: Vec<_> = questions
            .iter()
            .map(|asked| manifest::review_spec(&asked.user, &asked.request))
            .collect();
        let answers = oracle.authorize_batch(&specs, false).unwrap();
        for (question, answer) in questions.iter().zip(&answers) {
            let (user, request) = (&question.user, &question.request);
            for state in &states {
                let question = Question::Kubernetes { user, request };
                let decision = state.decide(question, Timestamp::default()).to_decision();
                let expected = match answer.allowed {
                    true => Effect::Allow,
                    false => Effect::NoOpinion,
                };
                assert_eq!(
                    decision.effect, expected,
                    "BAILIWICK_SEED={seed}, cluster {cluster}: {user:?} {request:?}: {decision:?}"
                );
                let granted = matches!(decision.reason, Reason::Rbac(_) | Reason::Masters);
                assert_eq!(granted, answer.allowed, "{decision:?}");
            }
            allowed += usize::from(answer.allowed);
        }
        asked += questions.len();
    }
    println!("{asked} requests, {allowed} allowed, 0 differences");
    // A comparison of noes alone would prove little.
    let share = allowed * 100 / asked;
    assert!((30..=70).contains(&share), "{share} % are allowed");
}
