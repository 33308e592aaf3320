use std::sync::atomic::{AtomicU64, Ordering};

use bailiwick_identity::rotation::Phase;
use bailiwick_identity::rules::{Plan, RuleName};
use bailiwick_identity::{SpiffeId, jwt, x509};

use super::*;
use crate::keys::MemoryKeys;
use crate::store::MemoryState;

/// A clock that tests move.
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now(&self) -> UnixTime {
        UnixTime::new(self.0.load(Ordering::SeqCst))
    }
}

mod lists;
mod upstream;

/// Stores that outlive an authority, as those of a machine do.
#[derive(Clone)]
struct World {
    keys: Arc<MemoryKeys>,
    store: Arc<MemoryState>,
    clock: Arc<Hand>,
}

impl KeyStore for Arc<MemoryKeys> {
    fn generate(&self, id: &KeyId, key_type: KeyType) -> Result<Arc<dyn Signer>, KeyStoreError> {
        (**self).generate(id, key_type)
    }

    fn signer(&self, id: &KeyId) -> Result<Option<Arc<dyn Signer>>, KeyStoreError> {
        (**self).signer(id)
    }

    fn remove(&self, id: &KeyId) -> Result<(), KeyStoreError> {
        (**self).remove(id)
    }
}

impl World {
    fn new() -> Self {
        Self {
            keys: Arc::default(),
            store: Arc::default(),
            clock: Arc::new(Hand(AtomicU64::new(1_795_262_400))),
        }
    }

    fn open(&self) -> Result<Authority, AuthorityError> {
        self.open_as("td")
    }

    fn open_as(&self, domain: &str) -> Result<Authority, AuthorityError> {
        let options = Options {
            // Keys of RSA take long to make.
            jwt_keys: vec![KeyType::EcP256, KeyType::EcP384],
            ..Options::new(TrustDomain::parse(domain).unwrap())
        };
        let clock = Arc::clone(&self.clock);
        let (keys, store) = (Arc::clone(&self.keys), Arc::clone(&self.store));
        Authority::open(options, Box::new(keys), Box::new(store), clock, None)
    }

    fn open_with(&self, evidence: Evidence) -> Result<Authority, AuthorityError> {
        let options = Options {
            jwt_keys: vec![KeyType::EcP256],
            ..Options::new(TrustDomain::parse("td").unwrap())
        };
        let clock = Arc::clone(&self.clock);
        let (keys, store) = (Arc::clone(&self.keys), Arc::clone(&self.store));
        Authority::open(
            options,
            Box::new(keys),
            Box::new(store),
            clock,
            Some(evidence),
        )
    }

