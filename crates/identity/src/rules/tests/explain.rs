use super::*;

fn set(rules: &[(&str, &str, serde_json::Value)]) -> RuleSet {
    let rules = rules
        .iter()
        .map(|(namespace, name, spec)| rule(namespace, name, spec.clone()).unwrap());
    RuleSet::new(TrustDomain::parse("td").unwrap(), rules)
}

/// The ids that a workload gets, in order, or why it gets none.
fn check(set: &RuleSet, facts: &Facts, expected: Result<&[&str], &str>) {
    let result = set.explain(facts).result;
    let ids = result.map(|plans| {
        plans
            .iter()
            .map(|plan| plan.id.to_string())
            .collect::<Vec<_>>()
    });
    let ids = ids.map_err(|denial| denial.to_string());
    match (&ids, expected) {
        (Err(denial), Err(part)) => assert!(denial.contains(part), "{denial}"),
        _ => assert_eq!(
            ids,
            expected
                .map(|ids| ids.iter().map(ToString::to_string).collect())
                .map_err(str::to_owned)
        ),
    }
}

/// Whether a rule with this selector fits.
fn fits(facts: &Facts, selector: serde_json::Value, expected: bool) {
    let set = set(&[("", "r", json!({"selector": selector, "id": "/a"}))]);
    let result = set.explain(facts).result;
    assert_eq!(
        result.is_ok(),
        expected,
        "{selector}: {:?}",
        set.explain(facts)
    );
}

#[test]
fn no_rule_no_identity() {
    check(&set(&[]), &pod(), Err("no rule gives it an identity"));
    check(&set(&[]), &process(), Err("no rule"));
    let all = set(&[("", "r", json!({"selector": {"pods": {}}, "id": "/a"}))]);
    check(&all, &Facts::default(), Err("no rule"));
}

#[test]
fn selectors_over_pods() {
    let facts = pod();
    fits(&facts, json!({"pods": {}}), true);
    fits(
        &facts,
        json!({"pods": {"matchLabels": {"app": "web"}}}),
        true,
    );
    fits(
        &facts,
        json!({"pods": {"matchLabels": {"app": "web", "x": "y"}}}),
        false,
    );
    let expression = |key, operator, values| json!({"pods": {"matchExpressions": [{"key": key, "operator": operator, "values": values}]}});
    fits(
        &facts,
        expression("tier", "In", json!(["front", "back"])),
        true,
    );
    fits(&facts, expression("tier", "NotIn", json!(["front"])), false);
    fits(&facts, expression("x", "DoesNotExist", json!([])), true);
    fits(&facts, json!({"namespaces": ["shop"]}), true);
    fits(&facts, json!({"namespaces": ["pay"]}), false);
    fits(
        &facts,
        json!({"namespaceLabels": {"matchLabels": {"team": "a"}}}),
        true,
    );
    fits(
        &facts,
        json!({"namespaceLabels": {"matchLabels": {"team": "b"}}}),
        false,
    );
    fits(&facts, json!({"serviceAccounts": ["web"]}), true);
    fits(&facts, json!({"serviceAccounts": ["default"]}), false);
    fits(&facts, json!({"nodes": ["n1"]}), true);
    fits(&facts, json!({"nodes": ["n2"]}), false);
    fits(
        &facts,
        json!({"nodeLabels": {"matchLabels": {"zone": "z2"}}}),
        false,
    );
    fits(
        &facts,
        json!({"namespaces": ["shop"], "serviceAccounts": ["x"]}),
        false,
    );
}

