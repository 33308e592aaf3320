//! The RBAC engine on made-up clusters of ordinary rules.

use std::hint::black_box;

use anyhow::{Result, ensure};
use bailiwick_core::{Request, ResourceRequest};
use bailiwick_model::{Binding, Delta, Object, Origin};
use bailiwick_rbac::{Engine, Touched};
use bailiwick_testkit::generate::{Question, Requests, Shape, manifest};
use bailiwick_testkit::oracle::{Oracle, ReviewSpec};

use super::figures::Bar::{AtLeast, AtMost};
use super::figures::{Bar, Figures, Times};

const SEED: u64 = 0x2026_1121;
/// Different requests of one measurement.
const REQUESTS: usize = 10_000;
/// How often each is timed.
const ROUNDS: usize = 5;

pub(super) fn run() -> Result<Figures> {
    let mut figures = Figures::default();
    beside_upstream(&mut figures)?;
    scaling(&mut figures);
    one_user_everywhere(&mut figures);
    memory(&mut figures);
    who_can(&mut figures);
    changes(&mut figures);
    large_cluster(&mut figures);
    Ok(figures)
}

/// Half of them allowed, half not, in turn.
fn questions(engine: &Engine) -> Vec<Question> {
    let mut requests = Requests::new(engine.snapshot(), SEED).plain();
    let (mut allowed, mut others) = (Vec::new(), Vec::new());
    while allowed.len().min(others.len()) < REQUESTS / 2 {
        let question = requests.question();
        if engine
            .decide(&question.user, &question.request)
            .is_allowed()
        {
            allowed.push(question);
        } else {
            others.push(question);
        }
    }
    let pairs = allowed.into_iter().zip(others).take(REQUESTS / 2);
    pairs.flat_map(<[Question; 2]>::from).collect()
}

/// Each request is timed by itself, in turn, from the strings that somebody has just parsed to the names of binding,
/// role and subject.
fn decide(engine: &Engine, questions: &[Question]) -> Times {
    let mut times = Times::default();
    for _ in 0..ROUNDS {
        for question in questions {
            // A copy, because a request arrives in memory that was just written.
            let question = question.clone();
            times.measure(|| {
                let verdict = engine.decide(&question.user, &question.request);
                verdict.grant().map(|grant| {
                    let (binding, role) = (grant.binding_name(), grant.role_name());
                    black_box((
                        grant.namespace(),
                        binding,
                        role,
                        grant.rule(),
                        grant.subject_name(),
                    ));
                })
            });
        }
    }
    times
}

fn beside_upstream(figures: &mut Figures) -> Result<()> {
    let snapshot = Shape::mixed(10_000).cluster(SEED);
    let mut oracle = Oracle::start()?;
    oracle.load(&manifest::objects(&snapshot))?;
    let engine = Engine::new(snapshot);
    let questions = questions(&engine);
    let specs: Vec<ReviewSpec> = questions
        .iter()
        .map(|q| manifest::review_spec(&q.user, &q.request))
        .collect();
    let upstream = oracle.bench(&specs, 1)?;
    let mut times = decide(&engine, &questions);
    let allowed = questions
        .iter()
        .filter(|q| engine.decide(&q.user, &q.request).is_allowed())
        .count();
    ensure!(allowed == upstream.allowed, "the engines do not agree");

    let (p50, p99) = (times.percentile(50.0), times.percentile(99.0));
    let (their_p50, their_p99) = (upstream.overall.p50 as f64, upstream.overall.p99 as f64);
    let mut add = |name: &str, value, unit, bar| {
        figures.add(&format!("10,000 bindings: {name}"), value, unit, bar);
    };
    add(
        "share of requests allowed",
        allowed as f64 * 100.0 / REQUESTS as f64,
        "%",
        None,
    );
    add("decide, p50", p50, "ns", Some(AtMost(1000.0)));
    add("decide, p99", p99, "ns", Some(AtMost(3000.0)));
    add("upstream's authorizer, p50", their_p50, "ns", None);
    add("upstream's authorizer, p99", their_p99, "ns", None);
    add(
        "times faster, p50",
        their_p50 / p50,
        "",
        Some(AtLeast(100.0)),
    );
    add(
        "times faster, p99",
        their_p99 / p99,
        "",
        Some(AtLeast(300.0)),
    );
    Ok(())
}

