use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::testing::{Key, NOW, Root, domain};
use crate::{Signer, TrustDomain};

mod state;
mod upstream;

/// Small numbers, so that every order of steps can be tried.
const POLICY: Policy = Policy {
    refresh_hint: 1,
    propagation: 2,
    handover: 1,
    skew: 0,
    longest_life: 3,
    reissue: 2,
    root_period: 6,
    jwt_period: 6,
};

const RSA: Purpose = Purpose::Jwt(KeyType::Rsa2048);

fn id(number: u8) -> KeyId {
    KeyId::new([number; 16])
}

fn key(number: u8, purpose: Purpose, not_after: u64) -> NewAuthority {
    NewAuthority {
        id: id(number),
        purpose,
        not_after: UnixTime::new(not_after),
        public: vec![number],
        upstream: false,
    }
}

/// The world around a state: who may still sign, who holds which bundle.
#[derive(Clone, PartialEq, Eq, Hash)]
struct World {
    state: State,
    now: u64,
    /// Published keys at each moment that a validator may be left at, newest last.
    bundles: Vec<(u64, Vec<KeyId>)>,
    /// Until when documents signed with a key live.
    live: Vec<(KeyId, u64)>,
    /// Until when a replica that heard nothing may go on signing with a key.
    lagging: Vec<(KeyId, u64)>,
    made: u8,
    /// Whether new roots are those of an authority above ours.
    upstream: bool,
}

impl World {
    fn new() -> Self {
        let first = key(0, Purpose::X509, 40);
        let state = State::birth(domain("td"), vec![first], UnixTime::new(0));
        let mut world = Self {
            state,
            now: 0,
            bundles: Vec::new(),
            live: Vec::new(),
            lagging: Vec::new(),
            made: 1,
            upstream: false,
        };
        world.happen();
        world
    }

    /// What goes on at every moment: every replica signs, validators fetch, old things are forgotten.
    fn happen(&mut self) {
        let now = self.now;
        let active = self.state.active(Purpose::X509).cloned();
        let mut signing: Vec<(KeyId, u64)> = Vec::new();
        if let Some(active) = &active {
            signing.push((active.id.clone(), active.not_after.seconds()));
            self.lagging.retain(|(id, _)| *id != active.id);
            self.lagging
                .push((active.id.clone(), now + POLICY.handover));
        }
        self.lagging.retain(|(_, until)| *until >= now);
        for (id, _) in &self.lagging {
            let end = self
                .state
                .authority(id)
                .map_or(0, |key| key.not_after.seconds());
            signing.push((id.clone(), end));
        }
        for (id, end) in signing {
            let until = (now + POLICY.longest_life).min(end);
            self.live
                .retain(|(known, old)| *known != id || *old > until);
            if !self.live.iter().any(|(known, _)| *known == id) {
                self.live.push((id, until));
            }
        }
        // What a tainted key signed is replaced in time.
        for authority in self.state.authorities() {
            if authority.phase == Phase::Tainted {
                let replaced = authority.since.seconds() + POLICY.reissue;
                for (id, until) in &mut self.live {
                    if *id == authority.id {
                        *until = (*until).min(replaced.saturating_sub(1));
                    }
                }
                self.lagging.retain(|(id, _)| *id != authority.id);
            }
        }
        self.live.retain(|(_, until)| *until >= now);
        let keys = self.state.authorities().iter();
        let published = keys.filter(|key| key.phase.is_published());
        let published = published.map(|key| key.id.clone()).collect();
        self.bundles.push((now, published));
        let oldest = now.saturating_sub(POLICY.propagation);
        self.bundles.retain(|(at, _)| *at >= oldest);
    }

    fn tick(&mut self) {
        self.now += 1;
        self.happen();
    }