#[test]
fn an_image_speaks_for_its_own_container() {
    let mut facts = pod();
    fits(&facts, json!({"images": ["reg/web:1"]}), false);
    fits(&facts, json!({"images": ["reg/web:1", "reg/mesh:2"]}), true);
    fits(&facts, json!({"images": ["reg/*"]}), true);
    let own = |facts: &mut Facts, image: &str| {
        facts.pod.as_mut().unwrap().own_image = Some(image.to_owned());
    };
    own(&mut facts, "reg/web:1");
    fits(&facts, json!({"images": ["reg/web:1"]}), true);
    own(&mut facts, "reg/mesh:2");
    fits(&facts, json!({"images": ["reg/web:1"]}), false);
    own(&mut facts, "evil/reg/web:1");
    fits(&facts, json!({"images": ["reg/*"]}), false);
    let pod = facts.pod.as_mut().unwrap();
    (pod.own_image, pod.images) = (None, Vec::new());
    fits(&facts, json!({"images": ["reg/*"]}), false);
}

#[test]
fn selectors_over_processes() {
    let mut facts = process();
    fits(&facts, json!({"unix": {"uids": [1000]}}), true);
    fits(&facts, json!({"unix": {"uids": [0, 1001]}}), false);
    fits(&facts, json!({"unix": {"gids": [100]}}), true);
    fits(&facts, json!({"unix": {"gids": [44]}}), true);
    fits(&facts, json!({"unix": {"gids": [0]}}), false);
    fits(&facts, json!({"unix": {"paths": ["/usr/bin/web"]}}), true);
    fits(&facts, json!({"unix": {"paths": ["/usr/bin/*"]}}), true);
    fits(&facts, json!({"unix": {"paths": ["/usr/bin/we"]}}), false);
    fits(
        &facts,
        json!({"unix": {"uids": [1000], "paths": ["/bin/web"]}}),
        false,
    );
    fits(&facts, json!({"pods": {}}), false);
    facts.process.as_mut().unwrap().path = None;
    fits(&facts, json!({"unix": {"paths": ["/*"]}}), false);
}

#[test]
fn a_user_of_the_host_is_not_the_same_in_a_pod() {
    let facts = Facts {
        pod: pod().pod,
        process: process().process,
    };
    fits(&facts, json!({"unix": {"uids": [1000]}}), false);
    fits(&facts, json!({"unix": {"uids": [1000]}, "pods": {}}), true);
    fits(&pod(), json!({"unix": {"uids": [1000]}, "pods": {}}), false);
}

#[test]
fn templates_and_what_they_give() {
    let id = |id: &str, expected: Result<&[&str], &str>| {
        check(
            &set(&[("", "r", json!({"selector": {"pods": {}}, "id": id}))]),
            &pod(),
            expected,
        );
    };
    id(
        "/ns/{namespace}/sa/{serviceAccount}",
        Ok(&["spiffe://td/ns/shop/sa/web"]),
    );
    id(
        "/{node}/{pod}/{label:app}",
        Ok(&["spiffe://td/n1/web-1/web"]),
    );
    id("/{label:missing}", Err("no rule"));
    id("/{uid}", Err("no rule"));
    id("/bailiwick/agent", Err("no rule"));
}

#[test]
fn facts_do_not_climb_out_of_their_segment() {
    let path = |value: &str, expected: Result<&[&str], &str>| {
        let mut facts = pod();
        facts.pod.as_mut().unwrap().meta = meta("shop", "p", &[("x", value)]);
        let set = set(&[(
            "",
            "r",
            json!({"selector": {"pods": {}}, "id": "/a/{label:x}/b"}),
        )]);
        check(&set, &facts, expected);
    };
    path("ok", Ok(&["spiffe://td/a/ok/b"]));
    path("..", Err("no rule"));
    path(".", Err("no rule"));
    path("", Err("no rule"));
    path("c/d", Err("no rule"));
    path("c%2Fd", Err("no rule"));
}

#[test]
fn a_namespaced_rule_reaches_no_other_namespace() {
    let rules = set(&[(
        "pay",
        "r",
        json!({"selector": {"pods": {}}, "id": "/ns/pay/all"}),
    )]);
    check(&rules, &pod(), Err("no rule"));
    let Outcome::Differs(why) = &rules.explain(&pod()).verdicts[0].outcome else {
        panic!("it fits");
    };
    assert_eq!(why, &["its namespace is `shop`"]);
}

