//! Any sequence of changes leaves the engine as a rebuild would make it: same decisions with the same evidence, same
//! rules, same people, and nothing left over inside.

use std::collections::BTreeSet;

use bailiwick_core::{Kind, ObjectRef};
use bailiwick_model::{Delta, Object, Origin, Snapshot};
use bailiwick_rbac::{Engine, WhoCan};
use bailiwick_testkit::generate::{Requests, Rng, Wild};
use proptest::prelude::*;

/// One change of a cluster that `wild` made: half of them bindings, and a quarter removals.
fn change(wild: &Wild, rng: &mut Rng) -> Delta {
    let remove = rng.chance(25);
    let object = if rng.chance(50) {
        Object::Binding(wild.any_binding(rng))
    } else {
        Object::Role(wild.any_role(rng))
    };
    if remove {
        Delta::Remove(object.object_ref())
    } else {
        Delta::Upsert(Box::new(object), Origin::Live)
    }
}

fn people(who: &WhoCan<'_>) -> BTreeSet<(String, Vec<String>)> {
    who.subjects()
        .map(|who| {
            let mut grants: Vec<String> = who.grants().map(|grant| format!("{grant:?}")).collect();
            grants.sort();
            (who.subject().to_string(), grants)
        })
        .collect()
}

/// Asks both engines the same questions.
fn assert_same(changed: &Engine, rebuilt: &Engine, seed: u64) {
    assert_eq!(
        counts(changed),
        counts(rebuilt),
        "something is left over or missing"
    );
    let mut requests = Requests::new(rebuilt.snapshot(), seed);
    for _ in 0..60 {
        let question = requests.question();
        let (user, request) = (&question.user, &question.request);
        let decision = |engine: &Engine| engine.decide(user, request).to_decision();
        assert_eq!(decision(changed), decision(rebuilt), "{question:?}");
        let grants = |engine: &Engine| format!("{:?}", engine.grants(user, request));
        assert_eq!(grants(changed), grants(rebuilt), "{question:?}");
        let rules = |engine: &Engine| format!("{:?}", engine.rules_for(user, request.namespace()));
        assert_eq!(rules(changed), rules(rebuilt), "{question:?}");
        let who = |engine: &Engine| people(&engine.who_can(request));
        assert_eq!(who(changed), who(rebuilt), "{question:?}");
        let everywhere = |engine: &Engine| people(&engine.who_can_everywhere(request));
        assert_eq!(everywhere(changed), everywhere(rebuilt), "{question:?}");
    }
}

/// Everything that does not depend on spare capacity.
fn counts(engine: &Engine) -> [usize; 6] {
    let size = engine.size();
    [
        size.bindings,
        size.roles,
        size.strings,
        size.subjects,
        size.postings,
        size.list_room,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn changes_equal_a_rebuild(seed in any::<u64>(), changes in 1_usize..200) {
        let wild = Wild::default();
        let mut rng = Rng::new(seed);
        let mut engine = Engine::new(wild.cluster(rng.bits()));
        for _ in 0..changes {
            engine.apply(change(&wild, &mut rng));
        }
        let rebuilt = Engine::new(engine.snapshot().clone());
        assert_same(&engine, &rebuilt, rng.bits());
    }

    #[test]
    fn nothing_is_left_when_everything_is_gone(seed in any::<u64>()) {
        let mut engine = Engine::new(Wild::default().cluster(seed));
        let objects: Vec<ObjectRef> =
            engine.snapshot().objects().map(|(object, _)| object.object_ref()).collect();
        // From both ends, so that roles go before bindings that refer to them and after.
        let middle = objects.len() / 2;
        for object in objects[middle..].iter().rev().chain(&objects[..middle]) {
            engine.apply(Delta::Remove(object.clone()));
        }
        prop_assert_eq!(counts(&engine), counts(&Engine::new(Snapshot::default())));
    }
}

#[test]
fn a_role_that_appears_later_brings_its_bindings_to_life() {
    let wild = Wild::default();
    let cluster = wild.cluster(1);
    let mut engine = Engine::new(cluster.clone());
    let mut requests = Requests::new(&cluster, 1);
    let question = std::iter::repeat_with(|| requests.question())
        .find(|q| engine.grants(&q.user, &q.request).len() == 1)
        .unwrap();
    let grant = engine.grants(&question.user, &question.request)[0];
    let role = grant.role().unwrap().clone();
    let expected = engine
        .decide(&question.user, &question.request)
        .to_decision();

    engine.apply(Delta::Remove(role.object_ref()));
    let without = engine.decide(&question.user, &question.request);
    assert!(!without.is_allowed());
    assert!(without.met_dangling());
    assert!(
        without
            .problems()
            .iter()
            .any(|p| p.to_string().contains(&*role.metadata.name)),
        "the missing role is named: {:?}",
        without.problems()
    );

    engine.apply(Delta::Upsert(Box::new(Object::Role(role)), Origin::Live));
    assert_eq!(
        engine
            .decide(&question.user, &question.request)
            .to_decision(),
        expected
    );
}

#[test]
fn removing_what_is_not_there_changes_nothing() {
    let mut engine = Engine::new(Wild::default().cluster(1));
    let before = counts(&engine);
    for kind in Kind::ALL {
        assert_eq!(
            engine.apply(Delta::Remove(ObjectRef::new(kind, "nowhere", "nothing"))),
            None
        );
    }
    assert_eq!(counts(&engine), before);
}