    /// Whether the step was taken.
    fn apply(&mut self, step: Step) -> bool {
        match self.state.apply(step, UnixTime::new(self.now), &POLICY) {
            Ok(state) => {
                self.state = state;
                self.happen();
                true
            }
            Err(_) => false,
        }
    }

    fn prepare(&mut self) -> bool {
        let made = key(
            self.made,
            Purpose::X509,
            self.now + POLICY.life(Purpose::X509),
        );
        let taken = self.apply(match self.upstream {
            true => Step::Adopt(made),
            false => Step::Prepare(made),
        });
        self.made += u8::from(taken);
        taken
    }

    /// The promise.
    fn check(&self) {
        let active = self.state.authorities().iter();
        let active = active.filter(|key| key.phase == Phase::Active).count();
        assert_eq!(active, 1, "one key signs");
        for (id, until) in &self.live {
            for (at, bundle) in &self.bundles {
                // A validator that was given its bundle before the last step of the same moment has the next by now.
                let newest = self.bundles.iter().filter(|(other, _)| other == at);
                let newest = newest.map(|(_, bundle)| bundle).next_back();
                assert!(
                    bundle.contains(id) || newest.is_some_and(|bundle| bundle.contains(id)),
                    "at {}, a document of {id} that lives until {until} is rejected with the bundle of {at}",
                    self.now,
                );
            }
        }
    }

    /// Every step that could be tried.
    fn steps(&self) -> Vec<Step> {
        let each: [fn(KeyId) -> Step; 5] = [
            Step::Publish,
            Step::Activate,
            Step::Taint,
            Step::Revoke,
            Step::Remove,
        ];
        let keys = self.state.authorities().iter();
        keys.flat_map(|key| each.map(|step| step(key.id.clone())))
            .collect()
    }

    /// Without what only counts: two worlds that go on alike are one.
    fn shape(&self) -> impl Eq + std::hash::Hash + use<> {
        let now = self.now;
        let keys: Vec<_> = self
            .state
            .authorities()
            .iter()
            .map(|key| {
                let end = key.not_after.seconds().saturating_sub(now).min(20);
                (key.id.clone(), key.phase, now - key.since.seconds(), end)
            })
            .collect();
        let ago = |at: &u64| at.abs_diff(now);
        let bundles: Vec<_> = self
            .bundles
            .iter()
            .map(|(at, keys)| (ago(at), keys.clone()))
            .collect();
        let live: Vec<_> = self
            .live
            .iter()
            .map(|(id, at)| (id.clone(), ago(at)))
            .collect();
        let lagging: Vec<_> = self
            .lagging
            .iter()
            .map(|(id, at)| (id.clone(), ago(at)))
            .collect();
        (keys, bundles, live, lagging)
    }
}

#[test]
fn f_6_no_order_of_steps_makes_a_validator_reject_a_live_document() {
    assert_eq!(every_order(false, 16).len(), 6, "every phase was reached");
    // No root of an authority above ours is ever prepared, which leaves more orders for fewer moments.
    assert_eq!(every_order(true, 10).len(), 5);
}

/// The phases that keys were in.
fn every_order(upstream: bool, moments: usize) -> HashSet<Phase> {
    let mut seen = HashSet::new();
    let first = World {
        upstream,
        ..World::new()
    };
    let mut edge = vec![first];
    let mut phases = HashSet::new();
    for _ in 0..moments {
        let mut next = Vec::new();
        for world in edge {
            world.check();
            phases.extend(world.state.authorities().iter().map(|key| key.phase));
            let mut push = |world: World| {
                if world.made < 5 && seen.insert(world.shape()) {
                    next.push(world);
                }
            };
            let mut later = world.clone();
            later.tick();
            push(later);
            let mut prepared = world.clone();
            if prepared.prepare() {
                push(prepared);
            }
            for step in world.steps() {
                let mut other = world.clone();
                if other.apply(step) {
                    push(other);
                }
            }
        }
        edge = next;
    }
    assert!(seen.len() > 1000, "{} worlds", seen.len());
    phases
}