#[test]
fn several_identities_and_their_order() {
    let rules = set(&[
        ("", "b", json!({"selector": {"pods": {}}, "id": "/b"})),
        (
            "",
            "a",
            json!({"selector": {"pods": {}}, "id": "/a", "hint": "x"}),
        ),
        (
            "",
            "z",
            json!({"selector": {"pods": {}}, "id": "/z", "priority": 5}),
        ),
    ]);
    check(
        &rules,
        &pod(),
        Ok(&["spiffe://td/z", "spiffe://td/a", "spiffe://td/b"]),
    );
}

#[test]
fn conflicts_deny_everything() {
    let pair = |first: serde_json::Value, second: serde_json::Value| {
        let spec = |more: serde_json::Value| {
            let mut spec = json!({"selector": {"pods": {}}, "id": "/a"});
            for (key, value) in more.as_object().unwrap() {
                spec[key] = value.clone();
            }
            spec
        };
        set(&[("", "one", spec(first)), ("", "two", spec(second))])
    };
    check(&pair(json!({}), json!({})), &pod(), Ok(&["spiffe://td/a"]));
    let conflict = |field: &str, value: serde_json::Value, difference: &str| {
        let expected =
            format!("`one` and `two` both give `spiffe://td/a`, with different {difference}");
        check(
            &pair(json!({}), json!({field: value})),
            &pod(),
            Err(&expected),
        );
    };
    conflict("lifetime", json!("5m"), "lifetimes:");
    conflict("jwtLifetime", json!("1m"), "lifetimes of tokens");
    conflict("dnsNames", json!(["a.b"]), "DNS names");
    conflict("hint", json!("h"), "hints");
    conflict("claims", json!({"a": "b"}), "claims");
    conflict("keyType", json!("rsa-2048"), "kinds of key");
    conflict("federatesWith", json!(["other"]), "federated domains");
}

#[test]
fn a_4_hints_are_unique() {
    let rules = set(&[
        (
            "",
            "one",
            json!({"selector": {"pods": {}}, "id": "/a", "hint": "h"}),
        ),
        (
            "",
            "two",
            json!({"selector": {"pods": {}}, "id": "/b", "hint": "h"}),
        ),
    ]);
    check(
        &rules,
        &pod(),
        Err("`one` and `two` give identities with the same hint `h`"),
    );
}

#[test]
fn fallback_rules_stand_back() {
    let rules = set(&[
        (
            "",
            "any",
            json!({"selector": {"pods": {}}, "id": "/any", "fallback": true}),
        ),
        (
            "",
            "web",
            json!({"selector": {"serviceAccounts": ["web"]}, "id": "/web"}),
        ),
    ]);
    check(&rules, &pod(), Ok(&["spiffe://td/web"]));
    assert_eq!(
        rules.explain(&pod()).verdicts[0].outcome,
        Outcome::StandsBack
    );
    let mut other = pod();
    other.pod.as_mut().unwrap().service_account = "x".into();
    check(&rules, &other, Ok(&["spiffe://td/any"]));
}

#[test]
fn the_rule_of_a_laptop_covers_one_user_alone() {
    let td = TrustDomain::parse("td").unwrap();
    let own = RuleSet::new(td.clone(), [Rule::of_user(1000).unwrap()]);
    check(&own, &process(), Ok(&["spiffe://td/uid/1000/web"]));
    check(
        &RuleSet::new(td, [Rule::of_user(0).unwrap()]),
        &process(),
        Err("no rule"),
    );
    check(&own, &pod(), Err("no rule"));
    let written = rule(
        "",
        "r",
        json!({"selector": {"unix": {"uids": [1000]}}, "id": "/web"}),
    );
    let both = RuleSet::new(
        TrustDomain::parse("td").unwrap(),
        [Rule::of_user(1000).unwrap(), written.unwrap()],
    );
    check(&both, &process(), Ok(&["spiffe://td/web"]));
}

