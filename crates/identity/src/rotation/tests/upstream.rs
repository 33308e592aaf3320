use super::*;

#[test]
fn roots_of_an_authority_above_come_and_go_as_it_says() {
    let root = |number: u8| NewAuthority {
        upstream: true,
        ..key(number, Purpose::X509, 1000)
    };
    let roots = |all: &[u8], signing: u8| Roots {
        all: all.iter().map(|number| root(*number)).collect(),
        signing: id(signing),
    };
    let settle = |state: &State, roots: &Roots, now: u64| {
        let (mut state, now) = (state.clone(), UnixTime::new(now));
        while let Some(due) = state.due_below(roots, now, &POLICY) {
            let Due::Step(step) = due else {
                panic!("a key of our own: {due:?}");
            };
            state = state.apply(step, now, &POLICY).unwrap();
        }
        state
    };
    let check = |state: &State, expected: &[(u8, Phase)]| {
        let found: Vec<_> = state
            .authorities()
            .iter()
            .map(|key| (key.id.clone(), key.phase))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(number, phase)| (id(*number), *phase))
            .collect();
        assert_eq!(found, expected);
    };
    use Phase::{Active, Published, Retiring};
    // From a root of our own to one above.
    let own = State::birth(
        domain("td"),
        vec![key(0, Purpose::X509, 1000)],
        UnixTime::new(0),
    );
    let own = own
        .apply(
            Step::Prepare(key(1, Purpose::X509, 1000)),
            UnixTime::new(0),
            &POLICY,
        )
        .unwrap();
    let known = settle(&own, &roots(&[2], 2), 1);
    check(&known, &[(0, Active), (2, Published)]);
    assert!(known.is_below_upstream());
    assert_eq!(
        known.due(UnixTime::new(2), &POLICY),
        None,
        "who does not know it leaves it alone"
    );
    let signs = settle(&known, &roots(&[2], 2), 3);
    check(&signs, &[(0, Retiring), (2, Active)]);
    let alone = settle(&signs, &roots(&[2], 2), 8);
    check(&alone, &[(2, Active)]);
    assert_eq!(
        settle(&alone, &roots(&[2], 2), 500),
        alone,
        "it signs as long as it is there"
    );
    // The next one, told ahead; then back to the first.
    let ahead = settle(&alone, &roots(&[2, 3], 2), 10);
    check(&ahead, &[(2, Active), (3, Published)]);
    let next = settle(&ahead, &roots(&[2, 3], 3), 12);
    check(&next, &[(2, Retiring), (3, Active)]);
    let back = settle(&next, &roots(&[2, 3], 2), 14);
    check(&back, &[(2, Active), (3, Retiring)]);
    // One that was not told ahead waits, and one that is no longer there goes.
    let waits = settle(&ahead, &roots(&[4], 4), 11);
    check(&waits, &[(2, Active), (4, Published)]);
    // What is not trusted any more does not sign again.
    let tainted = next
        .apply(Step::Taint(id(2)), UnixTime::new(13), &POLICY)
        .unwrap();
    check(
        &settle(&tainted, &roots(&[2, 3], 2), 20),
        &[(2, Phase::Tainted), (3, Active)],
    );
}