#[test]
fn the_check_notices_a_key_that_signs_too_early() {
    let mut world = World::new();
    world.prepare();
    // As a state machine without the wait would do it.
    let json = world.state.to_json().to_string();
    let json = json.replacen("\"phase\":\"active\"", "\"phase\":\"retiring\"", 1);
    let json = json.replacen("\"phase\":\"prepared\"", "\"phase\":\"active\"", 1);
    world.tick();
    world.state = State::from_json(json.as_bytes()).unwrap();
    world.tick();
    let outcome = std::panic::catch_unwind(|| world.check());
    assert!(outcome.is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn f_6_long_histories(choices in prop::collection::vec(0..40u8, 1..300)) {
        let mut world = World::new();
        for choice in choices {
            world.upstream = choice % 2 == 0;
            let steps = world.steps();
            match choice {
                0..20 => world.tick(),
                20 if world.made < 250 => { world.prepare(); }
                _ => {
                    let index = usize::from(choice) % steps.len().max(1);
                    if let Some(step) = steps.into_iter().nth(index) {
                        world.apply(step);
                    }
                }
            }
            // A key that nobody replaces runs out, and then nothing is signed at all.
            let end = world.state.active(Purpose::X509).map_or(0, |key| key.not_after.seconds());
            if world.now >= end {
                break;
            }
            world.check();
        }
    }
}

#[test]
fn what_is_due_rotates_keys_for_ever() {
    let mut world = World::new();
    let mut active = HashSet::new();
    let mut sequence = 0;
    for _ in 0..200 {
        let now = UnixTime::new(world.now);
        let mut steps = 0;
        while let Some(due) = world.state.due(now, &POLICY) {
            match due {
                Due::Key(Purpose::X509) => assert!(world.prepare()),
                Due::Step(step) => assert!(world.apply(step.clone()), "{step:?}"),
                Due::Key(other) => panic!("a key for {other}"),
            }
            steps += 1;
            assert!(steps < 10, "it never ends");
        }
        world.check();
        assert!(world.state.sequence() >= sequence);
        sequence = world.state.sequence();
        active.insert(world.state.active(Purpose::X509).unwrap().id.clone());
        assert!(world.state.authorities().len() <= 3);
        world.tick();
    }
    assert!(active.len() > 25, "{} keys signed", active.len());
}

#[test]
fn a_stolen_key_is_replaced_at_once() {
    let mut world = World::new();
    assert!(world.prepare());
    assert!(world.apply(Step::Publish(id(1))));
    assert!(!world.apply(Step::Activate(id(1))), "nobody knows it yet");
    world.tick();
    world.tick();
    assert!(!world.apply(Step::Taint(id(0))), "it signs");
    assert!(world.apply(Step::Activate(id(1))));
    assert!(world.apply(Step::Taint(id(0))));
    assert!(
        !world.apply(Step::Revoke(id(0))),
        "workloads still show what it signed"
    );
    assert!(!world.apply(Step::Remove(id(0))));
    world.tick();
    world.tick();
    assert!(world.apply(Step::Revoke(id(0))));
    world.check();
    assert!(world.apply(Step::Remove(id(0))));
    world.check();
}

#[test]
fn refusals_say_why() {
    let at = |seconds: u64| UnixTime::new(seconds);
    let born = State::birth(domain("td"), vec![key(0, Purpose::X509, 40)], at(0));
    let check = |state: &State, step: Step, now: u64, expected: &str| {
        let refusal = state.apply(step, at(now), &POLICY).unwrap_err();
        assert_eq!(refusal.to_string(), expected.replace("ID", id(1).as_str()));
    };
    let step = |state: &State, step: Step, now: u64| state.apply(step, at(now), &POLICY).unwrap();
    let prepare = |number: u8, end: u64| Step::Prepare(key(number, Purpose::X509, end));
    check(
        &born,
        Step::Publish(id(1)),
        0,
        "no key `ID`: `identity authority` lists them",
    );
    let prepared = step(&born, prepare(1, 40), 0);
    check(
        &prepared,
        prepare(2, 40),
        0,
        "the key `ID` waits for its turn already",
    );
    check(&prepared, prepare(1, 40), 0, "a key `ID` is there already");
    check(
        &prepared,
        Step::Activate(id(1)),
        9,
        "the key `ID` is prepared: it cannot be activated",
    );
    let published = step(&prepared, Step::Publish(id(1)), 1);
    check(
        &published,
        Step::Activate(id(1)),
        2,
        "the key `ID` cannot be activated before 1970-01-01T00:00:03Z: validators would reject what is signed with it",
    );
    check(
        &published,
        Step::Activate(id(1)),
        37,
        "the key `ID` ends too soon to sign anything",
    );
    let active = step(&published, Step::Activate(id(1)), 3);
    check(
        &active,
        Step::Remove(id(1)),
        99,
        "the key `ID` is active: it cannot be removed",
    );
    check(
        &active,
        Step::Taint(id(1)),
        99,
        "the key `ID` is active: it cannot be tainted",
    );
}

#[test]
fn a_clock_that_goes_back_stands_still() {
    let at = |seconds: u64| UnixTime::new(seconds);
    let born = State::birth(domain("td"), vec![key(0, Purpose::X509, 400)], at(100));
    let made = key(1, Purpose::X509, 400);
    let prepared = born.apply(Step::Prepare(made), at(50), &POLICY).unwrap();
    assert_eq!(prepared.updated(), at(100));
    let published = prepared
        .apply(Step::Publish(id(1)), at(10), &POLICY)
        .unwrap();
    assert_eq!(published.authority(&id(1)).unwrap().since, at(100));
    assert!(
        published
            .apply(Step::Activate(id(1)), at(0), &POLICY)
            .is_err()
    );
}

#[test]
fn b_1_the_sequence_grows_with_what_validators_see() {
    let at = UnixTime::new(0);
    let step = |state: &State, step: Step, now: u64| {
        state.apply(step, UnixTime::new(now), &POLICY).unwrap()
    };
    let born = State::birth(domain("td"), vec![key(0, Purpose::X509, 400)], at);
    assert_eq!((born.sequence(), born.revision()), (1, Revision(1)));
    let prepared = step(&born, Step::Prepare(key(1, Purpose::X509, 400)), 0);
    assert_eq!((prepared.sequence(), prepared.revision()), (1, Revision(2)));
    let published = step(&prepared, Step::Publish(id(1)), 0);
    assert_eq!(published.sequence(), 2);
    let active = step(&published, Step::Activate(id(1)), 5);
    assert_eq!(active.sequence(), 2);
    let removed = step(&active, Step::Remove(id(0)), 50);
    assert_eq!((removed.sequence(), removed.revision()), (3, Revision(5)));
}

#[test]
fn c_1_keys_of_tokens_rotate_beside_each_other() {
    let ec = Purpose::Jwt(KeyType::EcP256);
    let at = UnixTime::new(0);
    let keys = vec![
        key(0, Purpose::X509, 400),
        key(1, ec, 400),
        key(2, RSA, 400),
    ];
    let state = State::birth(domain("td"), keys, at);
    let next = state
        .apply(Step::Prepare(key(3, RSA, 400)), at, &POLICY)
        .unwrap();
    let next = next.apply(Step::Publish(id(3)), at, &POLICY).unwrap();
    let next = next
        .apply(Step::Activate(id(3)), UnixTime::new(2), &POLICY)
        .unwrap();
    assert_eq!(next.active(RSA).unwrap().id, id(3));
    assert_eq!(next.active(ec).unwrap().id, id(1));
    assert_eq!(next.active(Purpose::X509).unwrap().id, id(0));
}