#[test]
fn the_later_of_two_rules_with_one_name_counts() {
    let rules = set(&[
        ("", "r", json!({"selector": {"pods": {}}, "id": "/old"})),
        ("", "r", json!({"selector": {"pods": {}}, "id": "/new"})),
        (
            "shop",
            "r",
            json!({"selector": {"pods": {}}, "id": "/ns/shop/r"}),
        ),
    ]);
    check(
        &rules,
        &pod(),
        Ok(&["spiffe://td/new", "spiffe://td/ns/shop/r"]),
    );
}

#[test]
fn everything_that_a_rule_says_is_in_the_plan() {
    let rules = set(&[(
        "",
        "r",
        json!({
            "selector": {"pods": {}}, "id": "/a", "dnsNames": ["{serviceAccount}.{namespace}.svc"],
            "lifetime": "10m", "jwtLifetime": "1m", "hint": "main", "claims": {"tier": "{label:tier}"},
            "keyType": "ec-p384", "federatesWith": ["other"],
        }),
    )]);
    let plans = rules.explain(&pod()).result.unwrap();
    let expected = Plan {
        rule: RuleName {
            namespace: None,
            name: "r".into(),
        },
        id: SpiffeId::parse("spiffe://td/a").unwrap(),
        dns_names: vec![DnsName::parse("web.shop.svc").unwrap()],
        lifetime: 600,
        jwt_lifetime: 60,
        hint: Some("main".into()),
        claims: BTreeMap::from([("tier".into(), "front".into())]),
        key_type: KeyType::EcP384,
        federates_with: vec![TrustDomain::parse("other").unwrap()],
    };
    assert_eq!(plans, [expected]);
}

#[test]
fn an_explanation_names_what_keeps_each_rule_away() {
    let rules = set(&[
        (
            "",
            "a",
            json!({"selector": {"namespaces": ["pay"], "nodes": ["n2"]}, "id": "/a"}),
        ),
        (
            "",
            "b",
            json!({"selector": {"pods": {}}, "id": "/{label:team}"}),
        ),
        (
            "",
            "c",
            json!({"selector": {"unix": {"uids": [1]}}, "id": "/c"}),
        ),
    ]);
    let verdicts = rules.explain(&pod()).verdicts;
    let outcomes: Vec<&Outcome> = verdicts.iter().map(|verdict| &verdict.outcome).collect();
    let differs =
        |reasons: &[&str]| Outcome::Differs(reasons.iter().map(ToString::to_string).collect());
    assert_eq!(
        outcomes,
        [
            &differs(&["its namespace is `shop`", "its node is `n1`"]),
            &Outcome::Fails("`{label:team}` is not known of it".into()),
            &differs(&[
                "it runs in a pod, and the rule is for processes of the host",
                "its process was not seen"
            ]),
        ]
    );
}

#[test]
fn who_is_banned_gets_nothing() {
    let rules = set(&[
        ("", "a", json!({"selector": {"pods": {}}, "id": "/a"})),
        (
            "",
            "b",
            json!({"selector": {"unix": {"uids": [1000]}}, "id": "/b"}),
        ),
    ]);
    let mut facts = pod();
    if let Some(pod) = &mut facts.pod {
        pod.meta.uid = "u1".into();
    }
    let banning = |who: &str| {
        let mut bans = Bans::default();
        bans.insert(who.parse().unwrap(), "stolen");
        rules.clone().banning(bans)
    };
    check(&rules, &facts, Ok(&["spiffe://td/a"]));
    for who in ["pod:u1", "node:n1", "id:spiffe://td/a"] {
        check(
            &banning(who),
            &facts,
            Err(&format!("banned ({who}): stolen")),
        );
    }
    for who in ["pod:u2", "node:n2", "id:spiffe://td/b"] {
        check(&banning(who), &facts, Ok(&["spiffe://td/a"]));
    }
    check(&banning("id:spiffe://td/b"), &process(), Err("banned"));
    check(&banning("pod:u1"), &process(), Ok(&["spiffe://td/b"]));
}
