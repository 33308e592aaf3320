//! The engine against upstream's own code, on made-up clusters that hold every odd thing RBAC can hold.
//!
//! `BAILIWICK_SEED` repeats a run, `BAILIWICK_REQUESTS` asks for more than the usual 100,000 requests
//! (`cargo xtask soak differential` does).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test, also where it is no test function"
)]

use std::collections::BTreeSet;

use bailiwick_core::{Grant, Request, Subject, UserInfo};
use bailiwick_rbac::{Engine, aggregation};
use bailiwick_testkit::generate::{Question, Requests, Rng, Wild, manifest, seed};
use bailiwick_testkit::oracle::{self, Oracle};

/// Requests on one cluster. Every tenth is also asked for rules and subjects.
const ON_ONE_CLUSTER: usize = 2_000;

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |text| text.parse().expect(variable))
}

/// An engine and an oracle with the same cluster, aggregated as the controller would.
fn load(seed: u64, oracle: &mut Oracle) -> Engine {
    let mut snapshot = Wild::default().cluster(seed);
    for delta in aggregation::aggregate(&snapshot).deltas(&snapshot) {
        snapshot.apply(delta);
    }
    oracle.load(&manifest::objects(&snapshot)).unwrap();
    Engine::new(snapshot)
}

#[test]
fn every_answer_is_upstreams() {
    let seed = seed(0x2026_1121);
    let requests = number("BAILIWICK_REQUESTS", 100_000);
    println!("BAILIWICK_SEED={seed} BAILIWICK_REQUESTS={requests}");
    let mut rng = Rng::new(seed);
    let mut oracle = Oracle::start().unwrap();
    let (mut asked, mut allowed) = (0, 0);
    while asked < requests {
        let (cluster, questions) = (rng.bits(), rng.bits());
        let engine = load(cluster, &mut oracle);
        let mut made = Requests::new(engine.snapshot(), questions);
        let questions: Vec<Question> = (0..ON_ONE_CLUSTER.min(requests - asked))
            .map(|_| made.question())
            .collect();
        let specs: Vec<_> = questions
            .iter()
            .map(|q| manifest::review_spec(&q.user, &q.request))
            .collect();
        let answers = oracle.authorize_batch(&specs, true).unwrap();
        assert_eq!(answers.len(), questions.len());
        for (i, (question, answer)) in questions.iter().zip(&answers).enumerate() {
            let context = format!("BAILIWICK_SEED={seed}, cluster {cluster}: {question:?}");
            compare_decision(&engine, question, answer, &context);
            if i % 10 == 0 {
                compare_rules(&engine, question, &mut oracle, &context);
                compare_subjects(&engine, question, &mut oracle, &context);
            }
            allowed += usize::from(answer.allowed);
        }
        asked += questions.len();
    }
    println!("{asked} requests, {allowed} allowed, 0 differences");
    // A comparison of noes alone would prove little.
    let share = allowed * 100 / asked;
    assert!(
        (30..=70).contains(&share),
        "{share} % of the requests are allowed"
    );
}

fn compare_decision(
    engine: &Engine,
    question: &Question,
    answer: &oracle::Decision,
    context: &str,
) {
    let (user, request) = (&question.user, &question.request);
    let verdict = engine.decide(user, request);
    assert_eq!(
        verdict.is_allowed(),
        answer.allowed,
        "{context}\n{verdict:?}\n{answer:?}"
    );

    let grants = engine.grants(user, request);
    let mut ours: Vec<String> = Vec::new();
    for grant in &grants {
        let text = fields(&grant.to_grant());
        // Upstream names the first subject that applies; we list each.
        let first = grants.iter().find(|other| {
            other.binding_ref() == grant.binding_ref() && other.rule() == grant.rule()
        });
        if first.is_some_and(|first| first.subject() == grant.subject()) {
            ours.push(text);
        }
    }
    ours.sort();
    let mut theirs: Vec<String> = answer.grants.iter().map(their_fields).collect();
    theirs.sort();
    assert_eq!(ours, theirs, "{context}");

    match verdict.grant() {
        Some(grant) => {
            let named = fields(&grant.to_grant());
            assert!(
                theirs.contains(&named),
                "{context}\n{named} is none of {theirs:?}"
            );
            let reasons: BTreeSet<String> = grants
                .iter()
                .map(|grant| grant.to_grant().to_string())
                .collect();
            assert!(
                reasons.contains(&answer.reason),
                "{context}\n{:?} is none of {reasons:?}",
                answer.reason
            );
        }
        // Where nothing grants, upstream's reason holds the roles that it did not find.
        None => assert_eq!(
            verdict.met_dangling(),
            !answer.reason.is_empty(),
            "{context}\n{answer:?}"
        ),
    }
}

