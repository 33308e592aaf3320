use super::*;

fn import(spec: serde_json::Value) -> Result<Rule, DecodeError> {
    let document = json!({
        "apiVersion": "spire.spiffe.io/v1alpha1", "kind": "ClusterSPIFFEID",
        "metadata": {"name": "all"}, "spec": spec,
    });
    assert!(is_importable(&value(&document)));
    decode(&value(&document))
}

fn check(template: &str, expected: Result<&str, &str>) {
    let rule = import(json!({"spiffeIDTemplate": template}));
    let id = rule
        .map(|rule| rule.id.as_str().to_owned())
        .map_err(|error| error.to_string());
    match (&id, expected) {
        (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
        _ => assert_eq!(id, expected.map(str::to_owned).map_err(str::to_owned)),
    }
}

#[test]
fn templates() {
    check(
        "spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}",
        Ok("/ns/{namespace}/sa/{serviceAccount}"),
    );
    check(
        "spiffe://{{.TrustDomain}}/{{.PodMeta.Name}}/{{ index .PodMeta.Labels \"app.kubernetes.io/name\" }}",
        Ok("/{pod}/{label:app.kubernetes.io/name}"),
    );
    check(
        "spiffe://{{ .TrustDomain }}/{{ .PodMeta.Labels.app }}",
        Ok("/{label:app}"),
    );
    check("spiffe://{{ .TrustDomain }}/x", Ok("/x"));
    check("spiffe://td/x", Err("has to start with"));
    check("spiffe://{{ .TrustDomain }}.evil/x", Err("starts with /"));
    check(
        "spiffe://{{ .TrustDomain }}/{{ .ClusterName }}",
        Err("cannot be translated"),
    );
    check(
        "spiffe://{{ .TrustDomain }}/{{ if true }}a{{ end }}",
        Err("cannot be translated"),
    );
    check(
        "spiffe://{{ .TrustDomain }}/{{ .PodMeta.Name",
        Err("without `}}`"),
    );
    check("spiffe://{{ .TrustDomain }}/{uid}", Err("a single brace"));
}

#[test]
fn what_cannot_be_followed_is_refused() {
    let with = |field: &str, value: serde_json::Value, expected: Result<(), &str>| {
        let mut spec = json!({"spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/a"});
        spec[field] = value;
        match (import(spec), expected) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (rule, _) => panic!("{field}: {rule:?}"),
        }
    };
    with("admin", json!(true), Err("spec.admin: has no counterpart"));
    with("admin", json!(false), Ok(()));
    with("downstream", json!(true), Err("no counterpart"));
    with("autoPopulateDNSNames", json!(true), Err("no counterpart"));
    with(
        "workloadSelectorTemplates",
        json!(["k8s:ns:shop"]),
        Err("no counterpart"),
    );
    with("workloadSelectorTemplates", json!([]), Ok(()));
    with("className", json!("spire"), Ok(()));
    with("podSelecter", json!({}), Err("no field `podSelecter`"));
    with("spiffeIDTemplate", json!(null), Err("is missing"));
}

#[test]
fn an_imported_rule_gives_what_upstream_gives() {
    let rule = import(json!({
        "spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}",
        "podSelector": {"matchLabels": {"app": "web"}},
        "namespaceSelector": {"matchLabels": {"team": "a"}},
        "dnsNameTemplates": ["{{ .PodMeta.Name }}.example"],
        "ttl": "30m", "jwtTtl": "0s", "federatesWith": ["other"], "hint": "h",
    }));
    let set = RuleSet::new(TrustDomain::parse("td").unwrap(), [rule.unwrap()]);
    let plans = set.explain(&pod()).result.unwrap();
    assert_eq!(plans[0].id.as_str(), "spiffe://td/ns/shop/sa/web");
    assert_eq!(plans[0].dns_names[0].as_str(), "web-1.example");
    assert_eq!((plans[0].lifetime, plans[0].jwt_lifetime), (1800, 300));
    let mut other = pod();
    other.pod.as_mut().unwrap().namespace.labels = Box::new([]);
    assert!(set.explain(&other).result.is_err());
}