    fn pass(&self, seconds: u64) {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

fn plan() -> Plan {
    Plan {
        rule: RuleName {
            namespace: None,
            name: "r".into(),
        },
        id: SpiffeId::parse("spiffe://td/a").unwrap(),
        dns_names: Vec::new(),
        lifetime: 3600,
        jwt_lifetime: 300,
        hint: None,
        claims: BTreeMap::from([("team".into(), "shop".into())]),
        key_type: KeyType::EcP256,
        federates_with: Vec::new(),
    }
}

fn svid(authority: &Authority) -> IssuedX509 {
    let key = crate::keys::WorkloadKey::generate(KeyType::EcP256).unwrap();
    authority.issue_x509(&plan(), &key.public).unwrap()
}

fn accepts(bundle: &Bundle, svid: &IssuedX509, now: UnixTime) -> bool {
    x509::validate(&svid.chain, bundle, now).is_ok()
}

const DAY: u64 = 86_400;

#[test]
fn a_first_key_for_wit_svids_signs_when_all_may_know_it() {
    let world = World::new();
    let open = |wit| {
        let options = Options {
            jwt_keys: vec![KeyType::EcP256],
            wit,
            ..Options::new(TrustDomain::parse("td").unwrap())
        };
        let (keys, store) = (Arc::clone(&world.keys), Arc::clone(&world.store));
        let clock = Arc::clone(&world.clock);
        Authority::open(options, Box::new(keys), Box::new(store), clock, None).unwrap()
    };
    let key = crate::keys::WorkloadKey::generate(KeyType::EcP256).unwrap();
    let issue = |authority: &Authority| authority.issue_wit(&plan(), &key.public);
    let without = open(false);
    assert!(!without.offers_wit());
    assert!(matches!(
        issue(&without),
        Err(AuthorityError::NoKey(Purpose::Wit))
    ));
    let with = open(true);
    assert_eq!(with.bundle().wit_authorities().len(), 1);
    assert!(matches!(
        issue(&with),
        Err(AuthorityError::NoKey(Purpose::Wit))
    ));
    world.pass(Policy::DEFAULT.propagation + Policy::DEFAULT.skew);
    with.tick().unwrap();
    let issued = issue(&with).unwrap();
    let bundle = with.bundle();
    assert!(bailiwick_identity::wit::read(&issued.token, &*bundle, None, with.now()).is_ok());
    assert_eq!(issued.expires_at, with.now().plus(3600));
    // Its successor stands by, as those of other keys do.
    assert_eq!(bundle.wit_authorities().len(), 2);
    assert!(open(true).offers_wit());
    // Where nobody asks for them any more, validators go on to know what was signed.
    let off = open(false);
    assert!(issue(&off).is_err());
    assert!(bailiwick_identity::wit::read(&issued.token, &*off.bundle(), None, off.now()).is_ok());
}

#[test]
fn what_is_issued_is_accepted_with_the_bundle() {
    let authority = World::new().open().unwrap();
    let (bundle, now) = (authority.bundle(), authority.now());
    let svid = svid(&authority);
    assert_eq!(svid.chain.len(), 2, "leaf and intermediate, no root");
    assert!(accepts(&bundle, &svid, now));
    assert_eq!(svid.validity.not_after, now.plus(3600));
    assert_eq!(svid.validity.not_before, now.minus(BACKDATE));

    let audience = ["me".to_owned()];
    let issued = authority.issue_jwt(&plan(), &audience).unwrap();
    let checked = jwt::validate(&issued.token, &["me"], &*bundle, now).unwrap();
    assert_eq!(checked.claims["team"], "shop");
    assert_eq!(checked.claims["jti"], issued.jti.as_str());
    assert!(!format!("{issued:?}").contains(&issued.token));
}

#[test]
fn what_is_issued_is_accepted_where_clocks_are_four_minutes_apart() {
    // Of an authority that was born at this moment, with everything that it signs by.
    let authority = World::new().open().unwrap();
    let (bundle, now) = (authority.bundle(), authority.now());
    let svid = svid(&authority);
    let issued = authority.issue_jwt(&plan(), &["me".to_owned()]).unwrap();
    for there in [now.minus(240), now.plus(240)] {
        assert!(accepts(&bundle, &svid, there));
        let checked = jwt::validate(&issued.token, &["me"], &*bundle, there).unwrap();
        // Others refuse tokens that were issued later than now.
        assert!(checked.claims["iat"].as_u64().unwrap() <= there.seconds());
    }
}

#[test]
fn an_authority_that_is_held_signs_nothing_until_it_is_let_go() {
    let authority = World::new().open().unwrap();
    assert!(authority.signs_until().is_some());
    let key = crate::keys::WorkloadKey::generate(KeyType::EcP256).unwrap();
    authority.hold(Some("who is banned is not known"));
    let certificate = authority.issue_x509(&plan(), &key.public).map(drop);
    let token = authority.issue_jwt(&plan(), &["me".to_owned()]).map(drop);
    for refused in [certificate, token] {
        let why = refused.unwrap_err().to_string();
        assert_eq!(why, "nothing is signed now: who is banned is not known");
    }
    // Keys are looked after meanwhile, and validators hear of them.
    authority.tick().unwrap();
    authority.hold(None);
    assert!(accepts(
        &authority.bundle(),
        &svid(&authority),
        authority.now()
    ));
}

#[test]
fn serials_are_never_the_same() {
    let authority = World::new().open().unwrap();
    let key = crate::keys::WorkloadKey::generate(KeyType::EcP256).unwrap();
    let mut serials = std::collections::HashSet::new();
    for _ in 0..100 {
        let svid = authority.issue_x509(&plan(), &key.public).unwrap();
        assert!(
            serials.insert(svid.serial),
            "the same number for the same key"
        );
    }
}

#[test]
fn an_authority_is_the_same_after_a_restart() {
    let world = World::new();
    let first = world.open().unwrap();
    let old = svid(&first);
    let bundle = first.bundle();
    drop(first);
    world.pass(60);
    let second = world.open().unwrap();
    assert_eq!(second.bundle(), bundle);
    assert!(accepts(&second.bundle(), &old, second.now()));
    assert!(accepts(&bundle, &svid(&second), second.now()));
}

#[test]
fn two_replicas_are_one_authority() {
    let world = World::new();
    let (one, two) = (world.open().unwrap(), world.open().unwrap());
    assert_eq!(one.bundle(), two.bundle());
    assert!(accepts(&one.bundle(), &svid(&two), two.now()));
    assert!(accepts(&two.bundle(), &svid(&one), one.now()));
}

#[test]
fn many_replicas_start_at_once() {
    let world = World::new();
    let opened: Vec<Authority> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| world.open().unwrap()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    for authority in &opened {
        authority.tick().unwrap();
        assert_eq!(authority.bundle(), opened[0].bundle());
    }
    for authority in &opened {
        assert!(accepts(
            &opened[0].bundle(),
            &svid(authority),
            authority.now()
        ));
    }
}

#[test]
fn a_year_of_rotation_with_stale_validators() {
    let world = World::new();
    let (one, two) = (world.open().unwrap(), world.open().unwrap());
    let mut bundles: Vec<(u64, Arc<Bundle>)> = Vec::new();
    let mut live: Vec<IssuedX509> = Vec::new();
    let mut roots = std::collections::HashSet::new();
    let mut kids = std::collections::HashSet::new();
    // Validators ask every 20 minutes, the replicas look every 20 minutes, at different times.
    for round in 0..(370 * DAY / 1200) {
        world.pass(1200);
        let now = world.clock.now();
        if round % 2 == 0 { &one } else { &two }.tick().unwrap();
        let state = one.state();
        roots.insert(state.active(Purpose::X509).unwrap().id.clone());
        kids.insert(
            state
                .active(Purpose::Jwt(KeyType::EcP256))
                .unwrap()
                .id
                .clone(),
        );
        // A day around each change is looked at closely, and one hour of each other week.
        let near = state
            .authorities()
            .iter()
            .any(|key| key.purpose == Purpose::X509 && now.since(key.since) < 2 * DAY);
        if !near && round % 500 > 3 {
            live.clear();
            bundles.clear();
            continue;
        }
        bundles.push((now.seconds(), one.bundle()));
        bundles.retain(|(at, _)| *at + Policy::DEFAULT.propagation >= now.seconds());
        live.extend([svid(&one), svid(&two)]);
        live.retain(|svid| svid.validity.not_after >= now);
        for (_, bundle) in &bundles {
            for svid in live.iter().step_by(7) {
                assert!(accepts(bundle, svid, now), "at {now}");
            }
        }
    }
    assert_eq!(roots.len(), 3, "a root signs for half a year");
    assert!(kids.len() >= 12, "{} keys for tokens", kids.len());
}

#[test]
fn intermediates_live_a_day_and_leaves_never_longer() {
    let world = World::new();
    let authority = world.open().unwrap();
    let first = svid(&authority);
    world.pass(11 * 3600);
    authority.tick().unwrap();
    assert_eq!(first.chain[1], svid(&authority).chain[1]);
    world.pass(2 * 3600);
    authority.tick().unwrap();
    let next = svid(&authority);
    assert_ne!(first.chain[1], next.chain[1], "after half of its life");
    // Nobody ticks any more: the leaf ends with its intermediate.
    world.pass(23 * 3600 + 1800);
    let last = svid(&authority);
    assert_eq!(
        last.validity.not_after,
        last.validity.not_after.min(world.clock.now().plus(1800))
    );
    world.pass(1801);
    let key = crate::keys::WorkloadKey::generate(KeyType::EcP256).unwrap();
    let dead = authority.issue_x509(&plan(), &key.public);
    assert!(matches!(dead, Err(AuthorityError::NoKey(Purpose::X509))));
}

#[test]
fn a_tainted_root_signs_nothing_and_workloads_hear_of_it() {
    let world = World::new();
    let authority = world.open().unwrap();
    let heard = authority.subscribe();
    let old = svid(&authority);
    let root = authority.state().active(Purpose::X509).unwrap().id.clone();
    let next = authority
        .state()
        .successor(Purpose::X509)
        .unwrap()
        .id
        .clone();
    assert!(
        authority.step(Step::Activate(next.clone())).is_err(),
        "too early"
    );
    world.pass(Policy::DEFAULT.propagation + Policy::DEFAULT.skew);
    authority.step(Step::Activate(next.clone())).unwrap();
    authority.step(Step::Taint(root.clone())).unwrap();
    assert!(heard.has_changed().unwrap());
    let state = authority.state();
    assert_eq!(state.authority(&root).unwrap().phase, Phase::Tainted);
    assert_eq!(state.active(Purpose::X509).unwrap().id, next);
    let new = svid(&authority);
    assert!(accepts(&authority.bundle(), &old, authority.now()));
    assert!(accepts(&authority.bundle(), &new, authority.now()));
    world.pass(Policy::DEFAULT.reissue);
    authority.step(Step::Revoke(root.clone())).unwrap();
    assert!(!accepts(&authority.bundle(), &old, authority.now()));
    assert!(accepts(&authority.bundle(), &new, authority.now()));
    // Revoked keys are forgotten with their private halves.
    assert!(authority.state().authority(&root).is_none());
    assert!(world.keys.signer(&root).unwrap().is_none());
}

#[test]
fn another_domain_or_a_lost_key_stops_the_start() {
    let world = World::new();
    let id = {
        let authority = world.open().unwrap();
        authority.state().active(Purpose::X509).unwrap().id.clone()
    };
    let error = world.open_as("other").unwrap_err().to_string();
    assert!(error.contains("is of the trust domain `td`"), "{error}");
    world.keys.remove(&id).unwrap();
    let error = world.open().unwrap_err().to_string();
    assert!(error.contains("restore it"), "{error}");
}

#[test]
fn keys_sign_after_the_log_holds_where_they_stand() {
    use std::sync::atomic::Ordering;

    use bailiwick_audit::{Event, RotationRecord};

    use crate::evidence::tests::{MemoryLog, evidence};

    let world = World::new();
    let log = Arc::new(MemoryLog::default());
    let (evidence, events) = evidence(&log);
    let authority = world.open_with(evidence).unwrap();
    let said = || -> Vec<RotationRecord> {
        let events = std::mem::take(&mut *events.lock().unwrap());
        let rotations = events.into_iter().map(|event| match event {
            Event::Rotation(record) => *record,
            other => panic!("{other:?}"),
        });
        rotations.collect()
    };
    // Two keys that sign, and the next of each.
    let first = said();
    assert_eq!(first.len(), 4, "{first:?}");
    assert!(
        first
            .iter()
            .all(|record| record.from.is_none() && record.domain == "td")
    );

    // What another process does is seen too.
    let state = authority.state();
    let next = state.successor(Purpose::X509).unwrap().id.clone();
    let old = state.active(Purpose::X509).unwrap().id.clone();
    world.pass(7200);
    let other = world.open().unwrap();
    other.step(Step::Activate(next.clone())).unwrap();
    log.closed.store(true, Ordering::SeqCst);
    let error = authority.tick().unwrap_err();
    assert!(matches!(error, AuthorityError::Unrecorded(_)), "{error}");
    let signs = |authority: &Authority| authority.state().active(Purpose::X509).unwrap().id.clone();
    assert_eq!(
        signs(&authority),
        old,
        "it signs by a state that the log does not hold"
    );
    said();
    log.closed.store(false, Ordering::SeqCst);
    authority.tick().unwrap();
    assert_eq!(signs(&authority), next);
    let phases: Vec<_> = said()
        .into_iter()
        .filter(|record| record.key == old.as_str() || record.key == next.as_str())
        .map(|record| (record.key, record.from.unwrap(), record.to.unwrap()))
        .collect();
    let expected =
        |key: &KeyId, from: &str, to: &str| (key.to_string(), from.to_owned(), to.to_owned());
    assert!(
        phases.contains(&expected(&old, "active", "retiring")),
        "{phases:?}"
    );
    let activated = phases
        .iter()
        .any(|(key, _, to)| *key == next.as_str() && to == "active");
    assert!(activated, "{phases:?}");
}