fn scaling(figures: &mut Figures) {
    let mut at_100 = None;
    for bindings in [100, 1_000, 10_000, 100_000, 1_000_000] {
        let engine = Engine::new(Shape::mixed(bindings).cluster(SEED));
        let questions = questions(&engine);
        let mut times = decide(&engine, &questions);
        let (mean, most) = touched(&engine, &questions);
        // Ratios of the fastest of several times, so that other users of the machine have no say in them.
        let alone = times.fastest(questions.len()).percentile(50.0);
        let ratio = alone / *at_100.get_or_insert(alone);
        let (p50, p99) = (times.percentile(50.0), times.percentile(99.0));
        let name = |what: &str| format!("{bindings} bindings: {what}");
        figures.add(&name("bindings touched, mean"), mean.bindings, "", None);
        figures.add(
            &name("bindings touched, most"),
            most.bindings as f64,
            "",
            None,
        );
        figures.add(&name("rules touched, mean"), mean.rules, "", None);
        figures.add(&name("rules touched, most"), most.rules as f64, "", None);
        figures.add(&name("decide, p50"), p50, "ns", None);
        let ratio_bar: Option<Bar> = (bindings == 10_000).then_some(AtMost(1.5));
        figures.add(
            &name("decide, p50 of the fastest, times that of 100"),
            ratio,
            "",
            ratio_bar,
        );
        let p99_bar = (bindings == 1_000_000).then_some(AtMost(10_000.0));
        figures.add(&name("decide, p99"), p99, "ns", p99_bar);
    }
}

struct Mean {
    bindings: f64,
    rules: f64,
}

fn touched(engine: &Engine, questions: &[Question]) -> (Mean, Touched) {
    let (mut sum, mut most) = (Touched::default(), Touched::default());
    for question in questions {
        let (_, touched) = engine.decide_counted(&question.user, &question.request);
        sum.bindings += touched.bindings;
        sum.rules += touched.rules;
        most.bindings = most.bindings.max(touched.bindings);
        most.rules = most.rules.max(touched.rules);
    }
    let mean = |sum: usize| sum as f64 / questions.len() as f64;
    let (bindings, rules) = (mean(sum.bindings), mean(sum.rules));
    (Mean { bindings, rules }, most)
}

fn one_user_everywhere(figures: &mut Figures) {
    for namespaces in [10, 10_000] {
        let engine = Engine::new(Shape::one_user_everywhere(namespaces, SEED));
        let questions = questions(&engine);
        let mut times = decide(&engine, &questions);
        let (mean, _) = touched(&engine, &questions);
        let name = |what: &str| format!("one user bound in {namespaces} namespaces: {what}");
        figures.add(&name("bindings touched, mean"), mean.bindings, "", None);
        figures.add(&name("decide, p50"), times.percentile(50.0), "ns", None);
        figures.add(&name("decide, p99"), times.percentile(99.0), "ns", None);
    }
}

fn memory(figures: &mut Figures) {
    for bindings in [10_000, 100_000, 1_000_000] {
        let snapshot = Shape::mixed(bindings).cluster(SEED);
        let mut built = Times::default();
        let engine = built.measure(|| Engine::new(snapshot));
        let size = engine.size();
        let each = |bytes: usize| bytes as f64 / size.bindings as f64;
        let name = |what: &str| format!("{bindings} bindings: {what}");
        let bar = Some(AtMost(100.0));
        figures.add(
            &name("index, a binding with one subject"),
            each(size.binding_bytes),
            "bytes",
            bar,
        );
        figures.add(
            &name("tables of names, a binding"),
            each(size.string_table_bytes),
            "bytes",
            None,
        );
        figures.add(
            &name("names, a binding"),
            each(size.string_bytes),
            "bytes",
            None,
        );
        let source = size_of::<Origin>() as f64;
        figures.add(&name("source, a binding"), source, "bytes", None);
        figures.add(
            &name("compiled roles"),
            size.role_bytes as f64 / 1024.0,
            "KiB",
            None,
        );
        figures.add(&name("indexing"), built.percentile(50.0) / 1e6, "ms", None);
    }
}

