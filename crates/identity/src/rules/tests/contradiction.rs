use serde_json::{Value, json};

use super::super::{RuleSet, decode};
use crate::testing::domain;

fn said(rules: &[(&str, Value)]) -> Vec<String> {
    let rule = |(name, spec): &(&str, Value)| {
        let document = json!({
            "apiVersion": "bailiwick.dev/v1alpha1", "kind": "WorkloadIdentity",
            "metadata": {"name": name}, "spec": spec,
        });
        decode(&serde_json::from_value(document).unwrap()).unwrap()
    };
    let set = RuleSet::new(domain("td"), rules.iter().map(rule));
    let found = set.contradictions().into_iter();
    found.map(|found| found.to_string()).collect()
}

#[test]
fn rules_that_can_only_contradict_each_other_are_named() {
    let shop = json!({"namespaces": ["shop"]});
    let spec = |more: Value| {
        let mut spec = json!({"selector": shop, "id": "/ns/{namespace}/a"});
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        spec
    };
    let check = |one: Value, other: Value, expected: &str| {
        let said = said(&[("one", spec(one)), ("two", spec(other))]);
        assert_eq!(said.len(), usize::from(!expected.is_empty()), "{said:?}");
        assert!(said.iter().all(|said| said.contains(expected)), "{said:?}");
    };
    let none = || json!({});
    check(none(), none(), "");
    check(
        none(),
        json!({"lifetime": "2h"}),
        "`one` and `two` fit the same workloads and give the same id with different lifetimes",
    );
    check(none(), json!({"keyType": "ec-p384"}), "kinds of key");
    check(none(), json!({"claims": {"team": "a"}}), "claims");
    check(json!({"hint": "x"}), json!({"hint": "y"}), "hints");
    // One that stands back, one for others, and what may turn out the same.
    check(none(), json!({"lifetime": "2h", "fallback": true}), "");
    let others = json!({"lifetime": "2h", "selector": {"namespaces": ["shop", "mall"]}});
    check(none(), others, "");
    check(
        json!({"dnsNames": ["{namespace}.example"]}),
        json!({"dnsNames": ["shop.example"]}),
        "",
    );
    let hinted = |id: &str| json!({"hint": "x", "id": id});
    check(
        hinted("/a/{pod}"),
        hinted("/b/{pod}"),
        "two ids with the same hint `x`",
    );
    check(hinted("/a"), hinted("/ab"), "the same hint");
    check(hinted("/ns/{namespace}"), hinted("/ns/shop"), "");
}
