use super::*;

fn check(spec: serde_json::Value, expected: Result<(), &str>) {
    check_in("", spec, expected);
}

fn check_in(namespace: &str, spec: serde_json::Value, expected: Result<(), &str>) {
    match (rule(namespace, "r", spec.clone()), expected) {
        (Ok(_), Ok(())) => {}
        (Err(error), Err(part)) => {
            let error = error.to_string();
            assert!(error.contains(part), "{error}");
        }
        (rule, _) => panic!("{spec}: {rule:?} instead of {expected:?}"),
    }
}

/// A spec that is fine, with one field in another way.
fn with(field: &str, value: serde_json::Value, expected: Result<(), &str>) {
    let mut spec = json!({"selector": {"pods": {}}, "id": "/a"});
    spec[field] = value;
    check(spec, expected);
}

#[test]
fn the_smallest_rule() {
    let rule = rule("", "r", json!({"selector": {"pods": {}}, "id": "/a"})).unwrap();
    assert_eq!(rule.lifetime, 3600);
    assert_eq!(rule.jwt_lifetime, 300);
    assert_eq!(rule.key_type, KeyType::EcP256);
    assert!(!rule.fallback);
}

#[test]
fn a_selector_names_somebody() {
    with("selector", json!({}), Err("spec.selector: selects nobody"));
    with(
        "selector",
        json!(null),
        Err("spec.selector: selects nobody"),
    );
    with(
        "selector",
        json!({"unix": {}}),
        Err("spec.selector.unix: selects nobody"),
    );
    with("selector", json!({"pods": {}}), Ok(()));
    with("selector", json!({"namespaces": []}), Err("is empty"));
    with("selector", json!({"unix": {"uids": []}}), Err("is empty"));
    with("selector", json!({"namespaces": ["a", "b"]}), Ok(()));
    with(
        "selector",
        json!({"namespaces": ["sh*"]}),
        Err("no patterns here"),
    );
    with("selector", json!({"images": ["*"]}), Err("limits nothing"));
    with(
        "selector",
        json!({"images": ["reg/*", "reg/a@sha256:0"]}),
        Ok(()),
    );
    with(
        "selector",
        json!({"images": ["reg/*/web"]}),
        Err("at the end"),
    );
    with(
        "selector",
        json!({"unix": {"paths": ["web"]}}),
        Err("is not absolute"),
    );
    with(
        "selector",
        json!({"unix": {"uids": [-1]}}),
        Err("numbers from 0"),
    );
    with(
        "selector",
        json!({"unix": {"uids": [4294967296u64]}}),
        Err("numbers from 0"),
    );
    with(
        "selector",
        json!({"unix": {"uids": ["0"]}}),
        Err("numbers from 0"),
    );
}

#[test]
fn a_misspelt_field_never_selects_more() {
    with("selector", json!({"pod": {}}), Err("no field `pod`"));
    with(
        "selector",
        json!({"pods": {"labels": {}}}),
        Err("no field `labels`"),
    );
    with("selecter", json!({}), Err("no field `selecter`"));
    with(
        "selector",
        json!({"pods": []}),
        Err("a list where a mapping belongs"),
    );
    with(
        "selector",
        json!({"pods": {"matchExpressions": [{"key": "a", "operator": "in", "values": ["b"]}]}}),
        Err("`In` and `NotIn` take values"),
    );
    with(
        "selector",
        json!({"pods": {"matchExpressions": [{"key": "a", "operator": "In"}]}}),
        Err("`In` and `NotIn` take values"),
    );
}

#[test]
fn id_2_paths_of_rules() {
    with("id", json!("/ns/{namespace}/sa/{serviceAccount}"), Ok(()));
    with("id", json!(""), Err("spec.id: is missing"));
    with("id", json!(null), Err("spec.id: is missing"));
    with("id", json!("a"), Err("starts with /"));
    with("id", json!("spiffe://td/a"), Err("starts with /"));
    with("id", json!("/a/"), Err("empty segment"));
    with("id", json!("/a/../b"), Err("segment `..`"));
    with("id", json!("/a b"), Err("in the path"));
    with(
        "id",
        json!("/{label:a}-{label:b}"),
        Err("two facts in one segment"),
    );
    with("id", json!("/{nmespace}"), Err("is no fact"));
}