fn who_can(figures: &mut Figures) {
    let request: Request = ResourceRequest::new("get", "", "secrets").into();
    let clusters = [
        ("of 3,300 roles", Shape::mixed(40_000).cluster(SEED)),
        ("that all grant it", Shape::one_role(40_000, SEED)),
    ];
    for (which, snapshot) in clusters {
        let engine = Engine::new(snapshot);
        let (mut times, mut grants, mut subjects) = (Times::default(), 0, 0);
        for _ in 0..50 {
            times.measure(|| {
                let who_can = engine.who_can_everywhere(&request);
                grants = who_can.grants();
                subjects = who_can.subjects().count();
            });
        }
        let name = |what: &str| format!("40,000 bindings {which}: {what}");
        figures.add(&name("grants of get secrets"), grants as f64, "", None);
        figures.add(&name("subjects"), subjects as f64, "", None);
        let p50 = times.percentile(50.0) / 1e6;
        figures.add(
            &name("who-can everywhere, p50"),
            p50,
            "ms",
            Some(AtMost(5.0)),
        );
        figures.add(
            &name("who-can everywhere, p99"),
            times.percentile(99.0) / 1e6,
            "ms",
            None,
        );
    }
}

fn changes(figures: &mut Figures) {
    let clusters = [
        ("10,000 bindings", Shape::mixed(10_000).cluster(SEED)),
        ("a role of 40,000 bindings", Shape::one_role(40_000, SEED)),
    ];
    for (which, snapshot) in clusters {
        let bindings: Vec<Binding> = snapshot.bindings.iter().cloned().collect();
        let mut engine = Engine::new(snapshot);
        let step = bindings.len() / 1000;
        let (mut removed, mut added, mut replaced) =
            (Times::default(), Times::default(), Times::default());
        for binding in bindings.iter().step_by(step) {
            let put = || Delta::Upsert(Box::new(Object::Binding(binding.clone())), Origin::Live);
            let (same, again) = (put(), put());
            replaced.measure(|| engine.apply(same));
            let gone = Delta::Remove(binding.object_ref());
            removed.measure(|| engine.apply(gone));
            added.measure(|| engine.apply(again));
        }
        for (what, times) in [
            ("removed", &mut removed),
            ("added", &mut added),
            ("replaced", &mut replaced),
        ] {
            let p50 = times.percentile(50.0) / 1e3;
            let p99 = times.percentile(99.0) / 1e3;
            figures.add(&format!("{which}: one {what}, p50"), p50, "µs", None);
            figures.add(
                &format!("{which}: one {what}, p99"),
                p99,
                "µs",
                Some(AtMost(100.0)),
            );
        }
    }
}

fn large_cluster(figures: &mut Figures) {
    let snapshot = Shape::KUBEHOUND_87.cluster(SEED);
    let mut built = Times::default();
    let engine = built.measure(|| Engine::new(snapshot));
    let questions = questions(&engine);
    let mut times = decide(&engine, &questions);
    let name = |what: &str| format!("4,491 RoleBindings, 676 ClusterRoleBindings: {what}");
    figures.add(&name("indexing"), built.percentile(50.0) / 1e6, "ms", None);
    figures.add(&name("decide, p50"), times.percentile(50.0), "ns", None);
    figures.add(&name("decide, p99"), times.percentile(99.0), "ns", None);
}
