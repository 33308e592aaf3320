use bailiwick_model::Value;

use super::*;
use crate::testing::{Root, domain};

fn document(kind: &str, spec: &serde_json::Value) -> Value {
    let version = match kind {
        FEDERATION_KIND => "bailiwick.dev/v1alpha1",
        _ => "spire.spiffe.io/v1alpha1",
    };
    let document = serde_json::json!({
        "apiVersion": version, "kind": kind, "metadata": {"name": "partner"}, "spec": spec,
    });
    serde_json::from_value(document).unwrap()
}

fn bundle(root: &Root, name: &str, sequence: Option<u64>) -> Bundle {
    let mut bundle = Bundle::new(domain(name));
    bundle.add_x509(root.der.clone()).unwrap();
    bundle.sequence = sequence;
    bundle
}

fn pem(der: &[u8]) -> String {
    let text = crate::encoding::standard(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

#[test]
fn f_2_nothing_is_inferred() {
    let root = Root::new("p");
    let json = bundle(&root, "p", Some(1)).to_json().to_string();
    let check = |spec: serde_json::Value, expected: Result<&str, &str>| {
        let read = decode(&document(FEDERATION_KIND, &spec));
        match (read, expected) {
            (Ok(read), Ok(profile)) => assert_eq!(read.profile.as_str(), profile, "{spec}"),
            (Err(error), Err(part)) => {
                let error = error.to_string();
                assert!(error.contains(part), "{spec}: {error}");
            }
            (read, _) => panic!("{spec}: {read:?}"),
        }
    };
    let web = serde_json::json!({"url": "https://p.example/b", "profile": "https_web"});
    let spiffe = serde_json::json!({
        "url": "https://p.example/b", "profile": "https_spiffe", "spiffeID": "spiffe://p/server",
    });
    let with = |endpoint: &serde_json::Value, key: &str, value: &str| {
        let mut endpoint = endpoint.clone();
        endpoint[key] = value.into();
        endpoint
    };
    let without = |endpoint: &serde_json::Value, key: &str| {
        let mut endpoint = endpoint.clone();
        endpoint.as_object_mut().unwrap().remove(key);
        endpoint
    };
    let spec = |endpoint| serde_json::json!({"trustDomain": "p", "endpoint": endpoint});
    let full =
        |endpoint| serde_json::json!({"trustDomain": "p", "endpoint": endpoint, "bundle": json});
    check(spec(web.clone()), Ok("https_web"));
    check(spec(with(&web, "roots", &pem(&root.der))), Ok("https_web"));
    check(full(spiffe.clone()), Ok("https_spiffe"));
    check(spec(spiffe.clone()), Ok("https_spiffe"));
    check(
        serde_json::json!({"endpoint": web}),
        Err("spec.trustDomain: is missing"),
    );
    check(
        spec(without(&web, "url")),
        Err("spec.endpoint.url: is missing"),
    );
    check(
        spec(without(&web, "profile")),
        Err("spec.endpoint.profile: is missing"),
    );
    check(
        spec(with(&web, "profile", "https")),
        Err("write https_web or https_spiffe"),
    );
    check(
        spec(with(&web, "url", "http://p")),
        Err("begin with https://"),
    );
    check(
        spec(with(&web, "roots", "none")),
        Err("certificates in PEM"),
    );
    check(
        spec(with(&web, "spiffeID", "spiffe://p/a")),
        Err("belongs to https_spiffe"),
    );
    check(
        full(web.clone()),
        Err("spec.bundle: belongs to https_spiffe"),
    );
    check(
        spec(without(&spiffe, "spiffeID")),
        Err("spec.endpoint.spiffeID: is missing"),
    );
    check(
        spec(with(&spiffe, "spiffeID", "spiffe://p")),
        Err("has no path"),
    );
    check(
        spec(with(&spiffe, "spiffeID", "https://p/a")),
        Err("spec.endpoint.spiffeID"),
    );
    check(
        spec(with(&spiffe, "roots", &pem(&root.der))),
        Err("belong to https_web"),
    );
    check(spec(with(&web, "proxy", "x")), Err("no field `proxy`"));
    let broken = serde_json::json!({"trustDomain": "p", "endpoint": spiffe, "bundle": "{}"});
    check(broken, Err("spec.bundle"));
}

#[test]
fn relationships_of_the_spire_controller_manager_are_read() {
    let json = bundle(&Root::new("p"), "p", None).to_json().to_string();
    let spec = serde_json::json!({
        "trustDomain": "p", "bundleEndpointURL": "https://p.example:8443",
        "bundleEndpointProfile": {"type": "https_spiffe", "endpointSPIFFEID": "spiffe://p/spire/server"},
        "trustDomainBundle": json, "className": "x",
    });
    let read = decode(&document(IMPORTED_FEDERATION_KIND, &spec)).unwrap();
    assert_eq!((read.domain.as_str(), read.url.port()), ("p", 8443));
    let EndpointProfile::Spiffe {
        id,
        bootstrap: Some(bundle),
    } = read.profile
    else {
        panic!("{:?}", read.profile);
    };
    assert_eq!(id.to_string(), "spiffe://p/spire/server");
    assert_eq!(bundle.x509_authorities().len(), 1);
    let error = decode(&document("ConfigMap", &serde_json::json!({}))).unwrap_err();
    assert!(error.to_string().contains("no relationship"), "{error}");
}

#[test]
fn relationships_have_to_fit_together() {
    let json = bundle(&Root::new("p"), "p", None).to_json().to_string();
    let web = |name: &str| {
        decode(&document(
            FEDERATION_KIND,
            &serde_json::json!({
                "trustDomain": name, "endpoint": {"url": "https://a", "profile": "https_web"},
            }),
        ))
        .unwrap()
    };
    let spiffe = |name: &str, id: &str, bundle: Option<&str>| {
        decode(&document(
            FEDERATION_KIND,
            &serde_json::json!({
                "trustDomain": name, "bundle": bundle,
                "endpoint": {"url": "https://a", "profile": "https_spiffe", "spiffeID": id},
            }),
        ))
        .unwrap()
    };
    let check = |relationships: &[Relationship], expected: Option<&str>| {
        let error = check_all(&domain("own"), relationships).err();
        let error = error.map(|error| error.to_string());
        match (&error, expected) {
            (None, None) => {}
            (Some(error), Some(part)) => assert!(error.contains(part), "{error}"),
            _ => panic!("{error:?} is not {expected:?}"),
        }
    };
    check(&[web("a"), web("b")], None);
    check(&[web("a"), web("a")], Some("two relationships with `a`"));
    check(&[web("own")], Some("own trust domain"));
    check(&[spiffe("p", "spiffe://p/s", Some(&json))], None);
    check(&[spiffe("p", "spiffe://p/s", None)], Some("no bundle"));
    // Not self-serving: the keys of the endpoint come from another relationship.
    check(
        &[spiffe("p", "spiffe://a/s", None)],
        Some("federate with `a`"),
    );
    check(&[spiffe("p", "spiffe://a/s", None), web("a")], None);
    check(&[spiffe("p", "spiffe://own/s", None)], Some("no bundle"));
}

#[test]
fn f_7_a_bundle_of_another_domain_is_not_taken() {
    let root = Root::new("other");
    let wrong = bundle(&root, "p", Some(1));
    let error = admit(&wrong, None).unwrap_err();
    assert!(
        matches!(error, FederationError::OtherDomain { .. }),
        "{error}"
    );
    assert_eq!(admit(&bundle(&Root::new("p"), "p", Some(1)), None), Ok(()));
}

#[test]
fn b_1_the_sequence_does_not_go_back_and_no_keys_revoke_all() {
    let root = Root::new("p");
    let check = |new, held, expected| {
        let (new, held) = (bundle(&root, "p", new), bundle(&root, "p", held));
        assert_eq!(
            admit(&new, Some(&held)).is_ok(),
            expected,
            "{new:?} {held:?}"
        );
    };
    check(Some(2), Some(1), true);
    check(Some(1), Some(1), true);
    check(Some(1), Some(2), false);
    check(Some(0), Some(u64::MAX), false);
    check(None, Some(2), true);
    check(Some(1), None, true);
    let mut empty = Bundle::new(domain("p"));
    empty.sequence = Some(9);
    assert_eq!(admit(&empty, Some(&bundle(&root, "p", Some(3)))), Ok(()));
}
