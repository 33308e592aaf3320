use super::*;

fn condition(id: &str) -> Condition {
    Condition {
        id: format!("acme.io/{id}"),
        residual: id.to_owned(),
        reason: Box::new(Reason::NoGrant),
    }
}

/// Conditions in a notation of one letter each: what they come to is `t`rue, `f`alse, `e`rror or `u`nknown.
fn conditions(text: &str) -> Conditions {
    let mut lists = text.split('|').zip(0..).map(|(list, place)| {
        let one = |(letter, n)| condition(&format!("{letter}-{place}-{n}"));
        list.chars().zip(0..).map(one).collect::<Vec<_>>()
    });
    Conditions {
        deny: lists.next().unwrap(),
        no_opinion: lists.next().unwrap(),
        allow: lists.next().unwrap(),
    }
}

fn truth(condition: &Condition) -> Truth {
    match condition.residual.chars().next().unwrap() {
        't' => Truth::True,
        'f' => Truth::False,
        'e' => Truth::Error("cannot".to_owned()),
        _ => Truth::Unknown,
    }
}

fn shown(settled: &Settled) -> String {
    let left = match &settled.decision.reason {
        Reason::Conditions(conditions) => {
            let list = |list: &[Condition]| -> String {
                list.iter()
                    .map(|condition| condition.residual.chars().next().unwrap())
                    .collect()
            };
            format!(
                " {}|{}|{}",
                list(&conditions.deny),
                list(&conditions.no_opinion),
                list(&conditions.allow)
            )
        }
        _ => String::new(),
    };
    let error = if settled.error.is_some() {
        " with error"
    } else {
        ""
    };
    format!("{:?}{left}{error}", settled.decision.effect)
}

/// Rows of the table in `k8s.io/apiserver/pkg/authorization/authorizer/evaluate.go`, in order.
#[test]
fn the_first_row_that_holds_decides() {
    let check = |text: &str, expected: &str| {
        assert_eq!(shown(&settle(&conditions(text), truth)), expected, "{text}");
    };
    check("t||t", "Deny");
    check("eut|t|t", "Deny");
    check("e|t|t", "Deny with error");
    check("ue|t|t", "Deny with error");
    check("ufu|tu|ft", "Conditional uu|tu|ft");
    check("f|et|t", "NoOpinion");
    check("f|ue|t", "NoOpinion with error");
    check("f|fu|ft", "Conditional |u|ft");
    check("f|u|", "NoOpinion");
    check("f|f|et", "Allow");
    check("||ue", "NoOpinion with error");
    check("||fuu", "Conditional ||uu");
    check("f|f|f", "NoOpinion");
    check("||", "NoOpinion");
}

#[test]
fn a_map_that_breaks_a_limit_fails_closed() {
    let check = |change: &dyn Fn(&mut Conditions), deny: bool, expected: Effect| {
        let mut broken = conditions(if deny { "u||u" } else { "||u" });
        change(&mut broken);
        let settled = conditional(broken);
        assert_eq!(settled.decision.effect, expected, "{:?}", settled.error);
        assert_eq!(settled.error.is_some(), expected != Effect::Conditional);
    };
    let both = |change: &dyn Fn(&mut Conditions)| {
        check(change, true, Effect::Deny);
        check(change, false, Effect::NoOpinion);
    };
    let more = |count: usize| {
        move |broken: &mut Conditions| {
            let there = broken.deny.len() + broken.allow.len();
            broken
                .allow
                .extend((there..count).map(|n| condition(&format!("u-{n}-more"))));
        }
    };
    check(&more(128), true, Effect::Conditional);
    both(&more(129));
    both(&|broken| broken.allow.push(broken.allow.first().unwrap().clone()));
    let id = |id: &'static str| {
        move |broken: &mut Conditions| broken.allow.first_mut().unwrap().id = id.to_owned()
    };
    for bad in [
        "plain",
        "/x",
        "acme.io/",
        "k8s.io/x",
        "a.kubernetes.io/x",
        "acme.io/-x",
        "acme.io/a b",
    ] {
        both(&id(bad));
    }
    check(&id("acme.io/a_b.c-d"), true, Effect::Conditional);
    let long = |length: usize| {
        move |broken: &mut Conditions| {
            broken.allow.first_mut().unwrap().residual = "u".repeat(length);
        }
    };
    check(&long(10_240), true, Effect::Conditional);
    both(&long(10_241));
}

fn answer(text: &str) -> Decision {
    let plain = |effect| Decision {
        effect,
        reason: Reason::NoGrant,
        problems: Vec::new(),
    };
    match text {
        "allow" => plain(Effect::Allow),
        "deny" => plain(Effect::Deny),
        "none" => plain(Effect::NoOpinion),
        conditional_text => conditional(conditions(conditional_text)).decision,
    }
}

fn row(texts: &[&str]) -> Result<Union, Box<Decision>> {
    Union::new(
        texts
            .iter()
            .zip('a'..)
            .map(|(text, name)| (name.to_string(), answer(text))),
    )
}

/// `k8s.io/apiserver/pkg/authorization/authorizer/conditionsunion.go`.
#[test]
fn a_row_collapses_where_conditions_are_moot() {
    let check = |texts: &[&str], expected: Option<Effect>| {
        let found = row(texts).unwrap().unconditional();
        assert_eq!(found.map(|decision| decision.effect), expected, "{texts:?}");
    };
    check(&["||t", "allow"], Some(Effect::Allow));
    check(&["t||", "deny"], Some(Effect::Deny));
    check(&["t||", "allow"], None);
    check(&["||t", "deny"], None);
    check(&["||t", "none"], None);
    check(&["none", "none"], Some(Effect::NoOpinion));
    check(&[], Some(Effect::NoOpinion));
    check(&["allow", "deny"], Some(Effect::Allow));
}

#[test]
fn a_row_is_evaluated_in_order() {
    let check = |texts: &[&str], expected: Effect| {
        let found = row(texts)
            .unwrap()
            .evaluate(|_, found| settle(found, truth).decision);
        assert_eq!(found.effect, expected, "{texts:?}");
    };
    check(&["||t", "t||"], Effect::Allow);
    check(&["||f", "t||"], Effect::Deny);
    check(&["f||", "allow"], Effect::Allow);
    check(&["e||", "allow"], Effect::Deny);
    check(&["f|t|t", "allow"], Effect::Allow);
    check(&["||f", "none", "||e"], Effect::NoOpinion);
}

#[test]
fn impossible_answers_and_bad_names_fail_closed() {
    let lying = row(&["||t", "none"]).unwrap();
    assert_eq!(
        lying.evaluate(|_, _| answer("deny")).effect,
        Effect::NoOpinion
    );
    let lying = row(&["t||", "allow"]).unwrap();
    assert_eq!(lying.evaluate(|_, _| answer("allow")).effect, Effect::Deny);

    let named = |name: &str, text: &str| (name.to_owned(), answer(text));
    let twice = Union::new([named("a", "t||"), named("a", "allow")]);
    assert_eq!(twice.unwrap_err().effect, Effect::Deny);
    let unnamed = Union::new([named("", "||t"), named("a", "allow")]);
    assert_eq!(unnamed.unwrap_err().effect, Effect::NoOpinion);
}