#[test]
fn times_keys_hints_and_claims() {
    with("lifetime", json!("30m"), Ok(()));
    with(
        "lifetime",
        json!("59s"),
        Err("spec.lifetime: 59s: between 60s and 24h"),
    );
    with("lifetime", json!("25h"), Err("between"));
    with(
        "lifetime",
        json!(3600),
        Err("a number where a text belongs"),
    );
    with("jwtLifetime", json!("10s"), Err("between 30s"));
    with("keyType", json!("rsa-2048"), Ok(()));
    with("keyType", json!("rsa"), Err("write ec-p256"));
    with("hint", json!("x".repeat(1024)), Ok(()));
    with("hint", json!("x".repeat(1025)), Err("more than 1024 bytes"));
    with("claims", json!({"team": "{label:team}"}), Ok(()));
    with(
        "claims",
        json!({"sub": "x"}),
        Err("`sub` is set by the authority"),
    );
    with(
        "claims",
        json!({"team": ["x"]}),
        Err("a list where a text belongs"),
    );
    with("federatesWith", json!(["spiffe://other", "third"]), Ok(()));
    with(
        "federatesWith",
        json!(["spiffe://other/a"]),
        Err("has a path"),
    );
    with("priority", json!(-3), Ok(()));
    with("priority", json!("high"), Err("a whole number"));
    with("fallback", json!("yes"), Err("true or false"));
}

#[test]
fn a_rule_of_a_namespace_stays_there() {
    let with = |field: &str, value: serde_json::Value, expected: Result<(), &str>| {
        let mut spec = json!({"selector": {"pods": {}}, "id": "/ns/shop/web"});
        spec[field] = value;
        check_in("shop", spec, expected);
    };
    with("id", json!("/ns/shop/sa/{serviceAccount}"), Ok(()));
    with("id", json!("/ns/{namespace}/x"), Ok(()));
    with("id", json!("/ns/shop"), Err("below /ns/shop/"));
    with("id", json!("/ns/shop2/x"), Err("below /ns/shop/"));
    with("id", json!("/ns/pay/x"), Err("below /ns/shop/"));
    with("id", json!("/ns/{label:ns}/x"), Err("below /ns/shop/"));
    with("id", json!("/web"), Err("below /ns/shop/"));
    with(
        "dnsNames",
        json!(["web.shop.svc", "{pod}.shop.svc.cluster.local"]),
        Ok(()),
    );
    with("dnsNames", json!(["web.pay.svc"]), Err("end in .shop.svc"));
    with(
        "dnsNames",
        json!(["web.xshop.svc"]),
        Err("end in .shop.svc"),
    );
    with("dnsNames", json!(["shop.svc"]), Err("end in .shop.svc"));
    with(
        "dnsNames",
        json!(["web.shop.svc.{label:x}"]),
        Err("end in .shop.svc"),
    );
    with(
        "federatesWith",
        json!(["other"]),
        Err("federates with nobody"),
    );
    with("selector", json!({"namespaces": ["shop"]}), Ok(()));
    with(
        "selector",
        json!({"namespaces": ["shop", "pay"]}),
        Err("nothing outside"),
    );
    with(
        "selector",
        json!({"unix": {"uids": [0]}}),
        Err("selects pods"),
    );
}

#[test]
fn other_documents() {
    let check = |document: serde_json::Value, part: &str| {
        let error = decode(&value(&document)).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    check(
        json!({"apiVersion": "v1", "kind": "Pod"}),
        "`v1` `Pod` is no rule",
    );
    check(json!([]), "is no rule");
    check(
        json!({"apiVersion": "bailiwick.dev/v2", "kind": "WorkloadIdentity"}),
        "is no rule",
    );
    check(
        json!({"apiVersion": "bailiwick.dev/v1alpha1", "kind": "WorkloadIdentity", "metadata": {}}),
        "metadata.name: is missing",
    );
    check(
        json!({"apiVersion": "bailiwick.dev/v1alpha1", "kind": "WorkloadIdentity", "metadata": {"name": "r", "namespace": "n"}}),
        "metadata.namespace: a WorkloadIdentity lies in no namespace",
    );
    check(
        json!({"apiVersion": "bailiwick.dev/v1alpha1", "kind": "NamespaceWorkloadIdentity", "metadata": {"name": "r"}}),
        "metadata.namespace: is missing",
    );
}