fn fields(grant: &Grant) -> String {
    let subject = match &grant.subject {
        Subject::User { name } => format!("User /{name}"),
        Subject::Group { name } => format!("Group /{name}"),
        Subject::ServiceAccount { namespace, name } => format!("ServiceAccount {namespace}/{name}"),
    };
    let (binding, role) = (&grant.binding, &grant.role);
    format!(
        "{} {}/{} → {} {}/{} rule {} to {subject}",
        binding.kind,
        binding.namespace,
        binding.name,
        role.kind,
        role.namespace,
        role.name,
        grant.rule
    )
}

fn their_fields(grant: &oracle::Grant) -> String {
    let full = |r: &oracle::Reference| format!("{} {}/{}", r.kind, r.namespace, r.name);
    format!(
        "{} → {} rule {} to {}",
        full(&grant.binding),
        full(&grant.role),
        grant.rule,
        full(&grant.subject)
    )
}

/// The same rules, each as often, and a problem exactly where upstream has one.
fn compare_rules(engine: &Engine, question: &Question, oracle: &mut Oracle, context: &str) {
    let namespace = question.request.namespace();
    let resolved = engine.rules_for(&question.user, namespace);
    let mut ours: Vec<String> = resolved
        .rules
        .iter()
        .map(|resolved| manifest::rule(resolved.rule).to_string())
        .collect();
    let answer = oracle
        .rules(&manifest::person(&question.user), namespace)
        .unwrap();
    let mut theirs: Vec<String> = answer
        .rules
        .iter()
        .map(|rule| their_rule(rule).to_string())
        .collect();
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs, "{context}");
    assert_eq!(
        resolved.problems.is_empty(),
        answer.error.is_empty(),
        "{context}\n{answer:?}"
    );
}

/// Upstream writes rules without verbs as `"verbs": null`.
fn their_rule(rule: &serde_json::Value) -> serde_json::Value {
    let mut rule = rule.clone();
    if let Some(fields) = rule.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    rule
}

/// The same subjects as the bindings spell them, `system:masters` among them; and each one can.
fn compare_subjects(engine: &Engine, question: &Question, oracle: &mut Oracle, context: &str) {
    let spec = manifest::review_spec(&question.user, &question.request);
    let answer = oracle.subjects(&spec).unwrap();
    let who_can = engine.who_can(&question.request);
    let mut ours = BTreeSet::from([(
        "Group".to_owned(),
        String::new(),
        "system:masters".to_owned(),
    )]);
    for who in who_can.subjects() {
        assert_can(engine, &who.subject(), &question.request, context);
        for grant in who.grants() {
            let subject = grant.binding_subject().unwrap();
            ours.insert((
                subject.kind.to_string(),
                subject.namespace.to_string(),
                subject.name.to_string(),
            ));
        }
    }
    let text =
        |subject: &serde_json::Value, key: &str| subject[key].as_str().unwrap_or("").to_owned();
    let theirs: BTreeSet<_> = answer
        .subjects
        .iter()
        .map(|s| (text(s, "kind"), text(s, "namespace"), text(s, "name")))
        // Upstream also lists what its authorizer then never matches.
        .filter(|theirs| match theirs.0.as_str() {
            "User" | "Group" => true,
            "ServiceAccount" => ours.contains(theirs) || !without_namespace(engine, theirs),
            _ => false,
        })
        .collect();
    assert_eq!(ours, theirs, "{context}");
    assert_eq!(
        who_can.problems.is_empty(),
        answer.error.is_empty(),
        "{context}\n{answer:?}"
    );
}

/// Whether a ClusterRoleBinding names this service account without a namespace: it applies to nobody.
fn without_namespace(engine: &Engine, subject: &(String, String, String)) -> bool {
    let bindings = engine.snapshot().bindings.in_namespace("");
    let mut subjects = bindings.flat_map(|binding| &binding.subjects);
    subject.1.is_empty()
        && subjects.any(|s| {
            &*s.kind == "ServiceAccount" && s.namespace.is_empty() && *s.name == *subject.2
        })
}

/// Whoever is said to be able is allowed when they ask with nothing but this name.
fn assert_can(engine: &Engine, subject: &Subject, request: &Request, context: &str) {
    let user = match subject {
        Subject::Group { name } => UserInfo::exactly("somebody", &[name]),
        account => UserInfo::exactly(&account.user_name().unwrap(), &[]),
    };
    assert!(
        engine.decide(&user, request).is_allowed(),
        "{context}\n{subject} cannot"
    );
}
