use super::*;
use crate::pods::{Object, ObjectKind, SeenPod, View};
use crate::rules::{Bans, Tally};

fn view(pods: &[(&str, &str)]) -> View {
    let mut view = View::default();
    view.put(Object::Node(meta("", "n1", &[])));
    view.put(Object::Namespace(meta("", "shop", &[])));
    for (name, app) in pods {
        let labels: &[_] = if app.is_empty() {
            &[]
        } else {
            &[("app", *app)]
        };
        view.put(Object::Pod(Box::new(SeenPod {
            meta: meta("shop", name, labels),
            node: "n1".into(),
            service_account: "web".into(),
            images: vec!["i".into()],
            ..SeenPod::default()
        })));
    }
    view
}

fn tally(rules: &RuleSet, view: &View) -> Tally {
    let mut tally = Tally::default();
    for node in view.nodes_of_pods() {
        tally.count(rules, view, node);
    }
    tally
}

fn set(rules: &[(&str, serde_json::Value)]) -> RuleSet {
    let rules = rules
        .iter()
        .map(|(name, spec)| rule("", name, spec.clone()).unwrap());
    RuleSet::new(TrustDomain::parse("td").unwrap(), rules)
}

#[test]
fn pods_that_a_rule_gives_something_and_those_that_it_fits_in_vain() {
    let app = |app: &str| json!({"pods": {"matchLabels": {"app": app}}});
    let all = json!({"pods": {}});
    let rules = set(&[
        ("all", json!({"selector": all, "id": "/{pod}"})),
        (
            "labelled",
            json!({"selector": all, "id": "/app/{label:app}"}),
        ),
        (
            "spare",
            json!({"selector": all, "id": "/spare", "fallback": true}),
        ),
        ("nobody", json!({"selector": app("none"), "id": "/none"})),
        (
            "one",
            json!({"selector": app("db"), "id": "/db", "lifetime": "2h"}),
        ),
        ("two", json!({"selector": app("db"), "id": "/db"})),
    ]);
    let mut seen = view(&[("a", "web"), ("b", ""), ("c", "db"), ("d", "db")]);
    let counted = tally(&rules, &seen);
    let check = |counted: &Tally, rule: &str, pods: u64, without: u64, why: &[&str]| {
        let given = counted.given(&RuleName::of_object("", rule));
        assert_eq!(
            (given.pods, given.without),
            (pods, without),
            "{rule}: {given:?}"
        );
        assert_eq!(given.why.is_some(), !why.is_empty(), "{rule}: {given:?}");
        let said = given.why.unwrap_or_default();
        assert!(why.iter().all(|part| said.contains(part)), "{said}");
        given.conflict
    };
    assert!(!check(&counted, "all", 2, 0, &[]));
    assert!(!check(&counted, "labelled", 1, 1, &["shop/b: ", "label"]));
    check(&counted, "spare", 0, 0, &[]);
    check(&counted, "nobody", 0, 0, &[]);
    for rule in ["one", "two"] {
        let why = ["shop/c: ", "`one` and `two`", "different lifetimes"];
        assert!(check(&counted, rule, 0, 2, &why));
    }
    // Whoever is banned gets nothing by anything, and no rule is to blame.
    let mut bans = Bans::default();
    bans.insert("node:n1".parse().unwrap(), "x");
    let banned = rules.clone().banning(bans);
    check(&tally(&banned, &seen), "all", 0, 0, &[]);
    let before = seen.changes();
    seen.remove(ObjectKind::Node, "", "n1");
    assert!(seen.changes() > before);
    check(&tally(&rules, &seen), "all", 0, 0, &[]);
}
